import { invalidArgType } from './errors.js';
import { native } from './native.js';
import type { Position } from './ranges.js';
import type { CurrentWindow } from './window.js';
import type { WindowCache } from './window-cache.js';

const { faults } = native;

/**
 * Numbers at byte positions of a file, with the names and the meaning of `DataView`'s methods: any position, no
 * alignment, big-endian unless `littleEndian` is true. They may block on the device, when the page is not in memory.
 *
 * All of them throw `ERR_INVALID_ARG_TYPE` or `ERR_OUT_OF_RANGE` for a position that is none or where the number would
 * not lie inside the file, `ERR_MAPPED_FILE_TRUNCATED` when the file shrank since its size was last looked at,
 * `ERR_MAPPED_FILE_IO` when the device fails, and `ERR_MAPPED_FILE_CLOSED`. Setters also throw
 * `ERR_MAPPED_FILE_READ_ONLY` and, in a hole of a file on a full disk, `ERR_MAPPED_FILE_NO_SPACE`.
 *
 * They trust the size last seen: bytes that another process cut off *inside the last page* read as zeros until a larger
 * operation, `refresh` or a lost page tells of it. Files opened with `strict: true` are exact.
 *
 * The methods repeat one another because they are the library's hot path: a shared helper that takes the kind of number
 * as an argument is several times slower.
 */
export abstract class Scalars {
  readonly #cache: WindowCache;
  readonly #current: CurrentWindow;

  /** @internal */
  constructor(cache: WindowCache) {
    this.#cache = cache;
    this.#current = cache.current;
  }

  /** Reads a signed 8-bit integer at `position` (a byte offset). */
  getInt8(position: Position): number {
    if (typeof position === 'number') {
      const current = this.#current;
      let offset = position - current.start;
      if (offset >>> 0 !== offset || offset + 1 > current.length) offset = this.#cache.seek(position, 1);
      if (offset >= 0) {
        const value = current.view.getInt8(offset);
        if (faults[0] === current.seenFaults) return value;
      }
    }
    return this.#cache.fetch(position, 1).getInt8(0);
  }

  /** Reads an unsigned 8-bit integer at `position` (a byte offset). */
  getUint8(position: Position): number {
    if (typeof position === 'number') {
      const current = this.#current;
      let offset = position - current.start;
      if (offset >>> 0 !== offset || offset + 1 > current.length) offset = this.#cache.seek(position, 1);
      if (offset >= 0) {
        const value = current.view.getUint8(offset);
        if (faults[0] === current.seenFaults) return value;
      }
    }
    return this.#cache.fetch(position, 1).getUint8(0);
  }

  /** Reads a signed 16-bit integer at `position` (a byte offset). */
  getInt16(position: Position, littleEndian?: boolean): number {
    if (typeof position === 'number') {
      const current = this.#current;
      let offset = position - current.start;
      if (offset >>> 0 !== offset || offset + 2 > current.length) offset = this.#cache.seek(position, 2);
      if (offset >= 0) {
        const value = current.view.getInt16(offset, littleEndian);
        if (faults[0] === current.seenFaults) return value;
      }
    }
    return this.#cache.fetch(position, 2).getInt16(0, littleEndian);
  }

  /** Reads an unsigned 16-bit integer at `position` (a byte offset). */
  getUint16(position: Position, littleEndian?: boolean): number {
    if (typeof position === 'number') {
      const current = this.#current;
      let offset = position - current.start;
      if (offset >>> 0 !== offset || offset + 2 > current.length) offset = this.#cache.seek(position, 2);
      if (offset >= 0) {
        const value = current.view.getUint16(offset, littleEndian);
        if (faults[0] === current.seenFaults) return value;
      }
    }
    return this.#cache.fetch(position, 2).getUint16(0, littleEndian);
  }

  /** Reads a signed 32-bit integer at `position` (a byte offset). */
  getInt32(position: Position, littleEndian?: boolean): number {
    if (typeof position === 'number') {
      const current = this.#current;
      let offset = position - current.start;
      if (offset >>> 0 !== offset || offset + 4 > current.length) offset = this.#cache.seek(position, 4);
      if (offset >= 0) {
        const value = current.view.getInt32(offset, littleEndian);
        if (faults[0] === current.seenFaults) return value;
      }
    }
    return this.#cache.fetch(position, 4).getInt32(0, littleEndian);
  }

  /** Reads an unsigned 32-bit integer at `position` (a byte offset). */
  getUint32(position: Position, littleEndian?: boolean): number {
    if (typeof position === 'number') {
      const current = this.#current;
      let offset = position - current.start;
      if (offset >>> 0 !== offset || offset + 4 > current.length) offset = this.#cache.seek(position, 4);
      if (offset >= 0) {
        const value = current.view.getUint32(offset, littleEndian);
        if (faults[0] === current.seenFaults) return value;
      }
    }
    return this.#cache.fetch(position, 4).getUint32(0, littleEndian);
  }

