/** The same work on sparse files from 1 MiB to the longest that the file system takes: its cost must not grow. */
import fs from 'node:fs';
import { MappedFile, WindowPool } from 'sliding-mmap';
import { type FigureTarget, Measured, type Scenario, sized, type Target } from '../harness.js';
import { folder, hash, scratch, sparse } from '../inputs.js';

const MiB = 2 ** 20;
const pages = 256;

let longest: number | undefined;

/** Bytes of the longest file that can be made here and whose positions are safe integers; 16 TiB - 4 KiB on ext4. */
function largest(): number {
  if (longest !== undefined) return longest;
  const path = scratch('largest');
  const fd = fs.openSync(path, 'w');
  const fits = (size: number): boolean => {
    try {
      fs.ftruncateSync(fd, size);
      return true;
    } catch {
      return false;
    }
  };
  let [low, high] = [2 ** 40, Number.MAX_SAFE_INTEGER];
  while (high - low > 4096) {
    const middle = low + Math.floor((high - low) / 8192) * 4096;
    if (middle > low && fits(middle)) low = middle;
    else high = Math.max(low, Math.min(middle, high - 4096));
  }
  fs.closeSync(fd);
  fs.rmSync(path);
  return (longest = low);
}

const sizes: ReadonlyArray<[name: string, bytes: () => number]> = [
  ['1 MiB', () => MiB],
  ['1 GiB', () => 2 ** 30],
  ['1 TiB', () => 2 ** 40],
  ['the largest', largest],
];

/** A run's figures: what it holds of the address space and of memory. */
function measured(result: unknown, size: number): Measured {
  const { windowBytes, viewBytes } = WindowPool.default.stats();
  return new Measured(result, {
    'size, GiB': size / 2 ** 30,
    'address space, MiB': (windowBytes + viewBytes) / MiB,
    'resident, MiB': process.memoryUsage.rss() / MiB,
  });
}

/** `work` on a file of each size; its result is the same for all. */
function scenario(
  name: string,
  title: string,
  amount: number,
  unit: 'op' | 'B',
  work: (path: string, size: number) => { run: () => unknown; close?: () => void },
  against: string,
): Scenario {
  const bounds: FigureTarget[] = sizes.flatMap(([contestant]) => [
    { contestant, figure: 'address space, MiB', atMost: WindowPool.default.limit / MiB },
    { contestant, figure: 'resident, MiB', atMost: 256 },
  ]);
  const flat: Target[] = [{ contestant: 'the largest', against, atMost: 1.2 }];
  return {
    name: `scale/${name}`,
    title,
    work: () => ({ amount, unit }),
    setUp: () => void fs.mkdirSync(folder, { recursive: true }),
    contestants: sizes.map(([contestant, bytes]) => ({
      name: contestant,
      ours: true,
      prepare() {
        const size = bytes();
        const job = work(sparse(size), size);
        return { ...job, run: () => measured(job.run(), size) };
      },
    })),
    alone: true,
    targets: [...flat, ...bounds],
  };
}

const opens = sized(5_000, 1_000);
const near = sized(4_000_000, 1_000_000);
const far = sized(400_000, 100_000);
const chunks = sized(1024, 256);

export const scenarios: Scenario[] = [
  scenario(
    'open',
    'open, one number from the middle, close',
    opens,
    'op',
    (path, size) => ({
      run() {
        let total = 0;
        for (let n = 0; n < opens; n++) {
          const file = MappedFile.openSync(path);
          total += file.getUint32(size / 2);
          file.closeSync();
        }
        return total;
      },
    }),
    '1 GiB',
  ),
  scenario(
    'near',
    'numbers at random places of 1 MiB in the middle',
    near,
    'op',
    (path, size) => {
      const file = MappedFile.openSync(path);
      // In one window: where two meet, every change from one to the other is a lookup.
      const base = size === MiB ? 0 : Math.ceil(size / 2 / MiB) * MiB;
      return {
        run() {
          let total = 0;
          for (let n = 0; n < near; n++) total += file.getUint32(base + (hash(n) % (MiB - 4)));
          return total;
        },
        close: () => file.closeSync(),
      };
    },
    '1 GiB',
  ),
  // What lies beyond the pool is read by the kernel, which costs more than memory, but no more for 16 TiB than for a
  // little over 64 GiB.
  scenario(
    'far',
    `numbers at random from ${pages} pages, which are all over the file`,
    far,
    'op',
    (path, size) => {
      const file = MappedFile.openSync(path);
      const distance = Math.floor(size / pages);
      return {
        run() {
          let total = 0;
          for (let n = 0; n < far; n++) total += file.getUint32((hash(n) % pages) * distance);
          return total;
        },
        close: () => file.closeSync(),
      };
    },
    '1 TiB',
  ),
  scenario(
    'stream',
    'borrowed chunks of 1 MiB, each byte counted by a native search',
    chunks * MiB,
    'B',
    (path, size) => {
      const file = MappedFile.openSync(path);
      return {
        run() {
          let total = 0;
          let left = chunks;
          // The shortest file again and again, the others from the middle on, as far as 64 MiB.
          const [start, end] = size === MiB ? [0, MiB] : [size / 2, size / 2 + 64 * MiB];
          while (left > 0) {
            for (const chunk of file.chunks({ start, end, chunkSize: MiB })) {
              total += Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length).indexOf(1);
              left--;
            }
          }
          return total;
        },
        close: () => file.closeSync(),
      };
    },
    '1 GiB',
  ),
];
