import type { MappedFile } from '../mapped-file.js';
import type { Position } from '../ranges.js';
import type { FileBlob } from '../streams/blob.js';

/**
 * `file`, or `[start, end)` of it, as a `Blob` that is read when it is asked for: `MappedFile.blob`, for symmetry. For
 * what takes a Blob or a File: strtok3's `fromBlob`, zarrita's `ZipFileStore.fromBlob`, geotiff's `fromBlob`.
 *
 * What makes another Blob or File of it gets an empty one, and no error: `new Blob([blob])`, `new File([blob], name)`,
 * and `FormData`, which makes a File of every Blob. Give those a copy, `new Blob([await blob.arrayBuffer()])`, or what
 * `fs.openAsBlob` makes.
 *
 * @example
 * ```ts
 * import { MappedFile } from 'sliding-mmap';
 * import { toBlob } from 'sliding-mmap/adapters';
 *
 * await using file = await MappedFile.open('access.log');
 * console.log(await toBlob(file).slice(0, 10).text()); // → 2024-05-01
 * ```
 */
export function toBlob(
  file: MappedFile,
  start?: Position,
  end?: Position,
  options?: { type?: string | undefined },
): FileBlob {
  return file.blob(start, end, options);
}
