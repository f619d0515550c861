/** Adds and removes a listener for SIGBUS again and again, while a thread loses page after page. */
import fs from 'node:fs';
import { isMainThread, Worker, workerData } from 'node:worker_threads';
import { MappedFile } from 'sliding-mmap';
import { codeOf } from '../helpers/errors.js';

interface Shared {
  readonly path: string;
  /** Whether the thread loses pages, and how many it has lost. */
  readonly state: Int32Array<SharedArrayBuffer>;
}

const pages = 300;

function losePages({ path, state }: Shared): void {
  const bytes = fs.readFileSync(path);
  using file = MappedFile.openSync(path, 'r');
  while (Atomics.load(state, 0) === 0) {
    file.getUint8(90_000);
    fs.truncateSync(path);
    if (codeOf(() => file.getUint8(90_000)) === 'ERR_MAPPED_FILE_TRUNCATED') Atomics.add(state, 1, 1);
    fs.writeFileSync(path, bytes);
  }
}

if (isMainThread) {
  const state = new Int32Array(new SharedArrayBuffer(8));
  const worker = new Worker(new URL(import.meta.url), { workerData: { path: process.argv[2], state } });
  const heard = (): void => console.log('heard what was not for it');
  while (Atomics.load(state, 1) === 0) await new Promise(setImmediate);
  for (let i = 0; Atomics.load(state, 1) < pages; i++) {
    process.on('SIGBUS', heard);
    if (i % 100 === 0) await new Promise(setImmediate);
    process.off('SIGBUS', heard);
  }
  Atomics.store(state, 0, 1);
  await new Promise((resolve) => worker.on('exit', resolve));
  console.log('survived');
} else {
  losePages(workerData as Shared);
}
