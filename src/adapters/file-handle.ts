import { AsyncResource } from 'node:async_hooks';
import { EventEmitter } from 'node:events';
import fs from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { promisify } from 'node:util';
import { invalidArgType } from '../errors.js';
import { insideOf, type MappedFile } from '../mapped-file.js';
import type { ReadStream, ReadStreamOptions, WriteStream, WriteStreamOptions } from '../streams/node.js';
import { readToEnd, type WholeOptions, writeAll } from './whole-file.js';
import { type AdapterOptions, closesFile } from './options.js';

/** What node:fs does by a descriptor. */
const chmod = promisify(fs.fchmod);
const chown = promisify(fs.fchown);
const stat = promisify(fs.fstat);
const utimes = promisify(fs.futimes);

/** Arguments that are passed on as they are: their types are those of `FileHandle`, which this is given out as. */
type Passed = [];

class Handle extends EventEmitter {
  readonly #file: MappedFile;
  readonly #closes: boolean;
  readonly #streams = new Set<ReadStream | WriteStream>();
  /** Calls and streams that {@link close} waits for. */
  #pending = 0;
  #whenIdle: (() => void) | undefined;
  #closing: Promise<void> | undefined;
  #resource: AsyncResource | undefined;

  constructor(file: MappedFile, closes: boolean) {
    super();
    this.#file = file;
    this.#closes = closes;
  }

  /** As node:fs: -1 when it is closed. */
  get fd(): number {
    return this.#closing === undefined ? this.#file.fd : -1;
  }

  getAsyncId(): number {
    return (this.#resource ??= new AsyncResource('FILEHANDLE')).asyncId();
  }

  #open(syscall: string): MappedFile {
    if (this.#closing !== undefined) throw Object.assign(new Error('file closed'), { code: 'EBADF', syscall });
    return this.#file;
  }

  #call<T>(syscall: string, run: (file: MappedFile) => Promise<T>): Promise<T> {
    return this.#pend(this.#run(syscall, run));
  }

  async #run<T>(syscall: string, run: (file: MappedFile) => Promise<T>): Promise<T> {
    return run(this.#open(syscall));
  }

  /** Takes the promise that is given out: who waits for it is told before `close` resolves. */
  #pend<T>(promise: Promise<T>): Promise<T> {
    this.#pending++;
    promise.then(this.#settled, this.#settled);
    return promise;
  }

  readonly #settled = (): void => {
    if (--this.#pending === 0) this.#whenIdle?.();
  };

