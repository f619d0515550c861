/** Files for the parsers, written by other hands than ours. */
import {
  Field,
  Int32,
  RecordBatch,
  Schema,
  Struct,
  Table,
  tableToIPC,
  Utf8,
  vectorFromArray,
  makeData,
} from 'apache-arrow';
import { writeArrayBuffer } from 'geotiff';
import { parquetWriteBuffer } from 'hyparquet-writer';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { pack } from 'tar-stream';
import { ZipFile } from 'yazl';
import { create, root, set } from 'zarrita';
import FileSystemStore from '@zarrita/storage/fs';

const require = createRequire(import.meta.url);
const numbers = (count: number): number[] => Array.from({ length: count }, (_, i) => (i * 7919) % 10_007);

/** A zip of `count` members, some deflated and some stored. */
export async function writeZip(file: string, count: number): Promise<void> {
  const zip = new ZipFile();
  for (let i = 0; i < count; i++) {
    const content = Buffer.from(`${'some text, '.repeat(i % 100)}${i}`);
    zip.addBuffer(content, `folder-${i % 10}/member-${i}.txt`, { compress: i % 3 !== 0, mtime: new Date(2020, 1, 1) });
  }
  zip.end();
  await pipeline(zip.outputStream, fs.createWriteStream(file));
}

/** A Parquet file of `rows` rows in groups of `group`. */
export function writeParquet(file: string, rows: number, group: number): void {
  const values = numbers(rows);
  const columnData = [
    { name: 'id', data: values, type: 'INT32' as const },
    { name: 'half', data: values.map((value) => value / 2), type: 'DOUBLE' as const },
    { name: 'text', data: values.map((value) => `row ${value}`), type: 'STRING' as const },
  ];
  fs.writeFileSync(file, new Uint8Array(parquetWriteBuffer({ columnData, rowGroupSize: group })));
}

/** An Arrow file of `batches` record batches of `rows` rows. */
export function writeArrow(file: string, batches: number, rows: number): void {
  const schema = new Schema([new Field('number', new Int32()), new Field('text', new Utf8())]);
  const all = Array.from({ length: batches }, (_, batch) => {
    const values = numbers(rows).map((value) => value + batch);
    const children = [
      vectorFromArray(values, new Int32()).data[0]!,
      vectorFromArray(
        values.map((value) => `row ${value}`),
        new Utf8(),
      ).data[0]!,
    ];
    return new RecordBatch(schema, makeData({ type: new Struct(schema.fields), length: rows, children }));
  });
  fs.writeFileSync(file, tableToIPC(new Table(schema, all), 'file'));
}

/** A GeoTIFF of one band in strips of one row. */
export function writeGeoTiff(file: string, width: number, height: number): void {
  const values = Uint8Array.from({ length: width * height }, (_, i) => (i * 31 + (i >> 8)) & 0xff);
  const bytes = writeArrayBuffer(values, {
    width,
    height,
    ModelPixelScale: [0.5, 0.5, 0],
    ModelTiepoint: [0, 0, 0, -20, 50, 0],
    GeographicTypeGeoKey: 4326,
  });
  fs.writeFileSync(file, new Uint8Array(bytes));
}

/** An MP3 of `frames` silent frames (MPEG 1 layer III, 128 kbit/s, 44.1 kHz) behind an ID3v2.3 tag. */
export function writeMp3(file: string, frames: number): void {
  const textFrame = (id: string, value: string): Buffer => {
    const body = Buffer.concat([Buffer.from([0]), Buffer.from(value, 'latin1')]);
    const head = Buffer.alloc(10);
    head.write(id, 'latin1');
    head.writeUInt32BE(body.length, 4);
    return Buffer.concat([head, body]);
  };
  const tag = Buffer.concat([textFrame('TIT2', 'Silence'), textFrame('TPE1', 'Nobody'), textFrame('TRCK', '3/9')]);
  const head = Buffer.from([0x49, 0x44, 0x33, 3, 0, 0, 0, 0, tag.length >> 7, tag.length & 0x7f]);
  const frame = Buffer.alloc(417);
  frame.writeUInt32BE(0xfffb9064);
  fs.writeFileSync(file, Buffer.concat([head, tag, ...Array<Buffer>(frames).fill(frame)]));
}

/** A tar of `count` members of up to `most` bytes. */
export async function writeTar(file: string, count: number, most: number): Promise<void> {
  const tar = pack();
  for (let i = 0; i < count; i++) {
    const content = Buffer.alloc((i * 997) % most, `content ${i} `);
    tar.entry({ name: `${'long/'.repeat(i % 30)}member-${i}`, mtime: new Date(1e12), mode: 0o644 }, content);
  }
  tar.finalize();
  await pipeline(tar, fs.createWriteStream(file));
}

/** A Zarr store with one array, in a folder. */
export async function writeZarr(folder: string): Promise<void> {
  const shape = [40, 30];
  const store = new FileSystemStore(folder);
  const array = await create(root(store).resolve('/array'), {
    dtype: 'int32',
    shape,
    chunkShape: [16, 16],
    attributes: { unit: 'm' },
  });
  await set(array, null, { data: Int32Array.from(numbers(1200)), shape, stride: [30, 1] });
}

/** A photograph with Exif, which comes with a package. */
export function photograph(): string {
  return path.join(path.dirname(require.resolve('exif-parser/package.json')), 'test/starfish.jpg');
}
