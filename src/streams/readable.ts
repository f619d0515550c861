/** Web Streams: reading a file as a byte stream (https://streams.spec.whatwg.org/#readable-byte-stream-controller). */
import type { ReadableByteStreamController, ReadableStream, UnderlyingByteSource } from 'node:stream/web';
import type { ByteSource } from '../byte-source.js';
import { checkSignal, outOfRange } from '../errors.js';
import { type Position, toCount, toPosition } from '../ranges.js';
import { webStreams, type StreamClasses } from './classes.js';
import { ReadCursor } from './cursor.js';
import { Hold } from './hold.js';
import { checkOptions } from './options.js';
import { nextTurn, turnIsSpent } from '../turn.js';

/** Options of `readable()`. */
export interface ReadableOptions {
  /** Byte offset of the first byte. Default 0. */
  start?: Position | undefined;
  /** Byte offset after the last byte. Default: the end of the file when the stream arrives there. */
  end?: Position | undefined;
  /** Length in bytes of the chunks that a default reader gets. Default 262144 (256 KiB). */
  chunkSize?: number | undefined;
  /** Errors the stream with the signal's reason when aborted. */
  signal?: AbortSignal | undefined;
}

/** The fastest of 64 KiB … 1 MiB: smaller ones pay for promises, larger ones fall out of the processor's cache. */
export const CHUNK_SIZE = 256 * 1024;

/**
 * Makes a `ReadableStream` of the bytes of `source`, of type `'bytes'`.
 *
 * - A default reader gets chunks of `chunkSize` bytes (the last one shorter), each with an ArrayBuffer of its own,
 *   which it may keep or transfer.
 * - A BYOB reader has its view filled in place. As the standard says, a view that ends up partly filled comes back
 *   shorter; `read(view, { min })` is answered at the end with what there was and `done: true`; and a view whose
 *   elements the last bytes do not fill errors the stream with a TypeError.
 * - Nothing is read before it is asked for, so that a BYOB reader never gets bytes by way of a queue.
 * - The stream ends where the file ends at that moment, and before `end` if the file is shorter.
 * - Bytes in memory are delivered at once, but after some milliseconds the stream waits for a turn of the event loop.
 *
 * The file is held until the stream has ended, failed or been cancelled, and no read is under way any more.
 *
 * @throws TypeError `ERR_INVALID_ARG_TYPE`, RangeError `ERR_OUT_OF_RANGE` for options that are wrong, or when `start`
 * is past `end`; `ERR_MAPPED_FILE_CLOSED` for a closed file.
 */
export function createReadable(
  source: ByteSource,
  options: ReadableOptions = {},
  classes?: StreamClasses,
): ReadableStream<Uint8Array> {
  checkOptions(options);
  const { ReadableStream } = webStreams(classes);
  const { signal, chunkSize = CHUNK_SIZE } = options;
  checkSignal(signal);
  const start = toPosition(options.start ?? 0, 'options.start');
  const end = options.end === undefined ? Infinity : toPosition(options.end, 'options.end');
  if (start > end) throw outOfRange('options.start', `<= "options.end" (here: ${end})`, options.start);
  toCount(chunkSize, 'options.chunkSize', 1);

  const bytes = new FileBytes(source, new ReadCursor(source, start, end), chunkSize, signal);
  return new ReadableStream(bytes, { highWaterMark: 0 });
}

/** The underlying byte source of the standard. */
class FileBytes implements UnderlyingByteSource {
  readonly type = 'bytes';
  readonly #source: ByteSource;
  readonly #cursor: ReadCursor;
  readonly #chunkSize: number;
  readonly #signal: AbortSignal | undefined;
  #hold!: Hold; // from start() on, which the constructor of the stream calls

  constructor(source: ByteSource, cursor: ReadCursor, chunkSize: number, signal: AbortSignal | undefined) {
    this.#source = source;
    this.#cursor = cursor;
    this.#chunkSize = chunkSize;
    this.#signal = signal;
  }

  start(controller: ReadableByteStreamController): void {
    this.#hold = new Hold(this.#source, this.#signal, (reason) => {
      controller.error(reason);
      void this.cancel();
    });
    if (this.#signal?.aborted) {
      controller.error(this.#signal.reason);
      void this.#hold.release();
    }
  }

  pull(controller: ReadableByteStreamController): void | Promise<void> {
    if (turnIsSpent()) return nextTurn().then(() => this.#fill(controller));
    return this.#fill(controller);
  }

  cancel(): void | Promise<void> {
    this.#cursor.abandon();
    return this.#hold.release();
  }

  #fill(controller: ReadableByteStreamController): void | Promise<void> {
    if (this.#hold.released) return; // cancelled or failed while it waited for its turn
    try {
      const remaining = this.#cursor.remaining();
      if (remaining === 0) return this.#end(controller);
      const request = controller.byobRequest as ByobRequest | null;
      const target =
        request === null ? allocate(Math.min(this.#chunkSize, remaining)) : within(request.view, remaining);
      const read = this.#cursor.read(target);
      if (typeof read === 'number') return this.#deliver(controller, request, target, read);
      return this.#hold.track(read).then(
        (bytes) => this.#deliver(controller, request, target, bytes),
        (error: unknown) => this.#fail(error),
      );
    } catch (error) {
      this.#fail(error);
    }
  }

  #deliver(
    controller: ReadableByteStreamController,
    request: ByobRequest | null,
    target: Uint8Array,
    bytes: number,
  ): void {
    if (this.#hold.released) return; // cancelled or failed during the read: nobody waits for it
    this.#cursor.take();
    try {
      if (bytes === 0) return this.#end(controller);
      if (request !== null) request.respond(bytes);
      // A copy where less came than there was room for: the rest of the buffer was never written, see allocate().
      else controller.enqueue(bytes === target.length ? target : target.slice(0, bytes));
      // Closing together with the last chunk saves the reader a turn, and tells a pipe at once that it is done. Not
      // while bytes wait that filled no element of a view, though: the standard would fail the next `min` read.
      if (controller.desiredSize === 0 && this.#cursor.remaining() === 0) this.#end(controller);
    } catch (error) {
      this.#fail(error);
    }
  }

  #end(controller: ReadableByteStreamController): void {
    void this.#hold.release();
    controller.close();
    // A BYOB read that is still pending is answered by this, with what it had got so far and `done: true`.
    (controller.byobRequest as ByobRequest | null)?.respond(0);
  }

  /** What is thrown here errors the stream: that is the standard's rule for `pull`. */
  #fail(error: unknown): never {
    void this.#hold.release();
    throw error;
  }
}

/** Node's types leave some of it out. */
export interface ByobRequest {
  readonly view: ArrayBufferView;
  respond(bytesWritten: number): void;
}

/** Memory that is not cleared first, in an ArrayBuffer of its own (never a piece of Node's pool). */
export function allocate(length: number): Uint8Array {
  return new Uint8Array(Buffer.allocUnsafeSlow(length).buffer);
}

export function within(view: ArrayBufferView, most: number): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, Math.min(view.byteLength, most));
}
