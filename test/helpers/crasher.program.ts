/**
 * Does one thing with what is in a file, `ACTION FILE N`, and dies just before its N-th atomic operation of it: as a
 * process by SIGKILL, as a worker by ending the thread. If it has fewer it ends as it should, with code 7; with code 8 if
 * it fails, since on Windows who is killed has code 1.
 */
import { isMainThread, workerData } from 'node:worker_threads';
import { MappedFile } from 'sliding-mmap';
import { type MutexGuard, SharedBarrier, SharedMutex, SharedRing, SharedSemaphore } from 'sliding-mmap/sync';

const [action, path, at] = (isMainThread ? process.argv.slice(2) : (workerData as unknown[])) as [
  string,
  string,
  string | number,
];

function die(): void {
  if (isMainThread) process.kill(process.pid, 'SIGKILL');
  else process.exit(0);
}

if (isMainThread) {
  process.setUncaughtExceptionCaptureCallback((error) => {
    console.error(error);
    process.exitCode = 8;
  });
}

let left = Infinity;
for (const name of ['load', 'store', 'add', 'or', 'compareExchange'] as const) {
  const operation = Atomics[name] as (...args: unknown[]) => unknown;
  Object.assign(Atomics, {
    [name]: (...args: unknown[]) => {
      if (--left === 0) die();
      return operation(...args);
    },
  });
}

const file = MappedFile.openSync(path, 'r+');
/** What is done, after what is not to be interrupted. */
const actions: Record<string, () => () => void> = {
  push: () => {
    const ring = new SharedRing(file);
    return () => ring.pushSync(Buffer.alloc(100, 'new'));
  },
  shift: () => {
    const ring = new SharedRing(file);
    return () => void ring.shiftSync();
  },
  end: () => {
    const ring = new SharedRing(file);
    return () => ring.end();
  },
  make: () => () => void new SharedRing(file),
  lock: () => {
    const mutex = new SharedMutex(file);
    return () => {
      const guard: MutexGuard = mutex.lockSync();
      guard.release();
    };
  },
  acquire: () => {
    const semaphore = new SharedSemaphore(file);
    return () => semaphore.acquireSync();
  },
  release: () => {
    const semaphore = new SharedSemaphore(file);
    return () => semaphore.release();
  },
  arrive: () => {
    const barrier = new SharedBarrier(file, 0, 1);
    return () => void barrier.waitSync();
  },
};
const act = actions[action]!();
left = Number(at);
act();
left = Infinity;
file.closeSync();
process.exitCode = 7;
