/**
 * Loses pages while a listener for SIGBUS comes and goes, then sends itself the signal with and without one. With the
 * argument `early`, the listener is there before the library is.
 */
import fs from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { codeOf } from '../helpers/errors.js';

const [path, when] = process.argv.slice(2) as [string, string];
let heard = 0;
const listen = (): unknown => process.on('SIGBUS', () => heard++);

if (when === 'early') listen();
const { MappedFile } = await import('sliding-mmap');
const bytes = fs.readFileSync(path);
const file = MappedFile.openSync(path, 'r');

function losePage(): void {
  file.getUint8(90_000);
  fs.truncateSync(path);
  console.log(codeOf(() => file.getUint8(90_000)));
  fs.writeFileSync(path, bytes);
}

if (when !== 'early') listen();
losePage();
process.kill(process.pid, 'SIGBUS');
while (heard === 0) await delay(5);
console.log('heard');
losePage();
process.removeAllListeners('SIGBUS');
losePage();
process.kill(process.pid, 'SIGBUS');
await delay(5000);
