import assert from 'node:assert/strict';
import { constants } from 'node:buffer';
import { getEventListeners } from 'node:events';
import { Lines } from '#src/text/lines.js';
import type { LinesOptions } from '#src/text/options.js';
import { nextTurn } from '#src/turn.js';
import { MappedFile } from 'sliding-mmap';
import { collect } from '../../helpers/collect.js';
import { Folder } from '../../helpers/files.js';
import { MemoryTextSource } from '../../helpers/memory-text-source.js';

const text = (string: string, options?: ConstructorParameters<typeof MemoryTextSource>[1]): MemoryTextSource =>
  new MemoryTextSource(Buffer.from(string), options);
/** `count` lines that tell their number. */
const numbered = (count: number): string => Array.from({ length: count }, (_, i) => `line ${i}\n`).join('');
const released = (source: MemoryTextSource): void => {
  assert.deepEqual([source.retained, source.released], [1, 1]);
};

describe('Lines: what a line is', () => {
  const cases: Array<[string, string, string[]]> = [
    ['an empty file', '', []],
    ['a newline alone', '\n', ['']],
    ['no newline at the end', 'a\nb', ['a', 'b']],
    ['a newline at the end', 'a\nb\n', ['a', 'b']],
    ['empty lines', '\n\na\n\n', ['', '', 'a', '']],
    ['both kinds of newline', 'a\r\nb\nc\r\n', ['a', 'b', 'c']],
    ['one carriage return of several', 'a\r\r\n\r\n\rb\r', ['a\r', '', '\rb\r']],
    ['NULs', 'a\0b\n\0\n', ['a\0b', '\0']],
    ['a byte-order mark', '\ufeffa\n\ufeffb\n', ['a', '\ufeffb']],
    ['a byte-order mark alone', '\ufeff', []],
    ['a byte-order mark before an empty line', '\ufeff\n', ['']],
  ];
  for (const [name, string, expected] of cases)
    it(name, () => {
      assert.deepEqual([...new Lines(text(string))], expected);
      assert.deepEqual([...new Lines(text(string), { reverse: true })], expected.slice().reverse());
    });

  it('keeps a byte-order mark that is not at the start of the file', () => {
    assert.deepEqual([...new Lines(text('x\ufeffa\n'), { start: 1 })], ['\ufeffa']);
  });

  it('a delimiter that is given removes only itself', () => {
    assert.deepEqual([...new Lines(text('a\r\nb'), { delimiter: '\n' })], ['a\r', 'b']);
    assert.deepEqual([...new Lines(text('a\0b\n\0'), { delimiter: 0 })], ['a', 'b\n']);
    assert.deepEqual([...new Lines(text('one\n\ntwo\n\n\nthree'), { delimiter: '\n\n' })], ['one', 'two', '\nthree']);
    assert.deepEqual([...new Lines(text('a€b€'), { delimiter: Buffer.from('€') })], ['a', 'b']);
  });

  it('newlines of UTF-16 are two bytes, counted from the start of the range', () => {
    const bytes = Buffer.from('\ufeffa\u0a00\u000d\nb\u000a', 'utf16le');
    assert.deepEqual([...new Lines(new MemoryTextSource(bytes), { encoding: 'utf16le' })], ['a\u0a00', 'b']);
    const odd = new MemoryTextSource(Buffer.concat([Buffer.from('x'), Buffer.from('a\nb', 'utf16le')]));
    assert.deepEqual([...new Lines(odd, { encoding: 'utf16le', start: 1 })], ['a', 'b']);
  });

  it('bytes are copies that share nothing with the source, with each other only without `copy`', () => {
    const source = text('one\ntwo\n');
    const [one, two] = [...new Lines<Buffer>(source, { encoding: 'buffer' })] as [Buffer, Buffer];
    source.bytes.fill(0);
    assert.deepEqual([one.toString(), two.toString()], ['one', 'two']);
    assert.equal(one.buffer, two.buffer);
    assert.equal(one.buffer.byteLength, 8);
    const [alone, other] = [...new Lines<Buffer>(text('one\ntwo\n'), { encoding: 'buffer', copy: true })] as [
      Buffer,
      Buffer,
    ];
    assert.deepEqual([alone.buffer.byteLength, other.buffer.byteLength], [3, 3]);
  });

  it('text with few wide characters is decoded like any other', () => {
    const string = Array.from({ length: 4000 }, (_, i) =>
      i % 500 === 7 ? `Zeile ${i} für €\r\n` : `line ${i}\n`,
    ).join('');
    assert.deepEqual([...new Lines(text(string))], string.trimEnd().split(/\r?\n/));
  });
});

