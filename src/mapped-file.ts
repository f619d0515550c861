import fs, { type PathLike, type Stats } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { constants as bufferConstants } from 'node:buffer';
import { constants as osConstants } from 'node:os';
import type { ReadableStream, WritableStream } from 'node:stream/web';
import { promisify } from 'node:util';
import { type Advice, toAdvice } from './advice.js';
import { Descriptor } from './descriptor.js';
import { invalidArgType, invalidArgValue, MappedFileError, outOfRange, systemError } from './errors.js';
import {
  bufferList,
  cursor,
  type ReadOptions,
  readTransfer,
  type TransferOptions,
  writePosition,
  writeTransfer,
} from './io-arguments.js';
import { describe, type HandleTraits, type MappedFileHandle, openHandle, openHandleSync } from './handle.js';
import { type FileLock, FileLocks, type LockOptions } from './locks.js';
import {
  createAnonymous,
  type MemoryOptions,
  openShared,
  openSharedSync,
  type SharedMemoryOptions,
  sharedRequest,
  unlinkShared,
  unlinkSharedSync,
} from './memory.js';
import { native } from './native.js';
import { type OpenFlags, type OpenOptions, type OpenRequest, openRequest } from './opening.js';
import { Pages, type Residency } from './pages.js';
import { type Position, toCount, toPosition, toRange } from './ranges.js';
import { Scalars } from './scalars.js';
import { attach, type Attached, type Sink, type Source } from './sources/attach.js';
import type { Channel } from './sources/channel.js';
import { Pass } from './sources/pass.js';
import type { Spool } from './sources/spool.js';
import { readUntilEnd, readUntilEndSync } from './sources/until-end.js';
import { blobType, FileBlob } from './streams/blob.js';
import { Chunks, type ChunksOptions, createBorrowing } from './streams/chunks.js';
import { type Followable, type FollowOptions, isFollowing } from './following/follower.js';
import { createFollowing } from './streams/followed-bytes.js';
import {
  createReadStream,
  createWriteStream,
  type FileHooks,
  type ReadStream,
  type ReadStreamOptions,
  type WriteStream,
  type WriteStreamOptions,
} from './streams/node.js';
import { checkBoolean, checkOptions } from './streams/options.js';
import { createReadable, type ReadableOptions } from './streams/readable.js';
import { createWritable, type WritableChunk, type WritableOptions } from './streams/writable.js';
import { bisect, bisectSync, type BisectOptions, type CompareLine } from './text/bisect.js';
import { LineIndex, type LineIndexOptions } from './text/line-index.js';
import { Lines } from './text/lines.js';
import type { MatchesOptions, Pattern } from './text/match-options.js';
import { Matches } from './text/matches.js';
import type { LinesOptions } from './text/options.js';
import { type Needle, searchBackward, searchForward } from './text/search.js';
import { split } from './text/split.js';
import { nextTurn, settled, turnIsSpent } from './turn.js';
import { together, vector, vectorSync } from './vectors.js';
import { MappedView } from './views/mapped-view.js';
import type { FileStats, WindowCache } from './window-cache.js';

const { EBADF, EINVAL } = osConstants.errno;
const openDescriptor = promisify(fs.open);
const statDescriptor = promisify(fs.fstat);

/** What others in this library build on. @internal */
export interface Inside {
  readonly cache: WindowCache;
  readonly descriptor: Descriptor;
}

/** The inside of a file; `undefined` for what is none. @internal */
export let insideOf: (file: unknown) => Inside | undefined;

/**
 * A file of any size as memory: read, written and searched by byte position, streamed, and mapped. A bounded set of
 * mmap windows slides beneath; the file's size matters to none of the calls.
 *
 * Positions are byte offsets from the start of the file. Every method throws (or rejects with)
 * `ERR_MAPPED_FILE_CLOSED` once the file is closed. An instance belongs to the thread that opened it.
 *
 * @example
 * ```ts
 * await using file = await MappedFile.open('data.bin', 'r+');
 * file.setUint32(1001, 0xcafe); // any position, no alignment
 * console.log(file.getUint16(1003).toString(16)); // → cafe
 * await file.flush();
 * ```
 */
export class MappedFile extends Scalars implements AsyncDisposable, Disposable {
  readonly #cache: WindowCache;
  readonly #descriptor: Descriptor;
  readonly #source: Source;
  readonly #sink: Sink;
  readonly #channel: Channel | undefined;
  readonly #spool: Spool | undefined;
  readonly #locks: FileLocks;
  readonly #pages: Pages;
  readonly #request: OpenRequest;
  #closing: Promise<void> | undefined;

