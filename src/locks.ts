/** Advisory locks of files: between processes, threads, and the callers of one. */
import fs from 'node:fs';
import { constants as osConstants } from 'node:os';
import type { Descriptor } from './descriptor.js';
import { checkSignal, invalidArgType, outOfRange } from './errors.js';
import { FileErrors } from './file-errors.js';
import { native } from './native.js';
import { type Position, toRange } from './ranges.js';
import type { WindowCache } from './window-cache.js';

const { EAGAIN } = osConstants.errno;
const none = 0;
const shared = 1;
const exclusively = 2;

/** Between two tries for a lock that another process holds, in milliseconds: doubled from the first to the last. */
const firstPause = 1;
const lastPause = 32;

/** What to lock; see `MappedFile.lock`. */
export interface LockOptions {
  /** Nobody else may hold a lock of the range; `false`: others may, if theirs are not exclusive. Default `true`. */
  exclusive?: boolean | undefined;
  /** First byte of the range, as a byte offset. Default 0. */
  start?: Position | undefined;
  /** End of the range, exclusive; it may be past the end of the file. Default: all that the file will ever have. */
  end?: Position | undefined;
  /** Ends the waiting: `lock` rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
}

interface Wanted {
  readonly exclusive: boolean;
  readonly start: number;
  readonly end: number;
}

/**
 * A lock that is held, until `release`, the file's `close`, or the end of the thread or process.
 *
 * @example
 * ```ts
 * const lock = await file.lock();
 * console.log(lock.exclusive, lock.released); // → true false
 * lock.release();
 * ```
 */
export class FileLock implements Disposable {
  /** Whether nobody else may hold a lock of the range. */
  readonly exclusive: boolean;
  /** First byte of the range, as a byte offset. */
  readonly start: number;
  /** End of the range, exclusive; `Infinity` for a lock that has none. */
  readonly end: number;
  readonly #locks: FileLocks;
  readonly #locker: number;
  #released = false;

  /** @internal */
  constructor(locks: FileLocks, locker: number, wanted: Wanted) {
    this.exclusive = wanted.exclusive;
    this.start = wanted.start;
    this.end = wanted.end;
    this.#locks = locks;
    this.#locker = locker;
  }

  /** Whether it is given back, or the file is closed. */
  get released(): boolean {
    return this.#released || this.#locks.closed;
  }

  /** Gives it back. Idempotent. */
  release(): void {
    if (this.#released) return;
    this.#released = true;
    this.#locks.release(this.#locker, this);
  }

  /** As {@link release}: `using lock = await file.lock()`. */
  [Symbol.dispose](): void {
    this.release();
  }
}

/** The locks of one opening of a file. Every one has an open file of its own, so that they exclude each other, too. @internal */
export class FileLocks {
  readonly #cache: WindowCache;
  readonly #descriptor: Descriptor;
  readonly #errors: FileErrors;
  #key: string | undefined;

  constructor(cache: WindowCache, descriptor: Descriptor) {
    this.#cache = cache;
    this.#descriptor = descriptor;
    this.#errors = new FileErrors(cache.path);
  }

  get closed(): boolean {
    return this.#cache.closed;
  }

  /** A lock, or null when another excludes it. */
  tryLock(options: LockOptions): FileLock | null {
    return this.#attempt(this.#wanted(options).wanted);
  }

  lock(options: LockOptions): Promise<FileLock> {
    const { wanted, signal } = this.#wanted(options);
    if (signal?.aborted === true) return Promise.reject(signal.reason as Error);
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        ...wanted,
        attempt: () => {
          const lock = this.#attempt(wanted);
          if (lock === null) return false;
          leave();
          resolve(lock);
          return true;
        },
        fail: (reason) => {
          leave();
          reject(reason);
        },
      };
      const abort = (): void => {
        waiter.fail(signal?.reason);
        queue.leave(waiter);
      };
      const forget = this.#cache.retain((reason) => {
        waiter.fail(reason);
        queue.leave(waiter);
      });
      const leave = (): void => {
        forget();
        signal?.removeEventListener('abort', abort);
      };
      const queue = queueOf(this.#fileKey());
      signal?.addEventListener('abort', abort, { once: true });
      queue.join(waiter);
    });
  }

  release(locker: number, { start, end }: Wanted): void {
    if (!this.#descriptor.isOpen) return;
    native.lock(locker, start, lengthOf(start, end), none);
    this.#descriptor.giveBackLocker(locker);
    this.wake();
  }

  /** Whatever was locked may not be so any more. */
  wake(): void {
    if (this.#key !== undefined) queues.get(this.#key)?.hurry();
  }

  #wanted(options: LockOptions): { wanted: Wanted; signal: AbortSignal | undefined } {
    if (typeof options !== 'object' || options === null) throw invalidArgType('options', 'of type object', options);
    const { exclusive = true, start, end, signal } = options;
    if (typeof exclusive !== 'boolean') throw invalidArgType('options.exclusive', 'of type boolean', exclusive);
    checkSignal(signal);
    const range = toRange(start, end, Infinity);
    // The system takes a length of 0 for one without an end.
    if (range.start === range.end) throw outOfRange('options.end', `> ${range.start}, the start`, range.end);
    this.#cache.enter();
    this.#cache.requirePositions(range.start, 0);
    if (exclusive && !this.#cache.openedWritable) {
      throw this.#errors.readOnly('The file was opened read-only, and can only be locked with exclusive: false');
    }
    return { wanted: { exclusive, ...range }, signal };
  }

  #attempt(wanted: Wanted): FileLock | null {
    this.#fileKey();
    const locker = this.#descriptor.borrowLocker();
    if (locker < 0) throw this.#errors.system(-locker, 'open');
    const { exclusive, start, end } = wanted;
    const status = native.lock(locker, start, lengthOf(start, end), exclusive ? exclusively : shared);
    if (status === 0) return new FileLock(this, locker, wanted);
    this.#descriptor.giveBackLocker(locker);
    if (status === -EAGAIN) return null;
    throw this.#errors.system(-status, 'fcntl', start);
  }

  #fileKey(): string {
    if (this.#key === undefined) {
      const { dev, ino } = fs.fstatSync(this.#cache.fd, { bigint: true });
      this.#key = `${dev}:${ino}`;
    }
    return this.#key;
  }
}

