/** Searching a file for bytes, across windows. */
import { isUint8Array } from 'node:util/types';
import type { ByteSource } from '../byte-source.js';
import { plainBytes } from '../bytes.js';
import { invalidArgType, invalidArgValue } from '../errors.js';
import { native } from '../native.js';
import { type Position, toCount, toPosition } from '../ranges.js';

/** What can be searched for: a byte, a string (its UTF-8 bytes), or bytes. */
export type Needle = number | string | Uint8Array;

/**
 * Bytes searched at a time; behind them pages are let go, so that the resident set stays bounded. The piece before goes
 * once more with each: the first fault in a piece maps pages on both sides of it.
 */
const STEP = 4 * 1024 * 1024;

/** Position of the first `needle` at or after `from`, or -1. Throws `ERR_INVALID_ARG_TYPE` and `ERR_OUT_OF_RANGE`. */
export function searchForward(source: ByteSource, needle: Needle, from: Position = 0): number {
  const bytes = bytesOf(needle);
  const size = source.refreshSync();
  let position = toPosition(from, 'from');
  if (bytes.length === 0) return Math.min(position, size);
  const step = stepFor(bytes);
  for (;;) {
    position = afterHole(source, bytes, position);
    if (position + bytes.length > source.size) return -1;
    const { at, searched } = searchPiece(source, bytes, position, step, false);
    if (at !== -1) return at;
    source.release(Math.max(0, position - step), position + searched);
    // The next piece overlaps this one, by what may be the beginning of a needle. A shrunk file gives nothing.
    if (searched < bytes.length) return -1;
    position += searched - bytes.length + 1;
  }
}

/** Position of the last `needle` that begins at or before `from`, or -1. Throws as {@link searchForward}. */
export function searchBackward(source: ByteSource, needle: Needle, from?: Position): number {
  const bytes = bytesOf(needle);
  const size = source.refreshSync();
  const last = from === undefined ? size : toPosition(from, 'from');
  if (bytes.length === 0) return Math.min(last, size);
  // Where needles may begin: [.., begins)
  let begins = Math.min(last, size - bytes.length) + 1;
  const step = stepFor(bytes);
  while (begins > 0) {
    const start = Math.max(0, begins - (step - bytes.length));
    const found = searchRange(source, bytes, start, begins + bytes.length - 1);
    if (found !== -1) return found;
    source.release(start, begins + step);
    begins = start;
  }
  return -1;
}

/** Bytes to search at a time: enough for half of them to be new, however long the needle. */
function stepFor(needle: Uint8Array): number {
  return Math.max(STEP, 2 * needle.length);
}

/** The last `needle` whole inside `[start, end)`, which a window may hold only in part: so piece by piece, forwards. */
function searchRange(source: ByteSource, needle: Uint8Array, start: number, end: number): number {
  let found = -1;
  for (let position = start; ;) {
    position = afterHole(source, needle, position);
    if (position + needle.length > end) break;
    const { at, searched } = searchPiece(source, needle, position, end - position, true);
    if (at !== -1) found = at;
    if (searched < needle.length) break;
    position += searched - needle.length + 1;
  }
  return found;
}

/**
 * The first position from `position` on where the needle may stand: where the last of its bytes that is not zero would
 * be in a hole, it does not. So terabytes of hole are searched in no time.
 */
function afterHole(source: ByteSource, needle: Uint8Array, position: number): number {
  if (source.nextData === undefined) return position;
  let reach = needle.length - 1;
  while (reach >= 0 && needle[reach] === 0) reach--;
  return reach < 0 ? position : source.nextData(position + reach) - reach;
}

/** Searches up to `length` bytes from `position`: as many as a window holds, and at least `2 × needle` where there are. */
function searchPiece(
  source: ByteSource,
  needle: Uint8Array,
  position: number,
  length: number,
  last: boolean,
): { at: number; searched: number } {
  const search = (bytes: Uint8Array): { at: number; searched: number } => {
    const at = native.find(bytes, 0, bytes.length, needle, last);
    return { at: at === -1 ? -1 : position + at, searched: bytes.length };
  };
  const piece = source.borrow(position, length, search);
  // A needle at a window's end that the window holds in part only, and no longer window to be had: copy it together.
  if (piece.at !== -1 || piece.searched >= Math.min(length, 2 * needle.length)) return piece;
  const copy = new Uint8Array(Math.min(length, 2 * needle.length));
  return search(copy.subarray(0, source.readIntoSync(copy, position)));
}

/** A needle's bytes. Throws `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE`, and for what the encoding has not `ERR_INVALID_ARG_VALUE`. */
export function bytesOf(needle: unknown, encoding: 'utf8' | 'latin1' = 'utf8'): Uint8Array {
  if (typeof needle === 'string') {
    const bytes = Buffer.from(needle, encoding);
    if (encoding === 'latin1' && bytes.toString('latin1') !== needle)
      throw invalidArgValue('needle', needle, 'cannot be encoded as latin1');
    return bytes;
  }
  if (typeof needle === 'number') return Uint8Array.of(toCount(needle, 'needle', 0, 255));
  if (isUint8Array(needle)) return plainBytes(needle);
  throw invalidArgType('needle', 'of type string or number or an instance of Uint8Array', needle);
}
