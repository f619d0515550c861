/** Opens the file that it is told of, adds up its bytes, writes a number, and sends the sum. */
import { parentPort, workerData } from 'node:worker_threads';
import { MappedFile } from 'sliding-mmap';

const { path, writeAt } = workerData as { path: string; writeAt: number };
const file = MappedFile.openSync(path, 'r+');
let sum = 0;
for (let position = 0; position < file.size; position++) sum += file.getUint8(position);
file.setUint32(writeAt, 0xfeedbeef);
file.closeSync();
parentPort?.postMessage(sum);
