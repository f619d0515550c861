import assert from 'node:assert/strict';
import fc from 'fast-check';
import { Geometry, roundUp, toCount, toPosition, toRange } from '#src/ranges.js';
import { codeOf } from '../helpers/errors.js';

const max = Number.MAX_SAFE_INTEGER;
const granularities = fc.constantFrom(4096, 16384, 65536);
const windowSizes = fc.oneof(
  fc.integer({ min: 1, max: 2 ** 17 }),
  fc.integer({ min: 1, max: 2 ** 33 }),
  fc.constantFrom(1, 4095, 4096, 4097, 2 ** 20, 2 ** 30, 2 ** 32 - 8192),
);
const positions = fc.oneof(
  fc.integer({ min: 0, max: 2 ** 20 }),
  fc.integer({ min: 0, max }),
  fc.integer({ min: max - 2 ** 20, max }),
);

/** Also positions right at, before and after a border. */
const atBorders = fc.record({
  windowSize: windowSizes,
  granularity: granularities,
  near: positions,
  step: fc.integer({ min: -9, max: 9 }),
});

function resolve(given: { windowSize: number; granularity: number; near: number; step: number }) {
  const geometry = new Geometry(given.windowSize, given.granularity);
  const border = Math.floor(given.near / geometry.stride) * geometry.stride;
  const position = Math.min(max, Math.max(0, border + given.step));
  return { geometry, position };
}

describe('geometry', () => {
  it('gives every position the slot whose stride holds it, exactly', () => {
    fc.assert(
      fc.property(atBorders, (given) => {
        const { geometry, position } = resolve(given);
        const expected = BigInt(position) / BigInt(geometry.stride);
        assert.equal(BigInt(geometry.slotOf(position)), expected);
        assert.equal(BigInt(geometry.startOf(geometry.slotOf(position))), expected * BigInt(geometry.stride));
      }),
      { numRuns: 5000 },
    );
  });

  it('starts windows at multiples of the granularity, no shorter than was asked for', () => {
    fc.assert(
      fc.property(windowSizes, granularities, fc.nat(), (windowSize, granularity, slot) => {
        const geometry = new Geometry(windowSize, granularity);
        assert.equal(geometry.startOf(slot) % granularity, 0);
        assert.equal(geometry.capacity % granularity, 0);
        assert.ok(geometry.stride >= windowSize && geometry.stride < windowSize + granularity);
      }),
    );
  });

  it('covers the whole file, without a gap, and neighbours overlap by a granule', () => {
    fc.assert(
      fc.property(windowSizes, granularities, fc.nat(40), fc.nat(2 ** 20), (windowSize, granularity, slots, rest) => {
        const geometry = new Geometry(windowSize, granularity);
        const size = geometry.stride * slots + (rest % geometry.stride);
        let covered = 0;
        for (let slot = 0; geometry.lengthOf(slot, size) > 0; slot++) {
          const start = geometry.startOf(slot);
          const end = start + geometry.lengthOf(slot, size);
          assert.ok(start <= covered, `a gap before ${start}`);
          assert.ok(end <= size);
          if (slot > 0) assert.equal(Math.min(covered, size) - start, Math.min(granularity, size - start));
          assert.ok(end - start <= geometry.capacity);
          covered = end;
        }
        assert.equal(covered, size);
      }),
    );
  });

  it('lets nothing of up to a granule straddle a window', () => {
    fc.assert(
      fc.property(atBorders, fc.integer({ min: 1, max: 4096 }), (given, length) => {
        const { geometry, position } = resolve(given);
        if (position + length > max) return;
        const slot = geometry.slotOf(position);
        const offset = position - geometry.startOf(slot);
        assert.ok(offset + length <= geometry.lengthOf(slot, max));
        const size = position + length;
        assert.ok(offset + length <= geometry.lengthOf(slot, size), 'at the end of the file');
      }),
      { numRuns: 2000 },
    );
  });

  it('has no window past the end', () => {
    fc.assert(
      fc.property(windowSizes, positions, fc.nat(2 ** 20), (windowSize, size, slot) => {
        const geometry = new Geometry(windowSize, 4096);
        if (geometry.startOf(slot) >= size) assert.equal(geometry.lengthOf(slot, size), 0);
      }),
    );
  });
});

describe('roundUp', () => {
  it('gives the next multiple', () => {
    fc.assert(
      fc.property(fc.nat(2 ** 31 - 1), granularities, (value, granule) => {
        const rounded = roundUp(value, granule);
        assert.equal(rounded % granule, 0);
        assert.ok(rounded >= value && rounded < value + granule);
      }),
    );
  });
});

describe('arguments that are positions', () => {
  const wrongType: unknown[] = [
    undefined,
    null,
    true,
    '1',
    {},
    [],
    [1],
    Symbol('p'),
    { valueOf: () => 1 },
    new Number(1),
    Object(1n),
  ];
  const wrongValue = [-1, -1n, 0.5, NaN, Infinity, -Infinity, max + 1, 2n ** 53n, 2n ** 64n, -(2n ** 64n)];

  it('take every safe integer and bigint as it is', () => {
    fc.assert(
      fc.property(positions, (position) => {
        assert.equal(toPosition(position), position);
        assert.equal(toPosition(BigInt(position)), position);
      }),
    );
  });

  it('throw Node’s errors for anything else', () => {
    for (const value of wrongType)
      assert.equal(
        codeOf(() => toPosition(value)),
        'ERR_INVALID_ARG_TYPE',
      );
    for (const value of wrongValue)
      assert.equal(
        codeOf(() => toPosition(value)),
        'ERR_OUT_OF_RANGE',
      );
  });

  it('counts are numbers inside their bounds', () => {
    assert.equal(toCount(3, 'n', 3, 3), 3);
    for (const value of [...wrongType, 1n])
      assert.equal(
        codeOf(() => toCount(value, 'n', 0)),
        'ERR_INVALID_ARG_TYPE',
      );
    for (const value of [2, 4, 2.5, NaN])
      assert.equal(
        codeOf(() => toCount(value, 'n', 3, 3)),
        'ERR_OUT_OF_RANGE',
      );
  });

  it('ranges default to the file, and are never backwards', () => {
    fc.assert(
      fc.property(positions, positions, positions, (a, b, size) => {
        assert.deepEqual(toRange(undefined, undefined, size), { start: 0, end: size });
        assert.deepEqual(toRange(a, undefined, size), { start: a, end: Math.max(a, size) });
        if (a <= b) assert.deepEqual(toRange(BigInt(a), b, size), { start: a, end: b });
        else
          assert.equal(
            codeOf(() => toRange(a, b, size)),
            'ERR_OUT_OF_RANGE',
          );
      }),
    );
    assert.equal(
      codeOf(() => toRange(null, 1, 5)),
      'ERR_INVALID_ARG_TYPE',
    );
    assert.equal(
      codeOf(() => toRange(0, '1', 5)),
      'ERR_INVALID_ARG_TYPE',
    );
  });
});
