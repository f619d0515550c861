import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import fs from 'node:fs';
import { constants as osConstants } from 'node:os';
import fc from 'fast-check';
import { MappedFile, type Match, type MatchesOptions, type Pattern } from 'sliding-mmap';
import { native, type NativeSearch } from '#src/native.js';
import { Lines } from '#src/text/lines.js';
import { Matches } from '#src/text/matches.js';
import { nextTurn } from '#src/turn.js';
import { Folder } from '../../helpers/files.js';
import { MemoryTextSource } from '../../helpers/memory-text-source.js';
import { configurations, granule } from '../../helpers/sizes.js';

function text(string: string, options?: ConstructorParameters<typeof MemoryTextSource>[1]): MemoryTextSource {
  return new MemoryTextSource(Buffer.from(string), options);
}

function released(source: MemoryTextSource): void {
  assert.deepEqual([source.retained, source.released, source.pending], [1, 1, 0]);
}

describe('Matches', () => {
  it('of several needles, gives the first in the list at the leftmost place', () => {
    const found = (needles: Pattern, options?: MatchesOptions): Array<[number, number, number]> =>
      [...new Matches(text('abcabc'), needles, options)].map(({ position, length, needle }) => [
        position,
        length,
        needle,
      ]);
    assert.deepEqual(found(['ab', 'abc', 'c']), [
      [0, 2, 0],
      [2, 1, 2],
      [3, 2, 0],
      [5, 1, 2],
    ]);
    assert.deepEqual(found(['abc', 'ab', 'c']), [
      [0, 3, 0],
      [3, 3, 0],
    ]);
    assert.deepEqual(found(['bc', 99, Buffer.from('ab')], { overlapping: true, start: 2 }), [
      [2, 1, 1],
      [3, 2, 2],
      [4, 2, 0],
      [5, 1, 1],
    ]);
    assert.deepEqual(found('BC', { ignoreCase: true, limit: 1 }), [[1, 2, 0]]);
    assert.deepEqual(found('aba', { end: 5 }), []);
  });

  it('encodes strings as it decodes lines', () => {
    const bytes = Buffer.from('x\xe9\n', 'latin1');
    const [match] = new Matches(new MemoryTextSource(bytes), 'é', { encoding: 'latin1', line: true });
    assert.deepEqual(match, { position: 1, length: 1, needle: 0, line: 'xé', linePosition: 0, lineEnd: 3 });
    assert.deepEqual([...new Matches(new MemoryTextSource(bytes), 'é')], []);
    const utf16 = Buffer.from('\ufeffa\u0a0ab\r\n€b', 'utf16le');
    const found = [
      ...new Matches(new MemoryTextSource(utf16), /b/, { encoding: 'utf16le', line: true, lineNumbers: true }),
    ];
    assert.deepEqual(
      found.map(({ position, length, line, lineNumber }) => [position, length, line, lineNumber]),
      [
        [6, 2, 'a\u0a0ab', 1],
        [14, 2, '€b', 2],
      ],
    );
  });

  it('takes any delimiter, and cuts or refuses lines that are too long', () => {
    const source = (): MemoryTextSource => text('one;;two ☃ two;;three two');
    const options = { delimiter: ';;', line: true, lineNumbers: true };
    assert.deepEqual(
      [...new Matches(source(), 'two', options, 4)].map((m) => [
        m.position,
        m.line,
        m.linePosition,
        m.lineEnd,
        m.lineNumber,
      ]),
      [
        [5, 'two ☃ two', 5, 18, 2],
        [13, 'two ☃ two', 5, 18, 2],
        [24, 'three two', 18, 27, 3],
      ],
    );
    for (const [maxLineLength, cut] of [
      [5, 'two '],
      [6, 'two '],
      [7, 'two ☃'],
    ] as const) {
      for (const pattern of ['two', /two/]) {
        const found = [...new Matches(source(), pattern, { ...options, maxLineLength, overflow: 'truncate' }, 4)];
        assert.deepEqual(
          found.map((m) => [m.position, m.line, m.linePosition, m.lineEnd, m.lineNumber]),
          [[5, cut, 5, 18, 2]],
        );
      }
    }
    const lines = new Matches(source(), 'two', { ...options, maxLineLength: 6 });
    assert.throws(() => [...lines], { code: 'ERR_MAPPED_FILE_LINE_TOO_LONG', position: 5 });
    assert.equal(new Matches(source(), 'two', { maxLineLength: 6, delimiter: ';;' }).countSync(), 3);
  });

  it('finds nothing across the end of a line or in its delimiter', () => {
    const found = (needles: Pattern, options: MatchesOptions, blockSize?: number): Array<[number, number]> => {
      const matches = (): Matches =>
        new Matches(text('\na\r\nfoo\n\r\n\r\nA\r\r\nfoo\nb'), needles, options, blockSize);
      const all = [...matches()].map(({ position, lineNumber }): [number, number] => [position, lineNumber!]);
      assert.equal(matches().countSync(), all.length);
      return all;
    };
    for (const blockSize of [1, 4, 7, undefined]) {
      const lines: MatchesOptions = { delimiter: '\r\n', line: true, lineNumbers: true };
      assert.deepEqual(found('\nfoo', lines, blockSize), []);
      assert.deepEqual(found('a\r', { ...lines, ignoreCase: true }, blockSize), [[12, 4]]);
      assert.deepEqual(found(['\n', 'zz'], lines, blockSize), [
        [0, 1],
        [7, 2],
        [19, 5],
      ]);
      assert.deepEqual(found(['\n', 'o'], { ...lines, firstInLine: true }, blockSize), [
        [0, 1],
        [5, 2],
        [17, 5],
      ]);
      assert.deepEqual(found('ba', { delimiter: 'A', ignoreCase: true, lineNumbers: true }, blockSize), []);
      // The first delimiter counts where several overlap.
      assert.deepEqual(found('o', { delimiter: 'oo', lineNumbers: true, overlapping: true }, blockSize), []);
    }
  });

  it('leaves the regular expression as it is, and finds every match whatever its flags', () => {
    for (const flags of ['', 'g', 'y', 'gy']) {
      const expression = new RegExp('a', flags);
      expression.lastIndex = 2;
      const matches = new Matches(text('aab\nba\n'), expression);
      expression.lastIndex = 3;
      assert.deepEqual(
        [...matches].map(({ position }) => position),
        flags.includes('y') ? [0, 1] : [0, 1, 5],
      );
      assert.equal(expression.lastIndex, 3);
    }
    const [{ captures }] = [...new Matches(text('k=v\n'), /(?<key>\w)=(\w)/d)] as [Match];
    assert.deepEqual([captures!.groups!['key'], captures![2], captures!.indices![2]], ['k', 'v', [2, 3]]);
    assert.deepEqual(
      [...new Matches(text('😀\n'), /(?:)/u)].map(({ position }) => position),
      [0, 4],
    );
  });

  it('gives no more than the limit, and then lets go', () => {
    for (const pattern of ['a', /a/]) {
      const source = text('a'.repeat(2000));
      const matches = new Matches(source, pattern, { limit: 1500 });
      assert.equal([...matches].length, 1500);
      released(source);
      assert.equal(new Matches(text('a'.repeat(2000)), pattern, { limit: 700 }).countSync(), 700);
      const rest = new Matches(text('a\n'.repeat(2000)), pattern);
      for (const match of rest.batches())
        if (match.length > 0) {
          void match;
          break;
        }
      assert.equal(rest.countSync(), 0, 'a pass that was left is over');
    }
    const some = new Matches(text('a'.repeat(2000)), 'a');
    const iterator = some[Symbol.iterator]();
    for (let i = 0; i < 5; i++) assert.equal((iterator.next().value as Match).position, i);
    assert.equal(some.countSync(), 1995);
  });

  it('a signal and a close end the pass with their reason, at once', async () => {
    const reason = new Error('enough');
    for (const pattern of ['a', /a/]) {
      for (const cold of [false, true]) {
        for (const way of ['signal', 'close'] as const) {
          const source = text('a\n'.repeat(100), { isCold: () => cold });
          const controller = new AbortController();
          const iterator = new Matches(source, pattern, { signal: controller.signal })[Symbol.asyncIterator]();
          assert.equal(((await iterator.next()).value as Match).position, 0);
          if (way === 'signal') controller.abort(reason);
          else source.cancelAll(reason);
          await assert.rejects(iterator.next(), reason);
          assert.deepEqual(await iterator.next(), { done: true, value: undefined });
          released(source);
          assert.equal(getEventListeners(controller.signal, 'abort').length, 0);
        }
      }
    }
    const aborted = text('a');
    await assert.rejects(new Matches(aborted, 'a', { signal: AbortSignal.abort(reason) }).count(), reason);
    assert.equal(aborted.retained, 0);
  });

  it('never takes a pass that was ended in the middle for a whole one', async () => {
    const reason = new Error('enough');
    for (const pattern of ['a', 'b', /a/, /b/]) {
      for (let turns = 0; turns < 12; turns++) {
        for (const use of [(m: Matches) => m.count(), (m: Matches) => m[Symbol.asyncIterator]().next()]) {
          const source = text('b\n'.repeat(2000));
          const used = use(new Matches(source, pattern, {}, 16));
          for (let turn = 0; turn < turns; turn++) await Promise.resolve();
          const under = source.retained === 1 && source.released === 0;
          source.cancelAll(reason);
          // A count is of the whole; a step may have had its match before.
          const end = await used.catch((error: unknown) => error);
          if (under && end !== reason) assert.equal((end as IteratorResult<Match>).done, false);
          // One that had waited for its turn has only begun after it was to be ended.
          if (!under) source.cancelAll(reason);
          assert.equal(source.retained, source.released);
        }
      }
    }
  });

  it('refuses a step while another one is under way, and takes nothing for it', async () => {
    const busy = { code: 'ERR_INVALID_STATE' };
    for (const pattern of ['b', /b/]) {
      const uses: Array<[(m: Matches) => Promise<unknown>, unknown]> = [
        [(m) => m.count(), 5000],
        [async (m) => ((await m[Symbol.asyncIterator]().next()).value as Match).position, 0],
      ];
      for (const [use, expected] of uses) {
        const matches = new Matches(text('b\n'.repeat(5000), { isCold: () => true }), pattern, {}, 512);
        await nextTurn(); // this one may be spent, and the first step would begin after the others
        const first = use(matches);
        // All in one turn: the first step is over after the next one.
        const others = [matches.count(), matches.batches()[Symbol.asyncIterator]().next()];
        const refused = others.map((other) => assert.rejects(other, busy));
        assert.throws(() => matches.countSync(), busy);
        assert.throws(() => [...matches], busy);
        await Promise.all(refused);
        assert.equal(await first, expected);
        assert.equal(await matches.count(), expected === 0 ? 4999 : 0);
      }
    }
  });

  it('releases at an early exit, an error and the end, and reads nothing before the first step', async () => {
    const source = text('aaa');
    const matches = new Matches(source, 'a');
    assert.equal(source.retained, 0);
    for await (const match of matches) if (match.position === 1) break;
    released(source);
    const failing = text('aaa', {
      beforeRead: () => {
        throw new Error('device');
      },
    });
    await assert.rejects(new Matches(failing, 'a').count(), /device/);
    released(failing);
  });

  it('lets timers run while everything is in memory', async () => {
    for (const use of [
      (m: Matches) => m.count(),
      async (m: Matches) => {
        for await (const match of m) void match;
      },
    ]) {
      const controller = new AbortController();
      const source = text('x');
      source.readIntoSync = (target) => target.length;
      setTimeout(() => controller.abort(new Error('timer')), 1);
      await assert.rejects(use(new Matches(source, 'no such', { signal: controller.signal })), /timer/);
    }
  });

  const bad: Array<[unknown, unknown, string]> = [
    [undefined, {}, 'ERR_INVALID_ARG_TYPE'],
    [{}, {}, 'ERR_INVALID_ARG_TYPE'],
    [256, {}, 'ERR_OUT_OF_RANGE'],
    ['', {}, 'ERR_INVALID_ARG_VALUE'],
    [[], {}, 'ERR_INVALID_ARG_VALUE'],
    [['a', ''], {}, 'ERR_INVALID_ARG_VALUE'],
    [['a', null], {}, 'ERR_INVALID_ARG_TYPE'],
    [['a', , 'b'], {}, 'ERR_INVALID_ARG_TYPE'], // eslint-disable-line no-sparse-arrays
    [Object.defineProperty(/a/, 'flags', { value: 1 }), {}, 'ERR_INVALID_ARG_TYPE'],
    ['a', null, 'ERR_INVALID_ARG_TYPE'],
    ['a', { limit: 0 }, 'ERR_OUT_OF_RANGE'],
    ['a', { limit: '1' }, 'ERR_INVALID_ARG_TYPE'],
    ['a', { line: 1 }, 'ERR_INVALID_ARG_TYPE'],
    ['a', { start: 2, end: 1 }, 'ERR_OUT_OF_RANGE'],
    ['a', { signal: {} }, 'ERR_INVALID_ARG_TYPE'],
    ['a', { encoding: 'utf16le' }, 'ERR_INVALID_ARG_VALUE'],
    ['a', { encoding: 'buffer' }, 'ERR_INVALID_ARG_VALUE'],
    ['€', { encoding: 'latin1' }, 'ERR_INVALID_ARG_VALUE'],
    ['a\nb', { line: true }, 'ERR_INVALID_ARG_VALUE'],
    ['a', { overlapping: true, firstInLine: true }, 'ERR_INVALID_ARG_VALUE'],
    [/a/, { overlapping: true }, 'ERR_INVALID_ARG_VALUE'],
    [/a/, { ignoreCase: true }, 'ERR_INVALID_ARG_VALUE'],
    [/a/, { overflow: 'wrap' }, 'ERR_INVALID_ARG_VALUE'],
  ];
  for (const [pattern, options, code] of bad) {
    it(`refuses ${String(pattern) || "''"} with ${JSON.stringify(options)}`, () => {
      assert.throws(() => new Matches(text('a'), pattern as Pattern, options as MatchesOptions), { code });
    });
  }

  it('refuses lists whose length is none, or too much', () => {
    const longest = new Array<string>(2 ** 32 - 1);
    assert.throws(() => new Matches(text('a'), longest), { code: 'ERR_OUT_OF_RANGE' });
    const liar = new Proxy(['a'], { get: () => 1n });
    assert.throws(() => new Matches(text('a'), liar), { code: 'ERR_INVALID_ARG_TYPE' });
  });
});

