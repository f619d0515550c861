import type { MappedFile } from '../mapped-file.js';
import { bytesAt } from './bytes.js';

/**
 * `file` as a function that copies the bytes of `[start, end)`, as copc takes it: fewer at the end of the file, which
 * `end` defaults to. Rejects with `ERR_OUT_OF_RANGE` for positions that are none, and as `MappedFile.slice`.
 */
export function toGetter(file: MappedFile): (start: number, end?: number) => Promise<Uint8Array> {
  return (start, end = Infinity) => bytesAt(file, start, end - start);
}
