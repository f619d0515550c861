import { killLockUsers } from './locking.js';
import { budget, seed } from './support.js';

describe('locks', () => {
  const kills = budget('TORTURE_LOCK_KILLS', 60);
  it(`${kills} kills of those who hold them, or wait, let nobody in beside another`, async () => {
    console.log(`seed ${seed}`);
    console.log(`held ${await killLockUsers(4, kills, seed)} times`);
  });
});
