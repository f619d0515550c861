/** What a run of the benchmark found, and the table of a scenario. */
import type { FigureTarget, Target } from './harness.js';

/** A contestant's times in milliseconds and the medians of its own figures. */
export interface Finished {
  name: string;
  ours: boolean;
  median: number;
  fastest: number;
  slowest: number;
  figures: Record<string, number>;
}

/** What a contestant did; or why there is nothing. */
export type ContestantResult = Finished | { name: string; ours: boolean; out: string };

export interface ScenarioResult {
  name: string;
  title: string;
  work: { amount: number; unit: string };
  rounds: number;
  contestants: ContestantResult[];
  targets: readonly (Target | FigureTarget)[];
}

/** The content of bench/results.json. */
export interface Results {
  machine: { node: string; platform: string; arch: string; cores: number; quick: boolean };
  scenarios: ScenarioResult[];
}

export function isFinished(contestant: ContestantResult): contestant is Finished {
  return 'median' in contestant;
}

/** By whose time the others' are divided: the first of this library's that finished, else the first that did. */
export function measureOf(contestants: readonly ContestantResult[]): Finished | undefined {
  const finished = contestants.filter(isFinished);
  return finished.find(({ ours }) => ours) ?? finished[0];
}

/** Prints a scenario's table. */
export function print({ name, title, work, contestants, targets }: ScenarioResult): void {
  const width = Math.max(12, ...contestants.map((contestant) => contestant.name.length)) + 2;
  console.log(`\n${name}: ${title}`);
  console.log(
    `${''.padEnd(width)}${'median ms'.padStart(12)}${'rate'.padStart(16)}${'ratio'.padStart(9)}   fastest … slowest`,
  );
  const base = measureOf(contestants)?.median ?? NaN;
  for (const contestant of contestants) {
    if (!isFinished(contestant)) {
      console.log(`${contestant.name.padEnd(width)}   ${contestant.out}`);
      continue;
    }
    const { median, fastest, slowest, figures } = contestant;
    const own = Object.entries(figures).map(([figure, value]) => `   ${figure}: ${rounded(value)}`);
    console.log(
      contestant.name.padEnd(width) +
        rounded(median).padStart(12) +
        rate(work.amount, work.unit, median).padStart(16) +
        (median / base).toFixed(2).padStart(9) +
        `   ${rounded(fastest)} … ${rounded(slowest)}${own.join('')}`,
    );
  }
  for (const verdict of verdicts(targets, contestants)) console.log(`  ${verdict}`);
}

/** For each target, whether it holds. */
export function verdicts(
  targets: readonly (Target | FigureTarget)[],
  contestants: readonly ContestantResult[],
): string[] {
  return targets.map((target) => verdict(target, contestants));
}

function verdict(target: Target | FigureTarget, contestants: readonly ContestantResult[]): string {
  const found = (name: string): Finished | undefined => contestants.filter(isFinished).find((one) => one.name === name);
  const one = found(target.contestant);
  if ('figure' in target) {
    const value = one?.figures[target.figure] ?? NaN;
    return told(value, target.atMost, `${target.contestant}: ${target.figure}`);
  }
  const ratio = (one?.median ?? NaN) / (found(target.against)?.median ?? NaN);
  return told(ratio, target.atMost, `${target.contestant} / ${target.against}`);
}

function told(value: number, atMost: number, what: string): string {
  const target = `target at most ${Number(atMost.toPrecision(3))}`;
  if (Number.isNaN(value)) return `not measured: ${what}, ${target}`;
  return `${value <= atMost ? 'holds' : 'MISSED'}: ${what} is ${value.toFixed(3)}, ${target}`;
}

/** So much per second. */
export function rate(amount: number, unit: string, milliseconds: number): string {
  const second = (amount / milliseconds) * 1000;
  for (const [size, prefix] of [
    [1e9, 'G'],
    [1e6, 'M'],
    [1e3, 'k'],
  ] as const) {
    if (second >= size) return `${(second / size).toFixed(2)} ${prefix}${unit}/s`;
  }
  return `${second.toFixed(2)} ${unit}/s`;
}

function rounded(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}
