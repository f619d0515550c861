import { killMutexUsers, killRingUsers } from './sync.js';
import { budget, seed } from './support.js';

describe('synchronization', () => {
  const kills = budget('TORTURE_SYNC_KILLS', 60);

  it(`${kills} kills of those who hold a mutex, or wait, let nobody in beside another`, async () => {
    console.log(`seed ${seed}`);
    console.log(`held ${await killMutexUsers(4, kills, seed)} times`);
  });

  it(`${kills} kills at both ends of a ring lose no more than what the dead had taken`, async () => {
    console.log(`seed ${seed}`);
    console.log(`${await killRingUsers(2, kills, seed)} records came through`);
  });
});
