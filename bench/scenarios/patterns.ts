/**
 * Patterns of access over files of 64 times the pool, which no set of windows can serve by staying where it is: none
 * may cost more than reading, and where there is locality it has to pay.
 */
import fs from 'node:fs';
import { MappedFile, WindowPool } from 'sliding-mmap';
import { type Job, Measured, type Scenario, sized, type Target } from '../harness.js';
import { binary, hash } from '../inputs.js';

const bytes = sized(2 ** 30, 2 ** 28);
const smallPool = bytes / 64;
const count = sized(400_000, 50_000);
const files = 64;
const KiB = 2 ** 10;
const MiB = 2 ** 20;

/** Where the n-th access goes: to a position, and for many files to which of them. */
interface Pattern {
  readonly name: string;
  readonly title: string;
  /** A multiple of 64, below `size`. */
  place(n: number, size: number): number;
  readonly files?: number;
  /** Of the pool, in bytes. */
  readonly limit?: number;
  /** The time of `fs.readSync` that the same by this library may take at most. */
  readonly small: number;
  readonly scalar: number;
}

const patterns: readonly Pattern[] = [
  {
    name: 'random',
    title: 'at random places',
    place: (n, size) => (hash(n) * 64) % size,
    small: 1.1,
    scalar: 1.1,
  },
  {
    name: 'strided',
    title: 'every 1 MiB and 64 bytes, round and round',
    place: (n, size) => (n * (MiB + 64)) % size,
    small: 1.1,
    scalar: 1.1,
  },
  {
    name: 'strided-pages',
    title: 'every 4 KiB, forwards',
    place: (n, size) => (n * 4 * KiB) % size,
    small: 1.1,
    scalar: 1.1,
  },
  {
    name: 'strided-folios',
    title: 'every 64 KiB, forwards',
    place: (n, size) => (n * 64 * KiB) % size,
    small: 1.1,
    scalar: 1.1,
  },
  {
    name: 'records',
    title: 'eight times within 4 KiB, at random places',
    place: (n, size) => ((hash(Math.floor(n / 8)) * 4 * KiB) % size) + (n % 8) * 64,
    small: 1.1,
    scalar: 1.1,
  },
  {
    name: 'ping-pong',
    title: 'in turn by two cursors, from the start forwards and from the end backwards',
    place: (n, size) => (n % 2 === 0 ? n * 32 : size - 64 - (n - 1) * 32),
    small: 1,
    scalar: 0.5,
  },
  {
    name: 'cursors',
    title: 'in turn by 32 cursors, each of its own part of the file',
    place: (n, size) => (n % 32) * (size / 32) + Math.floor(n / 32) * 64,
    small: 1.1,
    scalar: 1.1,
  },
  {
    name: 'backwards',
    title: 'backwards, from the end',
    place: (n, size) => size - 64 - n * 64,
    small: 1,
    scalar: 0.5,
  },
  {
    name: 'forwards',
    title: 'forwards, from the start',
    place: (n) => n * 64,
    small: 1,
    scalar: 0.5,
  },
  {
    name: 'local',
    title: 'at random places of 1 MiB, which moves on every 10,000',
    place: (n, size) => ((Math.floor(n / 10_000) * 37 * MiB) % (size - MiB)) + ((hash(n) * 64) % MiB),
    small: 1,
    scalar: 0.5,
  },
  {
    name: 'skewed',
    title: 'nine in ten in one sixteenth of the pool, the others anywhere',
    place: (n, size) => (hash(n) * 64) % (hash(n + count) % 10 === 0 ? size : smallPool / 16),
    small: 1,
    scalar: 0.6,
  },
  {
    name: 'many-files',
    title: `at random places of ${files} files that share one pool of few windows`,
    place: (n, size) => (hash(n) * 64) % size,
    files,
    small: 1.1,
    scalar: 1.1,
  },
  {
    name: 'many-small-files',
    title: `at random places of the first 64 KiB of ${files} files that share one pool of few windows`,
    place: (n) => (hash(n) * 64) % (64 * KiB),
    files,
    small: 1.1,
    scalar: 1.1,
  },
  {
    name: 'fitting',
    title: 'at random places of a file that fits the pool',
    place: (n, size) => (hash(n) * 64) % size,
    limit: 2 * bytes,
    small: 1,
    scalar: 0.5,
  },
];

interface Way {
  readonly name: string;
  readonly ours: boolean;
  open(pool: WindowPool): Opened;
}

interface Opened {
  /** Gives the number at `position`, which is what is compared. */
  read(position: number): number;
  figures?(): Record<string, number>;
  close(): void;
}

function byReading(length: number): Way {
  return {
    name: 'fs.readSync',
    ours: false,
    open() {
      const fd = fs.openSync(binary(bytes), 'r');
      const buffer = Buffer.alloc(length);
      return {
        read(position) {
          fs.readSync(fd, buffer, 0, length, position);
          return buffer.readUInt32LE(0);
        },
        close: () => fs.closeSync(fd),
      };
    },
  };
}

function byMapping(name: string, reader: (file: MappedFile) => (position: number) => number): Way {
  return {
    name,
    ours: true,
    open(pool) {
      const file = MappedFile.openSync(binary(bytes), 'r', { pool });
      return {
        read: reader(file),
        figures() {
          const { hits, misses, slides, evictions, bytesRead } = file.stats();
          return { hits, misses, slides, evictions, bytesRead };
        },
        close: () => file.closeSync(),
      };
    },
  };
}

const small: readonly Way[] = [
  byMapping('readSync', (file) => {
    const buffer = Buffer.alloc(64);
    return (position) => {
      file.readSync(buffer, 0, 64, position);
      return buffer.readUInt32LE(0);
    };
  }),
  byReading(64),
];

const scalar: readonly Way[] = [
  byMapping('getUint32', (file) => (position) => file.getUint32(position, true)),
  byReading(4),
];

function job({ place, files = 1, limit = smallPool }: Pattern, way: Way): Job {
  const pool = new WindowPool({ limit });
  const opened = Array.from({ length: files }, () => way.open(pool));
  const size = bytes;
  return {
    run() {
      let total = 0;
      for (let n = 0; n < count; n++) {
        const file = opened[files === 1 ? 0 : hash(n + 7) % files] as Opened;
        total = (total + file.read(place(n, size))) % 2 ** 40;
      }
      const figures: Record<string, number> = {};
      for (const { figures: of } of opened) {
        for (const [name, value] of Object.entries(of?.() ?? {})) figures[name] = (figures[name] ?? 0) + value;
      }
      return new Measured(total, figures);
    },
    close: () => opened.forEach((file) => file.close()),
  };
}

function scenario(pattern: Pattern, kind: string, what: string, ways: readonly Way[], atMost: number): Scenario {
  const targets: Target[] = [{ contestant: (ways[0] as Way).name, against: 'fs.readSync', atMost }];
  return {
    name: `patterns/${pattern.name}-${kind}`,
    title: `${what} ${pattern.title}`,
    work: () => ({ amount: count, unit: 'op' }),
    setUp: () => void binary(bytes),
    contestants: ways.map((way) => ({ name: way.name, ours: way.ours, prepare: () => job(pattern, way) })),
    alone: true,
    targets,
  };
}

export const scenarios: Scenario[] = patterns.flatMap((pattern) => [
  scenario(pattern, 'small', '64 bytes', small, pattern.small),
  scenario(pattern, 'scalar', 'numbers', scalar, pattern.scalar),
]);
