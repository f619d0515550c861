/** What it costs to begin: open and close, and the first byte. */
import fs from 'node:fs';
import promises from 'node:fs/promises';
import { MappedFile } from 'sliding-mmap';
import { type Contestant, type Scenario, sized } from '../harness.js';
import { binary } from '../inputs.js';

const bytes = sized(2 ** 30, 2 ** 28);
const opens = sized(10_000, 2_000);
const path = (): string => binary(bytes);
const common = { work: () => ({ amount: opens, unit: 'op' }) as const, setUp: () => void path() };

/** Opens the file again and again; `use` gives a byte of it, or anything that is the same each time. */
function contestant(name: string, use: (path: string) => number): Contestant {
  return {
    name,
    ours: name.startsWith('MappedFile'),
    prepare: () => ({
      run() {
        let total = 0;
        for (let i = 0; i < opens; i++) total += use(path());
        return total;
      },
    }),
  };
}

function awaited(name: string, use: (path: string) => Promise<number>): Contestant {
  return {
    name,
    ours: name.startsWith('MappedFile'),
    prepare: () => ({
      async run() {
        let total = 0;
        for (let i = 0; i < opens; i++) total += await use(path());
        return total;
      },
    }),
  };
}

export const scenarios: Scenario[] = [
  {
    ...common,
    name: 'opening/sync',
    title: 'open and close, nothing is read',
    contestants: [
      contestant('MappedFile.openSync', (path) => {
        const file = MappedFile.openSync(path);
        file.closeSync();
        return 1;
      }),
      contestant('fs.openSync', (path) => {
        fs.closeSync(fs.openSync(path, 'r'));
        return 1;
      }),
    ],
    alone: true,
    targets: [{ contestant: 'MappedFile.openSync', against: 'fs.openSync', atMost: 3 }],
  },
  {
    ...common,
    name: 'opening/async',
    title: 'open and close, awaited, nothing is read',
    contestants: [
      awaited('MappedFile.open', async (path) => {
        const file = await MappedFile.open(path);
        await file.close();
        return 1;
      }),
      awaited('fs.promises.open', async (path) => {
        const handle = await promises.open(path);
        await handle.close();
        return 1;
      }),
    ],
    alone: true,
    targets: [{ contestant: 'MappedFile.open', against: 'fs.promises.open', atMost: 3 }],
  },
  {
    ...common,
    name: 'opening/first-byte',
    // Without the peers: they unmap when the collector comes, which by then would have to find some TiB.
    title: 'open, one byte from the middle, close',
    contestants: [
      contestant('MappedFile.openSync', (path) => {
        const file = MappedFile.openSync(path);
        const byte = file.getUint8(bytes / 2);
        file.closeSync();
        return byte;
      }),
      contestant('fs.readSync', (path) => {
        const fd = fs.openSync(path, 'r');
        const buffer = Buffer.alloc(1);
        fs.readSync(fd, buffer, 0, 1, bytes / 2);
        fs.closeSync(fd);
        return buffer[0]!;
      }),
    ],
    alone: true,
  },
];
