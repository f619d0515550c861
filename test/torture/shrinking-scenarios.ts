/** The ways to use a file while it shrinks; each is one operation, done over and over. */
import assert from 'node:assert/strict';
import type { MappedFile } from 'sliding-mmap';
import type { Judge } from './shrinking-judge.js';
import { lineLength, text, wholeSize } from './shrinking-text.js';
import type { Random } from './support.js';

export interface Scenario {
  readonly run: (file: MappedFile, judge: Judge, random: Random) => void | Promise<void>;
  readonly strict?: boolean;
}

function range(random: Random, longest: number): { start: number; end: number; length: number } {
  const start = random.below(wholeSize);
  const end = Math.min(wholeSize, start + random.between(1, longest));
  return { start, end, length: end - start };
}

function scalars(promise: 'exact' | 'trusting'): Scenario['run'] {
  const bytes = Buffer.alloc(8);
  return (file, judge, random) => {
    // From the size last seen: what a caller can know.
    const size = file.size - 8;
    if (size < 0) return void file.refreshSync();
    for (let i = 0; i < 20; i++) {
      const position = random.chance(0.5) ? random.below(size + 1) : Math.max(0, size - random.below(5000));
      bytes.writeBigUInt64LE(file.getBigUint64(position, true));
      judge.check(bytes, position, promise);
      judge.check(Uint8Array.of(file.getUint8(position)), position, promise);
    }
  };
}

function readSync(least: number, most: number, promise: 'exact' | 'trusting'): Scenario['run'] {
  const buffer = Buffer.alloc(most);
  return (file, judge, random) => {
    const position = random.below(wholeSize);
    const length = random.between(least, most);
    const done = file.readSync(buffer, 0, length, position);
    judge.check(buffer.subarray(0, done), position, promise);
    if (judge.isQuiet) assert.equal(done, Math.min(length, wholeSize - position));
  };
}

async function read(file: MappedFile, judge: Judge, random: Random): Promise<void> {
  const position = random.below(wholeSize);
  const length = random.pick([1, 8, 100, 4095, 4096, 50_000, 1_100_000]);
  const { bytesRead, buffer } = await file.read(Buffer.alloc(length), 0, length, position);
  judge.check(buffer.subarray(0, bytesRead), position, 'exact');
  if (judge.isQuiet) assert.equal(bytesRead, Math.min(length, wholeSize - position));
}

async function readv(file: MappedFile, judge: Judge, random: Random): Promise<void> {
  const position = random.below(wholeSize);
  const buffers = [10, 5000, 300, 100_000].map((length) => Buffer.alloc(length));
  const sync = random.chance(0.5);
  const bytesRead = sync ? file.readvSync(buffers, position) : (await file.readv(buffers, position)).bytesRead;
  judge.check(Buffer.concat(buffers).subarray(0, bytesRead), position, sync ? 'trusting' : 'exact');
}

async function slice(file: MappedFile, judge: Judge, random: Random): Promise<void> {
  const { start, end, length } = range(random, random.pick([100, 10_000, 1_500_000]));
  const sync = random.chance(0.5);
  const bytes = sync ? file.sliceSync(start, end) : await file.slice(start, end);
  assert.equal(bytes.length, length);
  judge.check(bytes, start, sync && length < 4096 ? 'trusting' : 'exact');
}

function search(file: MappedFile, judge: Judge, random: Random): void {
  const at = random.below(Math.floor(wholeSize / lineLength) - 2) * lineLength;
  const needle = text.subarray(at, at + random.between(13, 200));
  const forward = random.chance(0.5);
  const found = forward ? file.indexOf(needle, random.below(at + 1)) : file.lastIndexOf(needle);
  assert.ok(found === at || (found === -1 && !judge.isQuiet), `found at ${found}, is at ${at}`);
  // No byte of the text is zero.
  assert.equal(file.indexOf(0, random.below(wholeSize)), -1);
}

async function lines(file: MappedFile, judge: Judge, random: Random): Promise<void> {
  const since = judge.step();
  let position = random.below(Math.floor(wholeSize / lineLength)) * lineLength;
  const pass = file.lines({ start: position, encoding: 'latin1' });
  let left = random.between(1, 5000);
  const take = (line: string): boolean => {
    judge.check(Buffer.from(line, 'latin1'), position, 'exact', since);
    position += lineLength;
    return --left > 0;
  };
  switch (random.below(4)) {
    case 0:
      for (const line of pass) if (!take(line)) break;
      break;
    case 1:
      for await (const line of pass) if (!take(line)) break;
      break;
    case 2:
      for (const batch of pass.batches()) if (!batch.every(take)) break;
      break;
    default:
      for await (const batch of pass.batches()) if (!batch.every(take)) break;
  }
}

