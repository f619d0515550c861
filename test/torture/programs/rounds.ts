/**
 * Opens, streams, maps and closes, over and over: `node --expose-gc rounds.js PATH ROUNDS`. Prints, as JSON, what the
 * process held after each tenth of them.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import { MappedFile } from 'sliding-mmap';
import { native } from '#src/native.js';

const [path, rounds] = process.argv.slice(2) as [string, string];
const collect = (globalThis as unknown as { gc: () => void }).gc;

async function round(i: number): Promise<void> {
  await using file = i % 2 === 0 ? MappedFile.openSync(path, 'r+') : await MappedFile.open(path, 'r+');
  file.setUint8(i % 1000, 65);
  const view = file.view(i % 4096, 50_000);
  view.bytes[3] = 65;
  if (i % 3 === 0) view.dispose();
  switch (i % 7) {
    case 0:
      for await (const chunk of file.readable()) assert.ok(chunk.length > 0);
      break;
    case 1:
      for await (const chunk of file.readable({ borrow: true, chunkSize: 40_000 })) assert.ok(chunk.length > 0);
      break;
    case 2:
      for await (const chunk of file.createReadStream()) assert.ok(chunk instanceof Buffer);
      break;
    case 3: {
      const writer = file.writable().getWriter();
      await writer.write(Buffer.alloc(5000, 65));
      await writer.close();
      break;
    }
    case 4:
      for (const line of file.lines()) if (line !== '') break;
      break;
    case 5:
      for (const chunk of file.chunks({ chunkSize: 30_000 })) assert.ok(chunk.length > 0);
      break;
    default:
      await file.readable().getReader().read(); // left as it is
  }
}

const figures: Array<Record<string, number>> = [];
for (let tenth = 1; tenth <= 10; tenth++) {
  for (let i = 0; i < Number(rounds) / 10; i++) await round(i);
  for (let i = 0; i < 5; i++) {
    collect();
    await turn();
  }
  const { rss, external, arrayBuffers, heapUsed } = process.memoryUsage();
  figures.push({
    rounds: (tenth * Number(rounds)) / 10,
    rss,
    external,
    arrayBuffers,
    heapUsed,
    maps: fs.readFileSync('/proc/self/maps', 'latin1').split('\n').length,
    ranges: native.mappingCount(),
    descriptors: fs.readdirSync('/proc/self/fd').length,
  });
}
console.log(JSON.stringify(figures));
