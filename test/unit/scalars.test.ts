import assert from 'node:assert/strict';
import fs from 'node:fs';
import fc from 'fast-check';
import { MappedFile, WindowPool } from 'sliding-mmap';
import { codeOf } from '../helpers/errors.js';
import { byteAt, Folder, oracle } from '../helpers/files.js';
import { configurations, granule } from '../helpers/sizes.js';

const kinds = [
  ['Int8', 1],
  ['Uint8', 1],
  ['Int16', 2],
  ['Uint16', 2],
  ['Int32', 4],
  ['Uint32', 4],
  ['BigInt64', 8],
  ['BigUint64', 8],
  ['Float32', 4],
  ['Float64', 8],
] as const;
type Kind = (typeof kinds)[number][0];

// One view of all the methods, for files and for DataViews.
interface Numbers {
  get(position: number | bigint, littleEndian?: boolean): number | bigint;
  set(position: number | bigint, value: unknown, littleEndian?: boolean): void;
}
function numbers(target: object, kind: Kind): Numbers {
  const methods = target as Record<string, (...args: unknown[]) => number | bigint>;
  return {
    get: (...args) => (methods[`get${kind}`] as (...args: unknown[]) => number | bigint).apply(target, args),
    set: (...args) => void (methods[`set${kind}`] as (...args: unknown[]) => void).apply(target, args),
  };
}

function valuesFor(kind: Kind): readonly (number | bigint)[] {
  if (kind.startsWith('Big')) return [0n, 1n, -1n, 2n ** 63n, -(2n ** 63n), 2n ** 64n + 5n, 0x0102030405060708n];
  return [0, -0, 1, -1, 255, 256, -129, 65535.9, 2 ** 31, 2 ** 32 + 3, NaN, Infinity, -Infinity, 0.1, 5e-324, 2 ** 53];
}