async function linesReversed(file: MappedFile, judge: Judge, random: Random): Promise<void> {
  const since = judge.step();
  const pass = file.lines({ reverse: true, encoding: 'latin1' });
  let position: number | undefined;
  let left = random.between(1, 5000);
  const take = (line: string): boolean => {
    position =
      position === undefined ? Number(line.slice(0, 12).replaceAll('\0', '')) * lineLength : position - lineLength;
    // The last line may be cut before its number ends.
    if (line.length < 12) position = undefined;
    else judge.check(Buffer.from(line, 'latin1'), position, 'exact', since);
    return --left > 0;
  };
  if (random.chance(0.5)) {
    for (const line of pass) if (!take(line)) break;
  } else {
    for await (const line of pass) if (!take(line)) break;
  }
}

async function chunks(file: MappedFile, judge: Judge, random: Random): Promise<void> {
  let position = random.below(wholeSize);
  const pass = file.chunks({ start: position, chunkSize: random.pick([1000, 4096, 70_000, 1_000_000]) });
  const sync = random.chance(0.5);
  const iterator = sync ? pass[Symbol.iterator]() : pass[Symbol.asyncIterator]();
  try {
    for (let left = 30; left > 0; left--) {
      const since = judge.step();
      const step = await iterator.next();
      if (step.done === true) break;
      const copy = Buffer.from(step.value as Uint8Array);
      // Taking it back tells whether it was the file's.
      const after = await iterator.next();
      judge.check(copy, position, 'exact', since);
      position += copy.length;
      if (after.done === true) break;
      position += after.value.length;
    }
  } finally {
    await iterator.return?.();
  }
}

async function readable(file: MappedFile, judge: Judge, random: Random): Promise<void> {
  let position = random.below(wholeSize);
  const stream = file.readable({ start: position, chunkSize: random.pick([1000, 100_000, 600_000]) });
  const byob = random.chance(0.5) ? stream.getReader({ mode: 'byob' }) : undefined;
  const reader = byob ?? stream.getReader();
  for (let left = 30; left > 0; left--) {
    const since = judge.step();
    const view = new Uint8Array(random.pick([10, 5000, 200_000]));
    const step = byob === undefined ? await (reader as ReadableStreamDefaultReader).read() : await byob.read(view);
    if (step.done) break;
    judge.check(step.value as Uint8Array, position, 'exact', since);
    position += (step.value as Uint8Array).length;
  }
  await reader.cancel();
}

async function borrowing(file: MappedFile, judge: Judge, random: Random): Promise<void> {
  let position = random.below(wholeSize);
  const reader = file.readable({ start: position, borrow: true, chunkSize: random.pick([4096, 300_000]) }).getReader();
  let since = judge.step();
  let step = await reader.read();
  for (let left = 30; left > 0 && !step.done; left--) {
    const copy = Buffer.from(step.value);
    const next = judge.step();
    step = await reader.read();
    judge.check(copy, position, 'exact', since);
    position += copy.length;
    since = next;
  }
  await reader.cancel();
}

async function nodeStream(file: MappedFile, judge: Judge, random: Random): Promise<void> {
  let position = random.below(wholeSize);
  // It reads ahead, so everything is judged from its beginning on.
  const since = judge.step();
  const stream = file.createReadStream({ start: position, highWaterMark: random.pick([1000, 64 * 1024]) });
  let left = 10;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    judge.check(chunk, position, 'exact', since);
    position += chunk.length;
    if (--left === 0) break;
  }
}

function view(access: 'shared' | 'private'): Scenario['run'] {
  return (file, judge, random) => {
    const { start, end } = range(random, random.pick([100, 10_000, 1_000_000]));
    const leased = file.view(start, end, { access });
    try {
      for (let i = 0; i < 3; i++) {
        judge.step();
        const copy = Buffer.from(leased.bytes);
        leased.check();
        assert.equal(copy.length, end - start);
        judge.check(copy, start, 'exact');
      }
    } finally {
      leased.dispose();
    }
  };
}

