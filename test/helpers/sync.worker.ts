/** A thread that does what it is told with what is in a file, and says what came of it. */
import { parentPort, workerData } from 'node:worker_threads';
import { MappedFile } from 'sliding-mmap';
import {
  SharedBarrier,
  SharedCondition,
  SharedMutex,
  SharedRing,
  SharedSemaphore,
  wait,
  waitSync,
} from 'sliding-mmap/sync';
import { native } from '#src/native.js';

export interface Order {
  action: keyof typeof actions;
  path: string;
  /** How often. */
  times?: number;
  /** As on a system that cannot wait for several words at once. */
  polls?: boolean;
}

const { action, path, times = 1, polls = false } = workerData as Order;
if (polls) Object.assign(native, { futexListen: () => -38 });

const file = await MappedFile.open(path, 'r+');
const say = (what: unknown): void => parentPort!.postMessage(what);
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const actions = {
  wait: async () => {
    const waiting = wait(file, 0, 0);
    say('waiting');
    say(await waiting);
  },
  waitSync: async () => {
    say('waiting');
    say(waitSync(file, 0, 0, { timeout: 10_000 }));
  },
  /** Adds to an Int32 without an atomic operation, under a lock. */
  count: async () => {
    const mutex = new SharedMutex(file);
    for (let i = 0; i < times; i++) {
      using guard = i % 3 === 0 ? mutex.lockSync() : await mutex.lock();
      const before = file.getInt32(64, true);
      if (i % 2 === 0) await turn();
      file.setInt32(64, before + 1, true);
      guard.release();
    }
  },
  hold: async () => {
    using guard = await new SharedMutex(file).lock();
    say('held');
    await wait(file, 128, 0);
    guard.release();
  },
  queue: async () => {
    const locking = new SharedMutex(file).lock();
    say('waiting');
    (await locking).release();
    say('had it');
  },
  permits: async () => {
    const semaphore = new SharedSemaphore(file);
    for (let i = 0; i < times; i++) {
      await semaphore.acquire();
      const words = file.view(64, 72).as(Int32Array);
      const now = Atomics.add(words, 0, 1) + 1;
      if (now > Atomics.load(words, 1)) Atomics.store(words, 1, now);
      await turn();
      Atomics.sub(words, 0, 1);
      semaphore.release();
    }
  },
  /** Waits, under a lock, until a number is not 0. */
  condition: async () => {
    const mutex = new SharedMutex(file);
    const condition = new SharedCondition(file, 8);
    using guard = await mutex.lock();
    say('waiting');
    while (file.getInt32(64, true) === 0) await condition.wait(guard);
    say(guard.released ? 'lost' : 'done');
  },
  /** Counts in steps that nobody may be ahead of. */
  barrier: async () => {
    const barrier = new SharedBarrier(file, 0, 4);
    const words = file.view(64, 72).as(Int32Array);
    let last = 0;
    for (let i = 0; i < times; i++) {
      Atomics.add(words, 0, 1);
      if (i % 2 === 0 ? await barrier.wait() : barrier.waitSync()) last++;
      if (Atomics.load(words, 0) < 4 * (i + 1)) throw new Error('It opened too early');
      await barrier.wait();
    }
    say(last);
  },
  /** Takes records, and says what they were. */
  shift: async () => {
    const ring = new SharedRing(file);
    const taken: string[] = [];
    for (let i = 0; ; i++) {
      const record = i % 2 === 0 ? await ring.shift() : ring.shiftSync();
      if (record === undefined) break;
      taken.push(record.toString());
    }
    say(taken);
  },
};
await actions[action]();
file.closeSync();
