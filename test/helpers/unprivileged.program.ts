/** What somebody sees who does not own a file, and may keep little in memory: PATH. Prints JSON. */
import { MappedFile } from 'sliding-mmap';
import { attempt, attemptAsync } from './errors.js';

const file = MappedFile.openSync(process.argv[2] as string);
const residency = attempt(() => file.residency().resident);
const pin = await attemptAsync(() => file.pin());
const small = await attemptAsync(() => file.pin(0, 8192));
const lines = attempt(() => [...file.lines()][0]?.length);
const { pins, bytesPinned, views } = file.stats();
file.closeSync();
console.log(JSON.stringify({ residency, pin, small, lines, stats: { pins, bytesPinned, views } }));
