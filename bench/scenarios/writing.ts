/** Writing a file as a stream. */
import fs from 'node:fs';
import { MappedFile } from 'sliding-mmap';
import { type Contestant, type Scenario, sized } from '../harness.js';
import { scratch } from '../inputs.js';

const chunkSize = 64 * 1024;
const bytes = sized(2 ** 30, 2 ** 27);
const count = bytes / chunkSize;

/** Writes a new file in every round; its size is the result. */
function contestant(name: string, write: (path: string, chunk: Buffer) => unknown): Contestant {
  return {
    name,
    prepare() {
      const path = scratch('written');
      const chunk = Buffer.alloc(chunkSize, 'sixteen bytes of');
      const remove = (): void => fs.rmSync(path, { force: true });
      return {
        before: remove,
        async run() {
          await write(path, chunk);
          return fs.statSync(path).size;
        },
        close: remove,
      };
    },
  };
}

const ours = (...how: Parameters<typeof contestant>): Contestant => ({ ...contestant(...how), ours: true });

const writable = ours('writable()', async (path, chunk) => {
  const file = await MappedFile.open(path, 'w');
  const writer = file.writable().getWriter();
  for (let i = 0; i < count; i++) {
    void writer.write(chunk);
    if ((writer.desiredSize ?? 0) <= 0) await writer.ready;
  }
  await writer.close();
  await file.close();
});

const nodeStream = ours('createWriteStream() of the file', async (path, chunk) => {
  const file = await MappedFile.open(path, 'w');
  await intoNodeStream(file.createWriteStream(), chunk);
  await file.close();
});

const fsStream = contestant('fs.createWriteStream', (path, chunk) => intoNodeStream(fs.createWriteStream(path), chunk));

const writeSync = contestant('fs.writeSync', (path, chunk) => {
  const fd = fs.openSync(path, 'w');
  for (let i = 0; i < count; i++) fs.writeSync(fd, chunk);
  fs.closeSync(fd);
});

async function intoNodeStream(stream: NodeJS.WritableStream, chunk: Buffer): Promise<void> {
  for (let i = 0; i < count; i++) {
    if (!stream.write(chunk)) await new Promise((resolve) => stream.once('drain', resolve));
  }
  await new Promise<void>((resolve) => stream.end(resolve));
}

export const scenarios: Scenario[] = [
  {
    name: 'writing/stream',
    title: 'a new file in chunks of 64 KiB',
    work: () => ({ amount: bytes, unit: 'B' }),
    rounds: 5,
    contestants: [writable, nodeStream, fsStream, writeSync],
    targets: [{ contestant: writable.name, against: fsStream.name, atMost: 0.25 }],
  },
];
