/** Loses pages while a listener for SIGBUS comes and goes, then sends itself the signal with and without one. */
import fs from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { MappedFile } from 'sliding-mmap';
import { codeOf } from '../helpers/errors.js';

const path = process.argv[2] as string;
const bytes = fs.readFileSync(path);
const file = MappedFile.openSync(path, 'r');

function losePage(): void {
  file.getUint8(90_000);
  fs.truncateSync(path);
  console.log(codeOf(() => file.getUint8(90_000)));
  fs.writeFileSync(path, bytes);
}

let heard = 0;
process.on('SIGBUS', () => heard++);
losePage();
process.kill(process.pid, 'SIGBUS');
while (heard === 0) await delay(5);
console.log('heard');
losePage();
process.removeAllListeners('SIGBUS');
losePage();
process.kill(process.pid, 'SIGBUS');
await delay(5000);
