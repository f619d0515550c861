/**
 * Takes the memory of borrowed chunks over, which engines let one do by `ArrayBuffer.prototype.transfer`, and walks on:
 * node --expose-gc taken.program.js PATH. Prints how many mappings are left at the end.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import { MappedFile } from 'sliding-mmap';
import { native } from '#src/native.js';

const MiB = 2 ** 20;
const size = 40 * MiB;
const chunkSize = 4 * MiB;
const takenAt = new Set([4 * MiB, 16 * MiB, 36 * MiB]);
const [, , path = ''] = process.argv;

/** A number that tells its place, at the start of every MiB. */
const bytes = Buffer.alloc(size);
for (let at = 0; at < size; at += MiB) bytes.writeUInt32LE(at + 1, at);
fs.writeFileSync(path, bytes);

const check = (chunk: ArrayBuffer, position: number): void => {
  assert.equal(chunk.byteLength, chunkSize);
  const found = new DataView(chunk);
  for (let at = 0; at < chunkSize; at += MiB) assert.equal(found.getUint32(at, true), position + at + 1);
};
const transfer = (buffer: ArrayBufferLike): ArrayBuffer =>
  (buffer as ArrayBuffer & { transfer(): ArrayBuffer }).transfer();

async function walk(how: 'sync' | 'async'): Promise<void> {
  const file = MappedFile.openSync(path);
  const taken = new Map<number, ArrayBuffer>();
  let position = 0;
  const take = (chunk: Uint8Array): void => {
    check(chunk.buffer as ArrayBuffer, position);
    if (takenAt.has(position)) taken.set(position, transfer(chunk.buffer));
    position += chunkSize;
  };
  if (how === 'sync') for (const chunk of file.chunks({ chunkSize })) take(chunk);
  else for await (const chunk of file.chunks({ chunkSize })) take(chunk);
  assert.equal(position, size);
  assert.equal(file.stats().views, 0);
  file.closeSync();
  for (let i = 0; i < 3; i++) {
    globalThis.gc!();
    await turn();
  }
  assert.equal(taken.size, takenAt.size);
  for (const [at, buffer] of taken) {
    check(buffer, at);
    new Uint8Array(buffer)[0] = 7;
  }
}

const before = native.mappingCount();
await walk('sync');
await walk('async');
assert.ok(fs.readFileSync(path).equals(bytes), 'what was written stayed with the taker');
for (let i = 0; i < 50 && native.mappingCount() > before; i++) {
  globalThis.gc!();
  await turn();
}
console.log(native.mappingCount() - before);
