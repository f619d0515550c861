import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Match, MatchesOptions, Pattern } from 'sliding-mmap';
import { Matches } from '#src/text/matches.js';
import { MemoryTextSource } from '../../helpers/memory-text-source.js';

/** Little alphabets, so that needles match, half match, and overlap, across every border. */
const bytes = fc.oneof(
  fc.array(fc.constantFrom(...Buffer.from('aAbB\n\r')), { maxLength: 120 }),
  fc.array(fc.constantFrom(...Buffer.from('aé€😀\ufeff\n'), 0xff, 0xc3, 0xf0, 0xe2, 0), { maxLength: 80 }),
  fc.array(fc.constantFrom(0x61, 0x20, 0x7a, 0x0a), { minLength: 300, maxLength: 900 }),
  fc
    .array(fc.constantFrom('a'.repeat(33), 'A'.repeat(9), 'aa', 'b', '\n'), { maxLength: 20 })
    .map((texts) => [...Buffer.from(texts.join(''))]),
);
const shape = fc.record({
  windowSize: fc.constantFrom(1, 3, 64, 1 << 20),
  blockSize: fc.constantFrom(1, 5, 64, 700, 1 << 20),
  cold: fc.boolean(),
});
type Shape = { windowSize: number; blockSize: number; cold: boolean };

function search(content: Uint8Array, pattern: Pattern, options: MatchesOptions, shape: Shape): Matches {
  const source = new MemoryTextSource(content, {
    windowSize: shape.windowSize,
    isCold: (n) => shape.cold && n % 2 === 0,
  });
  return new Matches(source, pattern, options, shape.blockSize);
}

async function asyncMatches(matches: Matches): Promise<Match[]> {
  const all: Match[] = [];
  for await (const match of matches) all.push(match);
  return all;
}

const lower = (byte: number): number => (byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte);

/** Byte by byte. */
function placesOf(
  content: Uint8Array,
  needles: readonly Uint8Array[],
  { start = 0, end = content.length, overlapping = false, ignoreCase = false, firstInLine = false }: MatchesOptions,
): Match[] {
  const found: Match[] = [];
  const same = (a: number, b: number): boolean => (ignoreCase ? lower(a) === lower(b) : a === b);
  const last = Math.min(Number(end), content.length);
  for (let at = Number(start); at < last;) {
    const standing = [...needles.keys()].filter(
      (i) => at + needles[i]!.length <= last && needles[i]!.every((byte, k) => same(content[at + k]!, byte)),
    );
    for (const needle of overlapping ? standing : standing.slice(0, 1))
      found.push({ position: at, length: needles[needle]!.length, needle });
    if (standing.length === 0 || overlapping) at++;
    else if (firstInLine) {
      const newline = content.indexOf(10, at);
      at = newline < 0 ? content.length : newline + 1;
    } else at += needles[standing[0]!]!.length;
  }
  return found;
}

/** The lines of the whole content, with where they lie. */
function linesOf(
  content: Buffer,
  encoding: 'utf8' | 'latin1',
): Array<{ begin: number; end: number; bytes: Buffer; text: string }> {
  const lines = [];
  const mark = encoding === 'utf8' && content.subarray(0, 3).equals(Buffer.from('\ufeff')) ? 3 : 0;
  for (let begin = mark; begin < content.length;) {
    const newline = content.indexOf(10, begin);
    const end = newline < 0 ? content.length : newline + 1;
    let textEnd = newline < 0 ? end : newline;
    if (newline >= 0 && textEnd > begin && content[textEnd - 1] === 13) textEnd--;
    const bytes = content.subarray(begin, textEnd);
    lines.push({ begin, end, bytes, text: bytes.toString(encoding) });
    begin = end;
  }
  return lines;
}

