/** Opens the file of a handle and tells what it sees; adds 1 to its first byte if it may. */
import { parentPort, workerData } from 'node:worker_threads';
import { MappedFile, type MappedFileHandle } from 'sliding-mmap';

const file = await MappedFile.open(workerData as MappedFileHandle);
const seen = { size: file.size, path: file.path, isWritable: file.isWritable, first: file.getUint8(0) };
if (file.isWritable) file.setUint8(0, seen.first + 1);
await file.close();
parentPort?.postMessage(seen);
