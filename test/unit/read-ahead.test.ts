import assert from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';
import { ReadAhead } from '#src/read-ahead.js';
import { ReadCursor } from '#src/streams/cursor.js';
import { Lines } from '#src/text/lines.js';
import { createReadable } from '#src/streams/readable.js';
import { createReadStream } from '#src/streams/node.js';
import { MemoryFile, patternBytes } from '../helpers/memory-source.js';

const KiB = 1024;
const MiB = 1024 * KiB;

/** Turns of the event loop that a device needs to be slower than whoever reads, also where that one gets little done in one. */
const slow = 50;

/** A file on a device: what was neither prefetched, which takes so many turns, nor read before is not in memory. */
function coldFile(
  size: number,
  content: number | Uint8Array = size,
  turns = 1,
): { file: MemoryFile; misses: Array<[number, number]> } {
  const file = new MemoryFile(content);
  const misses: Array<[number, number]> = [];
  const pages = new Uint8Array(Math.ceil(size / 4096) + 1);
  const touch = (start: number, end: number): void =>
    void pages.fill(1, Math.floor(start / 4096), Math.ceil(end / 4096));
  file.onRead = (_call, position, length) => {
    const end = Math.min(size, position + length);
    if (pages.subarray(Math.floor(position / 4096), Math.ceil(end / 4096)).every((page) => page === 1)) return;
    misses.push([position, end]);
    return turn().then(() => touch(position, end));
  };
  file.onPrefetch = async (start, end) => {
    for (let i = 0; i < turns; i++) await turn();
    touch(start, end);
  };
  return { file, misses };
}

/** In order, no byte twice, none past the end, and never much at a time. */
function checkPrefetches(file: MemoryFile, size: number): void {
  let last = 0;
  for (const [start, end] of file.prefetches) {
    assert.ok(start >= last && end > start && end <= size && end - start <= 4 * MiB, `[${start}, ${end})`);
    last = end;
  }
}

describe('ReadAhead', () => {
  const size = 12 * MiB;

  it('asks for nothing while everything is in memory', async () => {
    const file = new MemoryFile(4 * MiB);
    const cursor = new ReadCursor(file, 0, Infinity);
    const target = new Uint8Array(64 * KiB);
    while (cursor.remaining() > 0) assert.equal(await cursor.read(target), target.length);
    assert.deepEqual(file.prefetches, []);
  });

  const ways: Record<string, (file: MemoryFile) => AsyncIterable<Uint8Array>> = {
    'a readable()': (file) => createReadable(file),
    'a createReadStream()': (file) => createReadStream(file, { highWaterMark: 256 * KiB }),
  };
  for (const [name, open] of Object.entries(ways)) {
    it(`lets ${name} of a cold file miss once, and then read what has come`, async () => {
      const { file, misses } = coldFile(size, size, slow);
      const expected = patternBytes(size);
      let position = 0;
      for await (const chunk of open(file)) {
        assert.ok(expected.subarray(position, position + chunk.length).equals(chunk), `at ${position}`);
        position += chunk.length;
      }
      assert.equal(position, size);
      assert.equal(misses.length, 1);
      checkPrefetches(file, size);
      assert.equal(file.prefetches.at(-1)![1], size);
    });
  }

  for (const reverse of [false, true]) {
    it(`lets lines of a cold file miss once${reverse ? ', backwards too' : ''}`, async () => {
      const { file, misses } = coldFile(16 * MiB, Buffer.alloc(16 * MiB, `${'x'.repeat(99)}\n`), slow);
      let count = 0;
      for await (const batch of new Lines(file, { reverse }).batches()) count += batch.length;
      assert.equal(count, Math.ceil((16 * MiB) / 100));
      assert.equal(misses.length, 1);
      assert.ok(file.prefetches.length > 3);
    });
  }

  it('goes further ahead with every wait, 16 MiB at most', async () => {
    const { file } = coldFile(100 * MiB, Buffer.alloc(100 * MiB));
    const ahead = new ReadAhead(file, Infinity);
    let furthest = 0;
    ahead.missed(0, 64 * KiB);
    for (let at = 64 * KiB; at < 60 * MiB; at += 64 * KiB) {
      await ahead.before(at, at + 64 * KiB);
      furthest = Math.max(furthest, file.prefetches.at(-1)![1] - (at + 64 * KiB));
    }
    assert.ok(furthest > 4 * MiB && furthest <= 16 * MiB, `${furthest}`);
  });

  it('stops when the consumer has not waited for long', async () => {
    const { file } = coldFile(100 * MiB, Buffer.alloc(100 * MiB));
    const ahead = new ReadAhead(file, Infinity);
    ahead.missed(0, 64 * KiB);
    for (let at = 64 * KiB; at < 90 * MiB; at += 64 * KiB) {
      if (ahead.before(at, at + 64 * KiB) !== undefined) assert.ok(at < 1 * MiB, `a wait at ${at}`);
      // A slow consumer: the device has all the time it wants.
      for (let i = 0; i < 4; i++) await turn();
    }
    assert.ok(file.prefetches.at(-1)![1] < 20 * MiB);
  });

  it('goes on when prefetching fails: the read tells', async () => {
    const { file } = coldFile(8 * MiB);
    const fault = Object.assign(new Error('EIO'), { code: 'EIO' });
    file.onPrefetch = () => Promise.reject(fault);
    const failAt = 5 * MiB;
    const { onRead } = file;
    file.onRead = (call, position, length) => {
      if (position + length > failAt) return Promise.reject(fault);
      return onRead(call, position, length);
    };
    let position = 0;
    await assert.rejects(async () => {
      for await (const chunk of createReadable(file)) position += chunk.length;
    }, fault);
    assert.equal(position, failAt);
    assert.ok(file.idle);
  });

  it('ends with its file', async () => {
    const { file } = coldFile(8 * MiB);
    const reader = createReadable(file).getReader();
    await reader.read();
    const next = reader.read();
    file.close();
    await assert.rejects(next, { code: 'ERR_MAPPED_FILE_CLOSED' });
    await turn();
    await turn();
    assert.ok(file.idle);
  });

  it('asks for no byte past the end of the walk', async () => {
    const { file } = coldFile(size);
    for await (const chunk of createReadable(file, { end: 9 * MiB })) assert.ok(chunk.length > 0);
    checkPrefetches(file, 9 * MiB);
  });
});
