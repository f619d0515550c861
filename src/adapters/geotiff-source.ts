import type { MappedFile } from '../mapped-file.js';
import { arrayBufferAt } from './bytes.js';
import { type AdapterOptions, closesFile } from './options.js';

/** A range of bytes, as geotiff names it. */
export interface GeoTiffSlice {
  /** Byte offset of the first byte. */
  offset: number;
  /** Bytes. */
  length: number;
}

/** What `GeoTIFF.fromSource` takes: geotiff's BaseSource. */
export interface GeoTiffSource {
  /** Size in bytes, as last seen. */
  readonly fileSize: number;
  /** Copies of ranges, each in an ArrayBuffer of its own; shorter where the file ends. */
  fetch(slices: GeoTiffSlice[], signal?: AbortSignal): Promise<ArrayBuffer[]>;
  /** A copy of one range. */
  fetchSlice(slice: GeoTiffSlice, signal?: AbortSignal): Promise<GeoTiffSlice & { data: ArrayBuffer }>;
  /** Closes the file where that was asked for. */
  close(): Promise<void>;
}

/**
 * `file` as a source of geotiff: `GeoTIFF.fromSource(toGeoTiffSource(file))`. Unlike geotiff's own source, it gives no
 * zeros for bytes behind the end of the file.
 *
 * @example
 * ```ts
 * import { GeoTIFF } from 'geotiff';
 * import { MappedFile } from 'sliding-mmap';
 * import { toGeoTiffSource } from 'sliding-mmap/adapters';
 *
 * await using file = await MappedFile.open('map.tiff');
 * const image = await (await GeoTIFF.fromSource(toGeoTiffSource(file))).getImage();
 * console.log(image.getWidth()); // → 40
 * ```
 */
export function toGeoTiffSource(file: MappedFile, options: AdapterOptions = {}): GeoTiffSource {
  const closes = closesFile(options);
  const one = (slice: GeoTiffSlice, signal?: AbortSignal): Promise<ArrayBuffer> => {
    signal?.throwIfAborted();
    return arrayBufferAt(file, slice.offset, slice.length);
  };
  return {
    get fileSize() {
      return file.size;
    },
    fetch: async (slices, signal) => Promise.all(slices.map((slice) => one(slice, signal))),
    fetchSlice: async (slice, signal) => ({ ...slice, data: await one(slice, signal) }),
    close: async () => (closes ? file.close() : undefined),
  };
}
