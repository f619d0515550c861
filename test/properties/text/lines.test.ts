import assert from 'node:assert/strict';
import fc from 'fast-check';
import { Lines } from '#src/text/lines.js';
import type { LinesOptions } from '#src/text/options.js';
import { MemoryTextSource } from '../../helpers/memory-text-source.js';

type Line = string | Buffer;
type Options = LinesOptions<Line>;
type Encoding = 'utf8' | 'latin1' | 'utf16le' | 'buffer';

const encodings = fc.constantFrom<Encoding>('utf8', 'latin1', 'utf16le', 'buffer');

/** Bytes full of what lines are made of, and of what breaks them. */
const piece = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom('\n', '\r\n', '\r', '\n\n', '\r\r\n') },
  { weight: 4, arbitrary: fc.constantFrom('a', 'bc', 'x'.repeat(20), 'é', '€', '😀', '\0', ';', '\ufeff', '\u0a0d') },
  { weight: 2, arbitrary: fc.uint8Array({ maxLength: 5 }) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      ...['c3', 'e282', 'f09f98', '80', 'eda080', '0d00', '0a00', '00d8', 'fffe', '0a'].map((hex) =>
        Buffer.from(hex, 'hex'),
      ),
    ),
  },
);
const marks = fc.constantFrom('', '', '', 'efbbbf', 'fffe', 'efbb').map((hex) => Buffer.from(hex, 'hex'));
const text = fc
  .record({ mark: marks, pieces: fc.array(piece, { maxLength: 40, size: 'max' }), wide: fc.boolean() })
  .map(({ mark, pieces, wide }) =>
    Buffer.concat([
      mark,
      ...pieces.map((p) => (typeof p === 'string' ? Buffer.from(p, wide ? 'utf16le' : 'utf8') : Buffer.from(p))),
    ]),
  );
const sizes = fc.record({ windowSize: fc.integer({ min: 1, max: 70 }), blockSize: fc.integer({ min: 1, max: 70 }) });

function decode(bytes: Uint8Array, encoding: Encoding, ignoreBOM: boolean): string {
  if (encoding === 'utf8') return new TextDecoder('utf-8', { ignoreBOM }).decode(bytes);
  if (encoding === 'utf16le') return new TextDecoder('utf-16le', { ignoreBOM }).decode(bytes);
  return Buffer.from(bytes).toString('latin1');
}

/** The lines of the whole text, decoded at once and split. */
function expectedLines(bytes: Uint8Array, encoding: Encoding, start = 0, end = bytes.length): Line[] {
  const lines = decode(bytes.subarray(start, end), encoding, start > 0).split(/\r?\n/);
  if (lines.at(-1) === '') lines.pop();
  return encoding === 'buffer' ? lines.map((line) => Buffer.from(line, 'latin1')) : lines;
}

async function collect(lines: AsyncIterable<Line>): Promise<Line[]> {
  const all: Line[] = [];
  for await (const line of lines) all.push(line);
  return all;
}

async function flatten(batches: AsyncIterable<Line[]>): Promise<Line[]> {
  const all: Line[] = [];
  for await (const batch of batches) {
    assert.notEqual(batch.length, 0);
    all.push(...batch);
  }
  return all;
}

/** Every way to iterate gives `expected`, and leaves nothing retained. */
async function assertLines(
  bytes: Uint8Array,
  options: Options,
  expected: Line[],
  windowSize: number,
  blockSize: number,
): Promise<void> {
  const isCold = (read: number): boolean => read % 3 === 1;
  const open = (): { source: MemoryTextSource; lines: Lines<Line> } => {
    const source = new MemoryTextSource(bytes, { windowSize, isCold });
    return { source, lines: new Lines<Line>(source, options, blockSize) };
  };
  const ways: Array<(lines: Lines<Line>) => Line[] | Promise<Line[]>> = [
    (lines) => [...lines],
    (lines) => [...lines.batches()].flat(),
    collect,
    (lines) => flatten(lines.batches()),
  ];
  for (const way of ways) {
    const { source, lines } = open();
    assert.deepEqual(await way(lines), expected);
    assert.deepEqual([source.retained, source.released], [1, 1]);
  }
}

/** After each line, and after each batch, opening again at the position gives exactly the rest. */
function assertPositions(
  bytes: Uint8Array,
  options: Options,
  expected: Line[],
  windowSize: number,
  blockSize: number,
): void {
  const source = new MemoryTextSource(bytes, { windowSize });
  const open = (o: Options): Lines<Line> => new Lines<Line>(source, o, blockSize);
  const rest = (position: number): Line[] => [...open({ ...options, [options.reverse ? 'end' : 'start']: position })];
  const lines = open(options);
  assert.deepEqual(rest(lines.position), expected);
  let given = 0;
  for (const line of lines) {
    assert.deepEqual(line, expected[given++]);
    assert.deepEqual(rest(lines.position), expected.slice(given));
  }
  assert.deepEqual(rest(lines.position), []);

  const batched = open(options);
  given = 0;
  for (const batch of batched.batches())
    assert.deepEqual(rest(batched.position), expected.slice((given += batch.length)));
  assert.equal(given, expected.length);
}

