import { constants as osConstants } from 'node:os';
import { invalidArgType, MappedFileError } from './errors.js';
import { native } from './native.js';
import { toCount } from './ranges.js';
import { Window, type WindowOwner } from './window.js';

const { EOPNOTSUPP } = osConstants.errno;
const GiB = 2 ** 30;
const MiB = 2 ** 20;
/** How many windows are taken from others, after the system has refused one, before it is asked again. */
const refusalPause = 1024;
/**
 * Windows of this thread that show no file, kept for the next that is wanted: at every new ArrayBuffer of 64 MiB and more,
 * and at the end of every one, the engine begins to collect its garbage. Their address space is nobody's, and free to take.
 */
const idle: Window[] = [];
/** How many are kept. None where address space is short; the addon refuses where somebody limited it, too. */
const mostIdle = native.pointerSize === 8 ? 8 : 0;

/** Defaults by size of the address space; see docs/decisions.md for the measurements behind them. */
const defaults =
  native.pointerSize === 8
    ? { windowSize: GiB, limit: 64 * GiB, maxWindows: 1024 }
    : { windowSize: 32 * MiB, limit: 256 * MiB, maxWindows: 256 };

/** Window size, in bytes, of a file that is opened without one. */
export const defaultWindowSize: number = defaults.windowSize;

/** The two limits of a {@link WindowPool}. */
export interface WindowPoolOptions {
  /**
   * Most bytes of address space that windows and views may take. Default 64 GiB, or 256 MiB on 32-bit systems; at
   * the least two granules, which is the smallest window.
   */
  limit?: number;
  /** Most windows and views at a time. Default 1024, or 256 on 32-bit systems. */
  maxWindows?: number;
}

/** A pool's state, as {@link WindowPool.stats} gives it. */
export interface PoolStats {
  /** Windows that exist. */
  windows: number;
  /** Their address space, in bytes. */
  windowBytes: number;
  /** Views that are not yet released. */
  views: number;
  /** Their address space, in bytes. */
  viewBytes: number;
  /** How often a window was taken from the file that used it least recently. */
  evictions: number;
  /** How often the system refused a mapping. */
  refusals: number;
}

/**
 * The budget that the windows of many files share, by bytes of address space and by number of mappings. Windows go
 * from file to file, least recently used first. A pool belongs to one thread.
 *
 * @example
 * ```ts
 * const pool = new WindowPool({ limit: 64 * 2 ** 20 }); // 64 MiB of addresses, for all files that share it
 * await using one = await MappedFile.open('access.log', 'r', { pool });
 * await using two = await MappedFile.open('data.bin', 'r', { pool });
 * two.getUint32(one.getUint8(0));
 * console.log(pool.stats().windows); // → 2
 * ```
 */
export class WindowPool {
  static #default: WindowPool | undefined;

