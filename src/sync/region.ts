import { invalidArgType, invalidState, MappedFileError, outOfRange } from '../errors.js';
import { FileErrors } from '../file-errors.js';
import { type Inside, insideOf, type MappedFile } from '../mapped-file.js';
import { native } from '../native.js';
import { type Position, toPosition } from '../ranges.js';
import type { ViewMemory, WindowCache } from '../window-cache.js';

const { faults } = native;

/**
 * The bytes that a primitive lives in: a view of its own, shared and writable, until it is released or the file closed.
 * Every other process can write there, at any time: what is read from it is no more than a claim.
 *
 * @internal
 */
export class Region {
  readonly inside: Inside;
  readonly position: number;
  readonly words: Int32Array<ArrayBuffer>;
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Who waits here. */
  readonly sleepers = new Set<{ gone(): void }>();
  readonly #memory: ViewMemory;
  readonly #errors: FileErrors;
  /** The process's count of lost pages when none of them was known to be of this region. */
  #seenFaults = faults[0] as number;

  /** Throws for what is no file that is writable and mapped, and for a range that is not inside it, or not aligned. */
  constructor(file: MappedFile, position: Position, length: number) {
    const inside = insideOf(file);
    if (inside === undefined) throw invalidArgType('file', 'an instance of MappedFile', file);
    const { cache } = inside;
    const at = toPosition(position);
    if (at % Int32Array.BYTES_PER_ELEMENT !== 0) throw outOfRange('position', 'a multiple of 4', position);
    this.#errors = new FileErrors(cache.path);
    cache.enter();
    cache.requirePositions(at, length);
    if (!cache.writable || cache.appending) {
      const why = 'Processes synchronize by writing, and this file is read-only, or opened for appending';
      throw this.#errors.readOnly(why, at, length);
    }
    if (at + length > cache.refreshSync()) {
      throw outOfRange('position', `<= ${cache.size - length}, so that ${length} bytes are inside the file`, position);
    }
    this.#memory = cache.createView(at, length, false);
    const { lease, buffer } = this.#memory;
    if (lease.copy !== undefined) {
      cache.releaseView(lease, buffer);
      throw this.#errors.notMappable('Processes synchronize in memory, and the file cannot be mapped', at, length);
    }
    this.inside = inside;
    this.position = at;
    this.words = new Int32Array(buffer, lease.byteOffset, length >>> 2);
    this.bytes = new Uint8Array(buffer, lease.byteOffset, length);
  }

  get cache(): WindowCache {
    return this.inside.cache;
  }

  get released(): boolean {
    return this.words.length === 0;
  }

  /** Throws when the region is released, or has lost a page. Cheap. */
  enter(): void {
    if (this.words.length === 0) throw this.gone();
    if (faults[0] !== this.#seenFaults) this.check();
  }

  /** What to throw when it is released. */
  gone(): Error {
    return this.cache.closed ? this.#errors.closed() : invalidState('It is disposed');
  }

  /** Throws when the region is released, or the file has become too short for it: one statx(2) or fstat(2). */
  check(): void {
    if (this.words.length === 0) throw this.gone();
    const seen = faults[0] as number;
    this.cache.checkView(this.#memory.lease);
    this.#seenFaults = seen;
  }

  /** What to throw for bytes that no well-behaved process can have written there. */
  invalid(message: string): Error {
    try {
      this.check(); // what was cut off reads as zeros
    } catch (error) {
      return error as Error;
    }
    return this.error('ERR_MAPPED_FILE_SYNC_INVALID', message);
  }

  error(code: MappedFileError['code'], message: string): MappedFileError {
    return new MappedFileError(code, message, { path: this.cache.path, position: this.position });
  }

  timedOut(): MappedFileError {
    return this.error('ERR_MAPPED_FILE_TIMED_OUT', 'The time is up');
  }

  /** Says what kind of thing is in the region, in its first word, or makes sure of it. */
  claim(kind: number): void {
    const found = Atomics.compareExchange(this.words, 0, 0, kind);
    if (found !== 0 && found !== kind) throw this.invalid('Something else is there');
    this.check();
  }

  /** Idempotent. */
  release(): void {
    if (this.released) return;
    for (const sleeper of [...this.sleepers]) sleeper.gone();
    this.cache.releaseView(this.#memory.lease, this.#memory.buffer);
  }
}
