/** What flush does before it answers; test/torture does more of it. */
import assert from 'node:assert/strict';
import { canTrace, checkFlushOrder } from '../torture/flush-order.js';
import { seed } from '../torture/support.js';
import { describeUnless, onWindows } from '../helpers/systems.js';

describeUnless(onWindows('there is no strace(1)'), 'the order of flush', () => {
  it('is msync, then fdatasync, then the answer', function () {
    if (!canTrace) {
      console.log('      strace(1) is not installed or cannot trace here');
      return this.skip();
    }
    this.timeout(60_000);
    assert.ok(checkFlushOrder(40, seed).marks >= 40, `seed ${seed}`);
  });
});
