/** A file in memory: a `ByteSource` and a `ByteSink` whose every read and write a test can hold up or make fail. */
import assert from 'node:assert/strict';
import type { ByteSink, ByteSource } from '#src/byte-source.js';
import { MappedFileError } from '#src/errors.js';

/** `length` bytes that depend on their position, starting with the one at `position`. */
export function patternBytes(length: number, position = 0): Buffer {
  const bytes = Buffer.alloc(length);
  for (let i = 0; i < length; i++) bytes[i] = Math.imul(position + i + 1, 0x9e3779b1) >>> 24;
  return bytes;
}

/**
 * Called before each read or write with its number (from 1), position and length. Returning nothing completes it on
 * the spot, a promise when that resolves; throwing or rejecting makes it fail.
 */
export type Hook = (call: number, position: number, length: number) => void | Promise<void>;

/** A hook that makes the n-th call fail, on the spot or later. */
export function failAt(n: number, error: Error, late = false): Hook {
  return (call) => {
    if (call !== n) return;
    if (late) return Promise.reject(error);
    throw error;
  };
}

/** A hook that completes each call after a turn of the event loop, or `milliseconds`. */
export function later(milliseconds?: number): Hook {
  return () =>
    new Promise((resolve) => {
      if (milliseconds === undefined) setImmediate(resolve);
      else setTimeout(resolve, milliseconds);
    });
}

/** A hook that holds every call until `open()`; `arrived` resolves when the first one waits. */
export function gate(): { hook: Hook; open: () => void; arrived: Promise<void> } {
  let open!: () => void;
  let arrive!: () => void;
  const opened = new Promise<void>((resolve) => (open = resolve));
  const arrived = new Promise<void>((resolve) => (arrive = resolve));
  const hook: Hook = () => {
    arrive();
    return opened;
  };
  return { hook, open, arrived };
}

export class MemoryFile implements ByteSource, ByteSink {
  readonly path = '/memory';
  appending = false;
  onRead: Hook = () => {};
  onWrite: Hook = () => {};
  onPrefetch: (start: number, end: number) => void | Promise<void> = () => {};
  onFlush: () => void | Promise<void> = () => {};
  onPreallocate: (start: number, length: number) => void | Promise<void> = () => {};
  /** No read returns more than this many bytes. */
  longestRead = Infinity;
  /** How many bytes a write that fails leaves behind. */
  partialWrite = 0;
  reads = 0;
  flushes = 0;
  refreshes = 0;
  /** Position and length of every write, in order. */
  readonly writes: Array<[position: number, length: number]> = [];
  /** Start and end of every range that was asked for ahead, in order. */
  readonly prefetches: Array<[start: number, end: number]> = [];
  /** How many reads or writes are under way. */
  underWay = 0;
  /** How many times the file was held, and let go. */
  held = 0;
  letGo = 0;
  readonly #cancels = new Set<(reason: Error) => void>();
  #data: Buffer;
  #length: number;
  #sizeSeen: number;
  #closed = false;

  constructor(content: number | Uint8Array = 0) {
    this.#data = typeof content === 'number' ? patternBytes(content) : Buffer.from(content);
    this.#length = this.#sizeSeen = this.#data.length;
  }

  /** The bytes the file has now. */
  get content(): Buffer {
    return this.#data.subarray(0, this.#length);
  }

  get size(): number {
    return this.#sizeSeen;
  }

  /** Changes the size as another process would: `size` is as before until something looks again. */
  resize(length: number): void {
    if (length > this.#length)
      this.#data = Buffer.concat([this.content, patternBytes(length - this.#length, this.#length)]);
    this.#length = length;
  }

  /** Cancels whoever holds the file, as `close()` does, and refuses everything from now on. */
  close(reason: Error = closedError()): void {
    for (const cancel of [...this.#cancels]) cancel(reason);
    this.#closed = true;
  }

  /** True when everybody who held the file has let go and nothing is under way. */
  get idle(): boolean {
    return this.#cancels.size === 0 && this.underWay === 0;
  }

  refreshSync(): number {
    this.#refuseWhenClosed();
    this.refreshes++;
    return (this.#sizeSeen = this.#length);
  }

  readIntoSync(target: Uint8Array, position: number): number {
    this.#refuseWhenClosed();
    assert.ok(Number.isSafeInteger(position) && position >= 0);
    const length = Math.max(0, Math.min(target.length, this.#length - position, this.longestRead));
    target.set(this.#data.subarray(position, position + length));
    return length;
  }

  readInto(target: Uint8Array, position: number): number | Promise<number> {
    this.#refuseWhenClosed();
    const wait = this.onRead(++this.reads, position, target.length);
    if (wait === undefined) return this.readIntoSync(target, position);
    return this.#readLater(wait, target, position);
  }

  async #readLater(wait: Promise<void>, target: Uint8Array, position: number): Promise<number> {
    const { length } = target;
    this.underWay++;
    try {
      await wait;
      assert.equal(target.length, length, 'the memory of a read under way was detached');
      return this.readIntoSync(target, position);
    } finally {
      this.underWay--;
    }
  }

  borrow<T>(position: number, length: number, use: (bytes: Uint8Array) => T): T {
    this.#refuseWhenClosed();
    return use(this.content.subarray(position, position + length));
  }

  async prefetch(start: number, end: number): Promise<void> {
    this.#refuseWhenClosed();
    this.prefetches.push([start, end]);
    await this.onPrefetch(start, end);
  }

  release(): void {}

  async writeFrom(bytes: Uint8Array, position: number, kept = false): Promise<number> {
    this.#refuseWhenClosed();
    const at = this.appending ? this.#length : position;
    assert.equal(this.underWay, 0, 'one write at a time');
    // What is kept shows here when it was not left alone.
    const copy = kept ? bytes : Buffer.from(bytes);
    this.writes.push([at, copy.length]);
    this.underWay++;
    try {
      await this.onWrite(this.writes.length, at, copy.length);
    } catch (error) {
      this.#put(copy.subarray(0, this.partialWrite), at);
      throw error;
    } finally {
      this.underWay--;
    }
    this.#put(copy, at);
    return copy.length;
  }

  async preallocate(start: number, length: number): Promise<void> {
    this.#refuseWhenClosed();
    await this.onPreallocate(start, length);
  }

  async flush(): Promise<void> {
    this.#refuseWhenClosed();
    this.flushes++;
    await this.onFlush();
  }

  retain(cancel: (reason: Error) => void): () => void {
    this.#refuseWhenClosed();
    this.held++;
    this.#cancels.add(cancel);
    let mine = true;
    return () => {
      assert.ok(mine, 'let go twice');
      assert.equal(this.underWay, 0, 'let go while a read or write is under way');
      mine = false;
      this.letGo++;
      this.#cancels.delete(cancel);
    };
  }

  #put(bytes: Uint8Array, at: number): void {
    const end = at + bytes.length;
    if (end > this.#data.length) {
      const larger = Buffer.alloc(Math.max(end, this.#data.length * 2));
      larger.set(this.content);
      this.#data = larger;
    } else if (at > this.#length) {
      this.#data.fill(0, this.#length, at);
    }
    this.#data.set(bytes, at);
    this.#length = this.#sizeSeen = Math.max(this.#length, end);
  }

  #refuseWhenClosed(): void {
    if (this.#closed) throw closedError();
  }
}

function closedError(): MappedFileError {
  return new MappedFileError('ERR_MAPPED_FILE_CLOSED', 'The file is closed', { path: '/memory' });
}
