import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import fc from 'fast-check';
import { MappedFile } from 'sliding-mmap';
import { native } from '#src/native.js';
import { LineIndex } from '#src/text/line-index.js';
import { decodeIndex, encodeIndex, type StoredIndex } from '#src/text/line-index-file.js';
import { Lines } from '#src/text/lines.js';
import type { LinesOptions } from '#src/text/options.js';
import { CountingTextSource } from '../../helpers/counting-text-source.js';
import { codeOf } from '../../helpers/errors.js';
import { Folder } from '../../helpers/files.js';
import { configurations } from '../../helpers/sizes.js';
import { itUnless, onWindows } from '../../helpers/systems.js';

type Line = string | Buffer;
type Encoding = NonNullable<LinesOptions<Line>['encoding']>;

/** What lines are made of, and halves of it. */
const piece = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom('\n', '\r\n', '\n\n', '\r', 'ab', 'a', 'b', '\0') },
  { weight: 3, arbitrary: fc.constantFrom('x', 'line', 'é', '€', '\ufeff', '\u0a00', '\u000a', 'y'.repeat(30)) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(Buffer.of(0x0a), Buffer.of(0), Buffer.of(0xef, 0xbb, 0xbf), Buffer.of(0xff)),
  },
);
const pieces = fc.array(piece, { maxLength: 25, size: 'max' });
const kind = fc.constantFrom<{ encoding: Encoding; delimiter?: string | number }>(
  { encoding: 'utf8' },
  { encoding: 'latin1' },
  { encoding: 'utf16le' },
  { encoding: 'buffer' },
  { encoding: 'utf8', delimiter: '\r\n' },
  { encoding: 'utf8', delimiter: 0 },
  { encoding: 'utf16le', delimiter: 'ab' },
  { encoding: 'latin1', delimiter: 'ab' },
);

function toBytes(parts: ReadonlyArray<string | Buffer>, encoding: Encoding): Buffer {
  return Buffer.concat(
    parts.map((part) =>
      typeof part === 'string' ? Buffer.from(part, encoding === 'utf16le' ? 'utf16le' : 'utf8') : part,
    ),
  );
}

/** Byte offsets at which lines begin, found one byte (or code unit) after the other, and that of the end. */
function borders(bytes: Buffer, encoding: Encoding, delimiter: string | number = '\n'): number[] {
  const unit = encoding === 'utf16le' ? 2 : 1;
  const wanted =
    typeof delimiter === 'number' ? Buffer.of(delimiter) : Buffer.from(delimiter, unit === 2 ? 'utf16le' : 'utf8');
  const found = [0];
  for (let at = 0; at + wanted.length <= bytes.length; at += unit)
    if (wanted.equals(bytes.subarray(at, at + wanted.length))) found.push(at + wanted.length);
  if (found.at(-1) !== bytes.length) found.push(bytes.length);
  return found;
}

/** Everything that the index can be asked. */
async function verify(
  index: LineIndex<Line>,
  bytes: Buffer,
  encoding: Encoding,
  delimiter?: string | number,
): Promise<void> {
  const options = { encoding, delimiter } as LinesOptions<Line>;
  const lines = [...new Lines<Line>(new CountingTextSource(bytes), options)];
  assert.equal(index.size, bytes.length);
  assert.equal(index.lineCount, lines.length);
  const found = borders(bytes, encoding, delimiter);
  for (const [i, line] of lines.entries()) {
    assert.equal(await index.positionOf(i + 1), found[i]);
    assert.equal(index.positionOfSync(i + 1), found[i]);
    assert.deepEqual(await index.line(i + 1), line);
    assert.deepEqual(index.lineSync(i + 1), line);
  }
  if (lines.length > 0) assert.equal(index.positionOfSync(lines.length + 1), bytes.length);
  assert.throws(() => index.lineSync(lines.length + 1), { code: 'ERR_OUT_OF_RANGE' });
  // A last line that is not ended goes on at the end of the file.
  const last = lines.length === 0 || found.length > lines.length + 1 ? undefined : lines.length;
  for (let position = 0, number = 1; position < bytes.length; position++) {
    while (number < found.length - 1 && found[number]! <= position) number++;
    assert.equal(index.lineAtSync(position), number);
    if (position % 7 === 0) assert.equal(await index.lineAt(position), number);
  }
  assert.ok(last === undefined || index.lineAtSync(bytes.length) >= last);
  const middle = Math.ceil(lines.length / 2);
  assert.deepEqual([...index.linesSync()], lines);
  assert.deepEqual([...(await index.lines(middle + 1, undefined, { reverse: true }))], lines.slice(middle).reverse());
  assert.deepEqual([...index.linesSync(1, middle + 1)], lines.slice(0, middle));
}

