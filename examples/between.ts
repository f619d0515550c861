/**
 * Prints the lines of a sorted log between two times, both included: `node out/examples/between.js FROM TO FILE…`.
 * Times are as in the log, or ISO 8601 to any precision: `2024-05-06 2024-05-06` is that whole day, and
 * `2024-05-06T07:08 2024-05-06T07:08` that minute. Lines without a time belong to the line before them.
 *
 * Looks at some thirty places of a log, whatever its size. As of grep, the exit status is 0 when lines were printed, 1
 * when there are none, and 2 in trouble.
 */
import { pipeline } from 'node:stream/promises';
import { parseArgs } from 'node:util';

import { MappedFile } from 'sliding-mmap';

import { compareTimes, endOf, type Time, TimeReader } from './between/times.js';

const USAGE = 'Usage: between FROM TO FILE…';
/** A time is at the beginning; a longer line is not needed. */
const HEAD = 512;

class UsageError extends Error {}

async function print(from: string, to: string, path: string): Promise<boolean> {
  await using file = await MappedFile.open(path);
  const times = new TimeReader((await file.stat()).mtime);
  const first = timeOf(times, from);
  const last = endOf(timeOf(times, to));
  if (compareTimes(first, last) >= 0) throw new UsageError(`${from} is after ${to}`);

  const firstNotBefore = (wanted: Time, start = 0): Promise<number> =>
    file.bisect(
      (line) => {
        const time = times.read(line);
        return time === undefined ? undefined : compareTimes(time, wanted);
      },
      { encoding: 'latin1', maxLineLength: HEAD, overflow: 'truncate', start },
    );
  const start = await firstNotBefore(first);
  const end = await firstNotBefore(last, start);
  if (start === end) return false;
  // As node:fs, the last byte is included.
  await pipeline(file.createReadStream({ start, end: end - 1 }), process.stdout, { end: false });
  return true;
}

function timeOf(times: TimeReader, text: string): Time {
  const time = times.read(text);
  if (time === undefined || Number.isNaN(time.clock)) throw new UsageError(`'${text}' is no time`);
  return time;
}

async function main(): Promise<number> {
  const { positionals } = parseArgs({ allowPositionals: true });
  const [from, to, ...paths] = positionals;
  if (from === undefined || to === undefined || paths.length === 0) throw new UsageError(USAGE);
  let status = 1;
  for (const path of paths) if (await print(from, to, path)) status = 0;
  return status;
}

main().then(
  (status) => (process.exitCode = status),
  (error: Error & { code?: string }) => {
    // Whoever read the output has seen enough.
    if (error.code === 'EPIPE') process.exit(0);
    console.error(error instanceof UsageError ? error.message : `between: ${error.message}`);
    process.exitCode = 2;
  },
);