describe('Lines: borders of blocks', () => {
  // Every length of the record before moves each delimiter over every border.
  const lengths = Array.from({ length: 50 }, (_, i) => i);
  const blocks = [4, 5, 7, 8, 16];
  for (const delimiter of ['ab', '<end>', '€', '\r\n'])
    for (const encoding of delimiter === '€' ? (['utf8'] as const) : (['utf8', 'utf16le'] as const))
      it(`a delimiter ${JSON.stringify(delimiter)} of ${encoding} is found wherever it lies`, () => {
        for (const blockSize of blocks)
          for (const length of lengths) {
            const records = ['x'.repeat(length), '', 'y'.repeat(60), 'z'.repeat(length)].map((r) => r + delimiter);
            const source = new MemoryTextSource(Buffer.from(records.join(''), encoding));
            for (const limit of [undefined, 6, 20])
              for (const reverse of [false, true]) {
                const options = { encoding, delimiter, reverse, maxLineLength: limit, overflow: 'truncate' } as const;
                const characters = limit === undefined ? undefined : limit / (encoding === 'utf16le' ? 2 : 1);
                const expected = records.map((r) => r.slice(0, -delimiter.length).slice(0, characters));
                const lines = new Lines(source, options, blockSize);
                assert.deepEqual(
                  [...lines],
                  reverse ? expected.reverse() : expected,
                  `${blockSize} ${length} ${limit}`,
                );
                assert.equal(lines.position, reverse ? 0 : source.size);
              }
          }
      });

  it('a delimiter is not found in the byte-order mark', () => {
    for (const blockSize of blocks)
      for (const length of lengths)
        for (const reverse of [false, true])
          for (const maxLineLength of [undefined, 3]) {
            const bytes = Buffer.concat([Buffer.from('\ufeff' + 'x'.repeat(length)), Buffer.from([0xbb, 0x79])]);
            const options = { delimiter: 0xbb, reverse, maxLineLength, overflow: 'truncate' } as const;
            const expected = ['x'.repeat(Math.min(length, maxLineLength ?? Infinity)), 'y'];
            const lines = [...new Lines(new MemoryTextSource(bytes), options, blockSize)];
            assert.deepEqual(lines, reverse ? expected.reverse() : expected);
          }
  });

  it('a delimiter U+FFFD is not what could not be decoded', () => {
    const source = new MemoryTextSource(Buffer.from('a\ud800b\ufffdc', 'utf16le'));
    assert.deepEqual([...new Lines(source, { encoding: 'utf16le', delimiter: '\ufffd' })], ['a\ufffdb', 'c']);
  });
});

describe('Lines: place', () => {
  it('one object is one pass, whatever iterates it', async () => {
    const lines = new Lines(text(numbered(6)));
    const iterator = lines[Symbol.iterator]();
    assert.equal(iterator.next().value, 'line 0');
    assert.equal((await lines[Symbol.asyncIterator]().next()).value, 'line 1');
    assert.equal(lines.position, 14);
    const [rest, ...none] = [...lines.batches()];
    assert.deepEqual(rest, ['line 2', 'line 3', 'line 4', 'line 5']);
    assert.deepEqual(none, []);
    assert.deepEqual([...lines], []);
    assert.equal(lines.position, 42);
  });

  it('counts bytes, not characters, invalid ones included', () => {
    const bytes = Buffer.concat([Buffer.from('é€😀\r\n'), Buffer.from([0xff, 0xc3, 0x0a]), Buffer.from('x')]);
    const lines = new Lines(new MemoryTextSource(bytes));
    const seen: Array<[string, number]> = [];
    for (const line of lines) seen.push([line, lines.position]);
    assert.deepEqual(seen, [
      ['é€😀', 11],
      ['\ufffd\ufffd', 14],
      ['x', 15],
    ]);
  });

  it('stands at the range before the first line, and where it was left after an early end', () => {
    const source = text(numbered(10));
    assert.equal(new Lines(source, { start: 7 }).position, 7);
    const marked = new Lines(text('\ufeff'));
    assert.deepEqual([[...marked], marked.position], [[], 3]);
    assert.equal(new Lines(source, { reverse: true }).position, 70);
    assert.equal(new Lines(source, { reverse: true, end: 21 }).position, 21);
    const lines = new Lines(source, { reverse: true });
    for (const line of lines) if (line === 'line 8') break;
    assert.equal(lines.position, 56);
  });

  it('does not mind what becomes of a batch that it gave', () => {
    for (const reverse of [false, true])
      for (const change of [
        (b: string[]) => b.splice(0),
        (b: string[]) => b.push('more'),
        (b: string[]) => b.reverse(),
      ]) {
        const lines = new Lines(text(numbered(50)), { reverse }, 64);
        const seen: string[] = [];
        for (const batch of lines.batches()) {
          seen.push(...batch);
          const { position } = lines;
          change(batch);
          assert.equal(lines.position, position);
        }
        const expected = numbered(50).trimEnd().split('\n');
        assert.deepEqual(seen, reverse ? expected.reverse() : expected);
      }
  });

  it('reads only the last blocks for the last lines', () => {
    const source = text(numbered(100_000));
    const last: string[] = [];
    for (const line of new Lines(source, { reverse: true }, 4096)) if (last.push(line) === 100) break;
    assert.deepEqual(
      last,
      Array.from({ length: 100 }, (_, i) => `line ${99_999 - i}`),
    );
    assert.deepEqual(source.reads, [{ position: source.size - 4096, length: 4096 }]);
  });
});

