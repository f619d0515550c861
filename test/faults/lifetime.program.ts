/** Things that end at odd moments: `node --expose-gc lifetime.program.js SCENARIO PATH TIMES SEED`. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { setImmediate as turn, setTimeout as delay } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { MappedFile, type MappedView, WindowPool } from 'sliding-mmap';
import { native } from '#src/native.js';
import { collect as collectAll } from '../helpers/collect.js';
import { attemptAsync, codeOf } from '../helpers/errors.js';
import { byteAt, oracle } from '../helpers/files.js';
import { Random } from '../torture/support.js';

const [scenario, path, times, seed] = process.argv.slice(2) as [string, string, string, string];
const count = Number(times);
const random = new Random(Number(seed));
const collect = (globalThis as unknown as { gc: () => void }).gc;
const size = 600_000;

process.on('unhandledRejection', (error) => {
  console.error('unhandled rejection', error);
  process.exit(1);
});

function open(limit = 2 ** 20): MappedFile {
  const pool = new WindowPool({ limit });
  return MappedFile.openSync(path, 'r+', { ...(random.chance(0.5) && { windowSize: 8192, pool }) });
}

function isOracle(bytes: Uint8Array, position: number): void {
  if (bytes.length === 0) return;
  const i = random.below(bytes.length);
  assert.equal(bytes[i], byteAt(position + i));
  assert.equal(bytes.at(-1), byteAt(position + bytes.length - 1));
}

type Operation = (file: MappedFile) => unknown;

const operations: Record<string, Operation> = {
  read: async (file) => {
    const position = random.below(size);
    const { bytesRead, buffer } = await file.read(Buffer.alloc(100_000), 0, 100_000, position);
    isOracle(buffer.subarray(0, bytesRead), position);
  },
  slice: async (file) => isOracle(await file.slice(1000, 200_000), 1000),
  write: (file) => file.write(oracle(5000, 90_000), 0, 90_000, 5000),
  writev: (file) => file.writev([oracle(0, 10), oracle(10, 4000)], 0),
  flush: (file) => file.flush(),
  truncate: (file) => file.truncate(size),
  stat: (file) => file.stat(),
  prefetch: (file) => file.prefetch(),
  lines: async (file) => {
    for await (const line of file.lines({ encoding: 'latin1' })) if (line.length > 1000) break;
  },
  chunks: async (file) => {
    let position = 0;
    for await (const chunk of file.chunks({ chunkSize: 70_000 })) {
      isOracle(chunk, position);
      position += chunk.length;
      await turn();
    }
  },
  readable: async (file) => {
    let position = 0;
    for await (const chunk of file.readable({ chunkSize: 50_000 })) {
      isOracle(chunk, position);
      position += chunk.length;
      await turn();
    }
  },
  'readable, borrowing': async (file) => {
    for await (const chunk of file.readable({ chunkSize: 50_000, borrow: true })) void chunk[0];
  },
  writable: async (file) => {
    const writer = file.writable({ start: 100 }).getWriter();
    writer.closed.catch(() => {});
    writer.ready.catch(() => {});
    await writer.write(oracle(100, 50_000));
    await writer.close();
  },
  createReadStream: async (file) => {
    for await (const chunk of file.createReadStream({ highWaterMark: 30_000 })) assert.ok(chunk instanceof Buffer);
  },
  createWriteStream: (file) =>
    new Promise((resolve, reject) => {
      file.createWriteStream({ start: 100 }).on('error', reject).on('close', resolve).end(oracle(100, 5000));
    }),
  'view.flush': (file) => {
    const view = file.view(4000, 300_000);
    view.bytes[0] = byteAt(4000);
    return view.flush();
  },
};

/** What an operation on a file that is closed meanwhile rejects with, of ours and of the two kinds of streams. */
const ofClosedFile = new Set<unknown>(['ERR_MAPPED_FILE_CLOSED', 'ERR_STREAM_PREMATURE_CLOSE', 'ERR_INVALID_STATE']);

/** Views that were dropped count until they are collected: what is refused for them comes to its end after that. */
async function withRoom(operation: () => unknown, letGo: () => void): Promise<void> {
  for (let tries = 0; ; tries++) {
    const { error } = await attemptAsync(async () => operation());
    if (error === undefined) return;
    assert.ok(error.code === 'ERR_MAPPED_FILE_BUDGET' && tries < 50, error.message);
    letGo();
    await collectAll();
  }
}

