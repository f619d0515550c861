import assert from 'node:assert/strict';
import fc from 'fast-check';
import { Lines } from '#src/text/lines.js';
import { split } from '#src/text/split.js';
import { MemoryTextSource } from '../../helpers/memory-text-source.js';

const bytes = fc
  .array(fc.oneof(fc.constant(0x0a), fc.integer({ min: 0, max: 255 })), { maxLength: 300 })
  .map((all) => Buffer.from(all));

describe('split: any bytes, any number of parts', () => {
  it('covers the file exactly with whole records', () =>
    fc.assert(
      fc.property(bytes, fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 50 }), (all, parts, windowSize) => {
        const source = new MemoryTextSource(all, { windowSize });
        const ranges = split(source, parts);
        assert.ok(ranges.length <= parts);
        let at = 0;
        for (const { start, end } of ranges) {
          assert.equal(start, at);
          assert.ok(end > start);
          if (end < all.length) assert.equal(all[end - 1], 0x0a);
          at = end;
        }
        assert.equal(at, all.length);
        const options = { encoding: 'latin1' } as const;
        const joined = ranges.flatMap((range) => [...new Lines(source, { ...options, ...range })]);
        assert.deepEqual(joined, [...new Lines(source, options)]);
      }),
      { numRuns: 500 },
    ));
});
