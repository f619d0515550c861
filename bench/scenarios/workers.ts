/** Several threads that read one file, each with an opening of its own. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { type Contestant, type Scenario, sized } from '../harness.js';
import { binary } from '../inputs.js';
import type { ReaderTask } from '../reader.worker.js';

const bytes = sized(2 ** 30, 2 ** 28);
const reads = sized(1_000_000, 200_000);
const threads = 4;

function contestant(by: ReaderTask['by']): Contestant {
  return {
    name: by,
    ours: by === 'MappedFile',
    prepare: () => ({
      async run() {
        const sums = Array.from({ length: threads }, async (_, i) => {
          const workerData: ReaderTask = { by, path: binary(bytes), seed: i * reads, reads };
          const worker = new Worker(new URL('../reader.worker.js', import.meta.url), { workerData });
          const ended = once(worker, 'exit'); // which may come together with the message
          const [sum] = (await once(worker, 'message')) as [number];
          await ended;
          return sum;
        });
        return await Promise.all(sums);
      },
    }),
  };
}

export const scenarios: Scenario[] = [
  {
    name: 'workers',
    title: `64 bytes at random places, by ${threads} threads at a time, which are started for it`,
    work: () => ({ amount: threads * reads, unit: 'op' }),
    setUp: () => void binary(bytes),
    contestants: [contestant('MappedFile'), contestant('fs')],
    alone: true,
    targets: [{ contestant: 'MappedFile', against: 'fs', atMost: 1 / 2 }],
  },
];
