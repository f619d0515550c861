/** Processes that use one mutex, or both ends of one ring, and are killed at any moment. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { MappedFile } from 'sliding-mmap';
import { SharedMutex, SharedRing } from 'sliding-mmap/sync';
import { Program, Random, Scratch } from './support.js';

/** A record of a producer: who it is, the record's number, and bytes that depend on both, so many of them, too. */
export function recordOf(producer: number, number: number): Buffer {
  const random = new Random(Math.imul(producer, 7919) + number);
  const record = Buffer.alloc(8 + random.below(random.chance(0.1) ? 3000 : 120));
  record.writeInt32LE(producer, 0);
  record.writeInt32LE(number, 4);
  for (let i = 8; i < record.length; i++) record[i] = random.next();
  return record;
}

/** Makes sure that a record is whole, and tells whose it is. */
export function numberIn(record: Buffer): { producer: number; number: number } {
  const [producer, number] = [record.readInt32LE(0), record.readInt32LE(4)];
  assert.ok(record.equals(recordOf(producer, number)), `record ${number} of ${producer} is not whole`);
  return { producer, number };
}

class User {
  readonly program: Program;
  #told = '';

  constructor(role: 'lock' | 'push' | 'shift', path: string, id: number) {
    this.program = new Program('sync-user', [role, path, id]);
    this.program.child.stdout?.setEncoding('latin1').on('data', (text: string) => (this.#told += text));
  }

  /** What it has told, whole lines and not. */
  get told(): string {
    return this.#told;
  }

  async kill(seed: number): Promise<void> {
    const { child } = this.program;
    child.kill('SIGKILL');
    const { code, signal, stderr } = await this.program.ended();
    assert.deepEqual(
      { code, signal },
      { code: null, signal: 'SIGKILL' },
      `seed ${seed}: it ended by itself\n${stderr}`,
    );
  }
}

async function start(role: 'lock' | 'push' | 'shift', path: string, id: number): Promise<User> {
  const user = new User(role, path, id);
  await user.program.message();
  return user;
}

/** Kills users of a mutex, and puts others in their place. Gives how often it was held to the end. */
export async function killMutexUsers(users: number, kills: number, seed: number): Promise<number> {
  const random = new Random(seed);
  using folder = new Scratch();
  const path = folder.join('data');
  fs.writeFileSync(path, new Uint8Array(4096));
  let id = 0;
  const running = await Promise.all(Array.from({ length: users }, () => start('lock', path, seed + ++id)));
  let told = 0;
  const now = (): number => told + running.reduce((sum, user) => sum + user.told.length, 0);
  for (let i = 0; i < kills; i++) {
    await delay(random.below(40));
    const index = random.below(users);
    const victim = running[index]!;
    await victim.kill(seed);
    told += victim.told.length;
    running[index] = await start('lock', path, seed + ++id);
    // The others go on.
    for (const before = now(); now() === before;) await delay(1);
  }
  for (const user of running) await user.kill(seed);

  await using file = await MappedFile.open(path, 'r+');
  using guard = await new SharedMutex(file).lock({ timeout: 10_000 });
  const [begun, ended] = [file.getInt32(64, true), file.getInt32(68, true)];
  const died = kills + users;
  const numbers = `${begun} begun, ${ended} ended, ${now()} told of, ${died} killed; seed ${seed}`;
  assert.ok(guard.ownerDied || begun === ended, numbers);
  assert.ok(ended >= now() && ended <= now() + died, numbers);
  return now();
}

/** Kills producers and consumers of a ring. Gives how many records came through. */
export async function killRingUsers(users: number, kills: number, seed: number): Promise<number> {
  const random = new Random(seed);
  using folder = new Scratch();
  const path = folder.join('data');
  fs.writeFileSync(path, new Uint8Array(4096 + 320 + 10_000));
  let id = 0;
  const all: User[] = [];
  const another = async (role: 'push' | 'shift'): Promise<User> => {
    const user = await start(role, path, ++id);
    all.push(user);
    return user;
  };
  const roles = Array.from({ length: 2 * users }, (_, i) => (i % 2 === 0 ? 'push' : 'shift'));
  const running = await Promise.all(roles.map(another));
  const consumers = (): number => running.reduce((sum, user) => sum + user.told.length, 0);
  let killedConsumers = 0;
  for (let i = 0; i < kills; i++) {
    await delay(random.below(40));
    const index = random.below(running.length);
    await running[index]!.kill(seed);
    if (roles[index] === 'shift') killedConsumers++;
    running[index] = await another(roles[index]!);
    for (const before = consumers(); consumers() === before;) await delay(1);
  }
  // First the producers, so that what is left in the ring is whole.
  for (const role of ['push', 'shift']) {
    for (const [index, user] of running.entries()) if (roles[index] === role) await user.kill(seed);
  }
  killedConsumers += users;

  // What was taken and told of, and what is still there.
  const seen = new Map<number, number[]>();
  const see = (producer: number, number: number): void => {
    const numbers = seen.get(producer) ?? [];
    numbers.push(number);
    seen.set(producer, numbers);
  };
  for (const user of all) {
    // A line that was not finished is of a record that was taken.
    for (const line of user.told.split('\n').slice(0, -1)) see(...(line.split(' ').map(Number) as [number, number]));
  }
  await using file = await MappedFile.open(path, 'r+');
  using ring = new SharedRing(file, 4096);
  for (let record = ring.tryShift(); record !== undefined; record = ring.tryShift()) {
    const { producer, number } = numberIn(record);
    see(producer, number);
  }
  // It is of use still.
  ring.pushSync('the end', { timeout: 10_000 });
  assert.equal(String(ring.shiftSync({ timeout: 10_000 })), 'the end');

  let missing = 0;
  let records = 0;
  for (const [producer, numbers] of seen) {
    const distinct = new Set(numbers);
    assert.equal(distinct.size, numbers.length, `a record of ${producer} came twice; seed ${seed}`);
    missing += numbers.reduce((last, number) => Math.max(last, number)) + 1 - distinct.size;
    records += distinct.size;
  }
  // Each consumer may have died with one that it had taken, and not told of.
  assert.ok(missing <= killedConsumers, `${missing} missing, ${killedConsumers} consumers killed; seed ${seed}`);
  return records;
}
