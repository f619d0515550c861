import type { MappedFile } from '../mapped-file.js';
import { arrayBufferAt } from './bytes.js';
import { checkOptions } from '../streams/options.js';

/** What `new PMTiles` takes: pmtiles' Source. */
export interface PMTilesSource {
  /** The name that pmtiles' caches know the archive by. */
  getKey(): string;
  /** A copy of up to `length` bytes from `offset` on, in an ArrayBuffer of its own; shorter where the file ends. */
  getBytes(offset: number, length: number, signal?: AbortSignal): Promise<{ data: ArrayBuffer }>;
}

let unnamed = 0;

/**
 * `file` as a source of pmtiles: `new PMTiles(toPMTilesSource(file))`. `key` must be another for every archive in a
 * cache; it defaults to the file's path, or to a name that nothing else has.
 *
 * @example
 * ```ts
 * import { PMTiles } from 'pmtiles';
 * import { MappedFile } from 'sliding-mmap';
 * import { toPMTilesSource } from 'sliding-mmap/adapters';
 *
 * await using file = await MappedFile.open('data.bin');
 * const tiles = new PMTiles(toPMTilesSource(file));
 * console.log(tiles.source.getKey()); // → data.bin
 * ```
 */
export function toPMTilesSource(file: MappedFile, options: { key?: string | undefined } = {}): PMTilesSource {
  checkOptions(options);
  const key = options.key ?? file.path ?? `mapped-file:${++unnamed}`;
  return {
    getKey: () => key,
    async getBytes(offset, length, signal) {
      signal?.throwIfAborted();
      return { data: await arrayBufferAt(file, offset, length) };
    },
  };
}
