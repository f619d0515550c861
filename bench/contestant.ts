/** One contestant of one scenario, in a process of its own: node contestant.js MODULE SCENARIO CONTESTANT. */
import { type Job, Measured, type Scenario } from './harness.js';

/** What a round gave. */
export interface RoundAnswer {
  milliseconds: number;
  /** The result as JSON. */
  result: string;
  figures: Record<string, number>;
}

/** What the process says: that it is prepared, a round's answer, or what went wrong. */
export type Answer = { ready: true } | { unavailable: string } | { round: RoundAnswer } | { failure: string };

function say(answer: Answer): void {
  process.send?.(answer);
}

async function prepare(module: string, scenarioName: string, contestantName: string): Promise<Job | undefined> {
  const { scenarios } = (await import(module)) as { scenarios: Scenario[] };
  const scenario = scenarios.find(({ name }) => name === scenarioName);
  const contestant = scenario?.contestants.find(({ name }) => name === contestantName);
  if (contestant === undefined) throw new Error(`no contestant ${contestantName} in ${scenarioName}`);
  const reason = await contestant.unavailable?.();
  if (reason !== undefined) {
    say({ unavailable: reason });
    return undefined;
  }
  const job = await contestant.prepare();
  say({ ready: true });
  return job;
}

async function round(job: Job): Promise<RoundAnswer> {
  await job.before?.();
  const started = performance.now();
  const result = job.run();
  // A result that is there is not waited for: a turn of the event loop is no part of synchronous work.
  const value: unknown = result instanceof Promise ? await result : result;
  const elapsed = performance.now() - started;
  const measured = value instanceof Measured ? value : new Measured(value);
  return {
    milliseconds: measured.milliseconds ?? elapsed,
    result: JSON.stringify(measured.result) ?? 'undefined',
    figures: { ...measured.figures },
  };
}

let job: Job | undefined;
const [module = '', scenario = '', contestant = ''] = process.argv.slice(2);

process.on('message', (message: 'prepare' | 'round' | 'close') => {
  const step = async (): Promise<void> => {
    if (message === 'prepare') job = await prepare(module, scenario, contestant);
    else if (message === 'round' && job !== undefined) say({ round: await round(job) });
    else if (message === 'close') {
      await job?.close?.();
      process.disconnect();
    }
  };
  step().catch((error: unknown) => {
    say({ failure: error instanceof Error ? (error.stack ?? error.message) : String(error) });
  });
});
