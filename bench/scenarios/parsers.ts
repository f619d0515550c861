/** Unmodified parsers that read many small pieces of a file in memory: by their own way to it, and by ours. */
import { RecordBatchReader } from 'apache-arrow';
import GeoTIFF, { fromFile } from 'geotiff';
import { type AsyncBuffer, parquetMetadataAsync, parquetReadObjects } from 'hyparquet';
import { asyncBufferFromFile } from 'hyparquet/src/node.js';
import { parseFile, parseFromTokenizer } from 'music-metadata';
import node from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { MappedFile } from 'sliding-mmap';
import {
  toAsyncBuffer,
  toFileHandle,
  toGeoTiffSource,
  toRandomAccessReader,
  toTokenizer,
  toUnzipperSource,
} from 'sliding-mmap/adapters';
import fs from 'sliding-mmap/fs';
import { EndOfStreamError } from 'strtok3';
import { Open } from 'unzipper';
import yauzl from 'yauzl';
import { writeArrow, writeGeoTiff, writeMp3, writeParquet, writeZip } from '../../test/parsers/files.js';
import { type Contestant, type Scenario, sized } from '../harness.js';
import { hash, input } from '../inputs.js';

const members = sized(15_000, 3000);
const zip = (): Promise<string> => input(`zip-${members}`, (file) => writeZip(file, members));
const rows = sized(200_000, 50_000);
const parquet = (): Promise<string> => input(`parquet-${rows}`, async (file) => writeParquet(file, rows, 500));
const batches = sized(4000, 1000);
const arrow = (): Promise<string> => input(`arrow-${batches}`, async (file) => writeArrow(file, batches, 50));
const height = sized(10_000, 4000);
const tiff = (): Promise<string> => input(`tiff-${height}`, async (file) => writeGeoTiff(file, 2000, height));
const frames = sized(30_000, 10_000);
const mp3 = (): Promise<string> => input(`mp3-${frames}`, async (file) => writeMp3(file, frames));

/** Parses by what `sliding-mmap` opens once. */
function byAdapter(
  name: string,
  file: () => Promise<string>,
  parse: (file: MappedFile) => Promise<unknown>,
): Contestant {
  return {
    name,
    ours: true,
    async prepare() {
      const mapped = await MappedFile.open(await file());
      return { run: () => parse(mapped), close: () => mapped.close() };
    },
  };
}

/** Parses by the parser's own way. */
function byPath(name: string, file: () => Promise<string>, parse: (path: string) => Promise<unknown>): Contestant {
  return {
    name,
    async prepare() {
      const path = await file();
      return { run: () => parse(path) };
    },
  };
}

/** As {@link byPath}, with `sliding-mmap/fs` in the place of node:fs: a contestant has a process of its own. */
function byModule(file: () => Promise<string>, parse: (path: string) => Promise<unknown>): Contestant {
  return {
    name: 'sliding-mmap/fs in its place',
    ours: true,
    async prepare() {
      for (const [name, value] of Object.entries(fs)) {
        if (typeof value === 'function') Object.assign(node, { [name]: value });
      }
      Object.assign(node.promises, fs.promises);
      syncBuiltinESMExports();
      const path = await file();
      return { run: () => parse(path) };
    },
  };
}

function listZip(openZip: (done: (error: Error | null, zip: yauzl.ZipFile) => void) => void): Promise<number> {
  return new Promise((resolve, reject) => {
    openZip((error, zip) => {
      if (error) return reject(error);
      let total = 0;
      zip.on('entry', (entry: yauzl.Entry) => {
        total += entry.uncompressedSize;
        zip.readEntry();
      });
      zip.on('error', reject);
      zip.on('end', () => resolve(total));
      zip.readEntry();
    });
  });
}
const listByPath = (path: string): Promise<number> => listZip((done) => yauzl.open(path, { lazyEntries: true }, done));

async function someMembers(directory: Awaited<ReturnType<typeof Open.file>>): Promise<number> {
  let total = 0;
  for (let i = 0; i < 200; i++) {
    total += (await directory.files[hash(i) % directory.files.length]!.buffer()).length;
  }
  return total;
}

