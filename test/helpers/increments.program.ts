/** `increments FILE TIMES`: adds one to the first Int32 of a file so many times, by `Atomics` on a view. */
import { MappedFile } from 'sliding-mmap';

const [path, times] = process.argv.slice(2) as [string, string];
using file = MappedFile.openSync(path, 'r+');
const words = file.view(0, 4).as(Int32Array);
for (let i = Number(times); i > 0; i--) Atomics.add(words, 0, 1);
