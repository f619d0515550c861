/** The windows of one file: where they lie, and when one is mapped. */
import { constants as bufferConstants } from 'node:buffer';
import { constants as osConstants } from 'node:os';
import { Admission } from './admission.js';
import { type Advice, type Advisor, isLasting } from './advice.js';
import type { FileErrors } from './file-errors.js';
import { native } from './native.js';
import { Geometry, roundUp } from './ranges.js';
import { CurrentWindow, type Window, type WindowOwner } from './window.js';
import { defaultWindowSize, type WindowPool } from './window-pool.js';

const { EAGAIN, ENOMEM } = osConstants.errno;
const { granularity, pageSize } = native;

/** Least stride that a file falls back to when the system refuses longer windows. */
const leastStride = Math.max(granularity, 64 * 1024);
/** How many misses pass, after the system has refused even the shortest window, before it is asked again. */
const refusalPause = 1024;
/** What one entry of a page table can map at once, in bytes: 2 MiB on x86-64, and on arm64 with 4 KiB pages. */
const hugePage = 2 * 1024 * 1024;

/** What is left to release when a file was dropped without being closed. */
interface Abandoned {
  /** Made by the first window. */
  owner: WeakRef<WindowOwner> | undefined;
  windows: Map<number, Window>;
  pool: WindowPool;
  closeDescriptor: () => void;
}

// The file object, its streams and its views all hold the table: when it goes, nobody is left but the users' arrays,
// whose views the collector releases one by one.
const abandoned = new FinalizationRegistry<Abandoned>(({ owner, windows, pool, closeDescriptor }) => {
  // The pool may have taken some already, and could not tell an owner that was gone.
  for (const window of windows.values()) if (window.owner === owner) pool.release(window);
  windows.clear();
  closeDescriptor();
});

/** What a table needs to know of its file. @internal */
export interface WindowTableOptions {
  fd: number;
  windowSize: number | undefined;
  pool: WindowPool;
  backing: 'mmap' | 'read';
  advisor: Advisor;
  /** Whether windows are mapped for writing. */
  writable: boolean;
  /** Whether scalars may be written into them without asking anyone. */
  storable: boolean;
  /** Called when the file was dropped without being closed; must not lead back to the table. */
  closeDescriptor: () => void;
}

/** @internal */
export class WindowTable implements WindowOwner {
  readonly current = new CurrentWindow();
  hits = 0;
  slides = 0;
  evictions = 0;
  refusals = 0;

  readonly #fd: number;
  readonly #pool: WindowPool;
  readonly #advisor: Advisor;
  readonly #left: Abandoned;
  readonly #windows = new Map<number, Window>();
  #admissions: Admission | undefined;
  #geometry: Geometry;
  #mayMap: boolean;
  #writable: boolean;
  #storable: boolean;
  /** Size of the file in bytes: no window shows more. */
  #size = 0;
  /** The count of misses from which the system may be asked for windows again. */
  #pausedUntil = 0;

