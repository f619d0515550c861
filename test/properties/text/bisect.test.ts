import assert from 'node:assert/strict';
import fc from 'fast-check';
import { MappedFile } from 'sliding-mmap';
import { bisect, bisectSync, type BisectOptions, type CompareLine } from '#src/text/bisect.js';
import { Lines } from '#src/text/lines.js';
import { Folder } from '../../helpers/files.js';
import { MemoryTextSource } from '../../helpers/memory-text-source.js';
import { configurations } from '../../helpers/sizes.js';

type Encoding = 'utf8' | 'latin1' | 'utf16le';

interface Log {
  mark: boolean;
  headless: number;
  records: Array<{ step: number; length: number; followers: number; wide: boolean }>;
  newline: string;
  ended: boolean;
}

/** `k<key> …`, or a line without a key. */
const record = fc.record({
  step: fc.nat(3),
  length: fc.oneof(
    { weight: 6, arbitrary: fc.nat(60) },
    { weight: 2, arbitrary: fc.nat(3000) },
    { weight: 1, arbitrary: fc.nat(9000) },
  ),
  followers: fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(100) }),
  wide: fc.boolean(),
});
const logs = fc.record({
  mark: fc.boolean(),
  headless: fc.nat(3),
  records: fc.array(record, { maxLength: 60, size: 'max' }),
  newline: fc.constantFrom('\n', '\r\n'),
  ended: fc.boolean(),
});

function text({ mark, headless, records, newline, ended }: Log): string {
  const lines: string[] = Array.from({ length: headless }, (_, i) => (i === 0 ? '' : '  at nowhere'));
  let key = 10;
  for (const { step, length, followers, wide } of records) {
    lines.push(`k${(key += step)} ${(wide ? '€' : 'x').repeat(length)}`);
    for (let i = 0; i < followers; i++) lines.push(i % 3 === 0 ? '' : `  at frame ${i}`);
  }
  return (mark ? '\ufeff' : '') + lines.join(newline) + (ended ? newline : '');
}

const keyOf = (line: string): number | undefined => {
  const found = /^k(\d+)/.exec(line);
  return found === null ? undefined : Number(found[1]);
};
const compareTo =
  (key: number): CompareLine =>
  (line) => {
    const own = keyOf(line);
    return own === undefined ? undefined : own - key;
  };

/** The same, line by line from the front. */
function linear(bytes: Buffer, compare: CompareLine, options: BisectOptions): number {
  const lines = new Lines(new MemoryTextSource(bytes), options);
  let position = lines.position;
  for (const line of lines) {
    if ((compare(line, position) ?? -1) >= 0) return position;
    position = lines.position;
  }
  return Math.max(Number(options.start ?? 0), Math.min(Number(options.end ?? Infinity), bytes.length));
}

describe('bisect: any sorted lines', () => {
  it('finds what a linear search finds', () =>
    fc.assert(
      fc.asyncProperty(
        logs,
        fc.constantFrom<Encoding>('utf8', 'latin1', 'utf16le'),
        fc.array(fc.nat(220), { minLength: 1, maxLength: 4 }),
        fc.integer({ min: 300, max: 9000 }),
        fc.nat(5),
        fc.nat(5),
        async (log, encoding, keys, windowSize, skip, drop) => {
          const string = text(log);
          const bytes = Buffer.from(string, encoding === 'utf16le' ? 'utf16le' : 'utf8');
          const source = new MemoryTextSource(bytes, { windowSize, isCold: (read) => read % 3 === 0 });
          // Ranges of whole lines, as a caller makes them.
          const begins = [0];
          const all = new Lines(new MemoryTextSource(bytes), { encoding });
          const each = all[Symbol.iterator]();
          while (each.next().done !== true) begins.push(all.position);
          const start = begins[Math.min(skip, begins.length - 1)]!;
          const end = begins.at(-1 - drop) ?? bytes.length;
          const range = skip % 2 === 0 || start > end ? {} : { start, end };
          for (const key of keys) {
            const options = { encoding, ...range };
            const expected = linear(bytes, compareTo(key), options);
            const positions: number[] = [];
            const compare: CompareLine = (line, position) => {
              positions.push(position);
              assert.ok(begins.includes(position), 'not the beginning of a line');
              return compareTo(key)(line, position);
            };
            assert.equal(bisectSync(source, compare, options), expected);
            assert.equal(await bisect(source, compare, options), expected);
          }
        },
      ),
      { numRuns: 100 },
    ));
});

/** A file of any size, 1 KiB of sorted lines of different lengths after the other, made when it is read. */
class EndlessLog extends MemoryTextSource {
  readonly pages = new Set<number>();
  readonly #size: number;

  constructor(size: number) {
    super(Buffer.alloc(0));
    this.#size = size;
  }

  override get size(): number {
    return this.#size;
  }