describe('Lines: long lines', () => {
  for (const reverse of [false, true])
    it(`reads a few times what they are long, ${reverse ? 'in reverse' : 'forwards'}`, () => {
      const long = 'x'.repeat(1_000_000);
      const source = text(`${long}\nshort\n${long}\n`);
      assert.deepEqual([...new Lines(source, { reverse }, 1024)], [long, 'short', long]);
      const read = source.reads.reduce((sum, { length }) => sum + length, 0);
      assert.ok(read < 3 * source.size, `read ${read} of ${source.size} bytes`);
    });

  it('do not make the batches after them long', () => {
    const source = text(`${'x'.repeat(100_000)}\n${numbered(20_000)}`);
    for (const reverse of [false, true])
      for (const batch of new Lines(source, { reverse }, 1024).batches())
        assert.ok(batch.length <= 1024 / 'line 0\n'.length + 1, `${batch.length} lines in a batch`);
  });

  it('are errors that tell where, or are cut between characters', () => {
    const string = `short\n${'é'.repeat(100)}\r\nlast`;
    const lines = new Lines(text(string), { maxLineLength: 25 });
    const iterator = lines[Symbol.iterator]();
    assert.equal(iterator.next().value, 'short');
    assert.throws(() => iterator.next(), {
      name: 'MappedFileError',
      code: 'ERR_MAPPED_FILE_LINE_TOO_LONG',
      position: 6,
      length: 25,
      path: 'memory.txt',
    });
    assert.deepEqual(iterator.next(), { done: true, value: undefined });
    const cut = new Lines(text(string), { maxLineLength: 25, overflow: 'truncate' });
    assert.deepEqual([...cut], ['short', 'é'.repeat(12), 'last']);
  });

  it('a line is as long as it is without its newline', () => {
    const options = { maxLineLength: 3, reverse: false };
    assert.deepEqual([...new Lines(text('abc\r\nabc\nabc'), options)], ['abc', 'abc', 'abc']);
    assert.throws(() => [...new Lines(text('abc\r'), options)], { code: 'ERR_MAPPED_FILE_LINE_TOO_LONG' });
  });

  it('cut ones hold no more in memory than the limit', () => {
    const source = text(`${'x'.repeat(500_000)}\nend`);
    const longest = (reverse: boolean): number => {
      source.reads.length = 0;
      const cut = { maxLineLength: 100, overflow: 'truncate', reverse } as const;
      assert.equal([...new Lines(source, cut, 1024)].length, 2);
      return Math.max(...source.reads.map(({ length }) => length));
    };
    assert.deepEqual([longest(false) <= 1024, longest(true) <= 1028], [true, true]);
  });

  it('cut ones among others do not have a block read again', () => {
    const source = text('ab\nlonger than that\n'.repeat(1000));
    for (const encoding of ['utf8', 'latin1', 'buffer'] as const)
      for (const reverse of [false, true]) {
        source.reads.length = 0;
        const cut = { maxLineLength: 8, overflow: 'truncate', encoding: encoding as 'utf8', reverse } as const;
        const lines = [...new Lines(source, cut, 1024)].map(String);
        const pair = ['ab', 'longer t'];
        assert.deepEqual(lines, Array.from({ length: 1000 }, () => (reverse ? [...pair].reverse() : pair)).flat());
        const read = source.reads.reduce((sum, { length }) => sum + length, 0);
        assert.ok(read < 1.1 * source.size, `${read} of ${source.size} bytes`);
      }
  });
});

