/** Web Streams: writing a file (https://streams.spec.whatwg.org/#ws-class). */
import type { UnderlyingSink, WritableStream, WritableStreamDefaultController } from 'node:stream/web';
import { isAnyArrayBuffer } from 'node:util/types';
import type { ByteSink } from '../byte-source.js';
import { byteLengthOf, plainBytes } from '../bytes.js';
import { checkSignal, invalidArgType } from '../errors.js';
import { type Position, toCount, toPosition } from '../ranges.js';
import { webStreams, type StreamClasses } from './classes.js';
import { detachedInQueue, GatheringWriter } from './gather.js';
import { Hold } from './hold.js';
import { checkBoolean, checkOptions } from './options.js';
import { nextTurn, turnIsSpent } from '../turn.js';
import { Utf8Pieces } from './utf8.js';

/** Options of `writable()`. */
export interface WritableOptions {
  /** Byte offset of the first byte. Default 0; a file opened for appending is written at its end in any case. */
  start?: Position | undefined;
  /** Reserves disk blocks for this many bytes from `start` first: a full disk is an error now and not half-way. */
  preallocate?: number | undefined;
  /** Closing the stream also waits until the bytes are on the device. Default false. */
  flushOnClose?: boolean | undefined;
  /** Errors the stream with the signal's reason when aborted. */
  signal?: AbortSignal | undefined;
}

/** What a `writable()` takes: bytes, or text that is written as UTF-8. */
export type WritableChunk = Uint8Array | string;

/** How many bytes may wait in the queue before the stream asks its producer to wait. */
const QUEUE_BYTES = 2 * 1024 * 1024;

/**
 * Makes a `WritableStream` that writes to `sink`, from `start` on. It takes typed arrays, DataViews, ArrayBuffers,
 * and strings, which are written as UTF-8 (a surrogate pair may be cut between two chunks, as with
 * TextEncoderStream); any other chunk errors the stream with `ERR_INVALID_ARG_TYPE`. Its queue is measured in bytes
 * and asks for patience from 2 MiB on.
 *
 * - Large chunks (1 MiB) are written from where they are. Smaller ones are put together as long as the next is
 *   waiting in the queue already. So `await writer.write(chunk)`, with nothing queued behind, resolves when the bytes
 *   are in the file; of several writes made without waiting, the earlier ones resolve when they have been taken, and
 *   the last one when all are in the file.
 * - `abort`, the signal, and a chunk that is refused leave in the file the bytes of the writes that had resolved and
 *   of the one in flight, and nothing of those queued behind; an `abort` resolves, and the file is let go, when they
 *   are written.
 * - The first write that fails errors the stream with its error, whose `position` is where in the file the write
 *   began; nothing is written after that.
 *
 * @throws TypeError `ERR_INVALID_ARG_TYPE`, RangeError `ERR_OUT_OF_RANGE` for options that are wrong;
 * `ERR_MAPPED_FILE_CLOSED` for a closed file.
 */
export function createWritable(
  sink: ByteSink,
  options: WritableOptions = {},
  classes?: StreamClasses,
): WritableStream<WritableChunk> {
  checkOptions(options);
  const { WritableStream } = webStreams(classes);
  const { signal, flushOnClose = false, preallocate = 0 } = options;
  checkSignal(signal);
  checkBoolean(flushOnClose, 'options.flushOnClose');
  toCount(preallocate, 'options.preallocate', 0);
  const start = options.start === undefined ? defaultStart(sink) : toPosition(options.start, 'options.start');

  const file = new FileSink(sink, start, preallocate, flushOnClose, signal);
  return new WritableStream<WritableChunk>(file, { highWaterMark: QUEUE_BYTES, size: (chunk) => file.enqueued(chunk) });
}

/** Where writing begins when nobody said: the start, or the end of a file that is appended to. */
export function defaultStart(sink: ByteSink): number {
  return sink.appending ? sink.size : 0;
}

/** The underlying sink of the standard. */
class FileSink implements UnderlyingSink<WritableChunk> {
  readonly #sink: ByteSink;
  readonly #start: number;
  readonly #preallocate: number;
  readonly #flushOnClose: boolean;
  readonly #signal: AbortSignal | undefined;
  readonly #text = new Utf8Pieces();
  /** Lengths in bytes of the chunks in the queue, -1 for text, and behind how many that have left it they begin. */
  readonly #queued: number[] = [];
  #left = 0;
  #running: Promise<void> | undefined;
  // From start() on, which the constructor of the stream calls:
  #hold!: Hold;
  #writer!: GatheringWriter;

