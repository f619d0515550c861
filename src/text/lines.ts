/** Lines of a file as an iterable and an async iterable. */
import type { ByteSource } from '../byte-source.js';
import type { Followable } from '../following/follower.js';
import { nextTurn, turnIsSpent } from '../turn.js';
import { LineCursor } from './line-cursor.js';
import { resolveOptions, type LinesOptions } from './options.js';

/** Bytes read at a time: more take longer, since they no longer stay in the processor's nearer caches. */
const BLOCK_SIZE = 64 * 1024;
/** Of those who go backwards, most want the last lines only. */
const REVERSE_BLOCK_SIZE = 32 * 1024;

/** Lines between two looks at the clock. */
const STEPS = 64;

/**
 * The lines of a file, forwards or backwards, as an iterable and as an async iterable, one by one or in batches.
 *
 * One object is one pass: all its iterators share one place, {@link Lines.position}, and leaving one early (`break`)
 * ends the pass. To go on later, open lines again from the position. The file stays usable for as long as a pass is
 * under way; `close()` of the file, or the signal, ends it with an error.
 *
 * A last line needs no delimiter, and a delimiter at the end of the range makes no empty line after it. A byte-order
 * mark is dropped where the range starts at 0 and the encoding is `'utf8'` or `'utf16le'`.
 *
 * Synchronous iteration may block on the device. Asynchronous iteration never does, and lets the event loop turn now
 * and then when everything is in memory.
 *
 * By default lines keep the block that they were cut from in memory: see {@link LinesOptions.copy}.
 *
 * @example
 * ```ts
 * const lines = file.lines();
 * for (const line of lines) {
 *   console.log(line.length, lines.position); // → 51 52
 *   break;
 * }
 * ```
 */
export class Lines<T extends string | Buffer = string> implements Iterable<T>, AsyncIterable<T> {
  readonly #cursor: LineCursor<T>;

  /**
   * Reads nothing yet. `blockSize` is the number of bytes read at a time, default 64 KiB, backwards 32 KiB; `followable` is
   * needed only to follow. Throws `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE` or `ERR_OUT_OF_RANGE` for bad options.
   */
  constructor(source: ByteSource, options: LinesOptions<T> = {}, blockSize?: number, followable?: Followable) {
    const resolved = resolveOptions(options);
    const length = blockSize ?? (resolved.reverse ? REVERSE_BLOCK_SIZE : BLOCK_SIZE);
    this.#cursor = new LineCursor<T>(source, resolved, length, { followable });
  }

  /**
   * The byte offset at which the pass stands: where the line begins that comes next, or the end of the range when none
   * does. With `reverse`, where the line last given begins, which is where the next one ends: lines from (`start`) or,
   * with `reverse`, up to (`end`) this position are exactly those not given yet. In batches it stands after the batch.
   * Bytes that did not change meanwhile provided. Before the first line it is `start`, or with `reverse` the end of
   * the range, as far as known.
   */
  get position(): number {
    return this.#cursor.position;
  }

