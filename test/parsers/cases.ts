/** Parsers, each by its own way to a file and by ours. None is modified. */
import { RecordBatchReader } from 'apache-arrow';
import exifr from 'exifr';
import GeoTIFF, { fromFile } from 'geotiff';
import { type AsyncBuffer, parquetMetadataAsync, parquetReadObjects } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { asyncBufferFromFile } from 'hyparquet/src/node.js';
import { Reader } from 'mmdb-lib';
import { type IAudioMetadata, parseBlob, parseFile, parseFromTokenizer } from 'music-metadata';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { MappedFile } from 'sliding-mmap';
import {
  toAsyncBuffer,
  toBlob,
  toFetch,
  toFileHandle,
  toGeoTiffSource,
  toRandomAccessReader,
  toTokenizer,
  toUnzipperSource,
  toZarrStore,
} from 'sliding-mmap/adapters';
import { EndOfStreamError } from 'strtok3';
import { extract } from 'tar-stream';
import { Open } from 'unzipper';
import yauzl from 'yauzl';
import { FetchStore, type AsyncReadable, get, open as openZarr, root } from 'zarrita';
import FileSystemStore from '@zarrita/storage/fs';

/** Parses a file, and gives what can be compared with what another way gave. */
export type Way = (path: string) => Promise<unknown>;

/** The ways of a parser to a file. */
export interface Parser {
  /** The parser's own. */
  readonly own: Way;
  /** By the adapters. */
  readonly ours: Readonly<Record<string, Way>>;
}

const hashed = (bytes: Uint8Array | string): string => createHash('sha256').update(bytes).digest('hex');

/** Opens a file for a parse. */
async function mapped<T>(path: string, parse: (file: MappedFile) => Promise<T>): Promise<T> {
  await using file = await MappedFile.open(path);
  return await parse(file);
}

// --- zip ---------------------------------------------------------------------------------------------------------

/** The entries, and every so many of their contents. */
function zipContents(openZip: (done: (error: Error | null, zip: yauzl.ZipFile) => void) => void): Promise<unknown[]> {
  return new Promise((resolve, reject) => {
    openZip((error, zip) => {
      if (error) return reject(error);
      const found: unknown[] = [];
      const every = Math.ceil(zip.entryCount / 50);
      const next = async (entry: yauzl.Entry): Promise<void> => {
        const { fileName, compressedSize, uncompressedSize, crc32, lastModFileTime } = entry;
        const about = [fileName, compressedSize, uncompressedSize, crc32, lastModFileTime];
        const wanted = zip.entriesRead % every === 0 && !fileName.endsWith('/');
        found.push([...about, wanted && hashed(await buffer(await zip.openReadStreamPromise(entry)))]);
        zip.readEntry();
      };
      zip.on('entry', (entry: yauzl.Entry) => void next(entry).catch(reject));
      zip.on('error', reject);
      zip.on('close', () => resolve(found));
      zip.readEntry();
    });
  });
}

const lazy = { lazyEntries: true };

const zip: Parser = {
  own: (path) => zipContents((done) => yauzl.open(path, lazy, done)),
  ours: {
    toRandomAccessReader: (path) =>
      mapped(path, (file) =>
        zipContents((done) => {
          yauzl.fromRandomAccessReader(toRandomAccessReader(file), file.size, lazy, done);
        }),
      ),
    'toRandomAccessReader, closing': async (path) => {
      const file = await MappedFile.open(path);
      const reader = toRandomAccessReader(file, { autoClose: true });
      const found = await zipContents((done) => yauzl.fromRandomAccessReader(reader, file.size, lazy, done));
      if (!file.closed) throw new Error('the file is still open');
      return found;
    },
  },
};

/** By descriptor, which is what `sliding-mmap/fs` gives, too. */
const zipByDescriptor: Parser = {
  own: (path) => zipContents((done) => yauzl.fromFd(fs.openSync(path, 'r'), { ...lazy, autoClose: true }, done)),
  ours: {},
};

