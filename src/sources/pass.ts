import type { ByteSource, Cancel } from '../byte-source.js';
import type { Channel } from './channel.js';

/**
 * One pass over a channel for a reader that goes back: within the block at hand lines are asked for again. Positions
 * count from where the pass began. What it took and did not use is given back at its end.
 */
export class Pass implements ByteSource {
  readonly size = Infinity;
  readonly #channel: Channel;
  readonly #usedUpTo: () => number;
  /** Bytes that may be asked for again, and where the first of them is. */
  #kept: Uint8Array[] = [];
  #start = 0;
  #end = 0;

  /** `usedUpTo` gives the position before which everything was used. */
  constructor(channel: Channel, usedUpTo: () => number) {
    this.#channel = channel;
    this.#usedUpTo = usedUpTo;
  }

  get path(): string | undefined {
    return this.#channel.path;
  }

  refreshSync(): number {
    return this.#channel.refreshSync();
  }

  readInto(target: Uint8Array, position: number): number | Promise<number> {
    if (position < this.#end) return this.#again(target, position);
    const read = this.#channel.readInto(target);
    return typeof read === 'number' ? this.#keep(target, read) : read.then((bytes) => this.#keep(target, bytes));
  }

  abandon(target: Uint8Array): void {
    this.#channel.abandon(target);
  }

  #again(target: Uint8Array, position: number): number {
    let at = this.#start;
    for (const piece of this.#kept) {
      if (position < at + piece.length) {
        const found = piece.subarray(position - at, position - at + target.length);
        target.set(found);
        return found.length;
      }
      at += piece.length;
    }
    return 0;
  }

  #keep(target: Uint8Array, bytes: number): number {
    if (bytes > 0) this.#kept.push(target.slice(0, bytes));
    this.#end += bytes;
    return bytes;
  }

  readIntoSync(target: Uint8Array, position: number): number {
    return this.#channel.readIntoSync(target, position);
  }

  borrow(position: number, length: number): never {
    return this.#channel.borrow(position, length);
  }

  async prefetch(): Promise<void> {}

  release(_start: number, end: number): void {
    while (this.#start < end) {
      const [first] = this.#kept;
      if (first === undefined) return;
      const length = Math.min(first.length, end - this.#start);
      this.#start += length;
      if (length === first.length) this.#kept.shift();
      else this.#kept[0] = first.subarray(length);
    }
  }

  retain(cancel: Cancel): () => void {
    const letGo = this.#channel.retain(cancel);
    return () => {
      this.release(this.#start, this.#usedUpTo());
      for (const piece of this.#kept.reverse()) this.#channel.giveBack(piece);
      this.#kept = [];
      letGo();
    };
  }
}