describe('the search in bytes', () => {
  const search = (needles: Uint8Array[], ignoresCase = false) =>
    native.createSearch(needles, ignoresCase, undefined) as NativeSearch;

  /** Everything that `scan` finds, in calls with little room. */
  function all(bytes: Uint8Array, needles: Uint8Array[], overlapping: boolean, ignoresCase = false): number[] {
    const handle = search(needles, ignoresCase);
    const results = new Uint32Array(1 + 2 * (needles.length + 3));
    const found: number[] = [];
    for (let from = 0; from < bytes.length; from = results[0]!) {
      const count = native.scan(handle, bytes, from, bytes.length, overlapping, false, results);
      for (let i = 0; i < count; i++) found.push(results[1 + 2 * i]!);
    }
    return found;
  }

  function places(bytes: Buffer, needle: Buffer, overlapping: boolean): number[] {
    const found: number[] = [];
    for (let at = bytes.indexOf(needle); at >= 0; at = bytes.indexOf(needle, at + (overlapping ? 1 : needle.length)))
      found.push(at);
    return found;
  }

  it('finds what Buffer finds, at every alignment and with every kind of neighbour', () => {
    const byte = fc.constantFrom(...Buffer.from('ab@`{[Zz'), 0, 0x80, 0xe1, 0xc1);
    fc.assert(
      fc.property(
        fc.array(byte, { minLength: 1, maxLength: 12 }),
        fc.array(byte, { minLength: 1, maxLength: 40 }),
        fc.nat(70_000),
        fc.nat(40),
        fc.boolean(),
        (wanted, around, length, offset, overlapping) => {
          const needle = Buffer.from(wanted);
          const bytes = Buffer.alloc(length + 41, Buffer.from(around)).subarray(offset);
          for (const at of [0, 17, length >> 1, bytes.length - needle.length]) if (at >= 0) needle.copy(bytes, at);
          assert.deepEqual(all(bytes, [needle], overlapping), places(bytes, needle, overlapping));
          const folded = (b: Buffer): Buffer =>
            Buffer.from(
              b.toString('latin1').replace(/[A-Z]/g, (c) => c.toLowerCase()),
              'latin1',
            );
          assert.deepEqual(all(bytes, [needle], overlapping, true), places(folded(bytes), folded(needle), overlapping));
          const counted = native.count(bytes, needle.subarray(0, 1), false);
          assert.equal(counted, places(bytes, needle.subarray(0, 1), true).length);
          const offsets = new Uint32Array(bytes.length);
          const copied = Buffer.alloc(bytes.length + 9, 1);
          const isAscii = bytes.every((byte) => byte < 0x80);
          for (const copy of [undefined, copied]) {
            offsets.fill(0);
            const found = native.findEach(bytes, 0, bytes.length, wanted[0]!, offsets, copy);
            assert.equal(found >= 0, isAscii);
            const count = isAscii ? found : -2 - found;
            assert.deepEqual([...offsets.subarray(0, count)], places(bytes, needle.subarray(0, 1), true));
          }
          assert.deepEqual(copied, Buffer.concat([bytes, Buffer.alloc(9, 1)]));
          const results = new Uint32Array(1);
          const counts = native.scan(search([needle]), bytes, 0, bytes.length, overlapping, true, results);
          assert.deepEqual([counts, results[0]! >= bytes.length], [places(bytes, needle, overlapping).length, true]);
        },
      ),
      { numRuns: 150 },
    );
  });

  it('needs no more time for needles that almost match everywhere', () => {
    // Compared byte by byte at every place, these would take hours.
    const bytes = Buffer.alloc(4 << 20, 'a');
    const needle = Buffer.alloc(1 << 20, 'a');
    needle[1 << 19] = 0x62;
    assert.deepEqual(all(bytes, [needle], false), []);
    assert.deepEqual(all(bytes, [needle], false, true), []);
    needle.copy(bytes, 2 << 20);
    assert.deepEqual(all(bytes, [needle], false), [2 << 20]);
    assert.deepEqual(all(bytes, [needle], false, true), [2 << 20]);
  });

  it('sees of a line that is too long what lines() gives', () => {
    const texts = ['a😀b', 'é€', '\ud83d', 'ab']
      .map((text) => [Buffer.from(text), Buffer.from(text, 'utf16le')])
      .flat();
    const invalid = [
      [0x61, 0x62, 0xed, 0xa0, 0x80, 0x63],
      [0xe2, 0x82, 0x41],
      [0xf0, 0x9f, 0x98],
      [0xf0, 0x80, 0x80],
      [0xc3, 0xc3, 0xa9],
    ];
    for (const bytes of [...texts, ...invalid.map((list) => Buffer.from(list))]) {
      for (const encoding of ['utf8', 'utf16le', 'latin1'] as const) {
        for (let maxLineLength = 1; maxLineLength <= bytes.length; maxLineLength++) {
          const source = new MemoryTextSource(bytes);
          const options = { encoding, maxLineLength, overflow: 'truncate' } as const;
          const seen = [...new Matches(source, /$/, options)].map(({ captures }) => captures!.input);
          assert.deepEqual(seen, [...new Lines(source, options)], `${bytes.toString('hex')}, ${maxLineLength}`);
        }
      }
    }
  });

  it('stops on the way where many needles stand, or almost, at the same places', () => {
    const bytes = Buffer.alloc(4096, 'a');
    const results = new Uint32Array(1);
    /** The number of matches, and of the calls that it takes. */
    const count = (needles: Uint8Array[], overlapping: boolean): [number, number] => {
      const handle = search(needles);
      let [found, calls] = [0, 0];
      for (let from = 0; from < bytes.length; from = results[0]!, calls++)
        found += native.scan(handle, bytes, from, bytes.length, overlapping, true, results);
      return [found, calls];
    };
    const prefixes = Array.from({ length: 1000 }, (_, i) => Buffer.alloc(i + 1, 'a'));
    const [found, calls] = count(prefixes, true);
    assert.equal(found, 1000 * 4096 - (999 * 1000) / 2);
    assert.ok(calls > 100, String(calls));
    const almost = prefixes.map((needle) => Buffer.concat([Buffer.alloc(40, 'a'), needle, Buffer.from('b')]));
    const [none, attempts] = count(almost, false);
    assert.equal(none, 0);
    assert.ok(attempts > 100, String(attempts));
    // Only the first of them counts, and so the others are not even compared.
    assert.deepEqual(count(new Array<Buffer>(10_000).fill(Buffer.from('a')), false), [4096, 1]);
  });

  it('refuses what is no search, no bytes, or too little room', () => {
    const handle = search([Buffer.from('a')]);
    const results = new Uint32Array(3);
    const bytes = Buffer.from('aaa');
    assert.equal(native.createSearch([], false, undefined), -osConstants.errno.EINVAL);
    assert.equal(native.createSearch([new Uint8Array(0)], false, undefined), -osConstants.errno.EINVAL);
    assert.equal(native.scan({} as never, bytes, 0, 3, false, false, results), -1);
    assert.equal(native.scan(handle, [] as never, 0, 3, false, false, results), -1);
    assert.equal(native.scan(handle, bytes, -1, 3, false, false, results), -1);
    assert.equal(native.scan(handle, bytes, 0, 3, false, false, new Uint32Array(2)), -1);
    assert.equal(native.scan(handle, bytes, 0, 3, false, false, [1, 2, 3] as never), -1);
    assert.equal(native.scan(handle, bytes, 0, 100, false, false, results), 1);
    assert.equal(native.scan(handle, bytes, 50, 100, false, false, results), 0);
  });
});

