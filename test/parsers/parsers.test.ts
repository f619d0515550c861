/** Unmodified parsers: what they find by our ways to a file is what they find by node:fs. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { Folder } from '../helpers/files.js';
import { exifrFails } from '../helpers/systems.js';
import type { ParserName } from './cases.js';
import { compareModules, comparesAdapters } from './compare.js';
import {
  photograph,
  writeArrow,
  writeGeoTiff,
  writeMp3,
  writeParquet,
  writeTar,
  writeZarr,
  writeZip,
} from './files.js';

describe('parsers', () => {
  let folder: Folder;
  const at = (name: string) => (): string => folder.join(name);

  // Written once: it takes longer than to parse them. The hook after every test looks at what is open, not at folders.
  before(async () => {
    folder = new Folder();
    await writeZip(folder.join('a.zip'), 300);
    writeParquet(folder.join('a.parquet'), 2000, 100);
    writeArrow(folder.join('a.arrow'), 8, 500);
    writeGeoTiff(folder.join('a.tif'), 200, 150);
    writeMp3(folder.join('a.mp3'), 400);
    await writeTar(folder.join('a.tar'), 60, 3000);
    await writeZarr(folder.join('a.zarr'));
    fs.copyFileSync(photograph(), folder.join('a.jpg'));
  });
  after(() => folder[Symbol.dispose]());

  comparesAdapters('yauzl', at('a.zip'));
  comparesAdapters('unzipper', at('a.zip'));
  comparesAdapters('hyparquet', at('a.parquet'));
  comparesAdapters('apache-arrow', at('a.arrow'));
  comparesAdapters('geotiff', at('a.tif'));
  comparesAdapters('music-metadata', at('a.mp3'));
  comparesAdapters('exifr', at('a.jpg'), exifrFails);
  comparesAdapters('tar-stream', at('a.tar'));
  comparesAdapters('zarrita', at('a.zarr'));

  it('find the same by their own ways, with sliding-mmap/fs in the place of node:fs', async () => {
    const inputs = (
      [
        ['yauzl', 'a.zip'],
        ['yauzl, by descriptor', 'a.zip'],
        ['unzipper', 'a.zip'],
        ['hyparquet', 'a.parquet'],
        ['apache-arrow', 'a.arrow'],
        ['geotiff', 'a.tif'],
        ['music-metadata', 'a.mp3'],
        ...(exifrFails === false ? [['exifr', 'a.jpg']] : []),
        ['tar-stream', 'a.tar'],
        ['zarrita', 'a.zarr'],
      ] as Array<[ParserName, string]>
    ).map(([parser, name]) => ({ parser, path: folder.join(name) }));
    const readers = await compareModules(inputs);
    // The others read by handles, or blocking.
    for (const name of ['yauzl', 'yauzl, by descriptor', 'unzipper'])
      assert.ok(readers.includes(name as ParserName), `${name} is not among ${readers.join()}`);
  });
});
