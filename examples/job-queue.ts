/**
 * Hashes files by several processes that take them from one queue: `node out/examples/job-queue.js [--workers N] FILE…`
 * prints what `sha256sum` does.
 *
 * Jobs and results are records of two rings in a file that all of the processes map. A ring gives each job to one worker,
 * once; so this program remembers which results have not come yet. A worker that dies with a job leaves the ring as it is,
 * another takes its place, and what may have been lost with it is put in again: a job can be done twice, and is told once.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import { MappedFile } from 'sliding-mmap';
import { SharedRing } from 'sliding-mmap/sync';

const USAGE = 'Usage: job-queue [--workers N] FILE…';
const RING = 2 ** 16;

interface Job {
  id: number;
  path: string;
}

interface Result {
  id: number;
  hash?: string;
  error?: string;
}

/** Both queues. */
class Queues implements Disposable {
  readonly jobs: SharedRing;
  readonly results: SharedRing;
  readonly #file: MappedFile;

  constructor(path: string) {
    this.#file = MappedFile.openSync(path, 'r+');
    this.jobs = new SharedRing(this.#file, 0, { length: RING });
    this.results = new SharedRing(this.#file, RING, { length: RING });
  }

  [Symbol.dispose](): void {
    this.#file.closeSync();
  }
}

/** What a worker does, until it is told to end. */
async function work(queuesPath: string): Promise<void> {
  // Nobody would take the results of a worker whose main process is gone.
  process.once('disconnect', () => process.exit());
  if (!process.connected) return;
  using queues = new Queues(queuesPath);
  for (let record = await queues.jobs.shift(); record !== undefined; record = await queues.jobs.shift()) {
    const { id, path } = JSON.parse(record.toString()) as Job;
    const result: Result = { id };
    try {
      await using file = await MappedFile.open(path);
      const hash = createHash('sha256');
      for await (const chunk of file.chunks()) hash.update(chunk);
      result.hash = hash.digest('hex');
    } catch (error) {
      result.error = (error as Error).message;
    }
    await queues.results.push(JSON.stringify(result));
  }
}

/** The results, in the order of the paths. */
async function run(queues: Queues, queuesPath: string, paths: readonly string[], workers: number): Promise<Result[]> {
  const results = new Map<number, Result>();
  const running = new Set<ChildProcess>();
  let given = 0;
  const give = (id: number): Promise<void> => queues.jobs.push(JSON.stringify({ id, path: paths[id]! } satisfies Job));

  const stopped = new AbortController();
  let deaths = 0;
  const start = (): void => {
    const child = fork(fileURLToPath(import.meta.url), ['--worker', queuesPath]);
    running.add(child);
    child.once('exit', (code, signal) => {
      running.delete(child);
      if (results.size === paths.length || stopped.signal.aborted) return;
      console.error(`job-queue: a worker ended with ${signal ?? `code ${code}`}`);
      if (++deaths > workers + paths.length) return stopped.abort(new Error('Workers die again and again'));
      start();
      // It may have had any of those that were given and have not come back.
      for (let id = 0; id < given; id++) if (!results.has(id)) give(id).catch(stop);
    });
  };
  const stop = (reason: unknown): void => stopped.abort(reason);
  for (let i = 0; i < workers; i++) start();

  try {
    const giving = (async () => {
      for (; given < paths.length; given++) await give(given);
    })();
    giving.catch(stop);
    while (results.size < paths.length) {
      const record = await queues.results.shift({ signal: stopped.signal });
      const result = JSON.parse(record!.toString()) as Result;
      results.set(result.id, result);
    }
  } finally {
    // They have nothing to do any more, but for what is done already.
    const ended = [...running].map((child) => once(child, 'exit'));
    for (const child of running) child.kill();
    await Promise.all(ended);
  }
  return [...results.values()].sort((a, b) => a.id - b.id);
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { workers: { type: 'string' }, worker: { type: 'boolean' } },
  });
  if (values.worker) return work(positionals[0]!);
  const workers = Number(values.workers ?? availableParallelism());
  if (positionals.length === 0 || !Number.isInteger(workers) || workers < 1) {
    console.error(USAGE);
    process.exitCode = 2;
    return;
  }
  const folder = mkdtempSync(join(tmpdir(), 'job-queue-'));
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      rmSync(folder, { recursive: true, force: true });
      process.kill(process.pid, signal); // which nobody listens for any more: it ends the process, and that its workers
    });
  }
  try {
    const path = join(folder, 'queues');
    writeFileSync(path, new Uint8Array(2 * RING));
    using queues = new Queues(path);
    for (const { id, hash, error } of await run(queues, path, positionals, workers)) {
      if (hash !== undefined) console.log(`${hash}  ${positionals[id]}`);
      else {
        console.error(`job-queue: ${error}`);
        process.exitCode = 1;
      }
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
}

main().catch((error: Error & { code?: string }) => {
  console.error(`job-queue: ${error.message}`);
  process.exitCode = error.code?.startsWith('ERR_PARSE_ARGS') ? 2 : 1;
});
