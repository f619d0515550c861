/** Does something with a file for ever, and tells its parent when it has begun. It writes only what is there. */
import fs from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';
import { MappedFile, WindowPool } from 'sliding-mmap';
import { byteAt, oracle } from '../helpers/files.js';

const { task, path, size } = workerData as { task: string; path: string; size: number };
const file = MappedFile.openSync(path, 'r+', { pool: new WindowPool({ limit: 2 ** 21 }), windowSize: 2 ** 16 });
let random = Date.now() >>> 0;
const next = (below: number): number => (random = (Math.imul(random, 1664525) + 1013904223) >>> 0) % below;
const piece = oracle(0, 65_536);

const tasks: Record<string, () => unknown> = {
  scalars() {
    for (let i = 0; i < 5000; i++) {
      const position = next(size);
      if (file.getUint8(position) !== byteAt(position)) throw new Error(`wrong byte at ${position}`);
      file.setUint8(position, byteAt(position));
    }
  },
  reads: () =>
    Promise.all([file.read(Buffer.alloc(2 ** 21), 0, 2 ** 21, 0), file.read(Buffer.alloc(99), 0, 99, next(size))]),
  writes: () => Promise.all([0, 1, 2].map(() => file.write(piece, 0, piece.length, 0))),
  flushes() {
    file.setUint8(0, byteAt(0));
    return Promise.all([file.flush(), file.flush()]);
  },
  views() {
    const start = next(size - 300_000);
    const view = file.view(start, start + 1 + next(300_000));
    view.bytes[0] = byteAt(view.position);
    const flushing = view.flush();
    if (next(2) === 0) view.dispose();
    return next(3) === 0 ? flushing : undefined;
  },
  /** Chunks and pages that are brought into memory on the thread pool. */
  populating: () =>
    Promise.all([
      file.prefetch(),
      (async () => {
        let position = 0;
        for await (const chunk of file.chunks({ chunkSize: 2 ** 18 })) {
          if (chunk[0] !== byteAt(position)) throw new Error(`wrong byte at ${position}`);
          position += chunk.length;
        }
      })(),
      file
        .readable({ borrow: true, chunkSize: 2 ** 17 })
        .getReader()
        .read(),
    ]),
  async streams() {
    for await (const line of file.lines({ encoding: 'latin1' })) if (line.length > 1000) break;
    for await (const chunk of file.readable({ chunkSize: 100_000 })) if (next(5) === chunk.length) break;
    for await (const chunk of file.createReadStream()) if (next(9) === (chunk as Buffer).length) break;
    const writer = file.writable({ start: 1000 }).getWriter();
    await Promise.all([writer.write(oracle(1000, 90_000)), writer.write(oracle(91_000, 1000)), writer.close()]);
  },
  duplicates() {
    const fd = fs.openSync(path, 'r');
    const other = MappedFile.openSync(fd, 'r');
    fs.closeSync(fd);
    other.getUint8(next(size));
    if (next(2) === 0) other.closeSync();
  },
};

parentPort?.once('message', () => {});
if (task === 'hands over') {
  const { buffer } = file.view(0, 2 ** 20);
  try {
    parentPort?.postMessage(buffer, [buffer]);
  } catch {
    // Where the runtime moves no external memory: a copy.
    parentPort?.postMessage(buffer);
  }
  process.exit(0);
}
if (task === 'exits') {
  for (const run of Object.values(tasks)) void run();
  process.exit(7);
}
parentPort?.postMessage('begun');
const chosen = tasks[task];
for (;;) {
  const all = Object.values(tasks);
  const run = chosen ?? all[next(all.length)] ?? all[0]!;
  try {
    await run();
  } catch (error) {
    // Views that are left to the collector may fill the pool.
    if ((error as { code?: unknown }).code !== 'ERR_MAPPED_FILE_BUDGET') throw error;
  }
  await turn();
}