const lookUps = sized(200, 50);
async function someRows(file: AsyncBuffer): Promise<number> {
  const metadata = await parquetMetadataAsync(file);
  let total = 0;
  for (let i = 0; i < lookUps; i++) {
    const rowStart = hash(i) % rows;
    const found = await parquetReadObjects({ file, metadata, rowStart, rowEnd: rowStart + 1 });
    total += found[0]!['id'] as number;
  }
  return total;
}

async function allBatches(handle: FileHandle): Promise<number> {
  let total = 0;
  for await (const batch of await RecordBatchReader.from(handle)) total += batch.numRows;
  return total;
}

const places = sized(2000, 500);
async function somePixels(image: GeoTIFF): Promise<number> {
  const first = await image.getImage();
  let total = 0;
  for (let i = 0; i < places; i++) {
    const [x, y] = [hash(i) % 1990, hash(i + 1e6) % (height - 1)];
    const [band] = (await first.readRasters({ window: [x, y, x + 4, y + 1] })) as unknown as Uint8Array[];
    total += band![0]!;
  }
  return total;
}

const duration = { duration: true };

export const scenarios: Scenario[] = [
  {
    name: 'parsers/yauzl',
    title: 'listing a zip, one entry after the other',
    work: () => ({ amount: members, unit: 'op' }),
    setUp: async () => void (await zip()),
    contestants: [
      byPath('yauzl.open', zip, listByPath),
      byModule(zip, listByPath),
      byAdapter('toRandomAccessReader', zip, (file) =>
        listZip((done) => {
          yauzl.fromRandomAccessReader(toRandomAccessReader(file), file.size, { lazyEntries: true }, done);
        }),
      ),
    ],
  },
  {
    name: 'parsers/unzipper',
    title: 'the directory of a zip, and 200 of its members',
    work: () => ({ amount: 200, unit: 'op' }),
    setUp: async () => void (await zip()),
    contestants: [
      byPath('Open.file', zip, async (path) => someMembers(await Open.file(path))),
      byAdapter('toUnzipperSource', zip, async (file) => someMembers(await Open.custom(toUnzipperSource(file)))),
    ],
  },
  {
    name: 'parsers/hyparquet',
    title: 'single rows of a Parquet file, in row groups of 500',
    work: () => ({ amount: lookUps, unit: 'op' }),
    setUp: async () => void (await parquet()),
    contestants: [
      byPath('asyncBufferFromFile', parquet, async (path) => someRows(await asyncBufferFromFile(path))),
      byAdapter('toAsyncBuffer', parquet, (file) => someRows(toAsyncBuffer(file))),
    ],
  },
  {
    name: 'parsers/arrow',
    title: 'all record batches of an Arrow file, 50 rows each',
    work: () => ({ amount: batches, unit: 'op' }),
    setUp: async () => void (await arrow()),
    contestants: [
      byPath('FileHandle', arrow, async (path) => allBatches(await open(path))),
      byAdapter('toFileHandle', arrow, (file) => allBatches(toFileHandle(file))),
    ],
  },
  {
    name: 'parsers/geotiff',
    title: 'four pixels at random places of a GeoTIFF in strips of one row',
    work: () => ({ amount: places, unit: 'op' }),
    setUp: async () => void (await tiff()),
    contestants: [
      byPath('fromFile', tiff, async (path) => {
        const image = await fromFile(path);
        const total = await somePixels(image);
        await image.close();
        return total;
      }),
      byAdapter('toGeoTiffSource', tiff, async (file) => somePixels(await GeoTIFF.fromSource(toGeoTiffSource(file)))),
    ],
  },
  {
    name: 'parsers/music-metadata',
    title: 'the duration of an MP3, by its frames',
    work: () => ({ amount: frames, unit: 'op' }),
    setUp: async () => void (await mp3()),
    contestants: [
      byPath('parseFile', mp3, async (path) => (await parseFile(path, duration)).format.duration),
      byAdapter('toTokenizer', mp3, async (file) => {
        return (await parseFromTokenizer(toTokenizer(file, { EndOfStreamError }), duration)).format.duration;
      }),
    ],
  },
];
