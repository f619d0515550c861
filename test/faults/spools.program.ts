/** `spools.js WHAT [FIFO]`: ends in some way while pipes and spools are in use. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { isMainThread, parentPort, Worker } from 'node:worker_threads';
import { MappedFile } from 'sliding-mmap';

const [what, path = ''] = process.argv.slice(2);

async function spooling(): Promise<MappedFile> {
  const file = await MappedFile.open(path, 'r', { backing: 'spool' });
  await file.prefetch(0, 1);
  return file;
}

const descriptors = (): number => fs.readdirSync('/proc/self/fd').length;

if (!isMainThread) {
  const file = await spooling();
  const pipe = await MappedFile.open(path);
  // All of these wait when the thread ends.
  void file.prefetch();
  void file.slice();
  void pipe.read(Buffer.alloc(10));
  void file
    .readable({ start: 2 ** 30 })
    .getReader()
    .read();
  file.getUint8(0);
  parentPort?.postMessage('ready');
} else if (what === 'worker') {
  // One more writer than there is: the FIFO never ends.
  const writer = fs.openSync(path, 'r+');
  for (let round = 0; round < 6; round++) {
    fs.writeSync(writer, Buffer.alloc(20_000, 1));
    const worker = new Worker(new URL(import.meta.url), { argv: [what, path] });
    await new Promise((resolve) => worker.once('message', resolve));
    const before = descriptors();
    await worker.terminate();
    assert.ok(descriptors() < before, 'the descriptors of the thread are closed');
  }
  fs.closeSync(writer);
  console.log('alive');
} else {
  const file = await spooling();
  const reading = file.slice();
  reading.catch(() => {});
  console.log('spooling');
  if (what === 'kill') await delay(100_000);
  if (what === 'exit') process.exit(0);
  assert.equal(what, 'throw');
  throw new Error('on purpose');
}
