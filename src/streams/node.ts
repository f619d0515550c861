/** Node's streams over a file, with the option names, properties and events of node:fs. */
import { addAbortSignal, finished, Readable, Writable } from 'node:stream';
import type { ByteSink, ByteSource } from '../byte-source.js';
import { checkSignal, invalidArgType, invalidArgValue, outOfRange } from '../errors.js';
import { type Position, toCount, toPosition } from '../ranges.js';
import { ReadCursor } from './cursor.js';
import { GatheringWriter } from './gather.js';
import { Hold } from './hold.js';
import { checkBoolean, checkOptions } from './options.js';
import { nextTurn, turnIsSpent } from '../turn.js';
import { defaultStart } from './writable.js';

/** What `createReadStream` and `createWriteStream` both take. */
interface FileStreamOptions {
  /** Byte offset of the first byte. Default 0; a file opened for appending is written at its end in any case. */
  start?: Position | undefined;
  /** Bytes to hold before asking for patience. Default 64 KiB for reading, Node's own for writing. */
  highWaterMark?: number | undefined;
  /** Whether to emit `'close'`. Default true. */
  emitClose?: boolean | undefined;
  /** Closes the file, too, when the stream is done or destroyed. Default false: the file stays open. */
  autoClose?: boolean | undefined;
  /** Destroys the stream with an AbortError when aborted. */
  signal?: AbortSignal | undefined;
}

/** Options of `createReadStream()`: those of `fs.createReadStream`. */
export interface ReadStreamOptions extends FileStreamOptions {
  /** Byte offset of the last byte, **inclusive** as in node:fs. Default Infinity: the end of the file. */
  end?: Position | undefined;
  /** Makes the chunks strings. Default: Buffers. */
  encoding?: BufferEncoding | undefined;
}

/** Options of `createWriteStream()`: those of `fs.createWriteStream`. */
export interface WriteStreamOptions extends FileStreamOptions {
  /** Encoding of strings that come without one. Default 'utf8'. */
  encoding?: BufferEncoding | undefined;
  /** Waits, before `'finish'`, until the bytes are on the device. Default false. */
  flush?: boolean | undefined;
}

/** What the file gives beside its bytes. */
export interface FileHooks {
  /** Closes the file: used with `autoClose`. */
  close?: () => Promise<void>;
  /** The descriptor, for the `'open'` event. */
  fd?: number;
}

/** `fs.ReadStream`'s default. */
const READ_HIGH_WATER_MARK = 64 * 1024;

/**
 * Makes a Node stream of the bytes of `source`. Chunks are Buffers with an ArrayBuffer of their own.
 *
 * @throws TypeError `ERR_INVALID_ARG_TYPE`, RangeError `ERR_OUT_OF_RANGE` for options that are wrong. A closed file is
 * an `'error'` event with `ERR_MAPPED_FILE_CLOSED`.
 */
export function createReadStream(
  source: ByteSource,
  options: ReadStreamOptions = {},
  hooks: FileHooks = {},
): ReadStream {
  return new ReadStream(source, options, hooks);
}

/**
 * Makes a Node stream that writes to `sink`. Chunks that pile up during a write are written together.
 *
 * @throws As {@link createReadStream}.
 */
export function createWriteStream(
  sink: ByteSink,
  options: WriteStreamOptions = {},
  hooks: FileHooks = {},
): WriteStream {
  return new WriteStream(sink, options, hooks);
}

/** A `Readable` with what `fs.ReadStream` has beside. */
export class ReadStream extends Readable {
  /** The file's path, where it is known. */
  readonly path: string | undefined;
  /** How many bytes have been read from the file. */
  bytesRead = 0;
  readonly #source: ByteSource;
  readonly #cursor: ReadCursor;
  readonly #closeFile: (() => Promise<void>) | undefined;
  readonly #fd: number | undefined;
  #hold: Hold | undefined;

