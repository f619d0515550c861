import { invalidArgValue } from '../errors.js';
import type { MappedFile } from '../mapped-file.js';
import { type Position, toCount } from '../ranges.js';
import { limitsOf, type WaitOptions } from './options.js';
import { Region } from './region.js';
import { everybody, sleep, sleepSync, wake } from './sleep.js';

const kind = 0x01726162; // 'bar', version 1
const partiesWord = 1;
/** How often it has opened, in the upper half, and how many have come since, in the lower. */
const stateWord = 2;
/** What those who came wait for: it follows how often it has opened. */
const signalWord = 3;

const mostParties = 2 ** 16 - 1;
const arrivedIn = (state: number): number => state & mostParties;
const openingOf = (state: number): number => state >>> 16;

/**
 * A place in a file where processes and threads wait for each other: who comes, waits until as many as agreed have come;
 * then it opens for all of them, and is closed again for the next time. It takes {@link SharedBarrier.byteLength} bytes,
 * which are zeros before the first use.
 *
 * One that dies before it has come is missing, and the others wait for it in vain: set a `timeout`. Who gives up waiting
 * is counted off again; one that dies waiting is not, and has come.
 *
 * @example
 * ```ts
 * import { MappedFile } from 'sliding-mmap';
 * import { SharedBarrier } from 'sliding-mmap/sync';
 *
 * await using file = MappedFile.anonymous(4096); // a file that many have open does as well
 *
 * using one = new SharedBarrier(file, 0, 2);
 * using two = new SharedBarrier(file, 0, 2);
 * const passed = await Promise.all([one.wait(), two.wait()]);
 * console.log(passed.filter((last) => last).length); // → 1
 * ```
 */
export class SharedBarrier implements Disposable {
  /** How many bytes of the file it takes. */
  static readonly byteLength: number = 16;

  /** How many it opens for. */
  readonly parties: number;
  readonly #region: Region;
  readonly #words: Int32Array;

  /** `parties` is from 1 to 65,535, and the same for all. Throws `ERR_INVALID_ARG_VALUE` when others have said otherwise. */
  constructor(file: MappedFile, position: Position, parties: number) {
    this.parties = toCount(parties, 'parties', 1, mostParties);
    this.#region = new Region(file, position, SharedBarrier.byteLength);
    this.#words = this.#region.words;
    try {
      this.#region.claim(kind);
      const agreed = Atomics.compareExchange(this.#words, partiesWord, 0, parties);
      if (agreed !== 0 && agreed !== parties) {
        throw invalidArgValue('parties', parties, `must be ${agreed}, as the others have it`);
      }
    } catch (error) {
      this.#region.release();
      throw error;
    }
  }

  /**
   * Waits until all have come. Resolves to true for the last one, which opened it, and to false for the others.
   *
   * Rejects with `ERR_MAPPED_FILE_TIMED_OUT` after `options.timeout`, and as {@link wait}: then it has not come.
   */
  async wait(options?: WaitOptions): Promise<boolean> {
    const limits = limitsOf(options);
    limits.signal?.throwIfAborted();
    const opening = this.#arrive();
    if (opening === undefined) return true;
    try {
      for (let signal = this.#signal(); !this.#hasOpened(opening); signal = this.#signal()) {
        const awaited = { index: signalWord, expected: signal };
        const roused = await sleep(this.#region, limits, awaited, () => this.#hasOpened(opening)).promise;
        this.#region.check();
        if (!roused) throw this.#region.timedOut();
      }
    } catch (error) {
      if (this.#region.released || this.#withdraw(opening)) throw error;
    }
    return false;
  }

  /** As {@link wait}, blocking the thread. */
  waitSync(options?: Omit<WaitOptions, 'signal'>): boolean {
    const limits = limitsOf(options);
    const opening = this.#arrive();
    if (opening === undefined) return true;
    for (let signal = this.#signal(); !this.#hasOpened(opening); signal = this.#signal()) {
      const awaited = { index: signalWord, expected: signal };
      const roused = sleepSync(this.#region, limits, awaited, () => this.#hasOpened(opening));
      if (!roused && this.#withdraw(opening)) throw this.#region.timedOut();
    }
    return false;
  }

  /** Ends the use of this object: what waits rejects with `ERR_INVALID_STATE`, and has come all the same. Idempotent. */
  dispose(): void {
    this.#region.release();
  }

  /** As {@link dispose}: `using barrier = new SharedBarrier(file, 0, 4)`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  /** Comes, and gives which opening to wait for; `undefined` for the last one, who opens it. */
  #arrive(): number | undefined {
    this.#region.check();
    for (;;) {
      const state = Atomics.load(this.#words, stateWord);
      const arrived = arrivedIn(state) + 1;
      if (arrived > this.parties) throw this.#region.invalid('The barrier was overwritten');
      const opening = openingOf(state);
      const isLast = arrived === this.parties;
      const next = isLast ? (opening + 1) << 16 : (opening << 16) | arrived;
      if (Atomics.compareExchange(this.#words, stateWord, state, next) !== state) continue;
      if (!isLast) return opening;
      Atomics.add(this.#words, signalWord, 1);
      wake(this.#region, signalWord, everybody);
      return undefined;
    }
  }

  #signal(): number {
    return Atomics.load(this.#words, signalWord);
  }

  /** Throws where nobody can tell: what was cut off reads as zeros. */
  #hasOpened(opening: number): boolean {
    if (openingOf(Atomics.load(this.#words, stateWord)) === opening) return false;
    this.#region.check();
    return true;
  }

  /** Counts one off again who gives up; false when it has opened. Throws as {@link #hasOpened}. */
  #withdraw(opening: number): boolean {
    for (;;) {
      const state = Atomics.load(this.#words, stateWord);
      if (openingOf(state) !== opening || arrivedIn(state) === 0) {
        this.#region.check();
        return openingOf(state) === opening; // somebody has written there
      }
      if (Atomics.compareExchange(this.#words, stateWord, state, state - 1) === state) return true;
    }
  }
}
