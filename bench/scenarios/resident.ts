/** What a long stream holds of memory and of the address space. */
import fs from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { MappedFile, WindowPool } from 'sliding-mmap';
import { type Contestant, Measured, type Scenario, sized } from '../harness.js';
import { sparse } from '../inputs.js';

const MiB = 2 ** 20;
const bytes = sized(8 * 2 ** 30, 2 ** 30);

/** Calls `step` for each chunk; gives the bytes that were seen. */
type Pass = (path: string, step: (chunk: Uint8Array) => Promise<void>) => Promise<void>;

function contestant(name: string, pass: Pass): Contestant {
  return {
    name,
    ours: !name.startsWith('fs.'),
    prepare: () => ({
      async run() {
        (globalThis as { gc?: () => void }).gc?.();
        await setImmediate();
        const idle = process.memoryUsage.rss();
        let [seen, looked, resident, mapped] = [0, 0, 0, 0];
        await pass(sparse(bytes), async (chunk) => {
          for (let i = 0; i < chunk.length; i += 4096) seen += chunk[i]!; // touches each page
          seen += chunk.length;
          if (seen - looked < 64 * MiB) return;
          looked = seen;
          resident = Math.max(resident, process.memoryUsage.rss());
          const { windowBytes, viewBytes } = WindowPool.default.stats();
          mapped = Math.max(mapped, windowBytes + viewBytes);
        });
        return new Measured(seen, {
          'resident over idle, MiB': (resident - idle) / MiB,
          'address space, MiB': mapped / MiB,
        });
      },
    }),
  };
}

const streams: Contestant[] = [
  contestant('chunks()', async (path, step) => {
    using file = MappedFile.openSync(path);
    for await (const chunk of file.chunks()) await step(chunk);
  }),
  contestant('readable()', async (path, step) => {
    await using file = await MappedFile.open(path);
    for await (const chunk of file.readable()) await step(chunk);
  }),
  contestant('readable(), borrowed', async (path, step) => {
    await using file = await MappedFile.open(path);
    for await (const chunk of file.readable({ borrow: true })) await step(chunk);
  }),
  contestant('createReadStream()', async (path, step) => {
    await using file = await MappedFile.open(path);
    for await (const chunk of file.createReadStream()) await step(chunk as Buffer);
  }),
];

export const scenarios: Scenario[] = [
  {
    name: 'resident',
    title: 'a long file as a stream, every page of it touched',
    work: () => ({ amount: bytes, unit: 'B' }),
    rounds: 2,
    contestants: [
      ...streams,
      contestant('fs.createReadStream', async (path, step) => {
        for await (const chunk of fs.createReadStream(path)) await step(chunk as Buffer);
      }),
    ],
    alone: true,
    targets: streams.flatMap(({ name }) => [
      { contestant: name, figure: 'resident over idle, MiB', atMost: 64 },
      { contestant: name, figure: 'address space, MiB', atMost: WindowPool.default.limit / MiB },
    ]),
  },
];
