/** `sliding-mmap/sync`: processes and threads that wait for each other, by what is in a file that they all map. */
export { SharedBarrier } from './barrier.js';
export { SharedCondition } from './condition.js';
export { MutexGuard, SharedMutex } from './mutex.js';
export type { WaitOptions } from './options.js';
export { type AcquireOptions, SharedSemaphore } from './semaphore.js';
export { type RingOptions, type RingWritableOptions, SharedRing } from './ring.js';
export { notify, wait, type WaitResult, waitSync } from './word.js';
