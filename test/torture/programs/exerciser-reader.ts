/**
 * Reads a whole file each time it is asked, and answers with its size and hash.
 * Arguments: the file; 'plain' for node:fs, 'mapped' for a MappedFile that stays open all the time; the seed.
 */
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { MappedFile, WindowPool } from 'sliding-mmap';
import { Random } from '../support.js';

const [path = '', kind = '', seed = ''] = process.argv.slice(2);
const random = new Random(Number(seed));

function plainReader(): () => Buffer {
  const fd = fs.openSync(path, 'r');
  return () => {
    const bytes = Buffer.alloc(fs.fstatSync(fd).size);
    return bytes.subarray(0, fs.readSync(fd, bytes, 0, bytes.length, 0));
  };
}

function mappedReader(): () => Buffer {
  const file = MappedFile.openSync(path, 'r', { windowSize: 1, pool: new WindowPool({ limit: 2 ** 20 }) });
  return () => {
    const size = file.refreshSync();
    const pieces: Buffer[] = [];
    for (let position = 0; position < size;) {
      const end = Math.min(size, position + random.pick([1, 7, 64, 5000, 50_000]));
      if (random.chance(0.5)) pieces.push(file.sliceSync(position, end));
      else for (const chunk of file.chunks({ start: position, end })) pieces.push(Buffer.from(chunk));
      position = end;
    }
    return Buffer.concat(pieces);
  };
}

const read = kind === 'plain' ? plainReader() : mappedReader();
process.on('message', () => {
  const bytes = read();
  process.send?.({ size: bytes.length, hash: createHash('sha1').update(bytes).digest('hex') });
});
process.send?.('ready');