describe('lines: any bytes, any windows and blocks', () => {
  for (const reverse of [false, true]) {
    const order = (lines: Line[]): Line[] => (reverse ? lines.reverse() : lines);
    const name = reverse ? 'in reverse' : 'forwards';

    it(`${name}: the same as splitting the whole decoded text`, () =>
      fc.assert(
        fc.asyncProperty(
          text,
          encodings,
          sizes,
          fc.boolean(),
          async (bytes, encoding, { windowSize, blockSize }, copy) => {
            const options = { encoding, reverse, copy } as Options;
            const expected = order(expectedLines(bytes, encoding));
            await assertLines(bytes, options, expected, windowSize, blockSize);
            assertPositions(bytes, options, expected, windowSize, blockSize);
          },
        ),
        { numRuns: 600 },
      ));

    it(`${name}: any range`, () =>
      fc.assert(
        fc.asyncProperty(
          text,
          encodings,
          sizes,
          fc.nat(60),
          fc.nat(60),
          async (bytes, encoding, { windowSize, blockSize }, a, b) => {
            const [start, end] = a < b ? [a, b] : [b, a];
            const options = { encoding, reverse, start, end: BigInt(end) } as Options;
            const expected = order(expectedLines(bytes, encoding, start, end));
            await assertLines(bytes, options, expected, windowSize, blockSize);
            assertPositions(bytes, options, expected, windowSize, blockSize);
          },
        ),
        { numRuns: 300 },
      ));

    it(`${name}: a delimiter of any bytes cuts records, which are decoded one by one`, () =>
      fc.assert(
        fc.asyncProperty(
          text,
          encodings,
          sizes,
          fc.oneof(
            fc.constantFrom<number | string>('\n', '\n\n', ';', 'xx', 'aba', '€', 0, 10, 13, 0xbb, 0x80, 0xa9),
            fc.uint8Array({ minLength: 1, maxLength: 2 }),
          ),
          async (bytes, encoding, { windowSize, blockSize }, delimiter) => {
            const options = { encoding, reverse, delimiter } as Options;
            const wide = encoding === 'utf16le';
            if (wide && typeof delimiter === 'object') fc.pre(delimiter.length % 2 === 0);
            if (encoding === 'latin1') fc.pre(delimiter !== '€');
            const needle =
              typeof delimiter === 'string'
                ? Buffer.from(delimiter, encoding === 'buffer' ? 'utf8' : encoding)
                : typeof delimiter === 'number'
                  ? Buffer.from(wide ? [delimiter, 0] : [delimiter])
                  : Buffer.from(delimiter);
            const unit = wide ? 2 : 1;
            const repeats = needle.length > unit && needle.subarray(0, unit).equals(needle.subarray(-unit));
            if (reverse && repeats) {
              assert.throws(() => new Lines<Line>(new MemoryTextSource(bytes), options), {
                code: 'ERR_INVALID_ARG_VALUE',
              });
              return;
            }
            const expected = order(records(bytes, needle, encoding));
            await assertLines(bytes, options, expected, windowSize, blockSize);
            assertPositions(bytes, options, expected, windowSize, blockSize);
          },
        ),
        { numRuns: 500 },
      ));

    it(`${name}: lines that are too long are cut, or are errors in their place`, () =>
      fc.assert(
        fc.asyncProperty(
          text,
          encodings,
          sizes,
          fc.integer({ min: 1, max: 24 }),
          async (bytes, encoding, { windowSize, blockSize }, maxLineLength) => {
            const unit = encoding === 'utf16le' ? 2 : 1;
            const newline = unit === 2 ? Buffer.from([10, 0]) : Buffer.from([10]);
            const pieces = order(cut(bytes, newline, encoding, true)) as Buffer[];
            const expected = pieces.map((line) => decodeCut(line, encoding, maxLineLength));
            const options = { encoding, reverse, maxLineLength, overflow: 'truncate' } as Options;
            await assertLines(bytes, options, expected, windowSize, blockSize);
            assertPositions(bytes, options, expected, windowSize, blockSize);

            const first = pieces.findIndex((line) => line.length > maxLineLength);
            const source = new MemoryTextSource(bytes, { windowSize });
            const strict = new Lines<Line>(source, { ...options, overflow: 'error' }, blockSize);
            const seen: Line[] = [];
            const run = (): void => {
              for (const line of strict) seen.push(line);
            };
            if (first < 0) run();
            else assert.throws(run, { code: 'ERR_MAPPED_FILE_LINE_TOO_LONG', length: maxLineLength });
            assert.deepEqual(seen, first < 0 ? expected : expected.slice(0, first));
            assert.deepEqual([source.retained, source.released], [1, 1]);
            const range = reverse ? { end: strict.position } : { start: strict.position };
            assert.deepEqual(
              [...new Lines<Line>(source, { ...options, ...range }, blockSize)],
              first < 0 ? [] : expected.slice(first),
            );
          },
        ),
        { numRuns: 500 },
      ));
  }

  it('leaving early and going on from the position loses and repeats nothing', () =>
    fc.assert(
      fc.property(
        text,
        encodings,
        sizes,
        fc.array(fc.nat(5)),
        fc.boolean(),
        (bytes, encoding, { windowSize, blockSize }, stops, reverse) => {
          const source = new MemoryTextSource(bytes, { windowSize });
          const seen: Line[] = [];
          let range: Options = {};
          for (const count of [...stops.map((stop) => stop + 1), Infinity]) {
            const lines = new Lines<Line>(source, { ...range, encoding, reverse }, blockSize);
            let left = count;
            for (const line of lines) {
              seen.push(line);
              if (--left === 0) break;
            }
            range = reverse ? { end: lines.position } : { start: lines.position };
          }
          const expected = expectedLines(bytes, encoding);
          assert.deepEqual(seen, reverse ? expected.reverse() : expected);
          assert.equal(source.retained, source.released);
        },
      ),
      { numRuns: 300 },
    ));

  it('a source that grows or shrinks under way never gives bytes that it did not have', () =>
    fc.assert(
      fc.property(
        fc.nat(300),
        fc.nat(300),
        fc.nat(12),
        sizes,
        fc.boolean(),
        (before, after, at, { windowSize, blockSize }, reverse) => {
          // Every line tells its own number, so a wrong place shows.
          const whole = Buffer.from(Array.from({ length: 80 }, (_, i) => `line ${i}\r\n`).join(''));
          const source = new MemoryTextSource(whole.subarray(0, before), {
            windowSize,
            beforeRead: (read) => {
              if (read === at) source.bytes = whole.subarray(0, after);
            },
          });
          const lines = new Lines<Line>(source, { reverse }, blockSize);
          const seen: Line[] = [];
          try {
            for (const line of lines) seen.push(line);
          } catch (error) {
            assert.equal((error as { code?: string }).code, 'ERR_MAPPED_FILE_TRUNCATED');
            assert.ok(reverse && after < before);
          }
          assert.deepEqual([source.retained, source.released], [1, 1]);
          // The lines given are those of the range that the position tells, wherever the file ended meanwhile.
          const range = reverse ? whole.subarray(lines.position, before) : whole.subarray(0, lines.position);
          assert.ok(lines.position <= Math.max(before, after));
          assert.deepEqual(reverse ? seen.reverse() : seen, expectedLines(range, 'latin1'));
        },
      ),
      { numRuns: 500 },
    ));
});

