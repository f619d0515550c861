/**
 * `sync-user ROLE FILE ID`, until it is killed, by the mutex at 0 and the ring at 4096 of the file:
 * - `lock`: counts up two numbers under the lock, of which nobody else may see one without the other, unless he is told
 *   that the one who had it died. Tells of each time by a byte on standard output.
 * - `push`: puts records in, numbered from 0, whose bytes all depend on their number.
 * - `shift`: takes records, and tells of each by a line on standard output.
 */
import fs from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import { MappedFile } from 'sliding-mmap';
import { SharedMutex, SharedRing } from 'sliding-mmap/sync';
import { Random } from '../support.js';
import { numberIn, recordOf } from '../sync.js';

const [role, path, id] = process.argv.slice(2) as [string, string, string];
const random = new Random(Number(id));
const file = await MappedFile.open(path, 'r+');

async function lock(): Promise<never> {
  const mutex = new SharedMutex(file);
  const words = file.view(64, 72).as(Int32Array) as Int32Array & [number, number];
  for (;;) {
    const guard = random.chance(0.5) ? await mutex.lock() : mutex.lockSync();
    if (guard.ownerDied) words[1] = words[0];
    if (words[0] !== words[1]) process.exit(3);
    words[0]++;
    if (random.chance(0.5)) await turn();
    words[1]++;
    fs.writeSync(1, '.');
    guard.release();
    if (random.chance(0.5)) await turn();
  }
}

async function push(): Promise<never> {
  const ring = new SharedRing(file, 4096);
  for (let number = 0; ; number++) {
    const record = recordOf(Number(id), number);
    if (random.chance(0.5)) await ring.push(record);
    else ring.pushSync(record);
  }
}

async function shift(): Promise<never> {
  const ring = new SharedRing(file, 4096);
  for (;;) {
    const record = random.chance(0.5) ? await ring.shift() : ring.shiftSync();
    if (record === undefined) process.exit(4);
    const { producer, number } = numberIn(record);
    fs.writeSync(1, `${producer} ${number}\n`);
  }
}

process.send?.('ready');
await (role === 'lock' ? lock() : role === 'push' ? push() : shift());