async function unzipped(directory: Awaited<ReturnType<typeof Open.file>>): Promise<unknown[]> {
  const found: unknown[] = [];
  const every = Math.ceil(directory.files.length / 50);
  for (const [i, entry] of directory.files.entries()) {
    const { path, compressedSize, uncompressedSize } = entry;
    const wanted = i % every === 0 && entry.type === 'File';
    found.push([path, compressedSize, uncompressedSize, wanted && hashed(await entry.buffer())]);
  }
  return found;
}

const unzipper: Parser = {
  own: async (path) => unzipped(await Open.file(path)),
  ours: {
    toUnzipperSource: (path) => mapped(path, async (file) => unzipped(await Open.custom(toUnzipperSource(file)))),
  },
};

// --- tables ------------------------------------------------------------------------------------------------------

async function parquetRows(file: AsyncBuffer): Promise<unknown> {
  const metadata = await parquetMetadataAsync(file);
  const rows = Number(metadata.num_rows);
  const some: unknown[] = [];
  for (const rowStart of [0, Math.floor(rows / 2), Math.max(0, rows - 20)]) {
    some.push(
      await parquetReadObjects({ file, metadata, compressors, rowStart, rowEnd: Math.min(rows, rowStart + 20) }),
    );
  }
  return [rows, metadata.schema, some];
}

const parquet: Parser = {
  own: async (path) => parquetRows(await asyncBufferFromFile(path)),
  ours: { toAsyncBuffer: (path) => mapped(path, (file) => parquetRows(toAsyncBuffer(file))) },
};

async function arrowBatches(handle: FileHandle): Promise<unknown> {
  const found: unknown[] = [];
  // It closes the handle.
  for await (const batch of await RecordBatchReader.from(handle)) {
    const columns = batch.schema.fields.map((field, i) => {
      const values = batch.getChildAt(i)!.toArray() as ArrayBufferView | unknown[];
      const bytes = ArrayBuffer.isView(values)
        ? Buffer.from(values.buffer, values.byteOffset, values.byteLength)
        : JSON.stringify(values);
      return [String(field), hashed(bytes)];
    });
    found.push([batch.numRows, columns]);
  }
  return found;
}

const arrow: Parser = {
  own: async (path) => arrowBatches(await open(path)),
  ours: {
    toFileHandle: (path) => mapped(path, (file) => arrowBatches(toFileHandle(file))),
  },
};

// --- pictures, sound ---------------------------------------------------------------------------------------------

async function rasters(tiff: GeoTIFF): Promise<unknown> {
  const image = await tiff.getImage();
  const [width, height] = [image.getWidth(), image.getHeight()];
  const parts: unknown[] = [];
  for (let y = 0; y < height; y += Math.ceil(height / 7)) {
    const window = [width >> 2, y, (width >> 2) + 30, Math.min(height, y + 5)];
    const [band] = (await image.readRasters({ window })) as unknown as Uint8Array[];
    parts.push(hashed(Buffer.from(band!.buffer, band!.byteOffset, band!.byteLength)));
  }
  return [await tiff.getImageCount(), width, height, image.getOrigin(), image.getResolution(), parts];
}

const geotiff: Parser = {
  async own(path) {
    const tiff = await fromFile(path);
    const found = await rasters(tiff);
    await tiff.close();
    return found;
  },
  ours: {
    toGeoTiffSource: (path) => mapped(path, async (file) => rasters(await GeoTIFF.fromSource(toGeoTiffSource(file)))),
  },
};

const told = ({ format, common, native, quality }: IAudioMetadata): unknown => [format, common, native, quality];

