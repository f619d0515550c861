/** One number at a random place. */
import fs from 'node:fs';
import { MappedFile } from 'sliding-mmap';
import { type Contestant, type Job, Measured, type Scenario, sized } from '../harness.js';
import { binary, hash } from '../inputs.js';
import { bunMissing, mappers, missing, runBun } from '../peers.js';
import { compilerMissing, runProgram } from '../programs.js';

const bytes = sized(2 ** 30, 2 ** 28);
const count = sized(2_000_000, 500_000);

/** The sum of `count` numbers that `read` gives for random places, the same for everybody, in 32 bits. */
const places = new Uint32Array(count).map((_, i) => (hash(i) % (bytes / 4)) * 4);
function sum(read: (position: number) => number): number {
  let total = 0;
  for (let i = 0; i < count; i++) total = (total + read(places[i]!)) | 0;
  return total;
}

/** As the programs do it: the loop that counts follows on one that did not, and finds in the caches what that left. */
function following(read: (position: number) => number): Pick<Job, 'before' | 'run'> {
  return { before: () => void sum(read), run: () => sum(read) };
}

/** The same in Bun, over its own mapping. */
const inBun = `
  const [path, count] = process.argv.slice(1);
  const bytes = Bun.mmap(path);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const places = new Uint32Array(Number(count)).map((_, i) => {
    let mixed = i | 0;
    mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
    mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
    return (((mixed ^ (mixed >>> 16)) >>> 0) % (bytes.length / 4)) * 4;
  });
  function sum() {
    let total = 0;
    for (const place of places) total = (total + view.getUint32(place, true)) | 0;
    return total;
  }
  sum();
  const started = performance.now();
  const result = sum();
  console.log(JSON.stringify({ result, milliseconds: performance.now() - started }));
`;

const peers: Contestant[] = mappers.map(({ name, map }) => ({
  name,
  unavailable: () => missing(name),
  prepare(): Job {
    const buffer = map(binary(bytes), false);
    return following((position) => buffer.readUInt32LE(position));
  },
}));

export const scenarios: Scenario[] = [
  {
    name: 'scalars/hot',
    title: 'random getUint32, the file in memory and smaller than the pool',
    work: () => ({ amount: count, unit: 'op' }),
    setUp: () => void binary(bytes),
    contestants: [
      {
        name: 'getUint32',
        ours: true,
        prepare() {
          const file = MappedFile.openSync(binary(bytes));
          return { ...following((position) => file.getUint32(position, true)), close: () => file.closeSync() };
        },
      },
      ...peers,
      {
        name: 'Bun.mmap',
        unavailable: bunMissing,
        prepare() {
          return {
            run() {
              const { result, milliseconds } = runBun(inBun, [binary(bytes), String(count)]);
              return new Measured(result, {}, milliseconds);
            },
          };
        },
      },
      {
        name: 'C',
        unavailable: compilerMissing,
        prepare() {
          return {
            run() {
              const { result, milliseconds } = runProgram('random_u32', [binary(bytes), count]);
              return new Measured(result, {}, milliseconds);
            },
          };
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
          return { ...following(read), close: () => fs.closeSync(fd) };
        },
      },
    ],
    targets: [
      { contestant: 'getUint32', against: '@riaskov/mmap-io', atMost: 1.1 },
      { contestant: 'getUint32', against: 'great-big-file-reader', atMost: 1.1 },
      { contestant: 'getUint32', against: 'C', atMost: 2 },
      { contestant: 'getUint32', against: 'fs.readSync', atMost: 0.1 },
    ],
  },
];
