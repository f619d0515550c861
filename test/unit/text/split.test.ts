import assert from 'node:assert/strict';
import { split } from '#src/text/split.js';
import { MemoryTextSource } from '../../helpers/memory-text-source.js';

describe('split', () => {
  const source = (string: string): MemoryTextSource => new MemoryTextSource(Buffer.from(string));

  it('cuts after records', () => {
    assert.deepEqual(split(source('aa\nbb\ncc\ndd\n'), 2), [
      { start: 0, end: 6 },
      { start: 6, end: 12 },
    ]);
    assert.deepEqual(split(source('aa\nbb\ncc'), 3), [
      { start: 0, end: 3 },
      { start: 3, end: 6 },
      { start: 6, end: 8 },
    ]);
  });

  it('gives fewer ranges than asked for, never an empty one', () => {
    assert.deepEqual(split(source(''), 4), []);
    assert.deepEqual(split(source('one record'), 4), [{ start: 0, end: 10 }]);
    assert.equal(split(source('\n\n\n'), Number.MAX_SAFE_INTEGER).length, 3);
  });

  it('takes another delimiter', () => {
    assert.deepEqual(split(source('a\n\0b\n\0'), 2, 0), [
      { start: 0, end: 3 },
      { start: 3, end: 6 },
    ]);
  });

  it('reads only near the cuts', () => {
    const large = source('0123456\n'.repeat(1_000_000));
    assert.equal(split(large, 4).length, 4);
    assert.ok(large.reads.length <= 4);
  });

  it('refuses bad arguments', () => {
    const bad: Array<[unknown, unknown, string]> = [
      ['2', 10, 'ERR_INVALID_ARG_TYPE'],
      [undefined, 10, 'ERR_INVALID_ARG_TYPE'],
      [0, 10, 'ERR_OUT_OF_RANGE'],
      [1.5, 10, 'ERR_OUT_OF_RANGE'],
      [Infinity, 10, 'ERR_OUT_OF_RANGE'],
      [2, '\n', 'ERR_INVALID_ARG_TYPE'],
      [2, 256, 'ERR_OUT_OF_RANGE'],
    ];
    for (const [parts, delimiter, code] of bad)
      assert.throws(() => split(source('a'), parts as number, delimiter as number), { code });
  });
});
