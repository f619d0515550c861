/** What the shapes share: copies of bytes, and callbacks. */
import type { MappedFile } from '../mapped-file.js';
import { toCount, toPosition } from '../ranges.js';

/**
 * Copies up to `length` bytes from `position` on: fewer at the end of the file and none behind it, as a read does.
 * Rejects as `MappedFile.slice`.
 */
export async function bytesAt(file: MappedFile, position: number, length: number): Promise<Buffer> {
  const start = toPosition(position);
  const end = start + (length === Infinity ? Infinity : toCount(length, 'length', 0));
  let { size } = file;
  if (end > size) {
    // Of a spool, what has not arrived is waited for. Nothing is read for it: it may be more than a Buffer can have.
    const until = Math.min(end, Number.MAX_SAFE_INTEGER);
    await file.prefetch(until, until);
    size = file.refreshSync();
  }
  const last = Math.min(end, size);
  return file.slice(Math.min(start, last), last);
}

/** As {@link bytesAt}, in an ArrayBuffer that has nothing else. */
export async function arrayBufferAt(file: MappedFile, position: number, length: number): Promise<ArrayBuffer> {
  return ownBuffer(await bytesAt(file, position, length));
}

/** The ArrayBuffer of a slice, which is the slice's alone; a copy where it is not. */
export function ownBuffer(slice: Buffer): ArrayBuffer {
  const buffer = slice.buffer as ArrayBuffer;
  return slice.length === buffer.byteLength
    ? buffer
    : buffer.slice(slice.byteOffset, slice.byteOffset + slice.byteLength);
}

/** Node's form of a callback. */
export type Callback<T> = (error: Error | null, value?: T) => void;

/** Calls back outside of the promise: what a callback throws is an uncaught exception then, as it is with node:fs. */
export function callBack<T>(promise: Promise<T>, callback: Callback<T>): void {
  promise.then(
    (value) => process.nextTick(callback, null, value),
    (error: Error) => process.nextTick(callback, error),
  );
}