describe('Lines: ending', () => {
  it('reads nothing and retains nothing before the first step', () => {
    const source = text('a\n');
    const lines = new Lines(source);
    lines[Symbol.iterator]();
    lines.batches()[Symbol.asyncIterator]();
    assert.deepEqual([source.retained, source.reads.length], [0, 0]);
  });

  it('releases once at an early exit, an exception in the body, and the end', async () => {
    const open = (): [MemoryTextSource, Lines] => {
      const source = text(numbered(3), { isCold: () => true });
      return [source, new Lines(source, {}, 8)];
    };
    const exits: Array<(lines: Lines) => unknown> = [
      (lines) => {
        for (const line of lines) if (line === 'line 1') break;
      },
      (lines) => {
        for (const batch of lines.batches()) if (batch.length > 0) break;
      },
      async (lines) => {
        for await (const line of lines) if (line === 'line 1') break;
      },
      async (lines) => {
        for await (const batch of lines.batches()) if (batch.length > 0) break;
      },
      async (lines) => {
        await assert.rejects(async () => {
          for await (const line of lines) throw new Error(line);
        }, /line 0/);
      },
      (lines) => [...lines],
    ];
    for (const exit of exits) {
      const [source, lines] = open();
      await exit(lines);
      released(source);
      assert.deepEqual([...lines], []);
      released(source);
    }
  });

  it('an error of the source is told once and releases', async () => {
    const beforeRead = (read: number): void => {
      if (read === 1) throw Object.assign(new Error('device failed'), { code: 'EIO' });
    };
    for (const cold of [false, true]) {
      const source = text(numbered(9), { beforeRead, isCold: () => cold, windowSize: 16 });
      const iterator = new Lines(source, {}, 16)[Symbol.asyncIterator]();
      assert.equal((await iterator.next()).value, 'line 0');
      assert.equal((await iterator.next()).value, 'line 1');
      await assert.rejects(iterator.next(), { code: 'EIO' });
      released(source);
      assert.deepEqual(await iterator.next(), { done: true, value: undefined });
    }
    const source = text(numbered(9), { beforeRead, windowSize: 16 });
    assert.throws(() => [...new Lines(source, {}, 16)], { code: 'EIO' });
    released(source);
  });

  it('a signal ends the pass with its reason, at once', async () => {
    const controller = new AbortController();
    const { signal } = controller;
    const source = text(numbered(9));
    const lines = new Lines(source, { signal });
    const seen: string[] = [];
    assert.throws(
      () => {
        for (const line of lines) if (seen.push(line) === 3) controller.abort();
      },
      { name: 'AbortError' },
    );
    assert.deepEqual(seen, ['line 0', 'line 1', 'line 2']);
    assert.equal(lines.position, 21);
    released(source);
    assert.equal(getEventListeners(signal, 'abort').length, 0);

    const untouched = text('a');
    await assert.rejects(new Lines(untouched, { signal })[Symbol.asyncIterator]().next(), { name: 'AbortError' });
    assert.equal(untouched.retained, 0);
  });

  it('leaves no listener on a signal that is not used', () => {
    const { signal } = new AbortController();
    assert.equal([...new Lines(text(numbered(9)), { signal })].length, 9);
    assert.equal(getEventListeners(signal, 'abort').length, 0);
  });

  it('a signal, a close and a return do not wait for a read under way, which keeps the source until it is over', async () => {
    const reason = new Error('enough');
    const ways: Array<[(c: AbortController, s: MemoryTextSource, i: AsyncIterator<string>) => unknown, boolean]> = [
      [(controller) => controller.abort(reason), true],
      [(_, source) => source.cancelAll(reason), true],
      [(_, __, iterator) => iterator.return!(), false],
    ];
    for (const [end, fails] of ways) {
      const controller = new AbortController();
      const source = text(numbered(9), { isCold: () => true });
      const iterator = new Lines(source, { signal: controller.signal })[Symbol.asyncIterator]();
      await nextTurn(); // on a slow machine this one may be spent, and the step would wait for the next before it reads
      const step = iterator.next();
      await Promise.resolve();
      assert.equal(source.pending, 1);
      const ended = end(controller, source, iterator);
      if (fails) await assert.rejects(step, reason);
      else assert.deepEqual(await step, { done: true, value: undefined });
      assert.deepEqual([source.pending, source.released], [1, 0]);
      await ended;
      assert.deepEqual(await iterator.return!(), { done: true, value: undefined });
      assert.equal(source.pending, 0);
      released(source);
      assert.deepEqual(await iterator.next(), { done: true, value: undefined });
    }
  });

  it('a synchronous step during an asynchronous one is refused, and harms nothing', async () => {
    const lines = new Lines(text(numbered(2), { isCold: () => true }));
    await nextTurn(); // as above
    const step = lines[Symbol.asyncIterator]().next();
    await Promise.resolve();
    assert.throws(() => lines[Symbol.iterator]().next(), { code: 'ERR_INVALID_STATE' });
    assert.equal((await step).value, 'line 0');
    assert.deepEqual([...lines], ['line 1']);
  });

  /** Begins a step, and gives it with what its first read came from, some microtasks after that is over. */
  async function stepAfterRead(
    content: string,
    microtasks: number,
  ): Promise<{ source: MemoryTextSource; lines: Lines; step: Promise<IteratorResult<string>> }> {
    const source = text(content);
    let finish: (() => void) | undefined;
    source.readInto = (target, position) => {
      if (finish !== undefined) return source.readIntoSync(target, position);
      return new Promise((resolve) => (finish = () => resolve(source.readIntoSync(target, position))));
    };
    const lines = new Lines(source);
    const step = lines[Symbol.asyncIterator]().next();
    step.catch(() => undefined); // looked at later
    while (finish === undefined) await nextTurn();
    finish();
    for (let i = 0; i < microtasks; i++) await Promise.resolve();
    return { source, lines, step };
  }

  it('is refused just as well when the read is over, and the step not yet', async () => {
    for (let microtasks = 0; microtasks < 12; microtasks++) {
      const { lines, step } = await stepAfterRead(numbered(3), microtasks);
      const seen: unknown[] = [];
      try {
        seen.push(lines[Symbol.iterator]().next().value);
      } catch (error) {
        assert.equal((error as { code?: string }).code, 'ERR_INVALID_STATE');
      }
      seen.push((await step).value, ...lines);
      assert.deepEqual(seen.sort(), ['line 0', 'line 1', 'line 2'], `after ${microtasks} microtasks`);
    }
  });

  it('an end when the read is over, and the step not yet, is told as at any other time', async () => {
    const reason = new Error('enough');
    for (let microtasks = 0; microtasks < 12; microtasks++) {
      const { source, step } = await stepAfterRead('', microtasks);
      source.cancelAll(reason);
      const told: unknown = await step.catch((error: unknown) => error);
      if (told !== reason) assert.deepEqual(told, { done: true, value: undefined }, `after ${microtasks} microtasks`);
      released(source);
    }
  });

  it('a line of many blocks lets the event loop turn', async () => {
    for (const reverse of [false, true]) {
      using folder = new Folder();
      using file = MappedFile.openSync(folder.sparse(2 ** 28));
      let turns = 0;
      const timer = setInterval(() => turns++, 1);
      const lines = file.lines({ reverse, maxLineLength: 9, overflow: 'truncate' })[Symbol.asyncIterator]();
      assert.equal((await lines.next()).value, '\0'.repeat(9));
      clearInterval(timer);
      assert.ok(turns > 0);
      await lines.return?.();
    }
  });

  it('a pass that nobody ends goes with its iterators', async () => {
    const source = text(numbered(9));
    const begin = (): void => void new Lines(source)[Symbol.iterator]().next();
    for (let i = 0; i < 50; i++) begin();
    assert.deepEqual([source.retained, source.released], [50, 0]);
    await collect();
    // What the engine still sees on its stack may stay.
    assert.ok(source.released >= 48, `${source.released} released`);
  });

  it('steps asked for at once come in order', async () => {
    const source = text(numbered(200), { isCold: (read) => read % 2 === 0 });
    const iterator = new Lines(source, {}, 64)[Symbol.asyncIterator]();
    const steps = await Promise.all(Array.from({ length: 202 }, () => iterator.next()));
    assert.deepEqual(
      steps.map(({ value }) => value as unknown),
      [...numbered(200).trimEnd().split('\n'), undefined, undefined],
    );
    released(source);
  });

  it('lets timers run while everything is in memory', async () => {
    let fired = false;
    setTimeout(() => (fired = true), 1);
    const source = text(numbered(100));
    const endless = Buffer.alloc(1 << 20, 'x\n');
    source.readIntoSync = (target) => (target.set(endless.subarray(0, target.length)), target.length);
    for await (const line of new Lines(source)) {
      assert.equal(line, 'x');
      if (fired) break;
    }
    assert.ok(fired);
    released(source);
  });
});

