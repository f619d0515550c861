/** One pass over the lines of a source: reads blocks, and releases everything once, however the pass ends. */
import type { ByteSource } from '../byte-source.js';
import { invalidState } from '../errors.js';
import { ReadAhead } from '../read-ahead.js';
import { ForwardScanner } from './forward-scanner.js';
import type { BlockRequest, LineScanner } from './line-scanner.js';
import type { ResolvedOptions } from './options.js';
import { ReverseScanner } from './reverse-scanner.js';

/** Synchronous steps let go of what they have passed whenever it is so many bytes: the resident set stays bounded. */
const RELEASE_EVERY = 16 * 1024 * 1024;

/** What another use of the machinery than lines brings with it. */
export interface CursorHooks {
  /** Makes the scanner when the pass begins. */
  scanner: () => LineScanner;
  /** Called when the pass ends, however it does. */
  closed: () => void;
}

export class LineCursor<T extends string | Buffer> {
  /** The batch at hand, and how many of its lines have been given. Iterators read and count for themselves. */
  lines: readonly T[] = [];
  index = 0;
  readonly #source: ByteSource;
  readonly #options: ResolvedOptions;
  readonly #blockSize: number;
  readonly #hooks: CursorHooks | undefined;
  #scanner: LineScanner | undefined;
  #release: (() => void) | undefined;
  #closed = false;
  /** Where the pass stood when it was closed. */
  #closedAt = 0;
  /** Why the pass was ended from outside, until somebody has been told. */
  #failure: { reason: unknown } | undefined;
  /** Up to where pages that were passed have been released. */
  #heldFrom: number | undefined;
  readonly #ahead: ReadAhead;
  /** The read under way, and how to stop waiting for it. */
  #reading: Promise<unknown> | undefined;
  #target: Uint8Array | undefined;
  #interrupt: (() => void) | undefined;

  constructor(source: ByteSource, options: ResolvedOptions, blockSize: number, hooks?: CursorHooks) {
    this.#source = source;
    this.#options = options;
    this.#blockSize = blockSize;
    this.#hooks = hooks;
    const { start, end, reverse } = options;
    this.#ahead = reverse ? new ReadAhead(source, start, -1) : new ReadAhead(source, end);
  }

