import type { Readable } from 'node:stream';
import type { MappedFile } from '../mapped-file.js';

/** What `Open.custom` of unzipper takes. */
export interface UnzipperSource {
  /** Size in bytes. */
  size(): Promise<number>;
  /** The bytes from `offset` on, `length` of them; to the end of the file without it, and for 0. */
  stream(offset: number, length?: number): Readable;
}

/**
 * `file` as a source of unzipper: `unzipper.Open.custom(toUnzipperSource(file))`.
 *
 * @example
 * ```ts
 * import { MappedFile } from 'sliding-mmap';
 * import { toUnzipperSource } from 'sliding-mmap/adapters';
 * import { Open } from 'unzipper';
 *
 * await using file = await MappedFile.open('archive.zip');
 * const { files } = await Open.custom(toUnzipperSource(file));
 * console.log(files.length); // → 20
 * ```
 */
export function toUnzipperSource(file: MappedFile): UnzipperSource {
  return {
    size: () => file.refresh(),
    stream: (offset, length) => file.createReadStream({ start: offset, ...(length && { end: offset + length - 1 }) }),
  };
}
