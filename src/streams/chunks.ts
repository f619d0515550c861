/** Borrowed chunks: a file in pieces of memory, without a copy. */
import type { ReadableStream, ReadableStreamDefaultController, UnderlyingSource } from 'node:stream/web';
import type { LendingSource, Loan, Walk } from '../byte-source.js';
import { checkSignal, outOfRange } from '../errors.js';
import { ReadAhead } from '../read-ahead.js';
import { type Position, toCount, toPosition } from '../ranges.js';
import { nextTurn, turnIsSpent } from '../turn.js';
import { type StreamClasses, webStreams } from './classes.js';
import { Hold } from './hold.js';
import { checkOptions } from './options.js';

/** Options of `chunks()`. */
export interface ChunksOptions {
  /** Byte offset of the first byte. Default 0. */
  start?: Position | undefined;
  /** Byte offset after the last byte. Default: the end of the file when it is reached. */
  end?: Position | undefined;
  /** Length of a chunk in bytes; the last one is shorter. Default 4 MiB. */
  chunkSize?: number | undefined;
}

/** Large enough for a mapping to cost little beside the bytes, small enough to stay in memory while it is used. */
const CHUNK_SIZE = 4 * 1024 * 1024;

/**
 * A file in borrowed chunks: each is mapped memory without a copy, valid until the next chunk is asked for or the iteration
 * ends, and then detached: its length is 0, it never shows other bytes. Keep one by copying it (`chunk.slice()`).
 * What is written into a chunk stays in it (copy-on-write).
 *
 * If the file shrank under a chunk, or the device failed, its bytes are not the file's: asking for the next one throws
 * `ERR_MAPPED_FILE_TRUNCATED` or `ERR_MAPPED_FILE_IO`.
 *
 * Synchronous iteration may block when the bytes are not in memory; asynchronous iteration brings each chunk into memory
 * before it hands it out, and the next one meanwhile, where the pool has room for two. One object is one pass.
 *
 * Where the address space has no room for the mapping, the chunk is a copy.
 *
 * @example
 * ```ts
 * const chunks = file.chunks({ chunkSize: 65_536 });
 * for await (const chunk of chunks) {
 *   // Valid until the next one is asked for.
 *   console.log(chunk.length, chunks.position); // → 65536 65536
 *   break;
 * }
 * ```
 */
export class Chunks implements Iterable<Uint8Array>, AsyncIterable<Uint8Array> {
  readonly #walk: ChunkWalk;

  /** @internal */
  constructor(source: LendingSource, options: ChunksOptions = {}) {
    this.#walk = new ChunkWalk(source, options);
  }

  /** Byte offset of the next chunk. */
  get position(): number {
    return this.#walk.position;
  }

  /** Chunk by chunk; blocks while pages are read from the device. */
  [Symbol.iterator](): IterableIterator<Uint8Array> {
    const walk = this.#walk;
    return {
      next: () => result(walk.next()),
      return: () => result(walk.finish()),
      [Symbol.iterator]() {
        return this;
      },
    };
  }

  /** Chunk by chunk; pages that are not in memory are read on the thread pool. */
  [Symbol.asyncIterator](): AsyncIterableIterator<Uint8Array> {
    const walk = this.#walk;
    return {
      next: async () => result(await walk.nextAsync()),
      return: async () => result(walk.finish()),
      [Symbol.asyncIterator]() {
        return this;
      },
    };
  }
}

function result(chunk: Uint8Array | undefined): IteratorResult<Uint8Array> {
  return chunk === undefined ? { done: true, value: undefined } : { done: false, value: chunk };
}

/** A chunk that is brought into memory while the one before is in use. */
interface Ahead {
  position: number;
  promise: Promise<Loan>;
}

/** One pass: at most one loan is out at a time. */
class ChunkWalk {
  readonly #source: LendingSource;
  readonly #end: number;
  readonly #chunkSize: number;
  readonly #walk: Walk;
  #position: number;
  #loan: Loan | undefined;
  #ahead: Ahead | undefined;
  /** False once there was no room for a chunk beside the one before. */
  #fitsTwo = true;
  readonly #readAhead: ReadAhead;
  #hold: Hold | undefined;
  #ended = false;
  #failure: { reason: unknown } | undefined;
  #last: Promise<unknown> = Promise.resolve();

  constructor(source: LendingSource, options: ChunksOptions) {
    checkOptions(options);
    const start = toPosition(options.start ?? 0, 'options.start');
    const end = options.end === undefined ? Infinity : toPosition(options.end, 'options.end');
    if (start > end) throw outOfRange('options.start', `<= "options.end" (here: ${end})`, options.start);
    this.#source = source;
    this.#end = end;
    this.#walk = { end, kept: undefined };
    this.#readAhead = new ReadAhead(source, end);
    this.#chunkSize = toCount(options.chunkSize ?? CHUNK_SIZE, 'options.chunkSize', 1);
    this.#position = start;
  }

  /** Takes hold of the file before the first step. The reason for which the pass is ended from outside is told at once. */
  hold(signal: AbortSignal | undefined, onStop: (reason: unknown) => void): void {
    const stop = (reason: unknown): void => onStop(this.stop(reason));
    this.#hold = new Hold(this.#source, signal, stop);
    if (signal?.aborted) stop(signal.reason);
  }

  get position(): number {
    return this.#position;
  }

  /** Whether a chunk is out. */
  get isLent(): boolean {
    return this.#loan !== undefined;
  }

  /** A step that fails, of either kind, is the last. */
  next(): Uint8Array | undefined {
    try {
      const length = this.#begin();
      return length === 0 ? this.finish() : this.#lend(length);
    } catch (error) {
      this.finish();
      throw error;
    }
  }

