/**
 * The bytes of one open file, for everything above.
 *
 * Two ways lead to a byte: a window, and the kernel (`pread`, `pwrite`). They are coherent (mmap(2), MAP_SHARED), so
 * each operation takes whichever is cheaper, and the kernel is the authority: what a lost page spoils in a window is
 * done again through the kernel, which answers with bytes, a short count or an errno, never with a signal.
 */
import fs from 'node:fs';
import { constants as osConstants } from 'node:os';
import { promisify } from 'node:util';
import { type Advice, Advisor, isLasting } from './advice.js';
import type { ByteSink, Cancel, CountingSource, FileIdentity, LendingSource, Loan, Walk } from './byte-source.js';
import { plainBytes } from './bytes.js';
import { invalidState, MappedFileError, outOfRange } from './errors.js';
import { FileErrors } from './file-errors.js';
import { type FileMark, native } from './native.js';
import { type Position, toPosition } from './ranges.js';
import { ViewCopies, type ViewCopy } from './view-copies.js';
import { type Holding, Piece, type ViewLease, ViewTable } from './view-table.js';
import type { CurrentWindow, Window } from './window.js';
import type { WindowPool } from './window-pool.js';
import { WindowTable } from './window-table.js';

const { EBUSY, EDQUOT, EFAULT, EIO, ENOMEM, ENOSPC, EOPNOTSUPP } = osConstants.errno;
/** Windows has none; there the addon takes Linux's. */
const { ESTALE = 116 } = osConstants.errno;
const { faults } = native;
/** One for all files: every use is over before another begins. */
const scratch = new DataView(new ArrayBuffer(8));
const scratchBytes = new Uint8Array(scratch.buffer);
const statDescriptor = promisify(fs.fstat);

/** Reads of at least this many bytes go through the kernel: the copy costs the same, and a slide is saved. */
const directFrom = 16 * 1024;
/** From this length on, operations look at the file's size after they have touched mapped bytes. */
const exactFrom = 4096;
/** Copies up to this length are loops: a call into the engine costs more. */
const loopUpTo = 24;
/** Most that an asynchronous read copies on JavaScript's thread at once, when the bytes are in memory. */
const hotLimit = 1024 * 1024;
/** Most that one job on the thread pool moves, and so what it takes of memory beside the caller's. */
const jobLimit = 4 * 1024 * 1024;
/** What a job moves at the least where the process is short of memory. */
const leastJob = jobLimit / 64;
/** Most that one system call moves (read(2)): what is to be in one piece is moved by one. */
const callLimit = 0x7ffff000;
const noPositions = "What is no file, as a pipe, has no positions (a file opened with backing 'spool' has)";

/** Counts of one file's operations since it was opened, as `MappedFile.stats` gives them. */
export interface FileStats {
  /** Windows mapped now. */
  windows: number;
  /** Bytes of the file that they cover. */
  bytesMapped: number;
  /** Distance between the starts of neighbouring windows, in bytes. */
  windowSize: number;
  /** Views that are not yet released. */
  views: number;
  /** Ranges that are pinned in memory, and their bytes; where they overlap, counted for each. */
  pins: number;
  bytesPinned: number;
  /** Lookups that found their window. Accesses to the window used last need no lookup, and are not counted. */
  hits: number;
  /** Lookups that did not find their window. */
  misses: number;
  /** How often a window was mapped onto the file. */
  slides: number;
  /** How often the pool took a window away for another. */
  evictions: number;
  /** How often the system refused a mapping. */
  refusals: number;
  /** Pages that were lost under a window or a view. */
  faults: number;
  /** Bytes read through the kernel instead of through a window. */
  bytesRead: number;
  /** Bytes written through the kernel instead of through a window. */
  bytesWritten: number;
  /** Advice that the system does not know, or did not take. */
  ignoredAdvice: Advice[];
}

interface View {
  lease: ViewLease;
  buffer: ArrayBuffer;
}

/** What is written back of a private view: up to `at`, a position in the file, it is. */
interface Commit {
  lease: ViewLease;
  draft: ViewCopy | undefined;
  at: number;
}

/** What is known of a file's positions; see {@link CacheOptions.extent}. @internal */
export type Extent = 'sized' | 'sizeless' | 'sequential';

/** What a cache needs to know of the file it serves. @internal */
export interface CacheOptions {
  fd: number;
  path: string | undefined;
  writable: boolean;
  appending: boolean;
  strict: boolean;
  windowSize: number | undefined;
  pool: WindowPool;
  backing: 'mmap' | 'read';
  /** Whether it is an error when the file cannot be mapped. */
  mustMap: boolean;
  /** Whether room is taken for what it is extended by, so that no page of it can be lost for want of room. */
  reserving: boolean;
  advice: Advice | undefined;
  /**
   * `'sized'`: positions from 0 to the file's size. `'sizeless'`: positions, but only reading tells where they end, as in
   * procfs. `'sequential'`: no positions, as a pipe.
   */
  extent: Extent;
  /** In bytes, where the caller has just looked. */
  size?: number | undefined;
  /** Called when the file was dropped without being closed; must not lead back to the cache. */
  closeDescriptor: () => void;
  /** As {@link ByteSource.nextData}. */
  nextData: (position: number) => number;
}

/** What a view is over. @internal */
export interface ViewMemory extends View {
  /** Of a private view that is a copy. The view owns it, so that the collector can take both. */
  draft?: ViewCopy | undefined;
}

/** @internal */
export class WindowCache implements LendingSource, CountingSource, ByteSink {
  readonly fd: number;
  readonly path: string | undefined;
  readonly appending: boolean;
  readonly strict: boolean;
  /** Whether the file is still being filled by a spool. */
  arriving = false;

  /** Where a scalar lies that was fetched, or is to be stored, on the slow path. */
  readonly scratch = scratch;

  #size: number;
  /**
   * Whether what was written may have made the file longer than `#size`. Asked for when somebody wants to know: of a log,
   * nobody does, and looking costs as much as a small write.
   */
  #mayBeLonger = false;
  readonly #openedWritable: boolean;
  #writable: boolean;
  #closing = false;
  #closed = false;
  #mayAskResident: boolean;
  /** Undefined until it is needed. */
  #residencyIsTold: boolean | undefined;
  readonly #extent: Extent;
  readonly #mustMap: boolean;
  readonly #reserving: boolean;
  readonly #advisor: Advisor;
  readonly #windows: WindowTable;
  readonly #copies: ViewCopies;
  readonly #views: ViewTable;
  readonly #errors: FileErrors;
  readonly #nextData: (position: number) => number;

