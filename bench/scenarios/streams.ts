/** A file as a stream: in memory, and from the device. */
import fs from 'node:fs';
import { open } from 'node:fs/promises';
import type { ReadableStream } from 'node:stream/web';
import { MappedFile } from 'sliding-mmap';
import { type Contestant, Measured, type Scenario, sized } from '../harness.js';
import { binary } from '../inputs.js';
import { compilerMissing, runProgram } from '../programs.js';

const KiB = 1024;
const MiB = 1024 * KiB;
const bytes = sized(2 ** 30, 2 ** 27);
const input = (): string => binary(bytes);
const work = (): { amount: number; unit: 'B' } => ({ amount: bytes, unit: 'B' });
const setUp = (): void => void input();

/** What every consumer does: adds up the first number of every 4 KiB. All chunks begin at a multiple of 4 KiB. */
class Sum {
  total = 0;

  readonly add = (chunk: Uint8Array): void => {
    const numbers = new Uint32Array(chunk.buffer, chunk.byteOffset, chunk.byteLength >> 2);
    // In a register, as the program in C has it.
    let total = 0;
    for (let i = 0; i < numbers.length; i += KiB) total = (total + numbers[i]!) | 0;
    this.total = (this.total + total) >>> 0;
  };
}

async function iterate(chunks: AsyncIterable<Uint8Array>): Promise<number> {
  const sum = new Sum();
  for await (const chunk of chunks) sum.add(chunk);
  return sum.total;
}

async function byob(stream: ReadableStream<Uint8Array>): Promise<number> {
  const sum = new Sum();
  const reader = stream.getReader({ mode: 'byob' });
  for (let buffer = new ArrayBuffer(MiB); ;) {
    const { done, value } = await reader.read(new Uint8Array(buffer));
    if (done) return sum.total;
    sum.add(value);
    buffer = value.buffer;
  }
}

function ours(name: string, run: (file: MappedFile) => unknown): Contestant {
  return {
    name,
    ours: true,
    prepare() {
      const file = MappedFile.openSync(input());
      return { run: () => run(file), close: () => file.closeSync() };
    },
  };
}

function node(name: string, run: () => unknown): Contestant {
  return { name, prepare: () => ({ run }) };
}

/** Reads with an eye on the longest time that a timer of 1 ms was kept waiting. */
async function watched(read: () => unknown): Promise<Measured> {
  let longest = 0;
  let last = performance.now();
  const look = (): void => {
    const now = performance.now();
    longest = Math.max(longest, now - last);
    last = now;
  };
  const timer = setInterval(look, 1);
  const started = performance.now();
  const result = await read();
  const elapsed = performance.now() - started;
  look();
  clearInterval(timer);
  return new Measured(result, { 'longest delay, ms': longest }, elapsed);
}

/** The contestant on a file that is not in memory when a round begins. */
function cold({ name, prepare }: Contestant): Contestant {
  return {
    name,
    unavailable: compilerMissing,
    async prepare() {
      const job = await prepare();
      return { ...job, before: () => void runProgram('evict', [input()]), run: () => watched(() => job.run()) };
    },
  };
}

const readable = ours('readable()', (file) => iterate(file.readable()));
const borrowed = ours('readable({ borrow })', (file) => iterate(file.readable({ borrow: true })));
const filled = ours('readable(), BYOB', (file) => byob(file.readable()));
const nodeStream = ours('createReadStream() of the file', (file) => iterate(file.createReadStream()));
const chunks = ours('chunks()', (file) => {
  const sum = new Sum();
  for (const chunk of file.chunks()) sum.add(chunk);
  return sum.total;
});
const awaitedChunks = ours('chunks(), awaited', (file) => iterate(file.chunks()));
const fsStream = node('fs.createReadStream', () => iterate(fs.createReadStream(input())));
const fsStreamOfMiB = node('fs.createReadStream, 1 MiB', () =>
  iterate(fs.createReadStream(input(), { highWaterMark: MiB })),
);
const fsWebStream = node('FileHandle.readableWebStream, BYOB', async () => {
  const handle = await open(input());
  try {
    return await byob(handle.readableWebStream({ type: 'bytes' } as object) as ReadableStream<Uint8Array>);
  } finally {
    await handle.close();
  }
});
const readSync = node('fs.readSync, 1 MiB', () => {
  const sum = new Sum();
  const fd = fs.openSync(input(), 'r');
  const buffer = Buffer.allocUnsafeSlow(MiB);
  for (let read; (read = fs.readSync(fd, buffer, 0, MiB, null)) > 0;) sum.add(buffer.subarray(0, read));
  fs.closeSync(fd);
  return sum.total;
});
const slidingC: Contestant = {
  name: 'C, the same windows',
  unavailable: compilerMissing,
  prepare: () => ({
    run() {
      const { result, milliseconds } = runProgram('slide', [input(), 4 * MiB]);
      return new Measured(result, {}, milliseconds);
    },
  }),
};
const touched = ours('view(), touched', (file) => {
  const sum = new Sum();
  const view = file.view(0, bytes);
  sum.add(view.bytes);
  view.dispose();
  return sum.total;
});

export const scenarios: Scenario[] = [
  {
    name: 'streams/default',
    title: 'the chunks of a stream, the file in memory; a number of every 4 KiB is added up',
    work,
    setUp,
    contestants: [readable, nodeStream, fsStream, fsStreamOfMiB],
    targets: [
      { contestant: readable.name, against: fsStream.name, atMost: 0.5 },
      { contestant: readable.name, against: fsStreamOfMiB.name, atMost: 1 },
    ],
  },
  {
    name: 'streams/byob',
    title: 'the same with a BYOB reader and a buffer of 1 MiB',
    work,
    setUp,
    contestants: [filled, fsWebStream],
    targets: [{ contestant: filled.name, against: fsWebStream.name, atMost: 1 / 1.3 }],
  },
  {
    name: 'streams/borrowed',
    title: 'the same without a copy, in windows of 4 MiB',
    work,
    setUp,
    contestants: [chunks, awaitedChunks, borrowed, slidingC, readSync],
    targets: [
      { contestant: chunks.name, against: readSync.name, atMost: 1 / 1.3 },
      { contestant: chunks.name, against: slidingC.name, atMost: 1 / 0.8 },
    ],
  },
  {
    name: 'streams/cold',
    title: 'the same, and how long the event loop is held up, the file on the device',
    work,
    rounds: 3,
    setUp,
    contestants: [readable, filled, awaitedChunks, borrowed, nodeStream, fsStream, fsStreamOfMiB, touched].map(cold),
    targets: [
      ...[readable, filled, awaitedChunks, borrowed, nodeStream].map(({ name }) => ({
        contestant: name,
        figure: 'longest delay, ms',
        atMost: 10,
      })),
      { contestant: readable.name, against: fsStreamOfMiB.name, atMost: 1 },
    ],
  },
];
