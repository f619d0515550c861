/** Appends the oracle's bytes to a file, as many as it is told to, from another process. */
import fs from 'node:fs';
import { oracle } from '../helpers/files.js';

const fd = fs.openSync(process.argv[2] as string, 'a');
process.on('message', (length: number) => {
  fs.writeSync(fd, oracle(fs.fstatSync(fd).size, length));
  process.send?.(fs.fstatSync(fd).size);
});