async function mixture(file: MappedFile, judge: Judge, random: Random): Promise<void> {
  await random.pick(mixed)(file, judge, random);
}

const mixed: Array<Scenario['run']> = [
  scalars('trusting'),
  readSync(1, 4095, 'trusting'),
  readSync(4096, 50_000, 'exact'),
  read,
  slice,
  search,
  lines,
  chunks,
  readable,
  view('private'),
];

/** Only reading: a zero is never a byte of the file. */
export const readers: Readonly<Record<string, Scenario>> = {
  scalars: { run: scalars('trusting') },
  'scalars, strict': { run: scalars('exact'), strict: true },
  'readSync, small': { run: readSync(1, 4095, 'trusting') },
  'readSync, small, strict': { run: readSync(1, 4095, 'exact'), strict: true },
  'readSync, a page or more': { run: readSync(4096, 15_000, 'exact') },
  'readSync, large': { run: readSync(16_384, 1_200_000, 'exact') },
  read: { run: read },
  'readv and readvSync': { run: readv },
  'slice and sliceSync': { run: slice },
  'indexOf and lastIndexOf': { run: search },
  lines: { run: lines },
  'lines, reversed': { run: linesReversed },
  chunks: { run: chunks },
  readable: { run: readable },
  'readable, borrowing': { run: borrowing },
  createReadStream: { run: nodeStream },
  'view, shared': { run: view('shared') },
  'view, private': { run: view('private') },
  mixture: { run: mixture },
};

function write(random: Random): { bytes: Buffer; position: number } {
  const { start, end } = range(random, random.pick([8, 3000, 200_000]));
  return { bytes: text.subarray(start, end), position: start };
}

function checkAny(file: MappedFile, judge: Judge, random: Random): void {
  const position = random.below(wholeSize);
  const bytes = Buffer.alloc(random.pick([100, 20_000]));
  judge.check(bytes.subarray(0, file.readSync(bytes, 0, bytes.length, position)), position, 'exact');
}

/** Writing bytes of the text where they belong; what was never written reads as zeros. */
export const writers: Readonly<Record<string, Scenario>> = {
  'writeSync and write': {
    async run(file, judge, random) {
      const { bytes, position } = write(random);
      if (random.chance(0.5)) assert.equal(file.writeSync(bytes, 0, bytes.length, position), bytes.length);
      else assert.equal((await file.write(bytes, 0, bytes.length, position)).bytesWritten, bytes.length);
      checkAny(file, judge, random);
    },
  },
  setters: {
    run(file, judge, random) {
      const most = file.size - 8;
      if (most < 0) return void file.refreshSync();
      for (let i = 0; i < 20; i++) {
        const position = random.chance(0.5) ? random.below(most + 1) : Math.max(0, most - random.below(5000));
        if (position + 8 > wholeSize) continue;
        file.setBigUint64(position, text.readBigUInt64LE(position), true);
      }
      checkAny(file, judge, random);
    },
  },
  'writes through views': {
    run(file, judge, random) {
      const { start, end } = range(random, random.pick([100, 10_000, 500_000]));
      const leased = file.view(start, end);
      try {
        leased.bytes.set(text.subarray(start, end));
        leased.check();
        leased.flushSync();
      } finally {
        leased.dispose();
      }
      checkAny(file, judge, random);
    },
  },
  flush: {
    async run(file, judge, random) {
      const position = random.below(Math.max(1, Math.min(file.size, wholeSize) - 8));
      file.setUint8(position, text[position] as number);
      if (random.chance(0.5)) file.flushSync();
      else await file.flush();
      checkAny(file, judge, random);
    },
  },
  truncate: {
    async run(file, judge, random) {
      const size = random.below(wholeSize);
      if (random.chance(0.5)) file.truncateSync(size);
      else await file.truncate(size);
      checkAny(file, judge, random);
    },
  },
  'writable and createWriteStream': {
    async run(file, judge, random) {
      const { bytes, position } = write(random);
      if (random.chance(0.5)) {
        const writer = file.writable({ start: position }).getWriter();
        await writer.write(bytes);
        await writer.close();
      } else {
        const stream = file.createWriteStream({ start: position });
        await new Promise<void>((resolve, reject) => {
          stream.on('error', reject);
          stream.end(bytes, () => resolve());
        });
      }
      checkAny(file, judge, random);
    },
  },
};
