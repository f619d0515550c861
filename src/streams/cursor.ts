/**
 * A walk forward over a source, as every reading stream does it. This is the place for what a walk knows and a
 * single read does not: what to read ahead, and whether to wait at the end for more.
 */
import type { ByteSource } from '../byte-source.js';
import { ReadAhead } from '../read-ahead.js';

export class ReadCursor {
  readonly #source: ByteSource;
  readonly #end: number;
  readonly #ahead: ReadAhead;
  #position: number;
  #reading: Uint8Array | undefined;
  /** What was read and the consumer has not taken yet. */
  #untaken: Uint8Array | undefined;
  #isAbandoned = false;

  /** Walks `[start, end)`; with an infinite `end`, up to where the file ends when the walk arrives there. */
  constructor(source: ByteSource, start: number, end: number) {
    this.#source = source;
    this.#position = start;
    this.#end = end;
    this.#ahead = new ReadAhead(source, end);
  }

  /**
   * How many bytes there still are. The size last seen is trusted while it says that there are some, and looked at
   * again when it does not: 0 means that the file ends here now.
   */
  remaining(): number {
    const { size } = this.#source;
    if (this.#position >= this.#end) return 0;
    return Math.max(0, Math.min(this.#end, size > this.#position ? size : this.#source.refreshSync()) - this.#position);
  }

  /**
   * Reads on into `target`, which must not be longer than `remaining()`, and moves past what was read. 0 when the
   * file has shrunk to here. One read at a time; `target` must be left alone until it settles, and until `take()`.
   */
  read(target: Uint8Array): number | Promise<number> {
    const ready = this.#ahead.before(this.#position, this.#position + target.length);
    return ready === undefined ? this.#read(target) : ready.then(() => this.#read(target));
  }

  #read(target: Uint8Array): number | Promise<number> {
    const read = this.#source.readInto(target, this.#position);
    if (typeof read === 'number') return this.#advance(target, read);
    this.#reading = target;
    this.#ahead.missed(this.#position, this.#position + target.length);
    return read.then((bytes) => this.#advance(target, bytes));
  }

  /** The consumer has what was read last. */
  take(): void {
    this.#untaken = undefined;
  }

  /**
   * The walk is over: nobody waits for the read under way any more, if there is one, and what was not taken is the next
   * reader's. To be called before the source is let go.
   */
  abandon(): void {
    this.#isAbandoned = true;
    if (this.#reading !== undefined) this.#source.abandon?.(this.#reading);
    this.#giveBack();
  }

  #advance(target: Uint8Array, bytes: number): number {
    this.#reading = undefined;
    this.#position += bytes;
    this.#untaken = target.subarray(0, bytes);
    if (this.#isAbandoned) this.#giveBack();
    return bytes;
  }

  #giveBack(): void {
    // A copy: the memory may be a small part of a large buffer.
    if (this.#untaken !== undefined) this.#source.giveBack?.(this.#untaken.slice());
    this.#untaken = undefined;
  }
}