  get position(): number {
    if (this.#closed) return this.#closedAt;
    if (this.#scanner !== undefined) return this.#scanner.positionAfter(this.index);
    return this.#options.reverse ? this.#reverseEnd(this.#source.size) : this.#options.start;
  }

  /** Makes the next batch; false when no line is left. May block. */
  fillSync(): boolean {
    if (this.#reading !== undefined) throw invalidState('an asynchronous step over these lines is under way');
    try {
      for (let request = this.#next(); request !== undefined; request = this.#next())
        if (this.#accept(this.#copy(request))) return true;
      this.close();
      return false;
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Makes the next batch without blocking; false when no line is left. One call at a time. */
  async fill(): Promise<boolean> {
    if (this.#reading !== undefined) throw invalidState('another asynchronous step over these lines is under way');
    try {
      if (this.#scanner === undefined && this.#options.reverse && this.#source.size === Infinity && !this.#closed) {
        // The end has to come first.
        await this.#wait(this.#source.prefetch(Number.MAX_SAFE_INTEGER, Infinity).then(() => 0));
      }
      for (let request = this.#next(); request !== undefined; request = this.#next()) {
        const { target, position } = request;
        const ready = this.#ahead.before(position, position + target.length);
        if (ready !== undefined) {
          await this.#wait(ready);
          if (this.#closed) continue; // the next request tells why
        }
        const isEndless = this.#source.size === Infinity;
        if (isEndless && request.from !== undefined) this.#source.release(0, request.from);
        this.#target = target;
        const read = this.#source.readInto(target, position);
        if (typeof read !== 'number') this.#ahead.missed(position, position + target.length);
        const bytes = typeof read === 'number' ? read : await this.#wait(read);
        // Only a wait that was cut short gives nothing: the next request then tells why.
        if (bytes !== undefined && this.#accept(bytes, isEndless && bytes < request.target.length)) return true;
      }
      this.close();
      return false;
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** The lines of the batch that have not been given yet. */
  takeBatch(): T[] {
    const batch = this.index === 0 ? (this.lines as T[]) : this.lines.slice(this.index);
    this.index = this.lines.length;
    // The array is the consumer's now.
    this.lines = [];
    return batch;
  }

  /** Ends the pass, with an error for the next step if it was under way. */
  close(failure?: { reason: unknown }): void {
    if (this.#closed) return;
    this.#closedAt = this.position;
    this.#closed = true;
    this.#failure = failure;
    this.#options.signal?.removeEventListener('abort', this.#onAbort);
    this.lines = [];
    this.index = 0;
    this.#scanner = undefined;
    this.#interrupt?.();
    if (this.#target !== undefined) this.#source.abandon?.(this.#target);
    this.#hooks?.closed();
    // A read under way still uses the source.
    if (this.#reading === undefined) this.#releaseSource();
  }

  /** Resolves when no read is under way. */
  async settled(): Promise<void> {
    await this.#reading;
  }

  /** What to read next, `undefined` when the pass is over; begins it if it has not begun. */
  #next(): BlockRequest | undefined {
    if (this.#failure !== undefined) {
      const { reason } = this.#failure;
      this.#failure = undefined;
      throw reason;
    }
    if (this.#closed) return undefined;
    this.#scanner ??= this.#begin();
    this.lines = [];
    this.index = 0;
    return this.#scanner.next();
  }

  #begin(): LineScanner {
    const { end, format, reverse, signal, start } = this.#options;
    if (signal?.aborted) throw signal.reason;
    this.#release = this.#source.retain((reason) => this.close({ reason }));
    signal?.addEventListener('abort', this.#onAbort, { once: true });
    if (this.#hooks !== undefined) return this.#hooks.scanner();
    const { path } = this.#source;
    const size = reverse ? this.#source.refreshSync() : 0;
    // Throws: it is not known yet.
    if (size === Infinity) this.#source.readIntoSync(new Uint8Array(1), Number.MAX_SAFE_INTEGER - 1);
    return reverse
      ? new ReverseScanner(format, start, this.#reverseEnd(size), this.#blockSize, path)
      : new ForwardScanner(format, start, end, this.#blockSize, path);
  }

  #reverseEnd(size: number): number {
    return Math.max(this.#options.start, Math.min(this.#options.end, size));
  }

  /** Copies from the window: less than a system call, and the file may change before the block is decoded. */
  #copy({ target, position }: BlockRequest): number {
    this.#heldFrom ??= position;
    if (Math.abs(position - this.#heldFrom) >= RELEASE_EVERY) {
      this.#source.release(Math.min(position, this.#heldFrom), Math.max(position, this.#heldFrom));
      this.#heldFrom = position;
    }
    return this.#source.borrow(position, target.length, (bytes) => {
      target.set(bytes);
      return bytes.length;
    });
  }

  /** `isSlow`: more may not come soon, so that lines which are there are given. */
  #accept(bytes: number, isSlow = false): boolean {
    const scanner = this.#scanner!;
    if (!scanner.accept(bytes, isSlow) || scanner.lines.length === 0) return false;
    this.lines = scanner.lines as T[];
    this.index = 0;
    return true;
  }

  /** Waits for a read, or until the pass is closed: then `undefined`. */
  #wait<Value>(read: Promise<Value>): Promise<Value | undefined> {
    return new Promise((resolve, reject) => {
      this.#interrupt = () => resolve(undefined);
      const settle = (): void => {
        this.#reading = undefined;
        this.#interrupt = undefined;
        if (this.#closed) this.#releaseSource();
      };
      this.#reading = read.then(
        (bytes) => {
          settle();
          resolve(this.#closed ? undefined : bytes);
        },
        (error: unknown) => {
          settle();
          reject(error);
        },
      );
    });
  }

  #releaseSource(): void {
    const release = this.#release;
    this.#release = undefined;
    release?.();
  }

  readonly #onAbort = (): void => this.close({ reason: this.#options.signal!.reason });
}