/** As the system takes it. */
function lengthOf(start: number, end: number): number {
  return end === Infinity ? 0 : end - start;
}

interface Waiter extends Wanted {
  /** True when it has its lock. */
  attempt(): boolean;
  fail(reason: unknown): void;
}

/**
 * Who waits, on this thread, for locks of one file. The system's own waiting would take a thread for each, which nothing
 * but a signal ends; so they ask again and again, and at once when a lock is given back on this thread. Nobody overtakes
 * an earlier one that excludes him; between threads and processes, whoever asks first after a release is served.
 */
class Queue {
  readonly #key: string;
  readonly #waiting = new Set<Waiter>();
  #timer: NodeJS.Timeout | undefined;
  #pause = firstPause;
  #hurrying = false;

  constructor(key: string) {
    this.#key = key;
  }

  join(waiter: Waiter): void {
    this.#pause = firstPause;
    if (excludedBy(this.#waiting, waiter) || !this.#serve(waiter)) this.#waiting.add(waiter);
    this.#rest();
  }

  leave(waiter: Waiter): void {
    this.#waiting.delete(waiter);
    // Those behind it need not wait for it any more.
    if (this.#waiting.size > 0) this.hurry();
    else this.#rest();
  }

  /** Asks soon, but not in the midst of the caller's code. */
  hurry(): void {
    this.#pause = firstPause;
    if (this.#hurrying) return;
    this.#hurrying = true;
    queueMicrotask(() => {
      this.#hurrying = false;
      this.#ask();
    });
  }

  /** Asks for all, in their order. */
  #ask(): void {
    // Of those who go on waiting, the ones that exclude whom no other of them does: mostly one, however many wait.
    const ahead: Waiter[] = [];
    for (const waiter of this.#waiting) {
      if (!excludedBy(ahead, waiter) && this.#serve(waiter)) continue;
      if (excludesAll(waiter)) break;
      if (!ahead.some((earlier) => isWithin(waiter, earlier))) ahead.push(waiter);
    }
    this.#rest();
  }

  /** False when it has to wait. */
  #serve(waiter: Waiter): boolean {
    try {
      if (!waiter.attempt()) return false;
    } catch (error) {
      waiter.fail(error);
    }
    this.#waiting.delete(waiter);
    return true;
  }

  #rest(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#waiting.size === 0) {
      if (queues.get(this.#key) === this) queues.delete(this.#key);
      return;
    }
    // Not all at the same moment: processes that began together would go on together.
    this.#timer = setTimeout(() => this.#ask(), this.#pause * (0.5 + Math.random()));
    this.#pause = Math.min(2 * this.#pause, lastPause);
  }
}

/** By the file, whatever it was opened as. */
const queues = new Map<string, Queue>();

function queueOf(key: string): Queue {
  let queue = queues.get(key);
  if (queue === undefined) {
    queue = new Queue(key);
    queues.set(key, queue);
  }
  return queue;
}

function excludes(one: Wanted, other: Wanted): boolean {
  return (one.exclusive || other.exclusive) && one.start < other.end && other.start < one.end;
}

function excludedBy(earlier: Iterable<Wanted>, wanted: Wanted): boolean {
  for (const one of earlier) if (excludes(one, wanted)) return true;
  return false;
}

function excludesAll({ exclusive, start, end }: Wanted): boolean {
  return exclusive && start === 0 && end === Infinity;
}

/** Whether the other one excludes all that this one does. */
function isWithin(one: Wanted, other: Wanted): boolean {
  return (other.exclusive || !one.exclusive) && other.start <= one.start && one.end <= other.end;
}