describe('lineIndex: any bytes, any interval, any growth', () => {
  it('equals splitting the whole text, at every step', () =>
    fc.assert(
      fc.asyncProperty(
        kind,
        fc.array(pieces, { minLength: 1, maxLength: 4 }),
        fc.constantFrom(2, 4, 8, 32, 256),
        fc.constantFrom(2, 8, 1024),
        fc.integer({ min: 1, max: 70 }),
        async ({ encoding, delimiter }, growth, interval, mostEntries, windowSize) => {
          const source = new CountingTextSource(Buffer.alloc(0), { windowSize, isCold: (read) => read % 5 === 0 });
          const index = await LineIndex.create<Line>(source, { encoding, delimiter, interval }, mostEntries);
          await verify(index, Buffer.alloc(0), encoding, delimiter);
          for (const step of growth) {
            source.append(toBytes(step, encoding));
            assert.equal(await index.refresh(), index.lineCount);
            await verify(index, Buffer.from(source.bytes), encoding, delimiter);
          }
          const whole = await LineIndex.create<Line>(source, { encoding, delimiter, interval }, 1024);
          assert.equal(whole.lineCount, index.lineCount);
          assert.equal(source.retained, source.released);
        },
      ),
      { numRuns: 250 },
    ));

  for (const configuration of configurations)
    it(`holds for files that are saved, loaded and grown (${configuration.name})`, async () => {
      using folder = new Folder();
      await fc.assert(
        fc.asyncProperty(kind, pieces, pieces, fc.nat(9000), async ({ encoding, delimiter }, head, tail, filler) => {
          const path = folder.file(Buffer.concat([Buffer.alloc(filler * 2, 'z\0'), toBytes(head, encoding)]));
          await using file = await MappedFile.open(path, 'r', configuration.options());
          const options = { encoding, delimiter, interval: 4096 } as never;
          const index: LineIndex<Line> = await file.lineIndex(options);
          assert.equal(await index.save(), `${path}.lines`);
          fs.appendFileSync(path, toBytes(tail, encoding));
          const loaded: LineIndex<Line> = await file.lineIndex({ ...(options as object), from: true });
          await index.refresh();
          const bytes = fs.readFileSync(path);
          const expected = [...new Lines<Line>(new CountingTextSource(bytes), { encoding, delimiter })];
          for (const made of [index, loaded]) {
            assert.equal(made.lineCount, expected.length);
            assert.deepEqual([...made.linesSync()], expected);
            const last = expected.length;
            if (last > 0) assert.deepEqual(await made.line(last), expected[last - 1]);
            for (const position of [0, bytes.length >> 1, bytes.length]) {
              const wanted = borders(bytes.subarray(0, position), encoding, delimiter);
              assert.equal(made.lineAtSync(position), countEnds(wanted, bytes, encoding, delimiter));
            }
          }
        }),
        { numRuns: 15 },
      );
    });
});

/** The number of the line at the end of what has these borders. */
function countEnds(found: number[], bytes: Buffer, encoding: Encoding, delimiter?: string | number): number {
  const all = new Set(borders(bytes, encoding, delimiter).slice(1, -1));
  const ended = endsWithDelimiter(bytes, encoding, delimiter) ? all.add(bytes.length) : all;
  return 1 + found.filter((border) => ended.has(border)).length;
}

function endsWithDelimiter(bytes: Buffer, encoding: Encoding, delimiter?: string | number): boolean {
  return borders(Buffer.concat([bytes, Buffer.from('q\0')]), encoding, delimiter).includes(bytes.length);
}

describe('count and findNth: any bytes', () => {
  const bytes = fc
    .tuple(fc.array(fc.constantFrom(0, 10, 97), { maxLength: 70, size: 'max' }), fc.integer({ min: 0, max: 20_000 }))
    .map(([unit, length]) => (unit.length === 0 ? Buffer.alloc(length) : Buffer.alloc(length, Buffer.from(unit))));
  const needles = fc.constantFrom<[string, boolean]>(
    ['0a', false],
    ['0a00', false],
    ['0a00', true],
    ['0a006100', true],
  );

  it('find every place that a byte by byte search finds', () =>
    fc.assert(
      fc.property(bytes, needles, fc.nat(70), (all, [hex, wide], skip) => {
        const haystack = all.subarray(skip);
        const needle = Buffer.from(hex, 'hex');
        const places: number[] = [];
        for (let at = 0; at + needle.length <= haystack.length; at += wide ? 2 : 1)
          if (needle.equals(haystack.subarray(at, at + needle.length))) places.push(at);
        assert.equal(native.count(haystack, needle, wide), places.length);
        for (const n of [1, 2, places.length >> 1, places.length].filter((n) => n > 0 && n <= places.length))
          assert.equal(native.findNth(haystack, needle, wide, n), places[n - 1]);
        assert.equal(native.findNth(haystack, needle, wide, places.length + 1), -1 - places.length);
      }),
      { numRuns: 300 },
    ));

  itUnless(onWindows('there is no wc'), 'count what `wc -l` counts', () => {
    const { stdout } = spawnSync('wc', ['-l', process.execPath], { encoding: 'utf8' });
    assert.equal(native.count(fs.readFileSync(process.execPath), Buffer.from('\n'), false), parseInt(stdout, 10));
  });
});

