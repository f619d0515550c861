import assert from 'node:assert/strict';
import { canTrace, checkFlushOrder } from './flush-order.js';
import { budget, seed } from './support.js';

describe('the order of flush', () => {
  it('is msync, then fdatasync, then the answer', function () {
    if (!canTrace) {
      console.log('strace(1) cannot trace here');
      return this.skip();
    }
    const rounds = budget('TORTURE_FLUSHES', 1000);
    console.log(`seed ${seed}`);
    const { marks, synced, byKind } = checkFlushOrder(rounds, seed);
    console.log(`${marks} flushes, ${synced} msyncs: ${JSON.stringify(byKind)}`);
    assert.ok(marks >= rounds);
  });
});