  static {
    insideOf = (file) =>
      typeof file === 'object' && file !== null && #cache in file
        ? { cache: file.#cache, descriptor: file.#descriptor }
        : undefined;
  }

  private constructor(attached: Attached, request: OpenRequest) {
    super(attached.cache);
    this.#request = request;
    this.#cache = attached.cache;
    this.#descriptor = attached.descriptor;
    this.#source = attached.source;
    this.#sink = attached.sink;
    this.#channel = attached.channel;
    this.#spool = attached.spool;
    this.#locks = new FileLocks(attached.cache, attached.descriptor);
    this.#pages = new Pages(attached.cache, request.pool);
  }

  /**
   * Opens a file. `source` is a path, a `file:` URL, a descriptor, a `FileHandle`, or what {@link handle} gave; a
   * descriptor stays the caller's (the file works on a duplicate, which shares its cursor), and `flags` then defaults to
   * what it was opened for. What has no positions, as a pipe, can be opened, too: see {@link OpenOptions.backing}.
   *
   * Rejects with the system's errors in Node's form (`ENOENT`, `EACCES`, `EISDIR` …), with
   * `ERR_MAPPED_FILE_NOT_MAPPABLE` for a file that is open for writing only, and with `ERR_MAPPED_FILE_STALE` when the file
   * of a handle cannot be reached any more.
   *
   * @example
   * ```ts
   * await using log = await MappedFile.open('access.log');
   * await using made = await MappedFile.open('made.bin', 'w+', { mode: 0o600 });
   * await using spooled = await MappedFile.open(0, 'r', { backing: 'spool' }); // standard input, whatever it is
   * ```
   */
  static async open(
    source: PathLike | number | FileHandle | MappedFileHandle,
    flags?: OpenFlags,
    options: OpenOptions = {},
  ): Promise<MappedFile> {
    const request = openRequest(source, flags, options);
    request.signal?.throwIfAborted();
    if (typeof request.source === 'number') return MappedFile.#adopt(request, request.source);
    const descriptor =
      request.handle === undefined
        ? new Descriptor(await openDescriptor(request.source, request.flags, request.mode), false)
        : await openHandle(request.handle, request.flags);
    try {
      request.signal?.throwIfAborted();
    } catch (reason) {
      descriptor.closeSync();
      throw reason;
    }
    return MappedFile.#make(descriptor, request);
  }

  /** As {@link open}, blocking. */
  static openSync(
    source: PathLike | number | MappedFileHandle,
    flags?: OpenFlags,
    options: OpenOptions = {},
  ): MappedFile {
    const request = openRequest(source, flags, options);
    request.signal?.throwIfAborted();
    if (typeof request.source === 'number') return MappedFile.#adopt(request, request.source);
    const descriptor =
      request.handle === undefined
        ? new Descriptor(fs.openSync(request.source, request.flags, request.mode), false)
        : openHandleSync(request.handle, request.flags);
    return MappedFile.#make(descriptor, request);
  }

  /**
   * Memory of `size` bytes, a position (default 0), that belongs to no file and has no name: scratch space outside the heap,
   * of any length, which reads as zeros and takes room only where it is written. All that a file can do it can do, too; it
   * is gone when it is closed here and by all who opened its {@link handle}. On Linux it is a memfd (memfd_create(2));
   * where the system has no such thing, a file without a name in the folder for temporary files.
   *
   * Memory that is short shows when it is written to, as a full disk does: see `ERR_MAPPED_FILE_NO_SPACE`. Linux, by
   * default, promises more than it has, and then ends a process instead (the OOM killer).
   *
   * @example
   * ```ts
   * await using scratch = MappedFile.anonymous(2 ** 30);
   * scratch.setUint32(2 ** 29, 0xcafe);
   * console.log(scratch.size, scratch.path); // → 1073741824 undefined
   * ```
   */
  static anonymous(size: Position = 0, options: MemoryOptions = {}): MappedFile {
    const { request, fd } = createAnonymous(size, options);
    return MappedFile.#make(fd, request);
  }

  /**
   * Memory that has a name, by which other processes of the same user open it: POSIX shared memory (shm_open(3)), which on
   * Linux are files in /dev/shm. With a `size`, in bytes, it is made, of zeros; without, the one that is there is opened.
   * `name` is a file name of 1 to 255 bytes (251 where it is not Linux), without slashes and backslashes; on Windows one that
   * its file systems take. It stays until {@link unlinkShared} or the next start of the machine.
   *
   * All room for it is taken when it is made and when `truncate` extends it: where there is none that rejects with
   * `ERR_MAPPED_FILE_NO_SPACE`, and afterwards no page of it can be lost for want of room. (A write past its end may leave
   * a hole before it, which has no such promise.) It is seen by others when it is whole, not before.
   *
   * It is made for its user only (mode 0600); one that belongs to another user, that others may open, that is a link, or
   * has a second name, is not opened (`EACCES`, `ELOOP`). Rejects with `EEXIST` and `ENOENT` as `fs.open` does.
   *
   * @example
   * ```ts
   * const name = `example-${process.pid}`;
   * await using made = await MappedFile.shared(name, 4096);
   * await using found = await MappedFile.shared(name); // in any process of the same user
   * made.setUint32(0, 7);
   * console.log(found.getUint32(0)); // → 7
   * await MappedFile.unlinkShared(name);
   * ```
   */
  static async shared(name: string, size?: Position, options: SharedMemoryOptions = {}): Promise<MappedFile> {
    const wanted = sharedRequest(name, size, options);
    return MappedFile.#make(await openShared(wanted), wanted.request);
  }

  /** As {@link shared}, blocking: taking room for gibibytes takes a while. */
  static sharedSync(name: string, size?: Position, options: SharedMemoryOptions = {}): MappedFile {
    const wanted = sharedRequest(name, size, options);
    return MappedFile.#make(openSharedSync(wanted), wanted.request);
  }

  /**
   * Removes the name of shared memory, as `fs.unlink` does: who has it open keeps it, and the name is free for another.
   * Rejects with `ENOENT` where there is none, and on Windows with `EPERM` while anybody has it mapped.
   *
   * @example
   * ```ts
   * const name = `example-${process.pid}`;
   * await using made = await MappedFile.shared(name, 4096);
   * await MappedFile.unlinkShared(name);
   * await MappedFile.shared(name).catch(({ code }) => console.log(code)); // → ENOENT
   * ```
   */
  static async unlinkShared(name: string): Promise<void> {
    await unlinkShared(name);
  }

  /** As {@link unlinkShared}, blocking. */
  static unlinkSharedSync(name: string): void {
    unlinkSharedSync(name);
  }

  static #adopt(request: OpenRequest, given: number): MappedFile {
    const mode = native.openMode(given);
    if (mode < 0) throw systemError(-mode, 'open');
    const readable = (mode & 1) !== 0;
    const writable = (mode & 2) !== 0;
    if (request.explicit && request.writable && !writable) throw systemError(EBADF, 'open');
    const fd = native.duplicate(given);
    if (fd < 0) throw systemError(-fd, 'dup');
    return MappedFile.#make(new Descriptor(fd, true), {
      ...request,
      readable,
      writable: request.explicit ? request.writable : writable,
      appending: (mode & 4) !== 0,
    });
  }

  static #make(descriptor: Descriptor, request: OpenRequest): MappedFile {
    try {
      const attached = attach(descriptor, request);
      const file = new MappedFile(attached, request);
      if (request.mustMap) attached.cache.requireMapped();
      return file;
    } catch (error) {
      descriptor.closeSync();
      throw error;
    }
  }

  // --- what it is ------------------------------------------------------------------------------------------------

  /** The file's descriptor, owned by this object: of its own where it was opened by path, else a duplicate. */
  get fd(): number {
    return this.#cache.fd;
  }

  /** The path it was opened by; `undefined` for a descriptor, and for anonymous memory. */
  get path(): string | undefined {
    return this.#cache.path;
  }

  /** How the bytes are reached now. */
  get backing(): 'mmap' | 'read' | 'spool' {
    return this.#spool === undefined ? this.#cache.backing : 'spool';
  }

  /**
   * Size in bytes as last seen: what this object wrote is in it, what others did is after {@link refresh}. What has
   * arrived, of a spool; 0 for what does not tell its size (a pipe, a file of procfs), which may have bytes all the same.
   */
  get size(): number {
    return known(this.#cache.size);
  }

  /** Whether it can be written now: how it was opened, and {@link protect}. */
  get isWritable(): boolean {
    return this.#cache.writable;
  }

  /** Whether it is closed, or being closed. */
  get closed(): boolean {
    return this.#cache.closed;
  }

  /**
   * A description of the file for another thread, which opens it by `MappedFile.open(handle)`: a plain object, to be sent
   * by `postMessage`, as `workerData`, or as JSON to another process. It carries the options of this file that can be sent
   * (`windowSize`, `backing`, `strict`, `advice`), and what it was opened for; who opens it may name other ones.
   *
   * It keeps nothing open. While this file is open, the other gets to it whatever has become of its name, from another
   * process too where that may look at this one (Linux; proc(5)); afterwards by its path, if that still leads to it. It is
   * the same file or an error: `ERR_MAPPED_FILE_STALE`. The other has a cursor of its own, where the system can open a file
   * again by its descriptor (Linux), or its path still leads to it.
   *
   * Throws `ERR_MAPPED_FILE_NOT_SEEKABLE` for what has no positions, and for a spool before all has arrived. Open no
   * handle from somebody from whom you would not open a path.
   *
   * @example
   * ```ts
   * await using again = await MappedFile.open(file.handle()); // here, in a worker, or in another process
   * console.log(again.size === file.size, again.fd === file.fd); // → true false
   * ```
   */
  handle(): MappedFileHandle {
    this.#cache.enter();
    this.#cache.requirePositions(0, Infinity);
    return describe(this.fd, this.path, traitsOf(this.#request, this.#cache));
  }

  // --- reading and writing, as node:fs ---------------------------------------------------------------------------

  /**
   * Reads into `buffer`, as `FileHandle.read` does: up to `length` bytes (default: the rest of the buffer) from
   * `position` (default `null`: the descriptor's cursor, which moves) to `offset` (default 0) of the buffer. The count
   * is short at the end of the file. Completes without the thread pool when the bytes are in memory.
   *
   * @example
   * ```ts
   * const { bytesRead, buffer } = await file.read(Buffer.alloc(10), { position: 0 });
   * console.log(bytesRead, buffer.toString()); // → 10 2024-05-01
   * ```
   */
  read<T extends NodeJS.ArrayBufferView>(
    buffer: T,
    offset?: number | null,
    length?: number | null,
    position?: Position | null,
  ): Promise<{ bytesRead: number; buffer: T }>;
  read<T extends NodeJS.ArrayBufferView>(
    buffer: T,
    options?: TransferOptions,
  ): Promise<{ bytesRead: number; buffer: T }>;
  read<T extends NodeJS.ArrayBufferView = Buffer>(options?: ReadOptions<T>): Promise<{ bytesRead: number; buffer: T }>;
  read(
    bufferOrOptions?: unknown,
    offset?: unknown,
    length?: unknown,
    position?: unknown,
  ): Promise<{ bytesRead: number; buffer: NodeJS.ArrayBufferView }> {
    // Not `async`: its promises cost as much as the read.
    try {
      return this.#read(bufferOrOptions, offset, length, position);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #read(
    bufferOrOptions: unknown,
    offset: unknown,
    length: unknown,
    position: unknown,
  ): Promise<{ bytesRead: number; buffer: NodeJS.ArrayBufferView }> {
    let buffer = bufferOrOptions;
    if (!ArrayBuffer.isView(buffer)) {
      if (buffer !== undefined && buffer !== null && typeof buffer !== 'object') {
        throw invalidArgType('options', 'of type object', buffer);
      }
      const options = (buffer ?? {}) as ReadOptions;
      buffer = options.buffer === undefined ? Buffer.alloc(16384) : options.buffer;
      offset = options;
    }
    const to = readTransfer(buffer, offset, length, position);
    // After the arguments, whose getters may have closed the file.
    this.#cache.enter();
    const done = to.length === 0 ? 0 : this.#source.read(to.bytes, to.offset, to.length, to.position);
    const result = (bytesRead: number) => ({ bytesRead, buffer: buffer as NodeJS.ArrayBufferView });
    return typeof done === 'number' ? settled(result(done)) : done.then(result);
  }

  /**
   * Reads as `fs.readSync` does, without the descriptor; see {@link read}. Returns the count of bytes. May block.
   *
   * @example
   * ```ts
   * const date = Buffer.alloc(10);
   * file.readSync(date, 0, 10, 0);
   * console.log(date.toString()); // → 2024-05-01
   * ```
   */
  readSync(
    buffer: NodeJS.ArrayBufferView,
    offset?: number | null,
    length?: number | null,
    position?: Position | null,
  ): number;
  readSync(buffer: NodeJS.ArrayBufferView, options?: TransferOptions): number;
  readSync(buffer: unknown, offset?: unknown, length?: unknown, position?: unknown): number {
    const to = readTransfer(buffer, offset, length, position);
    this.#cache.enter();
    return to.length === 0 ? 0 : this.#source.readSync(to.bytes, to.offset, to.length, to.position);
  }

  /**
   * Reads into several buffers, one after the other, as `FileHandle.readv` does.
   *
   * @example
   * ```ts
   * const [day, time] = [Buffer.alloc(10), Buffer.alloc(9)];
   * await file.readv([day, time], 0);
   * console.log(`${day} ${time}`); // → 2024-05-01 T00:00:00
   * ```
   */
  async readv<T extends readonly NodeJS.ArrayBufferView[]>(
    buffers: T,
    position?: Position | null,
  ): Promise<{ bytesRead: number; buffers: T }> {
    const list = bufferList(buffers);
    this.#cache.enter();
    if (list.length === 0) throw systemError(EINVAL, 'read', this.path);
    if (turnIsSpent()) await nextTurn();
    const read = (bytes: Uint8Array, at: number): number | Promise<number> => {
      this.#cache.enter();
      return this.#source.read(bytes, 0, bytes.length, at);
    };
    const from = writePosition(position);
    const bytesRead = await (from === cursor
      ? together(list, (bytes) => read(bytes, cursor))
      : vector(list, from, read));
    return { bytesRead, buffers };
  }

  /** As {@link readv}, blocking; returns the count of bytes. */
  readvSync(buffers: readonly NodeJS.ArrayBufferView[], position?: Position | null): number {
    const list = bufferList(buffers);
    this.#cache.enter();
    if (list.length === 0) throw systemError(EINVAL, 'read', this.path);
    const from = writePosition(position);
    const bytesRead = vectorSync(list, from, (bytes, at) => this.#source.readSync(bytes, 0, bytes.length, at));
    return from === cursor ? bytesRead : this.#cache.stillInside(from, bytesRead);
  }

  /**
   * Writes as `FileHandle.write` does: a buffer's bytes, or a string in an encoding (default UTF-8), at `position`
   * (default `null`: the descriptor's cursor). Past the end the file grows; a gap reads as zeros. The bytes are taken
   * when it is called: the buffer may be reused at once. Files opened with `'a'` are written at their end.
   *
   * One difference to node:fs: a position that is a number but no integer from -1 on throws `ERR_OUT_OF_RANGE` instead
   * of writing at the cursor. Rejects with `ERR_MAPPED_FILE_READ_ONLY` where the file is not open for writing.
   *
   * @example
   * ```ts
   * await file.write('2025', 0);
   * await file.write(Buffer.from('the last line\n'), { position: file.size });
   * console.log(file.lines({ reverse: true })[Symbol.iterator]().next().value); // → the last line
   * ```
   */
  write<T extends NodeJS.ArrayBufferView>(
    buffer: T,
    offset?: number | null,
    length?: number | null,
    position?: Position | null,
  ): Promise<{ bytesWritten: number; buffer: T }>;
  write<T extends NodeJS.ArrayBufferView>(
    buffer: T,
    options?: TransferOptions,
  ): Promise<{ bytesWritten: number; buffer: T }>;
  write(
    data: string,
    position?: Position | null,
    encoding?: BufferEncoding | null,
  ): Promise<{ bytesWritten: number; buffer: string }>;
  async write(
    data: unknown,
    offset?: unknown,
    length?: unknown,
    position?: unknown,
  ): Promise<{ bytesWritten: number; buffer: unknown }> {
    const from = writeTransfer(data, offset, length, position);
    this.#cache.enterWrite();
    const bytesWritten =
      from.length === 0 ? 0 : await this.#sink.write(from.bytes, from.offset, from.length, from.position);
    return { bytesWritten, buffer: data };
  }

  /**
   * Writes as `fs.writeSync` does, without the descriptor; see {@link write}. Returns the count of bytes. May block.
   *
   * @example
   * ```ts
   * file.writeSync('2025', 0);
   * file.writeSync(Buffer.from('-12'), 0, 3, 4);
   * console.log(file.sliceSync(0, 10).toString()); // → 2025-12-01
   * ```
   */
  writeSync(
    buffer: NodeJS.ArrayBufferView,
    offset?: number | null,
    length?: number | null,
    position?: Position | null,
  ): number;
  writeSync(buffer: NodeJS.ArrayBufferView, options?: TransferOptions): number;
  writeSync(data: string, position?: Position | null, encoding?: BufferEncoding | null): number;
  writeSync(data: unknown, offset?: unknown, length?: unknown, position?: unknown): number {
    const from = writeTransfer(data, offset, length, position);
    this.#cache.enterWrite();
    return from.length === 0 ? 0 : this.#cache.writeSync(from.bytes, from.offset, from.length, from.position);
  }

  /**
   * Writes several buffers, one after the other, as `FileHandle.writev` does.
   *
   * @example
   * ```ts
   * await file.writev([Buffer.from('2025'), Buffer.from('-12-31')], 0);
   * console.log((await file.slice(0, 10)).toString()); // → 2025-12-31
   * ```
   */
  async writev<T extends readonly NodeJS.ArrayBufferView[]>(
    buffers: T,
    position?: Position | null,
  ): Promise<{ bytesWritten: number; buffers: T }> {
    const all = Buffer.concat(bufferList(buffers));
    this.#cache.enterWrite();
    const at = writePosition(position);
    const bytesWritten = all.length === 0 ? 0 : await this.#sink.write(all, 0, all.length, at);
    return { bytesWritten, buffers };
  }

  /** As {@link writev}, blocking; returns the count of bytes. */
  writevSync(buffers: readonly NodeJS.ArrayBufferView[], position?: Position | null): number {
    const list = bufferList(buffers);
    this.#cache.enterWrite();
    const from = writePosition(position);
    // Where another process may write between two of them, they go together.
    const pieces = from === cursor || this.#cache.appending ? [Buffer.concat(list)] : list;
    return vectorSync(pieces, from, (bytes, at) => this.#cache.writeSync(bytes, 0, bytes.length, at));
  }

  // --- ranges ----------------------------------------------------------------------------------------------------

  /**
   * A copy of `[start, end)` that the caller owns; `end` defaults to the end of the file. Throws `ERR_OUT_OF_RANGE`
   * for a range that is not inside the file or longer than a `Buffer` can be (`buffer.constants.MAX_LENGTH`), and
   * `ERR_MAPPED_FILE_TRUNCATED` when the file shrinks meanwhile. Of a spool it waits for what has not arrived.
   *
   * @example
   * ```ts
   * const first = await file.slice(0, 24);
   * console.log(first.toString()); // → 2024-05-01T00:00:00.000Z
   * ```
   */
  async slice(start?: Position, end?: Position): Promise<Buffer> {
    if (this.#spool !== undefined) await this.#spool.reached(toRange(start, end, Infinity).end);
    const asked = this.#sizeless(start, end);
    if (asked !== undefined) return readUntilEnd(this.#cache, asked.start, asked.end);
    if (turnIsSpent()) await nextTurn();
    const range = this.#range(start, end);
    const buffer = Buffer.allocUnsafeSlow(range.end - range.start);
    const done = buffer.length === 0 ? 0 : await this.#cache.read(buffer, 0, buffer.length, range.start);
    return this.#whole(buffer, done, range.start);
  }

  /** As {@link slice}, blocking. */
  sliceSync(start?: Position, end?: Position): Buffer {
    const asked = this.#sizeless(start, end);
    if (asked !== undefined) return readUntilEndSync(this.#cache, asked.start, asked.end);
    const range = this.#range(start, end);
    const buffer = Buffer.allocUnsafeSlow(range.end - range.start);
    let done = 0;
    // One call moves less than 2 GiB (read(2)).
    for (let moved = -1; done < buffer.length && moved !== 0; done += moved) {
      moved = this.#cache.readSync(buffer, done, buffer.length - done, range.start + done);
    }
    return this.#whole(buffer, this.#cache.stillInside(range.start, done), range.start);
  }

  #whole(buffer: Buffer, done: number, position: number): Buffer {
    if (done === buffer.length) return buffer;
    if (!this.closed) this.#cache.refreshSync();
    const message = `The file shrank: of ${buffer.length} bytes, ${done} are left`;
    throw new MappedFileError('ERR_MAPPED_FILE_TRUNCATED', message, {
      path: this.path,
      position,
      length: buffer.length,
    });
  }

  /** The range, as it is, where only reading tells whether it is inside the file. */
  #sizeless(start: unknown, end: unknown): { start: number; end: number } | undefined {
    this.#cache.enter();
    return this.#cache.extent === 'sizeless' ? toRange(start, end, Infinity) : undefined;
  }

  #range(start: unknown, end: unknown): { start: number; end: number } {
    this.#cache.enter();
    if (end === undefined) this.#cache.refreshSync();
    const range = toRange(start, end, this.size);
    if (end === undefined) this.#cache.requireEnd();
    else this.#cache.requirePositions(range.start, range.end - range.start);
    if (range.end > this.size && range.end > this.#cache.refreshSync()) {
      throw outOfRange(end === undefined ? 'start' : 'end', `<= ${this.size}, the file's size`, range.end);
    }
    const most = bufferConstants.MAX_LENGTH;
    if (range.end - range.start > most) {
      throw outOfRange('end - start', `<= ${most}, the longest typed array`, range.end - range.start);
    }
    return range;
  }

  /**
   * Maps `[start, end)` for the caller, without a copy and at any position. `access` `'shared'`, the default, shows
   * what others write and writes the file; `'private'` keeps writes in this process (copy-on-write) until the view's
   * `commit` writes them back, or `discard` drops them. Views of a read-only file are private, so that a stray write is
   * harmless. Throws as {@link slice}, and `ERR_MAPPED_FILE_BUDGET` when views exceed the pool or the address space: for
   * want of room, no view becomes a copy.
   *
   * With backing `'read'` a view is a copy: what is written into a shared one goes to the file, changed bytes only, at
   * its `flush` and `dispose`, at the file's `flush` and `close`, and before a call on the file that reads or writes
   * there; what others write shows after its or the file's `flush`, and after {@link refresh}. Such a view is kept, and
   * counted by the pool, until it is disposed of or the file is closed.
   *
   * @example
   * ```ts
   * using view = file.view(0, 4);
   * view.bytes.set(Buffer.from('2025')); // the file, at once
   * console.log(file.sliceSync(0, 10).toString()); // → 2025-05-01
   *
   * using draft = file.view(0, 4, { access: 'private' });
   * draft.bytes.fill(0x30); // nobody else sees it before draft.commit()
   * console.log(file.sliceSync(0, 4).toString()); // → 2025
   * ```
   */
  view(start?: Position, end?: Position, options: { access?: 'shared' | 'private' } = {}): MappedView {
    checkOptions(options);
    const { access = 'shared' } = options;
    if (access !== 'shared' && access !== 'private') {
      throw invalidArgValue('options.access', access, "must be one of: 'shared', 'private'");
    }
    const range = this.#range(start, end);
    const length = range.end - range.start;
    if (length === 0) throw outOfRange('end', '> start: an empty range cannot be mapped', range.end);
    return new MappedView(this.#cache, this.#cache.createView(range.start, length, access === 'private'));
  }

  // --- streams ---------------------------------------------------------------------------------------------------

  /**
   * The file, or `[start, end)` of it, as a byte stream: default readers get owned chunks, BYOB readers have their
   * buffers filled. It ends where the file ends, and is errored with `ERR_MAPPED_FILE_CLOSED` when the file is closed.
   *
   * With `borrow: true` it hands out borrowed chunks without a copy, as {@link chunks} does, and is no byte stream.
   *
   * With `follow` it does not end where the file ends, but goes on as the file grows, and with the next file where that
   * has been replaced, as `tail -F` does: until it is cancelled or aborted, or this file is closed. Rotation cannot be
   * seen of a file that was opened by descriptor. What ends of itself, as a pipe or a spool, is read to that end; of a
   * file that does not tell its size it throws `ERR_MAPPED_FILE_NOT_SEEKABLE`.
   *
   * @example
   * ```ts
   * let bytes = 0;
   * for await (const chunk of file.readable({ end: 1000 })) bytes += chunk.length;
   * console.log(bytes); // → 1000
   *
   * const reader = file.readable().getReader({ mode: 'byob' });
   * const { value } = await reader.read(new Uint8Array(24));
   * console.log(Buffer.from(value!).toString()); // → 2024-05-01T00:00:00.000Z
   * await reader.cancel();
   * ```
   */
  readable(
    options: ReadableOptions & { borrow?: boolean | undefined; follow?: boolean | FollowOptions | undefined } = {},
  ): ReadableStream<Uint8Array> {
    this.#cache.enter();
    checkOptions(options);
    const { borrow, follow } = options;
    checkBoolean(borrow, 'options.borrow');
    if (isFollowing(follow)) {
      if (borrow) throw invalidArgValue('options.borrow', borrow, 'cannot be combined with "options.follow"');
      const followable = this.#followable();
      if (followable !== undefined) return createFollowing(followable, options, follow, this.#request.streams);
    }
    const create = borrow === true ? createBorrowing : createReadable;
    this.#checkStart(options.start);
    return create(this.#source, options, this.#request.streams);
  }

  /** What has no positions can only be read and written from where it stands. */
  #checkStart(start: unknown): void {
    if (this.#channel !== undefined && start !== undefined) {
      const position = toPosition(start, 'options.start');
      if (position !== 0) this.#cache.requirePositions(position, 0);
    }
  }

  /**
   * The file, or `[start, end)` of it, in borrowed chunks (4 MiB by default), as an iterable and an async iterable: each
   * is mapped memory, without a copy, and is detached when the next one is asked for.
   *
   * @example
   * ```ts
   * let newlines = 0;
   * for (const chunk of file.chunks()) for (const byte of chunk) if (byte === 0x0a) newlines++;
   * console.log(newlines); // → 20000
   * ```
   */
  chunks(options?: ChunksOptions): Chunks {
    this.#cache.enter();
    return new Chunks(this.#source, options);
  }

  /**
   * A stream that writes the file from `start` (default 0) on; past the end the file grows. It takes bytes, and strings
   * as UTF-8. Throws `ERR_MAPPED_FILE_READ_ONLY`.
   *
   * @example
   * ```ts
   * const writer = file.writable({ start: file.size }).getWriter();
   * await writer.write('as text, ');
   * await writer.write(new Uint8Array([0x6f, 0x6b, 0x0a]));
   * await writer.close();
   * console.log((await file.slice(file.size - 12)).toString().trim()); // → as text, ok
   * ```
   */
  writable(options?: WritableOptions): WritableStream<WritableChunk> {
    this.#cache.enterWrite();
    this.#checkStart(options?.start);
    return createWritable(this.#sink, options, this.#request.streams);
  }

  /**
   * The file, or `[start, end)` of it, as a `Blob` that reads when it is asked for: `new Response(file.blob())`. `type` is
   * the media type. The file has to stay open. Throws `ERR_OUT_OF_RANGE` for a range that is not inside the file, and
   * `ERR_MAPPED_FILE_NOT_SEEKABLE` where its end is asked for and not known, as of a spool that is being filled.
   *
   * @example
   * ```ts
   * const response = new Response(file.blob(0, 10, { type: 'text/plain' }));
   * console.log(await response.text()); // → 2024-05-01
   * ```
   */
  blob(start?: Position, end?: Position, options: { type?: string | undefined } = {}): FileBlob {
    const type = blobType(options);
    if (end === undefined) this.#cache.requireEnd();
    else this.#cache.enter();
    const size = this.#cache.refreshSync();
    const range = toRange(start, end, size);
    this.#cache.requirePositions(range.start, range.end - range.start);
    if (range.end > size) throw outOfRange('end', `<= ${size}, the file's size`, range.end);
    return new FileBlob((from, to) => this.slice(from, to), range.start, range.end, type);
  }

  /**
   * A Node stream of the file's bytes, with the options of `fs.createReadStream`: `end` is inclusive there.
   *
   * @example
   * ```ts
   * let bytes = 0;
   * for await (const chunk of file.createReadStream({ start: 10, end: 19 })) bytes += (chunk as Buffer).length;
   * console.log(bytes); // → 10
   * ```
   */
  createReadStream(options?: ReadStreamOptions): ReadStream {
    this.#cache.enter();
    this.#checkStart(options?.start);
    return createReadStream(this.#source, options, this.#hooks());
  }

  /**
   * A Node stream that writes the file, with the options of `fs.createWriteStream`.
   *
   * @example
   * ```ts
   * import { pipeline } from 'node:stream/promises';
   * import { MappedFile } from 'sliding-mmap';
   *
   * await using from = await MappedFile.open('access.log');
   * await using to = await MappedFile.open('copy.log', 'w+');
   * await pipeline(from.createReadStream(), to.createWriteStream());
   * console.log(to.size === from.size); // → true
   * ```
   */
  createWriteStream(options?: WriteStreamOptions): WriteStream {
    this.#cache.enterWrite();
    this.#checkStart(options?.start);
    return createWriteStream(this.#sink, options, this.#hooks());
  }

  #hooks(): FileHooks {
    return { close: () => this.close(), fd: this.fd };
  }

  /** `undefined` for what ends of itself, so that reading waits for it anyway. */
  #followable(): Followable | undefined {
    if (this.#channel !== undefined || this.#spool !== undefined) return undefined;
    this.#cache.requireEnd();
    // Nobody could cut or delete it there, as whoever writes it may want to.
    if (process.platform === 'win32') this.#cache.stopMapping();
    return {
      source: this.#cache,
      fd: this.fd,
      open: (path) => {
        const file = MappedFile.openSync(path, 'r', { backing: 'read' });
        try {
          file.#cache.requireEnd();
        } catch (error) {
          file.closeSync();
          throw error;
        }
        // On the thread pool: the last descriptor of a deleted file frees its blocks.
        return { source: file.#cache, fd: file.fd, close: () => void file.close() };
      },
      watchNames: (folder) => {
        const events = native.watchNames(folder);
        if (events < 0) return undefined;
        return {
          read: (target) => native.read(events, target, 0, target.length, -1),
          close: () => native.closeDuplicate(events),
        };
      },
    };
  }

  // --- text ------------------------------------------------------------------------------------------------------

  /**
   * Position of the first place, from `from` (default 0) on, where `needle` stands: a byte (0 … 255), a string (as
   * UTF-8) or bytes; -1 when there is none. An empty needle is found at once, at `from`. May block.
   *
   * @example
   * ```ts
   * const position = file.indexOf('ERROR');
   * console.log(position, file.lastIndexOf(0x0a) === file.size - 1, file.includes('FATAL')); // → 5444 true false
   * ```
   */
  indexOf(needle: Needle, from?: Position): number {
    this.#cache.enter();
    return searchForward(this.#source, needle, from);
  }

  /**
   * Position of the last place, not after `from` (default: the end), where `needle` begins; see {@link indexOf}.
   *
   * @example
   * ```ts
   * const end = file.lastIndexOf('\n');
   * const lastLine = await file.slice(file.lastIndexOf('\n', end - 1) + 1, end);
   * console.log(lastLine.toString('latin1', 0, 19)); // → 2024-05-01T05:33:19
   * ```
   */
  lastIndexOf(needle: Needle, from?: Position): number {
    this.#cache.requireEnd();
    return searchBackward(this.#cache, needle, from);
  }

  /**
   * Whether `needle` stands anywhere from `from` on; see {@link indexOf}.
   *
   * @example
   * ```ts
   * console.log(file.includes('ERROR'), file.includes('FATAL')); // → true false
   * ```
   */
  includes(needle: Needle, from?: Position): boolean {
    return this.indexOf(needle, from) !== -1;
  }

  /**
   * The places where `pattern` stands: a needle as for {@link indexOf} but not an empty one, several of them searched
   * for at once, or a regular expression, which is tried line by line. An iterable and an async iterable of
   * {@link Match}; `.count()` gives their number only.
   *
   * @example
   * ```ts
   * for (const { position, line } of file.matches(/ 9[0-9] ms$/, { line: true })) {
   *   console.log(position, line); // → 4975 2024-05-01T00:01:30.000Z INFO GET /items/710 200 90 ms
   *   break;
   * }
   * console.log(await file.matches(['ERROR', 'FATAL']).count()); // → 200
   * ```
   */
  matches(pattern: Pattern, options: MatchesOptions = {}): Matches {
    this.#cache.requireEnd();
    return new Matches(this.#cache, pattern, options);
  }

  /**
   * The file's lines, or those of `[start, end)`, as an iterable and an async iterable; in arrays by `.batches()`.
   * `encoding: 'buffer'` gives their bytes, `reverse: true` the last line first. With `follow`, asynchronous iteration
   * goes on as the file grows and is replaced, see {@link readable}.
   *
   * @example
   * ```ts
   * for (const line of file.lines({ reverse: true })) {
   *   console.log(line.slice(0, 24)); // → 2024-05-01T05:33:19.000Z
   *   break;
   * }
   * let errors = 0;
   * for await (const batch of file.lines().batches()) errors += batch.filter((line) => line.includes('ERROR')).length;
   * console.log(errors); // → 200
   * ```
   */
  lines(options?: LinesOptions): Lines;
  lines(options: LinesOptions<Buffer>): Lines<Buffer>;
  lines(options: LinesOptions | LinesOptions<Buffer> = {}): Lines | Lines<Buffer> {
    this.#cache.enter();
    const channel = this.#channel;
    if (channel === undefined) {
      if (this.#cache.extent === 'sizeless' && options?.reverse) this.#cache.requireEnd();
      const followable = isFollowing(options?.follow) ? this.#followable() : undefined;
      return new Lines(this.#source, options as LinesOptions, undefined, followable);
    }
    this.#checkStart(options?.start);
    if (options?.reverse) this.#cache.requireEnd();
    const lines: Lines = new Lines(new Pass(channel, () => lines.position), options as LinesOptions);
    return lines;
  }

  /**
   * Makes an index of the file's lines, on the thread pool, or loads one that was saved (`from`): finds lines by number
   * and numbers by position, reading little. See {@link LineIndex}.
   *
   * @example
   * ```ts
   * const index = await file.lineIndex();
   * console.log(index.lineCount, await index.lineAt(file.indexOf('ERROR'))); // → 20000 100
   * console.log((await index.line(100))?.slice(25, 30)); // → ERROR
   * ```
   */
  lineIndex(options?: LineIndexOptions): Promise<LineIndex>;
  lineIndex(options: LineIndexOptions<Buffer>): Promise<LineIndex<Buffer>>;
  async lineIndex(options: LineIndexOptions | LineIndexOptions<Buffer> = {}): Promise<LineIndex | LineIndex<Buffer>> {
    this.#cache.requireEnd();
    return LineIndex.create(this.#cache, options as LineIndexOptions);
  }

  /**
   * Position of the first line that is not less than a key, in a file whose lines are sorted: `compare(line, position)`
   * gives a number below 0 for a line that comes before the key, 0 or more for one that does not, and `undefined` (or
   * `NaN`) for one that has no key, such as a line of a stack trace, which is passed over. The end of the range where
   * every line comes before the key. Reads about 1 KiB per halving of the range, so a hundred GB take at most fifty reads.
   *
   * @example
   * ```ts
   * const from = '2024-05-01T03:00:00';
   * const start = await file.bisect((line) => (line.slice(0, 19) < from ? -1 : 0));
   * for (const line of file.lines({ start })) {
   *   console.log(line.slice(0, 24)); // → 2024-05-01T03:00:00.000Z
   *   break;
   * }
   * ```
   */
  bisect(compare: CompareLine, options?: BisectOptions): Promise<number>;
  bisect(compare: CompareLine<Buffer>, options: BisectOptions<Buffer>): Promise<number>;
  async bisect(
    compare: CompareLine | CompareLine<Buffer>,
    options: BisectOptions | BisectOptions<Buffer> = {},
  ): Promise<number> {
    this.#cache.requireEnd();
    return bisect(this.#cache, compare as CompareLine, options as BisectOptions);
  }

  /** As {@link bisect}; may block. */
  bisectSync(compare: CompareLine, options?: BisectOptions): number;
  bisectSync(compare: CompareLine<Buffer>, options: BisectOptions<Buffer>): number;
  bisectSync(compare: CompareLine | CompareLine<Buffer>, options: BisectOptions | BisectOptions<Buffer> = {}): number {
    this.#cache.requireEnd();
    return bisectSync(this.#cache, compare as CompareLine, options as BisectOptions);
  }

  /**
   * Cuts the file into at most `parts` ranges, each ending after a `delimiter` (a byte; default the newline), so that
   * several threads can each take one. Looks at a few blocks only.
   *
   * @example
   * ```ts
   * const ranges = file.split(4); // one for each worker
   * console.log(ranges.length, ranges[3]!.end === file.size); // → 4 true
   * ```
   */
  split(parts: number, delimiter?: number): Array<{ start: number; end: number }> {
    this.#cache.requireEnd();
    return split(this.#cache, parts, delimiter);
  }

  // --- durability and size ---------------------------------------------------------------------------------------

  /**
   * Resolves when everything written through this file before the call is on the device (msync(2), then fdatasync(2)):
   * by `write`, by the setters, by streams and by views. `start` and `end` limit which mappings are synchronised first.
   * Rejects with `ERR_MAPPED_FILE_IO` or `ERR_MAPPED_FILE_NO_SPACE`; the system tells of a failed write-back once.
   *
   * @example
   * ```ts
   * file.setUint8(0, 0x32);
   * await file.write('2025', 0);
   * await file.flush(); // both are on the device now
   * ```
   */
  async flush(start?: Position, end?: Position): Promise<void> {
    this.#cache.enter();
    const range = toRange(start, end, Infinity);
    await this.#sink.flush(range.start, range.end);
  }

  /** As {@link flush}, blocking; asynchronous writes that are pending are not waited for. */
  flushSync(start?: Position, end?: Position): void {
    this.#cache.enter();
    const range = toRange(start, end, Infinity);
    this.#cache.flushSync(range.start, range.end);
  }

  /**
   * Cuts or extends the file to `length` bytes (default 0), as `FileHandle.truncate` does: what is new reads as zeros.
   * Rejects with `ERR_MAPPED_FILE_READ_ONLY` where the file is not open for writing.
   *
   * @example
   * ```ts
   * await file.truncate(100);
   * await file.truncate(2 ** 40); // sparse: the rest reads as zeros
   * console.log(file.size, file.getUint8(2 ** 39)); // → 1099511627776 0
   * ```
   */
  async truncate(length = 0): Promise<void> {
    const size = truncation(length);
    this.#cache.enterWrite();
    await this.#cache.truncate(size);
  }

  /** As {@link truncate}, blocking. */
  truncateSync(length = 0): void {
    const size = truncation(length);
    this.#cache.enterWrite();
    this.#cache.truncateSync(size);
  }

  /**
   * Looks at the file's size again, and gives it in bytes: what others appended or cut off is then known. Of a spool it
   * is what has arrived.
   *
   * @example
   * ```ts
   * fs.appendFileSync('access.log', 'by somebody else\n');
   * const before = file.size;
   * console.log((await file.refresh()) - before); // → 17
   * ```
   */
  async refresh(): Promise<number> {
    if (turnIsSpent()) await nextTurn();
    return this.refreshSync();
  }

  /** As {@link refresh}: one statx(2) or fstat(2), which does not wait for the device. */
  refreshSync(): number {
    this.#cache.enter();
    this.#cache.refreshViews();
    return known(this.#cache.refreshSync());
  }

  /**
   * The file's `fs.Stats`; of a spool, those of the temporary file.
   *
   * @example
   * ```ts
   * console.log((await file.stat()).isFile()); // → true
   * ```
   */
  async stat(): Promise<Stats> {
    this.#cache.enter();
    return this.#cache.track(statDescriptor(this.fd));
  }

  // --- the kernel ------------------------------------------------------------------------------------------------

  /**
   * Brings `[start, end)` into memory without blocking the event loop, and resolves when it is there (and was not
   * dropped again meanwhile). A range past the end is cut. Of a spool it waits until the range has arrived: `prefetch()`
   * resolves when everything has.
   *
   * @example
   * ```ts
   * await file.prefetch(0, 2 ** 20); // cold pages are read on the thread pool
   * const first = file.getUint8(0); // and the event loop does not wait for them here
   * ```
   */
  async prefetch(start?: Position, end?: Position): Promise<void> {
    this.#cache.enter();
    const range = toRange(start, end, this.#source.size);
    await this.#source.prefetch(range.start, range.end);
  }

  /**
   * Tells the kernel how the file, or `[start, end)` of it, will be used (madvise(2), and posix_fadvise(2) for what is read
   * by the descriptor). It changes what costs time and memory, and no byte.
   *
   * - `'random'`: little or nothing is read ahead of an access. `'sequential'`: much is, and what was passed may go early.
   *   `'normal'` undoes both.
   * - `'hugepage'`, `'nohugepage'`: huge pages are wanted, or not (Linux, where the file system has them).
   * - `'willneed'`: reading begins now. That of a long range may block; {@link prefetch} does not.
   * - `'dontneed'`: the pages leave this process, and stay in the page cache: the next access is a fault. Private views, which
   *   would lose what was written into them, are left alone.
   * - `'cold'`, `'pageout'`: the first pages to go when memory is short; pages to go now (Linux 5.4).
   *
   * Those of the first two lines last. Without a range they are for mappings made later, too, as `advice` of
   * {@link OpenOptions} is; with one, for the windows and views that meet it now, as a whole. The others are done once.
   * What the system does not know, or does not take, is ignored, and noted in {@link stats} (`ignoredAdvice`).
   *
   * Throws `ERR_INVALID_ARG_VALUE`, and `ERR_MAPPED_FILE_NOT_SEEKABLE` for what has no positions.
   *
   * @example
   * ```ts
   * file.advise('random'); // this file is looked up here and there
   * file.advise('willneed', 0, 2 ** 20);
   * ```
   */
  advise(advice: Advice, start?: Position, end?: Position): void {
    const told = toAdvice(advice, 'advice');
    const range = toRange(start, end, Infinity);
    this.#cache.advise(told, range.start, range.end);
  }

  /**
   * Which pages of the file, or of those that `[start, end)` touches, are in memory at this moment, in the page cache or as
   * memory that is not swapped out, whoever brought them there (mincore(2)). What is past the end is cut. It reads
   * nothing; it blocks for some tens of milliseconds for each GiB that is in memory, and for next to nothing where nothing
   * is: ask for parts where that is too long.
   *
   * Linux tells only those who own the file or may write it: others get `EPERM`. Throws `ERR_MAPPED_FILE_NOT_MAPPABLE` for
   * what cannot be mapped, `ERR_MAPPED_FILE_NOT_SEEKABLE` for what does not tell its size, `ERR_OUT_OF_RANGE` for more
   * pages than an array has elements (16 TiB of them on Node 20), and `ERR_MAPPED_FILE_BUDGET` for want of memory.
   *
   * @example
   * ```ts
   * file.sliceSync();
   * const { pages, resident } = file.residency();
   * console.log(resident <= pages); // → true
   * ```
   */
  residency(start?: Position, end?: Position): Residency {
    return this.#pages.residency(start, end);
  }

  /**
   * Brings the pages of the file, or of `[start, end)`, into memory and keeps them there (mlock(2)), whatever else wants
   * memory, until {@link unpin}, the file's close or the end of the process; resolves when they are there. Pins may overlap.
   * They take address space of the pool, as views do, and are counted in {@link stats}. What the file grows by later is
   * not pinned; what is cut off is not any more.
   *
   * Rejects with `ERR_MAPPED_FILE_BUDGET` where this process may not keep so much: most systems let an unprivileged one have
   * 64 KiB to 8 MiB (RLIMIT_MEMLOCK, getrlimit(2)), and the message tells the limit; also where pins and views exceed the pool
   * or the address space. Rejects with `ERR_OUT_OF_RANGE` for a range that is not inside the file, and with
   * `ERR_MAPPED_FILE_TRUNCATED`, `ERR_MAPPED_FILE_NOT_MAPPABLE`, `ERR_MAPPED_FILE_NOT_SEEKABLE`.
   *
   * @example
   * ```ts
   * await file.pin(0, 4096); // the header is never waited for again
   * console.log(file.stats().bytesPinned > 0); // → true
   * file.unpin();
   * ```
   */
  async pin(start?: Position, end?: Position): Promise<void> {
    await this.#pages.pin(start, end);
  }

  /**
   * Releases the pins that lie inside `[start, end)`: all of them, by default. One that reaches out of it stays whole. The
   * pages stay in memory until something else needs it.
   *
   * @example
   * ```ts
   * await file.pin(0, 4096);
   * file.unpin(); // all of them
   * console.log(file.stats().bytesPinned); // → 0
   * ```
   */
  unpin(start?: Position, end?: Position): void {
    this.#pages.unpin(start, end);
  }

  /**
   * Writes back what is not on the device yet, as {@link flush}, and lets the pages of the file, or those that lie wholly in
   * `[start, end)`, leave the page cache (posix_fadvise(2), `POSIX_FADV_DONTNEED`): for everybody, so that the next read
   * goes to the device. A wish: what other processes or private views have mapped stays, what is pinned stays, what
   * somebody writes meanwhile stays, and memory that is no file stays. {@link residency} tells what is left.
   *
   * Rejects as {@link flush}, and with `ENOTSUP` where the system cannot be asked (macOS, Windows).
   *
   * @example
   * ```ts
   * await file.dropCache(); // the next read measures the device
   * ```
   */
  async dropCache(start?: Position, end?: Position): Promise<void> {
    await this.#pages.dropCache(start, end);
  }

  /**
   * `'read'` makes the setters and `write` throw `ERR_MAPPED_FILE_READ_ONLY`, takes write access from this file's
   * windows (mprotect(2)) and makes later views private; `'readwrite'` undoes it. A file that was opened read-only
   * stays so.
   *
   * @example
   * ```ts
   * file.protect('read');
   * try {
   *   file.setUint8(0, 1);
   * } catch (error) {
   *   console.log((error as MappedFileError).code); // → ERR_MAPPED_FILE_READ_ONLY
   * }
   * file.protect('readwrite');
   * ```
   */
  protect(access: 'read' | 'readwrite'): void {
    this.#cache.enter();
    if (access !== 'read' && access !== 'readwrite') {
      throw invalidArgValue('access', access, "must be one of: 'read', 'readwrite'");
    }
    this.#cache.protect(access === 'readwrite');
  }

  /**
   * Locks the file, or `[start, end)` of it, against others who lock it; it keeps nobody from reading and writing.
   * Resolves when no other lock excludes it, whoever holds that: another process, another thread, another opening of the
   * file, or this object, each of whose locks is a holder of its own. It is held until it is released, the file closed, or
   * the process ends, however it does.
   *
   * Waiting takes neither a thread nor a blocking call: it asks again at least every 48 ms, and at once when this thread
   * gives a lock back. Those who wait on one thread are served in their order; between threads and processes there is no
   * order. A lock cannot be turned into another: release it, and ask for the other. A shared one and an exclusive one of
   * the same range, asked for by one holder in turn, wait for ever (a `signal` ends it).
   *
   * Throws `ERR_MAPPED_FILE_READ_ONLY` for an exclusive lock of a file that was opened read-only,
   * `ERR_MAPPED_FILE_NOT_SEEKABLE` for what has no positions, and the system's errors (`ENOLCK` where the file system
   * has no locks). These are the locks of an open file description (F_OFD_SETLK, fcntl(2)): other programs meet them by
   * fcntl(2) and lockf(3), not by flock(2); see docs/sharing.md, also for NFS.
   *
   * @example
   * ```ts
   * using lock = await file.lock({ start: 0, end: 100 });
   * await file.write('2025', 0); // by nobody else who locks it
   * console.log(file.tryLock({ exclusive: false })); // → null
   * ```
   */
  lock(options: LockOptions = {}): Promise<FileLock> {
    try {
      return this.#locks.lock(options);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * As {@link lock}, but gives `null` instead of waiting. It does not queue: it may overtake those who wait.
   *
   * @example
   * ```ts
   * using lock = file.tryLock();
   * if (lock !== null) await file.write('2025', 0);
   * ```
   */
  tryLock(options: Omit<LockOptions, 'signal'> = {}): FileLock | null {
    return this.#locks.tryLock(options);
  }

  /**
   * What happened since the file was opened.
   *
   * @example
   * ```ts
   * file.getUint32(0);
   * const { windows, slides, evictions } = file.stats();
   * console.log(windows, slides, evictions); // → 1 1 0
   * ```
   */
  stats(): FileStats {
    this.#cache.enter();
    return { ...this.#cache.stats(), ...this.#pages.pinned };
  }

  // --- the end ---------------------------------------------------------------------------------------------------

  /**
   * Unmaps the windows and views at once (arrays of views become empty), errors the streams, waits for what is pending
   * and closes the descriptor. It does not flush. Rejects if a view lost a page and nobody was told, or if one that is a
   * copy could not be written back. Reads that wait for a pipe or a spool reject; writes to a pipe are waited for.
   * Idempotent.
   *
   * @example
   * ```ts
   * const other = await MappedFile.open('data.bin');
   * const { bytes } = other.view();
   * await other.close();
   * console.log(bytes.length, other.closed); // → 0 true
   * ```
   */
  close(): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  async #close(): Promise<void> {
    const lost = this.#release();
    await this.#cache.idle();
    await this.#descriptor.close();
    this.#locks.wake();
    if (lost !== undefined) throw lost;
  }

  /** As {@link close}; the descriptor stays open until what is pending has settled. */
  closeSync(): void {
    if (this.#closing !== undefined) return;
    this.#closing = Promise.resolve();
    const lost = this.#release();
    if (this.#cache.busy) void this.#cache.idle().then(() => this.#closeDescriptor());
    else this.#closeDescriptor();
    if (lost !== undefined) throw lost;
  }

  #closeDescriptor(): void {
    this.#descriptor.closeSync();
    this.#locks.wake();
  }

  #release(): Error | undefined {
    let lost: Error | undefined;
    try {
      this.#cache.enter();
    } catch (error) {
      lost = error as Error;
    }
    const failure = this.#cache.close() as Error | undefined;
    this.#pages.close();
    this.#channel?.close();
    this.#spool?.close();
    return lost ?? failure;
  }

  /** As {@link closeSync}: `using file = MappedFile.openSync(path)`. */
  [Symbol.dispose](): void {
    this.closeSync();
  }

  /** As {@link close}: `await using file = await MappedFile.open(path)`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

function traitsOf(
  { windowSize, backing, mustMap, strict, advice, reserving }: OpenRequest,
  cache: WindowCache,
): HandleTraits {
  return {
    flags: cache.appending ? 'a+' : cache.openedWritable ? 'r+' : 'r',
    windowSize,
    backing: mustMap ? 'mmap' : backing === 'read' ? 'read' : 'auto',
    strict,
    ...(advice !== undefined && { advice }),
    ...(reserving && { reserving }),
  };
}

/** A size as users see it. */
function known(size: number): number {
  return Number.isFinite(size) ? size : 0;
}

// As node:fs: what is below 0 is 0.
function truncation(length: unknown): number {
  return Math.max(0, toCount(length, 'len', Number.MIN_SAFE_INTEGER));
}