describe('matches() of a file', () => {
  for (const { name, options } of configurations) {
    it(`finds what stands across windows, and is ended by close (${name})`, async () => {
      using folder = new Folder();
      const path = folder.join('log');
      const content = Buffer.alloc(5 * granule, 'abcdefg\n');
      for (let at = granule - 4; at < content.length - 10; at += granule) content.write('NEEDLE', at);
      fs.writeFileSync(path, content);
      await using file = await MappedFile.open(path, 'r', options());
      const expected = [1, 2, 3, 4].map((n) => n * granule - 4);
      assert.deepEqual(
        [...file.matches('NEEDLE')].map(({ position }) => position),
        expected,
      );
      const positions: number[] = [];
      for await (const { position } of file.matches(['nothing', 'needle'], { ignoreCase: true }))
        positions.push(position);
      assert.deepEqual(positions, expected);
      assert.equal(await file.matches(/N\w+/).count(), 4);
      assert.equal(file.matches('\n').countSync(), content.filter((byte) => byte === 10).length);
      const numbers = [...file.matches('NEEDLE', { lineNumbers: true })].map(({ lineNumber }) => lineNumber);
      assert.deepEqual(
        numbers,
        expected.map((at) => content.subarray(0, at).filter((byte) => byte === 10).length + 1),
      );
      const iterator = file.matches('a')[Symbol.iterator]();
      iterator.next();
      await file.close();
      assert.throws(() => iterator.next(), { code: 'ERR_MAPPED_FILE_CLOSED' });
      assert.throws(() => file.matches('a'), { code: 'ERR_MAPPED_FILE_CLOSED' });
    });
  }
});