  /** A call by the number of the descriptor, which the file keeps open until it has settled. */
  #byDescriptor<T>(syscall: string, run: (fd: number) => Promise<T>): Promise<T> {
    return this.#call(syscall, async (file) => {
      const inside = insideOf(file);
      if (inside === undefined) throw invalidArgType('file', 'an instance of MappedFile', file);
      inside.cache.enter();
      return inside.cache.track(run(inside.cache.fd));
    });
  }

  read(buffer: Buffer, offset?: number, length?: number, position?: number): Promise<unknown> {
    // Not `async`, and without a list of arguments: it is called for every few bytes.
    if (this.#closing !== undefined) return this.#run('read', (file) => file.read(buffer));
    return this.#pend(this.#file.read(buffer, offset, length, position));
  }

  readv(...list: [[]]): Promise<unknown> {
    return this.#call('readv', (file) => file.readv(...list));
  }

  write(...data: [Buffer]): Promise<unknown> {
    return this.#call('write', (file) => file.write(...data));
  }

  writev(...list: [[]]): Promise<unknown> {
    return this.#call('writev', (file) => file.writev(...list));
  }

  stat(...options: Passed): Promise<unknown> {
    return this.#byDescriptor('fstat', (fd) => stat(fd, ...options));
  }

  truncate(length?: number): Promise<void> {
    return this.#call('ftruncate', (file) => file.truncate(length));
  }

  sync(): Promise<void> {
    return this.#call('fsync', (file) => file.flush());
  }

  datasync(): Promise<void> {
    return this.#call('fdatasync', (file) => file.flush());
  }

  readFile(options?: WholeOptions | BufferEncoding | null): Promise<unknown> {
    return this.#call('readFile', (file) => readToEnd(file, options));
  }

  writeFile(data: unknown, options?: WholeOptions | BufferEncoding | null): Promise<void> {
    return this.#call('writeFile', (file) => writeAll(file, data, options));
  }

  /** As node:fs: where it writes is a matter of the cursor, or of the flags it was opened by. */
  appendFile(data: unknown, options?: WholeOptions | BufferEncoding | null): Promise<void> {
    return this.writeFile(data, options);
  }

  chmod(mode: number): Promise<void> {
    return this.#byDescriptor('fchmod', (fd) => chmod(fd, mode));
  }

  chown(user: number, group: number): Promise<void> {
    return this.#byDescriptor('fchown', (fd) => chown(fd, user, group));
  }

  utimes(accessed: number, modified: number): Promise<void> {
    return this.#byDescriptor('futimes', (fd) => utimes(fd, accessed, modified));
  }

  createReadStream(options: ReadStreamOptions = {}): Readable {
    return this.#closedBy(this.#open('read').createReadStream({ ...options, autoClose: false }), options);
  }

  createWriteStream(options: WriteStreamOptions = {}): Writable {
    return this.#closedBy(this.#open('write').createWriteStream({ ...options, autoClose: false }), options);
  }

  /** As node:fs: a stream closes its handle, unless it is told not to, and a handle its streams. */
  #closedBy<T extends ReadStream | WriteStream>(stream: T, { autoClose = true, emitClose = true }: Closing): T {
    // One that does not tell when it is closed cannot be waited for.
    if (emitClose) this.#pending++;
    this.#streams.add(stream);
    stream.once('close', () => {
      this.#streams.delete(stream);
      this.#settled();
      if (autoClose) void this.close().catch((error: Error) => stream.emit('error', error));
    });
    return stream;
  }

  readableWebStream(): unknown {
    return this.#open('read').readable();
  }

  readLines(options?: ReadStreamOptions): unknown {
    return createInterface({ input: this.createReadStream(options), crlfDelay: Infinity });
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  async #close(): Promise<void> {
    // What was given to one that writes, it writes first.
    for (const stream of this.#streams) stream.close();
    if (this.#pending > 0) await new Promise<void>((resolve) => (this.#whenIdle = resolve));
    if (this.#closes) await this.#file.close();
    this.emit('close');
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** What both kinds of streams are told of their end. */
type Closing = Pick<ReadStreamOptions, 'autoClose' | 'emitClose'>;

/**
 * `file` as a `FileHandle` of node:fs/promises, with a descriptor and all methods, for what takes an open one:
 * `RecordBatchReader.from(toFileHandle(file))` of apache-arrow. Streams and `readableWebStream` begin at the start of
 * the file, not at the cursor. Where a parser takes a path or an `fs`, `sliding-mmap/fs` is the shorter way.
 *
 * `close()` ends the handle's streams and resolves when its calls have settled and its streams are closed; what was
 * written to those is in the file then. (Streams with `emitClose: false` are not waited for.) Calls made after it
 * reject with `EBADF`; the file stays open without `autoClose`. What is pending when the file itself is closed does
 * what it would do on the file: see `MappedFile.close`.
 *
 * @example
 * ```ts
 * import { RecordBatchReader } from 'apache-arrow';
 * import { MappedFile } from 'sliding-mmap';
 * import { toFileHandle } from 'sliding-mmap/adapters';
 *
 * await using file = await MappedFile.open('table.arrow');
 * let rows = 0;
 * for await (const batch of await RecordBatchReader.from(toFileHandle(file))) rows += batch.numRows;
 * console.log(rows); // → 100
 * ```
 */
export function toFileHandle(file: MappedFile, options: AdapterOptions = {}): FileHandle {
  return new Handle(file, closesFile(options)) as unknown as FileHandle;
}
