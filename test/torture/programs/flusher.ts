/**
 * Writes by every path, flushes, and writes a mark to its output after each flush, to be traced. A mark tells which
 * ranges of the file were written through mappings that are still there, and so must have been synchronised.
 * Arguments: the file, the rounds, the seed.
 */
import fs from 'node:fs';
import { MappedFile, type MappedView, WindowPool } from 'sliding-mmap';
import { native } from '#src/native.js';
import type { Mark } from '../flush-order.js';
import { Random } from '../support.js';

const [path = '', rounds = '', seed = ''] = process.argv.slice(2);
const random = new Random(Number(seed));
const { granularity } = native;
const size = 64 * granularity;

fs.writeFileSync(path, Buffer.alloc(size, 1));
const whole = MappedFile.openSync(path, 'r+');
// Windows of a granule, of which few have room.
const sliding = MappedFile.openSync(path, 'r+', {
  windowSize: 1,
  pool: new WindowPool({ limit: 64 * granularity, maxWindows: 4 }),
});

let number = 0;
function mark(kind: string, ranges: Mark['ranges'], file = true): void {
  fs.writeSync(1, `${JSON.stringify({ number: number++, kind, ranges, file } satisfies Mark)}\n`);
}

/** Marks the moment, too, at which everything was written. */
async function flush(file: MappedFile | MappedView): Promise<void> {
  fs.writeSync(1, 'asked\n');
  if (random.chance(0.5)) file.flushSync();
  else await file.flush();
}

const bytes = Buffer.alloc(3 * granularity, 2);

const actions: ReadonlyArray<() => Promise<void>> = [
  async () => {
    const position = random.below(size - 8);
    whole.setUint32(position, random.next());
    await flush(whole);
    mark('a setter', [[position, position + 4]]);
  },
  async () => {
    // The windows of all but the last few places are evicted before the flush.
    const { evictions } = sliding.stats();
    let last: [start: number, end: number] | undefined;
    for (let i = 0; i < 12; i++) {
      const position = random.below(63) * granularity;
      for (let at = position; at < position + 400; at += 8) {
        const { bytesWritten } = sliding.stats();
        sliding.setFloat64(at, i);
        // Where the file thrashes, they go through the kernel instead.
        last = sliding.stats().bytesWritten === bytesWritten ? [at, at + 8] : undefined;
      }
    }
    const evicted = sliding.stats().evictions > evictions;
    await flush(sliding);
    mark(evicted ? 'setters, evicted' : 'setters', last === undefined ? [] : [last]);
  },
  async () => {
    const start = random.below(size - 5000);
    const view = whole.view(start, start + 5000);
    view.bytes.fill(3);
    await flush(whole);
    mark('a view', [[start, start + 5000]]);
    view.bytes.fill(4);
    await flush(view);
    mark("a view's own flush", [[start, start + 5000]], false);
    view.bytes.fill(5);
    view.dispose();
    await flush(whole);
    mark('a view that is gone', []);
  },
  async () => {
    whole.writeSync(bytes, 0, random.between(1, bytes.length), random.below(size - bytes.length));
    await flush(whole);
    mark('writeSync', []);
  },
  async () => {
    // Not waited for: the flush does.
    const writes = Array.from({ length: 4 }, () =>
      whole.write(bytes, 0, random.between(1, bytes.length), random.below(size - bytes.length)),
    );
    fs.writeSync(1, 'asked\n');
    await whole.flush();
    mark('writes under way', []);
    await Promise.all(writes);
  },
  async () => {
    const writer = whole.writable({ start: random.below(size - bytes.length), flushOnClose: true }).getWriter();
    void writer.write(bytes);
    await writer.close();
    mark('writable', []);
  },
];

for (let round = 0; round < Number(rounds); round++) await random.pick(actions)();
whole.closeSync();
sliding.closeSync();
