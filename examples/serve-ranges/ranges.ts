/** The Range header of a request (https://www.rfc-editor.org/rfc/rfc9110#section-14). */

/** Bytes `[start, end)` of a file. */
export interface Range {
  start: number;
  end: number;
}

/** More ranges in one request than this are refused: a few bytes of request must not cost a megabyte of part headers. */
export const MOST_RANGES = 64;

/**
 * The ranges that a request asks for, of a file of `size` bytes, in the order asked for: none when no byte of them is in
 * the file or when they are too many, which is answered by 416; `undefined` when the header is to be ignored, because it
 * is malformed or in another unit, and the whole file sent. Ranges that overlap or touch become one, at the place of the
 * first of them, so that no byte is sent twice.
 */
export function requestedRanges(header: string | undefined, size: number): Range[] | undefined {
  const list = /^bytes=(.*)$/i.exec(header?.trim() ?? '')?.[1];
  if (list === undefined) return undefined;
  const ranges: Range[] = [];
  let count = 0;
  for (const part of list.split(',')) {
    const item = part.trim();
    if (item === '') continue; // an empty element of a list counts for nothing (5.6.1.2)
    const [, first = '', last = ''] = /^(\d*)-(\d*)$/.exec(item) ?? [];
    if (first === '' && last === '') return undefined;
    if (first !== '' && last !== '' && BigInt(last) < BigInt(first)) return undefined;
    count++;
    const start = first === '' ? Math.max(0, size - Number(last)) : Number(first);
    const end = first === '' || last === '' ? size : Math.min(size, Number(last) + 1);
    if (start < end) ranges.push({ start, end });
    // The last bytes of an empty file are none, which no Content-Range can say: that is the whole file.
    else if (first === '' && size === 0 && Number(last) > 0) return undefined;
  }
  if (count === 0) return undefined;
  return count > MOST_RANGES ? [] : joined(ranges);
}

function joined(ranges: readonly Range[]): Range[] {
  const result: Range[] = [];
  for (const range of ranges) {
    let { start, end } = range;
    let place = result.length;
    for (let i = result.length - 1; i >= 0; i--) {
      const other = result[i]!;
      if (other.start > end || other.end < start) continue;
      start = Math.min(start, other.start);
      end = Math.max(end, other.end);
      place = i;
      result.splice(i, 1);
    }
    result.splice(place, 0, { start, end });
  }
  return result;
}
