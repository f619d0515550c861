import { byteLengthOf } from '../bytes.js';
import { checkConstructor, invalidArgType, outOfRange } from '../errors.js';
import type { ViewLease } from '../view-table.js';
import type { WindowCache } from '../window-cache.js';

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
 */
export class MappedView implements Disposable {
  readonly #cache: WindowCache;
  readonly #lease: ViewLease;
  readonly #buffer: ArrayBuffer;
  readonly #bytes: Uint8Array<ArrayBuffer>;

  /** @internal */
  constructor(cache: WindowCache, lease: ViewLease, buffer: ArrayBuffer) {
    this.#cache = cache;
    this.#lease = lease;
    this.#buffer = buffer;
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

  /** Length in bytes; 0 once the view is released or its buffer was transferred. */
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