  constructor(options: WindowTableOptions) {
    const { pool, closeDescriptor } = options;
    this.#fd = options.fd;
    this.#pool = pool;
    this.#advisor = options.advisor;
    this.#writable = options.writable;
    this.#storable = options.storable;
    this.#mayMap = options.backing === 'mmap';
    this.#geometry = new Geometry(strideFor(options.windowSize, pool), granularity);
    this.#left = { owner: undefined, windows: this.#windows, pool, closeDescriptor };
    abandoned.register(this, this.#left, this);
  }

  /** False when the file is reached through the kernel only. */
  get mayMap(): boolean {
    return this.#mayMap;
  }

  get misses(): number {
    return this.#admissions?.misses ?? 0;
  }

  /** Made by the first miss. */
  get #admission(): Admission {
    return (this.#admissions ??= new Admission());
  }

  /** How many there are, how many bytes of the file they cover, and the stride. */
  get extent(): { windows: number; bytesMapped: number; windowSize: number } {
    let bytesMapped = 0;
    for (const window of this.#windows.values()) bytesMapped += window.length;
    return { windows: this.#windows.size, bytesMapped, windowSize: this.#geometry.stride };
  }

  // --- looking up ------------------------------------------------------------------------------------------------

  /**
   * Makes the window of `position`, any number, the current one, if it is there already. Gives the position's offset in it,
   * or -1 where it does not hold `length` bytes from there on.
   */
  seek(position: number, length: number): number {
    const window = this.#windows.get(this.#geometry.slotOf(position));
    if (window === undefined) return -1;
    this.hits++;
    this.#pool.touch(window);
    this.current.show(window);
    const offset = position - window.start;
    return offset >>> 0 === offset && offset + length <= window.length ? offset : -1;
  }

  /**
   * A window that holds `[position, position + length)`, inside the file, and is then the current one; undefined where
   * the kernel is cheaper.
   */
  at(position: number, length: number): Window | undefined {
    const slot = this.#geometry.slotOf(position);
    let window = this.#windows.get(slot);
    if (window === undefined && !this.#isWorthMapping(slot, position)) return undefined;
    window = this.#lookUp(slot, window);
    if (window === undefined || position + length > window.start + window.length) return undefined;
    this.current.show(window);
    return window;
  }

  /** The window that holds the byte at `position`, inside the file, whatever it costs; undefined if there is none. */
  of(position: number): Window | undefined {
    const slot = this.#geometry.slotOf(position);
    const window = this.#windows.get(slot);
    if (window === undefined) this.#admission.missed(slot, position);
    return this.#lookUp(slot, window);
  }

  /** Window `slot` as it has to be: `window`, if there is one, or mapped now. */
  #lookUp(slot: number, window: Window | undefined): Window | undefined {
    if (window === undefined) {
      window = this.#map(slot);
    } else {
      this.hits++;
      if (window.length < this.#geometry.lengthOf(slot, this.#size)) window = this.#extend(window);
    }
    if (window !== undefined) this.#pool.touch(window);
    return window;
  }

  /**
   * Whether to map window `slot` for a small access that missed. While the pool has room, yes. If another window must
   * go for it, only where there is locality: a scan, or many of the last misses. Scattered accesses cost least
   * through the kernel.
   */
  #isWorthMapping(slot: number, position: number): boolean {
    if (!this.#mayMap) return false;
    this.#admission.missed(slot, position);
    if (this.#pool.hasRoom(this.#capacityOf(slot))) return true;
    if (!this.#admission.isWorthwhile(slot, this.#geometry.stride)) return false;
    this.#admission.admitted(slot);
    return true;
  }

  // --- mapping ---------------------------------------------------------------------------------------------------

  #map(slot: number): Window | undefined {
    if (!this.#mayMap || this.#admission.misses < this.#pausedUntil) return undefined;
    const start = this.#geometry.startOf(slot);
    const length = this.#geometry.lengthOf(slot, this.#size);
    const window = this.#pool.acquire(this.#capacityOf(slot), (this.#left.owner ??= new WeakRef<WindowOwner>(this)));
    if (window === undefined) return undefined;
    const status =
      typeof window === 'number' ? window : native.slideWindow(window.id, this.#fd, start, length, this.#writable);
    if (typeof window === 'number' || status < 0) {
      if (typeof window === 'object') this.#pool.release(window);
      this.#refused(-status);
      return undefined;
    }
    window.slid(slot, start, length);
    window.writable = this.#storable;
    this.#windows.set(slot, window);
    this.#advisor.mapped(window.id, length);
    this.slides++;
    return window;
  }

  // The caller goes on through the kernel. Shorter windows may fit where this one did not.
  #refused(errno: number): void {
    this.refusals++;
    if (errno !== ENOMEM && errno !== EAGAIN) {
      this.stopMapping();
    } else if (this.#geometry.stride > leastStride) {
      this.dropAll();
      this.#geometry = new Geometry(Math.max(leastStride, this.#geometry.stride / 2), granularity);
    } else {
      this.#pausedUntil = this.#admission.misses + refusalPause;
    }
  }

  /** From now on the kernel serves the file. */
  stopMapping(): void {
    this.#mayMap = false;
    this.dropAll();
  }

  #extend(window: Window): Window | undefined {
    const length = this.#geometry.lengthOf(window.slot, this.#size);
    if (length > window.capacity || native.extendWindow(window.id, this.#fd, length) < 0) {
      const { slot, dirty } = window;
      this.#drop(window);
      const longer = this.#map(slot);
      if (longer !== undefined) longer.dirty = dirty;
      return longer;
    }
    window.length = length;
    this.#advisor.mapped(window.id, length);
    return window;
  }

  /** Files shorter than a window get a shorter one, by powers of two, so that the pool can pass them on. */
  #capacityOf(slot: number): number {
    const { capacity, stride } = this.#geometry;
    if (this.#size > stride) return capacity;
    const length = this.#geometry.lengthOf(slot, this.#size);
    return Math.min(capacity, 2 ** Math.ceil(Math.log2(Math.max(length, leastStride))));
  }

  // --- changes ---------------------------------------------------------------------------------------------------

  /** The file's size is another one, in bytes. */
  resized(size: number): void {
    const isShorter = size < this.#size;
    this.#size = size;
    if (!isShorter) return;
    this.current.hide();
    for (const window of this.#windows.values()) {
      // Pages past the end stay mapped, and come back if the file grows again; nothing looks past `length`.
      if (window.start + window.length > size) window.length = Math.max(0, size - window.start);
    }
  }

  /** Maps windows for writing from now on, or not. */
  protect(writable: boolean, storable: boolean, errors: FileErrors): void {
    this.current.hide();
    for (const window of this.#windows.values()) {
      errors.succeed(native.protectMapping(window.id, writable), 'mprotect');
      window.writable = storable;
    }
    this.#writable = writable;
    this.#storable = storable;
  }

  /**
   * Tells the system of the windows that meet `[start, end)`. Of those as a whole where the advice stays with a mapping: the
   * system splits one that has different advice in different places, and there are only so many to be had.
   */
  advise(advice: Advice, start: number, end: number): void {
    const isWhole = isLasting(advice);
    for (const window of this.#windows.values()) {
      if (window.start >= end || window.start + window.length <= start) continue;
      // Else whole pages inside the range only: its neighbours may still be wanted.
      const from = isWhole ? 0 : Math.max(0, roundUp(start - window.start, pageSize));
      const to = Math.min(window.length, isWhole ? Infinity : end - window.start);
      const length = end === Infinity || isWhole ? to - from : Math.floor(to / pageSize) * pageSize - from;
      if (length > 0) this.#advisor.tell(window.id, from, length, advice);
    }
  }

  /** The windows that were written through and lie in `[start, end)`. */
  dirtyIn(start: number, end: number): Window[] {
    const windows: Window[] = [];
    for (const window of this.#windows.values()) {
      if (window.dirty && window.start < end && window.start + window.length > start) windows.push(window);
    }
    return windows;
  }

  /** Drops the windows that lost pages; gives the number of those pages. */
  dropLost(): number {
    let pages = 0;
    for (const window of [...this.#windows.values()]) {
      const lost = native.mappingFaults(window.id);
      if (lost === 0) continue;
      pages += lost;
      this.#drop(window);
    }
    return pages;
  }

  /**
   * Drops all windows of the pool, those of other files too, that nobody uses now; false when there are none. Windows
   * cuts no file that is mapped, by whichever opening.
   */
  dropIdle(): boolean {
    return this.#pool.evictIdle();
  }

  dropAll(): void {
    for (const window of [...this.#windows.values()]) this.#drop(window);
  }

  /** Drops all, for good. */
  close(): void {
    abandoned.unregister(this);
    this.dropAll();
  }

  evicted(window: Window): void {
    this.evictions++;
    this.#admission.evicted(window.uses);
    this.#forget(window);
  }

  #drop(window: Window): void {
    this.#forget(window);
    this.#pool.release(window);
  }

  #forget(window: Window): void {
    this.#windows.delete(window.slot);
  }
}

/** The stride that fits the engine, whose arrays end somewhere, and the pool, which must hold one window at least. */
function strideFor(windowSize: number | undefined, pool: WindowPool): number {
  const engine = Math.min(bufferConstants.MAX_LENGTH, 2 ** 32) - 2 * granularity;
  // By default several windows fit, so that several places of a file can be in use at a time; and huge pages do.
  const share = Math.min(defaultWindowSize, pool.limit / 8);
  const wanted = windowSize ?? (share < hugePage ? share : Math.floor(share / hugePage) * hugePage);
  const most = Math.min(engine, pool.limit - granularity);
  return Math.max(granularity, Math.min(roundUp(wanted, granularity), Math.floor(most / granularity) * granularity));
}
