/**
 * Writes records by one way, or by all, until it is killed, and prints what is written and what is flushed.
 * Arguments: the file; the way, or 'mixed'; the seed.
 */
import fs from 'node:fs';
import { finished } from 'node:stream/promises';
import { MappedFile, type OpenOptions, WindowPool } from 'sliding-mmap';
import { record, recordLength, records, ways, type Way } from '../records.js';
import { Random } from '../support.js';

const [path = '', way = '', seed = ''] = process.argv.slice(2);
const random = new Random(Number(seed));
const options = random.pick<OpenOptions>([
  {},
  { windowSize: 1, pool: new WindowPool({ limit: 2 ** 20 }) },
  { windowSize: 1, pool: new WindowPool({ limit: 2 ** 18, maxWindows: 2 }) },
]);
const file = await MappedFile.open(path, 'w', options);
let written = 0;

/** A write of a line to a pipe is one system call, so that a line says what had completed before it. */
function tell(what: 'written' | 'flushed', count: number): void {
  fs.writeSync(1, `${what} ${count}\n`);
}

const writers: Record<Way, (from: number, to: number) => void | Promise<void>> = {
  writeSync(from, to) {
    for (let number = from; number < to; number++) {
      file.writeSync(record(number), 0, recordLength, number * recordLength);
      tell('written', number + 1);
    }
  },
  async write(from, to) {
    const bytes = records(from, to);
    await file.write(bytes, 0, bytes.length, from * recordLength);
  },
  async writev(from, to) {
    const list = Array.from({ length: to - from }, (_, i) => record(from + i));
    if (random.chance(0.5)) await file.writev(list, from * recordLength);
    else file.writevSync(list, from * recordLength);
  },
  async writable(from, to) {
    const writer = file.writable({ start: from * recordLength }).getWriter();
    for (let number = from; number < to; number++) {
      if (random.chance(0.5)) void writer.write(record(number));
      else {
        await writer.write(record(number));
        tell('written', number + 1);
      }
    }
    await writer.close();
  },
  async createWriteStream(from, to) {
    const stream = file.createWriteStream({ start: from * recordLength });
    for (let number = from; number < to; number++) stream.write(record(number));
    stream.end();
    await finished(stream);
  },
  setters(from, to) {
    file.truncateSync(to * recordLength);
    for (let number = from; number < to; number++) {
      const bytes = record(number);
      for (let i = 0; i < recordLength; i += 8) {
        file.setBigUint64(number * recordLength + i, bytes.readBigUInt64LE(i), true);
      }
      tell('written', number + 1);
    }
  },
  view(from, to) {
    file.truncateSync(to * recordLength);
    using view = file.view(from * recordLength, to * recordLength);
    for (let number = from; number < to; number++) {
      view.bytes.set(record(number), (number - from) * recordLength);
      tell('written', number + 1);
    }
  },
};

process.send?.('ready');
for (;;) {
  const from = written;
  const to = from + random.between(1, 100);
  await writers[way === 'mixed' ? random.pick(ways) : (way as Way)](from, to);
  written = to;
  tell('written', to);
  if (random.chance(0.3)) {
    if (random.chance(0.5)) file.flushSync();
    else await file.flush();
    tell('flushed', to);
  }
}
