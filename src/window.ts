import { type NativeMapping, native } from './native.js';

/** So many reads of a cold window have to find their pages in memory, and each so many asks. */
const coldDoubts = 3;
const askEvery = 8;

/** What a window tells the cache it belongs to. */
export interface WindowOwner {
  /** The pool takes the window away: it is no longer this owner's when the call returns. */
  evicted(window: Window): void;
}

/**
 * A mapping that slides: its address range is reserved once and wrapped once by an ArrayBuffer that never leaves the
 * library. Owned by a pool, lent to one cache at a time.
 */
export class Window {
  readonly id: number;
  readonly buffer: ArrayBuffer;
  readonly bytes: Uint8Array;
  readonly view: DataView;

  /** Weak: a pool does not keep a file open that everybody else has dropped. */
  owner: WeakRef<WindowOwner> | undefined;
  slot = -1;
  /** Position in the file of its first byte. */
  start = 0;
  /** How many bytes from `start` are inside the file and bound to it; an access past them takes the slow path. */
  length = 0;
  /** Whether scalars may be written into it without asking anyone. */
  writable = false;
  /** Written through since the file was last flushed. */
  dirty = false;
  /** Uses in progress; a pinned window is neither slid nor evicted. */
  pins = 0;
  /** How often it was looked up since it was slid. */
  uses = 0;
  /** How many more small reads must find their pages in memory before it serves them without asking; see {@link isWarm}. */
  #doubts = 0;
  #unasked = 0;
  /** Where it was shown last. */
  shownBy: CurrentWindow | undefined;
  /** Its neighbours in the pool's chain: the windows looked up just after and just before it. */
  newer: Window | undefined;
  older: Window | undefined;

  constructor(mapping: Pick<NativeMapping, 'id' | 'buffer'>) {
    this.id = mapping.id;
    this.buffer = mapping.buffer;
    this.bytes = new Uint8Array(mapping.buffer);
    this.view = new DataView(mapping.buffer);
  }

  get capacity(): number {
    return this.bytes.length;
  }

  /** The pool takes it away. */
  leave(): void {
    this.owner = undefined;
    if (this.shownBy?.window === this) this.shownBy.hide();
    this.shownBy = undefined;
  }

  /** It was slid: nothing is known of its pages. */
  slid(slot: number, start: number, length: number): void {
    this.slot = slot;
    this.start = start;
    this.length = length;
    this.#doubts = 1;
    this.#unasked = 0;
  }

  /**
   * Whether small reads are to be served by it, for all that is known. One that meets a page that is not in memory waits
   * for all that the device reads around a fault, up to megabytes (`read_ahead_kb`), where the kernel's own read waits for
   * that page alone. So of a window that was slid, the first read asks for its pages; where they are not there, the kernel
   * serves the reads until a few in a row that asked have found theirs.
   */
  isWarm(from: number, length: number): boolean {
    if (this.#doubts === 0) return true;
    if (this.#unasked > 0) {
      this.#unasked--;
      return false;
    }
    if (native.isCold(this.id, from, length) === 1) this.#doubts = coldDoubts;
    else if (--this.#doubts === 0) return true;
    this.#unasked = askEvery - 1;
    return false;
  }
}

/** What there is of the window of nothing: its length is 0, so that every access misses it. */
const nothing = new DataView(new ArrayBuffer(0));

/**
 * The window that a file used last, as scalars see it: whatever they look at lies in this one object. Each load on their
 * way is one that the processor has to keep open while the page comes from memory, and it can keep so many only: by way of
 * cache, table and window, random scalars took 1.5 times as long.
 *
 * A window shown here says itself when it is taken away: it would be read and written as what it was.
 */
export class CurrentWindow {
  window: Window | undefined;
  view: DataView = nothing;
  start = 0;
  length = 0;
  writable = false;
  /** The process's count of lost pages when the file was last looked after. */
  seenFaults: number = native.faults[0] as number;

  show(window: Window): void {
    this.window = window;
    this.view = window.view;
    this.start = window.start;
    this.length = window.length;
    this.writable = window.writable;
    window.shownBy = this;
  }

  /** Shows nothing until a window is looked up again: what is shown is gone, or has changed. */
  hide(): void {
    this.window = undefined;
    this.view = nothing;
    this.start = 0;
    this.length = 0;
    this.writable = false;
  }
}
