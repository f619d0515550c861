/** Reading where only reading tells where a file ends. */
import { constants } from 'node:buffer';
import { outOfRange } from '../errors.js';
import type { WindowCache } from '../window-cache.js';

const pieceSize = 64 * 1024;

/** The bytes of `[start, end)`; an infinite `end` is wherever there is nothing more. Throws `ERR_OUT_OF_RANGE`. */
export async function readUntilEnd(cache: WindowCache, start: number, end: number): Promise<Buffer> {
  const gathered = new Gathered(start, end);
  for (let piece = gathered.next(); piece !== undefined; piece = gathered.next()) {
    const moved = await cache.read(piece, 0, piece.length, gathered.position);
    if (!gathered.took(piece, moved)) break;
  }
  return gathered.whole();
}

/** As {@link readUntilEnd}, blocking. */
export function readUntilEndSync(cache: WindowCache, start: number, end: number): Buffer {
  const gathered = new Gathered(start, end);
  for (let piece = gathered.next(); piece !== undefined; piece = gathered.next()) {
    const moved = cache.readSync(piece, 0, piece.length, gathered.position);
    if (!gathered.took(piece, moved)) break;
  }
  return gathered.whole();
}

class Gathered {
  position: number;
  readonly #start: number;
  readonly #end: number;
  readonly #pieces: Uint8Array[] = [];

  constructor(start: number, end: number) {
    this.#start = start;
    this.#end = end;
    this.position = start;
  }

  next(): Buffer | undefined {
    const length = Math.min(pieceSize, this.#end - this.position);
    return length > 0 ? Buffer.allocUnsafeSlow(length) : undefined;
  }

  /** False at the end. */
  took(piece: Buffer, moved: number): boolean {
    this.#pieces.push(piece.subarray(0, moved));
    this.position += moved;
    if (this.position - this.#start > constants.MAX_LENGTH) {
      throw outOfRange('end - start', `<= ${constants.MAX_LENGTH}, the longest typed array`, Infinity);
    }
    return moved > 0;
  }

  whole(): Buffer {
    if (Number.isFinite(this.#end) && this.position < this.#end) {
      throw outOfRange('end', `<= ${this.position}, where the file ends`, this.#end);
    }
    // With memory of its own, to be transferred.
    const whole = Buffer.allocUnsafeSlow(this.position - this.#start);
    let at = 0;
    for (const piece of this.#pieces) {
      whole.set(piece, at);
      at += piece.length;
    }
    return whole;
  }
}
