/** All lines of a log that is in memory. */
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import readline from 'node:readline';
import { MappedFile } from 'sliding-mmap';
import { type Contestant, type Job, type Scenario, sized } from '../harness.js';
import { log } from '../inputs.js';
import { load, missing } from '../peers.js';

const bytes = sized(2 ** 28, 2 ** 25);
const path = (): string => log(bytes);

/** Opens the log for each round anew, as everybody does here. */
function ours(name: string, count: (file: MappedFile) => number | Promise<number>): Contestant {
  return {
    name,
    ours: true,
    prepare: (): Job => ({
      async run() {
        await using file = await MappedFile.open(path());
        return await count(file);
      },
    }),
  };
}

function simple(name: string, run: () => unknown): Contestant {
  return { name, prepare: (): Job => ({ run }) };
}

const readLines = (): readline.Interface =>
  readline.createInterface({ input: fs.createReadStream(path()), crlfDelay: Infinity });

export const scenarios: Scenario[] = [
  {
    name: 'lines',
    title: 'every line of a log in memory as a string',
    work: () => ({ amount: fs.statSync(path()).size, unit: 'B' }),
    setUp: () => void path(),
    contestants: [
      ours('lines()', (file) => {
        let count = 0;
        for (const line of file.lines()) if (line !== null) count++;
        return count;
      }),
      ours('lines().batches()', (file) => {
        let count = 0;
        for (const batch of file.lines().batches()) count += batch.length;
        return count;
      }),
      ours('lines(), async', async (file) => {
        let count = 0;
        for await (const line of file.lines()) if (line !== null) count++;
        return count;
      }),
      ours('lines().batches(), async', async (file) => {
        let count = 0;
        for await (const batch of file.lines().batches()) count += batch.length;
        return count;
      }),
      simple('readline', async () => {
        let count = 0;
        for await (const line of readLines()) if (line !== null) count++;
        return count;
      }),
      simple('readline, events', async () => {
        let count = 0;
        const lines = readLines().on('line', () => count++);
        await once(lines, 'close');
        return count;
      }),
      {
        name: 'split2',
        unavailable: () => missing('split2'),
        prepare(): Job {
          const split2 = load<() => NodeJS.ReadWriteStream>('split2');
          return {
            async run() {
              let count = 0;
              const lines = fs.createReadStream(path()).pipe(split2());
              lines.on('data', () => count++);
              await once(lines, 'end');
              return count;
            },
          };
        },
      },
      {
        name: 'n-readlines',
        unavailable: () => missing('n-readlines'),
        prepare(): Job {
          const NReadlines = load<new (path: string) => { next(): Buffer | false | null }>('n-readlines');
          return {
            run() {
              let count = 0;
              const lines = new NReadlines(path());
              for (let line = lines.next(); line; line = lines.next()) if (line.toString() !== null) count++;
              return count;
            },
          };
        },
      },
      simple('wc -l', () => parseInt(spawnSync('wc', ['-l', path()], { encoding: 'utf8' }).stdout)),
    ],
    targets: [
      { contestant: 'lines()', against: 'readline', atMost: 1 / 6 },
      { contestant: 'lines().batches()', against: 'readline', atMost: 1 / 8 },
      { contestant: 'lines(), async', against: 'readline', atMost: 1 / 3 },
      { contestant: 'lines().batches()', against: 'wc -l', atMost: 3 },
    ],
  },
];
