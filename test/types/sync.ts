/** `sliding-mmap/sync` as a type checker sees it: `tsc -b` is the test, and nothing here is run. */
import type { ReadableStream, WritableStream } from 'node:stream/web';
import type { MappedFile } from 'sliding-mmap';
import {
  type MutexGuard,
  notify,
  SharedBarrier,
  SharedCondition,
  SharedMutex,
  SharedRing,
  SharedSemaphore,
  wait,
  type WaitResult,
  waitSync,
} from 'sliding-mmap/sync';

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
/** Compiles only where the type of `value` is exactly `T`. */
function exact<T>() {
  return <V>(value: V, same: Equal<V, T>): void => void [value, same];
}

export async function synchronization(file: MappedFile): Promise<void> {
  exact<Promise<WaitResult>>()(wait(file, 0n, 1, { timeout: 5, signal: AbortSignal.timeout(1) }), true);
  exact<'ok' | 'not-equal' | 'timed-out'>()(waitSync(file, 0, 1, { timeout: 5 }), true);
  exact<number>()(notify(file, 0, 1), true);
  // @ts-expect-error what blocks the thread cannot be aborted by it
  waitSync(file, 0, 1, { signal: AbortSignal.timeout(1) });

  const mutex = new SharedMutex(file, SharedMutex.byteLength);
  exact<Promise<MutexGuard>>()(mutex.lock(), true);
  exact<MutexGuard | null>()(mutex.tryLock(), true);
  using guard = mutex.lockSync({ timeout: 1 });
  exact<boolean>()(guard.ownerDied, true);
  // @ts-expect-error no internals
  guard.suspend();

  exact<Promise<'ok' | 'timed-out'>>()(new SharedCondition(file).wait(guard), true);
  exact<Promise<void>>()(new SharedSemaphore(file, 0, { permits: 2 }).acquire({ count: 2 }), true);
  exact<Promise<boolean>>()(new SharedBarrier(file, 0, 3).wait(), true);

  using ring = new SharedRing(file, 0, { length: 1024 });
  exact<Buffer | undefined>()(await ring.shift(), true);
  exact<Promise<void>>()(ring.push('text'), true);
  exact<boolean>()(ring.tryPush(new DataView(new ArrayBuffer(1))), true);
  exact<ReadableStream<Buffer>>()(ring.readable(), true);
  exact<WritableStream<NodeJS.ArrayBufferView | string>>()(ring.writable({ preventEnd: true }), true);
  // @ts-expect-error records are bytes
  void ring.push(5);
}
