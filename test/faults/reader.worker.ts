/** Reads a file over and over until it shrinks; sets flag 0 when it has begun and flag 1 when it was told. */
import { workerData } from 'node:worker_threads';
import { MappedFile } from 'sliding-mmap';
import { attempt } from '../helpers/errors.js';

const { path, flag, size } = workerData as { path: string; flag: Int32Array; size: number };
using file = MappedFile.openSync(path, 'r');
let sum = 0;
const result = attempt(() => {
  for (;;) {
    for (let position = 0; position < size; position++) sum += file.getUint8(position);
    Atomics.store(flag, 0, 1);
    Atomics.notify(flag, 0);
  }
});
if (result.error?.code === 'ERR_MAPPED_FILE_TRUNCATED' && sum > 0) Atomics.store(flag, 1, 1);
