/** One pass over the lines of a source: reads blocks, and releases everything once, however the pass ends. */
import type { ByteSource } from '../byte-source.js';
import { invalidState } from '../errors.js';
import { type Followable, type FollowChange, Follower } from '../following/follower.js';
import { ReadAhead } from '../read-ahead.js';
import { nextTurn, turnIsSpent } from '../turn.js';
import { ForwardScanner } from './forward-scanner.js';
import type { BlockRequest, LineScanner } from './line-scanner.js';
import type { ResolvedOptions } from './options.js';
import { ReverseScanner } from './reverse-scanner.js';

/** Bytes of windows after which pages are let go: rarely, since every thread of the process is interrupted for it. */
const STEP = 16 * 1024 * 1024;
/** Bytes of windows from which on it is worth letting them go when a pass ends. */
const WORTH_LETTING_GO = 1024 * 1024;

/** Passes that nobody ends: the file is not to keep them. */
const dropped = new FinalizationRegistry((release: () => void) => release());

/** What another use of the machinery than lines brings with it. */
export interface CursorHooks {
  /** Makes the scanner when the pass begins. */
  scanner: () => LineScanner;
  /** Called when the pass ends, however it does. */
  closed: () => void;
}

/** What a pass may need beside its source. */
export interface CursorParts {
  hooks?: CursorHooks | undefined;
  /** Needed only to follow. */
  followable?: Followable | undefined;
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
  readonly #ahead: ReadAhead;
  /** Byte offsets between which pages of windows may be resident. */
  #keptFrom: number;
  #keptTo: number;
  /** Whether an asynchronous step is under way. */
  #filling = false;
  /** The read under way, and how to stop waiting for it. */
  #reading: Promise<unknown> | undefined;
  #target: Uint8Array | undefined;
  #interrupt: (() => void) | undefined;
  readonly #follower: Follower | undefined;
  /** What happened to the followed file after the lines at hand. */
  #change: FollowChange | undefined;

  constructor(source: ByteSource, options: ResolvedOptions, blockSize: number, parts: CursorParts = {}) {
    this.#source = source;
    this.#options = options;
    this.#blockSize = blockSize;
    this.#hooks = parts.hooks;
    const { start, end, reverse, follow } = options;
    this.#keptFrom = this.#keptTo = start;
    this.#ahead = reverse ? new ReadAhead(source, start, -1) : new ReadAhead(source, end);
    if (follow !== undefined && parts.followable !== undefined) this.#follower = new Follower(parts.followable, follow);
  }

