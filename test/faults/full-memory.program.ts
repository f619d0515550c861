/** Fills /dev/shm, of which there are 4 MiB here, in every way there is. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { MappedFile } from 'sliding-mmap';
import { codeOf } from '../helpers/errors.js';
import { byteAt, oracle } from '../helpers/files.js';

const MiB = 2 ** 20;
const NO_SPACE = 'ERR_MAPPED_FILE_NO_SPACE';
const name = 'data';

await assert.rejects(MappedFile.shared(name, 5 * MiB), { code: NO_SPACE });
assert.throws(() => MappedFile.sharedSync(name, 5 * MiB), { code: NO_SPACE });
assert.deepEqual(fs.readdirSync('/dev/shm'), []);

await using memory = await MappedFile.shared(name, 2 * MiB);
using other = await MappedFile.shared('other', MiB);
other.writeSync(oracle(0, MiB), 0, MiB, 0);
// One of 4 MiB is left. What is there already never needs more.
const filler = fs.openSync('/dev/shm/filler', 'w');
const piece = Buffer.alloc(65_536, 1);
while (codeOf(() => fs.writeSync(filler, piece)) === undefined);
using view = memory.view();
view.bytes.set(oracle(0, 2 * MiB));
view.check();
for (let i = 0; i < 2 * MiB; i += 4096) memory.setUint8(i, byteAt(i) ^ 1);
assert.equal(memory.stats().faults, 0);

// Longer than there is room for: refused, and nothing is lost.
assert.equal(
  codeOf(() => memory.truncateSync(3 * MiB)),
  NO_SPACE,
);
await assert.rejects(memory.truncate(3 * MiB), { code: NO_SPACE });
assert.equal(
  codeOf(() => memory.writeSync(piece, 0, piece.length, 2 * MiB)),
  'ENOSPC',
);
await assert.rejects(memory.write(piece, 0, piece.length, 2 * MiB), { code: 'ENOSPC' });
assert.equal(memory.refreshSync(), 2 * MiB);

// A hole that somebody else made has no promise: an error, not a signal.
fs.truncateSync('/dev/shm/data', 3 * MiB);
assert.equal(memory.refreshSync(), 3 * MiB);
assert.equal(memory.getUint8(2 * MiB), 0);
assert.equal(
  codeOf(() => memory.setUint8(2 * MiB, 1)),
  NO_SPACE,
);
using hole = memory.view(2 * MiB, 2 * MiB + 10);
hole.bytes[0] = 1;
assert.equal(
  codeOf(() => hole.check()),
  NO_SPACE,
);

fs.unlinkSync('/dev/shm/filler');
fs.closeSync(filler);
memory.setUint8(2 * MiB, 1);
assert.equal(memory.getUint8(2 * MiB), 1, 'room again');
assert.deepEqual(other.sliceSync(), oracle(0, MiB));
console.log('survived');
