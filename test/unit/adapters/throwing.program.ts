/** Callbacks that throw: FILE. Prints what the process sees of it. */
import RandomAccessStorage from 'random-access-storage';
import { MappedFile } from 'sliding-mmap';
import { toRandomAccessReader, toRandomAccessStorage } from 'sliding-mmap/adapters';

process.on('uncaughtException', (error, origin) => console.log(error.message, origin));
const file = MappedFile.openSync(process.argv[2] as string);
toRandomAccessReader(file).read(Buffer.alloc(1), 0, 1, 0, () => {
  throw new Error('reader');
});
toRandomAccessStorage(file, RandomAccessStorage).read(0, 1, () => {
  throw new Error('storage');
});
