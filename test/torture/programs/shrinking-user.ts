/**
 * Runs scenarios on a file that another process cuts and grows, and sends what it counted for each; so does a worker
 * thread of it, on the same file at the same time.
 * Arguments: the file, the progress file, the seed, milliseconds for each scenario, 'readers' or 'writers'.
 */
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads';
import { once } from 'node:events';
import { MappedFile, type OpenOptions, WindowPool } from 'sliding-mmap';
import { Judge, type Verdicts } from '../shrinking-judge.js';
import { type Scenario, readers, writers } from '../shrinking-scenarios.js';
import { ProgressFile } from '../shrinking-text.js';
import { Random } from '../support.js';

const operationsPerFile = 60;

const args = (isMainThread ? process.argv.slice(2) : workerData) as [string, string, string, string, string];
const [path, progressPath, seed, milliseconds, kind] = args;
const random = new Random(Number(seed));
const progress = new ProgressFile(progressPath, 'r');

function options(strict: boolean): OpenOptions {
  return random.pick<OpenOptions>([
    { strict },
    { strict, windowSize: 1, pool: new WindowPool({ limit: 2 ** 24 }) },
    { strict, windowSize: 1, pool: new WindowPool({ limit: 2 ** 23, maxWindows: 4 }) },
  ]);
}

async function run(scenario: Scenario, until: number): Promise<Verdicts> {
  const judge = new Judge(progress, kind === 'writers');
  while (Date.now() < until) {
    const file = MappedFile.openSync(
      path,
      kind === 'writers' || random.chance(0.3) ? 'r+' : 'r',
      options(scenario.strict ?? false),
    );
    try {
      for (let i = 0; i < operationsPerFile && Date.now() < until; i++) {
        judge.begin();
        try {
          await scenario.run(file, judge, random);
        } catch (error) {
          judge.failed(error, file);
        }
      }
    } finally {
      file.closeSync();
    }
  }
  return judge.verdicts;
}

const scenarios: Readonly<Record<string, Scenario>> = kind === 'writers' ? writers : readers;

if (isMainThread) {
  const worker = new Worker(new URL(import.meta.url), {
    workerData: [path, progressPath, String(Number(seed) + 1), '', kind],
  });
  worker.on('error', (error) => {
    throw error;
  });
  for (const [name, scenario] of Object.entries(scenarios)) {
    process.send?.({ begun: name });
    const verdicts = await run(scenario, Date.now() + Number(milliseconds));
    process.send?.({ name, verdicts });
  }
  worker.postMessage('end');
  const [verdicts] = (await once(worker, 'message')) as [Verdicts];
  process.send?.({ name: 'worker thread', verdicts });
  process.disconnect();
} else {
  const total: Partial<Record<keyof Verdicts, number>> = {};
  let ended = false;
  parentPort?.once('message', () => (ended = true));
  while (!ended) {
    const scenario = random.pick(Object.values(scenarios));
    const verdicts = await run(scenario, Date.now() + 50);
    for (const key of Object.keys(verdicts) as Array<keyof Verdicts>) total[key] = (total[key] ?? 0) + verdicts[key];
    await new Promise(setImmediate);
  }
  parentPort?.postMessage(total);
}
