import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { MappedFile, type OpenOptions, WindowPool } from 'sliding-mmap';

const granule = 4096;
const configurations: Array<[string, () => OpenOptions]> = [
  ['default windows', () => ({})],
  ['one granule', () => ({ windowSize: granule })],
  ['one granule, one window', () => ({ windowSize: granule, pool: new WindowPool({ maxWindows: 1 }) })],
  ['no windows', () => ({ backing: 'read' })],
];

describe('indexOf, lastIndexOf, includes', () => {
  let folder: string;
  before(() => void (folder = fs.mkdtempSync(path.join(os.tmpdir(), 'sliding-mmap-search-'))));
  after(() => fs.rmSync(folder, { recursive: true }));

  // Few different bytes, so that needles half match everywhere; long enough for several windows.
  const haystack = fc.tuple(
    fc.array(fc.constantFrom(0, 97, 98), { maxLength: 60 }),
    fc.integer({ min: 0, max: 5 * granule }),
  );
  const needle = fc.oneof(
    fc.constantFrom(0, 97, 98, 99),
    fc.string({ unit: fc.constantFrom('a', 'b', '\0'), maxLength: 6 }),
    fc.integer({ min: 1, max: 2 * granule + 10 }).map((length) => Buffer.alloc(length, 'ab')),
  );

  for (const [name, options] of configurations) {
    it(`find what Buffer's methods find (${name})`, () => {
      fc.assert(
        fc.property(
          haystack,
          needle,
          fc.nat(6 * granule),
          fc.nat(5 * granule),
          ([piece, length], wanted, from, hide) => {
            const bytes = piece.length === 0 ? Buffer.alloc(length) : Buffer.alloc(length, Buffer.from(piece));
            // A whole needle at some place, often across the border of two windows.
            Buffer.from(typeof wanted === 'number' ? [wanted] : wanted).copy(bytes, hide);
            const name = path.join(folder, 'haystack');
            fs.writeFileSync(name, bytes);
            const file = MappedFile.openSync(name, 'r', options());
            try {
              assert.equal(file.indexOf(wanted), bytes.indexOf(wanted));
              assert.equal(file.indexOf(wanted, from), bytes.indexOf(wanted, from));
              assert.equal(file.includes(wanted, from), bytes.includes(wanted, from));
              assert.equal(file.lastIndexOf(wanted), bytes.lastIndexOf(wanted));
              assert.equal(file.lastIndexOf(wanted, BigInt(from)), bytes.lastIndexOf(wanted, from));
            } finally {
              file.closeSync();
            }
          },
        ),
        { numRuns: 300 },
      );
    });
  }

  it('find a needle that is longer than what is searched at a time', () => {
    const MiB = 2 ** 20;
    const bytes = Buffer.alloc(14 * MiB, 'filler ');
    const name = path.join(folder, 'long');
    for (const length of [4 * MiB, 5 * MiB]) {
      const wanted = bytes.subarray(7 * MiB, 7 * MiB + length);
      wanted[length - 1] = 0;
      fs.writeFileSync(name, bytes);
      for (const [configuration, options] of configurations) {
        using file = MappedFile.openSync(name, 'r', options());
        const found = [file.indexOf(wanted), file.includes(wanted), file.lastIndexOf(wanted)];
        assert.deepEqual(found, [7 * MiB, true, 7 * MiB], configuration);
      }
    }
  });

  it('refuse what is no needle', () => {
    const name = path.join(folder, 'refuse');
    fs.writeFileSync(name, 'abc');
    using file = MappedFile.openSync(name);
    assert.throws(() => file.indexOf(256), { code: 'ERR_OUT_OF_RANGE' });
    assert.throws(() => file.indexOf({} as never), { code: 'ERR_INVALID_ARG_TYPE' });
    assert.throws(() => file.indexOf('a', -1), { code: 'ERR_OUT_OF_RANGE' });
    assert.throws(() => file.lastIndexOf('a', 0.5), { code: 'ERR_OUT_OF_RANGE' });
  });
});
