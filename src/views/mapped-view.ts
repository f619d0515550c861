import { byteLengthOf } from '../bytes.js';
import { checkConstructor, invalidArgType, outOfRange } from '../errors.js';
import type { ViewLease } from '../view-table.js';
import type { ViewCopy } from '../view-copies.js';
import type { ViewMemory, WindowCache } from '../window-cache.js';

/** A typed array class, as `MappedView.as` takes it. */
export interface TypedArrayConstructor<T extends NodeJS.TypedArray> {
  readonly BYTES_PER_ELEMENT: number;
  new (buffer: ArrayBuffer, byteOffset: number, length: number): T;
}

/**
 * A range of a file as memory, without a copy: a mapping of its own, made by `MappedFile.view`. Its arrays are the
 * file's bytes until the view is released, by `dispose`, by the file's `close` or at last by the garbage collector; then
 * they are detached: their length is 0, and they never show other bytes.
 *
 * Reads of an array cannot be intercepted. If the file shrinks, or the device fails, what is lost reads as zeros; the
 * view's next `check`, `flush` or `dispose`, or any call on its file, throws `ERR_MAPPED_FILE_TRUNCATED` or
 * `ERR_MAPPED_FILE_IO` (`ERR_MAPPED_FILE_NO_SPACE` where the disk was too full for what was written into a hole).
 *
 * @example
 * ```ts
 * await using numbers = await MappedFile.open('data.bin', 'r+');
 * using view = numbers.view(4096, 8192);
 * const words = view.as(Uint32Array);
 * words[0] = words[1]!; // in the file
 * await view.flush();
 * view.check(); // no page of it was lost
 * console.log(numbers.getUint32(4096, true)); // → 4100
 * ```
 */
export class MappedView implements Disposable {
  readonly #cache: WindowCache;
  readonly #lease: ViewLease;
  readonly #buffer: ArrayBuffer;
  readonly #draft: ViewCopy | undefined;
  readonly #bytes: Uint8Array<ArrayBuffer>;

  /** @internal */
  constructor(cache: WindowCache, { lease, buffer, draft }: ViewMemory) {
    this.#cache = cache;
    this.#lease = lease;
    this.#buffer = buffer;
    this.#draft = draft;
    this.#bytes = new Uint8Array(buffer, lease.byteOffset, lease.length);
  }

  /** The range's bytes. Writing them writes the file, unless the view is private or the file read-only. */
  get bytes(): Uint8Array<ArrayBuffer> {
    return this.#bytes;
  }

  /** The memory beneath; up to seven bytes before the range belong to it, for alignment. */
  get buffer(): ArrayBuffer {
    return this.#buffer;
  }

  /** Where in `buffer` the range starts, in bytes. */
  get byteOffset(): number {
    return this.#lease.byteOffset;
  }

  /** Where in the file the range starts, as a byte offset. */
  get position(): number {
    return this.#lease.position;
  }

  /**
   * Length in bytes; 0 once the view is released or its buffer was transferred. Node moves no mapped memory to another
   * thread: `structuredClone` and `postMessage` with `transfer` throw a DataCloneError, or on Node 20 leave the view as it
   * is and send a copy. `buffer.transfer()` takes it over, where the engine has that.
   */
  get length(): number {
    return byteLengthOf(this.#bytes);
  }

  /**
   * The range as another kind of typed array, over the same memory: `view.as(Float64Array)`. Its elements are in the
   * machine's byte order. Throws `ERR_OUT_OF_RANGE` when the range does not start at, and hold, whole elements.
   */
  as<T extends NodeJS.TypedArray>(constructor: TypedArrayConstructor<T>): T {
    const size = (constructor as { BYTES_PER_ELEMENT?: unknown } | undefined)?.BYTES_PER_ELEMENT;
    const expected = 'a TypedArray constructor';
    if (typeof size !== 'number') throw invalidArgType('constructor', expected, constructor);
    checkConstructor(constructor, 'constructor', expected);
    if (this.position % size !== 0) {
      throw outOfRange('view.position', `a multiple of ${size} for ${constructor.name}`, this.position);
    }
    if (this.length % size !== 0) {
      throw outOfRange('view.length', `a multiple of ${size} for ${constructor.name}`, this.length);
    }
    // A detached buffer takes no new array.
    if (this.length === 0) return new constructor(new ArrayBuffer(0), 0, 0);
    return new constructor(this.#buffer, this.byteOffset, this.length / size);
  }

  /** Throws if a page of the view was lost since it was made. */
  check(): void {
    this.#cache.checkView(this.#lease);
  }

  /** Resolves when what was written through the view is on the device (msync(2)); at once for a private view. */
  flush(): Promise<void> {
    return this.#cache.flushView(this.#lease);
  }

  /** As {@link flush}, blocking. */
  flushSync(): void {
    this.#cache.flushViewSync(this.#lease);
  }

  /**
   * Drops what was written into a private view: it shows the file again. Blocks no longer than a system call. Throws
   * `ERR_INVALID_STATE` for a shared view, whose bytes are the file's, and as {@link check}.
   */
  discard(): void {
    this.#cache.discardView(this.#lease, this.#draft);
  }

  /**
   * Writes back to the file what was written into a private view; of a shared view everything is there already. Nothing is
   * durable before the file's `flush`.
   *
   * A page that was written here belongs to this view from its first write on: what others wrote to the same page (4 KiB
   * on most systems) since then is written over; what they wrote to other pages is never touched. (Where the file cannot
   * be mapped and the view is a copy, the grain is the byte.) Pages that were written back show the file again, but for
   * those that were changed while it was under way: they wait for the next `commit`. What is past the end of the file is
   * not written: the file does not grow by it, unless another program cuts it in the moment between the look at its size
   * and a write. Let no other call write into the view meanwhile. Commits of one file's views that are under way at the
   * same time are done one after the other, in the order of the calls; what a `discard` finds not yet written is dropped.
   *
   * Rejects with `ERR_MAPPED_FILE_READ_ONLY` where the file cannot be written in place, `ERR_MAPPED_FILE_NO_SPACE` and
   * `ERR_MAPPED_FILE_IO`, after which what was not written stays changed, `ERR_INVALID_STATE` when the view is released,
   * and as {@link check}.
   */
  commit(): Promise<void> {
    return this.#cache.commitView(this.#lease, this.#draft);
  }

  /**
   * As {@link commit}, blocking. Where asynchronous ones of views that overlap this one are under way, it does the rest of
   * them first.
   */
  commitSync(): void {
    this.#cache.commitViewSync(this.#lease, this.#draft);
  }

  /** Detaches the arrays and unmaps the view now. Throws, afterwards, if a page was lost. Idempotent. */
  dispose(): void {
    if (this.#lease.released) return;
    this.#cache.releaseView(this.#lease, this.#buffer);
    if (!this.#lease.reported) this.check();
  }

  /** As {@link dispose}: `using view = file.view()`. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}