for (const configuration of configurations) {
  describe(`scalars, ${configuration.name}`, () => {
    const size = 3 * granule + 13;

    it('read as DataView does, at every position of a file, in both orders', () => {
      using folder = new Folder();
      using file = MappedFile.openSync(folder.file(size), 'r', configuration.options());
      const bytes = oracle(0, size);
      const view = new DataView(bytes.buffer, bytes.byteOffset, size);
      for (const [kind, length] of kinds) {
        const ours = numbers(file, kind);
        const theirs = numbers(view, kind);
        for (let position = 0; position + length <= size; position++) {
          if (!Object.is(ours.get(position), theirs.get(position))) {
            assert.fail(`${kind} at ${position}: ${ours.get(position)}, not ${theirs.get(position)}`);
          }
          if (!Object.is(ours.get(position, true), theirs.get(position, true))) {
            assert.fail(`${kind} at ${position}, little-endian: ${ours.get(position, true)}`);
          }
        }
      }
    });

    it('write as DataView does: around every border, backwards and forwards', () => {
      using folder = new Folder();
      const path = folder.file(size);
      const bytes = oracle(0, size);
      const view = new DataView(bytes.buffer, bytes.byteOffset, size);
      using file = MappedFile.openSync(path, 'r+', configuration.options());
      const places: number[] = [];
      for (const border of [0, granule, 2 * granule, 3 * granule, size]) {
        for (let position = border - 9; position <= border + 9; position++) places.push(position);
      }
      for (const [kind, length] of kinds) {
        const ours = numbers(file, kind);
        const theirs = numbers(view, kind);
        const inside = places.filter((position) => position >= 0 && position + length <= size);
        for (const value of valuesFor(kind)) {
          for (const position of [...inside, ...inside.toReversed()]) {
            const littleEndian = (position & 1) === 1;
            ours.set(position, value, littleEndian);
            theirs.set(position, value, littleEndian);
            assert.ok(Object.is(ours.get(position, littleEndian), theirs.get(position, littleEndian)));
          }
        }
        assert.ok(fs.readFileSync(path).equals(bytes), `${kind}: the file, as others read it`);
      }
    });

    it('are scattered over the file in any order', () => {
      using folder = new Folder();
      using file = MappedFile.openSync(folder.file(40 * granule), 'r', configuration.options());
      fc.assert(
        fc.property(fc.array(fc.nat(40 * granule - 1), { minLength: 20, maxLength: 200 }), (positions) => {
          for (const position of positions) assert.equal(file.getUint8(position), byteAt(position));
        }),
        { numRuns: 30 },
      );
    });

    it('take bigints, and throw for what lies outside', () => {
      using folder = new Folder();
      using file = MappedFile.openSync(folder.file(100), 'r+', configuration.options());
      for (const [kind, length] of kinds) {
        const { get, set } = numbers(file, kind);
        const value = kind.startsWith('Big') ? 7n : 7;
        assert.equal(get(5n), get(5));
        set(BigInt(100 - length), value, true);
        assert.equal(get(100 - length, true), value);
        for (const position of [
          101 - length,
          100,
          101,
          2 ** 31,
          2 ** 32,
          2 ** 32 + 5,
          2 ** 40,
          2n ** 32n,
          -1,
          -1n,
          0.5,
        ]) {
          assert.equal(
            codeOf(() => get(position)),
            'ERR_OUT_OF_RANGE',
            `${kind} at ${position}`,
          );
          assert.equal(
            codeOf(() => set(position, value)),
            'ERR_OUT_OF_RANGE',
            `${kind} at ${position}`,
          );
        }
        for (const position of [undefined, null, '5', true, {}, [5], Symbol('5'), { valueOf: () => 5 }]) {
          assert.equal(
            codeOf(() => get(position as never)),
            'ERR_INVALID_ARG_TYPE',
          );
          assert.equal(
            codeOf(() => set(position as never, value)),
            'ERR_INVALID_ARG_TYPE',
          );
        }
        const wrong: unknown[] = [undefined, null, '7', {}, kind.startsWith('Big') ? 7 : 7n];
        for (const bad of wrong)
          assert.equal(
            codeOf(() => set(0, bad)),
            'ERR_INVALID_ARG_TYPE',
          );
      }
      assert.equal(file.size, 100);
    });

    it('never call back into what they are given', () => {
      using folder = new Folder();
      using file = MappedFile.openSync(folder.file(100), 'r+', configuration.options());
      const trap = {
        valueOf(): number {
          file.closeSync();
          return 1;
        },
        [Symbol.toPrimitive](): number {
          file.closeSync();
          return 1;
        },
      };
      for (const [kind] of kinds) {
        const { get, set } = numbers(file, kind);
        assert.equal(
          codeOf(() => set(0, trap)),
          'ERR_INVALID_ARG_TYPE',
        );
        assert.equal(
          codeOf(() => get(trap as never)),
          'ERR_INVALID_ARG_TYPE',
        );
        assert.doesNotThrow(() => get(0, trap as never));
      }
      assert.equal(file.closed, false);
    });

    it('see at once what others write, and what they append', () => {
      using folder = new Folder();
      const path = folder.file(2 * granule);
      using file = MappedFile.openSync(path, 'r', configuration.options());
      assert.equal(file.getUint8(granule), byteAt(granule));
      const fd = fs.openSync(path, 'r+');
      fs.writeSync(fd, Buffer.from([1, 2, 3, 4]), 0, 4, granule);
      assert.equal(file.getUint32(granule), 0x01020304);
      fs.writeSync(fd, Buffer.from([5, 6, 7, 8]), 0, 4, 9 * granule);
      assert.equal(file.getUint32(9 * granule), 0x05060708);
      assert.equal(file.size, 9 * granule + 4);
      fs.closeSync(fd);
    });

    it('of a read-only file cannot be set', () => {
      using folder = new Folder();
      const path = folder.file(100);
      using file = MappedFile.openSync(path, 'r', configuration.options());
      file.getUint8(0);
      for (const [kind] of kinds) {
        const { set } = numbers(file, kind);
        assert.equal(
          codeOf(() => set(0, kind.startsWith('Big') ? 1n : 1)),
          'ERR_MAPPED_FILE_READ_ONLY',
        );
      }
      assert.ok(fs.readFileSync(path).equals(oracle(0, 100)));
    });

    it('of a protected file cannot be set until it is let go', () => {
      using folder = new Folder();
      using file = MappedFile.openSync(folder.file(100), 'r+', configuration.options());
      file.setUint8(0, 1);
      file.protect('read');
      assert.equal(file.isWritable, false);
      assert.equal(
        codeOf(() => file.setUint8(0, 2)),
        'ERR_MAPPED_FILE_READ_ONLY',
      );
      assert.equal(
        codeOf(() => file.writeSync('x', 0)),
        'ERR_MAPPED_FILE_READ_ONLY',
      );
      assert.equal(file.getUint8(0), 1);
      file.protect('readwrite');
      file.setUint8(0, 3);
      assert.equal(file.getUint8(0), 3);
      assert.equal(
        codeOf(() => file.protect('none' as never)),
        'ERR_INVALID_ARG_VALUE',
      );
    });

    it('of a file opened read-only stay so', () => {
      using folder = new Folder();
      using file = MappedFile.openSync(folder.file(100), 'r', configuration.options());
      file.protect('read');
      assert.equal(
        codeOf(() => file.protect('readwrite')),
        'ERR_MAPPED_FILE_READ_ONLY',
      );
      assert.equal(
        codeOf(() => file.setUint8(0, 1)),
        'ERR_MAPPED_FILE_READ_ONLY',
      );
      assert.equal(file.isWritable, false);
    });

    it('of a file opened for appending cannot be set', () => {
      using folder = new Folder();
      const path = folder.file(100);
      using file = MappedFile.openSync(path, 'a', configuration.options());
      assert.equal(file.getUint8(50), byteAt(50));
      assert.equal(
        codeOf(() => file.setUint8(50, 1)),
        'ERR_MAPPED_FILE_READ_ONLY',
      );
      assert.ok(fs.readFileSync(path).equals(oracle(0, 100)));
    });

    it('reach 2^53 minus a little in a sparse file', () => {
      using folder = new Folder();
      // The longest file that ext4 can have is 16 TiB.
      const places = [2 ** 31 - 3, 2 ** 32 - 3, 2 ** 40 - 3, 2 ** 43 - 3];
      const path = folder.sparse(2 ** 43 + granule, places);
      using file = MappedFile.openSync(path, 'r', configuration.options());
      for (const place of places) {
        for (const position of [place - 20, place, place + 20]) {
          assert.equal(file.getUint8(position), byteAt(position));
          const expected = oracle(position, 8).readBigUInt64LE();
          assert.equal(file.getBigUint64(position, true), expected);
          assert.equal(file.getBigUint64(BigInt(position), true), expected);
        }
      }
      assert.equal(file.getUint8(2 ** 42), 0);
    });
  });
}

describe('scalars of several files in one pool', () => {
  it('never show another file’s bytes', () => {
    using folder = new Folder();
    const pool = new WindowPool({ limit: 6 * granule, maxWindows: 3 });
    const files = [0, 1, 2, 3, 4].map((n) => {
      const path = folder.file(oracle(n * 2 ** 30, 20 * granule), `f${n}`);
      return MappedFile.openSync(path, 'r', { pool, windowSize: granule });
    });
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(4), fc.nat(20 * granule - 1), fc.nat(8)), { maxLength: 100 }),
        (accesses) => {
          for (const [n, position, repeat] of accesses) {
            for (let i = 0; i <= repeat; i++) {
              const at = Math.min(20 * granule - 1, position + i);
              assert.equal((files[n] as MappedFile).getUint8(at), byteAt(n * 2 ** 30 + at));
            }
            assert.ok(pool.stats().windows <= 3 && pool.stats().windowBytes <= pool.limit);
          }
        },
      ),
      { numRuns: 200 },
    );
    for (const file of files) file.closeSync();
    assert.deepEqual([pool.stats().windows, pool.stats().windowBytes], [0, 0]);
  });
});
