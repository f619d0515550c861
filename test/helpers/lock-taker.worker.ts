/** Locks a file, adds to its first Int32 without an atomic operation, and releases, so many times. */
import { workerData } from 'node:worker_threads';
import { MappedFile } from 'sliding-mmap';

const { path, times } = workerData as { path: string; times: number };
const file = await MappedFile.open(path, 'r+');
for (let i = 0; i < times; i++) {
  using lock = await file.lock();
  const before = file.getInt32(0, true);
  await new Promise((resolve) => setImmediate(resolve));
  file.setInt32(0, before + 1, true);
  lock.release();
}
file.closeSync();
