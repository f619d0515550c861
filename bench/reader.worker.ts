/** A thread of the scenario `workers`: opens the file, reads at random places, posts the sum. */
import fs from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { MappedFile } from 'sliding-mmap';
import { hash } from './inputs.js';

/** What one thread does. */
export interface ReaderTask {
  by: 'MappedFile' | 'fs';
  path: string;
  seed: number;
  reads: number;
}

const { by, path, seed, reads } = workerData as ReaderTask;
const { size } = fs.statSync(path);
const buffer = Buffer.alloc(64);
let read: (position: number) => unknown;
if (by === 'MappedFile') {
  const file = MappedFile.openSync(path);
  read = (position) => file.readSync(buffer, 0, 64, position);
} else {
  const fd = fs.openSync(path, 'r');
  read = (position) => fs.readSync(fd, buffer, 0, 64, position);
}
let total = 0;
for (let i = 0; i < reads; i++) {
  read(hash(seed + i) % (size - 64));
  total = (total + buffer.readUInt32LE(60)) % 2 ** 40;
}
parentPort!.postMessage(total);
