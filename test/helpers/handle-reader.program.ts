/**
 * Takes a handle over IPC, opens it, touches every page, and tells its proportional and its whole resident set by what
 * they grew, in bytes; ends with the connection.
 */
import fs from 'node:fs';
import { MappedFile, type MappedFileHandle } from 'sliding-mmap';

/** A line of /proc/self/smaps_rollup that is in kB (proc(5)), in bytes. */
function rollup(key: string): number {
  const text = fs.readFileSync('/proc/self/smaps_rollup', 'utf8');
  return Number(new RegExp(`^${key}:\\s+(\\d+) kB`, 'm').exec(text)![1]) * 1024;
}

const before = { pss: 0, rss: 0 };
process.on('message', (message: { handle: MappedFileHandle } | 'measure') => {
  try {
    if (message === 'measure') {
      process.send!({ pss: rollup('Pss') - before.pss, rss: rollup('Rss') - before.rss });
      return;
    }
    const file = MappedFile.openSync(message.handle);
    const { bytes } = file.view();
    Object.assign(before, { pss: rollup('Pss'), rss: rollup('Rss') });
    let sum = 0;
    for (let i = 0; i < bytes.length; i += 4096) sum += bytes[i]!;
    process.send!({ sum, path: file.path });
  } catch (error) {
    process.send!({ error: (error as { code?: string }).code ?? String(error) });
  }
});