  get position(): number {
    if (this.#closed) return this.#closedAt;
    if (this.#scanner !== undefined) return this.#scanner.positionAfter(this.index);
    return this.#options.reverse ? this.#reverseEnd(this.#source.size) : this.#options.start;
  }

  /** Makes the next batch; false when no line is left. May block. */
  fillSync(): boolean {
    if (this.#filling) throw invalidState('an asynchronous step over these lines is under way');
    if (this.#options.follow !== undefined) throw invalidState('lines that are followed need asynchronous iteration');
    try {
      for (let request = this.#next(); request !== undefined; request = this.#next())
        if (this.#read(request)) return true;
      this.close();
      return false;
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** One step of `fillSync`; true when lines are at hand. */
  #read({ target, position, from }: BlockRequest): boolean {
    const { format } = this.#options;
    const source = this.#source;
    // At the beginning of a block only, from where places are counted.
    if (from === position && source.peek !== undefined && format.findsPlacesIn(target.length)) {
      let bytes = 0;
      const places = source.peek(position, target.length, (window) => {
        bytes = window.length;
        return format.copy(window, target);
      });
      if (places !== undefined) {
        this.#letGo(position + bytes);
        // Zeros may be those of a page that was cut and has grown again: the kernel's read hardly ever meets them.
        if (!Buffer.from(target.buffer, target.byteOffset, bytes).includes(0))
          return this.#take(this.#scanner!.accept(bytes, false, places));
      }
    }
    return this.#accept(source.readIntoSync(target, position));
  }

  /** Keeps the resident set bounded: what was looked at before `position` leaves it, piece by piece. */
  #letGo(position: number): void {
    this.#keptTo = position;
    if (position < this.#keptFrom + 2 * STEP) return;
    this.#source.release(this.#keptFrom, position);
    // The first fault in a piece maps pages on both sides of it, so that a piece goes once more with the next.
    this.#keptFrom = position - STEP;
  }

  /** Makes the next batch without blocking; false when no line is left. One call at a time. */
  async fill(): Promise<boolean> {
    if (this.#filling) throw invalidState('another asynchronous step over these lines is under way');
    this.#filling = true;
    try {
      if (this.#scanner === undefined && this.#options.reverse && this.#source.size === Infinity && !this.#closed) {
        // The end has to come first.
        await this.#wait(this.#source.prefetch(Number.MAX_SAFE_INTEGER, Infinity).then(() => 0));
      }
      for (let request = this.#next(); request !== undefined; request = this.#next()) {
        const follower = this.#follower;
        if (await (follower === undefined ? this.#fillOnce(request) : this.#fillFollowed(follower, request)))
          return true;
        // A long line takes many blocks.
        if (turnIsSpent()) await nextTurn();
      }
      this.close();
      return false;
    } catch (error) {
      this.close();
      throw error;
    } finally {
      this.#filling = false;
    }
  }

  /** One step of `fill`; true when lines are at hand. If the pass was closed meanwhile, the next request tells why. */
  async #fillOnce({ target, position, from }: BlockRequest): Promise<boolean> {
    const ready = this.#ahead.before(position, position + target.length);
    if (ready !== undefined) {
      await this.#wait(ready);
      if (this.#closed) return false;
    }
    const isEndless = this.#source.size === Infinity;
    if (isEndless && from !== undefined) this.#source.release(0, from);
    this.#target = target;
    const read = this.#source.readInto(target, position);
    if (typeof read !== 'number') this.#ahead.missed(position, position + target.length);
    const bytes = typeof read === 'number' ? read : await this.#wait(read);
    return bytes !== undefined && !this.#closed && this.#accept(bytes, isEndless && bytes < target.length);
  }

  /** One step of `fill` over a followed file; true when lines are at hand. */
  async #fillFollowed(follower: Follower, { target, position }: BlockRequest): Promise<boolean> {
    const available = follower.available(position);
    const read = available === 0 ? 0 : follower.read(target, position);
    const bytes = typeof read === 'number' ? read : await this.#wait(read);
    if (bytes === undefined || this.#closed) return false;
    if (bytes > 0) return this.#accept(bytes);
    const scanner = this.#scanner as ForwardScanner;
    if (this.#take(scanner.pause())) return true;
    const change = await this.#wait(follower.more(position));
    if (change === undefined || this.#closed) return false;
    if (change.type === 'missing') follower.report(change, this.position);
    else this.#change = change;
    // The last line of a file that was replaced needs no end.
    return change.type === 'replaced' && this.#accept(0);
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
    this.#follower?.stop();
    this.#interrupt?.();
    if (this.#target !== undefined) this.#source.abandon?.(this.#target);
    this.#hooks?.closed();
    if (this.#keptTo - this.#keptFrom >= WORTH_LETTING_GO) this.#source.release(this.#keptFrom, this.#keptTo);
    // A read under way still uses the source.
    if (this.#reading === undefined) this.#releaseSource();
  }

  /** Resolves when no read is under way. */
  async settled(): Promise<void> {
    await this.#reading;
  }

  /** What to read next, `undefined` when the pass is over; begins it if it has not begun. */
  #next(): BlockRequest | undefined {
    if (this.#change !== undefined && !this.#closed) this.#beginAgain(this.#change);
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

  /** Goes on at the start of the next file, or of the same one that was truncated. */
  #beginAgain(change: FollowChange): void {
    const { format } = this.#options;
    const { position } = this;
    this.#change = undefined;
    this.#scanner = new ForwardScanner(format, 0, Infinity, this.#blockSize, this.#source.path);
    this.#follower?.report(change, position);
  }

  #begin(): LineScanner {
    const { end, format, reverse, signal, start } = this.#options;
    if (signal?.aborted) throw signal.reason;
    const pass = new WeakRef(this);
    this.#release = this.#source.retain((reason) => pass.deref()?.close({ reason }));
    dropped.register(this, this.#release, this);
    signal?.addEventListener('abort', this.#onAbort, { once: true });
    if (this.#hooks !== undefined) return this.#hooks.scanner();
    this.#follower?.begin(start);
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

  /** `isSlow`: more may not come soon, so that lines which are there are given. */
  #accept(bytes: number, isSlow = false): boolean {
    return this.#take(this.#scanner!.accept(bytes, isSlow));
  }

  /** Takes over the scanner's batch, if there is one that is not empty. */
  #take(batch: boolean): boolean {
    const scanner = this.#scanner!;
    if (!batch || scanner.lines.length === 0) return false;
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
    dropped.unregister(this);
    release?.();
  }

  readonly #onAbort = (): void => this.close({ reason: this.#options.signal!.reason });
}
