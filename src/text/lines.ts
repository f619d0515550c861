/** Lines of a file as an iterable and an async iterable. */
import { setImmediate } from 'node:timers/promises';
import type { ByteSource } from '../byte-source.js';
import { LineCursor } from './line-cursor.js';
import { resolveOptions, type LinesOptions } from './options.js';

/** Bytes read at a time: V8 cuts lines out of larger strings more slowly, since those no longer fit its young space. */
const BLOCK_SIZE = 64 * 1024;

/** Asynchronous iteration over bytes in memory lets timers run after so many milliseconds. */
const TURN = 10;

/** Steps between two looks at the clock; a power of two. */
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
 */
export class Lines<T extends string | Buffer = string> implements Iterable<T>, AsyncIterable<T> {
  readonly #cursor: LineCursor<T>;

  /**
   * Reads nothing yet. `blockSize` is the number of bytes read at a time, default 64 KiB.
   * Throws `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE` or `ERR_OUT_OF_RANGE` for bad options.
   */
  constructor(source: ByteSource, options: LinesOptions<T> = {}, blockSize = BLOCK_SIZE) {
    this.#cursor = new LineCursor<T>(source, resolveOptions(options as LinesOptions<string | Buffer>), blockSize);
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

  [Symbol.iterator](): IterableIterator<T> {
    return new LineIterator(this.#cursor);
  }

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

// Written by hand: a generator's step costs three times as much, an async generator's twice.

class LineIterator<T extends string | Buffer> implements IterableIterator<T> {
  readonly #cursor: LineCursor<T>;

  constructor(cursor: LineCursor<T>) {
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

class BatchIterator<T extends string | Buffer> implements IterableIterator<T[]> {
  readonly #cursor: LineCursor<T>;

  constructor(cursor: LineCursor<T>) {
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

/** What both async iterators share: steps asked for while another is under way wait for it, as a generator's do. */
abstract class AsyncSteps<T extends string | Buffer, Value> implements AsyncIterableIterator<Value> {
  protected readonly cursor: LineCursor<T>;
  #last: Promise<unknown> | undefined;
  #pending = 0;
  #steps = 0;
  #turnEnds = 0;

  constructor(cursor: LineCursor<T>) {
    this.cursor = cursor;
  }

  protected abstract take(): Value;

  next(): Promise<IteratorResult<Value>> {
    const { cursor } = this;
    if (this.#pending === 0 && cursor.index < cursor.lines.length && (++this.#steps & (STEPS - 1)) !== 0)
      return Promise.resolve({ done: false, value: this.take() });
    const before = this.#pending++ > 0 ? this.#last : undefined;
    const step = this.#step(before);
    this.#last = step;
    return step;
  }

  async return(): Promise<IteratorResult<Value>> {
    this.cursor.close();
    await this.cursor.settled();
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async #step(before: Promise<unknown> | undefined): Promise<IteratorResult<Value>> {
    const { cursor } = this;
    try {
      // How it ended is for whoever asked for it.
      await before?.catch(() => undefined);
      await this.#letOthersRun();
      if (cursor.index < cursor.lines.length || (await cursor.fill())) return { done: false, value: this.take() };
      return { done: true, value: undefined };
    } finally {
      this.#pending--;
    }
  }

  async #letOthersRun(): Promise<void> {
    const now = performance.now();
    if (this.#turnEnds === 0) this.#turnEnds = now + TURN;
    else if (now > this.#turnEnds) {
      await setImmediate();
      this.#turnEnds = performance.now() + TURN;
    }
  }
}

class AsyncLineIterator<T extends string | Buffer> extends AsyncSteps<T, T> {
  protected override take(): T {
    return this.cursor.lines[this.cursor.index++]!;
  }
}

class AsyncBatchIterator<T extends string | Buffer> extends AsyncSteps<T, T[]> {
  protected override take(): T[] {
    return this.cursor.takeBatch();
  }
}
