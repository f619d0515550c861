/** Counters whose memory does not grow with the log. */

/**
 * Counts by minute. When more than `capacity` minutes are there, those with the smaller counts are dropped: in a log
 * in order of time nothing is lost by it, since a minute that is over does not come back. Where one does come back,
 * `exact` turns false, and counts are lower bounds.
 */
export class MinuteCounter {
  readonly #counts = new Map<number, number>();
  readonly #capacity: number;
  #current = -1;
  #pending = 0;
  #latestDropped = -1;
  #exact = true;

  constructor(capacity = 1 << 16) {
    this.#capacity = capacity;
  }

  add(minute: number): void {
    if (minute === this.#current) this.#pending++;
    else {
      this.#settle();
      this.#current = minute;
      this.#pending = 1;
    }
  }

  merge(other: MinuteCounter): void {
    other.#settle();
    for (const [minute, count] of other.#counts) this.#put(minute, count);
    this.#exact &&= other.#exact;
    this.#latestDropped = Math.max(this.#latestDropped, other.#latestDropped);
  }

  /** The minute with the highest count; of equals, the earliest. */
  busiest(): { minute: number; count: number; exact: boolean } | undefined {
    this.#settle();
    let minute = -1;
    let count = 0;
    for (const [m, c] of this.#counts) {
      if (c > count || (c === count && m < minute)) [minute, count] = [m, c];
    }
    return count === 0 ? undefined : { minute, count, exact: this.#exact };
  }

  /** How many minutes are held. */
  get size(): number {
    this.#settle();
    return this.#counts.size;
  }

  #settle(): void {
    if (this.#pending > 0) this.#put(this.#current, this.#pending);
    this.#pending = 0;
    this.#current = -1;
  }

  #put(minute: number, count: number): void {
    const before = this.#counts.get(minute);
    if (before === undefined && minute <= this.#latestDropped) this.#exact = false;
    this.#counts.set(minute, (before ?? 0) + count);
    if (this.#counts.size > this.#capacity) this.#drop();
  }

  #drop(): void {
    const ranked = [...this.#counts].sort(([m1, c1], [m2, c2]) => c2 - c1 || m1 - m2);
    for (const [minute] of ranked.slice(this.#capacity >> 1)) {
      this.#counts.delete(minute);
      if (minute > this.#latestDropped) this.#latestDropped = minute;
    }
  }
}

export interface Slow {
  milliseconds: number;
  label: string;
}

/** The slowest few, the slowest first. */
export class Slowest {
  readonly #capacity: number;
  readonly #items: Slow[] = [];

  constructor(capacity = 10) {
    this.#capacity = capacity;
  }

  /** What a request must take longer than to get in, in milliseconds: ask before a label is made. */
  get threshold(): number {
    return this.#items.length < this.#capacity ? -1 : this.#items[this.#capacity - 1]!.milliseconds;
  }

  get items(): readonly Slow[] {
    return this.#items;
  }

  add(item: Slow): void {
    if (item.milliseconds <= this.threshold) return;
    const at = this.#items.findIndex(({ milliseconds }) => milliseconds < item.milliseconds);
    this.#items.splice(at === -1 ? this.#items.length : at, 0, item);
    if (this.#items.length > this.#capacity) this.#items.pop();
  }
}
