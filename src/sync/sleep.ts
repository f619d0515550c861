/**
 * Waiting for a word of a region without blocking. The addon has a thread that waits for all of them, where the system
 * lets it; besides, everybody who waits is looked after every now and then. That finds what no wake-up tells of: an owner
 * that died, one who died between a change and its wake-up, a file that was cut. And where the system cannot wait, it is
 * all there is, and done more often.
 */
import { native } from '../native.js';
import type { Limits } from './options.js';
import type { Region } from './region.js';

/** Between two looks, in milliseconds: where the addon waits, and the first and last where nobody does. */
const restful = 100;
const firstPause = 1;
const lastPause = 16;
/** Most that a timer takes; later deadlines are for the looks. */
const longestTimer = 2 ** 31 - 1;

/** What is waited for: that a word of the region has another value than this, or is woken. @internal */
export interface Awaited {
  readonly index: number;
  readonly expected: number;
}

/** One who waits. @internal */
export interface Sleeper {
  /** True when it was roused, false when its time was up. Rejects by the signal, and when the region is of no use any more. */
  readonly promise: Promise<boolean>;
  /** False for one that does not wait any more. */
  rouse(): boolean;
}

const sleepers = new Map<number, Entry>();
let lastId = 0;
let timer: NodeJS.Timeout | undefined;
let pause = firstPause;
let listens: boolean | undefined;

/** Whether the addon waits for words; then the pause need not be short. */
function listening(): boolean {
  listens ??=
    native.futexListen((id, errno) => {
      // A word that cannot be read, or not be waited for: a look tells more.
      if (errno === 0) sleepers.get(id)?.end(true);
      else sleepers.get(id)?.look();
    }) === 0;
  return listens;
}

class Entry implements Sleeper {
  readonly promise: Promise<boolean>;
  readonly #region: Region;
  readonly #limits: Limits;
  readonly #awaited: Awaited | undefined;
  readonly #roused: (() => boolean) | undefined;
  readonly #id: number;
  #timer: NodeJS.Timeout | undefined;
  #forget: () => void = () => {};
  #resolve!: (roused: boolean) => void;
  #reject!: (reason: unknown) => void;

  constructor(region: Region, limits: Limits, awaited: Awaited | undefined, roused: (() => boolean) | undefined) {
    this.#region = region;
    this.#limits = limits;
    this.#awaited = awaited;
    this.#roused = roused;
    do lastId = (lastId + 1) >>> 0;
    while (sleepers.has(lastId));
    this.#id = lastId;
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.#begin();
  }

  #begin(): void {
    const { deadline, signal } = this.#limits;
    if (signal?.aborted === true) return this.#reject(signal.reason);
    const left = deadline - performance.now();
    if (this.#changed()) return this.#resolve(true);
    if (left <= 0) return this.#resolve(false);

    this.#forget = this.#region.cache.retain((reason) => this.#fail(reason));
    sleepers.set(this.#id, this);
    this.#region.sleepers.add(this);
    signal?.addEventListener('abort', this.#abort, { once: true });
    if (left <= longestTimer) this.#timer = setTimeout(() => this.end(false), Math.ceil(left));
    const awaited = this.#awaited;
    if (listening() && awaited !== undefined) {
      // If it has no room there are still the looks.
      native.futexAdd(this.#id, this.#region.words, awaited.index, awaited.expected);
    }
    lookSoon();
  }

  readonly #abort = (): void => this.#fail(this.#limits.signal?.reason);

  #changed(): boolean {
    const awaited = this.#awaited;
    return awaited !== undefined && Atomics.load(this.#region.words, awaited.index) !== awaited.expected;
  }

  look(): void {
    try {
      this.#region.check();
      if (this.#changed() || this.#roused?.() === true) this.end(true);
      else if (performance.now() >= this.#limits.deadline) this.end(false);
    } catch (error) {
      this.#fail(error);
    }
  }

  rouse(): boolean {
    return this.end(true);
  }

  end(roused: boolean): boolean {
    if (!this.#leave()) return false;
    this.#resolve(roused);
    return true;
  }

  #fail(reason: unknown): void {
    if (this.#leave()) this.#reject(reason);
  }

  /** The region is released. */
  gone(): void {
    this.#fail(this.#region.gone());
  }

  #leave(): boolean {
    if (!sleepers.delete(this.#id)) return false;
    if (this.#awaited !== undefined && listens === true) native.futexRemove(this.#id);
    this.#forget();
    this.#region.sleepers.delete(this);
    clearTimeout(this.#timer);
    this.#limits.signal?.removeEventListener('abort', this.#abort);
    if (sleepers.size === 0) {
      clearTimeout(timer);
      timer = undefined;
    }
    return true;
  }
}

/** Somebody new waits. The timer keeps the process alive while anybody does. */
function lookSoon(): void {
  if (listens === true) {
    timer ??= setTimeout(lookAfterAll, restful);
    return;
  }
  pause = firstPause;
  clearTimeout(timer);
  timer = setTimeout(lookAfterAll, pause);
}

function lookAfterAll(): void {
  timer = undefined;
  for (const sleeper of [...sleepers.values()]) sleeper.look();
  if (sleepers.size === 0) return;
  pause = Math.min(2 * pause, lastPause);
  timer ??= setTimeout(lookAfterAll, listens === true ? restful : pause);
}

/**
 * Begins to wait for a word, or, without one, to be roused. `roused` is asked now and then, when nothing else happens: it
 * says whether there is a reason not to wait any more, and must not throw but for what ends the waiting.
 *
 * @internal
 */
export function sleep(region: Region, limits: Limits, awaited?: Awaited, roused?: () => boolean): Sleeper {
  return new Entry(region, limits, awaited, roused);
}

/** As {@link sleep}, blocking; the signal is not looked at. @internal */
export function sleepSync(region: Region, limits: Limits, awaited: Awaited, roused?: () => boolean): boolean {
  const { index, expected } = awaited;
  for (;;) {
    region.check();
    if (Atomics.load(region.words, index) !== expected || roused?.() === true) return true;
    const left = limits.deadline - performance.now();
    if (left <= 0) return false;
    if (native.futexWait(region.words, index, expected, Math.ceil(Math.min(left, restful))) === 0) return true;
  }
}

/** Wakes up to `count` of those who wait for a word, and gives how many. @internal */
export function wake(region: Region, index: number, count: number): number {
  return Math.max(0, native.futexWake(region.words, index, count));
}

/** For {@link wake}. @internal */
export const everybody = 2 ** 31 - 1;
