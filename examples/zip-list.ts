/**
 * Lists zip archives by yauzl, which reads a few bytes for every entry: `node out/examples/zip-list.js FILE…`. The
 * archive is mapped, so that these reads are copies out of memory and no system calls.
 */
import { MappedFile } from 'sliding-mmap';
import { toRandomAccessReader } from 'sliding-mmap/adapters';
import yauzl from 'yauzl';

async function list(path: string): Promise<void> {
  const file = await MappedFile.open(path);
  const reader = toRandomAccessReader(file, { autoClose: true });
  await new Promise<void>((resolve, reject) => {
    yauzl.fromRandomAccessReader(reader, file.size, { lazyEntries: true }, (error, zip) => {
      if (error) {
        void file.close().then(() => reject(error), reject);
        return;
      }
      zip.on('entry', (entry: yauzl.Entry) => {
        const time = entry.getLastModDate().toISOString().slice(0, 16).replace('T', ' ');
        console.log(`${String(entry.uncompressedSize).padStart(12)}  ${time}  ${entry.fileName}`);
        zip.readEntry();
      });
      zip.on('error', reject);
      zip.on('close', resolve);
      zip.readEntry();
    });
  });
}

async function main(paths: readonly string[]): Promise<void> {
  for (const path of paths) await list(path);
}

const paths = process.argv.slice(2);
if (paths.length === 0) {
  console.error('Usage: zip-list FILE…');
  process.exitCode = 2;
} else {
  main(paths).catch((error: Error) => {
    console.error(`zip-list: ${error.message}`);
    process.exitCode = 1;
  });
}