  /** Reads a signed 64-bit integer at `position` (a byte offset). */
  getBigInt64(position: Position, littleEndian?: boolean): bigint {
    if (typeof position === 'number') {
      const current = this.#current;
      let offset = position - current.start;
      if (offset >>> 0 !== offset || offset + 8 > current.length) offset = this.#cache.seek(position, 8);
      if (offset >= 0) {
        const value = current.view.getBigInt64(offset, littleEndian);
        if (faults[0] === current.seenFaults) return value;
      }
    }
    return this.#cache.fetch(position, 8).getBigInt64(0, littleEndian);
  }

  /** Reads an unsigned 64-bit integer at `position` (a byte offset). */
  getBigUint64(position: Position, littleEndian?: boolean): bigint {
    if (typeof position === 'number') {
      const current = this.#current;
      let offset = position - current.start;
      if (offset >>> 0 !== offset || offset + 8 > current.length) offset = this.#cache.seek(position, 8);
      if (offset >= 0) {
        const value = current.view.getBigUint64(offset, littleEndian);
        if (faults[0] === current.seenFaults) return value;
      }
    }
    return this.#cache.fetch(position, 8).getBigUint64(0, littleEndian);
  }

  /** Reads a 32-bit IEEE 754 number at `position` (a byte offset). */
  getFloat32(position: Position, littleEndian?: boolean): number {
    if (typeof position === 'number') {
      const current = this.#current;
      let offset = position - current.start;
      if (offset >>> 0 !== offset || offset + 4 > current.length) offset = this.#cache.seek(position, 4);
      if (offset >= 0) {
        const value = current.view.getFloat32(offset, littleEndian);
        if (faults[0] === current.seenFaults) return value;
      }
    }
    return this.#cache.fetch(position, 4).getFloat32(0, littleEndian);
  }

  /** Reads a 64-bit IEEE 754 number at `position` (a byte offset). */
  getFloat64(position: Position, littleEndian?: boolean): number {
    if (typeof position === 'number') {
      const current = this.#current;
      let offset = position - current.start;
      if (offset >>> 0 !== offset || offset + 8 > current.length) offset = this.#cache.seek(position, 8);
      if (offset >= 0) {
        const value = current.view.getFloat64(offset, littleEndian);
        if (faults[0] === current.seenFaults) return value;
      }
    }
    return this.#cache.fetch(position, 8).getFloat64(0, littleEndian);
  }

  /** Writes a signed 8-bit integer at `position` (a byte offset), inside the file's size. */
  setInt8(position: Position, value: number): void {
    if (typeof value !== 'number') throw invalidArgType('value', 'of type number', value);
    if (typeof position === 'number') {
      const current = this.#current;
      let offset = position - current.start;
      if (offset >>> 0 !== offset || offset + 1 > current.length) offset = this.#cache.seek(position, 1);
      if (offset >= 0 && current.writable) {
        current.view.setInt8(offset, value);
        current.window!.dirty = true;
        if (faults[0] === current.seenFaults) return;
      }
    }
    this.#cache.scratch.setInt8(0, value);
    this.#cache.store(position, 1);
  }

  /** Writes an unsigned 8-bit integer at `position` (a byte offset), inside the file's size. */
  setUint8(position: Position, value: number): void {
    if (typeof value !== 'number') throw invalidArgType('value', 'of type number', value);
    if (typeof position === 'number') {
      const current = this.#current;
      let offset = position - current.start;
      if (offset >>> 0 !== offset || offset + 1 > current.length) offset = this.#cache.seek(position, 1);
      if (offset >= 0 && current.writable) {
        current.view.setUint8(offset, value);
        current.window!.dirty = true;
        if (faults[0] === current.seenFaults) return;
      }
    }
    this.#cache.scratch.setUint8(0, value);
    this.#cache.store(position, 1);
  }

  /** Writes a signed 16-bit integer at `position` (a byte offset), inside the file's size. */
  setInt16(position: Position, value: number, littleEndian?: boolean): void {
    if (typeof value !== 'number') throw invalidArgType('value', 'of type number', value);
    if (typeof position === 'number') {
      const current = this.#current;
      let offset = position - current.start;
      if (offset >>> 0 !== offset || offset + 2 > current.length) offset = this.#cache.seek(position, 2);
      if (offset >= 0 && current.writable) {
        current.view.setInt16(offset, value, littleEndian);
        current.window!.dirty = true;
        if (faults[0] === current.seenFaults) return;
      }
    }
    this.#cache.scratch.setInt16(0, value, littleEndian);
    this.#cache.store(position, 2);
  }

  /** Writes an unsigned 16-bit integer at `position` (a byte offset), inside the file's size. */
  setUint16(position: Position, value: number, littleEndian?: boolean): void {
    if (typeof value !== 'number') throw invalidArgType('value', 'of type number', value);
    if (typeof position === 'number') {
      const current = this.#current;
      let offset = position - current.start;
      if (offset >>> 0 !== offset || offset + 2 > current.length) offset = this.#cache.seek(position, 2);
      if (offset >= 0 && current.writable) {
        current.view.setUint16(offset, value, littleEndian);
        current.window!.dirty = true;
        if (faults[0] === current.seenFaults) return;
      }
    }
    this.#cache.scratch.setUint16(0, value, littleEndian);
    this.#cache.store(position, 2);
  }

