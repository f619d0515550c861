/**
 * Copies a file through streams, with progress: `node out/examples/copy.js FROM TO`.
 * Disk blocks are reserved first, where the system can, so that a full disk shows at the start and not in the middle,
 * and the copy is on the device when the program ends. Never writes over a file that is there.
 */
import { rm } from 'node:fs/promises';

import { MappedFile } from 'sliding-mmap';

import { bytes } from './log-report/output.js';
import { showProgress } from './log-report/progress.js';

async function copy(from: string, to: string): Promise<void> {
  await using source = await MappedFile.open(from);
  await using target = await MappedFile.open(to, 'wx');
  const progress = showProgress(to, source.size);
  const timer = setInterval(() => progress.update(target.size), 100);
  const started = performance.now();
  try {
    const preallocate = process.platform === 'win32' ? 0 : source.size;
    await source.readable().pipeTo(target.writable({ preallocate, flushOnClose: true }));
  } catch (error) {
    await target.close();
    await rm(to);
    throw error;
  } finally {
    clearInterval(timer);
    progress.stop();
  }
  const seconds = (performance.now() - started) / 1000;
  console.log(`${bytes(target.size)} in ${seconds.toFixed(2)} s (${bytes(target.size / seconds)}/s)`);
}

const [from, to, ...rest] = process.argv.slice(2);
if (from === undefined || to === undefined || rest.length > 0) {
  console.error('Usage: copy FROM TO');
  process.exitCode = 2;
} else {
  copy(from, to).catch((error: Error) => {
    console.error(`copy: ${error.message}`);
    process.exitCode = 1;
  });
}
