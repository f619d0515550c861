/**
 * The benchmark: npm run bench -- [--quick] [--rounds N] [--list] [--clean] [NAME…], where a name is the beginning of
 * a scenario's. Prints a table for each scenario and writes all of them to bench/results.json.
 */
import { type ChildProcess, fork } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import type { Answer, RoundAnswer } from './contestant.js';
import { median, type Scenario } from './harness.js';
import { folder } from './inputs.js';
import { install } from './peers.js';
import { type ContestantResult, print, type ScenarioResult } from './report.js';

const here = new URL('./', import.meta.url);
const results = fileURLToPath(new URL('../../bench/results.json', import.meta.url));

/** A contestant's process. */
class Runner {
  readonly name: string;
  readonly rounds: RoundAnswer[] = [];
  /** Why it is out of the race. */
  out: string | undefined;
  readonly #child: ChildProcess;

  constructor(module: string, scenario: string, name: string) {
    this.name = name;
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
  const runners = scenario.contestants.map(({ name }) => new Runner(module, scenario.name, name));
  try {
    for (const runner of runners) await runner.prepare();
    for (let round = -1; round < Math.min(rounds, scenario.rounds ?? Infinity); round++) {
      for (const runner of runners) await runner.round(round >= 0);
    }
  } finally {
    for (const runner of runners) await runner.close();
  }
  judge(runners);
  return { name: scenario.name, title: scenario.title, work: scenario.work(), contestants: runners.map(summary) };
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

function summary({ name, out, rounds }: Runner): ContestantResult {
  if (out !== undefined || rounds.length === 0) return { name, out: out ?? 'no round' };
  const times = rounds.map(({ milliseconds }) => milliseconds);
  const figures: Record<string, number> = {};
  for (const key of Object.keys(rounds[0]!.figures)) figures[key] = median(rounds.map((round) => round.figures[key]!));
  return { name, median: median(times), fastest: Math.min(...times), slowest: Math.max(...times), figures };
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      quick: { type: 'boolean', default: false },
      rounds: { type: 'string' },
      list: { type: 'boolean', default: false },
      clean: { type: 'boolean', default: false },
    },
  });
  if (values.clean) fs.rmSync(folder, { recursive: true, force: true });
  // Before the scenarios are loaded, which look at it.
  if (values.quick) process.env['BENCH_QUICK'] = '1';
  const rounds = Number(values.rounds ?? (values.quick ? 3 : 7));
  if (!Number.isInteger(rounds) || rounds < 1) throw new RangeError('--rounds must be a positive integer');

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
      print(result, scenario.targets ?? []);
      all.push(result);
    }
  }
  if (all.length === 0) return;
  const machine = { node: process.version, platform: process.platform, arch: process.arch, cores: os.cpus().length };
  fs.writeFileSync(results, `${JSON.stringify({ machine, rounds, scenarios: all }, undefined, 2)}\n`);
}

await main();
