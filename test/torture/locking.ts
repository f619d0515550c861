/** Processes that take one lock in turn, and are killed while they hold it or wait for it. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { MappedFile } from 'sliding-mmap';
import { Program, Random, Scratch } from './support.js';

/** Starts `users` of them, and others in their place as they are killed. Gives how often the lock was held to the end. */
export async function killLockUsers(users: number, kills: number, seed: number): Promise<number> {
  const random = new Random(seed);
  using folder = new Scratch();
  const path = folder.join('data');
  fs.writeFileSync(path, new Uint8Array(8));
  let told = 0;
  const start = async (): Promise<Program> => {
    const user = new Program('lock-user', [path]);
    user.child.stdout?.on('data', (bytes: Buffer) => (told += bytes.length));
    await user.message();
    return user;
  };
  const running = await Promise.all(Array.from({ length: users }, start));
  for (let i = 0; i < kills; i++) {
    await delay(random.below(60));
    const index = random.below(users);
    await kill(running[index] as Program);
    const before = told;
    running[index] = await start();
    // The lock of one that was killed is free: the others go on.
    while (told === before) await delay(1);
  }
  await Promise.all(running.map(kill));

  await using file = await MappedFile.open(path, 'r+');
  using lock = await file.lock();
  const [begun, ended] = [file.getInt32(0, true), file.getInt32(4, true)];
  const most = kills + users;
  const numbers = `${begun} begun, ${ended} ended, ${told} told of, ${most} killed; seed ${seed}`;
  // Two at a time would count up the same number.
  assert.ok(ended >= told && ended <= told + most, numbers);
  assert.ok(begun >= ended && begun <= ended + most, numbers);
  assert.equal(lock.released, false);
  return told;
}

async function kill(user: Program): Promise<void> {
  assert.equal(user.child.exitCode, null, 'a user ended by itself');
  user.child.kill('SIGKILL');
  const { signal, stderr } = await user.ended();
  assert.equal(signal, 'SIGKILL', stderr);
  await user[Symbol.asyncDispose]();
}
