/** Waiting for words, and what is made of it, between objects, threads and processes; test/faults/sync.test.ts kills them. */
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { once } from 'node:events';
import fs from 'node:fs';
import { setImmediate as turn, setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';
import { MappedFile, WindowPool } from 'sliding-mmap';
import {
  notify,
  SharedBarrier,
  SharedCondition,
  SharedMutex,
  SharedSemaphore,
  wait,
  waitSync,
} from 'sliding-mmap/sync';
import { native } from '#src/native.js';
import { run } from '../../helpers/child.js';
import { codeOf, rejectionCode } from '../../helpers/errors.js';
import type { Order } from '../../helpers/sync.worker.js';
import { Zeros } from '../../helpers/zeros.js';
import { cannotBeCut, itUnless, notByDescriptor, onlyLinuxTells } from '../../helpers/systems.js';

/** How each thread ended. Listened for from the start: one that is gone tells its last words and its end in one go. */
const ends = new WeakMap<Worker, Promise<unknown[]>>();

function worker(order: Order): Worker {
  const thread = new Worker(new URL('../../helpers/sync.worker.js', import.meta.url), { workerData: order });
  const end = once(thread, 'exit');
  end.catch(() => {}); // whoever listens to it then is told of the error
  ends.set(thread, end);
  return thread;
}

async function heard(thread: Worker): Promise<unknown> {
  const [message] = (await once(thread, 'message')) as [unknown];
  return message;
}

async function ended(thread: Worker): Promise<void> {
  assert.deepEqual(await ends.get(thread), [0]);
}

/** Sets an Int32 and wakes those who wait for it. */
function change(file: MappedFile, position: number, value: number): number {
  using view = file.view(position, position + 4);
  Atomics.store(view.as(Int32Array), 0, value);
  return notify(file, position);
}

describe('wait and notify', function () {
  this.timeout(60_000);

  it('tell how the waiting ended', async () => {
    using zeros = new Zeros();
    const { file } = zeros;
    assert.equal(await wait(file, 0, 1), 'not-equal');
    assert.equal(waitSync(file, 0, -5), 'not-equal');
    assert.equal(await wait(file, 8, 0, { timeout: 0 }), 'timed-out');
    assert.equal(await wait(file, 8, 0, { timeout: 5 }), 'timed-out');
    assert.equal(waitSync(file, 8, 0, { timeout: 5 }), 'timed-out');
    const waiting = wait(file, 8n, 0);
    assert.equal(notify(file, 12), 0);
    change(file, 8, 1);
    assert.equal(await waiting, 'ok');
    const signal = AbortSignal.timeout(5);
    await assert.rejects(wait(file, 8, 1, { timeout: 2 ** 40, signal }), { name: 'TimeoutError' });
  });

  for (const action of ['wait', 'waitSync'] as const) {
    it(`reach a thread that is in ${action}`, async () => {
      using zeros = new Zeros();
      const thread = worker({ action, path: zeros.data });
      assert.equal(await heard(thread), 'waiting');
      await delay(500); // it says so before it sleeps
      const said = heard(thread);
      change(zeros.file, 0, 7);
      assert.equal(await said, 'ok');
      await ended(thread);
    });
  }

  itUnless(onlyLinuxTells, 'reach those who sleep, and tell how many, though nothing was changed', async () => {
    using zeros = new Zeros();
    const thread = worker({ action: 'waitSync', path: zeros.data });
    assert.equal(await heard(thread), 'waiting');
    const said = heard(thread);
    while (notify(zeros.file, 0, 5) === 0) await delay(1);
    assert.equal(await said, 'ok');
    await ended(thread);
    const waiting = wait(zeros.file, 0, 0);
    while (notify(zeros.file, 0, 1) === 0) await delay(1);
    assert.equal(await waiting, 'ok');
  });

  it('serve hundreds at once, and leave the pool of threads to others', async () => {
    // Each takes a mapping, and 32-bit systems have 256 by default.
    using zeros = new Zeros(8192, { pool: new WindowPool({ maxWindows: 512 }) });
    const positions = Array.from({ length: 300 }, (_, i) => 4 * i);
    const all = Promise.all(positions.map((position) => wait(zeros.file, position, 0)));
    await promisify(crypto.pbkdf2)('a', 'b', 1, 1, 'sha256'); // would have no thread
    await fs.promises.stat(zeros.data);
    using view = zeros.file.view();
    view.as(Int32Array).fill(1);
    for (const position of positions) notify(zeros.file, position);
    assert.ok((await all).every((result) => result === 'ok'));
  });

  it('end with the signal, and with the file', async () => {
    using zeros = new Zeros(3 * 4096);
    const { file } = zeros;
    const controller = new AbortController();
    const aborted = wait(file, 0, 0, { signal: controller.signal });
    controller.abort(new Error('enough'));
    await assert.rejects(aborted, { message: 'enough' });
    await assert.rejects(wait(file, 0, 0, { signal: AbortSignal.abort(new Error('before')) }), { message: 'before' });

    const closed = rejectionCode(wait(file, 0, 0));
    await turn();
    await file.close();
    assert.equal(await closed, 'ERR_MAPPED_FILE_CLOSED');
  });

  itUnless(cannotBeCut, 'end when the file is cut', async () => {
    using zeros = new Zeros(3 * 4096);
    const { file } = zeros;
    const cut = [wait(file, 8192, 0), wait(file, 4100, 0)].map(rejectionCode);
    await turn();
    fs.truncateSync(zeros.data, 4098);
    assert.deepEqual(await Promise.all(cut), Array(2).fill('ERR_MAPPED_FILE_TRUNCATED'));
    const closed = rejectionCode(wait(file, 0, 0));
    await turn();
    await file.close();
    assert.equal(await closed, 'ERR_MAPPED_FILE_CLOSED');
  });

  it('are for words of mapped files that can be written', async () => {
    using zeros = new Zeros(100);
    const { file, data } = zeros;
    for (const position of [1, 2, 100, 97, -4, 2 ** 53 - 4, NaN, 0.5]) {
      assert.equal(
        codeOf(() => waitSync(file, position, 0)),
        'ERR_OUT_OF_RANGE',
        String(position),
      );
      assert.equal(await rejectionCode(wait(file, position, 0)), 'ERR_OUT_OF_RANGE', String(position));
    }
    assert.equal(
      codeOf(() => notify(file, 0, -1)),
      'ERR_OUT_OF_RANGE',
    );
    assert.equal(
      codeOf(() => waitSync(file, 0, 2 ** 31)),
      'ERR_OUT_OF_RANGE',
    );
    assert.equal(
      codeOf(() => waitSync(file, 0, 0, { timeout: -1 })),
      'ERR_OUT_OF_RANGE',
    );
    assert.equal(
      codeOf(() => waitSync(file, 0, 0, { timeout: NaN })),
      'ERR_OUT_OF_RANGE',
    );
    for (const nothing of [undefined, null, 5, {}, Object.create(MappedFile.prototype)]) {
      assert.equal(
        codeOf(() => notify(nothing as MappedFile, 0)),
        'ERR_INVALID_ARG_TYPE',
      );
    }
    const others = [
      [MappedFile.openSync(data), 'ERR_MAPPED_FILE_READ_ONLY'],
      [MappedFile.openSync(data, 'a+'), 'ERR_MAPPED_FILE_READ_ONLY'],
      [MappedFile.openSync(data, 'r+', { backing: 'read' }), 'ERR_MAPPED_FILE_NOT_MAPPABLE'],
    ] as const;
    for (const [other, expected] of others) {
      assert.equal(
        codeOf(() => notify(other, 0)),
        expected,
      );
      assert.equal(
        codeOf(() => new SharedMutex(other)),
        expected,
      );
      other.closeSync();
      assert.equal(
        codeOf(() => notify(other, 0)),
        'ERR_MAPPED_FILE_CLOSED',
      );
    }
  });

  it('keep the process alive while somebody waits, and no longer', async () => {
    using zeros = new Zeros();
    const program = new URL('../../helpers/awaiting.program.js', import.meta.url);
    const { stdout, code } = await run(program, [zeros.data]);
    assert.deepEqual({ stdout, code }, { stdout: 'ok\ntimed-out\n', code: 0 });
  });
});

describe('SharedMutex', function () {
  this.timeout(60_000);

  for (const polls of [false, true]) {
    it(`lets one in at a time, of threads and of their tasks${polls ? ', where those who wait look by themselves' : ''}`, async () => {
      using zeros = new Zeros();
      const threads = [1, 2, 3].map(() => worker({ action: 'count', path: zeros.data, times: 40, polls }));
      const mutex = new SharedMutex(zeros.file);
      const tasks = Array.from({ length: 5 }, async () => {
        for (let i = 0; i < 8; i++) {
          using guard = await mutex.lock();
          const before = zeros.file.getInt32(64, true);
          await turn();
          zeros.file.setInt32(64, before + 1, true);
          assert.deepEqual([guard.ownerDied, guard.released], [false, false]);
        }
      });
      await Promise.all([...tasks, ...threads.map(ended)]);
      assert.equal(zeros.file.getInt32(64, true), 3 * 40 + 5 * 8);
    });
  }

  it('serves the tasks of an object in their order, those who gave up left out', async () => {
    using zeros = new Zeros();
    using mutex = new SharedMutex(zeros.file, 16);
    const guard = await mutex.lock();
    assert.equal(mutex.tryLock(), null);
    const order: number[] = [];
    const controller = new AbortController();
    const tasks = Array.from({ length: 6 }, async (_, i) => {
      const options = i === 0 || i === 3 ? { signal: controller.signal } : i === 4 ? { timeout: 5 } : {};
      using guard = await mutex.lock(options);
      if (!guard.ownerDied) order.push(i);
    });
    const given = [0, 3].map((i) => assert.rejects(tasks[i]!, { name: 'AbortError' }));
    assert.equal(await rejectionCode(tasks[4]!), 'ERR_MAPPED_FILE_TIMED_OUT');
    controller.abort();
    await Promise.all(given);
    guard.release();
    guard.release();
    await Promise.all([1, 2, 5].map((i) => tasks[i]!));
    assert.deepEqual(order, [1, 2, 5]);
    using again = mutex.tryLock();
    assert.equal(again?.ownerDied, false);
  });

  it('tells a thread that would wait for itself', () => {
    using zeros = new Zeros();
    using other = MappedFile.openSync(zeros.data, 'r+');
    using guard = new SharedMutex(zeros.file).lockSync();
    for (const mutex of [new SharedMutex(zeros.file), new SharedMutex(other)]) {
      assert.equal(
        codeOf(() => mutex.lockSync()),
        'ERR_MAPPED_FILE_DEADLOCK',
      );
      assert.equal(mutex.tryLock(), null);
    }
    guard.release();
    new SharedMutex(other).lockSync({ timeout: 0 }).release();
  });

  it('that is held when its file is closed, or its thread ends, is left to the next one', async () => {
    using zeros = new Zeros();
    const mutex = new SharedMutex(zeros.file);
    const other = MappedFile.openSync(zeros.data, 'r+');
    const left = new SharedMutex(other).lockSync();
    const next = mutex.lock();
    await other.close();
    assert.equal(left.released, true);
    left.release();
    const inherited = await next;
    assert.equal(inherited.ownerDied, true);
    inherited.release();

    const thread = worker({ action: 'hold', path: zeros.data });
    assert.equal(await heard(thread), 'held');
    assert.equal(mutex.tryLock(), null);
    assert.equal(
      codeOf(() => mutex.lockSync({ timeout: 150 })),
      'ERR_MAPPED_FILE_TIMED_OUT',
    );
    const waiting = mutex.lock();
    await turn();
    await thread.terminate();
    {
      using guard = await waiting;
      assert.equal(guard.ownerDied, true);
    }
    using guard = mutex.lockSync();
    assert.equal(guard.ownerDied, false);
  });

  it('goes on when a thread ends that waits for it', async () => {
    using zeros = new Zeros();
    const mutex = new SharedMutex(zeros.file);
    const guard = await mutex.lock();
    const thread = worker({ action: 'queue', path: zeros.data });
    assert.equal(await heard(thread), 'waiting');
    const next = mutex.lock();
    await delay(20);
    await thread.terminate();
    guard.release();
    assert.equal((await next).ownerDied, false);
  });

  it('and locks of the whole file have nothing to do with each other', async () => {
    using zeros = new Zeros();
    using guard = new SharedMutex(zeros.file).lockSync();
    using other = MappedFile.openSync(zeros.data, 'r+');
    using lock = await other.lock();
    assert.equal(new SharedMutex(other).tryLock(), null);
    assert.deepEqual([lock.released, guard.released], [false, false]);
  });

  itUnless(notByDescriptor, 'is refused while somebody has locked the file unto infinity', () => {
    using zeros = new Zeros();
    using other = MappedFile.openSync(zeros.data, 'r+');
    const locker = native.reopenForLocks(other.fd);
    assert.equal(native.lock(locker, 2 ** 53, 2 ** 53, 2), 0);
    assert.equal(
      codeOf(() => new SharedMutex(zeros.file)),
      'ERR_INVALID_STATE',
    );
    native.closeDuplicate(locker);
    new SharedMutex(zeros.file).lockSync().release();
  });

  it('takes what is there for no more than a claim', async () => {
    using zeros = new Zeros();
    const { file } = zeros;
    const mutex = new SharedMutex(file);
    const words = file.view(0, 8).as(Int32Array);
    for (const nonsense of [1, -1, 2 ** 30, -(2 ** 31), 0x3fffffff, 12345]) {
      words[1] = nonsense;
      using guard = mutex.lockSync({ timeout: 10_000 });
      assert.equal(guard.ownerDied, (nonsense & 0x3fffffff) !== 0, String(nonsense));
    }
    const guard = mutex.lockSync();
    words[1] = 77;
    assert.equal(
      codeOf(() => guard.release()),
      'ERR_MAPPED_FILE_SYNC_INVALID',
    );
    words[0] = 5;
    assert.equal(
      codeOf(() => new SharedMutex(file)),
      'ERR_MAPPED_FILE_SYNC_INVALID',
    );
    assert.equal(
      codeOf(() => new SharedSemaphore(file)),
      'ERR_MAPPED_FILE_SYNC_INVALID',
    );
  });

  it('is given back when it was got just as its object was disposed', async () => {
    using zeros = new Zeros();
    const mutex = new SharedMutex(zeros.file);
    const got = mutex.lock();
    mutex.dispose();
    (await got).release();
    using again = new SharedMutex(zeros.file).tryLock();
    assert.equal(again?.ownerDied, false);
  });

  it('throws when it is disposed', async () => {
    using zeros = new Zeros(8192);
    const mutex = new SharedMutex(zeros.file, 4096);
    const guard = mutex.lockSync();
    const waiting = rejectionCode(mutex.lock());
    mutex.dispose();
    assert.equal(await waiting, 'ERR_INVALID_STATE');
    assert.equal(
      codeOf(() => mutex.tryLock()),
      'ERR_INVALID_STATE',
    );
    guard.release();
  });

  itUnless(cannotBeCut, 'throws when the file is cut', async () => {
    using zeros = new Zeros(8192);
    const other = new SharedMutex(zeros.file, 4096);
    const held = other.lockSync();
    const cut = rejectionCode(other.lock());
    fs.truncateSync(zeros.data, 4096);
    assert.equal(await cut, 'ERR_MAPPED_FILE_TRUNCATED');
    assert.equal(
      codeOf(() => other.tryLock()),
      'ERR_MAPPED_FILE_TRUNCATED',
    );
    assert.equal(
      codeOf(() => held.release()),
      'ERR_MAPPED_FILE_TRUNCATED',
    );
  });
});

describe('SharedSemaphore', function () {
  this.timeout(60_000);

  it('lets as many in as there are permits', async () => {
    using zeros = new Zeros();
    using semaphore = new SharedSemaphore(zeros.file, 0, { permits: 3 });
    assert.equal(new SharedSemaphore(zeros.file, 0, { permits: 9 }).permits, 3);
    const threads = Array.from({ length: 5 }, () => worker({ action: 'permits', path: zeros.data, times: 20 }));
    await Promise.all(threads.map(ended));
    assert.equal(semaphore.permits, 3);
    assert.equal(zeros.file.getInt32(64, true), 0);
    const most = zeros.file.getInt32(68, true);
    assert.ok(most >= 1 && most <= 3, `${most} at once`);
  });

  it('gives several at once, in the order of asking, and only to those who still wait', async () => {
    using zeros = new Zeros();
    using semaphore = new SharedSemaphore(zeros.file);
    const order: string[] = [];
    const three = semaphore.acquire({ count: 3 }).then(() => order.push('three'));
    const gaveUp = rejectionCode(semaphore.acquire({ timeout: 5 }));
    const one = semaphore.acquire().then(() => order.push('one'));
    semaphore.release(2);
    assert.equal(await gaveUp, 'ERR_MAPPED_FILE_TIMED_OUT');
    assert.deepEqual(order, []);
    assert.equal(semaphore.tryAcquire(3), false);
    semaphore.release(2);
    await Promise.all([three, one]);
    assert.deepEqual([order, semaphore.permits], [['three', 'one'], 0]);
    assert.equal(
      codeOf(() => semaphore.acquireSync({ timeout: 5 })),
      'ERR_MAPPED_FILE_TIMED_OUT',
    );
    semaphore.release();
    semaphore.acquireSync({ timeout: 0 });
    assert.equal(
      codeOf(() => semaphore.release(2 ** 30)),
      'ERR_OUT_OF_RANGE',
    );
    semaphore.release(2 ** 30 - 2);
    assert.equal(
      codeOf(() => semaphore.release()),
      'ERR_OUT_OF_RANGE',
    );
    assert.equal(semaphore.tryAcquire(2 ** 30 - 2), true);
    const waiting = rejectionCode(semaphore.acquire());
    semaphore.dispose();
    assert.equal(await waiting, 'ERR_INVALID_STATE');
  });
});

describe('SharedCondition', function () {
  this.timeout(60_000);

  it('wakes those who wait, with the mutex', async () => {
    using zeros = new Zeros();
    const { file } = zeros;
    const mutex = new SharedMutex(file);
    const condition = new SharedCondition(file, 8);
    const threads = [1, 2].map(() => worker({ action: 'condition', path: zeros.data }));
    await Promise.all(threads.map(heard));
    const said = Promise.all(threads.map(heard));
    const here = (async () => {
      using guard = await mutex.lock();
      while (file.getInt32(64, true) === 0) await condition.wait(guard);
      assert.equal(guard.released, false);
    })();
    condition.notifyAll(); // for nothing
    await delay(10);
    {
      using guard = await mutex.lock();
      file.setInt32(64, 1, true);
      condition.notify();
      condition.notify(2);
      assert.equal(guard.released, false);
    }
    await here;
    assert.deepEqual(await said, ['done', 'done']);
    await Promise.all(threads.map(ended));
  });

  it('has the mutex again when the time is up, or it is aborted', async () => {
    using zeros = new Zeros();
    const mutex = new SharedMutex(zeros.file);
    const condition = new SharedCondition(zeros.file, 8);
    const guard = await mutex.lock();
    assert.equal(await condition.wait(guard, { timeout: 5 }), 'timed-out');
    assert.equal(condition.waitSync(guard, { timeout: 5 }), 'timed-out');
    assert.equal(mutex.tryLock(), null);
    const controller = new AbortController();
    const aborted = condition.wait(guard, { signal: controller.signal });
    const meanwhile = await mutex.lock();
    controller.abort(new Error('enough'));
    await turn();
    meanwhile.release();
    await assert.rejects(aborted, { message: 'enough' });
    assert.equal(mutex.tryLock(), null);
    guard.release();
    assert.equal(await rejectionCode(condition.wait(guard)), 'ERR_INVALID_STATE');
    assert.equal(await rejectionCode(condition.wait({} as never)), 'ERR_INVALID_ARG_TYPE');
    const closed = mutex.lockSync();
    const waiting = rejectionCode(condition.wait(closed));
    await zeros.file.close();
    assert.equal(await waiting, 'ERR_MAPPED_FILE_CLOSED');
  });
});

describe('SharedBarrier', function () {
  this.timeout(60_000);

  it('opens when all have come, for one of them as the last', async () => {
    using zeros = new Zeros();
    const threads = Array.from({ length: 4 }, () => worker({ action: 'barrier', path: zeros.data, times: 10 }));
    const said = await Promise.all(threads.map(heard));
    await Promise.all(threads.map(ended));
    assert.equal(
      (said as number[]).reduce((sum, last) => sum + last),
      10,
    );
    assert.equal(
      codeOf(() => new SharedBarrier(zeros.file, 0, 3)),
      'ERR_INVALID_ARG_VALUE',
    );
    assert.equal(
      codeOf(() => new SharedBarrier(zeros.file, 64, 0)),
      'ERR_OUT_OF_RANGE',
    );
  });

  it('counts off those who give up', async () => {
    using zeros = new Zeros();
    using barrier = new SharedBarrier(zeros.file, 0, 2);
    assert.equal(await rejectionCode(barrier.wait({ timeout: 5 })), 'ERR_MAPPED_FILE_TIMED_OUT');
    assert.equal(
      codeOf(() => barrier.waitSync({ timeout: 5 })),
      'ERR_MAPPED_FILE_TIMED_OUT',
    );
    const controller = new AbortController();
    const aborted = barrier.wait({ signal: controller.signal });
    controller.abort(new Error('enough'));
    await assert.rejects(aborted, { message: 'enough' });
    assert.deepEqual(await Promise.all([barrier.wait(), barrier.wait()]), [false, true]);
    const waiting = rejectionCode(barrier.wait());
    barrier.dispose();
    assert.equal(await waiting, 'ERR_INVALID_STATE');
  });

  itUnless(cannotBeCut, 'does not open when the file is cut', async () => {
    using zeros = new Zeros(8192);
    const barriers = Array.from({ length: 3 }, () => new SharedBarrier(zeros.file, 4096, 3));
    // What was cut off reads as never opened.
    await Promise.all(barriers.map((barrier) => barrier.wait()));
    const { signal } = new AbortController();
    const cut = [barriers[0]!.wait(), barriers[1]!.wait({ signal, timeout: 50_000 })].map(rejectionCode);
    await turn();
    fs.truncateSync(zeros.data, 4096);
    assert.deepEqual(await Promise.all(cut), Array(2).fill('ERR_MAPPED_FILE_TRUNCATED'));
    assert.equal(
      codeOf(() => barriers[2]!.waitSync()),
      'ERR_MAPPED_FILE_TRUNCATED',
    );
  });
});

describe('Atomics on a view', function () {
  this.timeout(120_000);

  it('count a million increments of eight processes', async () => {
    using zeros = new Zeros();
    const program = new URL('../../helpers/increments.program.js', import.meta.url);
    const results = await Promise.all(Array.from({ length: 8 }, () => run(program, [zeros.data, '125000'])));
    assert.deepEqual(
      results.map(({ code, stderr }) => [code, stderr]),
      Array(8).fill([0, '']),
    );
    assert.equal(new Int32Array(new Uint8Array(fs.readFileSync(zeros.data)).buffer)[0], 1_000_000);
  });
});
