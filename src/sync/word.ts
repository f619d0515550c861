import { invalidArgType } from '../errors.js';
import type { MappedFile } from '../mapped-file.js';
import { type Position, toCount, toPosition } from '../ranges.js';
import { type Limits, limitsOf, type WaitOptions } from './options.js';
import { Region } from './region.js';
import { everybody, sleep, sleepSync, wake } from './sleep.js';

/** How a wait for an Int32 ended: it had another value to begin with, it was woken or changed, or its time was up. */
export type WaitResult = 'ok' | 'not-equal' | 'timed-out';

const most = 2 ** 31 - 1;

/** The Int32s of one file that somebody waits for, and the one used last: a caller may ask for it again and again. */
class Words {
  readonly #users = new Map<Region, number>();
  readonly #regions = new Map<number, Region>();
  #last: Region | undefined;

  take(file: MappedFile, position: Position): Region {
    let region = this.#regions.get(toPosition(position));
    if (region === undefined || region.released) {
      region = new Region(file, position, Int32Array.BYTES_PER_ELEMENT);
      this.#regions.set(region.position, region);
    }
    this.#users.set(region, (this.#users.get(region) ?? 0) + 1);
    return region;
  }

  giveBack(region: Region): void {
    this.#users.set(region, (this.#users.get(region) ?? 1) - 1);
    const last = this.#last;
    this.#last = region;
    if (last !== undefined && last !== region) this.#drop(last);
    if (region.released) this.#drop(region);
  }

  #drop(region: Region): void {
    if (this.#users.get(region) !== 0) return;
    this.#users.delete(region);
    if (this.#regions.get(region.position) === region) this.#regions.delete(region.position);
    region.release();
  }
}

const wordsOf = new WeakMap<MappedFile, Words>();

function wordsIn(file: MappedFile): Words {
  // Before it is a key: what is no object cannot be one.
  if (typeof file !== 'object' || file === null) throw invalidArgType('file', 'an instance of MappedFile', file);
  let words = wordsOf.get(file);
  if (words === undefined) {
    words = new Words();
    wordsOf.set(file, words);
  }
  return words;
}

function int32(value: unknown, name: string): number {
  return toCount(value, name, -(2 ** 31), most);
}

/**
 * Waits until somebody, in any process or thread, {@link notify}s the Int32 at a position of a file (a multiple of 4, in
 * the machine's byte order, as `file.view(position, position + 4).as(Int32Array)` has it). Resolves to `'not-equal'` at
 * once when its value is not `expected`, to `'timed-out'` after `options.timeout`, and else to `'ok'`: then it was woken,
 * or was seen to have another value, for which it is looked at every 100 ms at the latest.
 *
 * So change the value, by `Atomics`, and then notify, and look at it again after waiting: a notification without a change
 * reaches those whom the kernel already has on its list, which one who has just begun to wait, asynchronously, may not be.
 *
 * Waiting takes no thread of the pool: all who wait on one thread share one of the addon's (futex_waitv(2), Linux 5.16).
 * Where the system has nothing like it they look by themselves, after 1, 2, 4 … 16 ms. A wait that is pending keeps the
 * process alive.
 *
 * Rejects with the signal's reason, with `ERR_MAPPED_FILE_CLOSED` when the file is closed, and with
 * `ERR_MAPPED_FILE_TRUNCATED` when it is cut. Throws `ERR_OUT_OF_RANGE` for a position that is not aligned or not inside
 * the file, `ERR_MAPPED_FILE_READ_ONLY` for a file that is read-only or opened for appending, and
 * `ERR_MAPPED_FILE_NOT_MAPPABLE` where the file is not mapped (`backing: 'read'`).
 *
 * @example
 * ```ts
 * import { MappedFile } from 'sliding-mmap';
 * import { notify, wait } from 'sliding-mmap/sync';
 *
 * await using file = MappedFile.anonymous(4096); // a file that many have open does as well
 *
 * const woken = wait(file, 0, 0); // while the Int32 at position 0 is 0
 * file.setInt32(0, 1, true);
 * notify(file, 0);
 * console.log(await woken); // → ok
 * ```
 */
export async function wait(
  file: MappedFile,
  position: Position,
  expected: number,
  options?: WaitOptions,
): Promise<WaitResult> {
  const value = int32(expected, 'expected');
  const limits = limitsOf(options);
  limits.signal?.throwIfAborted();
  const words = wordsIn(file);
  const region = words.take(file, position);
  try {
    region.check();
    if (Atomics.load(region.words, 0) !== value) return 'not-equal';
    return (await sleep(region, limits, { index: 0, expected: value }).promise) ? 'ok' : 'timed-out';
  } finally {
    words.giveBack(region);
  }
}

/** As {@link wait}, blocking the thread. */
export function waitSync(
  file: MappedFile,
  position: Position,
  expected: number,
  options?: Omit<WaitOptions, 'signal'>,
): WaitResult {
  const value = int32(expected, 'expected');
  const limits: Limits = limitsOf(options);
  const words = wordsIn(file);
  const region = words.take(file, position);
  try {
    region.check();
    if (Atomics.load(region.words, 0) !== value) return 'not-equal';
    const roused = sleepSync(region, limits, { index: 0, expected: value });
    region.check();
    return roused ? 'ok' : 'timed-out';
  } finally {
    words.giveBack(region);
  }
}

/**
 * Wakes up to `count` (default: all) of those who {@link wait} for the Int32 at a position, and gives how many the system
 * woke: 0 where they look by themselves. Throws as {@link wait}.
 *
 * @example
 * ```ts
 * import { MappedFile } from 'sliding-mmap';
 * import { notify } from 'sliding-mmap/sync';
 *
 * await using file = MappedFile.anonymous(4096); // a file that many have open does as well
 *
 * console.log(notify(file, 0)); // → 0
 * ```
 */
export function notify(file: MappedFile, position: Position, count?: number): number {
  const most = count === undefined ? everybody : toCount(count, 'count', 0, everybody);
  const words = wordsIn(file);
  const region = words.take(file, position);
  try {
    region.check();
    return wake(region, 0, most);
  } finally {
    words.giveBack(region);
  }
}
