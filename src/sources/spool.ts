/** What has no positions, copied into a file without a name as it arrives: that file has them, and is mapped. */
import os from 'node:os';
import type { Cancel, LendingSource, Loan, Walk } from '../byte-source.js';
import type { FileErrors } from '../file-errors.js';
import { native } from '../native.js';
import type { WindowCache } from '../window-cache.js';
import type { Inlet } from './inlet.js';

/** Makes the file: for the user only (mode 0600), closed on exec, in the system's folder for temporary files. */
export function openSpoolFile(errors: FileErrors): number {
  return errors.succeed(native.openUnlinked(os.tmpdir()), 'open');
}

interface Waiter {
  end: number;
  /** What a stream reads into, by which it gives the wait up. */
  target: Uint8Array | undefined;
  resolve: () => void;
  reject: (reason: unknown) => void;
}

/** Fills the file of a cache from an inlet; readers of what has not arrived wait here. */
export class Spool implements LendingSource {
  readonly #cache: WindowCache;
  readonly #inlet: Inlet;
  readonly #errors: FileErrors;
  readonly #whenDone: () => void;
  readonly #waiters = new Set<Waiter>();
  #arrived = 0;
  #ended = false;
  #failure: { error: unknown } | undefined;

  /** `whenDone` is called once nothing is read from the inlet any more. */
  constructor(cache: WindowCache, inlet: Inlet, errors: FileErrors, whenDone: () => void) {
    this.#cache = cache;
    this.#inlet = inlet;
    this.#errors = errors;
    this.#whenDone = whenDone;
    cache.arriving = true;
    inlet.keepAlive(false);
    // Tracked: what it uses stays open until it has ended.
    void cache.track(this.#fill());
  }

  get path(): string | undefined {
    return this.#cache.path;
  }

  /** `Infinity` until all has arrived. */
  get size(): number {
    return this.#ended ? this.#cache.size : Infinity;
  }

  refreshSync(): number {
    const size = this.#cache.refreshSync();
    return this.#ended ? size : Infinity;
  }

  async #fill(): Promise<void> {
    try {
      for (;;) {
        const piece = await this.#inlet.next();
        if (piece.length === 0 || this.#cache.closed) break;
        await this.#append(piece);
        this.#arrived += piece.length;
        if (this.#cache.closed) break;
        this.#cache.refreshSync();
        this.#wake();
      }
      this.#ended = !this.#cache.closed;
      this.#cache.arriving = false;
      this.#wake();
    } catch (error) {
      this.#failure ??= { error };
      this.#wake();
    } finally {
      this.#inlet.close();
      this.#whenDone();
    }
  }

  async #append(piece: Uint8Array): Promise<void> {
    const { length } = piece;
    for (let at = 0; at < length;) {
      const position = this.#arrived + at;
      const done = await native.writeAsync(this.#cache.fd, piece, at, length - at, position, false);
      if (done < 0) throw this.#errors.mapping(-done, 'write', position, length);
      at += done;
    }
  }

  #wake(): void {
    for (const waiter of [...this.#waiters]) {
      if (this.#arrived >= waiter.end || this.#ended) this.#settle(waiter, waiter.resolve);
      else if (this.#failure !== undefined) this.#settle(waiter, () => waiter.reject(this.#failure?.error));
    }
  }

  #settle(waiter: Waiter, settle: () => void): void {
    this.#waiters.delete(waiter);
    if (this.#waiters.size === 0) this.#inlet.keepAlive(false);
    settle();
  }

  /** Resolves when the bytes before `end` have arrived, or all; rejects when they never will. */
  reached(end: number, target?: Uint8Array): Promise<void> {
    if (this.#arrived >= end || this.#ended) return Promise.resolve();
    if (this.#failure !== undefined) return Promise.reject(this.#failure.error);
    if (this.#cache.closed) return Promise.reject(this.#errors.closed());
    if (this.#waiters.size === 0) this.#inlet.keepAlive(true);
    return new Promise((resolve, reject) => this.#waiters.add({ end, target, resolve, reject }));
  }

  /** A read that waits gives 0. */
  abandon(target: Uint8Array): void {
    for (const waiter of this.#waiters) {
      if (waiter.target !== target) continue;
      this.#settle(waiter, waiter.resolve);
    }
  }

  /** As `FileHandle.read`: at a position it waits for all that was asked for. */
  async read(target: Uint8Array, offset: number, length: number, position: number): Promise<number> {
    if (position < 0) return this.#readNext(target, offset, length);
    await this.reached(position + length);
    this.#cache.enter();
    return this.#cache.read(target, offset, length, position);
  }

  readSync(target: Uint8Array, offset: number, length: number, position: number): number {
    const done = this.#cache.readSync(target, offset, length, position);
    if (done === 0 && this.#cache.arriving) throw this.#errors.notSeekable('Nothing has arrived yet', position, length);
    return done;
  }

  /** At the file's own cursor: what there is, and it waits only while there is nothing. */
  async #readNext(target: Uint8Array, offset: number, length: number): Promise<number> {
    for (;;) {
      const seen = this.#arrived;
      const done = await this.#cache.read(target, offset, length, -1);
      if (done > 0 || this.#ended) return done;
      await this.reached(seen + 1);
      this.#cache.enter();
    }
  }

  readInto(target: Uint8Array, position: number): number | Promise<number> {
    this.#cache.enter();
    if (!this.#ended && position >= this.#arrived) {
      // Given up, it has still not arrived.
      const arrived = (): boolean => this.#ended || position < this.#arrived;
      return this.reached(position + 1, target).then(() => (arrived() ? this.readInto(target, position) : 0));
    }
    const there = Math.min(target.length, this.#cache.size - position);
    return there <= 0 ? 0 : this.#cache.read(target, 0, there, position);
  }

  readIntoSync(target: Uint8Array, position: number): number {
    return this.#cache.readIntoSync(target, position);
  }

  borrow<T>(position: number, length: number, use: (bytes: Uint8Array) => T): T {
    return this.#cache.borrow(position, length, use);
  }

  lend(position: number, length: number, walk: Walk): Loan {
    return this.#cache.lend(position, length, walk);
  }

  /** Shorter than asked for, down to nothing, where all that arrived ends before. */
  async lendReady(position: number, length: number, walk: Walk): Promise<Loan> {
    await this.reached(position + length);
    this.#cache.enter();
    const there = Math.min(length, this.#cache.size - position);
    return there > 0
      ? this.#cache.lendReady(position, there, walk)
      : { bytes: new Uint8Array(0), length: 0, release: () => {} };
  }

  async prefetch(start: number, end: number): Promise<void> {
    await this.reached(end);
    this.#cache.enter();
    await this.#cache.prefetch(start, end);
  }

  release(start: number, end: number): void {
    if (Number.isFinite(this.size)) this.#cache.release(start, end);
  }

  retain(cancel: Cancel): () => void {
    return this.#cache.retain(cancel);
  }

  /** What waits rejects. */
  close(): void {
    const error = this.#errors.closed();
    this.#failure ??= { error };
    this.#inlet.close();
    this.#wake();
  }
}