const scenarios: Record<string, () => Promise<unknown>> = {
  /** Every asynchronous operation, with the file closed at any moment of it: it finishes or rejects. */
  async 'close while pending'() {
    for (let i = 0; i < count; i++) {
      // Room for the chunks that all the operations together may hold: a refusal is none of the expected ends.
      const file = open(2 ** 22);
      const chosen = Array.from({ length: 1 + random.below(5) }, () => random.pick(Object.values(operations)));
      const pending = chosen.map((operation) => attemptAsync(async () => operation(file)));
      for (let turns = random.below(4); turns > 0; turns--) await turn();
      if (random.chance(0.2)) collect();
      if (random.chance(0.5)) await file.close();
      else file.closeSync();
      for (const { error } of await Promise.all(pending)) {
        if (error !== undefined) assert.ok(ofClosedFile.has(error.code), error.message);
      }
      assert.equal(
        codeOf(() => file.getUint8(0)),
        'ERR_MAPPED_FILE_CLOSED',
      );
    }
  },

  /** Collections at any moment, of files, views, buffers and streams that are in use or were dropped. */
  async collections() {
    let file: MappedFile | undefined;
    let views: MappedView[] = [];
    const arrays: Array<{ bytes: Uint8Array; position: number }> = [];
    for (let i = 0; i < count; i++) {
      if (file === undefined || file.closed || random.chance(0.02)) file = open();
      switch (random.below(9)) {
        case 0: {
          const position = random.below(size - 10_000);
          const { error } = await attemptAsync(async () => {
            const view = (file as MappedFile).view(position, position + 1 + random.below(9000));
            if (random.chance(0.5)) views.push(view);
            // An array outlives its view object, and the file.
            if (random.chance(0.5)) arrays.push({ bytes: view.bytes, position });
          });
          assert.ok(error === undefined || error.code === 'ERR_MAPPED_FILE_BUDGET', error?.message);
          break;
        }
        case 1:
          if (random.chance(0.3)) views.splice(random.below(views.length + 1), 1)[0]?.dispose();
          else views = views.slice(-20);
          break;
        case 2: {
          const current = file;
          const operation = random.pick(Object.values(operations));
          await withRoom(
            () => operation(current),
            () => {
              views = [];
              arrays.length = 0;
            },
          );
          break;
        }
        case 3:
          attemptAsync(async () => random.pick(Object.values(operations))(file as MappedFile)).catch(() => {});
          break;
        case 4:
          if (random.chance(0.1)) file.closeSync();
          if (random.chance(0.3)) file = undefined;
          break;
        case 5:
          if (arrays.length > 50) arrays.splice(0, 25);
          for (const { bytes, position } of arrays) isOracle(bytes, position);
          break;
        case 6:
          await turn();
          break;
        default:
          file.getUint32(random.below(size - 4));
      }
      if (random.chance(0.3)) collect();
    }
    file?.closeSync();
  },

  /** What a caller's own code throws comes back as it is, and leaves nothing behind. */
  async exceptions() {
    for (let i = 0; i < count; i++) {
      await using file = open();
      const thrown = new Error('thrown by the caller');
      const fail = (): never => {
        throw thrown;
      };
      const throwing = { get: fail } as const;
      const calls: Operation[] = [
        () => file.read(Object.defineProperty({}, 'buffer', throwing)),
        () => file.readSync(Buffer.alloc(9), Object.defineProperty({}, 'offset', throwing)),
        () => file.lines(Object.defineProperty({}, 'encoding', throwing)),
        () => file.readable(Object.defineProperty({}, 'chunkSize', throwing)),
        () => file.view(0, 10, Object.defineProperty({}, 'access', throwing)),
        () => {
          for (const line of file.lines({ encoding: 'latin1' })) fail.call(line);
        },
        async () => {
          for await (const chunk of file.chunks({ chunkSize: 1000 })) fail.call(chunk);
        },
        async () => {
          for await (const chunk of file.readable()) fail.call(chunk);
        },
        async () => {
          for await (const chunk of file.createReadStream()) fail.call(chunk);
        },
        () => file.readable().pipeTo(new WritableStream({ write: fail })),
        () => new ReadableStream({ pull: fail }).pipeTo(file.writable()),
      ];
      await assert.rejects(
        async () => random.pick(calls)(file),
        (error) => error === thrown,
      );
      assert.equal(file.getUint8(7), byteAt(7));
    }
  },

  async workers() {
    const file = new URL('./busy.worker.js', import.meta.url);
    for (let i = 0; i < count; i++) {
      const worker = new Worker(file, { workerData: { task: 'everything', path, size } });
      if (random.chance(0.9)) await new Promise((resolve) => worker.once('message', resolve));
      await delay(random.below(25));
      await worker.terminate();
    }
  },
};

fs.writeFileSync(path, oracle(0, size));
await (scenarios[scenario] as () => Promise<unknown>)();
/** The descriptors that are open on the file. */
function descriptors(): string[] {
  return fs.readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      return fs.readlinkSync(`/proc/self/fd/${fd}`) === path ? [fd] : [];
    } catch {
      return [];
    }
  });
}

// A file that was dropped may have nothing mapped and be open still, until it is collected.
for (let i = 0; i < 200 && (native.mappingCount() > 0 || descriptors().length > 0); i++) {
  collect();
  await delay(10);
}
assert.equal(native.mappingCount(), 0, 'all address space is back');
assert.deepEqual(descriptors(), [], 'all descriptors are closed');
assert.ok(fs.readFileSync(path).equals(oracle(0, size)), 'the file is what it was');
console.log('survived');
