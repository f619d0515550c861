/** Cuts a file into ranges of whole records, for workers that each take one. */
import type { ByteSource } from '../byte-source.js';
import { toCount } from '../ranges.js';

/** A range of bytes `[start, end)` of a file. */
export interface ByteRange {
  /** Byte offset of the first byte. */
  start: number;
  /** Byte offset after the last byte. */
  end: number;
}

/** Bytes borrowed at a time; a record is usually far shorter. */
const STEP = 64 * 1024;

/**
 * Cuts the whole file into at most `parts` ranges of about the same size that cover it exactly, in order, each ending
 * after a `delimiter` byte except perhaps the last. There are fewer where records are few or long, none is
 * empty, and an empty file has none. Reads only near the cuts; may block.
 *
 * A delimiter is one byte (default `\n`), so this is not for UTF-16, where that byte is a part of other characters too.
 * Throws `ERR_INVALID_ARG_TYPE` and `ERR_OUT_OF_RANGE`.
 */
export function split(source: ByteSource, parts: number, delimiter = 0x0a): ByteRange[] {
  toCount(parts, 'parts', 1);
  toCount(delimiter, 'delimiter', 0, 0xff);
  const size = source.refreshSync();
  const ranges: ByteRange[] = [];
  for (let start = 0; start < size;) {
    // Sharing out what is left keeps the ranges even after one that a long record made too large.
    const share = Math.ceil((size - start) / (parts - ranges.length));
    const end = recordEnd(source, start + share - 1, size, delimiter);
    ranges.push({ start, end });
    start = end;
  }
  return ranges;
}

/** The offset after the first delimiter at `position` or after it; `size` where there is none. */
function recordEnd(source: ByteSource, position: number, size: number, delimiter: number): number {
  for (let at = position; at < size;) {
    const end = source.borrow(at, Math.min(STEP, size - at), (bytes) => {
      const found = bytes.indexOf(delimiter);
      return { found: found < 0 ? undefined : at + found + 1, next: bytes.length === 0 ? size : at + bytes.length };
    });
    if (end.found !== undefined) return end.found;
    at = end.next;
  }
  return size;
}
