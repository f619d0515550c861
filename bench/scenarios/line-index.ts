/** Counting and finding lines. */
import { execFileSync, spawnSync } from 'node:child_process';
import { MappedFile } from 'sliding-mmap';
import { type Scenario, sized } from '../harness.js';
import { log } from '../inputs.js';

const bytes = sized(2 ** 30, 2 ** 28);

export const scenarios: Scenario[] = [
  {
    name: 'line-index/build',
    title: 'an index of the lines of a log in memory; counting them, for comparison',
    work: () => ({ amount: bytes, unit: 'B' }),
    setUp: () => void log(bytes),
    contestants: [
      {
        name: 'lineIndex',
        ours: true,
        prepare() {
          const file = MappedFile.openSync(log(bytes));
          return { run: async () => (await file.lineIndex()).lineCount, close: () => file.closeSync() };
        },
      },
      {
        name: 'wc -l',
        unavailable: () => (spawnSync('wc', ['-l', '/dev/null']).status === 0 ? undefined : 'there is no wc'),
        prepare: () => ({ run: () => parseInt(execFileSync('wc', ['-l', log(bytes)], { encoding: 'utf8' }), 10) }),
      },
    ],
    targets: [{ contestant: 'lineIndex', against: 'wc -l', atMost: 1.5 }],
  },
];
