/**
 * The shapes that parsers take, over a `MappedFile`. Closing one does not close the file, unless `autoClose` asks
 * for that.
 */
export { type AsyncBuffer, toAsyncBuffer } from './async-buffer.js';
export { toBlob } from './blob.js';
export type { Callback } from './bytes.js';
export { toFetch } from './fetch.js';
export { toFileHandle } from './file-handle.js';
export { type GeoTiffSlice, type GeoTiffSource, toGeoTiffSource } from './geotiff-source.js';
export { toGetter } from './getter.js';
export type { AdapterOptions } from './options.js';
export { type PMTilesSource, toPMTilesSource } from './pmtiles-source.js';
export { type RandomAccessReader, toRandomAccessReader } from './random-access-reader.js';
export { type StorageConstructor, type StorageImplementation, toRandomAccessStorage } from './random-access-storage.js';
export {
  type Token,
  type Tokenizer,
  type TokenizerOptions,
  type TokenizerReadOptions,
  toTokenizer,
} from './tokenizer.js';
export { toUnzipperSource, type UnzipperSource } from './unzipper-source.js';
export { toZarrStore, type ZarrRange, type ZarrStore } from './zarr-store.js';