  override readIntoSync(target: Uint8Array, position: number): number {
    const length = Math.min(target.length, this.#size - position);
    for (let at = position; at < position + length;) {
      const block = Math.floor(at / 1024);
      const bytes = EndlessLog.block(block).subarray(at - block * 1024, position + length - block * 1024);
      target.set(bytes, at - position);
      at += bytes.length;
    }
    for (let page = Math.floor(position / 4096); page <= (position + length - 1) / 4096; page++) this.pages.add(page);
    this.reads.push({ position, length });
    return length;
  }

  static block(number: number): Buffer {
    const bytes = Buffer.alloc(1024, 'x');
    let at = 0;
    for (let line = 0; at < 1024; line++) {
      const length = line === 7 ? 1024 - at : 60 + ((number * 31 + line * 17) % 60);
      bytes.write(`${String(number * 8 + line).padStart(16, '0')} `, at, 'latin1');
      bytes[at + length - 1] = 0x0a;
      at += length;
    }
    return bytes;
  }
}

describe('bisect: touches few pages', () => {
  const GIB = 2 ** 30;
  for (const [gib, reads, pages] of [
    [1, 36, 36],
    [100, 50, 46],
    [16 * 1024, 64, 64],
  ] as const) {
    it(`of a sorted file of ${gib} GiB at most ${pages}, in at most ${reads} reads`, async () => {
      const lines = gib * GIB * (8 / 1024);
      for (const share of [0, 0.001, 1 / 3, 0.5, 0.77777, 0.999999]) {
        const key = Math.floor(lines * share);
        const source = new EndlessLog(gib * GIB);
        const position = await bisect(source, (line: string) => Number(line.slice(0, 16)) - key);
        const block = Math.floor(key / 8);
        const found = EndlessLog.block(block).indexOf(String(key).padStart(16, '0'));
        assert.equal(position, block * 1024 + found);
        assert.ok(source.reads.length <= reads, `${source.reads.length} reads`);
        assert.ok(source.pages.size <= pages, `${source.pages.size} pages`);
      }
    });
  }

  it('of a line of megabytes about as many as it has', () => {
    const long = Buffer.concat([Buffer.from('k1\nk2 '), Buffer.alloc(8 << 20, 'x'), Buffer.from('\nk3\n')]);
    for (const [key, expected] of [
      [2, 3],
      [3, long.length - 3],
    ] as const) {
      const source = new MemoryTextSource(long);
      assert.equal(bisectSync(source, compareTo(key), { maxLineLength: 100, overflow: 'truncate' }), expected);
      const read = source.reads.reduce((sum, { length }) => sum + length, 0);
      assert.ok(read < 4 * long.length, `${read} bytes`);
    }
  });
});

describe('bisect: files', () => {
  const lines = Array.from(
    { length: 9000 },
    (_, i) => `k${10 + Math.floor(i / 3) * 2} ${'x'.repeat(i % 71)}\n  at frame\n`,
  );
  const content = Buffer.from(lines.join(''));

  for (const configuration of configurations)
    it(`finds the first of equal lines, the next where there is none, and the end (${configuration.name})`, async () => {
      using folder = new Folder();
      await using file = await MappedFile.open(folder.file(content), 'r', configuration.options());
      for (const key of [0, 10, 11, 12, 3000, 4501, 6007, 6008, 6009]) {
        const expected = linear(content, compareTo(key), {});
        assert.equal(await file.bisect(compareTo(key)), expected);
        assert.equal(file.bisectSync(compareTo(key)), expected);
      }
      assert.equal(file.bisectSync(compareTo(6009)), content.length);
    });

  it('gives no place in a file that was cut meanwhile', () => {
    using folder = new Folder();
    using file = MappedFile.openSync(folder.file(content), 'r+');
    assert.throws(() => file.bisectSync(() => (file.truncateSync(10), -1)), { code: 'ERR_MAPPED_FILE_TRUNCATED' });
  });

  it('ends with what compare throws, what it does, and the signal', async () => {
    using folder = new Folder();
    const file = MappedFile.openSync(folder.file(content));
    const reason = new Error('no');
    const fail = (): never => {
      throw reason;
    };
    assert.throws(() => file.bisectSync(fail), reason);
    await assert.rejects(file.bisect(fail), reason);
    await assert.rejects(
      file.bisect(() => 0, { signal: AbortSignal.abort(reason) }),
      reason,
    );
    const controller = new AbortController();
    await assert.rejects(
      file.bisect(() => (controller.abort(reason), 1), { signal: controller.signal }),
      reason,
    );
    for (const result of ['1', null, 1n, {}])
      assert.throws(() => file.bisectSync(() => result as never), { code: 'ERR_INVALID_ARG_TYPE' });
    assert.throws(() => file.bisectSync(undefined as never), { code: 'ERR_INVALID_ARG_TYPE' });
    assert.throws(() => file.bisectSync(() => 0, { delimiter: '\n\n' }), { code: 'ERR_INVALID_ARG_VALUE' });
    assert.equal(
      file.bisectSync(() => NaN),
      content.length,
    );
    assert.equal(
      file.bisectSync(() => 0),
      0,
    );
    assert.throws(() => file.bisectSync(() => (file.closeSync(), -1)), { code: 'ERR_MAPPED_FILE_CLOSED' });
    await file.close();
  });
});