describe('a stored line index: any damage', () => {
  const stored: StoredIndex = {
    unit: 1,
    delimiter: Buffer.from('\n'),
    inode: 2n ** 64n - 1n,
    modified: -5n,
    covered: 5 * 4096,
    delimiters: 100,
    interval: 4096,
    entries: Float64Array.of(10, 20, 30, 40, 100),
    fingerprint: Buffer.alloc(32, 7),
  };

  it('is read as it was written', () => {
    const read = decodeIndex(encodeIndex(stored), 'x');
    const buffers = { delimiter: Buffer.from(read.delimiter), fingerprint: Buffer.from(read.fingerprint) };
    assert.deepEqual({ ...read, ...buffers }, stored);
  });

  it('is refused when any bit is another, or when bytes are missing or too many', () => {
    const bytes = encodeIndex(stored);
    const code = (damaged: Buffer): unknown => codeOf(() => decodeIndex(damaged, 'x'));
    for (let bit = 0; bit < 8 * bytes.length; bit++) {
      const damaged = Buffer.from(bytes);
      damaged[bit >> 3]! ^= 1 << (bit & 7);
      assert.equal(code(damaged), 'ERR_MAPPED_FILE_INDEX_INVALID', `bit ${bit}`);
    }
    for (let length = 0; length < bytes.length; length++)
      assert.equal(code(bytes.subarray(0, length)), 'ERR_MAPPED_FILE_INDEX_INVALID');
    assert.equal(code(Buffer.concat([bytes, Buffer.alloc(8)])), 'ERR_MAPPED_FILE_INDEX_INVALID');
  });

  it('is refused with an interval that lookups and counting cannot do with', () => {
    const table = { covered: 100, delimiters: 5, entries: new Float64Array(0) };
    for (const interval of [1, 2048, 4097, 2 ** 40 - 1, 2 ** 41, 2 ** 49 - 1, Number.MAX_SAFE_INTEGER]) {
      // 1 has an entry for each byte.
      const entries = new Float64Array(Math.floor(100 / interval));
      const bytes = encodeIndex({ ...stored, ...table, entries, interval, delimiters: Math.min(5, interval) });
      assert.equal(
        codeOf(() => decodeIndex(bytes, 'x')),
        'ERR_MAPPED_FILE_INDEX_INVALID',
        `interval ${interval}`,
      );
    }
    assert.equal(decodeIndex(encodeIndex({ ...stored, ...table, interval: 2 ** 40 }), 'x').interval, 2 ** 40);
  });

  const numbers = fc.oneof(
    fc.double(),
    fc.constantFrom(-1, 0, 1, 4095, 4096, 8192, 20480, 2 ** 40, 2 ** 53, Infinity, NaN, -0, 0.5),
  );
  it('is refused with a right checksum, too, unless everything in it is in order', () =>
    fc.assert(
      fc.property(
        fc.record({ covered: numbers, delimiters: numbers, interval: numbers }, { requiredKeys: [] }),
        fc.array(numbers, { maxLength: 6 }),
        fc.boolean(),
        (changed, entries, own) => {
          const made = { ...stored, ...changed, ...(own && { entries: Float64Array.from(entries) }) };
          let read: StoredIndex;
          try {
            read = decodeIndex(encodeIndex(made), 'x');
          } catch (error) {
            assert.equal((error as { code?: string }).code, 'ERR_MAPPED_FILE_INDEX_INVALID');
            return;
          }
          assert.equal(read.entries.length, Math.floor(read.covered / read.interval) + 0); // -0 becomes 0
          const all = [0, ...read.entries, read.delimiters];
          for (let i = 1; i < all.length; i++)
            assert.ok(all[i]! >= all[i - 1]! && all[i]! - all[i - 1]! <= read.interval);
        },
      ),
      { numRuns: 500 },
    ));
});
