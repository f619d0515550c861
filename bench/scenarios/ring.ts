/** Messages of 64 bytes from one process to another. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { fileURLToPath } from 'node:url';
import { MappedFile } from 'sliding-mmap';
import { SharedRing } from 'sliding-mmap/sync';
import { type Contestant, type Scenario, sized } from '../harness.js';
import { scratch } from '../inputs.js';

const messages = sized(200_000, 50_000);
const length = 64;
const reader = fileURLToPath(new URL('../message-reader.js', import.meta.url));

async function sum(child: ChildProcess): Promise<number> {
  const [answer] = (await once(child, 'message')) as [{ sum: number }];
  return answer.sum;
}

/** Sends a round's messages, each of which begins with a letter of its own. */
type Send = (letter: number) => void | Promise<void>;

async function round(child: ChildProcess, send: Send): Promise<number> {
  const total = sum(child);
  for (let i = 0; i < messages; i++) {
    const sent = send(97 + (i % 26));
    if (sent !== undefined) await sent;
  }
  return total;
}

function ring(way: 'sync' | 'async'): Contestant {
  return {
    name: way === 'sync' ? 'pushSync(), shiftSync()' : 'push(), shift()',
    prepare() {
      const path = scratch(`ring-${way}`);
      fs.writeFileSync(path, new Uint8Array(2 ** 20));
      const file = MappedFile.openSync(path, 'r+');
      const ring = new SharedRing(file);
      const child = fork(reader, [String(messages), path, way]);
      const record = Buffer.alloc(length, 'x');
      return {
        run: () =>
          round(child, (letter) => {
            record[0] = letter;
            return way === 'sync' ? ring.pushSync(record) : ring.push(record);
          }),
        async close() {
          const ended = once(child, 'exit');
          ring.end();
          await ended;
          file.closeSync();
          fs.rmSync(path);
        },
      };
    },
  };
}

function channel(serialization: 'json' | 'advanced'): Contestant {
  return {
    name: `child.send(), ${serialization}`,
    prepare() {
      const child = fork(reader, [String(messages)], { serialization });
      const record = Buffer.alloc(length, 'x');
      return {
        run: () =>
          round(child, (letter) => {
            record[0] = letter;
            // JSON has no bytes: a string is what costs least.
            child.send(serialization === 'json' ? record.toString('latin1') : record);
          }),
        close: () => void child.kill(),
      };
    },
  };
}

const ours = ['pushSync(), shiftSync()', 'push(), shift()'];
const theirs = ['child.send(), json', 'child.send(), advanced'];

export const scenarios: Scenario[] = [
  {
    name: 'ring/messages',
    title: `send messages of ${length} bytes to another process`,
    work: () => ({ amount: messages, unit: 'message' }),
    contestants: [ring('sync'), ring('async'), channel('json'), channel('advanced')],
    alone: true,
    targets: ours.flatMap((contestant) => theirs.map((against) => ({ contestant, against, atMost: 1 / 5 }))),
  },
];
