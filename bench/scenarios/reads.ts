/** Reads at random places: a record, a page; of a file in memory, and of one that is not. */
import fs from 'node:fs';
import { MappedFile } from 'sliding-mmap';
import { type Contestant, type Job, type Scenario, sized } from '../harness.js';
import { binary, hash } from '../inputs.js';
import { mappers, missing } from '../peers.js';
import { compilerMissing, runProgram } from '../programs.js';

const bytes = sized(2 ** 30, 2 ** 28);
const path = (): string => binary(bytes);

/** `count` reads of `length` bytes; gives a sum over what they gave. */
function sum(length: number, count: number, read: (buffer: Buffer, position: number) => unknown): number {
  const buffer = Buffer.alloc(length);
  let total = 0;
  for (let i = 0; i < count; i++) {
    read(buffer, hash(i) % (bytes - length));
    total = (total + buffer.readUInt32LE(length - 4)) % 2 ** 40;
  }
  return total;
}

function hot(name: string, title: string, length: number, count: number, atMost: number): Scenario {
  const ours: Contestant = {
    name: 'MappedFile.readSync',
    ours: true,
    prepare() {
      const file = MappedFile.openSync(path());
      return {
        run: () => sum(length, count, (buffer, position) => file.readSync(buffer, 0, length, position)),
        close: () => file.closeSync(),
      };
    },
  };
  const node: Contestant = {
    name: 'fs.readSync',
    prepare() {
      const fd = fs.openSync(path(), 'r');
      return {
        run: () => sum(length, count, (buffer, position) => fs.readSync(fd, buffer, 0, length, position)),
        close: () => fs.closeSync(fd),
      };
    },
  };
  const peers = mappers.map(({ name, map }): Contestant => ({
    name,
    unavailable: () => missing(name),
    prepare() {
      const mapped = map(path(), false);
      return {
        run: () => sum(length, count, (buffer, position) => mapped.copy(buffer, 0, position, position + length)),
      };
    },
  }));
  return {
    name: `reads/${name}`,
    title,
    work: () => ({ amount: count, unit: 'op' }),
    setUp: () => void path(),
    contestants: [ours, ...peers, node],
    targets: [{ contestant: ours.name, against: node.name, atMost }],
  };
}

const coldReads = sized(2_000, 500);

/** Each opens the file for the round: a page that somebody has mapped is not dropped. */
function cold(name: string, run: (length: number, count: number) => number): Contestant {
  return {
    name,
    ours: name.startsWith('MappedFile'),
    unavailable: compilerMissing,
    prepare: (): Job => ({
      before: () => void runProgram('evict', [path()]),
      run: () => run(4096, coldReads),
    }),
  };
}

export const scenarios: Scenario[] = [
  hot('record', '64 bytes at a random place of a file in memory', 64, sized(1_000_000, 200_000), 1 / 3),
  hot('page', '4 KiB at a random place of a file in memory', 4096, sized(500_000, 100_000), 1.1),
  {
    name: 'reads/cold',
    title: '4 KiB at a random place, nothing of the file in memory',
    work: () => ({ amount: coldReads, unit: 'op' }),
    setUp: () => void path(),
    contestants: [
      cold('MappedFile.readSync', (length, count) => {
        using file = MappedFile.openSync(path());
        return sum(length, count, (buffer, position) => file.readSync(buffer, 0, length, position));
      }),
      cold('fs.readSync', (length, count) => {
        const fd = fs.openSync(path(), 'r');
        const total = sum(length, count, (buffer, position) => fs.readSync(fd, buffer, 0, length, position));
        fs.closeSync(fd);
        return total;
      }),
    ],
    alone: true,
    targets: [{ contestant: 'MappedFile.readSync', against: 'fs.readSync', atMost: 1.1 }],
  },
];
