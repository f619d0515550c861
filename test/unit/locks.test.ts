/** Advisory locks: between objects, threads and processes. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once, setMaxListeners } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { type FileLock, MappedFile, type Position } from 'sliding-mmap';
import { codeOf } from '../helpers/errors.js';
import { Folder } from '../helpers/files.js';
import { openFiles } from '../helpers/root-hooks.js';

const holder = fileURLToPath(new URL('../helpers/lock-holder.program.js', import.meta.url));
const taker = new URL('../helpers/lock-taker.worker.js', import.meta.url);

/** A process that holds a lock. */
async function holding(path: string, start = 0, end: number | '' = '', exclusive = true): Promise<ChildProcess> {
  const child = spawn(process.execPath, [holder, path, String(start), String(end), String(exclusive)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  await once(child.stdout as NodeJS.ReadableStream, 'data');
  return child;
}

async function end(child: ChildProcess, signal?: NodeJS.Signals): Promise<void> {
  const closed = once(child, 'close');
  if (signal === undefined) child.stdin?.end();
  else child.kill(signal);
  await closed;
}

/** What has become of a promise after the event loop has turned. */
async function stateOf(promise: Promise<unknown>): Promise<'pending' | 'settled'> {
  return Promise.race([promise.then(() => 'settled' as const), delay(60, 'pending' as const)]);
}

describe('locks', () => {
  it('are exclusive and of the whole file by default', () => {
    using folder = new Folder();
    const path = folder.file(100);
    using file = MappedFile.openSync(path, 'r+');
    using other = MappedFile.openSync(path, 'r+');
    const lock = file.tryLock() as FileLock;
    assert.deepEqual(
      { exclusive: lock.exclusive, start: lock.start, end: lock.end, released: lock.released },
      { exclusive: true, start: 0, end: Infinity, released: false },
    );
    assert.equal(other.tryLock(), null);
    assert.equal(other.tryLock({ exclusive: false }), null);
    assert.equal(other.tryLock({ start: 2n ** 53n - 2n, end: 2n ** 53n - 1n }), null);
    lock.release();
    assert.equal(lock.released, true);
    lock.release();
    using taken = other.tryLock();
    assert.ok(taken);
  });

  it('of one object exclude each other, too, and each is released alone', () => {
    using folder = new Folder();
    using file = MappedFile.openSync(folder.file(100), 'r+');
    const first = file.tryLock({ start: 0, end: 10 });
    const second = file.tryLock({ start: 10, end: 20 });
    assert.ok(first && second);
    assert.equal(file.tryLock({ start: 9, end: 11 }), null);
    first.release();
    assert.equal(file.tryLock({ start: 9, end: 11 }), null, 'the second is held');
    assert.ok(file.tryLock({ start: 0, end: 10 }));
    second.release();
    assert.ok(file.tryLock({ start: 10, end: 11 }));
  });

  it('that are shared exclude exclusive ones only', () => {
    using folder = new Folder();
    const path = folder.file(100);
    using file = MappedFile.openSync(path, 'r+');
    using reader = MappedFile.openSync(path, 'r');
    const [one, two] = [file.tryLock({ exclusive: false }), reader.tryLock({ exclusive: false })];
    assert.ok(one && two);
    assert.equal(file.tryLock(), null);
    one.release();
    assert.equal(file.tryLock(), null);
    two.release();
    assert.ok(file.tryLock());
  });

  it('are released by using, and by the close of the file', async () => {
    using folder = new Folder();
    const path = folder.file(100);
    using file = MappedFile.openSync(path, 'r+');
    {
      using lock = await file.lock();
      assert.equal(lock.released, false);
    }
    const other = MappedFile.openSync(path, 'r+');
    const lock = await other.lock();
    const waiting = file.lock();
    assert.equal(await stateOf(waiting), 'pending');
    await other.close();
    assert.equal(lock.released, true);
    lock.release();
    (await waiting).release();
  });

  it('keep no descriptor beyond the file', async () => {
    using folder = new Folder();
    const path = folder.file(100);
    const before = openFiles().length;
    const file = MappedFile.openSync(path, 'r+');
    for (let i = 0; i < 50; i++) (await file.lock()).release();
    assert.ok(openFiles().length <= before + 2, 'one descriptor serves for one lock after the other');
    for (let i = 0; i < 5; i++) assert.ok(file.tryLock({ start: i, end: i + 1 }));
    file.closeSync();
    assert.equal(openFiles().length, before);
  });

  it('are given in the order in which they were asked for', async () => {
    using folder = new Folder();
    const path = folder.file(100);
    using file = MappedFile.openSync(path, 'r+');
    using other = MappedFile.openSync(path, 'r+');
    const first = await file.lock({ exclusive: false });
    const order: string[] = [];
    const take = async (name: string, of: MappedFile, options: { exclusive: boolean }): Promise<void> => {
      using lock = await of.lock(options);
      order.push(name);
      await delay(1);
      assert.equal(lock.released, false);
    };
    const all = [
      take('a writer', other, { exclusive: true }),
      // Could be had at once, but would keep the writer waiting.
      take('a reader', file, { exclusive: false }),
      take('another writer', file, { exclusive: true }),
    ];
    await delay(5);
    assert.deepEqual(order, []);
    first.release();
    await Promise.all(all);
    assert.deepEqual(order, ['a writer', 'a reader', 'another writer']);
  });

  it('serve thousands that wait, each in its turn', async () => {
    using folder = new Folder();
    using file = MappedFile.openSync(folder.file(100), 'r+');
    const order: number[] = [];
    const tasks = Array.from({ length: 4000 }, async (_, task) => {
      using lock = await file.lock(task % 2 === 0 ? {} : { end: 50 });
      order.push(task);
      assert.equal(lock.released, false);
    });
    await Promise.all(tasks);
    assert.deepEqual(
      order,
      tasks.map((_, task) => task),
    );
  });

  it('let by whom no earlier one excludes', async () => {
    using folder = new Folder();
    using file = MappedFile.openSync(folder.file(100), 'r+');
    const held = await file.lock({ start: 0, end: 10 });
    const order: string[] = [];
    const take = async (name: string, start: number, end: number, exclusive = true): Promise<void> => {
      using lock = await file.lock({ start, end, exclusive });
      order.push(name);
      await delay(1);
      assert.equal(lock.released, false);
    };
    const all = [
      take('shared', 5, 30, false),
      take('inside', 12, 14, false), // shared as well: free at once
      take('behind it', 20, 40),
      take('behind that', 39, 41),
      take('apart', 60, 70),
    ];
    await delay(5);
    assert.deepEqual(order, ['inside', 'apart']);
    held.release();
    await Promise.all(all);
    assert.deepEqual(order, ['inside', 'apart', 'shared', 'behind it', 'behind that']);
  });

  it('are waited for until a signal is aborted, which lets the next one by', async () => {
    using folder = new Folder();
    using file = MappedFile.openSync(folder.file(100), 'r+');
    using held = await file.lock({ exclusive: false });
    const controller = new AbortController();
    const waiting = file.lock({ signal: controller.signal });
    const behind = file.lock({ exclusive: false });
    assert.equal(await stateOf(behind), 'pending');
    controller.abort(new Error('enough'));
    await assert.rejects(waiting, /enough/);
    (await behind).release();
    await assert.rejects(file.lock({ signal: AbortSignal.abort(new Error('before')) }), /before/);
    assert.equal(held.released, false);
  });

  it('are no longer waited for when the file is closed', async () => {
    using folder = new Folder();
    const path = folder.file(100);
    using file = MappedFile.openSync(path, 'r+');
    using held = await file.lock();
    const other = MappedFile.openSync(path, 'r+');
    const waiting = other.lock();
    other.closeSync();
    await assert.rejects(waiting, { code: 'ERR_MAPPED_FILE_CLOSED' });
    assert.throws(() => other.tryLock(), { code: 'ERR_MAPPED_FILE_CLOSED' });
    await assert.rejects(other.lock(), { code: 'ERR_MAPPED_FILE_CLOSED' });
    assert.equal(held.released, false);
  });

  it('that nobody holds on to stay with the file', async () => {
    using folder = new Folder();
    const path = folder.file(100);
    using file = MappedFile.openSync(path, 'r+');
    await file.lock({ start: 50, end: 60 });
    using other = MappedFile.openSync(path, 'r+');
    assert.equal(other.tryLock({ start: 59 }), null);
    assert.ok(other.tryLock({ start: 60 }));
  });

  it('are refused for bad arguments', async () => {
    using folder = new Folder();
    using file = MappedFile.openSync(folder.file(100), 'r+');
    for (const [options, code] of [
      [null, 'ERR_INVALID_ARG_TYPE'],
      [7, 'ERR_INVALID_ARG_TYPE'],
      [{ exclusive: 1 }, 'ERR_INVALID_ARG_TYPE'],
      [{ signal: {} }, 'ERR_INVALID_ARG_TYPE'],
      [{ start: '1' }, 'ERR_INVALID_ARG_TYPE'],
      [{ start: -1 }, 'ERR_OUT_OF_RANGE'],
      [{ start: 5, end: 4 }, 'ERR_OUT_OF_RANGE'],
      // To the system, a length of 0 is all there is.
      [{ start: 5, end: 5 }, 'ERR_OUT_OF_RANGE'],
      [{ end: 2 ** 53 }, 'ERR_OUT_OF_RANGE'],
    ] as Array<[never, string]>) {
      assert.equal(
        codeOf(() => file.tryLock(options)),
        code,
      );
      await assert.rejects(file.lock(options), { code });
    }
    assert.ok(file.tryLock(), 'nothing was locked');
    using reader = MappedFile.openSync(folder.join('data'), 'r');
    assert.equal(
      codeOf(() => reader.tryLock()),
      'ERR_MAPPED_FILE_READ_ONLY',
    );
  });

  it('lock any part, in or past the file, of any object', () => {
    using folder = new Folder();
    const path = folder.file(100);
    using file = MappedFile.openSync(path, 'r+');
    using other = MappedFile.openSync(path, 'r+');
    const ends: Array<[Position, Position | undefined]> = [
      [0, 1],
      [99, 200],
      [2 ** 40, 2 ** 41],
      [2n ** 53n - 2n, undefined],
    ];
    for (const [start, until] of ends) assert.ok(file.tryLock({ start, end: until }));
    for (const [start, until] of ends) assert.equal(other.tryLock({ start, end: until }), null);
    assert.ok(other.tryLock({ start: 1, end: 99 }));
  });

  describe('of another process', function () {
    this.timeout(60_000);

    for (const signal of [undefined, 'SIGTERM', 'SIGKILL'] as const) {
      it(`are free when it ends${signal === undefined ? '' : ` by ${signal}`}`, async () => {
        using folder = new Folder();
        const path = folder.file(100);
        const child = await holding(path, 10, 20);
        using file = MappedFile.openSync(path, 'r+');
        assert.equal(file.tryLock(), null);
        assert.equal(file.tryLock({ start: 19, end: 20 }), null);
        file.tryLock({ start: 20 })?.release();
        const waiting = file.lock();
        assert.equal(await stateOf(waiting), 'pending');
        await end(child, signal);
        (await waiting).release();
      });
    }

    it('do not hold the event loop up, nor the thread pool', async () => {
      using folder = new Folder();
      const path = folder.file(100);
      const child = await holding(path);
      using file = MappedFile.openSync(path, 'r+');
      const controller = new AbortController();
      setMaxListeners(0, controller.signal);
      const waiting = Array.from({ length: 100 }, () => file.lock({ signal: controller.signal }));
      // The pool has four threads: all of them are free.
      for (let i = 0; i < 20; i++) await file.flush();
      controller.abort(new Error('enough'));
      for (const { status } of await Promise.allSettled(waiting)) assert.equal(status, 'rejected');
      await end(child, 'SIGKILL');
    });
  });

  it('keep worker threads apart', async () => {
    using folder = new Folder();
    const path = folder.file(new Uint8Array(8));
    const times = 40;
    const workers = Array.from({ length: 3 }, () => new Worker(taker, { workerData: { path, times } }));
    const codes = await Promise.all(workers.map(async (worker) => ((await once(worker, 'exit')) as [number])[0]));
    assert.deepEqual(codes, [0, 0, 0]);
    using file = MappedFile.openSync(path);
    assert.equal(file.getInt32(0, true), 3 * times);
  });

  it('of a worker that is terminated are free', async () => {
    using folder = new Folder();
    const path = folder.file(100);
    const program = `
      import { MappedFile } from ${JSON.stringify(import.meta.resolve('sliding-mmap'))};
      import { parentPort, workerData } from 'node:worker_threads';
      await MappedFile.openSync(workerData, 'r+').lock();
      parentPort.postMessage('locked');
      setInterval(() => {}, 1000);`;
    const url = new URL(`data:text/javascript,${encodeURIComponent(program)}`);
    const worker = new Worker(url, { workerData: path });
    await once(worker, 'message');
    using file = MappedFile.openSync(path, 'r+');
    assert.equal(file.tryLock(), null);
    await worker.terminate();
    (await file.lock()).release();
  });
});
