/** One number at a random place. */
import fs from 'node:fs';
import { MappedFile } from 'sliding-mmap';
import { type Scenario, sized } from '../harness.js';
import { binary, hash } from '../inputs.js';

const bytes = sized(2 ** 30, 2 ** 28);
const count = sized(1_000_000, 200_000);

/** The sum of `count` numbers that `read` gives for random places, the same for everybody. */
function sum(read: (position: number) => number): number {
  let total = 0;
  for (let i = 0; i < count; i++) total = (total + read((hash(i) % (bytes / 4)) * 4)) % 2 ** 40;
  return total;
}

export const scenarios: Scenario[] = [
  {
    name: 'scalars/hot',
    title: 'random getUint32, the file in memory and smaller than the pool',
    work: () => ({ amount: count, unit: 'op' }),
    setUp: () => void binary(bytes),
    contestants: [
      {
        name: 'getUint32',
        prepare() {
          const file = MappedFile.openSync(binary(bytes));
          return { run: () => sum((position) => file.getUint32(position, true)), close: () => file.closeSync() };
        },
      },
      {
        name: 'DataView of a view',
        prepare() {
          const file = MappedFile.openSync(binary(bytes));
          const { buffer, byteOffset, length } = file.view();
          const view = new DataView(buffer, byteOffset, length);
          return { run: () => sum((position) => view.getUint32(position, true)), close: () => file.closeSync() };
        },
      },
      {
        name: 'fs.readSync',
        prepare() {
          const fd = fs.openSync(binary(bytes), 'r');
          const buffer = Buffer.alloc(4);
          const read = (position: number): number => {
            fs.readSync(fd, buffer, 0, 4, position);
            return buffer.readUInt32LE(0);
          };
          return { run: () => sum(read), close: () => fs.closeSync(fd) };
        },
      },
    ],
    targets: [{ contestant: 'getUint32', against: 'fs.readSync', atMost: 0.1 }],
  },
];
