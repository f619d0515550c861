import { EventEmitter } from 'node:events';
import fs from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { constants } from 'node:os';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { promisify } from 'node:util';
import { systemError } from '../errors.js';
import type { MappedFile } from '../mapped-file.js';
import type { ReadStreamOptions, WriteStreamOptions } from '../streams/node.js';
import { type AdapterOptions, closesFile } from './options.js';

const { EBADF } = constants.errno;

/** What node:fs does by a descriptor. */
const appendFile = promisify(fs.appendFile);
const chmod = promisify(fs.fchmod);
const chown = promisify(fs.fchown);
const readFile = promisify(fs.readFile);
const stat = promisify(fs.fstat);
const utimes = promisify(fs.futimes);
const writeFile = promisify(fs.writeFile);

/** Arguments that are passed on as they are: their types are those of `FileHandle`, which this is given out as. */
type Passed = [];

class Handle extends EventEmitter {
  readonly #file: MappedFile;
  readonly #closes: boolean;
  #closing: Promise<void> | undefined;

  constructor(file: MappedFile, closes: boolean) {
    super();
    this.#file = file;
    this.#closes = closes;
  }

  /** As node:fs: -1 when it is closed. */
  get fd(): number {
    return this.#closing === undefined ? this.#file.fd : -1;
  }

  #open(syscall: string): MappedFile {
    if (this.#closing !== undefined) throw systemError(EBADF, syscall, this.#file.path);
    return this.#file;
  }

  read(buffer: Buffer, offset?: number, length?: number, position?: number): Promise<unknown> {
    // Not `async`, and without a list of arguments: it is called for every few bytes.
    return this.#closing === undefined ? this.#file.read(buffer, offset, length, position) : this.#refuse('read');
  }

  async #refuse(syscall: string): Promise<unknown> {
    return this.#open(syscall);
  }

  async readv(...list: [[]]): Promise<unknown> {
    return this.#open('read').readv(...list);
  }

  async write(...data: [Buffer]): Promise<unknown> {
    return this.#open('write').write(...data);
  }

  async writev(...list: [[]]): Promise<unknown> {
    return this.#open('write').writev(...list);
  }

  async stat(...options: Passed): Promise<unknown> {
    return stat(this.#open('fstat').fd, ...options);
  }

  async truncate(length?: number): Promise<void> {
    await this.#open('ftruncate').truncate(length);
  }

  async sync(): Promise<void> {
    await this.#open('fsync').flush();
  }

  async datasync(): Promise<void> {
    await this.#open('fdatasync').flush();
  }

  async readFile(...options: Passed): Promise<unknown> {
    return readFile(this.#open('read').fd, ...options);
  }

  async writeFile(...data: [string]): Promise<void> {
    const file = this.#open('write');
    await writeFile(file.fd, ...data);
    await file.refresh();
  }

  async appendFile(...data: [string]): Promise<void> {
    const file = this.#open('write');
    await appendFile(file.fd, ...data);
    await file.refresh();
  }

  async chmod(mode: number): Promise<void> {
    await chmod(this.#open('fchmod').fd, mode);
  }

  async chown(user: number, group: number): Promise<void> {
    await chown(this.#open('fchown').fd, user, group);
  }

  async utimes(accessed: number, modified: number): Promise<void> {
    await utimes(this.#open('futimes').fd, accessed, modified);
  }

  createReadStream(options: ReadStreamOptions = {}): Readable {
    return this.#closedBy(this.#open('read').createReadStream({ ...options, autoClose: false }), options);
  }

  createWriteStream(options: WriteStreamOptions = {}): Writable {
    return this.#closedBy(this.#open('write').createWriteStream({ ...options, autoClose: false }), options);
  }

  /** As node:fs: a stream closes its handle, unless it is told not to. */
  #closedBy<T extends Readable | Writable>(stream: T, { autoClose = true }: { autoClose?: boolean | undefined }): T {
    if (autoClose) stream.once('close', () => void this.close().catch((error: Error) => stream.emit('error', error)));
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
    if (this.#closes) await this.#file.close();
    this.emit('close');
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/**
 * `file` as a `FileHandle` of node:fs/promises, with a descriptor and all methods, for what takes an open one:
 * `RecordBatchReader.from(toFileHandle(file))` of apache-arrow. Streams and `readableWebStream` begin at the start of
 * the file, not at the cursor. Once the handle is closed its calls reject with `EBADF`; the file stays open without
 * `autoClose`. Where a parser takes a path or an `fs`, `sliding-mmap/fs` is the shorter way.
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
