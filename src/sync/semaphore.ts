import { outOfRange } from '../errors.js';
import type { MappedFile } from '../mapped-file.js';
import { type Position, toCount } from '../ranges.js';
import { type Limits, limitsOf, optionsOf, type WaitOptions } from './options.js';
import { Region } from './region.js';
import { everybody, sleep, sleepSync, wake } from './sleep.js';
import { Turns } from './turns.js';

const kind = 0x016d6573; // 'sem', version 1
const stateWord = 1;
/** The word is twice the permits plus two, so that it is never 0, and odd while others may wait. */
const mostPermits = 2 ** 30 - 2;
const contended = 1;

const stateOf = (permits: number): number => 2 * (permits + 1);
const permitsOf = (state: number): number => (state >>> 1) - 1;

/** What a semaphore is asked for. */
export interface AcquireOptions extends WaitOptions {
  /** How many permits; default 1. All of them are got at once. */
  count?: number | undefined;
}

/**
 * A number of permits in a file, for all processes and threads that have the file open and agree on its position: who
 * acquires one leaves one less, and where there is none, waits until somebody releases one. It takes
 * {@link SharedSemaphore.byteLength} bytes, which are zeros before the first use.
 *
 * Permits are nobody's: anybody may release what another has acquired, and those that a process had when it died are
 * missing. Where that must not happen, use a {@link SharedMutex}. One that dies waiting takes nothing with it.
 *
 * @example
 * ```ts
 * import { MappedFile } from 'sliding-mmap';
 * import { SharedSemaphore } from 'sliding-mmap/sync';
 *
 * await using file = MappedFile.anonymous(4096); // a file that many have open does as well
 *
 * using places = new SharedSemaphore(file, 0, { permits: 2 });
 * await places.acquire();
 * console.log(places.tryAcquire(), places.tryAcquire()); // → true false
 * places.release(2);
 * ```
 */
export class SharedSemaphore implements Disposable {
  /** How many bytes of the file it takes. */
  static readonly byteLength: number = 8;

  readonly #region: Region;
  readonly #words: Int32Array;
  readonly #turns: Turns;

  /** `options.permits` (default 0) is how many there are at first: for whoever comes first, others find what is left. */
  constructor(file: MappedFile, position: Position = 0, options?: { permits?: number | undefined }) {
    const { permits = 0 } = optionsOf(options) as { permits?: number };
    const initial = toCount(permits, 'options.permits', 0, mostPermits);
    this.#region = new Region(file, position, SharedSemaphore.byteLength);
    this.#words = this.#region.words;
    this.#turns = new Turns(this.#region);
    try {
      this.#region.claim(kind);
      Atomics.compareExchange(this.#words, stateWord, 0, stateOf(initial));
    } catch (error) {
      this.#region.release();
      throw error;
    }
  }

  /** How many permits there are now. */
  get permits(): number {
    this.#region.check();
    return permitsOf(this.#load());
  }

  /**
   * Takes permits as soon as there are enough. Tasks of one thread that use one object are served in their order; between
   * objects, threads and processes there is no order.
   *
   * Rejects with `ERR_MAPPED_FILE_TIMED_OUT` after `options.timeout`, and as {@link wait}.
   */
  async acquire(options?: AcquireOptions): Promise<void> {
    const { count, limits } = wanted(options);
    this.#region.check();
    await this.#turns.take(limits, async () => {
      for (let state = this.#tryTake(count); state !== undefined; state = this.#tryTake(count)) {
        // No wake-up is lost with one who gives up here: all are woken.
        const awaited = { index: stateWord, expected: state };
        if (!(await sleep(this.#region, limits, awaited).promise)) throw this.#region.timedOut();
        this.#region.check();
      }
    });
  }

  /** As {@link acquire}, blocking the thread, which overtakes the tasks that wait on it. */
  acquireSync(options?: Omit<AcquireOptions, 'signal'>): void {
    const { count, limits } = wanted(options);
    this.#region.check();
    for (let state = this.#tryTake(count); state !== undefined; state = this.#tryTake(count)) {
      const awaited = { index: stateWord, expected: state };
      if (!sleepSync(this.#region, limits, awaited)) throw this.#region.timedOut();
    }
  }

  /** Takes permits if there are enough; false when not. Overtakes those who wait. */
  tryAcquire(count = 1): boolean {
    const wanted = toCount(count, 'count', 1, mostPermits);
    this.#region.check();
    for (;;) {
      const state = this.#load();
      if (permitsOf(state) < wanted) return false;
      if (this.#replace(state, state - 2 * wanted)) return true;
    }
  }

  /** Adds permits (default: one), and wakes those who wait. Throws `ERR_OUT_OF_RANGE` where there would be 2^30 − 1 or more. */
  release(count = 1): void {
    const added = toCount(count, 'count', 1, mostPermits);
    this.#region.check();
    for (;;) {
      const state = this.#load();
      const permits = permitsOf(state) + added;
      if (permits > mostPermits) throw outOfRange('count', `<= ${mostPermits - permitsOf(state)}`, count);
      if (!this.#replace(state, stateOf(permits))) continue;
      if ((state & contended) !== 0) wake(this.#region, stateWord, everybody);
      return;
    }
  }

  /** Ends the use of this object: what waits rejects with `ERR_INVALID_STATE`. Idempotent. */
  dispose(): void {
    this.#region.release();
  }

  /** As {@link dispose}: `using semaphore = new SharedSemaphore(file)`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  /** Takes permits, or says that somebody waits, and gives the state to wait for. */
  #tryTake(count: number): number | undefined {
    for (;;) {
      const state = this.#load();
      if (permitsOf(state) >= count) {
        if (this.#replace(state, state - 2 * count)) return undefined;
      } else if (this.#replace(state, state | contended)) return state | contended;
    }
  }

  #load(): number {
    const state = Atomics.load(this.#words, stateWord);
    if (state < stateOf(0)) throw this.#region.invalid('The semaphore was overwritten');
    return state;
  }

  #replace(state: number, by: number): boolean {
    return Atomics.compareExchange(this.#words, stateWord, state, by) === state;
  }
}

function wanted(options: AcquireOptions | undefined): { count: number; limits: Limits } {
  const { count = 1 } = optionsOf(options) as AcquireOptions;
  return { count: toCount(count, 'options.count', 1, mostPermits), limits: limitsOf(options) };
}