/** Where the text of a range that starts at 0 begins. */
function markLength(bytes: Uint8Array, encoding: Encoding): number {
  const mark = { utf8: 'efbbbf', utf16le: 'fffe', latin1: '', buffer: '' }[encoding];
  return mark !== '' && Buffer.from(bytes.subarray(0, mark.length / 2)).toString('hex') === mark ? mark.length / 2 : 0;
}

/** The records' bytes, found one byte (or code unit) after the other. */
function cut(bytes: Uint8Array, delimiter: Buffer, encoding: Encoding, dropsCarriageReturn: boolean): Line[] {
  const unit = encoding === 'utf16le' ? 2 : 1;
  const found: Buffer[] = [];
  let begin = markLength(bytes, encoding);
  for (let at = begin; at + delimiter.length <= bytes.length;) {
    if (!delimiter.equals(bytes.subarray(at, at + delimiter.length))) {
      at += unit;
      continue;
    }
    const cr = dropsCarriageReturn && at > begin && bytes[at - unit] === 13 && (unit === 1 || bytes[at - 1] === 0);
    found.push(Buffer.from(bytes.subarray(begin, cr ? at - unit : at)));
    at += delimiter.length;
    begin = at;
  }
  if (begin < bytes.length) found.push(Buffer.from(bytes.subarray(begin)));
  return found;
}

function records(bytes: Uint8Array, delimiter: Buffer, encoding: Encoding): Line[] {
  const found = cut(bytes, delimiter, encoding, false) as Buffer[];
  return encoding === 'buffer' ? found : found.map((record) => decode(record, encoding, true));
}

/** All of a line that is short enough, and of any other the characters that are whole before the limit. */
function decodeCut(line: Buffer, encoding: Encoding, limit: number): Line {
  const head = line.subarray(0, limit);
  if (encoding === 'buffer') return head;
  if (line.length <= limit || encoding === 'latin1') return decode(head, encoding, true);
  const label = encoding === 'utf8' ? 'utf-8' : 'utf-16le';
  return new TextDecoder(label, { ignoreBOM: true }).decode(head, { stream: true });
}