  readonly #pending = new Set<Promise<unknown>>();
  readonly #pendingWrites = new Set<Promise<unknown>>();
  /** Asynchronous commits that have not ended, in their order: one at a time is under way. */
  readonly #commits = new Set<Commit>();
  #lastCommit: Promise<void> = Promise.resolve();
  readonly #retained = new Set<Cancel>();
  /** Streams that still write what they had taken when the file was closed. */
  #finishing = 0;

  #faults = 0;
  #bytesRead = 0;
  #bytesWritten = 0;

  constructor(options: CacheOptions) {
    this.#nextData = options.nextData;
    this.fd = options.fd;
    this.path = options.path;
    this.appending = options.appending;
    this.strict = options.strict;
    this.#errors = new FileErrors(options.path);
    this.#copies = new ViewCopies(options.fd);
    this.#advisor = new Advisor(options.advice);
    this.#views = new ViewTable(options.fd, options.path, this.#errors, options.pool, this.#copies, this.#advisor);
    this.#openedWritable = options.writable;
    this.#writable = options.writable;
    this.#extent = options.extent;
    this.#mustMap = options.mustMap;
    this.#reserving = options.reserving;
    this.#mayAskResident = options.extent === 'sized';
    const { closeDescriptor } = options;
    const copies = this.#copies;
    this.#windows = new WindowTable({
      fd: options.fd,
      windowSize: options.windowSize,
      pool: options.pool,
      advisor: this.#advisor,
      backing: native.externalBuffers && options.extent === 'sized' ? options.backing : 'read',
      writable: options.writable && !options.appending,
      storable: this.#isStorable,
      closeDescriptor: () => {
        copies.abandon();
        closeDescriptor();
      },
    });
    // Strict files have no windows, which scalars would trust.
    if (options.strict || options.extent !== 'sized') this.#residencyIsTold = false;
    this.#size = 0;
    if (options.size === undefined) this.refreshSync();
    else this.sizeIs(options.size);
    if (options.advice !== undefined && options.extent === 'sized') {
      this.#advisor.tellOfDescriptor(this.fd, 0, 0, options.advice);
    }
  }

  // --- state -----------------------------------------------------------------------------------------------------

  /** `Infinity` where only reading tells. */
  get size(): number {
    return this.#mayBeLonger && !this.#closed ? this.refreshSync() : this.#size;
  }

  get extent(): Extent {
    return this.#extent;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Whether the file may be written now: how it was opened, and `protect`. */
  get writable(): boolean {
    return this.#writable;
  }

  /** How it was opened, whatever `protect` has made of it. */
  get openedWritable(): boolean {
    return this.#openedWritable;
  }

  /** Gives its windows up: from now on the kernel serves it. */
  stopMapping(): void {
    this.#windows.stopMapping();
  }

  get backing(): 'mmap' | 'read' {
    return this.#windows.mayMap ? 'mmap' : 'read';
  }

  stats(): Omit<FileStats, 'pins' | 'bytesPinned'> {
    const { hits, misses, slides, evictions, refusals } = this.#windows;
    return {
      ...this.#windows.extent,
      views: this.#views.size,
      hits,
      misses,
      slides,
      evictions,
      refusals,
      faults: this.#faults,
      bytesRead: this.#bytesRead,
      bytesWritten: this.#bytesWritten,
      ignoredAdvice: [...this.#advisor.ignored],
    };
  }

  /** Begins a call: throws when the file is closed, and tells of a view's lost page that nobody was told of. */
  enter(): void {
    this.#requireOpen();
    this.#findLostPages();
    this.#reportViews();
  }

  /** A descriptor that was closed may be another file's by now. */
  #requireOpen(): void {
    if (this.#closed) throw this.#errors.closed();
  }

  /** Begins a call that writes: throws `ERR_MAPPED_FILE_READ_ONLY`, too. */
  enterWrite(position?: number, length?: number): void {
    this.enter();
    if (this.#writable) return;
    throw this.#errors.readOnly('The file is read-only', position, length);
  }

  refreshSync(): number {
    this.#requireOpen();
    const size = this.#extent === 'sizeless' ? Infinity : this.#errors.succeed(native.fileSize(this.fd), 'fstat');
    this.sizeIs(size);
    return size;
  }

  /** What somebody else saw: the file has `size` bytes now. */
  sizeIs(size: number): void {
    this.#mayBeLonger = false;
    if (size !== this.#size) this.#resized(size);
  }

  /** Lets this file's windows, and what is written later, be written or not. */
  protect(writable: boolean): void {
    if (writable && !this.#openedWritable) throw this.#errors.readOnly('The file was opened read-only');
    this.#writable = writable;
    this.#windows.protect(writable && !this.appending, this.#isStorable, this.#errors);
  }

  /** Tells the system how `[start, end)` will be used; of the whole file, later mappings are told, too. */
  advise(advice: Advice, start: number, end: number): void {
    this.enter();
    this.requirePositions(start, 0);
    if (start === end) return;
    const isAll = start === 0 && end === Infinity;
    if (isAll && isLasting(advice)) this.#advisor.standing = advice === 'normal' ? undefined : advice;
    // What stays with a descriptor is about all of it.
    if (isAll || !isLasting(advice)) {
      this.#advisor.tellOfDescriptor(this.fd, start, end === Infinity ? 0 : end - start, advice);
    }
    this.#windows.advise(advice, start, end);
    this.#views.advise(advice, start, end);
  }

  /** Whether scalars may go straight into a window. */
  get #isStorable(): boolean {
    return this.#writable && !this.appending && !this.strict;
  }

  retain(cancel: Cancel): () => void {
    this.enter();
    const entry: Cancel = (reason) => cancel(reason);
    this.#retained.add(entry);
    return () => {
      this.#retained.delete(entry);
    };
  }

  /** True while streams or pending operations need the file. */
  get busy(): boolean {
    return this.#retained.size > 0 || this.#pending.size > 0;
  }

  /**
   * Releases every window and view, and errors the streams. Calls throw from now on; those that are pending finish, and
   * `idle` waits for them. Gives what has to be told, if views that are copies could not be written back. Idempotent.
   */
  close(): unknown {
    if (this.#closing) return undefined;
    this.#closing = true;
    // First: a stream still hands over what it had accepted.
    for (const cancel of [...this.#retained]) {
      const finished = cancel(this.#errors.closed());
      if (finished !== undefined) void this.track(this.#untilFinished(finished));
    }
    this.#retained.clear();
    this.#findLostPages();
    let failure: unknown;
    try {
      this.#writeBack(0, Infinity);
      if (this.#copies.size > 0) this.#reportViews();
    } catch (error) {
      failure = error;
    }
    attempt(() => this.size); // to be told of when it is closed
    this.#closed = true;
    this.#windows.close();
    this.#views.releaseAll();
    return failure;
  }

  async #untilFinished(finished: Promise<void>): Promise<void> {
    this.#finishing++;
    await finished.finally(() => this.#finishing--);
  }

  /** Resolves when no operation is pending; never rejects. */
  async idle(): Promise<void> {
    while (this.#pending.size > 0) await Promise.allSettled(this.#pending);
  }

  // --- scalars ---------------------------------------------------------------------------------------------------

  /** Where scalars look first. */
  get current(): CurrentWindow {
    return this.#windows.current;
  }

  /** As {@link WindowTable.seek}. */
  seek(position: number, length: number): number {
    return this.strict ? -1 : this.#windows.seek(position, length);
  }

  /** The slow path of reading a scalar of `length` bytes: gives it at offset 0 of the scratch. */
  fetch(position: Position, length: number): DataView {
    const at = toPosition(position);
    const before = this.#size;
    this.enter();
    this.#requireInside(at, length, before);
    const window = this.strict ? undefined : this.#windows.at(at, length);
    if (window !== undefined) {
      copy(window.bytes, at - window.start, scratchBytes, 0, length);
      if (!this.#findLostPages()) return scratch;
    }
    const done = this.#readNow(scratchBytes, 0, length, at);
    if (done < 0) throw this.#errors.mapping(-done, 'read', at, length);
    if (done < length && this.#extent === 'sizeless') throw outOfRange('position', 'inside the file', position);
    if (done < length) throw this.#truncated(at, length);
    this.#bytesRead += length;
    return scratch;
  }

  /** The slow path of writing the scalar of `length` bytes at offset 0 of the scratch. */
  store(position: Position, length: number): void {
    const at = toPosition(position);
    const before = this.#size;
    // Looked for here, not by enterWrite alone: the fast path may just have written into a page that was lost.
    const lost = this.#findLostPages();
    this.enterWrite(at, length);
    if (this.appending) {
      throw this.#errors.readOnly('The file is opened for appending, what it holds is read-only', at, length);
    }
    this.#requireInside(at, length, before);
    const window = this.strict || lost ? undefined : this.#windows.at(at, length);
    if (window !== undefined) {
      window.dirty = true;
      copy(scratchBytes, 0, window.bytes, at - window.start, length);
      if (!this.#findLostPages()) return;
    }
    if (at + length > this.refreshSync()) throw this.#truncated(at, length);
    this.#writeBack(at, at + length);
    const done = native.write(this.fd, scratchBytes, 0, length, at);
    if (done < length) throw this.#errors.mapping(done < 0 ? -done : ENOSPC, 'write', at, length);
    this.#bytesWritten += length;
    this.#bringIn(at, at + length);
  }

  // --- reading ---------------------------------------------------------------------------------------------------

  /** Exact at any length: it may be what a longer read that came out short still wants, up to where the file ended. */
  readIntoSync(target: Uint8Array, position: number): number {
    let done = this.readSync(target, 0, target.length, position, true);
    // Procfs gives a record or a page at a time.
    if (this.#extent === 'sizeless') {
      for (let moved = done; moved > 0 && done < target.length; done += moved) {
        moved = this.readSync(target, done, target.length - done, position + done, true);
      }
    }
    return done;
  }

  /**
   * Copies up to `length` bytes from `position` to `offset` of `target`; a `position` of -1 is the descriptor's own
   * cursor, which moves. The count may be short at the end of the file. With `exactly`, the file's size is looked at
   * after the bytes, as it is for longer reads anyway.
   */
  readSync(
    target: Uint8Array,
    offset: number,
    length: number,
    position: number,
    exactly = length >= exactFrom,
  ): number {
    this.#requireOpen();
    if (position >= 0) this.requirePositions(position, length);
    if (!this.strict && this.copyOut(target, offset, length, position)) {
      if (!exactly || position + length <= this.refreshSync()) return length;
    }
    const done = this.#readNow(target, offset, length, position);
    if (done < 0) throw this.#errors.system(-done, 'read', position, length);
    return this.#haveRead(done, position);
  }

  /**
   * The short way of a small read: copies bytes that are inside the file, as last seen, out of a window; false where
   * none has them. The caller judges whether they still were the file's. May block.
   *
   * With `surely`, it leaves the target alone where the file may have been cut. Cutting zeroes the rest of the last page
   * (truncate(2)), so a last byte that is not zero is inside the file, and so are those before it.
   */
  copyOut(target: Uint8Array, offset: number, length: number, position: number, surely = false): boolean {
    const window = this.#windowOf(position, length);
    if (window === undefined) return false;
    const from = position - window.start;
    if (!window.isWarm(from, length)) return false;
    if (surely && window.bytes[from + length - 1] === 0) return false;
    copy(window.bytes, from, target, offset, length);
    // Once more: it may have been cut while it was copied.
    if (surely && window.bytes[from + length - 1] === 0) return false;
    return !this.#findLostPages();
  }

  /**
   * As {@link copyOut}, but true only for bytes that were in memory, and inside the file afterwards. Does not block.
   * With a `mark`, the descriptor must be open on that file; -ESTALE instead of false when it is not.
   */
  copyOutResident(
    target: Uint8Array,
    offset: number,
    length: number,
    position: number,
    mark?: FileMark,
  ): boolean | number {
    const window = this.#tellsResidency ? this.#windowOf(position, length) : undefined;
    if (window === undefined) return false;
    const from = position - window.start;
    const size =
      mark === undefined
        ? native.readMapped(window.id, from, target, offset, length, this.fd)
        : native.readMapped(window.id, from, target, offset, length, this.fd, mark);
    if (size === -ESTALE) return size;
    return !this.#findLostPages() && position + length <= size;
  }

  /** Whether the system tells this process what of the file is in memory: some say of others' files that all is. */
  get #tellsResidency(): boolean {
    return (this.#residencyIsTold ??= native.tellsResidency(this.fd) === 1);
  }

  /** The window for a small read inside the file as last seen; undefined where the kernel is to serve it. */
  #windowOf(position: number, length: number): Window | undefined {
    if (length >= directFrom || position < 0 || position + length > this.#size || this.#closed) return undefined;
    const { current } = this.#windows;
    const offset = position - current.start;
    if (offset >= 0 && offset + length <= current.length) return current.window;
    return this.#windows.at(position, length);
  }

  #readNow(target: Uint8Array, offset: number, length: number, position: number): number {
    this.#settle(position, length);
    return this.#extent === 'sized' && (length >= exactFrom || this.strict)
      ? native.readExactly(this.fd, target, offset, length, position)
      : native.read(this.fd, target, offset, length, position);
  }

  /** Of `length` bytes that were read in several calls, from `position`, those that are inside the file now. */
  stillInside(position: number, length: number): number {
    return length < exactFrom || this.#extent !== 'sized'
      ? length
      : Math.max(0, Math.min(length, this.refreshSync() - position));
  }

  readInto(target: Uint8Array, position: number): number | Promise<number> {
    return this.read(target, 0, target.length, position);
  }

  /**
   * As `readSync`, without blocking: on the spot when the bytes are in memory, else on the thread pool, where it
   * reads into memory of its own, so that the caller's may be transferred or collected meanwhile.
   */
  read(target: Uint8Array, offset: number, length: number, position: number): number | Promise<number> {
    this.#requireOpen();
    if (position >= 0) this.requirePositions(position, length);
    this.#settle(position, length);
    let done = 0;
    while (position >= 0 && length <= hotLimit && this.#mayAskResident) {
      const moved = native.readResidentExactly(this.fd, target, offset + done, length - done, position + done);
      if (moved < 0) {
        if (moved === -EOPNOTSUPP) this.#mayAskResident = false;
        break;
      }
      done += moved;
      // Short of what was asked for, it is the end of the file or of what is in memory; the next call tells.
      if (moved === 0 || done === length) return this.#haveRead(done, position);
    }
    if (!this.#mayAskResident && this.copyOutResident(target, offset, length, position) === true) return length;
    return this.track(this.#readByJobs(target, offset, length, position, done));
  }

  async #readByJobs(
    target: Uint8Array,
    offset: number,
    length: number,
    position: number,
    done: number,
  ): Promise<number> {
    let most = position < 0 ? callLimit : jobLimit;
    while (done < length) {
      const piece = Math.min(most, length - done);
      const at = position < 0 ? -1 : position + done;
      const moved = await native.readAsync(this.fd, target, offset + done, piece, at, this.#extent !== 'sized');
      // No room for what the job takes beside the caller's memory: less may be had.
      if (moved === -ENOMEM && most > leastJob) {
        most /= 8;
        continue;
      }
      if (moved === -ESTALE) throw invalidState('The buffer was detached while it was read into');
      if (moved < 0) throw this.#errors.system(-moved, 'read', position, length);
      done += moved;
      if (moved < piece) break;
    }
    return this.#haveRead(done, position);
  }

  #haveRead(done: number, position: number): number {
    this.#bytesRead += done;
    if (done > 0 && position + done > this.#size && !this.#closed) this.refreshSync();
    return done;
  }

  borrow<T>(position: number, length: number, use: (bytes: Uint8Array) => T): T {
    this.enter();
    this.requirePositions(position, 1);
    if (position + length > this.#size && position + length > this.refreshSync()) length = this.#size - position;
    if (length <= 0) return use(new Uint8Array(0));
    const window = this.#windows.of(position);
    if (window === undefined) return this.#borrowCopy(position, length, use);
    const { result, held } = useWindow(window, position, length, use);
    if (this.#findLostPages()) throw this.#lost(position, held);
    // However short: it may be the last piece of a long search.
    if (position + held > this.refreshSync()) throw this.#truncated(position, held);
    return result;
  }

  peek<T>(position: number, length: number, use: (bytes: Uint8Array) => T): T | undefined {
    this.enter();
    if (position >= this.#size || !this.#tellsResidency) return undefined;
    const window = this.#windows.at(position, 1);
    if (window === undefined) return undefined;
    const offset = position - window.start;
    // Not only for the time it takes: on tmpfs, a hole that is looked at through a mapping takes memory.
    if (native.isCold(window.id, offset, Math.min(length, window.length - offset)) !== 0) return undefined;
    const { result, held } = useWindow(window, position, length, use);
    return this.#findLostPages() || position + held > this.refreshSync() ? undefined : result;
  }

  #borrowCopy<T>(position: number, length: number, use: (bytes: Uint8Array) => T): T {
    const bytes = new Uint8Array(Math.min(length, hotLimit));
    return use(bytes.subarray(0, this.readIntoSync(bytes, position)));
  }

  async prefetch(start: number, end: number): Promise<void> {
    this.requirePositions(start, 0);
    if (this.#extent === 'sizeless') return;
    for (let position = start; position < Math.min(end, this.size); position += jobLimit) {
      this.#requireOpen();
      const length = Math.min(jobLimit, end - position);
      const done = await this.track(native.warmAsync(this.fd, position, length));
      if (done < 0) throw this.#errors.system(-done, 'read', position, length);
    }
  }

  nextData(position: number): number {
    this.#requireOpen();
    this.#settle(position, Infinity);
    return this.#nextData(position);
  }

  release(start: number, end: number): void {
    if (!this.#closed) this.#windows.advise('dontneed', start, end);
  }

  async countInto(
    counts: Float64Array,
    needle: Uint8Array,
    wide: boolean,
    position: number,
    length: number,
    step: number,
  ): Promise<number> {
    this.#requireOpen();
    const job = native.countAsync(this.fd, position, length, step, needle, wide, counts);
    const done = await this.track(job);
    if (done < 0) throw this.#errors.system(-done, 'read', position, length);
    return this.#haveRead(done, position);
  }

  async identify(): Promise<FileIdentity> {
    this.#requireOpen();
    const { dev, ino, mtimeNs, size, uid } = await this.track(statDescriptor(this.fd, { bigint: true }));
    return { device: dev, inode: ino, modified: mtimeNs, owner: Number(uid), size: Number(size) };
  }

  // --- writing ---------------------------------------------------------------------------------------------------

  /**
   * Writes `length` bytes from `offset` of `source` at `position`, or at the descriptor's cursor for -1; past the end
   * the file grows. May be short when the disk is nearly full.
   */
  writeSync(source: Uint8Array, offset: number, length: number, position: number): number {
    this.#requireOpen();
    if (position >= 0) this.requirePositions(position, length);
    this.#settle(position, length);
    const done = native.write(this.fd, source, offset, length, position);
    if (done < 0) throw this.#errors.system(-done, 'write', position, length);
    // Where it was aimed at a position, the file reaches at least as far as it was just written.
    if (position >= 0 && !this.appending && position + done > this.#size) {
      this.#resized(position + done);
      this.#mayBeLonger = true;
    }
    return this.#haveWritten(done, position);
  }

  /** As `writeSync`, on the thread pool. The bytes are copied before the call returns, unless they are `kept`. */
  write(source: Uint8Array, offset: number, length: number, position: number, kept = false): Promise<number> {
    this.#requireOpen();
    if (position >= 0) this.requirePositions(position, length);
    this.#settle(position, length);
    return this.#write(source, offset, length, position, kept);
  }

  #write(source: Uint8Array, offset: number, length: number, position: number, kept: boolean): Promise<number> {
    // Where others may write between two pieces they would be torn apart.
    const limit = position < 0 || this.appending ? callLimit : jobLimit;
    // A write longer than a job goes on from a private copy. Not `slice`, which for a Buffer is no copy.
    const rest =
      length > limit ? new Uint8Array(plainBytes(source).subarray(offset + limit, offset + length)) : undefined;
    const first = this.#writeJob(source, offset, Math.min(length, limit), position, kept);
    const all = rest === undefined ? first : this.#writeOn(first, rest, position, limit);
    const write = this.track(all);
    this.#pendingWrites.add(write);
    const forget = (): void => void this.#pendingWrites.delete(write);
    write.then(forget, forget);
    return write;
  }

  async #writeJob(
    source: Uint8Array,
    offset: number,
    length: number,
    position: number,
    kept: boolean,
  ): Promise<number> {
    const done = await native.writeAsync(this.fd, source, offset, length, position, kept);
    if (done < 0) throw this.#errors.system(-done, 'write', position, length);
    return this.#haveWritten(done, position);
  }

  async #writeOn(first: Promise<number>, rest: Uint8Array, position: number, limit: number): Promise<number> {
    let done = await first;
    const length = limit + rest.length;
    while (done >= limit && done < length) {
      const piece = Math.min(limit, length - done);
      const at = position < 0 ? -1 : position + done;
      const moved = await this.#writeJob(rest, done - limit, piece, at, true).catch(() => 0);
      done += moved;
      if (moved < piece) break;
    }
    return done;
  }

  #haveWritten(done: number, position: number): number {
    this.#bytesWritten += done;
    if (this.#closed) return done;
    if (position < 0 || this.appending || position + done > this.#size) this.#mayBeLonger = true;
    if (position < 0 || this.appending) this.#bringIn(0, Infinity);
    else this.#bringIn(position, position + done);
    return done;
  }

  async writeFrom(bytes: Uint8Array, position: number, kept = false): Promise<number> {
    const { length } = bytes;
    for (let done = 0; ;) {
      // What a stream has taken is written even if the file was closed meanwhile, which waits for it.
      if (this.#finishing === 0) {
        this.enterWrite(position + done, length - done);
        done += await this.write(bytes, done, length - done, position + done, kept);
      } else done += await this.#write(bytes, done, length - done, position + done, kept);
      // Short: the next piece tells why.
      if (done >= length) return done;
    }
  }

  async preallocate(start: number, length: number): Promise<void> {
    this.enterWrite(start, length);
    const status = await this.track(native.allocateAsync(this.fd, start, length));
    if (status < 0) throw this.#errors.system(-status, 'fallocate', start, length);
  }

  truncateSync(size: number): void {
    this.requirePositions(size, 0);
    this.#writeBack(0, Infinity);
    const added = this.#toReserve(size);
    if (added > 0) this.#reserved(native.allocate(this.fd, size - added, added), size, added);
    let status = native.truncate(this.fd, size);
    if (status === -EBUSY && this.#windows.dropIdle()) status = native.truncate(this.fd, size);
    this.#errors.succeed(status, 'ftruncate');
    this.refreshSync();
    this.#bringIn(0, Infinity);
  }

  async truncate(size: number): Promise<void> {
    this.requirePositions(size, 0);
    this.#writeBack(0, Infinity);
    const added = this.#toReserve(size);
    if (added > 0) {
      this.#reserved(await this.track(native.allocateAsync(this.fd, size - added, added)), size, added);
      this.#requireOpen();
    }
    await this.track(this.#truncate(size));
    if (this.#closed) return;
    this.refreshSync();
    this.#bringIn(0, Infinity);
  }

  #toReserve(size: number): number {
    return this.#reserving ? size - this.refreshSync() : 0;
  }

  #reserved(status: number, size: number, added: number): void {
    if (status === -ENOMEM) status = -ENOSPC; // what lies in memory is short of that
    if (status < 0 && status !== -EOPNOTSUPP) throw this.#errors.mapping(-status, 'fallocate', size - added, added);
  }

  async #truncate(size: number): Promise<void> {
    let status = await native.truncateAsync(this.fd, size);
    if (status === -EBUSY && this.#windows.dropIdle()) status = await native.truncateAsync(this.fd, size);
    this.#errors.succeed(status, 'ftruncate');
  }

  flushSync(start = 0, end = Infinity): void {
    this.enter();
    if (this.#extent === 'sequential') return;
    const failure = attempt(() => this.#writeBack(start, end));
    const { ids, windows } = this.#dirty(start, end);
    for (const window of windows) window.dirty = false;
    const status = native.flush(this.fd, ids);
    this.#flushed(status, failure);
    this.#bringIn(start, end);
  }

  async flush(start = 0, end = Infinity): Promise<void> {
    this.enter();
    // One promise for all steps, so that `close` waits for every one.
    await this.track(this.#flush(start, end));
  }

  async #flush(start: number, end: number): Promise<void> {
    if (this.#pendingWrites.size > 0) await Promise.allSettled(this.#pendingWrites);
    // Into the page cache and on this thread: on the pool, older bytes might land after those of a later `writeSync`.
    const failure = this.#closed ? undefined : attempt(() => this.#writeBack(start, end));
    const { ids, windows } = this.#dirty(start, end);
    for (const window of windows) {
      window.dirty = false;
      window.pins++;
    }
    const status = await native.flushAsync(this.fd, ids).finally(() => windows.forEach((window) => window.pins--));
    this.#flushed(status, failure);
    if (!this.#closed) this.#bringIn(start, end);
  }

  /** All was called even after one failed; the first error is the one to tell. */
  #flushed(status: number, failure: { error: unknown } | undefined): void {
    if (failure !== undefined) throw failure.error;
    if (status < 0) throw this.#errors.mapping(-status, 'fdatasync');
  }

  #dirty(start: number, end: number): { ids: number[]; windows: Window[] } {
    const windows = this.#windows.dirtyIn(start, end);
    const ids = [...windows.map((window) => window.id), ...this.#views.sharedIn(start, end)];
    return { ids, windows };
  }

  // --- views -----------------------------------------------------------------------------------------------------

  /**
   * Maps `[start, start + length)` for a user, or copies it where the file cannot be mapped. A private view, or one of a
   * read-only file, keeps what is written to itself.
   *
   * Where only the room is missing it throws `ERR_MAPPED_FILE_BUDGET`: a copy would be another thing than was asked for,
   * which neither shows what others write nor shows them what is written.
   */
  createView(start: number, length: number, isPrivate: boolean): ViewMemory {
    this.#requireViewable(start, length);
    const shared = this.#writable && !this.appending && !isPrivate;
    const mapped = this.#map(start, length, () => this.#views.create(start, length, shared));
    if (mapped === 'no room') throw this.#views.noRoom(start, length);
    const view = mapped === 'not mappable' ? this.#copyView(start, length, shared, true) : mapped;
    if (start + length > this.refreshSync()) {
      this.#views.release(view.lease, view.buffer);
      throw this.#truncated(start, length);
    }
    return view;
  }

  #requireViewable(position: number, length: number): void {
    this.enter();
    this.requirePositions(position, length);
    if (this.#extent === 'sizeless') this.requireEnd();
  }

  #map<T>(start: number, length: number, create: () => T | undefined): T | 'no room' | 'not mappable' {
    if (this.#windows.mayMap) {
      try {
        return create() ?? 'no room';
      } catch (error) {
        const refused = error instanceof MappedFileError && error.code === 'ERR_MAPPED_FILE_NOT_MAPPABLE';
        if (!refused || this.#mustMap) throw error;
        this.#windows.stopMapping();
      }
    }
    if (this.#mustMap) throw this.#errors.notMappable('The file cannot be mapped', start, length);
    return 'not mappable';
  }

  /** Throws `ERR_MAPPED_FILE_NOT_MAPPABLE` for what cannot be mapped, found out by mapping a byte of it. */
  requireMapped(): void {
    if (!this.#windows.mayMap) throw this.#errors.notMappable('The engine lets no memory be mapped');
    if (this.size === 0) return;
    const { lease, buffer } = this.createView(0, 1, true);
    this.releaseView(lease, buffer);
  }

  #copyView(start: number, length: number, shared: boolean, mayCommit: boolean): ViewMemory {
    this.#settle(start, length);
    const { lease, copy } = this.#views.createCopy(start, length, shared, mayCommit);
    try {
      copy.refresh(this.#read);
    } catch (error) {
      this.#views.release(lease, copy.buffer);
      throw error;
    }
    return { lease, buffer: copy.buffer, draft: shared ? undefined : copy };
  }

  lend(position: number, length: number, walk: Walk): Loan {
    this.#requireViewable(position, length);
    const piece = this.#pieceFor(position, length, walk);
    if (piece !== undefined) return new ChunkLoan(piece, position, length, this.#views, this.#checkChunk);
    const { lease, buffer } = this.#copyView(position, length, false, false);
    const loan = this.#loan(lease, buffer);
    if (position + length > this.refreshSync()) {
      this.#views.release(lease, buffer);
      throw this.#truncated(position, length);
    }
    return loan;
  }

  async lendReady(position: number, length: number, walk: Walk): Promise<Loan> {
    this.#requireViewable(position, length);
    const piece = this.#pieceFor(position, length, walk);
    if (piece === undefined) return this.#lendCopy(position, length);
    if (position + length > this.refreshSync()) throw this.#truncated(position, length);
    const loan = new ChunkLoan(piece, position, length, this.#views, this.#checkChunk);
    const offset = position - piece.base;
    const status = await this.track(native.populateAsync(piece.state.id, this.fd, offset, length));
    loan.waited = status === 1;
    // EFAULT where the file has shrunk: the loan's release tells. What else fails does so because it cannot populate.
    if (status >= 0 || status === -EFAULT) return loan;
    try {
      await this.prefetch(position, position + length);
      return loan;
    } catch (error) {
      attempt(() => loan.release());
      throw error;
    }
  }

  /** The piece that the walk's next chunk is made of; none where it has to be a copy. */
  #pieceFor(position: number, length: number, walk: Walk): Piece | undefined {
    const last = walk.kept;
    if (last instanceof Piece && last.holds(position, length)) return last;
    last?.letGo();
    walk.kept = undefined;
    const end = Math.min(walk.end, this.size);
    const piece = this.#map(position, length, () => this.#views.createPiece(position, length, end));
    if (typeof piece === 'string') return undefined;
    walk.kept = piece;
    // Looked at anew with each piece; a later chunk of it follows the look at the one before.
    if (position + length > this.refreshSync()) throw this.#truncated(position, length);
    return piece;
  }

  /** Throws when some of a chunk that was just taken back was not the file's. */
  readonly #checkChunk = (piece: Piece, position: number, length: number): void => {
    this.#findLostPages();
    if (piece.lostAt !== undefined && !piece.reported) throw this.#lostView(piece);
    if (!this.#closed && position + length > this.refreshSync()) throw this.#truncated(position, length);
  };

  async #lendCopy(position: number, length: number): Promise<Loan> {
    const { lease, copy } = this.#views.createCopy(position, length, false);
    const loan = this.#loan(lease, copy.buffer);
    try {
      const done = await this.read(copy.bytes, 0, length, position);
      if (done < length) throw this.#truncated(position, length);
    } catch (error) {
      // Released meanwhile, by the file's close: whoever asked for it will find it empty.
      if (lease.released) return loan;
      this.#views.release(lease, copy.buffer);
      throw error;
    }
    return loan;
  }

  #loan(lease: ViewLease, buffer: ArrayBuffer): Loan {
    const { byteOffset, position, length } = lease;
    const release = (): void => {
      if (lease.released) return;
      this.releaseView(lease, buffer);
      if (lease.lostAt !== undefined && !lease.reported) throw this.#lostView(lease);
      if (!this.#closed && position + length > this.refreshSync()) throw this.#truncated(position, length);
    };
    return { bytes: new Uint8Array(buffer, byteOffset, length), length, release };
  }

  /** Throws when a page of the view was lost, or when the file ends before the view does. */
  checkView(lease: ViewLease): void {
    this.#reportLost(lease);
    if (lease.released || this.#closed) return;
    const { position, length, copy } = lease;
    if (copy !== undefined) {
      // Here it shows whether the file has room for what was written.
      this.#writeBackCopy(lease, copy);
      this.#reportLost(lease);
    }
    if (position + length > this.refreshSync()) throw this.#truncated(position, length);
  }

  #reportLost(lease: ViewLease): void {
    this.#findLostPages();
    if (lease.lostAt !== undefined) throw this.#lostView(lease);
  }

  flushViewSync(lease: ViewLease): void {
    this.checkView(lease);
    this.#requireOpen();
    if (lease.released || !lease.shared) return;
    const { copy } = lease;
    const failure = copy === undefined ? undefined : attempt(() => this.#writeBackCopy(lease, copy));
    this.#viewFlushed(lease, native.flush(this.fd, copy === undefined ? [lease.id] : []), failure);
  }

  async flushView(lease: ViewLease): Promise<void> {
    this.checkView(lease);
    this.#requireOpen();
    if (lease.released || !lease.shared) return;
    await this.track(this.#flushView(lease));
  }

  async #flushView(lease: ViewLease): Promise<void> {
    const { copy } = lease;
    const failure = copy === undefined ? undefined : attempt(() => this.#writeBackCopy(lease, copy));
    this.#viewFlushed(lease, await native.flushAsync(this.fd, copy === undefined ? [lease.id] : []), failure);
  }

  #viewFlushed(lease: ViewLease, status: number, failure: { error: unknown } | undefined): void {
    if (failure !== undefined) throw failure.error;
    const { position, length, copy } = lease;
    if (status < 0) throw this.#errors.mapping(-status, 'msync', position, length);
    if (copy === undefined || lease.released || this.#closed) return;
    this.#bringIn(position, position + length);
    this.#reportLost(lease);
  }

  /** Drops what was changed in a private view. */
  discardView(lease: ViewLease, draft: ViewCopy | undefined): void {
    this.checkView(lease);
    this.#requireOpen();
    if (lease.shared) throw invalidState('The view is shared: what is written to it is in the file');
    if (lease.released) return;
    const { position, length } = lease;
    if (draft !== undefined) {
      this.#settle(position, length);
      draft.refresh(this.#read);
      return;
    }
    const status = native.discard(lease.id, this.fd);
    if (status < 0) throw this.#errors.mapping(-status, 'madvise', position, length);
  }

  commitViewSync(lease: ViewLease, draft: ViewCopy | undefined): void {
    if (!this.#beginCommit(lease)) return;
    const end = lease.position + lease.length;
    // Those under way were asked for before: what they have yet to write must not come over what this one writes.
    for (const earlier of this.#commits) {
      const { position, length, released } = earlier.lease;
      // What fails fails again for the one who waits for it.
      if (!released && position < end && position + length > lease.position) attempt(() => this.#commitNow(earlier));
    }
    this.#commitNow({ lease, draft, at: lease.position });
    this.#endCommit(lease);
  }

  #commitNow(commit: Commit): void {
    const { lease, draft } = commit;
    const end = lease.position + lease.length;
    if (draft !== undefined) this.#writeBackCopy(lease, draft);
    else while (commit.at < end) commit.at = this.#committed(lease, native.commit(lease.id, this.fd, commit.at, end));
  }

  async commitView(lease: ViewLease, draft: ViewCopy | undefined): Promise<void> {
    if (!this.#beginCommit(lease)) return;
    const before = this.#lastCommit;
    const commit: Commit = { lease, draft, at: lease.position };
    const isFirst = this.#commits.size === 0;
    this.#commits.add(commit);
    const done = this.track(isFirst ? this.#commitView(commit) : before.then(() => this.#commitView(commit)));
    this.#pendingWrites.add(done);
    const forget = (): void => {
      this.#commits.delete(commit);
      this.#pendingWrites.delete(done);
    };
    this.#lastCommit = done.then(forget, forget);
    await done;
  }

  async #commitView(commit: Commit): Promise<void> {
    const { lease, draft } = commit;
    const end = lease.position + lease.length;
    while (commit.at < end) {
      if (this.#closed) throw this.#errors.closed();
      if (lease.released) throw releasedInCommit();
      if (draft !== undefined) {
        this.#commitNow(commit);
        break;
      }
      const reached = this.#committed(lease, await native.commitAsync(lease.id, this.fd, commit.at, end));
      // It may have been brought to its end meanwhile.
      commit.at = Math.max(commit.at, reached);
    }
    if (!this.#closed) this.#endCommit(lease);
  }

  /** False where there is nothing to write: the view is shared. */
  #beginCommit(lease: ViewLease): boolean {
    this.checkView(lease);
    const { position, length, shared } = lease;
    this.#requireOpen();
    if (shared) return false;
    if (lease.released) throw invalidState('The view is released');
    this.enterWrite(position, length);
    if (this.appending) throw this.#errors.readOnly('The file is opened for appending', position, length);
    this.#settle(position, length);
    return true;
  }

  #committed(lease: ViewLease, status: number): number {
    if (status >= 0) return status;
    const { position, length } = lease;
    if (status !== -EFAULT) throw this.#errors.mapping(-status, 'write', position, length);
    this.#reportLost(lease);
    // Nothing is known any more of what a released one has lost.
    throw lease.released ? releasedInCommit() : this.#truncated(position, length);
  }

  #endCommit(lease: ViewLease): void {
    const { position, length } = lease;
    this.#bringIn(position, position + length);
    if (!lease.released) this.checkView(lease);
  }

  /** Throws, afterwards, what kept a copy from being written back. */
  releaseView(lease: ViewLease, buffer: ArrayBuffer): void {
    this.#findLostPages();
    const { copy } = lease;
    const failure = copy === undefined || lease.released ? undefined : attempt(() => this.#writeBackCopy(lease, copy));
    this.#views.release(lease, buffer);
    if (failure !== undefined) throw failure.error;
  }

  // --- views that are copies: what was changed in them goes out before the file is used where they lie, and what is
  // written there comes in afterwards -----------------------------------------------------------------------------

  /** Before a read or a write; -1 is the descriptor's cursor, which is anywhere. */
  #settle(position: number, length: number): void {
    if (this.#copies.size === 0) return;
    if (position < 0 || this.appending) this.#writeBack(0, Infinity);
    else this.#writeBack(position, position + length);
  }

  #writeBack(start: number, end: number): void {
    if (this.#copies.size === 0) return;
    for (const { lease, copy } of this.#views.copiesIn(start, end)) this.#writeBackCopy(lease, copy);
  }

  #writeBackCopy(lease: ViewLease, copy: ViewCopy): void {
    const lostAt = copy.writeBack(this.refreshSync(), (bytes, offset, length, position) => {
      const done = native.writeInside(this.fd, bytes, offset, length, position);
      if (done < 0) throw this.#errors.mapping(-done, 'write', position, length);
      this.#bytesWritten += done;
      return done;
    });
    this.#views.lost(lease, lostAt);
  }

  /** Shows what the file holds now. A copy that cannot be written back keeps what it has, until it is told of. */
  #bringIn(start: number, end: number): void {
    if (this.#copies.size === 0) return;
    for (const { lease, copy } of this.#views.copiesIn(start, end)) {
      attempt(() => {
        this.#writeBackCopy(lease, copy);
        copy.refresh(this.#read);
      });
    }
  }

  /** As the system reads, for copies. */
  readonly #read = (bytes: Uint8Array, offset: number, length: number, position: number): number => {
    const done = native.readExactly(this.fd, bytes, offset, length, position);
    if (done < 0) throw this.#errors.mapping(-done, 'read', position, length);
    this.#bytesRead += done;
    return done;
  };

  /** Views that are copies show, from now on, what others have written. */
  refreshViews(): void {
    this.#bringIn(0, Infinity);
  }

  // --- positions and lost pages ----------------------------------------------------------------------------------

  /** Throws `ERR_MAPPED_FILE_NOT_SEEKABLE` where bytes have no positions, and where they have not arrived yet. */
  requirePositions(position: number, length: number): void {
    if (this.#extent === 'sequential') throw this.#errors.notSeekable(noPositions, position, length);
    if (this.arriving && position + length > this.#size && position + length > this.refreshSync()) {
      throw this.#errors.notSeekable(`Of what is spooled, ${this.#size} bytes have arrived`, position, length);
    }
  }

  /** As {@link requirePositions}, for what needs to know where the file ends. */
  requireEnd(): void {
    this.enter();
    this.requirePositions(0, Infinity);
    if (this.#extent !== 'sizeless') return;
    throw this.#errors.notSeekable("Only reading tells where it ends (a file opened with backing 'spool' knows)");
  }

  /** `before` is the size that the caller could know of: what was inside it, and is no longer, was cut off. */
  #requireInside(position: number, length: number, before: number): void {
    this.requirePositions(position, length);
    const end = position + length;
    if (end <= this.#size || end <= this.refreshSync()) return;
    if (end <= before) throw this.#truncated(position, length);
    const size = this.#size;
    const range = size < length ? `inside the file, which has ${size} bytes` : `>= 0 && <= ${size - length}`;
    throw outOfRange('position', range, position);
  }

  /** True when a page of one of this file's windows was lost since the last look; that window is then dropped. */
  #findLostPages(): boolean {
    const count = faults[0] as number;
    if (count === this.current.seenFaults) return false;
    this.current.seenFaults = count;
    const lost = this.#windows.dropLost();
    this.#faults += lost + this.#views.findLostPages();
    if (lost > 0 && !this.#closed) this.refreshSync();
    return lost > 0;
  }

  #resized(size: number): void {
    this.#size = size;
    this.#windows.resized(size);
  }

  #reportViews(): void {
    const lease = this.#views.unreported();
    if (lease !== undefined) throw this.#lostView(lease);
  }

  #lostView(lease: Holding): Error {
    lease.reported = true;
    const { lostAt = lease.position, length } = lease;
    const errno = this.#closed || native.fileSize(this.fd) <= lostAt ? 0 : this.#whyLost(lostAt);
    if (errno !== 0) return this.#errors.mapping(errno, 'mmap', lostAt, length);
    const message = 'The file shrank under a view, which from there on was not the file’s';
    return this.#errors.truncated(message, lostAt, length);
  }

  /** Why the page at `position`, inside the file now, was lost; 0 when the file has been shorter meanwhile. */
  #whyLost(position: number): number {
    if (native.read(this.fd, scratchBytes, 0, 1, position) < 0) return EIO;
    // In a hole, the page needed a block; on tmpfs even to be read. A read-only file refuses (EBADF).
    const status = native.allocate(this.fd, position, 1);
    return status === -ENOSPC || status === -EDQUOT ? -status : 0;
  }

  #truncated(position: number, length: number): Error {
    if (!this.#closed) this.refreshSync();
    return this.#errors.truncated(`The file shrank to ${this.#size} bytes; asked for ${length}`, position, length);
  }

  /** What to tell of pages that were lost under a range: the kernel knows whether the device gives them. */
  #lost(position: number, length: number): Error {
    const end = Math.min(position + length, this.refreshSync());
    const probe = new Uint8Array(Math.min(length, hotLimit));
    for (let at = position; at < end; at += probe.length) {
      const done = native.read(this.fd, probe, 0, Math.min(probe.length, end - at), at);
      if (done < 0) return this.#errors.mapping(-done, 'read', at, length);
    }
    return this.#truncated(position, length);
  }

  /** Keeps the descriptor open until the promise has settled. */
  track<T>(promise: Promise<T>): Promise<T> {
    this.#pending.add(promise);
    const forget = (): void => void this.#pending.delete(promise);
    promise.then(forget, forget);
    return promise;
  }
}

/** A chunk made of a piece. */
class ChunkLoan implements Loan {
  readonly length: number;
  waited = false;
  readonly #piece: Piece;
  readonly #position: number;
  readonly #views: ViewTable;
  readonly #check: (piece: Piece, position: number, length: number) => void;
  #bytes: Uint8Array | undefined;
  #released = false;

  /** `check` is called once, after the release, and may throw. */
  constructor(
    piece: Piece,
    position: number,
    length: number,
    views: ViewTable,
    check: (piece: Piece, position: number, length: number) => void,
  ) {
    this.#piece = piece;
    this.#position = position;
    this.length = length;
    this.#views = views;
    this.#check = check;
    piece.loans++;
  }

  get bytes(): Uint8Array {
    this.#bytes ??= this.#views.createChunk(this.#piece, this.#position, this.length);
    return this.#bytes;
  }

  release(): void {
    if (this.#released) return;
    this.#released = true;
    const piece = this.#piece;
    piece.loans--;
    if (piece.released) return;
    if (this.#bytes !== undefined) this.#views.takeBackChunk(piece);
    try {
      this.#check(piece, this.#position, this.length);
    } finally {
      if (piece.passed) piece.letGo();
    }
  }
}

/** What `run` throws, to be thrown later. */
function attempt(run: () => void): { error: unknown } | undefined {
  try {
    run();
  } catch (error) {
    return { error };
  }
}

/** Gives what `use` makes of `length` bytes from `position` of the window, or of those that there are, and their number. */
function useWindow<T>(
  window: Window,
  position: number,
  length: number,
  use: (bytes: Uint8Array) => T,
): { result: T; held: number } {
  const offset = position - window.start;
  const bytes = window.bytes.subarray(offset, Math.min(offset + length, window.length));
  const held = bytes.length; // 0 once the window is dropped
  window.pins++;
  try {
    return { result: use(bytes), held };
  } finally {
    window.pins--;
  }
}

function releasedInCommit(): Error {
  return invalidState('The view was released before all of it was written back');
}

const setArray = Uint8Array.prototype.set;

function copy(source: Uint8Array, from: number, target: Uint8Array, to: number, length: number): void {
  if (length <= loopUpTo) {
    for (let i = 0; i < length; i++) target[to + i] = source[from + i] as number;
  } else {
    // Not the target's own `set`: a subclass of the caller's would be handed a window's buffer.
    setArray.call(target, source.subarray(from, from + length), to);
  }
}
