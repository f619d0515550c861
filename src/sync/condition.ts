import { invalidArgType } from '../errors.js';
import type { MappedFile } from '../mapped-file.js';
import { type Position, toCount } from '../ranges.js';
import { MutexGuard } from './mutex.js';
import { type Limits, limitsOf, unlimited, type WaitOptions } from './options.js';
import { Region } from './region.js';
import { everybody, sleep, sleepSync, wake } from './sleep.js';

const kind = 0x016e6f63; // 'con', version 1
const countWord = 1;

/**
 * Waiting, in a file, for what a {@link SharedMutex} protects to become so: for all processes and threads that have the
 * file open and agree on its position. It takes {@link SharedCondition.byteLength} bytes, which are zeros before the first
 * use.
 *
 * One who dies waiting takes nothing with it: if it was the one whom `notify` woke, the others wake, too, in 100 ms.
 *
 * @example
 * ```ts
 * import { MappedFile } from 'sliding-mmap';
 * import { SharedCondition, SharedMutex } from 'sliding-mmap/sync';
 *
 * await using file = MappedFile.anonymous(4096); // a file that many have open does as well
 *
 * using mutex = new SharedMutex(file, 0);
 * using changed = new SharedCondition(file, 8);
 *
 * async function until(ready: () => boolean): Promise<void> {
 *   using guard = await mutex.lock();
 *   while (!ready()) await changed.wait(guard);
 * }
 *
 * const done = until(() => file.getInt32(16) === 1);
 * {
 *   using guard = await mutex.lock();
 *   file.setInt32(16, 1);
 * }
 * changed.notifyAll();
 * await done;
 * ```
 */
export class SharedCondition implements Disposable {
  /** How many bytes of the file it takes. */
  static readonly byteLength: number = 8;

  readonly #region: Region;

  constructor(file: MappedFile, position: Position = 0) {
    this.#region = new Region(file, position, SharedCondition.byteLength);
    try {
      this.#region.claim(kind);
    } catch (error) {
      this.#region.release();
      throw error;
    }
  }

  /**
   * Gives the mutex back, waits for a notification, and takes the mutex again, whatever came of it: when the promise
   * settles, the guard holds it, unless the file is closed. Resolves to `'timed-out'` after `options.timeout`, which does
   * not count the time until the mutex is free. It may resolve to `'ok'` without a notification that was meant for it, so
   * look at what you wait for again.
   *
   * `guard.ownerDied` says whether the mutex was left by a dead owner meanwhile. Rejects with `ERR_INVALID_STATE` when the
   * guard does not hold its mutex, and as {@link wait}.
   */
  async wait(guard: MutexGuard, options?: WaitOptions): Promise<'ok' | 'timed-out'> {
    const { limits, expected } = this.#prepare(guard, options);
    limits.signal?.throwIfAborted();
    guard.suspend();
    try {
      return (await sleep(this.#region, limits, { index: countWord, expected }).promise) ? 'ok' : 'timed-out';
    } finally {
      await guard.resume(unlimited);
    }
  }

  /** As {@link wait}, blocking the thread. */
  waitSync(guard: MutexGuard, options?: Omit<WaitOptions, 'signal'>): 'ok' | 'timed-out' {
    const { limits, expected } = this.#prepare(guard, options);
    guard.suspend();
    try {
      return sleepSync(this.#region, limits, { index: countWord, expected }) ? 'ok' : 'timed-out';
    } finally {
      guard.resumeSync(unlimited);
    }
  }

  /** Wakes `count` (default: one) of those who wait, or some more. The mutex need not be held. */
  notify(count = 1): void {
    const most = toCount(count, 'count', 1, everybody);
    this.#region.check();
    Atomics.add(this.#region.words, countWord, 1);
    wake(this.#region, countWord, most);
  }

  /** Wakes all who wait. */
  notifyAll(): void {
    this.notify(everybody);
  }

  /** Ends the use of this object: what waits rejects with `ERR_INVALID_STATE`. Idempotent. */
  dispose(): void {
    this.#region.release();
  }

  /** As {@link dispose}: `using condition = new SharedCondition(file, 8)`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  #prepare(guard: unknown, options: unknown): { limits: Limits; expected: number } {
    if (!(guard instanceof MutexGuard)) throw invalidArgType('guard', 'an instance of MutexGuard', guard);
    const limits = limitsOf(options);
    this.#region.check();
    return { limits, expected: Atomics.load(this.#region.words, countWord) };
  }
}