  /** Writes a signed 32-bit integer at `position` (a byte offset), inside the file's size. */
  setInt32(position: Position, value: number, littleEndian?: boolean): void {
    if (typeof value !== 'number') throw invalidArgType('value', 'of type number', value);
    if (typeof position === 'number') {
      const current = this.#current;
      let offset = position - current.start;
      if (offset >>> 0 !== offset || offset + 4 > current.length) offset = this.#cache.seek(position, 4);
      if (offset >= 0 && current.writable) {
        current.view.setInt32(offset, value, littleEndian);
        current.window!.dirty = true;
        if (faults[0] === current.seenFaults) return;
      }
    }
    this.#cache.scratch.setInt32(0, value, littleEndian);
    this.#cache.store(position, 4);
  }

  /** Writes an unsigned 32-bit integer at `position` (a byte offset), inside the file's size. */
  setUint32(position: Position, value: number, littleEndian?: boolean): void {
    if (typeof value !== 'number') throw invalidArgType('value', 'of type number', value);
    if (typeof position === 'number') {
      const current = this.#current;
      let offset = position - current.start;
      if (offset >>> 0 !== offset || offset + 4 > current.length) offset = this.#cache.seek(position, 4);
      if (offset >= 0 && current.writable) {
        current.view.setUint32(offset, value, littleEndian);
        current.window!.dirty = true;
        if (faults[0] === current.seenFaults) return;
      }
    }
    this.#cache.scratch.setUint32(0, value, littleEndian);
    this.#cache.store(position, 4);
  }

  /** Writes a signed 64-bit integer at `position` (a byte offset), inside the file's size. */
  setBigInt64(position: Position, value: bigint, littleEndian?: boolean): void {
    if (typeof value !== 'bigint') throw invalidArgType('value', 'of type bigint', value);
    if (typeof position === 'number') {
      const current = this.#current;
      let offset = position - current.start;
      if (offset >>> 0 !== offset || offset + 8 > current.length) offset = this.#cache.seek(position, 8);
      if (offset >= 0 && current.writable) {
        current.view.setBigInt64(offset, value, littleEndian);
        current.window!.dirty = true;
        if (faults[0] === current.seenFaults) return;
      }
    }
    this.#cache.scratch.setBigInt64(0, value, littleEndian);
    this.#cache.store(position, 8);
  }

  /** Writes an unsigned 64-bit integer at `position` (a byte offset), inside the file's size. */
  setBigUint64(position: Position, value: bigint, littleEndian?: boolean): void {
    if (typeof value !== 'bigint') throw invalidArgType('value', 'of type bigint', value);
    if (typeof position === 'number') {
      const current = this.#current;
      let offset = position - current.start;
      if (offset >>> 0 !== offset || offset + 8 > current.length) offset = this.#cache.seek(position, 8);
      if (offset >= 0 && current.writable) {
        current.view.setBigUint64(offset, value, littleEndian);
        current.window!.dirty = true;
        if (faults[0] === current.seenFaults) return;
      }
    }
    this.#cache.scratch.setBigUint64(0, value, littleEndian);
    this.#cache.store(position, 8);
  }

  /** Writes a 32-bit IEEE 754 number at `position` (a byte offset), inside the file's size. */
  setFloat32(position: Position, value: number, littleEndian?: boolean): void {
    if (typeof value !== 'number') throw invalidArgType('value', 'of type number', value);
    if (typeof position === 'number') {
      const current = this.#current;
      let offset = position - current.start;
      if (offset >>> 0 !== offset || offset + 4 > current.length) offset = this.#cache.seek(position, 4);
      if (offset >= 0 && current.writable) {
        current.view.setFloat32(offset, value, littleEndian);
        current.window!.dirty = true;
        if (faults[0] === current.seenFaults) return;
      }
    }
    this.#cache.scratch.setFloat32(0, value, littleEndian);
    this.#cache.store(position, 4);
  }

  /** Writes a 64-bit IEEE 754 number at `position` (a byte offset), inside the file's size. */
  setFloat64(position: Position, value: number, littleEndian?: boolean): void {
    if (typeof value !== 'number') throw invalidArgType('value', 'of type number', value);
    if (typeof position === 'number') {
      const current = this.#current;
      let offset = position - current.start;
      if (offset >>> 0 !== offset || offset + 8 > current.length) offset = this.#cache.seek(position, 8);
      if (offset >= 0 && current.writable) {
        current.view.setFloat64(offset, value, littleEndian);
        current.window!.dirty = true;
        if (faults[0] === current.seenFaults) return;
      }
    }
    this.#cache.scratch.setFloat64(0, value, littleEndian);
    this.#cache.store(position, 8);
  }
}