  /** The pool of files that are opened without one; one for each thread. */
  static get default(): WindowPool {
    return (WindowPool.#default ??= new WindowPool());
  }

  /** Most bytes of address space that windows and views may take. */
  readonly limit: number;
  /** Most windows and views at a time. */
  readonly maxWindows: number;

  /** The ends of the chain of windows, by when they were last looked up. */
  #newest: Window | undefined;
  #oldest: Window | undefined;
  #windows = 0;
  #windowBytes = 0;
  #views = 0;
  #viewBytes = 0;
  #evictions = 0;
  #refusals = 0;
  /** The address space that the system last let this pool have, in bytes, and how many windows pass before it is asked again. */
  #ceiling = Infinity;
  #untilAsked = 0;

  /** Throws `ERR_INVALID_ARG_TYPE` or `ERR_OUT_OF_RANGE` for options that are not positive integers. */
  constructor(options: WindowPoolOptions = {}) {
    if (typeof options !== 'object' || options === null) throw invalidArgType('options', 'of type object', options);
    const { limit = defaults.limit, maxWindows = defaults.maxWindows } = options;
    this.limit = Math.max(2 * native.granularity, toCount(limit, 'options.limit', 1));
    this.maxWindows = toCount(maxWindows, 'options.maxWindows', 1);
  }

  /** The numbers at this moment. */
  stats(): PoolStats {
    return {
      windows: this.#windows,
      windowBytes: this.#windowBytes,
      views: this.#views,
      viewBytes: this.#viewBytes,
      evictions: this.#evictions,
      refusals: this.#refusals,
    };
  }

  /** Marks a window as just used. @internal */
  touch(window: Window): void {
    window.uses++;
    if (window === this.#newest) return;
    this.#unlink(window);
    this.#link(window);
  }

  /** Whether a window of this size can be had without taking another. @internal */
  hasRoom(capacity: number): boolean {
    return this.#bytes + capacity <= Math.min(this.limit, this.#ceiling) && this.#count < this.maxWindows;
  }

  /**
   * A window of exactly `capacity` bytes for `owner`: a new one while there is room, or else the one that was not
   * used for longest. `undefined` when every window is pinned, or views take all; a negative errno when the system refuses.
   * @internal
   */
  acquire(capacity: number, owner: WeakRef<WindowOwner>): Window | number | undefined {
    if (this.#untilAsked > 0 && --this.#untilAsked === 0) this.#ceiling = Infinity;
    while (!this.hasRoom(capacity)) {
      const victim = this.#leastRecentlyUsed();
      if (victim === undefined) return undefined;
      this.#evict(victim);
      if (victim.capacity === capacity) return this.#lend(victim, owner);
      this.#destroy(victim);
    }
    const found = takeIdle(capacity);
    if (found !== undefined) return this.#lend(this.#admit(found), owner);
    let refusedAt: number | undefined;
    for (;;) {
      const mapping = native.createWindow(capacity);
      if (typeof mapping === 'object') {
        if (refusedAt !== undefined) {
          // More than this there is not: from now on a window has to go for another, which not every miss is worth.
          this.#ceiling = refusedAt;
          this.#untilAsked = refusalPause;
        }
        return this.#lend(this.#admit(new Window(mapping)), owner);
      }
      // Where the engine refuses external buffers, fewer windows do not help.
      if (mapping === undefined) return -EOPNOTSUPP;
      refusedAt ??= this.#bytes;
      if (!this.shrink()) return mapping;
    }
  }

  /** Takes a window back from its owner and unmaps it. @internal */
  release(window: Window): void {
    window.leave();
    this.#destroy(window);
  }

  /**
   * Makes room for a view of `bytes` of address space, by giving up windows where it must.
   * Throws `ERR_MAPPED_FILE_BUDGET` where views alone would exceed the pool.
   * @internal
   */
  admitView(bytes: number, path: string | undefined, position: number): void {
    if (this.#viewBytes + bytes > this.limit || this.#views >= this.maxWindows) {
      throw new MappedFileError(
        'ERR_MAPPED_FILE_BUDGET',
        `A view of ${bytes} bytes and the ${this.#views} views of ${this.#viewBytes} bytes that are held exceed the ` +
          `pool of ${this.limit} bytes and ${this.maxWindows} mappings; dispose of views, or open the file with a ` +
          `larger pool`,
        { path, position, length: bytes },
      );
    }
    while (this.#bytes + bytes > this.limit || this.#count >= this.maxWindows) {
      const victim = this.#leastRecentlyUsed();
      if (victim === undefined) break;
      this.#evict(victim);
      this.#destroy(victim);
    }
    this.#views++;
    this.#viewBytes += bytes;
  }

  /** @internal */
  viewReleased(bytes: number): void {
    this.#views--;
    this.#viewBytes -= bytes;
  }

  /** Gives up one window, so that the system may have room for a mapping. False when there is none. @internal */
  shrink(): boolean {
    this.#refusals++;
    if (releaseIdle()) return true;
    const victim = this.#leastRecentlyUsed();
    if (victim === undefined) return false;
    this.#evict(victim);
    this.#destroy(victim);
    return true;
  }

  /** Takes all windows that are not pinned from their owners, and unmaps them. False when there are none. @internal */
  evictIdle(): boolean {
    const before = this.#windows;
    for (let window = this.#newest; window !== undefined;) {
      const { older } = window;
      if (window.pins === 0) {
        this.#evict(window);
        this.#destroy(window);
      }
      window = older;
    }
    return this.#windows < before;
  }

  get #bytes(): number {
    return this.#windowBytes + this.#viewBytes;
  }

  get #count(): number {
    return this.#windows + this.#views;
  }

  /** A window that is to be this pool's. */
  #admit(window: Window): Window {
    this.#link(window);
    this.#windows++;
    this.#windowBytes += window.capacity;
    return window;
  }

  #lend(window: Window, owner: WeakRef<WindowOwner>): Window {
    window.owner = owner;
    window.dirty = false;
    window.uses = 0;
    window.length = 0;
    return window;
  }

  #leastRecentlyUsed(): Window | undefined {
    let window = this.#oldest;
    while (window !== undefined && window.pins > 0) window = window.newer;
    return window;
  }

  /** Puts a window at the end of those just used. */
  #link(window: Window): void {
    window.older = this.#newest;
    if (this.#newest === undefined) this.#oldest = window;
    else this.#newest.newer = window;
    this.#newest = window;
  }

  #unlink(window: Window): void {
    const { newer, older } = window;
    if (older === undefined) this.#oldest = newer;
    else older.newer = newer;
    if (newer === undefined) this.#newest = older;
    else newer.older = older;
    window.newer = window.older = undefined;
  }

  #evict(window: Window): void {
    this.#evictions++;
    window.owner?.deref()?.evicted(window);
    window.leave();
  }

  #destroy(window: Window): void {
    this.#unlink(window);
    this.#windows--;
    this.#windowBytes -= window.capacity;
    if (this.#windows === 0) this.#ceiling = Infinity;
    discard(window);
  }
}

function takeIdle(capacity: number): Window | undefined {
  const at = idle.findIndex((window) => window.capacity === capacity);
  return at === -1 ? undefined : idle.splice(at, 1)[0];
}

/** Gives the address space back. False when there was none. */
function releaseIdle(): boolean {
  const any = idle.length > 0;
  for (const window of idle.splice(0)) native.releaseMapping(window.id, window.buffer);
  return any;
}

/** A window in use cannot be kept: its users shall find it empty. */
function discard(window: Window): void {
  if (mostIdle === 0 || window.pins > 0 || native.parkWindow(window.id) < 0) {
    native.releaseMapping(window.id, window.buffer);
    return;
  }
  idle.push(window);
  if (idle.length <= mostIdle) return;
  const { id, buffer } = idle.shift() as Window;
  native.releaseMapping(id, buffer);
}