  /** Steps that are asked for at once wait for one another. */
  nextAsync(): Promise<Uint8Array | undefined> {
    const step = this.#last
      .then(() => this.#step())
      .catch((error: unknown) => {
        this.finish();
        throw error;
      });
    this.#last = step.catch(() => undefined);
    return step;
  }

  async #step(): Promise<Uint8Array | undefined> {
    if (turnIsSpent()) await nextTurn();
    const length = this.#begin();
    if (length === 0) return this.finish();
    const ahead = this.#ahead;
    this.#ahead = undefined;
    const position = ahead?.position ?? this.#position;
    const loan = await (ahead === undefined ? this.#prepare(length) : this.#prepared(ahead, length));
    if (this.#ended) {
      loan.release();
      this.#throwFailure();
      return undefined;
    }
    // The file, or what is left of the range, may have changed since the chunk was prepared, and a synchronous step may
    // have gone on meanwhile.
    const stale =
      position !== this.#position ||
      loan.length > length ||
      (loan.length < length && this.#source.size >= this.#position + length);
    if (stale) {
      loan.release();
      return this.#step();
    }
    if (loan.length === 0) {
      loan.release();
      return this.finish();
    }
    this.#loan = loan;
    this.#position += loan.length;
    const next = Math.min(this.#chunkSize, Math.min(this.#end, this.#source.size) - this.#position);
    if (next > 0 && this.#fitsTwo) this.#ahead = { position: this.#position, promise: this.#prepare(next) };
    return loan.bytes;
  }

  /** The chunk that was prepared; there may have been no room for it until the one before was taken back. */
  async #prepared(ahead: Ahead, length: number): Promise<Loan> {
    try {
      return await ahead.promise;
    } catch (error) {
      if (this.#ended || (error as { code?: unknown }).code !== 'ERR_MAPPED_FILE_BUDGET') throw error;
      this.#fitsTwo = false;
      return this.#prepare(length);
    }
  }

  /** Brings the next chunk into memory. Whoever waits for it gets its error; nobody may. */
  #prepare(length: number): Promise<Loan> {
    const position = this.#position;
    const ready = this.#readAhead.before(position, position + length);
    const promise =
      ready === undefined ? this.#lendReady(position, length) : ready.then(() => this.#lendReady(position, length));
    promise.catch(() => {});
    return promise;
  }

  async #lendReady(position: number, length: number): Promise<Loan> {
    try {
      const loan = await this.#source.lendReady(position, length, this.#walk);
      if (loan.waited) this.#readAhead.missed(position, position + length);
      return loan;
    } finally {
      if (this.#ended) this.#walk.kept?.letGo();
    }
  }

  /** Takes the last chunk back and gives the length of the next; 0 at the end. */
  #begin(): number {
    this.#throwFailure();
    if (this.#ended) return 0;
    this.#hold ??= new Hold(this.#source, undefined, (reason) => void this.stop(reason));
    this.#takeBack();
    const { size } = this.#source;
    const known = size >= this.#position + this.#chunkSize ? size : this.#source.refreshSync();
    return Math.max(0, Math.min(this.#chunkSize, Math.min(this.#end, known) - this.#position));
  }

  #lend(length: number): Uint8Array {
    this.#loan = this.#source.lend(this.#position, length, this.#walk);
    this.#position += length;
    return this.#loan.bytes;
  }

  #takeBack(): void {
    const loan = this.#loan;
    this.#loan = undefined;
    loan?.release();
  }

  /** Ends the pass. Throws when the last chunk's bytes were lost. */
  finish(): undefined {
    if (this.#ended) return;
    this.#ended = true;
    void this.#hold?.release();
    // What was prepared, nobody has seen: whether it was lost is nobody's concern.
    void this.#ahead?.promise.then((loan) => loan.release()).catch(() => {});
    this.#ahead = undefined;
    try {
      this.#takeBack();
    } finally {
      this.#walk.kept?.letGo();
    }
  }

  /** Ends the pass from outside. The next step throws what this returns: `reason`, or what the last chunk has lost. */
  stop(reason: unknown): unknown {
    let told = reason;
    try {
      this.finish();
    } catch (error) {
      told = error;
    }
    this.#failure = { reason: told };
    return told;
  }

  #throwFailure(): void {
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure !== undefined) throw failure.reason;
  }
}

/** Options of a stream of borrowed chunks. */
export interface BorrowingOptions extends ChunksOptions {
  /** Errors the stream with the signal's reason when aborted. */
  signal?: AbortSignal | undefined;
}

/**
 * Makes a `ReadableStream` of borrowed chunks (see {@link Chunks}): one is valid until the next is read. It is no byte
 * stream: a byte stream takes the whole buffer beneath a chunk from its maker.
 */
export function createBorrowing(
  source: LendingSource,
  options: BorrowingOptions = {},
  classes?: StreamClasses,
): ReadableStream<Uint8Array> {
  const { ReadableStream } = webStreams(classes);
  const walk = new ChunkWalk(source, options);
  const { signal } = options;
  checkSignal(signal);
  const bytes: UnderlyingSource<Uint8Array> = {
    start: (controller) => walk.hold(signal, (reason) => controller.error(reason)),
    async pull(controller: ReadableStreamDefaultController<Uint8Array>) {
      // A tee asks for the next chunk before its branches hand this one out (Node from 24 on); by the next turn they have.
      if (walk.isLent) await nextTurn();
      const chunk = await walk.nextAsync();
      if (chunk === undefined) controller.close();
      else controller.enqueue(chunk);
    },
    cancel: () => walk.finish(),
  };
  // Nothing is read ahead: the next chunk would take the one away that the reader has just been given.
  return new ReadableStream(bytes, { highWaterMark: 0 });
}
