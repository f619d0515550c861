/**
 * Counts the lines of a file, and those that contain a text, with one thread and then with one for every core, and
 * compares: `node out/examples/parallel-count.js [--threads N] [--json] FILE [TEXT]`.
 *
 * The file is cut into ranges of whole lines. Each thread opens it by its path and takes one range after the other, so
 * that a slow thread takes fewer; there is one copy of the file in memory, the system's.
 */
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';

import { MappedFile } from 'sliding-mmap';

const USAGE = 'Usage: parallel-count [--threads N] [--json] FILE [TEXT]';
/** More ranges than threads: the last ones to end then end at about the same time. */
const RANGES_PER_THREAD = 8;

interface Range {
  start: number;
  end: number;
}

interface Counts {
  lines: number;
  /** Lines that contain the text. */
  matching: number;
}

function count(file: MappedFile, { start, end }: Range, text: string | undefined): Counts {
  const counts = { lines: 0, matching: 0 };
  // Bytes as characters: fast, and a text in UTF-8 is found where its bytes are.
  const wanted = text === undefined ? undefined : Buffer.from(text).toString('latin1');
  for (const batch of file.lines({ start, end, encoding: 'latin1', delimiter: '\n' }).batches()) {
    counts.lines += batch.length;
    if (wanted !== undefined) for (const line of batch) if (line.includes(wanted)) counts.matching++;
  }
  return counts;
}

interface Task {
  path: string;
  text: string | undefined;
}

/** What a thread does: asks for a range, and gives its counts with the next question. */
function work({ path, text }: Task): void {
  const port = parentPort!;
  const file = MappedFile.openSync(path);
  port.on('message', (range: Range | undefined) => {
    if (range !== undefined) return port.postMessage(count(file, range, text));
    file.closeSync();
    port.close();
  });
  port.postMessage({ lines: 0, matching: 0 });
}

async function countParallel(task: Task, ranges: Range[], threads: number): Promise<Counts> {
  const total = { lines: 0, matching: 0 };
  const left = ranges.slice().reverse();
  const thread = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const worker = new Worker(new URL(import.meta.url), { workerData: task });
      worker.on('message', ({ lines, matching }: Counts) => {
        total.lines += lines;
        total.matching += matching;
        worker.postMessage(left.pop());
      });
      worker.on('error', reject);
      worker.on('exit', () => resolve());
    });
  await Promise.all(Array.from({ length: threads }, thread));
  return total;
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { threads: { type: 'string' }, json: { type: 'boolean' } },
  });
  const [path, text, ...rest] = positionals;
  const threads = Number(values.threads ?? availableParallelism());
  if (path === undefined || rest.length > 0 || !Number.isInteger(threads) || threads < 1) {
    console.error(USAGE);
    process.exitCode = 2;
    return;
  }
  using file = MappedFile.openSync(path);
  const ranges = file.split(threads * RANGES_PER_THREAD);
  await file.prefetch(); // so that both find the file in memory
  const [serial, serialTime] = await timed(() => count(file, { start: 0, end: file.size }, text));
  const [parallel, parallelTime] = await timed(() => countParallel({ path, text }, ranges, threads));

  if (values.json) {
    console.log(
      JSON.stringify({ serial, parallel, threads, ranges: ranges.length, speedup: serialTime / parallelTime }),
    );
  } else {
    const show = ({ lines, matching }: Counts, seconds: number, threads: number): void =>
      console.log(
        `${threads} thread${threads === 1 ? ' ' : 's'}  ${lines} lines${text === undefined ? '' : `, ${matching} with '${text}'`}  ${seconds.toFixed(3)} s`,
      );
    show(serial, serialTime, 1);
    show(parallel, parallelTime, threads);
    console.log(`${(serialTime / parallelTime).toFixed(2)} times as fast`);
  }
  if (serial.lines !== parallel.lines || serial.matching !== parallel.matching) {
    throw new Error('The counts differ: the file was changed meanwhile');
  }
}

async function timed<T>(run: () => T | Promise<T>): Promise<[result: T, seconds: number]> {
  const started = performance.now();
  const result = await run();
  return [result, (performance.now() - started) / 1000];
}

if (!isMainThread) work(workerData as Task);
else
  main().catch((error: Error & { code?: string }) => {
    console.error(`parallel-count: ${error.message}`);
    process.exitCode = error.code?.startsWith('ERR_PARSE_ARGS') ? 2 : 1;
  });
