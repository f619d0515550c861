/** Worker threads that come to their end in the middle of something. Ends with code 0 and says that it survived. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { MappedFile } from 'sliding-mmap';
import { native } from '#src/native.js';
import { collect } from '../helpers/collect.js';
import { byteAt, oracle } from '../helpers/files.js';

const size = 2 ** 22;
const worker = new URL('./busy.worker.js', import.meta.url);
const [scenario, path] = process.argv.slice(2) as [string, string];

function start(task: string): { worker: Worker; begun: Promise<void>; ended: Promise<number> } {
  const thread = new Worker(worker, { workerData: { task, path, size } });
  const begun = new Promise<void>((resolve, reject) => {
    thread.once('message', resolve);
    thread.once('error', reject);
  });
  const ended = new Promise<number>((resolve) => thread.once('exit', resolve));
  return { worker: thread, begun, ended };
}

/** Nothing of a worker that ended may be left. */
async function nothingLeft(): Promise<void> {
  await collect();
  assert.equal(native.mappingCount(), 0);
  const open = fs.readdirSync('/proc/self/fd').map((fd) => {
    try {
      return fs.readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      return '';
    }
  });
  assert.deepEqual(
    open.filter((target) => target.startsWith(path)),
    [],
  );
  assert.ok(!fs.readFileSync('/proc/self/maps', 'utf8').includes(path));
}

const scenarios: Record<string, () => Promise<void>> = {
  async terminated() {
    for (const task of [
      'scalars',
      'reads',
      'writes',
      'flushes',
      'views',
      'populating',
      'streams',
      'duplicates',
      'everything',
    ]) {
      for (let round = 0; round < 3; round++) {
        const { worker, begun } = start(task);
        await begun;
        await delay(round * 7);
        await worker.terminate();
        await nothingLeft();
      }
    }
  },

  async 'many at once'() {
    let random = 12345;
    const next = (below: number): number => (random = (Math.imul(random, 1103515245) + 12345) >>> 0) % below;
    for (let round = 0; round < 3; round++) {
      const threads = Array.from({ length: 8 }, () => start('everything'));
      await Promise.all(
        threads.map(async ({ worker, begun }) => {
          await begun;
          await delay(next(120));
          await worker.terminate();
        }),
      );
      await nothingLeft();
    }
    // What they wrote is the bytes that were there.
    assert.ok(fs.readFileSync(path).equals(oracle(0, size)));
  },

  async 'process.exit'() {
    const { ended } = start('exits');
    assert.equal(await ended, 7);
    await nothingLeft();
  },

  async 'a view that is handed over'() {
    const { worker, ended } = start('hands over');
    const buffer = await new Promise<ArrayBuffer>((resolve) => worker.once('message', resolve));
    await ended;
    for (let i = 0; i < 20; i++) {
      const bytes = new Uint8Array(buffer);
      for (let position = 0; position < bytes.length; position += 4096) assert.equal(bytes[position], byteAt(position));
      await collect(1);
    }
  },

  async 'side by side'() {
    const { worker, begun } = start('everything');
    await begun;
    using file = MappedFile.openSync(path, 'r');
    for (let position = 0; position < size; position += 1021) assert.equal(file.getUint8(position), byteAt(position));
    const ending = worker.terminate();
    for (let position = 0; position < size; position += 509) assert.equal(file.getUint8(position), byteAt(position));
    await ending;
    assert.ok((await file.slice()).equals(oracle(0, size)));
  },

  /** The process ends while operations are pending, which nobody waits for. */
  async 'exit with operations pending'() {
    const file = MappedFile.openSync(path, 'r+');
    const view = file.view();
    for (let i = 0; i < 50; i++) {
      void file.write(oracle(0, 10_000), 0, 10_000, 0);
      void file.read(Buffer.alloc(2 ** 21), 0, 2 ** 21, 0);
      void file.flush();
      void view.flush();
    }
    process.on('exit', () => console.log('survived'));
    process.exit(0);
  },

  async 'the end without closing'() {
    const file = MappedFile.openSync(path, 'r+');
    file.setUint8(0, byteAt(0));
    file.view();
    void file.flush();
  },
};

fs.writeFileSync(path, oracle(0, size));
await (scenarios[scenario] as () => Promise<void>)();
console.log('survived');
