/**
 * The adapters against the parsers' own declarations: `tsc -b` is the test, and nothing here is run.
 */
import { RecordBatchReader } from 'apache-arrow';
import { Copc } from 'copc';
import { GeoTIFF } from 'geotiff';
import { type AsyncBuffer, parquetReadObjects } from 'hyparquet';
import { parseFromTokenizer } from 'music-metadata';
import { FetchSource, PMTiles, type Source } from 'pmtiles';
import RandomAccessStorage from 'random-access-storage';
import type { MappedFile } from 'sliding-mmap';
import {
  toAsyncBuffer,
  toBlob,
  toFetch,
  toFileHandle,
  toGeoTiffSource,
  toGetter,
  toPMTilesSource,
  toRandomAccessReader,
  toRandomAccessStorage,
  toTokenizer,
  toUnzipperSource,
  toZarrStore,
} from 'sliding-mmap/adapters';
import type { FileHandle } from 'node:fs/promises';
import { EndOfStreamError, type IRandomAccessTokenizer } from 'strtok3';
import { Open } from 'unzipper';
import yauzl from 'yauzl';
import ZipFileStore from '@zarrita/storage/zip';
import { type AsyncReadable, FetchStore, open } from 'zarrita';

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
/** Compiles only where the type of `value` is exactly `T`. */
function exact<T>() {
  return <V>(value: V, same: Equal<V, T>): void => void [value, same];
}

export async function use(file: MappedFile, files: Map<string, MappedFile>): Promise<void> {
  const blob: Blob = toBlob(file, 1, 2, { type: 'text/plain' });
  exact<ZipFileStore>()(ZipFileStore.fromBlob(blob), true);

  const buffer: AsyncBuffer = toAsyncBuffer(file);
  await parquetReadObjects({ file: buffer });

  yauzl.fromRandomAccessReader(toRandomAccessReader(file, { autoClose: true }), file.size, (error, zip) => {
    void [error, zip.entryCount];
  });
  await Open.custom(toUnzipperSource(file));

  exact<FileHandle>()(toFileHandle(file), true);
  await RecordBatchReader.from(toFileHandle(file));

  await Copc.create(toGetter(file));
  await GeoTIFF.fromSource(toGeoTiffSource(file));

  const source: Source = toPMTilesSource(file, { key: 'tiles' });
  void [new PMTiles(source), FetchSource];

  const storage = toRandomAccessStorage(file, RandomAccessStorage);
  exact<RandomAccessStorage>()(storage, true);
  toRandomAccessStorage(async (writing) => (exact<boolean>()(writing, true), file), RandomAccessStorage);

  const tokenizer: IRandomAccessTokenizer = toTokenizer(file, { EndOfStreamError });
  await parseFromTokenizer(tokenizer);

  const store: AsyncReadable = toZarrStore((key) => files.get(key));
  await open(store, { kind: 'array' });

  exact<typeof fetch>()(toFetch(file), true);
  await open(new FetchStore('http://file/', { fetch: toFetch(file) }), { kind: 'group' });

  // @ts-expect-error a descriptor is no file
  toAsyncBuffer(3);
  // @ts-expect-error unknown options
  toFileHandle(file, { autoclose: true });
}
