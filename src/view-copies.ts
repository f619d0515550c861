/** Views where nothing can be mapped: memory of their own, filled by pread and written back by pwrite. */
import { native } from './native.js';

const { structuredClone } = globalThis;
/** Compared by one call into the engine; only blocks that differ are looked at byte by byte. */
const blockSize = 4096;
/** As for every mapping: an element of any typed array lies as it lies in the file. */
export const widestElement = 8;

/** Moves `length` bytes at `offset` of `bytes` from or to `position` of the file; gives the count, or throws. */
export type Move = (bytes: Uint8Array, offset: number, length: number, position: number) => number;

/** What released copies lay in, as long as somebody has the emptied buffer. */
const kept = new WeakMap<ArrayBuffer, ArrayBuffer>();

/**
 * Empties a copy's buffer and all arrays over it. Those whom an array was given to (a system call, a hash on the thread
 * pool) go on with the address, and keep the object until they have done: its memory is not free before.
 */
export function emptyCopy(buffer: ArrayBuffer): void {
  // None is shorter but what was emptied, or transferred, already.
  if (buffer.byteLength > 0) kept.set(buffer, structuredClone(buffer, { transfer: [buffer] }));
}

/** The memory of one view. */
export class ViewCopy {
  readonly buffer: ArrayBuffer;
  /** Where in the buffer the byte at `position` is. */
  readonly byteOffset: number;
  readonly position: number;
  readonly bytes: Uint8Array;
  /** What the file held when the two were last exchanged: a byte that differs from it was written by the user. */
  readonly #known: Uint8Array | undefined;

  /** Zeros, until it is refreshed. Changes can be written back if it `tellsChanges`. Throws where there is no memory. */
  constructor(position: number, length: number, tellsChanges: boolean) {
    this.position = position;
    this.byteOffset = position % widestElement;
    this.buffer = new ArrayBuffer(this.byteOffset + length);
    this.bytes = new Uint8Array(this.buffer, this.byteOffset, length);
    this.#known = tellsChanges ? new Uint8Array(length) : undefined;
  }

  overlaps(start: number, end: number): boolean {
    return this.position < end && this.position + this.bytes.length > start;
  }

  /** The bytes are now what the file holds. */
  loaded(): void {
    if (this.bytes.length > 0) this.#known?.set(this.bytes);
  }

  /** Fills it from the file; what the file does not have is zeros. Changes are lost: write them back before. */
  refresh(read: Move): void {
    const { bytes } = this;
    let done = 0;
    for (let moved = -1; done < bytes.length && moved !== 0; done += moved) {
      moved = read(bytes, done, bytes.length - done, this.position + done);
    }
    if (done < bytes.length) bytes.fill(0, done);
    this.loaded();
  }

  /**
   * Writes the bytes that were changed, and no others, into a file of `size` bytes, which does not grow by it. Gives the
   * position of the first change that lies past its end, and drops those. What `write` throws for stays changed; it
   * gives 0 where the file, cut since its size was looked at, ends before.
   */
  writeBack(size: number, write: Move): number | undefined {
    const { bytes, position } = this;
    for (const [from, to] of this.#changes(size)) {
      for (let at = from; at < to;) {
        const done = write(bytes, at, to - at, position + at);
        if (done === 0) return this.#dropPast(position + at);
        this.#known?.set(bytes.subarray(at, at + done), at);
        at += done;
      }
    }
    return this.#dropPast(size);
  }

  #dropPast(size: number): number | undefined {
    const inside = Math.max(0, size - this.position);
    if (inside >= this.bytes.length) return undefined;
    const [first] = this.#changes(Infinity, inside);
    this.bytes.fill(0, inside);
    this.#known?.fill(0, inside);
    return first === undefined ? undefined : this.position + first[0];
  }

  /** Where the bytes differ from what the file held, as `[from, to)` in the view. None once the buffer is detached. */
  *#changes(size: number, start = 0): Generator<[from: number, to: number]> {
    const known = this.#known;
    if (known === undefined) return;
    const { bytes } = this;
    let from = -1;
    let at = start;
    const inside = (): number => Math.min(bytes.length, size - this.position);
    while (at < inside()) {
      const end = Math.min(at + blockSize, inside());
      if (Buffer.compare(bytes.subarray(at, end), known.subarray(at, end)) === 0) {
        if (from >= 0) yield [from, at];
        from = -1;
      } else {
        for (let i = at; i < end; i++) {
          if (bytes[i] !== known[i]) {
            if (from < 0) from = i;
          } else if (from >= 0) {
            yield [from, i];
            from = -1;
            if (bytes.length === 0) return;
          }
        }
      }
      at = end;
    }
    if (from >= 0 && bytes.length > 0) yield [from, at];
  }

  /** Empties the arrays. */
  detach(): void {
    emptyCopy(this.buffer);
  }
}

/**
 * The shared copies of one file. They are kept until they are released: what was written into them would be lost with
 * them. Leads to nothing that leads to the file, so that it can outlive a file that was dropped.
 */
export class ViewCopies {
  readonly #fd: number;
  readonly #all = new Map<ViewCopy, () => void>();

  constructor(fd: number) {
    this.#fd = fd;
  }

  /** `abandoned` is called when the file was dropped without being closed. */
  add(copy: ViewCopy, abandoned: () => void): void {
    this.#all.set(copy, abandoned);
  }

  delete(copy: ViewCopy): void {
    this.#all.delete(copy);
  }

  get size(): number {
    return this.#all.size;
  }

  /** The file was dropped: the last moment to write. Errors have nobody to go to but the process. */
  abandon(): void {
    for (const [copy, abandoned] of this.#all) {
      try {
        copy.writeBack(Math.max(0, native.fileSize(this.#fd)), (bytes, offset, length, position) => {
          const done = native.writeInside(this.#fd, bytes, offset, length, position);
          if (done < 0) throw new Error(`errno ${-done}`);
          return done;
        });
      } catch (error) {
        const { message } = error as Error;
        process.emitWarning(`What was written into a view of a file that was never closed is lost: ${message}`);
      }
      copy.detach();
      abandoned();
    }
    this.#all.clear();
  }
}
