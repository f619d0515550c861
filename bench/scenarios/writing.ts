/** Writing: a stream, pieces, numbers in place. */
import fs from 'node:fs';
import { MappedFile } from 'sliding-mmap';
import { type Contestant, Measured, type Scenario, sized } from '../harness.js';
import { hash, scratch } from '../inputs.js';
import { mappers, missing } from '../peers.js';

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

const inPlace = sized(2 ** 28, 2 ** 26);
const stores = sized(1_000_000, 200_000);
const sumOf = (path: string): number => {
  const bytes = fs.readFileSync(path);
  let total = 0;
  for (let i = 0; i < bytes.length; i += 4) total = (total + bytes.readUInt32LE(i)) % 2 ** 40;
  return total;
};

/** Random numbers at random places of a file that is there; then `flush` makes them durable, outside of the time. */
function storing(name: string, open: (path: string) => Store, unavailable?: () => string | undefined): Contestant {
  return {
    name,
    ours: name === 'setUint32',
    ...(unavailable && { unavailable }),
    prepare() {
      const path = scratch('stored');
      fs.writeFileSync(path, Buffer.alloc(inPlace));
      const { store, close } = open(path);
      return {
        run() {
          const started = performance.now();
          for (let i = 0; i < stores; i++) store((hash(i) % (inPlace / 4)) * 4, hash(i + 1));
          const milliseconds = performance.now() - started;
          return new Measured(sumOf(path), {}, milliseconds);
        },
        close() {
          close();
          fs.rmSync(path);
        },
      };
    },
  };
}

interface Store {
  store: (position: number, value: number) => unknown;
  close: () => void;
}

const storingContestants: Contestant[] = [
  storing('setUint32', (path) => {
    const file = MappedFile.openSync(path, 'r+');
    return { store: (position, value) => file.setUint32(position, value, true), close: () => file.closeSync() };
  }),
  ...mappers
    .filter(({ name }) => name.endsWith('mmap-io'))
    .map(({ name, map }) =>
      storing(
        name,
        (path) => {
          const mapped = map(path, true);
          return { store: (position, value) => mapped.writeUInt32LE(value, position), close: () => undefined };
        },
        () => missing(name),
      ),
    ),
  storing('fs.writeSync', (path) => {
    const fd = fs.openSync(path, 'r+');
    const buffer = Buffer.alloc(4);
    return {
      store(position, value) {
        buffer.writeUInt32LE(value);
        fs.writeSync(fd, buffer, 0, 4, position);
      },
      close: () => fs.closeSync(fd),
    };
  }),
];

/** Writes pieces of `length` bytes one after the other, each at its position, into a new file or over an old one. */
function pieces(length: number, amount: number, over: boolean): Scenario {
  const count = amount / length;
  const make = (
    name: string,
    open: (path: string) => { write: (piece: Buffer, at: number) => number; close(): void },
  ) =>
    ({
      name,
      ours: !name.startsWith('fs.'),
      prepare() {
        const path = scratch('pieces');
        const piece = Buffer.alloc(length, 'a piece of bytes');
        return {
          before: () => (over ? fs.writeFileSync(path, Buffer.alloc(amount)) : fs.rmSync(path, { force: true })),
          run() {
            const { write, close } = open(path);
            let total = 0;
            for (let i = 0; i < count; i++) total += write(piece, i * length);
            close();
            return total;
          },
          close: () => fs.rmSync(path, { force: true }),
        };
      },
    }) satisfies Contestant;
  return {
    name: `writing/${over ? 'over' : 'new'}-${length}`,
    title: `pieces of ${length} bytes, ${over ? 'over what is there' : 'into a new file'}`,
    work: () => ({ amount, unit: 'B' }),
    rounds: 5,
    contestants: [
      make('writeSync', (path) => {
        const file = MappedFile.openSync(path, over ? 'r+' : 'w');
        return { write: (piece, at) => file.writeSync(piece, 0, length, at), close: () => file.closeSync() };
      }),
      make('fs.writeSync', (path) => {
        const fd = fs.openSync(path, over ? 'r+' : 'w');
        return { write: (piece, at) => fs.writeSync(fd, piece, 0, length, at), close: () => fs.closeSync(fd) };
      }),
    ],
    alone: true,
    targets: [{ contestant: 'writeSync', against: 'fs.writeSync', atMost: 1 }],
  };
}

/** Records at random places, made durable after every hundredth. */
const flushed = ((): Scenario => {
  const records = sized(5_000, 1_000);
  const make = (
    name: string,
    open: (path: string) => { write(b: Buffer, at: number): void; sync(): void; close(): void },
  ) =>
    ({
      name,
      ours: !name.startsWith('fs.'),
      prepare() {
        const path = scratch('flushed');
        fs.writeFileSync(path, Buffer.alloc(2 ** 24));
        const { write, sync, close } = open(path);
        const record = Buffer.alloc(64, 'a record');
        return {
          run() {
            for (let i = 1; i <= records; i++) {
              write(record, hash(i) % (2 ** 24 - 64));
              if (i % 100 === 0) sync();
            }
            return records;
          },
          close() {
            close();
            fs.rmSync(path);
          },
        };
      },
    }) satisfies Contestant;
  return {
    name: 'writing/flushed',
    title: '64 bytes at a random place, durable after every hundredth',
    work: () => ({ amount: records, unit: 'op' }),
    rounds: 5,
    contestants: [
      make('writeSync, flushSync', (path) => {
        const file = MappedFile.openSync(path, 'r+');
        return {
          write: (record, at) => void file.writeSync(record, 0, 64, at),
          sync: () => file.flushSync(),
          close: () => file.closeSync(),
        };
      }),
      make('fs.writeSync, fdatasyncSync', (path) => {
        const fd = fs.openSync(path, 'r+');
        return {
          write: (record, at) => void fs.writeSync(fd, record, 0, 64, at),
          sync: () => fs.fdatasyncSync(fd),
          close: () => fs.closeSync(fd),
        };
      }),
    ],
    alone: true,
  };
})();

export const scenarios: Scenario[] = [
  {
    name: 'writing/stream',
    title: 'a new file in chunks of 64 KiB',
    work: () => ({ amount: bytes, unit: 'B' }),
    rounds: 5,
    contestants: [writable, nodeStream, fsStream, writeSync],
    targets: [{ contestant: writable.name, against: fsStream.name, atMost: 0.25 }],
  },
  {
    name: 'writing/scalars',
    title: 'random setUint32 in a file in memory',
    work: () => ({ amount: stores, unit: 'op' }),
    contestants: storingContestants,
    targets: [{ contestant: 'setUint32', against: '@riaskov/mmap-io', atMost: 1.1 }],
  },
  ...[64, 4096, 65_536, 1_048_576].flatMap((length) => {
    const amount = Math.min(sized(2 ** 28, 2 ** 26), length * sized(400_000, 100_000));
    return [pieces(length, amount, false), pieces(length, amount, true)];
  }),
  flushed,
];
