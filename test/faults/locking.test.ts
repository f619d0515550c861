/** Processes that are killed while they hold a lock, or wait for it; test/torture kills more of them. */
import { killLockUsers } from '../torture/locking.js';
import { seed } from '../torture/support.js';

describe('a lock whose holder is killed', () => {
  it(`is the next one's, and never two's (seed ${seed})`, async () => {
    await killLockUsers(3, 4, seed);
  });
});