  constructor(
    sink: ByteSink,
    start: number,
    preallocate: number,
    flushOnClose: boolean,
    signal: AbortSignal | undefined,
  ) {
    this.#sink = sink;
    this.#start = start;
    this.#preallocate = preallocate;
    this.#flushOnClose = flushOnClose;
    this.#signal = signal;
  }

  /**
   * The size of a chunk, in bytes, for the stream's queue; called once for every chunk, before it is queued. The
   * chunks are counted too, since a write that knows of another behind it need not hurry. (Chunks are counted that
   * the stream refuses after `close()`; no harm is done, for closing writes out everything.)
   */
  enqueued(chunk: unknown): number {
    const length = lengthOf(chunk);
    this.#queued.push(typeof chunk === 'string' ? -1 : length);
    return length;
  }

  start(controller: WritableStreamDefaultController): void | Promise<void> {
    const fail = (reason: unknown): void => controller.error(reason);
    this.#hold = new Hold(this.#sink, this.#signal, (reason) => {
      fail(reason);
      return this.#settle().catch(() => {}); // the stream has its error already
    });
    this.#writer = new GatheringWriter(this.#sink, this.#start, fail);
    if (this.#signal?.aborted) {
      fail(this.#signal.reason);
      void this.#hold.release();
    } else if (this.#preallocate > 0) {
      return this.#run(() => this.#sink.preallocate(this.#start, this.#preallocate));
    }
  }

  write(chunk: unknown): void | Promise<void> {
    const length = this.#dequeued();
    return this.#run(() =>
      turnIsSpent() ? nextTurn().then(() => this.#take(chunk, length)) : this.#take(chunk, length),
    );
  }

  async close(): Promise<void> {
    await this.#run(async () => {
      await this.#writer.write(this.#text.finish(), false);
      if (this.#flushOnClose) await this.#sink.flush();
    });
    await this.#hold.release();
  }

  abort(): Promise<void> {
    return this.#settle();
  }

  /** The length of the next chunk. Not by shift(), which moves all the others, and there may be any number. */
  #dequeued(): number {
    const length = this.#queued[this.#left++]!;
    if (2 * this.#left > this.#queued.length) {
      this.#queued.splice(0, this.#left);
      this.#left = 0;
    }
    return length;
  }

  /** `length`: how many bytes it had when it was queued. */
  #take(chunk: unknown, length: number): void | Promise<void> {
    const more = this.#queued.length > this.#left;
    if (typeof chunk === 'string') return this.#writer.write(this.#text.encode(chunk), more);
    if (lengthOf(chunk) < length) throw detachedInQueue();
    const bytes = bytesOf(chunk);
    const half = this.#text.finish(); // of a character that these bytes cut off
    if (half.length === 0) return this.#writer.write(bytes, more);
    return Promise.resolve(this.#writer.write(half, true)).then(() => this.#writer.write(bytes, more));
  }

  /** Does one operation of the stream, which calls for one at a time. A failure ends everything. */
  #run(operation: () => void | Promise<void>): void | Promise<void> {
    let running: void | Promise<void>;
    try {
      running = operation();
    } catch (error) {
      return this.#fail(error);
    }
    if (running === undefined) return;
    this.#running = running.finally(() => {
      this.#running = undefined;
    });
    return this.#running.catch((error: unknown) => this.#fail(error));
  }

  async #fail(error: unknown): Promise<never> {
    await this.#settle().catch(() => {}); // the first error is the one to tell
    throw error;
  }

  /** Waits for the operation in flight, writes out what has been taken, and lets go of the file. */
  async #settle(): Promise<void> {
    try {
      if (this.#running !== undefined) await this.#running.catch(() => {});
      await this.#writer.drain();
    } finally {
      await this.#hold.release();
    }
  }
}

/** The length of a chunk in bytes; 0 for what is none, which is refused in its turn. */
function lengthOf(chunk: unknown): number {
  if (typeof chunk === 'string') return Buffer.byteLength(chunk);
  if (ArrayBuffer.isView(chunk)) return byteLengthOf(chunk);
  return isAnyArrayBuffer(chunk) ? chunk.byteLength : 0;
}

function bytesOf(chunk: unknown): Uint8Array {
  if (ArrayBuffer.isView(chunk)) return plainBytes(chunk);
  if (isAnyArrayBuffer(chunk)) return new Uint8Array(chunk);
  throw invalidArgType('chunk', 'of type string or an instance of ArrayBuffer, TypedArray or DataView', chunk);
}