describe('Lines: options', () => {
  const bad: Array<[unknown, string]> = [
    [null, 'ERR_INVALID_ARG_TYPE'],
    ['utf8', 'ERR_INVALID_ARG_TYPE'],
    [{ start: '1' }, 'ERR_INVALID_ARG_TYPE'],
    [{ start: -1 }, 'ERR_OUT_OF_RANGE'],
    [{ start: 1.5 }, 'ERR_OUT_OF_RANGE'],
    [{ start: NaN }, 'ERR_OUT_OF_RANGE'],
    [{ start: 2n ** 53n }, 'ERR_OUT_OF_RANGE'],
    [{ end: Infinity }, 'ERR_OUT_OF_RANGE'],
    [{ start: 2, end: 1 }, 'ERR_OUT_OF_RANGE'],
    [{ encoding: 'utf7' }, 'ERR_INVALID_ARG_VALUE'],
    [{ encoding: 'toString' }, 'ERR_INVALID_ARG_VALUE'],
    [{ reverse: 1 }, 'ERR_INVALID_ARG_TYPE'],
    [{ copy: 'yes' }, 'ERR_INVALID_ARG_TYPE'],
    [{ signal: {} }, 'ERR_INVALID_ARG_TYPE'],
    [{ signal: null }, 'ERR_INVALID_ARG_TYPE'],
    [{ maxLineLength: '1' }, 'ERR_INVALID_ARG_TYPE'],
    [{ maxLineLength: 0 }, 'ERR_OUT_OF_RANGE'],
    [{ maxLineLength: constants.MAX_STRING_LENGTH + 1 }, 'ERR_OUT_OF_RANGE'],
    [{ overflow: 'wrap' }, 'ERR_INVALID_ARG_VALUE'],
    [{ delimiter: 256 }, 'ERR_OUT_OF_RANGE'],
    [{ delimiter: 0.5 }, 'ERR_OUT_OF_RANGE'],
    [{ delimiter: '' }, 'ERR_INVALID_ARG_VALUE'],
    [{ delimiter: [10] }, 'ERR_INVALID_ARG_TYPE'],
    [{ delimiter: '€', encoding: 'latin1' }, 'ERR_INVALID_ARG_VALUE'],
    [{ delimiter: '\ud800' }, 'ERR_INVALID_ARG_VALUE'],
    [{ delimiter: new Uint8Array(3), encoding: 'utf16le' }, 'ERR_INVALID_ARG_VALUE'],
    [{ delimiter: '\n\n', reverse: true }, 'ERR_INVALID_ARG_VALUE'],
  ];
  for (const [options, code] of bad)
    it(`refuses ${JSON.stringify(options, (_, v: unknown) => (typeof v === 'bigint' ? `${v}n` : v))}`, () => {
      assert.throws(() => new Lines(text('a'), options as LinesOptions), { code });
    });

  it('takes undefined for every default, and positions past the end', () => {
    const undefineds = {
      start: undefined,
      end: undefined,
      encoding: undefined,
      delimiter: undefined,
      signal: undefined,
    };
    assert.deepEqual([...new Lines(text('a\nb'), { ...undefineds, reverse: undefined, copy: undefined })], ['a', 'b']);
    assert.deepEqual([...new Lines(text('a\nb'), { start: 100 })], []);
    assert.deepEqual([...new Lines(text('a\nb'), { start: 100n, reverse: true })], []);
    assert.deepEqual([...new Lines(text('a\nb'), { end: 2n ** 40n, reverse: true })], ['b', 'a']);
  });
});
