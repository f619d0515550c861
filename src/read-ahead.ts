/** Bringing the pages of a walk over a file into memory before the walk needs them. */
import type { ByteSource } from './byte-source.js';

/** How far ahead of a walk that has just missed a page is read, and the furthest, in bytes. */
const LEAST_DEPTH = 1024 * 1024;
const MOST_DEPTH = 16 * 1024 * 1024;
/** Most bytes that are asked for at a time: a walk that ends leaves no more than this under way. */
const PIECE = 4 * 1024 * 1024;

/**
 * How far ahead of one walk its source is read, on the thread pool.
 *
 * While everything is in memory nothing is done at all. From the first miss on, ranges are prefetched in order, and a
 * step waits until its own has come. Were it to try its luck instead, the kernel would start its read-ahead of several
 * megabytes on the thread that asks, which takes milliseconds.
 *
 * Every wait doubles the depth. Twice the depth without a wait, because the consumer is slower than the device or
 * because the rest is in memory anyway, halves it, and at last ends it until the next miss.
 *
 * Where only reading tells the end, as while a spool is filled, nothing is read ahead: it would wait for what may never
 * come, and the walk, which is to get what there is, with it.
 */
export class ReadAhead {
  readonly #source: ByteSource;
  /** 1 for a walk towards the end of the file, -1 towards its start. The fields below count in this direction. */
  readonly #direction: 1 | -1;
  readonly #end: number;
  #depth = 0;
  /** Up to where bytes have been asked for, and up to where they have come. */
  #asked = 0;
  #came = 0;
  #lastWait = 0;
  #underWay: Promise<void> | undefined;

  /** `end` is where the walk ends at the latest: a byte offset, or `Infinity`. */
  constructor(source: ByteSource, end: number, direction: 1 | -1 = 1) {
    this.#source = source;
    this.#direction = direction;
    this.#end = end * direction;
  }

  /**
   * To be called before the walk reads `[start, end)`, inside the file; when it gives a promise, the read has to wait
   * for that. It never rejects: what failed fails again when it is read.
   */
  before(start: number, end: number): Promise<void> | undefined {
    if (this.#depth === 0) return undefined;
    const [from, to] = this.#along(start, end);
    if (to > this.#came) {
      this.#depth = Math.min(MOST_DEPTH, this.#depth * 2);
      this.#lastWait = to;
      return this.#wait(from, to);
    }
    if (to - this.#lastWait >= 2 * this.#depth) {
      this.#depth = this.#depth > LEAST_DEPTH ? this.#depth / 2 : 0;
      this.#lastWait = to;
    }
    this.#askFor(to + this.#depth);
    return undefined;
  }

  /** The read of `[start, end)` that the walk is about to wait for, or has waited for, did not find it in memory. */
  missed(start: number, end: number): void {
    if (this.#depth > 0 || this.#source.size === Infinity) return;
    const [, to] = this.#along(start, end);
    this.#depth = LEAST_DEPTH;
    this.#asked = this.#came = this.#lastWait = to;
    this.#askFor(to + this.#depth);
  }

  #along(start: number, end: number): [from: number, to: number] {
    return this.#direction > 0 ? [start, end] : [-end, -start];
  }

  async #wait(from: number, to: number): Promise<void> {
    // After a jump.
    if (this.#asked < from) this.#asked = from;
    while (this.#came < to && this.#depth > 0) {
      this.#askFor(to + this.#depth);
      if (this.#underWay === undefined) return;
      await this.#underWay;
    }
  }

  /** Asks for the next piece, as far as `limit`, when none is under way. */
  #askFor(limit: number): void {
    if (this.#underWay !== undefined) return;
    const from = this.#asked;
    const bound = this.#direction > 0 ? Math.min(this.#end, this.#source.size) : this.#end;
    const to = Math.min(from + PIECE, limit, bound);
    // Not worth a trip to the thread pool yet.
    if (to <= from || (to < bound && to - from < LEAST_DEPTH / 2)) return;
    this.#asked = to;
    const came = (): void => {
      this.#underWay = undefined;
      // Unless the walk has missed a page elsewhere meanwhile.
      if (this.#asked === to) this.#came = to;
    };
    const [start, end] = this.#along(from, to);
    this.#underWay = this.#source.prefetch(start, end).then(came, came);
  }
}
