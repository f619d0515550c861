import assert from 'node:assert/strict';
import fs from 'node:fs';
import { MappedFile } from '#src/index.js';
import { Folder } from '../helpers/files.js';
import { patternBytes } from '../helpers/memory-source.js';

/** Where a target lies in its page makes some processors slow, and their reads go another way: see `ReadClear`. */
describe('reading, wherever the target lies in memory', () => {
  const size = 200_000;
  const content = patternBytes(size);
  let folder: Folder;
  let file: MappedFile;

  before(() => {
    folder = new Folder();
    fs.writeFileSync(folder.join('bytes'), content);
    file = MappedFile.openSync(folder.join('bytes'), 'r', { backing: 'read' });
  });

  after(() => {
    file.closeSync();
    folder[Symbol.dispose]();
  });

  const memory = new Uint8Array(80_000);
  /** Every distance modulo 64 from a page, whatever page the memory begins in, and the ends of one. */
  const offsets = [...Array.from({ length: 64 }, (_, i) => i * 65), 4095, 4096, 4097];
  const positions = [0, 1, 31, 4096, 5000, size - 40_000, size - 700, size];

  for (const length of [511, 512, 4096, 32 * 1024, 32 * 1024 + 1, 70_000]) {
    it(`gives ${length} bytes, or what there is, and touches no more`, async () => {
      for (const offset of offsets) {
        for (const position of positions) {
          const there = Math.min(length, size - position);
          for (const read of [
            () => file.readSync(memory, offset, length, position),
            () => file.read(memory, offset, length, position).then(({ bytesRead }) => bytesRead),
          ]) {
            memory.fill(0xa5);
            assert.equal(await read(), there);
            const where = `at ${offset} from ${position}`;
            assert.ok(
              Buffer.from(memory.buffer, offset, there).equals(content.subarray(position, position + there)),
              where,
            );
            assert.ok(memory[offset - 1] === undefined || memory[offset - 1] === 0xa5, where);
            // Behind a short read the buffer may have been written (see docs/faults.md); behind the length, never.
            assert.equal(memory[offset + length], 0xa5, where);
          }
        }
      }
    });
  }
});
