/** Small reads at random places of a file in memory: `sliding-mmap/fs` and `MappedFile` against node:fs. */
import node from 'node:fs';
import nodePromises, { type FileHandle } from 'node:fs/promises';
import { MappedFile } from 'sliding-mmap';
import fs from 'sliding-mmap/fs';
import promises from 'sliding-mmap/fs/promises';
import { type Contestant, type Scenario, sized } from '../harness.js';
import { binary, hash } from '../inputs.js';

const bytes = sized(2 ** 30, 2 ** 28);
/** What the tables of a processor's address translation reach, and its caches nearly: here the calls cost the most. */
const fewBytes = 2 ** 24;
const length = 64;
const place = (i: number, size = bytes): number => hash(i) % (size - length);

function syncCount(count: number, size: number, read: (buffer: Buffer, position: number) => number): number {
  const buffer = Buffer.alloc(length);
  let total = 0;
  for (let i = 0; i < count; i++) {
    read(buffer, place(i, size));
    total = (total + buffer.readUInt32LE(length - 4)) % 2 ** 40;
  }
  return total;
}

async function awaited(count: number, read: (buffer: Buffer, position: number) => Promise<unknown>): Promise<number> {
  const buffer = Buffer.alloc(length);
  let total = 0;
  for (let i = 0; i < count; i++) {
    await read(buffer, place(i));
    total = (total + buffer.readUInt32LE(length - 4)) % 2 ** 40;
  }
  return total;
}

function calledBack(count: number, module: typeof node, fd: number): Promise<number> {
  const buffer = Buffer.alloc(length);
  let total = 0;
  let i = 0;
  return new Promise((resolve, reject) => {
    const next = (): void => {
      if (i === count) return resolve(total);
      module.read(fd, buffer, 0, length, place(i++), (error) => {
        if (error) return reject(error);
        total = (total + buffer.readUInt32LE(length - 4)) % 2 ** 40;
        next();
      });
    };
    next();
  });
}

const syncReads = sized(500_000, 100_000);
const asyncReads = sized(50_000, 10_000);

function mappedSync(size: number): Contestant {
  return {
    name: 'MappedFile.readSync',
    ours: true,
    prepare() {
      const file = MappedFile.openSync(binary(size));
      return {
        run: () => syncCount(syncReads, size, (buffer, position) => file.readSync(buffer, 0, length, position)),
        close: () => file.closeSync(),
      };
    },
  };
}

const mappedPromise: Contestant = {
  name: 'MappedFile.read',
  ours: true,
  prepare() {
    const file = MappedFile.openSync(binary(bytes));
    return {
      run: () => awaited(asyncReads, (buffer, position) => file.read(buffer, 0, length, position)),
      close: () => file.closeSync(),
    };
  },
};

function moduleSync(name: string, module: typeof node, size: number): Contestant {
  return {
    name,
    ours: module === fs,
    prepare() {
      const fd = module.openSync(binary(size), 'r');
      return {
        run: () => syncCount(syncReads, size, (buffer, position) => module.readSync(fd, buffer, 0, length, position)),
        close: () => module.closeSync(fd),
      };
    },
  };
}

function moduleHandle(name: string, open: (path: string) => Promise<FileHandle>): Contestant {
  return {
    name,
    ours: open === promises.open,
    async prepare() {
      const handle = await open(binary(bytes));
      return {
        run: () => awaited(asyncReads, (buffer, position) => handle.read(buffer, 0, length, position)),
        close: () => handle.close(),
      };
    },
  };
}

function moduleCallback(name: string, module: typeof node): Contestant {
  return {
    name,
    ours: module === fs,
    prepare() {
      const fd = module.openSync(binary(bytes), 'r');
      return { run: () => calledBack(asyncReads, module, fd), close: () => module.closeSync(fd) };
    },
  };
}

const blocking = (name: string, title: string, size: number): Scenario => ({
  name,
  title,
  work: () => ({ amount: syncReads, unit: 'op' }),
  setUp: () => void binary(size),
  contestants: [
    mappedSync(size),
    moduleSync('sliding-mmap/fs readSync', fs, size),
    moduleSync('node:fs readSync', node, size),
  ],
  targets: [
    { contestant: 'MappedFile.readSync', against: 'node:fs readSync', atMost: 1 / 3 },
    { contestant: 'sliding-mmap/fs readSync', against: 'node:fs readSync', atMost: 1 / 3 },
  ],
});

export const scenarios: Scenario[] = [
  blocking('fs/sync', '64 bytes at a random place, blocking, the file in memory', bytes),
  blocking('fs/sync-small', 'the same of a file of 16 MiB', fewBytes),
  {
    name: 'fs/promise',
    title: '64 bytes at a random place, awaited, the file in memory',
    work: () => ({ amount: asyncReads, unit: 'op' }),
    setUp: () => void binary(bytes),
    contestants: [
      mappedPromise,
      moduleHandle('sliding-mmap/fs FileHandle.read', promises.open),
      moduleHandle('node:fs FileHandle.read', nodePromises.open),
    ],
    targets: [
      { contestant: 'MappedFile.read', against: 'node:fs FileHandle.read', atMost: 1 / 8 },
      { contestant: 'sliding-mmap/fs FileHandle.read', against: 'node:fs FileHandle.read', atMost: 1 / 8 },
    ],
  },
  {
    name: 'fs/callback',
    title: '64 bytes at a random place, with callbacks, the file in memory',
    work: () => ({ amount: asyncReads, unit: 'op' }),
    setUp: () => void binary(bytes),
    contestants: [moduleCallback('sliding-mmap/fs read', fs), moduleCallback('node:fs read', node)],
    targets: [{ contestant: 'sliding-mmap/fs read', against: 'node:fs read', atMost: 1 / 8 }],
  },
];