const music: Parser = {
  own: async (path) => told(await parseFile(path, { duration: true })),
  ours: {
    toTokenizer: (path) =>
      mapped(path, async (file) =>
        told(await parseFromTokenizer(toTokenizer(file, { EndOfStreamError }), { duration: true })),
      ),
    toBlob: (path) => mapped(path, async (file) => told(await parseBlob(toBlob(file), { duration: true }))),
  },
};

const everything = { tiff: true, exif: true, gps: true, interop: true, ifd1: true, iptc: true, xmp: true, icc: true };

const exif: Parser = {
  own: async (path) => exifr.parse(path, everything) as Promise<unknown>,
  ours: {
    view: (path) =>
      mapped(path, async (file) => {
        using view = file.view();
        // Some values are parts of the view.
        return structuredClone(await exifr.parse(view.bytes, everything)) as unknown;
      }),
  },
};

// --- the rest ----------------------------------------------------------------------------------------------------

async function tarContents(stream: Readable): Promise<unknown> {
  const found: unknown[] = [];
  const unpack = extract();
  const read = (async () => {
    for await (const entry of unpack) found.push([entry.header, hashed(await buffer(entry))]);
  })();
  await pipeline(stream, unpack);
  await read;
  return found;
}

const tar: Parser = {
  own: (path) => tarContents(fs.createReadStream(path)),
  ours: {
    createReadStream: (path) => mapped(path, (file) => tarContents(file.createReadStream())),
  },
};

function lookUps(database: Buffer): unknown {
  const reader = new Reader(database);
  const found: unknown[] = [reader.metadata];
  for (let i = 1; i < 224; i++) found.push(reader.getWithPrefixLength(`${i}.${(i * 37) % 256}.${i % 7}.1`));
  return found;
}

const mmdb: Parser = {
  own: async (path) => lookUps(fs.readFileSync(path)),
  ours: {
    view: (path) =>
      mapped(path, async (file) => {
        using view = file.view();
        return lookUps(Buffer.from(view.buffer, view.byteOffset, view.length));
      }),
  },
};

async function zarrArray(store: AsyncReadable): Promise<unknown> {
  const array = await openZarr(root(store).resolve('/array'), { kind: 'array' });
  const { data } = (await get(array)) as { data: Int32Array };
  return [array.shape, array.attrs, [...data]];
}

const zarr: Parser = {
  own: (path) => zarrArray(new FileSystemStore(path)),
  ours: {
    async toZarrStore(path) {
      const files = new Map<string, MappedFile>();
      const find = (key: string): MappedFile | undefined => {
        if (!files.has(key) && fs.existsSync(path + key)) files.set(key, MappedFile.openSync(path + key));
        return files.get(key);
      };
      try {
        return await zarrArray(toZarrStore(find));
      } finally {
        for (const file of files.values()) await file.close();
      }
    },
    toFetch: (path) =>
      zarrArray(
        new FetchStore('http://files/', {
          async fetch(request) {
            const name = path + new URL(request.url).pathname;
            if (!fs.existsSync(name)) return new Response(null, { status: 404 });
            return mapped(name, async (file) => {
              const response = await toFetch(file)(request);
              return new Response(await response.arrayBuffer(), response);
            });
          },
        }),
      ),
  },
};

export const parsers = {
  yauzl: zip,
  'yauzl, by descriptor': zipByDescriptor,
  unzipper: unzipper,
  hyparquet: parquet,
  'apache-arrow': arrow,
  geotiff: geotiff,
  'music-metadata': music,
  exifr: exif,
  'tar-stream': tar,
  'mmdb-lib': mmdb,
  zarrita: zarr,
} as const satisfies Record<string, Parser>;

export type ParserName = keyof typeof parsers;

/** A result as JSON, so that results of other processes can be compared. */
export function comparable(result: unknown): string {
  return JSON.stringify(
    result,
    (_, value: unknown) =>
      typeof value === 'bigint'
        ? `${value}n`
        : ArrayBuffer.isView(value)
          ? Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('hex')
          : value,
    1,
  );
}
