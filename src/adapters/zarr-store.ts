import type { MappedFile } from '../mapped-file.js';
import { bytesAt } from './bytes.js';

/** A range of a Zarr chunk, as zarrita names it, in bytes. */
export type ZarrRange = { offset: number; length: number } | { suffixLength: number };

/** What `zarrita.open` takes: zarrita's AsyncReadable. */
export interface ZarrStore {
  /** All bytes of a key. */
  get(key: `/${string}`, options?: { signal?: AbortSignal }): Promise<Uint8Array | undefined>;
  /** A range of them; shorter where the file ends. */
  getRange(key: `/${string}`, range: ZarrRange, options?: { signal?: AbortSignal }): Promise<Uint8Array | undefined>;
}

/**
 * A store of zarrita over files that stay mapped. `find` gives the file of a key (`/`, then a path in the store), or
 * `undefined` where there is none; it is asked at every read, so keep the files that it opens.
 *
 * It pays for arrays with shards, of which many small ranges are read. An array in one zip archive goes by
 * `ZipFileStore.fromBlob(toBlob(file))`.
 *
 * @example
 * ```ts
 * import { MappedFile } from 'sliding-mmap';
 * import { toZarrStore } from 'sliding-mmap/adapters';
 *
 * await using file = await MappedFile.open('access.log');
 * const store = toZarrStore((key) => (key === '/log' ? file : undefined));
 * console.log(Buffer.from((await store.get('/log'))!).length === file.size); // → true
 * ```
 */
export function toZarrStore(
  find: (key: `/${string}`) => MappedFile | undefined | Promise<MappedFile | undefined>,
): ZarrStore {
  return {
    async get(key, options) {
      options?.signal?.throwIfAborted();
      return (await find(key))?.slice();
    },
    async getRange(key, range, options) {
      options?.signal?.throwIfAborted();
      const file = await find(key);
      if (file === undefined) return undefined;
      if (!('suffixLength' in range)) return bytesAt(file, range.offset, range.length);
      return bytesAt(file, Math.max(0, file.refreshSync() - range.suffixLength), range.suffixLength);
    },
  };
}
