/**
 * The benchmark: npm run bench -- [--quick] [--rounds N] [--keep] [--list] [--clean] [NAME…], where a name is the
 * beginning of a scenario's. Prints a table for each scenario, and writes all of them to bench/results.json and, as a
 * chart, to bench/results.svg. With --keep these keep what earlier runs found in other scenarios.
 *
 * npm run bench -- --markdown measures nothing: it puts bench/results.json, as tables and charts, into
 * docs/performance.md.
 */
import { type ChildProcess, fork } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual, parseArgs } from 'node:util';

import { chart } from './chart.js';
import type { Answer, RoundAnswer } from './contestant.js';
import { type Contestant, median, type Scenario } from './harness.js';
import { folder } from './inputs.js';
import { publish } from './markdown.js';
import { install } from './peers.js';
import { type ContestantResult, print, type Results, type ScenarioResult } from './report.js';

const here = new URL('./', import.meta.url);
const results = new URL('../../bench/results.json', import.meta.url);

/** A contestant's process. */
class Runner {
  readonly name: string;
  readonly ours: boolean;
  readonly rounds: RoundAnswer[] = [];
  /** Why it is out of the race. */
  out: string | undefined;
  readonly #child: ChildProcess;

  constructor(module: string, scenario: string, { name, ours = false }: Contestant) {
    this.name = name;
    this.ours = ours;
    this.#child = fork(fileURLToPath(new URL('contestant.js', here)), [module, scenario, name], {
      execArgv: ['--expose-gc'],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
  }

  async prepare(): Promise<void> {
    const answer = await this.#ask('prepare');
    if ('unavailable' in answer) this.out = answer.unavailable;
  }

  /** One round; `counts` is false for warming up. */
  async round(counts: boolean): Promise<void> {
    if (this.out !== undefined) return;
    const answer = await this.#ask('round');
    if ('round' in answer && counts) this.rounds.push(answer.round);
  }

  async close(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = new Promise((resolve) => this.#child.once('exit', resolve));
    if (this.#child.connected) this.#child.send('close');
    const impatient = setTimeout(() => this.#child.kill('SIGKILL'), 10_000);
    await gone;
    clearTimeout(impatient);
  }

  #ask(message: string): Promise<Answer> {
    return new Promise((resolve) => {
      const done = (answer: Answer): void => {
        this.#child.off('message', done);
        this.#child.off('exit', died);
        if ('failure' in answer) this.out = `failed: ${answer.failure}`;
        resolve(answer);
      };
      const died = (code: number | null, signal: string | null): void => {
        done({ failure: signal === null ? `ended with ${code}` : `killed by ${signal}` });
      };
      this.#child.once('message', done).once('exit', died);
      this.#child.send(message);
    });
  }
}

async function compare(module: string, scenario: Scenario, rounds: number): Promise<ScenarioResult> {
  await scenario.setUp?.();
  const runners = scenario.contestants.map((contestant) => new Runner(module, scenario.name, contestant));
  const counted = Math.min(rounds, scenario.rounds ?? Infinity);
  try {
    for (const runner of runners) await runner.prepare();
    for (let round = -1; round < counted; round++) {
      for (const runner of runners) await runner.round(round >= 0);
    }
  } finally {
    for (const runner of runners) await runner.close();
  }
  judge(runners);
  const { name, title, targets = [] } = scenario;
  return { name, title, work: scenario.work(), rounds: counted, contestants: runners.map(summary), targets };
}

/** Who gave another result than the first contestant is out. */
function judge(runners: readonly Runner[]): void {
  const right = runners.find(({ rounds }) => rounds.length > 0)?.rounds[0]?.result;
  for (const runner of runners) {
    const wrong = runner.rounds.find(({ result }) => result !== right);
    if (wrong !== undefined)
      runner.out ??= `wrong result: ${wrong.result.slice(0, 80)} instead of ${right?.slice(0, 80)}`;
  }
}

function summary({ name, ours, out, rounds }: Runner): ContestantResult {
  if (out !== undefined || rounds.length === 0) return { name, ours, out: out ?? 'no round' };
  const times = rounds.map(({ milliseconds }) => milliseconds);
  const figures: Record<string, number> = {};
  for (const key of Object.keys(rounds[0]!.figures)) figures[key] = median(rounds.map((round) => round.figures[key]!));
  return { name, ours, median: median(times), fastest: Math.min(...times), slowest: Math.max(...times), figures };
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      quick: { type: 'boolean', default: false },
      rounds: { type: 'string' },
      keep: { type: 'boolean', default: false },
      markdown: { type: 'boolean', default: false },
      list: { type: 'boolean', default: false },
      clean: { type: 'boolean', default: false },
    },
  });
  if (values.markdown) return publish(JSON.parse(fs.readFileSync(results, 'utf8')) as Results);
  if (values.clean) fs.rmSync(folder, { recursive: true, force: true });
  // Before the scenarios are loaded, which look at it.
  if (values.quick) process.env['BENCH_QUICK'] = '1';
  const rounds = Number(values.rounds ?? (values.quick ? 3 : 7));
  if (!Number.isInteger(rounds) || rounds < 1) throw new RangeError('--rounds must be a positive integer');

  const { version: node, platform, arch } = process;
  const machine = { node, platform, arch, cores: os.cpus().length, quick: values.quick };
  const earlier = values.keep ? kept(machine) : [];
  const all: ScenarioResult[] = [];
  for (const file of fs.readdirSync(new URL('scenarios/', here)).sort()) {
    if (!file.endsWith('.js')) continue;
    const module = new URL(`scenarios/${file}`, here).href;
    const { scenarios } = (await import(module)) as { scenarios: Scenario[] };
    for (const scenario of scenarios) {
      if (positionals.length > 0 && !positionals.some((name) => scenario.name.startsWith(name))) continue;
      if (values.list) {
        console.log(`${scenario.name.padEnd(28)}${scenario.title}`);
        continue;
      }
      if (!scenario.alone) install();
      const result = await compare(module, scenario, rounds);
      print(result);
      all.push(result);
      // After each, so that a run that is interrupted has something to show.
      save(machine, [...earlier.filter(({ name }) => !all.some((now) => now.name === name)), ...all]);
    }
  }
}

function save(machine: Results['machine'], found: ScenarioResult[]): void {
  const scenarios = found.sort((a, b) => (a.name < b.name ? -1 : 1));
  fs.writeFileSync(results, `${JSON.stringify({ machine, scenarios } satisfies Results, undefined, 2)}\n`);
  fs.writeFileSync(new URL('results.svg', results), chart(scenarios));
}

/** What earlier runs under the same circumstances found. */
function kept(machine: Results['machine']): ScenarioResult[] {
  if (!fs.existsSync(results)) return [];
  const earlier = JSON.parse(fs.readFileSync(results, 'utf8')) as Results;
  if (isDeepStrictEqual(earlier.machine, machine)) return earlier.scenarios;
  throw new Error('--keep: bench/results.json is of another Node or kind of run');
}

await main();
