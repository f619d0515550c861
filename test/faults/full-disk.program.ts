/** Fills the small file system that a file lies on, in every way there is. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { MappedFile } from 'sliding-mmap';
import { attempt, codeOf } from '../helpers/errors.js';
import { byteAt, oracle } from '../helpers/files.js';

const path = process.argv[2] as string;
const MiB = 2 ** 20;
const NO_SPACE = 'ERR_MAPPED_FILE_NO_SPACE';

// Room for 4 MiB: one of data, then a hole, and the rest is taken by another file.
fs.writeFileSync(path, oracle(0, MiB));
fs.truncateSync(path, 16 * MiB);
const filler = fs.openSync(`${path}.filler`, 'w');
const piece = Buffer.alloc(65_536);
for (let done = piece.length; done === piece.length;)
  done = attempt(() => fs.writeSync(filler, piece)).result as number;

{
  await using file = await MappedFile.open(path, 'r+');
  assert.equal(file.getUint8(5), byteAt(5));
  for (const position of [2 * MiB, 3 * MiB - 4, 8 * MiB, 16 * MiB - 8]) {
    assert.equal(
      codeOf(() => file.setBigUint64(position, 5n)),
      NO_SPACE,
      `a hole at ${position}`,
    );
    assert.equal(file.getBigUint64(position), 0n, 'the hole still reads as zeros');
  }
  for (let i = 0; i < 3; i++)
    assert.equal(
      codeOf(() => file.setUint8(2 * MiB, 1)),
      NO_SPACE,
    );
  assert.equal(
    codeOf(() => file.writeSync(piece, 0, piece.length, 4 * MiB)),
    'ENOSPC',
  );
  await assert.rejects(file.write(piece, 0, piece.length, 4 * MiB), { code: 'ENOSPC', syscall: 'write' });
  file.setUint8(7, 42);
  assert.ok(file.sliceSync(8, MiB).equals(oracle(8, MiB - 8)), 'what was written before is there');
  assert.equal(file.size, 16 * MiB);

  using view = file.view(2 * MiB, 3 * MiB);
  view.bytes[100] = 1;
  assert.equal(
    codeOf(() => view.check()),
    NO_SPACE,
  );
  assert.equal(
    codeOf(() => file.getUint8(0)),
    undefined,
    'it has been told',
  );
  await file.flush().catch((error: unknown) => assert.equal((error as { code: string }).code, NO_SPACE));

  fs.ftruncateSync(filler, 0);
  file.setUint8(2 * MiB, 1);
  assert.equal(file.getUint8(2 * MiB), 1, 'room again');
}
fs.closeSync(filler);
assert.equal(fs.readFileSync(path)[7], 42);
console.log('survived');
