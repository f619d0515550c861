/**
 * The other process of the scenarios of bench/scenarios/ring.ts: `message-reader COUNT [RING WAYS]`. Takes COUNT messages
 * of a round, out of a ring or as they are sent to it, and answers with the sum of what they begin with.
 */
import { MappedFile } from 'sliding-mmap';
import { SharedRing } from 'sliding-mmap/sync';

const [count, path, way] = process.argv.slice(2) as [string, string | undefined, string | undefined];

function answer(sum: number): void {
  process.send?.({ sum });
}

if (path === undefined) {
  let left = Number(count);
  let sum = 0;
  process.on('message', (message: string | Uint8Array) => {
    sum += typeof message === 'string' ? message.charCodeAt(0) : (message[0] as number);
    if (--left > 0) return;
    answer(sum);
    [left, sum] = [Number(count), 0];
  });
} else {
  const file = MappedFile.openSync(path, 'r+');
  const ring = new SharedRing(file);
  for (let ended = false; !ended;) {
    let sum = 0;
    for (let left = Number(count); left > 0 && !ended; left--) {
      const record = way === 'sync' ? ring.shiftSync() : await ring.shift();
      if (record === undefined) ended = true;
      else sum += record[0] as number;
    }
    if (!ended) answer(sum);
  }
  file.closeSync();
  process.disconnect();
}
