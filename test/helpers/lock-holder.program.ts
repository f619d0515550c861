/** Locks `FILE START END EXCLUSIVE`, says so, and holds the lock until it is killed or told to end. */
import { MappedFile } from 'sliding-mmap';

const [path, start, end, exclusive] = process.argv.slice(2) as [string, string, string, string];
const file = await MappedFile.open(path, 'r+');
await file.lock({
  exclusive: exclusive === 'true',
  start: Number(start),
  ...(end !== '' && { end: Number(end) }),
});
console.log('locked');
process.stdin.resume().on('end', () => file.closeSync());
