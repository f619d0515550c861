/** What has no positions, a pipe say, as the streams and the lines see it: straight from the descriptor. */
import { constants as osConstants } from 'node:os';
import type { ByteSink, Cancel, LendingSource, Loan, Walk } from '../byte-source.js';
import { plainBytes } from '../bytes.js';
import { invalidState } from '../errors.js';
import type { FileErrors } from '../file-errors.js';
import type { WindowCache } from '../window-cache.js';
import { type Inlet, openInlet } from './inlet.js';
import type { Kind } from './kind.js';
import { openOutlet, type Outlet } from './outlet.js';

const { EBADF } = osConstants.errno;
const onlyAsynchronous = 'What is no file, as a pipe, is read asynchronously only';

interface Waiter {
  target: Uint8Array;
  resolve: (bytes: number) => void;
  reject: (reason: unknown) => void;
}

/**
 * Every read gives the next bytes, wherever it is aimed, and every write goes behind the one before. The ends are opened
 * when they are first used: until then nothing is taken from the descriptor.
 */
export class Channel implements LendingSource, ByteSink {
  /** Only reading tells. */
  readonly size = Infinity;
  readonly appending = false;
  readonly #cache: WindowCache;
  readonly #errors: FileErrors;
  readonly #kind: Kind;
  #inlet: Inlet | undefined;
  #outlet: Outlet | undefined;
  /** Bytes that were taken from the inlet and by nobody yet, in order. */
  readonly #given: Uint8Array[] = [];
  readonly #waiters: Waiter[] = [];
  #isPumping = false;
  #lastWrite: Promise<unknown> = Promise.resolve();
  readonly #readable: boolean;

  constructor(cache: WindowCache, kind: Kind, readable: boolean, errors: FileErrors) {
    this.#cache = cache;
    this.#kind = kind;
    this.#readable = readable;
    this.#errors = errors;
  }

  get path(): string | undefined {
    return this.#cache.path;
  }

  refreshSync(): number {
    this.#cache.refreshSync();
    return Infinity;
  }

  // --- reading ---------------------------------------------------------------------------------------------------

  /** As `FileHandle.read` at the cursor, which is the only place there is. */
  read(target: Uint8Array, offset: number, length: number, position: number): number | Promise<number> {
    if (position >= 0) return this.#cache.read(target, offset, length, position);
    return this.readInto(plainBytes(target).subarray(offset, offset + length));
  }

  readSync(target: Uint8Array, offset: number, length: number, position: number): number {
    const given = position < 0 ? this.#takeGiven(plainBytes(target).subarray(offset, offset + length)) : 0;
    if (given > 0) return given;
    // Once a stream has begun to read, it may hold the next bytes.
    if (position < 0 && this.#inlet !== undefined) throw this.#errors.notSeekable(onlyAsynchronous, -1, length);
    return this.#cache.readSync(target, offset, length, position);
  }

  readInto(target: Uint8Array): number | Promise<number> {
    this.#cache.enter();
    if (!this.#readable) throw this.#errors.system(EBADF, 'read');
    if (this.#waiters.length === 0) {
      const given = this.#takeGiven(target);
      if (given > 0 || target.length === 0) return given;
    }
    return new Promise((resolve, reject) => {
      this.#waiters.push({ target, resolve, reject });
      void this.#pump();
    });
  }

  /** A read that waits gives 0, and what it would have got is for the next. */
  abandon(target: Uint8Array): void {
    const index = this.#waiters.findIndex((waiter) => waiter.target === target);
    if (index >= 0) this.#waiters.splice(index, 1)[0]?.resolve(0);
  }

  /** Takes from the inlet for as long as somebody waits. */
  async #pump(): Promise<void> {
    if (this.#isPumping) return;
    this.#isPumping = true;
    try {
      const inlet = (this.#inlet ??= openInlet(this.#cache.fd, this.#kind, this.#errors));
      inlet.keepAlive(true);
      while (this.#waiters.length > 0) {
        const next = inlet.next();
        const bytes = next instanceof Promise ? await this.#cache.track(next) : next;
        if (bytes.length > 0) {
          this.#given.push(bytes);
          this.#serve();
        } else {
          this.#waiters.shift()?.resolve(0);
        }
      }
    } catch (error) {
      for (const waiter of this.#waiters.splice(0)) waiter.reject(error);
    } finally {
      this.#isPumping = false;
      this.#inlet?.keepAlive(false);
    }
  }

  #serve(): void {
    while (this.#given.length > 0) {
      const waiter = this.#waiters.shift();
      if (waiter === undefined) return;
      const done = this.#takeGiven(waiter.target);
      if (done > 0) waiter.resolve(done);
      else waiter.reject(invalidState('The buffer was detached while it was read into'));
    }
  }

  #takeGiven(target: Uint8Array): number {
    let done = 0;
    while (done < target.length) {
      const [first] = this.#given;
      if (first === undefined) break;
      const length = Math.min(first.length, target.length - done);
      target.set(first.subarray(0, length), done);
      done += length;
      if (length === first.length) this.#given.shift();
      else this.#given[0] = first.subarray(length);
    }
    return done;
  }

  /** Puts bytes back that a reader took and did not use: they are the next ones. */
  giveBack(bytes: Uint8Array): void {
    if (bytes.length > 0) this.#given.unshift(bytes);
    this.#serve();
  }

  readIntoSync(target: Uint8Array, position: number): number {
    throw this.#errors.notSeekable(onlyAsynchronous, position, target.length);
  }

  borrow(position: number, length: number): never {
    throw this.#errors.notSeekable(onlyAsynchronous, position, length);
  }

  lend(position: number, length: number, walk: Walk): Loan {
    return this.#cache.lend(position, length, walk);
  }

  lendReady(position: number, length: number, walk: Walk): Promise<Loan> {
    return this.#cache.lendReady(position, length, walk);
  }

  prefetch(start: number, end: number): Promise<void> {
    return this.#cache.prefetch(start, end);
  }

  release(): void {}

  // --- writing ---------------------------------------------------------------------------------------------------

  /** As `FileHandle.write` at the cursor. */
  write(source: Uint8Array, offset: number, length: number, position: number): Promise<number> {
    if (position >= 0) return this.#cache.write(source, offset, length, position);
    return this.writeFrom(plainBytes(source).subarray(offset, offset + length));
  }

  async writeFrom(bytes: Uint8Array): Promise<number> {
    this.#cache.enterWrite();
    this.#outlet ??= openOutlet(this.#cache.fd, this.#kind, this.#errors);
    const { length } = bytes;
    this.#lastWrite = this.#cache.track(this.#outlet.write(bytes));
    await this.#lastWrite;
    return length;
  }

  preallocate(start: number, length: number): Promise<void> {
    return this.#cache.preallocate(start, length);
  }

  /** Resolves when the system has taken everything that was written; there is no device. */
  async flush(): Promise<void> {
    this.#cache.enter();
    await this.#lastWrite.catch(() => {});
  }

  // --- the end ---------------------------------------------------------------------------------------------------

  retain(cancel: Cancel): () => void {
    return this.#cache.retain(cancel);
  }

  /** After the cache: reads that wait reject; writes that were accepted still go out. */
  close(): void {
    for (const waiter of this.#waiters.splice(0)) waiter.reject(this.#errors.closed());
    this.#inlet?.close();
    const outlet = this.#outlet;
    if (outlet !== undefined) void this.#cache.idle().then(() => outlet.close());
  }
}
