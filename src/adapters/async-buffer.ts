import type { MappedFile } from '../mapped-file.js';
import { clamped } from '../streams/blob.js';
import { ownBuffer } from './bytes.js';

/** What hyparquet reads from: an ArrayBuffer whose `slice` may take its time. */
export interface AsyncBuffer {
  /** Length in bytes, as it was when this was made. */
  readonly byteLength: number;
  /**
   * A copy of `[start, end)`, in an ArrayBuffer of its own; `end` defaults to the end, negative positions are from the
   * end, and all are cut to the length, as `ArrayBuffer.prototype.slice` does.
   */
  slice(start?: number, end?: number): Promise<ArrayBuffer>;
}

/**
 * `file` as hyparquet's AsyncBuffer. Slices reject as `MappedFile.slice`, also when the file is shorter by now.
 *
 * @example
 * ```ts
 * import { parquetReadObjects } from 'hyparquet';
 * import { MappedFile } from 'sliding-mmap';
 * import { toAsyncBuffer } from 'sliding-mmap/adapters';
 *
 * await using file = await MappedFile.open('flights.parquet');
 * const rows = await parquetReadObjects({ file: toAsyncBuffer(file), rowStart: 0, rowEnd: 2 });
 * console.log(rows.length); // → 2
 * ```
 */
export function toAsyncBuffer(file: MappedFile): AsyncBuffer {
  const byteLength = file.refreshSync();
  return {
    byteLength,
    async slice(start = 0, end = byteLength) {
      const from = clamped(start, byteLength);
      const to = Math.max(from, clamped(end, byteLength));
      return ownBuffer(await file.slice(from, to));
    },
  };
}
