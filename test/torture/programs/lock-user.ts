/**
 * `lock-user FILE`: counts up two numbers under a lock, with a pause between them, again and again, until it is killed. Tells
 * of each time that it has done so by a byte on standard output.
 */
import fs from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import { MappedFile } from 'sliding-mmap';

const file = await MappedFile.open(process.argv[2] as string, 'r+');
process.send?.('ready');
for (;;) {
  using lock = await file.lock();
  const [begun, ended] = [file.getInt32(0, true), file.getInt32(4, true)];
  file.setInt32(0, begun + 1, true);
  await turn();
  file.setInt32(4, ended + 1, true);
  fs.writeSync(1, '.');
  lock.release();
  await turn();
}
