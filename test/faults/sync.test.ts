/**
 * Those who die in the middle of what they do with what is in a file: at every single atomic operation of it, and at any
 * moment; test/torture kills more of them.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { SharedBarrier, SharedMutex, SharedRing, SharedSemaphore } from 'sliding-mmap/sync';
import { Zeros } from '../helpers/zeros.js';
import { seed } from '../torture/support.js';
import { killMutexUsers, killRingUsers } from '../torture/sync.js';

const crasher = new URL('../helpers/crasher.program.js', import.meta.url);
const limits = { timeout: 20_000 };

/** Whether it died at its n-th atomic operation, and had not ended before. */
async function dies(as: 'thread' | 'process', action: string, path: string, n: number): Promise<boolean> {
  if (as === 'thread') {
    const thread = new Worker(crasher, { workerData: [action, path, n] });
    const [code] = (await once(thread, 'exit')) as [number];
    assert.ok(code === 0 || code === 7, `code ${code}`);
    return code === 0;
  }
  const child = spawn(process.execPath, [fileURLToPath(crasher), action, path, String(n)], { stdio: 'inherit' });
  const [code, signal] = (await once(child, 'exit')) as [number | null, string | null];
  const killed = process.platform === 'win32' ? code === 1 : signal === 'SIGKILL';
  assert.ok(code === 7 || killed, `code ${code}, signal ${signal}`);
  return killed;
}

/** What must be so of what was found, and left, by one who died. */
interface Case {
  /** Puts it there. */
  before?: (zeros: Zeros) => void;
  after: (zeros: Zeros) => void | Promise<void>;
}

function drained(ring: SharedRing): string[] {
  const found: string[] = [];
  for (let record = ring.tryShift(); record !== undefined; record = ring.tryShift()) {
    found.push(record.toString());
  }
  return found;
}

const fresh = 'new'.repeat(34).slice(0, 100);
const some = ['one', 'two', 'three'];

function fill({ file }: Zeros): void {
  using ring = new SharedRing(file);
  for (const record of some) ring.pushSync(record);
}

const cases: Record<string, Case> = {
  push: {
    before: fill,
    after: ({ file }) => {
      using ring = new SharedRing(file);
      ring.pushSync('after', limits);
      const found = drained(ring);
      const expected = found.includes(fresh) ? [...some, fresh, 'after'] : [...some, 'after'];
      assert.deepEqual(found, expected);
    },
  },
  shift: {
    before: fill,
    after: ({ file }) => {
      using ring = new SharedRing(file);
      const first = String(ring.shiftSync(limits));
      assert.ok(first === 'one' || first === 'two', first);
      ring.pushSync('after', limits);
      assert.deepEqual(drained(ring), [...some.slice(some.indexOf(first) + 1), 'after']);
    },
  },
  end: {
    before: fill,
    after: ({ file }) => {
      using ring = new SharedRing(file);
      ring.end();
      assert.deepEqual([...drained(ring), ring.shiftSync(limits)], [...some, undefined]);
    },
  },
  make: {
    after: ({ file }) => {
      using ring = new SharedRing(file);
      ring.pushSync('first', limits);
      assert.deepEqual(drained(ring), ['first']);
    },
  },
  lock: {
    after: async ({ file }) => {
      using mutex = new SharedMutex(file);
      (await mutex.lock(limits)).release();
      using guard = mutex.lockSync(limits);
      assert.equal(guard.ownerDied, false);
    },
  },
  acquire: {
    before: ({ file }) => new SharedSemaphore(file, 0, { permits: 2 }).dispose(),
    after: ({ file }) => {
      using semaphore = new SharedSemaphore(file);
      assert.ok([1, 2].includes(semaphore.permits));
    },
  },
  release: {
    before: ({ file }) => new SharedSemaphore(file, 0, { permits: 2 }).dispose(),
    after: ({ file }) => {
      using semaphore = new SharedSemaphore(file);
      assert.ok([2, 3].includes(semaphore.permits));
    },
  },
  arrive: {
    after: async ({ file }) => {
      using barrier = new SharedBarrier(file, 0, 1);
      assert.equal(await barrier.wait(limits), true);
    },
  },
};

describe('one who dies', function () {
  this.timeout(120_000);
  for (const [action, { before, after }] of Object.entries(cases)) {
    it(`at any atomic operation of '${action}' leaves it whole, and to others`, async () => {
      let deaths = 0;
      for (let n = 1, died = true; died; n++) {
        using zeros = new Zeros();
        before?.(zeros);
        died = await dies('thread', action, zeros.data, n);
        if (died) deaths++;
        await after(zeros);
      }
      assert.ok(deaths >= 2, `${deaths} deaths`);
    });
  }

  it('as a process, is known to be dead, too', async () => {
    for (const [action, n] of [
      ['lock', 2],
      ['push', 3],
      ['shift', 3],
    ] as const) {
      using zeros = new Zeros();
      cases[action]!.before?.(zeros);
      assert.equal(await dies('process', action, zeros.data, n), true);
      if (action === 'lock') {
        using mutex = new SharedMutex(zeros.file);
        using guard = await mutex.lock(limits);
        assert.equal(guard.ownerDied, true);
        guard.release();
      }
      await cases[action]!.after(zeros);
    }
  });

  it(`with a mutex lets nobody in beside another (seed ${seed})`, async () => {
    await killMutexUsers(3, 4, seed);
  });

  it(`at an end of a ring loses no more than what it had taken (seed ${seed})`, async () => {
    await killRingUsers(2, 4, seed);
  });
});
