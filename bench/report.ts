/** The table of a scenario. */
import type { FigureTarget, Target } from './harness.js';

/** A contestant's times in milliseconds and the medians of its own figures; or why there are none. */
export type ContestantResult =
  | { name: string; out: string }
  | { name: string; median: number; fastest: number; slowest: number; figures: Record<string, number> };

export interface ScenarioResult {
  name: string;
  title: string;
  work: { amount: number; unit: string };
  contestants: ContestantResult[];
}

/** Prints a scenario's table: the first contestant that finished is the measure of all. */
export function print(
  { name, title, work, contestants }: ScenarioResult,
  targets: readonly (Target | FigureTarget)[],
): void {
  const width = Math.max(12, ...contestants.map((contestant) => contestant.name.length)) + 2;
  console.log(`\n${name}: ${title}`);
  console.log(
    `${''.padEnd(width)}${'median ms'.padStart(12)}${'rate'.padStart(16)}${'ratio'.padStart(9)}   fastest … slowest`,
  );
  const base = contestants.find((contestant) => 'median' in contestant);
  for (const contestant of contestants) {
    if (!('median' in contestant)) {
      console.log(`${contestant.name.padEnd(width)}   ${contestant.out}`);
      continue;
    }
    const { median, fastest, slowest, figures } = contestant;
    const ratio = base !== undefined && 'median' in base ? median / base.median : NaN;
    const own = Object.entries(figures).map(([figure, value]) => `   ${figure}: ${rounded(value)}`);
    console.log(
      contestant.name.padEnd(width) +
        rounded(median).padStart(12) +
        rate(work.amount, work.unit, median).padStart(16) +
        ratio.toFixed(2).padStart(9) +
        `   ${rounded(fastest)} … ${rounded(slowest)}${own.join('')}`,
    );
  }
  for (const target of targets) console.log(`  ${verdict(target, contestants)}`);
}

function verdict(target: Target | FigureTarget, contestants: readonly ContestantResult[]): string {
  const found = (name: string): Extract<ContestantResult, { median: number }> | undefined => {
    const contestant = contestants.find((one) => one.name === name);
    return contestant !== undefined && 'median' in contestant ? contestant : undefined;
  };
  const one = found(target.contestant);
  if ('figure' in target) {
    const value = one?.figures[target.figure] ?? NaN;
    return told(value, target.atMost, `${target.contestant}: ${target.figure}`);
  }
  const ratio = (one?.median ?? NaN) / (found(target.against)?.median ?? NaN);
  return told(ratio, target.atMost, `${target.contestant} / ${target.against}`);
}

function told(value: number, atMost: number, what: string): string {
  if (Number.isNaN(value)) return `not measured: ${what}, target at most ${atMost}`;
  return `${value <= atMost ? 'holds' : 'MISSED'}: ${what} is ${value.toFixed(3)}, target at most ${atMost}`;
}

function rate(amount: number, unit: string, milliseconds: number): string {
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
