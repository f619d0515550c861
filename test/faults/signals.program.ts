/** Sends itself a signal, at a moment that its arguments name. */
import fs from 'node:fs';
import { MappedFile } from 'sliding-mmap';
import { codeOf } from '../helpers/errors.js';

const [moment, path] = process.argv.slice(2) as [string, string];
if (moment !== 'before a file is opened') {
  const file = MappedFile.openSync(path, 'r');
  file.getUint8(90_000);
  if (moment === 'after a page was lost') {
    fs.truncateSync(path);
    if (codeOf(() => file.getUint8(90_000)) !== 'ERR_MAPPED_FILE_TRUNCATED') process.exit(1);
  }
}
fs.writeSync(1, 'ready\n');
process.kill(process.pid, moment.startsWith('SIG') ? moment : 'SIGBUS');
setTimeout(() => process.exit(2), 5000);
