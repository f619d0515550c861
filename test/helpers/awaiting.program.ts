/** Waits for an Int32 of a file that nobody is to keep the process alive for: first it is woken, then its time is up. */
import { MappedFile } from 'sliding-mmap';
import { notify, SharedMutex, wait } from 'sliding-mmap/sync';

const file = await MappedFile.open(process.argv[2] as string, 'r+');
new SharedMutex(file, 64); // what is not waited for keeps nothing alive
setTimeout(() => {
  Atomics.store(file.view(0, 4).as(Int32Array), 0, 1);
  notify(file, 0);
}, 20).unref();
console.log(await wait(file, 0, 0));
console.log(await wait(file, 0, 1, { timeout: 150 }));
