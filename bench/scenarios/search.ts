/** Strings in a log that is in memory. */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { MappedFile } from 'sliding-mmap';
import { type Contestant, type Job, Measured, type Scenario, sized } from '../harness.js';
import { log } from '../inputs.js';
import { compilerMissing, runProgram } from '../programs.js';

const bytes = sized(2 ** 29, 2 ** 25);
const path = (): string => log(bytes);
const common = { work: () => ({ amount: fs.statSync(path()).size, unit: 'B' }) as const, setUp: () => void path() };

function ours(name: string, run: (file: MappedFile) => number | Promise<number>): Contestant {
  return {
    name,
    ours: true,
    prepare: (): Job => ({
      async run() {
        await using file = await MappedFile.open(path());
        return await run(file);
      },
    }),
  };
}

const memmem = (needle: string): Contestant => ({
  name: 'memmem',
  unavailable: compilerMissing,
  prepare: () => ({
    run() {
      const { result, milliseconds } = runProgram('count_memmem', [path(), needle]);
      return new Measured(result, {}, milliseconds);
    },
  }),
});

const grep = (name: string, ...args: string[]): Contestant => ({
  name,
  unavailable: () => (spawnSync('grep', ['--version']).status === 0 ? undefined : 'no grep'),
  prepare: () => ({
    run: () => parseInt(spawnSync('grep', [...args, path()], { encoding: 'utf8', env: { LC_ALL: 'C' } }).stdout),
  }),
});

/** A string that most, some or no lines have. */
const needles = { frequent: '[worker-', rare: '/items/99', absent: 'no such thing' } as const;

const counting = (Object.keys(needles) as Array<keyof typeof needles>).map((kind): Scenario => {
  const needle = needles[kind];
  return {
    ...common,
    name: `search/lines-${kind}`,
    title: `count the lines that have ${JSON.stringify(needle)}`,
    contestants: [
      ours('matches().countSync()', (file) => file.matches(needle, { firstInLine: true }).countSync()),
      ours('matches().count()', (file) => file.matches(needle, { firstInLine: true }).count()),
      grep('grep -c -F', '-c', '-F', needle),
    ],
    targets: [
      { contestant: 'matches().countSync()', against: 'grep -c -F', atMost: 1 },
      { contestant: 'matches().count()', against: 'grep -c -F', atMost: 1 },
    ],
  };
});

export const scenarios: Scenario[] = [
  ...counting,
  {
    ...common,
    name: 'search/bytes',
    title: 'look for a string that is not there',
    contestants: [
      ours('indexOf()', (file) => file.indexOf(needles.absent) + 1),
      ours('matches().count()', (file) => file.matches(needles.absent).count()),
      memmem(needles.absent),
    ],
    targets: [
      { contestant: 'indexOf()', against: 'memmem', atMost: 1 / 0.7 },
      { contestant: 'matches().count()', against: 'memmem', atMost: 1 / 0.7 },
    ],
  },
];