const needle = fc.oneof(
  fc
    .array(fc.constantFrom(...Buffer.from('aAbBz ')), { minLength: 1, maxLength: 5 })
    .map((array) => Buffer.from(array)),
  fc.constantFrom(...['é', '€', '\u0000', 'a\u0000'].map((string) => Buffer.from(string)), Buffer.of(0xff)),
  // As long as several of what the content is likely to repeat.
  fc.integer({ min: 1, max: 40 }).map((length) => Buffer.alloc(length, 'a')),
);

describe('matches: properties', () => {
  it('needles are found where they stand, whatever the windows and blocks', async () => {
    await fc.assert(
      fc.asyncProperty(
        bytes,
        fc.oneof(fc.array(needle, { minLength: 1, maxLength: 4 }), fc.array(needle, { minLength: 33, maxLength: 40 })),
        fc.record({
          start: fc.nat(30),
          length: fc.option(fc.nat(900), { nil: undefined }),
          overlapping: fc.boolean(),
          ignoreCase: fc.boolean(),
        }),
        fc.option(fc.integer({ min: 1, max: 6 }), { nil: undefined }),
        shape,
        async (array, needles, { length, ...options }, limit, shape) => {
          const content = Buffer.from(array);
          const end = length === undefined ? undefined : options.start + length;
          const expected = placesOf(content, needles, { ...options, ...(end === undefined ? {} : { end }) }).slice(
            0,
            limit,
          );
          const all = { ...options, end, limit };
          assert.deepEqual([...search(content, needles, all, shape)], expected);
          assert.deepEqual(await asyncMatches(search(content, needles, all, shape)), expected);
          assert.deepEqual([...search(content, needles, all, shape).batches()].flat(), expected);
          assert.equal(search(content, needles, all, shape).countSync(), expected.length);
          assert.equal(await search(content, needles, all, shape).count(), expected.length);
        },
      ),
      { numRuns: 400 },
    );
  });

  it('needles are given with their lines', async () => {
    await fc.assert(
      fc.asyncProperty(
        bytes,
        fc.array(needle, { minLength: 1, maxLength: 3 }),
        fc.boolean(),
        fc.constantFrom('utf8', 'latin1'),
        shape,
        async (array, needles, firstInLine, encoding, shape) => {
          const content = Buffer.from(array);
          const lines = linesOf(content, encoding);
          const start = lines[0]?.begin ?? 0;
          const expected = placesOf(content, needles, { firstInLine, start }).map((match) => {
            const number = lines.findIndex(({ end }) => match.position < end);
            const { begin, end, text } = lines[number]!;
            return { ...match, lineNumber: number + 1, line: text, linePosition: begin, lineEnd: end };
          });
          const options = { firstInLine, encoding, line: true, lineNumbers: true } as const;
          assert.deepEqual([...search(content, needles, options, shape)], expected);
          assert.deepEqual(await asyncMatches(search(content, needles, options, shape)), expected);
          const numbers = expected.map(({ lineNumber }) => lineNumber);
          const numbered = { firstInLine, encoding, lineNumbers: true } as const;
          assert.deepEqual(
            [...search(content, needles, numbered, shape)].map((m) => m.lineNumber),
            numbers,
          );
          if (firstInLine)
            assert.equal(search(content, needles, { firstInLine, encoding }, shape).countSync(), expected.length);
        },
      ),
      { numRuns: 250 },
    );
  });

  it('needles that overlap delimiters are found where they stand in a line', async () => {
    const units = (options: { minLength: number; maxLength: number }): fc.Arbitrary<string> =>
      fc.string({ unit: fc.constantFrom('a', 'A', 'b', '\r', '\n'), ...options });
    await fc.assert(
      fc.asyncProperty(
        units({ minLength: 0, maxLength: 80 }),
        fc.oneof(
          fc.array(units({ minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 4 }),
          fc.array(units({ minLength: 1, maxLength: 4 }), { minLength: 33, maxLength: 36 }),
        ),
        fc.constantFrom('\r\n', 'aa', 'aab', 'a', 'aba', 'bb\n'),
        fc.constantFrom({ overlapping: true }, { firstInLine: true }, {}),
        fc.boolean(),
        shape,
        async (string, texts, delimiter, how, ignoreCase, shape) => {
          const wanted = texts.filter((needle) => !needle.includes(delimiter));
          fc.pre(wanted.length > 0);
          const content = Buffer.from(string);
          const needles = wanted.map((needle) => Buffer.from(needle));
          const expected: Match[] = [];
          for (let begin = 0, number = 1; begin < content.length; number++) {
            const at = content.indexOf(delimiter, begin);
            const end = at < 0 ? content.length : at;
            const lineEnd = at < 0 ? end : at + delimiter.length;
            const found = placesOf(content.subarray(0, end), needles, { ...how, ignoreCase, start: begin });
            const about = { line: string.slice(begin, end), linePosition: begin, lineEnd, lineNumber: number };
            for (const match of 'firstInLine' in how ? found.slice(0, 1) : found) expected.push({ ...match, ...about });
            begin = lineEnd;
          }
          const options = { ...how, delimiter, ignoreCase, line: true, lineNumbers: true };
          assert.deepEqual([...search(content, needles, options, shape)], expected);
          assert.deepEqual(await asyncMatches(search(content, needles, options, shape)), expected);
          assert.equal(await search(content, needles, options, shape).count(), expected.length);
        },
      ),
      { numRuns: 400 },
    );
  });

  const expressions = [
    /a/,
    /A/i,
    /^/,
    /$/g,
    /b*/,
    /(?<x>a)(b)?/,
    /\ufffd/,
    /./u,
    /./s,
    /€|é/,
    /a/y,
    /\b/g,
    /a$/,
    /[^a]+/,
    /(?=a)/y,
  ];
  it('regular expressions find what matchAll finds in each line, and where that lies in the file', async () => {
    await fc.assert(
      fc.asyncProperty(
        bytes,
        fc.constantFrom(...expressions),
        fc.boolean(),
        fc.constantFrom('utf8', 'latin1'),
        shape,
        async (array, expression, firstInLine, encoding, shape) => {
          const content = Buffer.from(array);
          const expected: unknown[] = [];
          for (const [index, { begin, end, bytes, text }] of linesOf(content, encoding).entries()) {
            const flags = expression.flags.includes('g') ? expression.flags : `${expression.flags}g`;
            const found = [...text.matchAll(new RegExp(expression, flags))].slice(0, firstInLine ? 1 : undefined);
            for (const captures of found) {
              const line = { line: text, linePosition: begin, lineEnd: end, lineNumber: index + 1 };
              const [from, to] = [
                offsetOf(bytes, encoding, captures.index),
                offsetOf(bytes, encoding, captures.index + captures[0].length),
              ];
              expected.push({ position: begin + from, length: to - from, needle: 0, captures, ...line });
            }
          }
          expression.lastIndex = 1;
          const options = { firstInLine, encoding, line: true, lineNumbers: true } as const;
          assert.deepEqual([...search(content, expression, options, shape)], expected);
          assert.deepEqual(await asyncMatches(search(content, expression, options, shape)), expected);
          assert.equal(search(content, expression, { firstInLine, encoding }, shape).countSync(), expected.length);
          assert.equal(expression.lastIndex, 1);
        },
      ),
      { numRuns: 300 },
    );
  });

  /** By decoding every beginning of the line. */
  function offsetOf(bytes: Buffer, encoding: 'utf8' | 'latin1', unit: number): number {
    if (encoding === 'latin1') return unit;
    const ends = [0];
    for (let at = 0; at < bytes.length;) {
      // The first character by itself: the shortest piece whose decoding stays when more follows.
      const [first] = bytes.subarray(at, at + 4).toString('utf8');
      let length = 1;
      while (length < 4 && at + length < bytes.length && bytes.subarray(at, at + length + 1).toString('utf8') === first)
        length++;
      if (first !== '\ufffd') length = Buffer.byteLength(first!);
      at += length;
      if (first!.length === 2) ends.push(at);
      ends.push(at);
    }
    return ends[unit]!;
  }
});