  constructor(source: ByteSource, options: ReadStreamOptions, hooks: FileHooks) {
    const highWaterMark = checkFileStreamOptions(options);
    const start = toPosition(options.start ?? 0, 'options.start');
    const last = options.end ?? Infinity;
    const end = last === Infinity ? Infinity : toPosition(last, 'options.end') + 1;
    if (start >= end) throw outOfRange('options.start', `<= "options.end" (here: ${last})`, options.start);
    super({
      highWaterMark: highWaterMark ?? READ_HIGH_WATER_MARK,
      encoding: toEncoding(options.encoding),
      emitClose: options.emitClose ?? true,
    });
    this.path = source.path;
    this.#source = source;
    this.#cursor = new ReadCursor(source, start, end);
    this.#closeFile = options.autoClose ? hooks.close : undefined;
    this.#fd = hooks.fd;
    // Not by the options above: an aborted signal would destroy the stream before it has its fields.
    if (options.signal !== undefined) addAbortSignal(options.signal, this);
  }

  /** True until the `'open'` event, and again once the stream is destroyed, by its end too. */
  get pending(): boolean {
    return this.#hold?.released ?? true;
  }

  /** Destroys the stream; `callback` is called when it is closed, with an error if there was one. */
  close(callback?: (error?: NodeJS.ErrnoException | null) => void): void {
    checkCallback(callback);
    if (typeof callback === 'function') finished(this, callback);
    this.destroy();
  }

  /** @internal */
  override _construct(callback: (error?: Error | null) => void): void {
    construct(this, callback, this.#fd, () => {
      this.#hold = new Hold(this.#source, undefined, (reason) => void this.destroy(reason as Error));
    });
  }

  /** @internal */
  override _read(length: number): void {
    // Node's loop would go on, without a pause, for as long as reads complete on the spot.
    if (turnIsSpent()) setImmediate(() => this.#fill(length));
    else this.#fill(length);
  }

  /** @internal */
  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#cursor.abandon();
    letGo(this.#hold, this.#closeFile, error, callback);
  }

  #fill(most: number): void {
    if (this.destroyed) return;
    let buffer: Buffer;
    let read: number | Promise<number>;
    try {
      buffer = Buffer.allocUnsafeSlow(Math.min(most, this.#cursor.remaining()));
      read = buffer.length === 0 ? 0 : this.#cursor.read(buffer);
    } catch (error) {
      this.destroy(error as Error);
      return;
    }
    // On the next tick in any case. A chunk that came at once would wait in Readable and still be given after destroy();
    // and half a character decodes to nothing, where Readable asks no further when a read at once has given nothing.
    if (typeof read === 'number') process.nextTick(() => this.#deliver(buffer, read));
    else
      (this.#hold as Hold).track(read).then(
        // Where what listeners throw is an uncaught exception as it should be.
        (bytes) => process.nextTick(() => this.#deliver(buffer, bytes)),
        (error: Error) => this.destroy(error),
      );
  }

  #deliver(buffer: Buffer, bytes: number): void {
    if (this.destroyed) return;
    this.#cursor.take();
    this.bytesRead += bytes;
    // A copy where less came than there was room for: the rest of the buffer was never written.
    this.push(bytes === 0 ? null : bytes === buffer.length ? buffer : new Uint8Array(buffer.subarray(0, bytes)));
  }
}

/** A `Writable` with what `fs.WriteStream` has beside. */
export class WriteStream extends Writable {
  /** The file's path, where it is known. */
  readonly path: string | undefined;
  readonly #sink: ByteSink;
  readonly #writer: GatheringWriter;
  readonly #flush: boolean;
  readonly #closeFile: (() => Promise<void>) | undefined;
  readonly #fd: number | undefined;
  #hold: Hold | undefined;

  constructor(sink: ByteSink, options: WriteStreamOptions, hooks: FileHooks) {
    const highWaterMark = checkFileStreamOptions(options);
    checkBoolean(options.flush, 'options.flush');
    const start = options.start === undefined ? defaultStart(sink) : toPosition(options.start, 'options.start');
    super({
      ...(highWaterMark !== undefined && { highWaterMark }),
      defaultEncoding: toEncoding(options.encoding) ?? 'utf8',
      emitClose: options.emitClose ?? true,
    });
    this.path = sink.path;
    this.#sink = sink;
    this.#writer = new GatheringWriter(sink, start);
    this.#flush = options.flush ?? false;
    this.#closeFile = options.autoClose ? hooks.close : undefined;
    this.#fd = hooks.fd;
    if (options.signal !== undefined) addAbortSignal(options.signal, this); // here, as in ReadStream
  }

  /** How many bytes the file has got; bytes that wait in the stream are not counted. */
  get bytesWritten(): number {
    return this.#writer.written;
  }

  /** True until the `'open'` event, and again once the stream is destroyed, by its end too. */
  get pending(): boolean {
    return this.#hold?.released ?? true;
  }

  /** Ends the stream; `callback` is called when it is closed. */
  close(callback?: (error?: NodeJS.ErrnoException | null) => void): void {
    checkCallback(callback);
    if (typeof callback === 'function') {
      if (this.closed) process.nextTick(callback);
      else this.once('close', () => callback()); // the engine asks a listener for its `call`
    }
    this.end();
  }

  /** @internal */
  override _construct(callback: (error?: Error | null) => void): void {
    construct(this, callback, this.#fd, () => {
      this.#hold = new Hold(this.#sink, undefined, (reason) => void this.destroy(reason as Error));
    });
  }

  /** @internal */
  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    this.#run(() => this.#writeAll([chunk]), callback);
  }

  /** @internal */
  override _writev(items: Array<{ chunk: Buffer }>, callback: (error?: Error | null) => void): void {
    this.#run(() => this.#writeAll(items.map(({ chunk }) => chunk)), callback);
  }

  /** @internal */
  override _final(callback: (error?: Error | null) => void): void {
    if (this.#flush) this.#run(() => this.#sink.flush(), callback);
    else callback();
  }

  /** @internal */
  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    letGo(this.#hold, this.#closeFile, error, callback);
  }

  async #writeAll(chunks: Buffer[]): Promise<void> {
    if (turnIsSpent()) await nextTurn();
    for (const chunk of chunks) await this.#writer.write(chunk, true);
    await this.#writer.drain();
  }

  #run(operation: () => Promise<void>, callback: (error?: Error | null) => void): void {
    (this.#hold as Hold).track(operation()).then(
      // What the caller's own callbacks throw is an uncaught exception on the next tick, and no rejection here.
      () => process.nextTick(callback),
      (error: Error) => process.nextTick(callback, error),
    );
  }
}

