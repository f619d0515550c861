/** Reads standard input as a file, and tells what it was and in what state it is left. */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import tty from 'node:tty';
import { MappedFile } from 'sliding-mmap';

function kind(): string {
  const stats = fs.fstatSync(0);
  if (tty.isatty(0)) return 'tty';
  if (stats.isFIFO()) return 'pipe';
  return stats.isSocket() ? 'socket' : 'file';
}

/** By the flags of the open file, as another process sees them (proc(5), fdinfo). */
function state(): string {
  const script = 'grep flags /proc/self/fdinfo/0';
  const flags = execFileSync('sh', ['-c', script], { stdio: [0, 'pipe', 'inherit'], encoding: 'utf8' });
  return (parseInt(flags.replace(/\D/g, ''), 8) & fs.constants.O_NONBLOCK) === 0 ? 'blocking' : 'non-blocking';
}

const [what] = process.argv.slice(2);
if (what === 'lines') {
  const file = await MappedFile.open(0);
  let count = 0;
  let last = '';
  for await (const line of file.lines()) {
    count++;
    last = line;
  }
  await file.close();
  console.log(`${kind()}: ${count} lines, the last is ${last}; ${state()}`);
} else {
  for (const backing of ['auto', 'spool'] as const) {
    const file = await MappedFile.open(0, 'r', { backing });
    const reader = file.readable({ end: 1 }).getReader();
    void reader.cancel();
  }
  console.log('done');
}
