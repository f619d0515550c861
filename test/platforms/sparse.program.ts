/**
 * Walks, reads, searches, streams and edits a sparse file that is larger than the address space may be, and prints what
 * it did: `node sparse.program.js PATH SIZE`, the size in GiB.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { MappedFile, WindowPool } from 'sliding-mmap';
import { byteAt, oracle } from '../helpers/files.js';

const MiB = 2 ** 20;
const GiB = 2 ** 30;
const [path, gibibytes] = process.argv.slice(2) as [string, string];
const size = Number(gibibytes) * GiB - 1;
const island = 64 * 1024;
const needle = Buffer.from('a needle behind a hole\nand a line\n');
/** Where there are bytes; the last island ends the file. */
const islands = [0, 2 ** 31, 2 ** 32, 2 ** 33, size / 2, size]
  .map((place) => Math.min(size - island, Math.max(0, Math.floor(place) - island / 2)))
  .filter((place, i, all) => all.indexOf(place) === i);
const needleAt = size - 40 * MiB - 5;

function make(): void {
  const fd = fs.openSync(path, 'w');
  fs.ftruncateSync(fd, size);
  for (const start of islands) fs.writeSync(fd, oracle(start, island), 0, island, start);
  fs.writeSync(fd, needle, 0, needle.length, needleAt);
  fs.closeSync(fd);
}

/** The byte that the file has at a position. */
function expected(position: number): number {
  if (islands.some((start) => position >= start && position < start + island)) return byteAt(position);
  const offset = position - needleAt;
  return offset >= 0 && offset < needle.length ? (needle[offset] as number) : 0;
}

async function step(what: string, run: () => Promise<void> | void): Promise<void> {
  await run();
  console.log(`${gibibytes} GiB: ${what}`);
}

make();
const pool = WindowPool.default;
const file = await MappedFile.open(path, 'r+');
assert.equal(file.size, size);

await step('numbers at 50,000 places from end to end, forwards and backwards', () => {
  const places = 25_000;
  const distance = Math.floor((size - 8) / (places - 1));
  for (let n = 0; n < places; n++) assert.equal(file.getUint8(n * distance), expected(n * distance));
  for (let n = places - 1; n >= 0; n--) assert.equal(file.getUint8(n * distance), expected(n * distance));
  for (const start of islands) {
    for (let at = start; at < start + island; at += 97) assert.equal(file.getUint8(at), byteAt(at));
  }
});

await step('copies and views of what there is, across every border', () => {
  const buffer = Buffer.alloc(3 * island);
  for (const start of islands) {
    assert.ok(file.sliceSync(start, start + island).equals(oracle(start, island)));
    assert.equal(file.readSync(buffer, 0, 100, start + 33), 100);
    assert.ok(buffer.subarray(0, 100).equals(oracle(start + 33, 100)));
    using view = file.view(start + 1, start + island);
    assert.ok(oracle(start + 1, island - 1).equals(view.bytes));
    const from = Math.max(0, start - island);
    const length = file.readSync(buffer, 0, buffer.length, from);
    for (let i = 0; i < length; i += 13) assert.equal(buffer[i], expected(from + i));
  }
});

await step('4,096 borrowed chunks of 1 MiB without a turn of the event loop', () => {
  const start = Math.max(0, 2 ** 32 - 100 * MiB);
  let next = start;
  for (const chunk of file.chunks({ start, end: start + 4096 * MiB, chunkSize: MiB })) {
    assert.equal(chunk[0], expected(next));
    assert.equal(chunk.at(-1), expected(next + chunk.length - 1));
    next += chunk.length;
  }
  assert.equal(next, start + 4096 * MiB);
});

await step('views of 1 MiB made and released 4,096 times without a turn of the event loop', () => {
  for (let n = 0; n < 4096; n++) {
    using view = file.view(n * 2 * MiB + 1, n * 2 * MiB + 1 + MiB);
    assert.equal(view.bytes[0], expected(n * 2 * MiB + 1));
  }
});

await step('streams over 4 GiB: default, BYOB, borrowed', async () => {
  const ranges = { start: 2 ** 32 - 100 * MiB, end: 2 ** 32 + 156 * MiB };
  for (const borrow of [false, true]) {
    let next = ranges.start;
    for await (const chunk of file.readable({ ...ranges, borrow })) {
      for (let i = 0; i < chunk.length; i += 4099) assert.equal(chunk[i], expected(next + i));
      next += chunk.length;
    }
    assert.equal(next, ranges.end);
  }
  const reader = file.readable(ranges).getReader({ mode: 'byob' });
  let bytes = new Uint8Array(MiB);
  for (let next = ranges.start; ;) {
    const { done, value } = await reader.read(bytes);
    if (done) {
      assert.equal(next, ranges.end);
      break;
    }
    for (let i = 0; i < value.length; i += 4099) assert.equal(value[i], expected(next + i));
    next += value.length;
    bytes = new Uint8Array(value.buffer);
  }
});

await step('searches from the start and from the end, over the holes', () => {
  assert.equal(file.indexOf(needle, 1), needleAt);
  assert.equal(file.lastIndexOf(needle), needleAt);
  const last = oracle(size - 32, 32);
  assert.equal(file.indexOf(last), size - 32);
  const first = oracle(islands[0] as number, 32);
  assert.equal(file.lastIndexOf(first), islands[0]);
  assert.equal(file.indexOf('there is no such thing'), -1);
});

await step('lines behind the hole', () => {
  const lines = file.lines({ start: needleAt, end: needleAt + needle.length });
  assert.deepEqual([...lines], ['a needle behind a hole', 'and a line']);
});

await step('edits at every border, seen by node:fs, and growth', async () => {
  const fd = fs.openSync(path, 'r');
  const seen = Buffer.alloc(8);
  for (const start of islands) {
    file.setFloat64(start + 3, start + 0.5);
    await file.write(Buffer.from('written!'), 0, 8, start + 16);
    fs.readSync(fd, seen, 0, 8, start + 3);
    assert.equal(seen.readDoubleBE(), start + 0.5);
    fs.readSync(fd, seen, 0, 8, start + 16);
    assert.equal(seen.toString(), 'written!');
    using view = file.view(start + 24, start + 32);
    view.bytes.set(Buffer.from('and seen'));
    fs.readSync(fd, seen, 0, 8, start + 24);
    assert.equal(seen.toString(), 'and seen');
  }
  await file.flush();
  const writer = file.writable({ start: size }).getWriter();
  await writer.write('the new end');
  await writer.close();
  assert.equal(file.size, size + 11);
  assert.equal(fs.fstatSync(fd).size, size + 11);
  assert.equal(file.sliceSync(size).toString(), 'the new end');
  await file.truncate(size);
  assert.equal(file.size, size);
  fs.closeSync(fd);
});

const { windowBytes, viewBytes } = pool.stats();
assert.ok(windowBytes + viewBytes <= pool.limit);
await file.close();
fs.rmSync(path);
console.log(`${gibibytes} GiB: survived`);
