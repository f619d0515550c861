/** How many delimiters there are before each multiple of an interval. */

/** Entries at most. When they are all taken every other one is dropped, so memory is bounded whatever the file's size. */
export const MOST_ENTRIES = 2 ** 20;
/** Bytes from one entry to the next, as a caller may ask for them. */
export const LEAST_INTERVAL = 4096;
export const MOST_INTERVAL = 2 ** 40;

export class DelimiterTable {
  /** Bytes from one entry to the next. */
  interval: number;
  /** Entries: the last one is for the byte offset `length * interval`. The one for offset 0 is not stored. */
  length = 0;
  readonly #most: number;
  #counts: Float64Array = new Float64Array(64);

  /** `interval` is a power of two, and `most` too. */
  constructor(interval: number, most = MOST_ENTRIES) {
    this.interval = interval;
    this.#most = most;
  }

  /** Takes entries that were stored; they belong to the table from now on. */
  static of(interval: number, counts: Float64Array): DelimiterTable {
    const table = new DelimiterTable(interval);
    table.#counts = counts;
    table.length = counts.length;
    return table;
  }

  /** The entries, without that for offset 0; a part of the table, until it changes. */
  get entries(): Float64Array {
    return this.#counts.subarray(0, this.length);
  }

  /** Bytes of memory. */
  get byteLength(): number {
    return this.#counts.byteLength;
  }

  /** How many delimiters begin before byte offset `entry * interval`. */
  at(entry: number): number {
    return entry === 0 ? 0 : this.#counts[entry - 1]!;
  }

  /** Adds the entry for offset `(length + 1) * interval`. */
  push(count: number): void {
    if (this.length === this.#counts.length) {
      const larger = new Float64Array(Math.min(this.#most, Math.max(64, 2 * this.length)));
      larger.set(this.#counts);
      this.#counts = larger;
    }
    this.#counts[this.length++] = count;
    if (this.length < this.#most) return;
    this.length /= 2;
    for (let i = 0; i < this.length; i++) this.#counts[i] = this.#counts[2 * i + 1]!;
    this.interval *= 2;
  }

  /** Forgets the entries behind byte offset `position`. */
  cutAt(position: number): void {
    this.length = Math.min(this.length, Math.floor(position / this.interval));
  }

  /** The entry for `position` or, if that is not on a multiple, before it. */
  before(position: number): number {
    return Math.min(this.length, Math.floor(position / this.interval));
  }

  /** The last entry that has fewer than `count` delimiters before it. */
  search(count: number): number {
    let low = 0;
    let high = this.length;
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (this.at(middle) < count) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}