/** Gives the `highWaterMark`, which the engine would refuse in its own way if it were asked for again and differed. */
function checkFileStreamOptions(options: FileStreamOptions): number | undefined {
  checkOptions(options);
  checkSignal(options.signal);
  checkBoolean(options.emitClose, 'options.emitClose');
  checkBoolean(options.autoClose, 'options.autoClose');
  const { highWaterMark } = options;
  return highWaterMark === undefined ? undefined : toCount(highWaterMark, 'options.highWaterMark', 0);
}

function checkCallback(callback: unknown): void {
  if (callback !== undefined && callback !== null && typeof callback !== 'function') {
    throw invalidArgType('callback', 'of type function', callback);
  }
}

/** As node:fs: none, or one that Buffer knows. */
function toEncoding(encoding: unknown): BufferEncoding | undefined {
  if (encoding === undefined || encoding === null) return undefined;
  if (typeof encoding === 'string' && Buffer.isEncoding(encoding)) return encoding;
  throw invalidArgValue('encoding', encoding, 'is invalid encoding');
}

function construct(
  stream: Readable | Writable,
  callback: (error?: Error | null) => void,
  fd: number | undefined,
  takeHold: () => void,
): void {
  try {
    takeHold();
  } catch (error) {
    callback(error as Error);
    return;
  }
  // Not here, where Node would make what a listener throws an error of the stream; before anything else that follows.
  process.nextTick(() => {
    stream.emit('open', fd);
    stream.emit('ready');
  });
  callback();
}

/** Waits for what is under way, lets go of the file and, where asked to, closes it. */
function letGo(
  hold: Hold | undefined,
  closeFile: (() => Promise<void>) | undefined,
  error: Error | null,
  callback: (error?: Error | null) => void,
): void {
  const released = async (): Promise<void> => {
    await hold?.release();
    await closeFile?.();
  };
  released().then(
    () => callback(error),
    (reason: Error) => callback(error ?? reason),
  );
}
