import type { MappedFile } from '../mapped-file.js';
import { bytesAt } from './bytes.js';

/**
 * `file` as a function that copies the bytes of `[start, end)`, as copc takes it: fewer at the end of the file, which
 * `end` defaults to. Rejects with `ERR_OUT_OF_RANGE` for positions that are none, and as `MappedFile.slice`.
 *
 * @example
 * ```ts
 * import { MappedFile } from 'sliding-mmap';
 * import { toGetter } from 'sliding-mmap/adapters';
 *
 * await using file = await MappedFile.open('access.log');
 * const get = toGetter(file); // as `Copc.create` takes it
 * console.log(Buffer.from(await get(0, 10)).toString()); // → 2024-05-01
 * ```
 */
export function toGetter(file: MappedFile): (start: number, end?: number) => Promise<Uint8Array> {
  return (start, end = Infinity) => bytesAt(file, start, end - start);
}
