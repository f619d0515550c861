/**
 * Writes numbered records to a log and rotates it: `rotator LOG MODE ROTATIONS MILLISECONDS`. The modes name what
 * becomes of the old file: `one` (LOG.1 is replaced), `shift` (LOG.1 … LOG.5 move on), `keep` (a new name each time),
 * `copy` (copied to LOG.1 and truncated). Waits so long between two rotations. Ends with the line `end`, and prints how
 * many records there were.
 */
import fs from 'node:fs';

const [log, mode, rotations, milliseconds] = process.argv.slice(2) as [string, string, string, string];
const still = new Int32Array(new SharedArrayBuffer(4));
let records = 0;
let fd = fs.openSync(log, 'a');
const write = (): number => fs.writeSync(fd, `record ${records++}\n`);

for (let i = 0; i < Number(rotations); i++) {
  for (let j = (i * 7) % 20; j >= 0; j--) write();
  if (mode === 'copy') {
    fs.copyFileSync(log, `${log}.1`);
    fs.ftruncateSync(fd, 0);
  } else {
    if (mode === 'shift') {
      for (let n = 5; n > 0; n--) if (fs.existsSync(`${log}.${n}`)) fs.renameSync(`${log}.${n}`, `${log}.${n + 1}`);
    }
    fs.renameSync(log, mode === 'keep' ? `${log}.${i}` : `${log}.1`);
    write(); // as a program does that has not yet been told
    const old = fd;
    fd = fs.openSync(log, 'a');
    fs.closeSync(old);
  }
  if (Number(milliseconds) > 0) Atomics.wait(still, 0, 0, Number(milliseconds));
}
fs.writeSync(fd, 'end\n');
console.log(records);