  /** Line by line; blocks while a block is read from the device. */
  [Symbol.iterator](): IterableIterator<T> {
    return new LineIterator(this.#cursor);
  }

  /** Line by line; what is not in memory is read on the thread pool. */
  [Symbol.asyncIterator](): AsyncIterableIterator<T> {
    return new AsyncLineIterator(this.#cursor);
  }

  /**
   * The lines in arrays, about as many at a time as lie in one block; never an empty one. The fastest way, and for
   * asynchronous iteration by far.
   */
  batches(): Iterable<T[]> & AsyncIterable<T[]> {
    const cursor = this.#cursor;
    return {
      [Symbol.iterator]: () => new BatchIterator(cursor),
      [Symbol.asyncIterator]: () => new AsyncBatchIterator(cursor),
    };
  }
}

/** What the iterators walk over: batches of lines, or of anything else. */
export interface Cursor<T> {
  /** The batch at hand, and how many of it have been given. */
  readonly lines: readonly T[];
  index: number;
  /** Makes the next batch; false when nothing is left. */
  fillSync(): boolean;
  fill(): Promise<boolean>;
  takeBatch(): T[];
  close(): void;
  settled(): Promise<void>;
}

// Written by hand: a generator's step costs three times as much, an async generator's twice.

export class LineIterator<T> implements IterableIterator<T> {
  readonly #cursor: Cursor<T>;

  constructor(cursor: Cursor<T>) {
    this.#cursor = cursor;
  }

  next(): IteratorResult<T> {
    const cursor = this.#cursor;
    if (cursor.index < cursor.lines.length || cursor.fillSync())
      return { done: false, value: cursor.lines[cursor.index++]! };
    return { done: true, value: undefined };
  }

  return(): IteratorResult<T> {
    this.#cursor.close();
    return { done: true, value: undefined };
  }

  [Symbol.iterator](): this {
    return this;
  }
}

export class BatchIterator<T> implements IterableIterator<T[]> {
  readonly #cursor: Cursor<T>;

  constructor(cursor: Cursor<T>) {
    this.#cursor = cursor;
  }

  next(): IteratorResult<T[]> {
    const cursor = this.#cursor;
    if (cursor.index < cursor.lines.length || cursor.fillSync()) return { done: false, value: cursor.takeBatch() };
    return { done: true, value: undefined };
  }

  return(): IteratorResult<T[]> {
    this.#cursor.close();
    return { done: true, value: undefined };
  }

  [Symbol.iterator](): this {
    return this;
  }
}

/**
 * The steps of an async iterator that are not over at once. Steps asked for while one is under way wait for it, as a
 * generator's do.
 */
class AsyncSteps<T> {
  /** Steps under way. */
  pending = 0;
  readonly #cursor: Cursor<T>;
  #last: Promise<unknown> | undefined;

  constructor(cursor: Cursor<T>) {
    this.#cursor = cursor;
  }

  /** Gives what `take` gives once there are lines at hand. */
  next<Value>(take: () => Value): Promise<IteratorResult<Value>> {
    const before = this.pending++ > 0 ? this.#last : undefined;
    const step = this.#step(before, take);
    this.#last = step;
    return step;
  }

  async return(): Promise<IteratorResult<never>> {
    this.#cursor.close();
    await this.#cursor.settled();
    return { done: true, value: undefined };
  }

  async #step<Value>(before: Promise<unknown> | undefined, take: () => Value): Promise<IteratorResult<Value>> {
    const cursor = this.#cursor;
    try {
      // How the one before ended is for whoever asked for it.
      if (before !== undefined) await before.catch(() => undefined);
      if (turnIsSpent()) await nextTurn();
      // Looked at again after the wait: the pass may have been closed since the lines came.
      while (cursor.index >= cursor.lines.length) if (!(await cursor.fill())) return { done: true, value: undefined };
      return { done: false, value: take() };
    } finally {
      this.pending--;
    }
  }
}

export class AsyncLineIterator<T> implements AsyncIterableIterator<T> {
  readonly #cursor: Cursor<T>;
  readonly #steps: AsyncSteps<T>;
  readonly #take = (): T => this.#cursor.lines[this.#cursor.index++]!;

  constructor(cursor: Cursor<T>) {
    this.#cursor = cursor;
    this.#steps = new AsyncSteps(cursor);
  }

  next(): Promise<IteratorResult<T>> {
    const cursor = this.#cursor;
    const { index } = cursor;
    if (index < cursor.lines.length && index % STEPS !== 0 && this.#steps.pending === 0) {
      cursor.index = index + 1;
      return Promise.resolve({ done: false, value: cursor.lines[index]! });
    }
    return this.#steps.next(this.#take);
  }

  return(): Promise<IteratorResult<T>> {
    return this.#steps.return();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}

export class AsyncBatchIterator<T> implements AsyncIterableIterator<T[]> {
  readonly #steps: AsyncSteps<T>;
  readonly #take: () => T[];

  constructor(cursor: Cursor<T>) {
    this.#steps = new AsyncSteps(cursor);
    this.#take = () => cursor.takeBatch();
  }

  next(): Promise<IteratorResult<T[]>> {
    return this.#steps.next(this.#take);
  }

  return(): Promise<IteratorResult<T[]>> {
    return this.#steps.return();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
