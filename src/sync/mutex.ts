import type { MappedFile } from '../mapped-file.js';
import type { Position } from '../ranges.js';
import { invalidState } from '../errors.js';
import { type Limits, limitsOf, type WaitOptions } from './options.js';
import { Region } from './region.js';
import { type Acquired, RobustLock } from './robust-lock.js';

const kind = 0x0174756d; // 'mut', version 1
const lockWord = 1;

/**
 * A {@link SharedMutex} that is held, until `release`, the file's `close`, or the end of the thread or process.
 *
 * @example
 * ```ts
 * import { MappedFile } from 'sliding-mmap';
 * import { SharedMutex } from 'sliding-mmap/sync';
 *
 * await using file = MappedFile.anonymous(4096); // a file that many have open does as well
 *
 * using mutex = new SharedMutex(file, 0);
 * const guard = await mutex.lock();
 * console.log(guard.ownerDied); // → false
 * guard.release();
 * ```
 */
export class MutexGuard implements Disposable {
  readonly #lock: RobustLock;
  readonly #region: Region;
  readonly #leave: () => void;
  #ownerDied: boolean;
  #state: 'held' | 'suspended' | 'released' = 'held';

  /** @internal */
  constructor(region: Region, lock: RobustLock, acquired: Acquired, leave: () => void) {
    this.#region = region;
    this.#lock = lock;
    this.#ownerDied = acquired === 'owner died';
    this.#leave = leave;
  }

  /**
   * Whether whoever had it before died, or closed the file, without giving it back: what it protects may be half changed.
   * Whoever gets it next is not told again. Changes when a condition is waited for by this guard.
   */
  get ownerDied(): boolean {
    return this.#ownerDied;
  }

  /** Whether it is given back, or the file is closed. */
  get released(): boolean {
    return this.#state === 'released' || this.#region.released;
  }

  /**
   * Gives it back. Idempotent. Throws `ERR_MAPPED_FILE_SYNC_INVALID` when somebody has written over the lock, and
   * `ERR_MAPPED_FILE_TRUNCATED` when the file was cut before it.
   */
  release(): void {
    if (this.#state === 'released') return;
    const held = this.#state === 'held';
    this.#state = 'released';
    try {
      if (held) this.#lock.release();
    } finally {
      this.#leave();
    }
  }

  /** As {@link release}: `using guard = await mutex.lock()`. */
  [Symbol.dispose](): void {
    this.release();
  }

  /** Gives the lock back for as long as a condition is waited for. @internal */
  suspend(): void {
    if (this.#state !== 'held' || this.released) throw invalidState('The mutex is not held by the guard');
    this.#state = 'suspended';
    this.#lock.release();
  }

  /** @internal */
  async resume(limits: Limits): Promise<void> {
    this.#resumed(await this.#lock.acquire(limits));
  }

  /** @internal */
  resumeSync(limits: Limits): void {
    this.#resumed(this.#lock.acquireSync(limits));
  }

  #resumed(acquired: Acquired): void {
    if (this.#state === 'released') {
      this.#lock.release(); // released meanwhile: then it was a mistake to wait, but not one to leave it locked
      throw invalidState('The guard was released');
    }
    this.#state = 'held';
    this.#ownerDied = acquired === 'owner died';
  }
}

/**
 * A lock in a file, for all processes and threads that have the file open and agree on its position: who has it keeps the
 * others waiting. It takes {@link SharedMutex.byteLength} bytes, which are zeros before the first use.
 *
 * It is robust: when its owner dies, a process by any signal, a thread by `worker.terminate()`, it goes to the next one,
 * whose guard says `ownerDied`. Whoever waits looks for that every 100 ms. An owner is an opening of the file (a
 * `MappedFile`), so closing that while the lock is held is dying, too. See docs/sharing.md for how it is known.
 *
 * The constructor throws as {@link wait}, and `ERR_MAPPED_FILE_SYNC_INVALID` where something else is in that place; and
 * the system's error where the file system has no locks. It throws `ERR_INVALID_STATE` while another program has the file
 * locked unto infinity (fcntl(2), lockf(3)).
 *
 * @example
 * ```ts
 * import { MappedFile } from 'sliding-mmap';
 * import { SharedMutex } from 'sliding-mmap/sync';
 *
 * await using file = MappedFile.anonymous(4096); // a file that many have open does as well
 *
 * using mutex = new SharedMutex(file, 0);
 * {
 *   using guard = await mutex.lock();
 *   if (guard.ownerDied) console.log('what it protects may be half written');
 *   console.log(mutex.tryLock()); // → null
 * }
 * using again = mutex.lockSync(); // free again
 * ```
 */
export class SharedMutex implements Disposable {
  /** How many bytes of the file it takes. */
  static readonly byteLength: number = 8;

  readonly #region: Region;
  readonly #lock: RobustLock;
  /** Guards that are not released, and those to come; the region is needed as long as there are any. */
  #guards = 0;
  #disposed = false;

  constructor(file: MappedFile, position: Position = 0) {
    this.#region = new Region(file, position, SharedMutex.byteLength);
    try {
      this.#region.claim(kind);
      this.#lock = new RobustLock(this.#region, lockWord);
    } catch (error) {
      this.#region.release();
      throw error;
    }
  }

  /**
   * Takes the lock, as soon as nobody else has it. Tasks of one thread that use one object are served in their order;
   * between objects, threads and processes there is no order. A task that has the lock and asks for it again waits for
   * itself: only a `timeout` or a `signal` gets it out of that (blocking, it is an error, see {@link lockSync}).
   *
   * Rejects with `ERR_MAPPED_FILE_TIMED_OUT` after `options.timeout`, and as {@link wait}.
   */
  async lock(options?: WaitOptions): Promise<MutexGuard> {
    const limits = limitsOf(options);
    this.#enter();
    this.#guards++;
    try {
      return this.#guard(await this.#lock.acquire(limits));
    } catch (error) {
      this.#leave();
      throw error;
    }
  }

  /**
   * As {@link lock}, blocking the thread. Throws `ERR_MAPPED_FILE_DEADLOCK` when the lock is this thread's already, which
   * could never give it back.
   */
  lockSync(options?: Omit<WaitOptions, 'signal'>): MutexGuard {
    const limits = limitsOf(options);
    this.#enter();
    const acquired = this.#lock.acquireSync(limits);
    this.#guards++;
    return this.#guard(acquired);
  }

  /** Takes the lock if nobody else has it, or its owner is dead; else gives `null`. */
  tryLock(): MutexGuard | null {
    this.#enter();
    const acquired = this.#lock.tryAcquire();
    if (acquired === undefined) return null;
    this.#guards++;
    return this.#guard(acquired);
  }

  /** Ends the use of this object: what waits rejects with `ERR_INVALID_STATE`. Guards stay as they are. Idempotent. */
  dispose(): void {
    this.#disposed = true;
    if (this.#guards === 0) this.#region.release();
    else for (const sleeper of [...this.#region.sleepers]) sleeper.gone();
  }

  /** As {@link dispose}: `using mutex = new SharedMutex(file)`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  #enter(): void {
    if (this.#disposed) throw this.#region.gone();
    this.#region.check();
  }

  #guard(acquired: Acquired): MutexGuard {
    return new MutexGuard(this.#region, this.#lock, acquired, () => this.#leave());
  }

  #leave(): void {
    this.#guards--;
    if (this.#guards === 0 && this.#disposed) this.#region.release();
  }
}
