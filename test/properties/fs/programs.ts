/** Programs over the surface of node:fs: drawn by fast-check, run on any module of that surface. */
import type nodeFs from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import path from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { promisify } from 'node:util';
import fc from 'fast-check';
import { oracle } from '../../helpers/files.js';

type Fs = typeof nodeFs;

/** How a call is made: blocking, with a callback, or by a promise (of the promisified function or of a handle). */
type Way = 'sync' | 'callback' | 'promise';

interface Range {
  offset: unknown;
  length: unknown;
  position: unknown;
}

export type Step =
  | { do: 'open'; slot: number; name: string; flags: string; way: Way }
  | { do: 'close'; slot: number; way: Way }
  | {
      do: 'reads';
      slot: number;
      way: Way;
      range: Range;
      shape: 'plain' | 'options' | 'object';
      size: number;
      times: number;
    }
  | { do: 'readv'; slot: number; way: Way; sizes: number[]; position: unknown }
  | { do: 'write'; slot: number; way: Way; range: Range; size: number }
  | { do: 'writev'; slot: number; way: Way; sizes: number[]; position: unknown }
  | { do: 'truncate'; slot: number; way: Way; size: number }
  | { do: 'stat'; slot: number; way: Way }
  | { do: 'readFile'; slot: number; way: Way }
  | { do: 'append'; slot: number; way: Way; size: number }
  | { do: 'readStream'; slot: number; start: number | undefined; length: number; highWaterMark: number }
  | { do: 'writeStream'; slot: number; start: number | undefined; size: number }
  | { do: 'rename'; from: string; to: string }
  | { do: 'elsewhere'; name: string; change: 'truncate' | 'write' | 'append' | 'replace'; at: number; size: number };

const names = ['a', 'b'];
const slot = fc.nat({ max: 3 });
const name = fc.constantFrom(...names);
const way = fc.constantFrom<Way>('sync', 'callback', 'promise');
const place = fc.oneof(
  { weight: 6, arbitrary: fc.nat({ max: 9000 }) },
  { weight: 2, arbitrary: fc.constantFrom(4095, 4096, 4097, 8191, 8192) },
);
const position = fc.oneof(
  { weight: 12, arbitrary: place },
  { weight: 3, arbitrary: fc.constantFrom(null, undefined, -1) },
  { weight: 1, arbitrary: place.map(BigInt) },
  { weight: 1, arbitrary: fc.constantFrom(-2, 1.5, NaN, '5', 2 ** 53, {}, -1n, 2n ** 63n) },
);
// node:fs takes odd positions of writes for the cursor, and crashes on some; readv has the same.
const plainPosition = fc.oneof(
  { weight: 5, arbitrary: place },
  { weight: 1, arbitrary: fc.constantFrom(null, undefined) },
);
const range = fc.record({
  offset: fc.oneof({ weight: 8, arbitrary: fc.nat({ max: 20 }) }, fc.constantFrom(undefined, null, -1, 1.5, '1', 400)),
  length: fc.oneof({ weight: 8, arbitrary: fc.nat({ max: 280 }) }, fc.constantFrom(undefined, null, -1, 100000)),
  position,
});
const size = fc.integer({ min: 0, max: 5000 });
const sizes = fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1, maxLength: 3 });

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('open' as const),
      slot,
      name,
      flags: fc.constantFrom('r', 'r', 'r+', 'r+', 'a+', 'w+', 'wx', 'w', 'nonsense'),
      way,
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('close' as const), slot, way }) },
  {
    weight: 12,
    arbitrary: fc.record({
      do: fc.constant('reads' as const),
      slot,
      way,
      range,
      shape: fc.constantFrom('plain', 'plain', 'plain', 'options', 'object' as const),
      size: fc.constantFrom(300, 300, 300, 0),
      times: fc.integer({ min: 1, max: 8 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('readv' as const), slot, way, sizes, position: plainPosition }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('write' as const),
      slot,
      way,
      range: fc.record({
        offset: fc.nat({ max: 20 }),
        length: fc.oneof(fc.nat({ max: 280 }), fc.constantFrom(undefined, -1, 100000)),
        position: plainPosition,
      }),
      size: fc.constant(300),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('writev' as const), slot, way, sizes, position: plainPosition }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('truncate' as const), slot, way, size: fc.nat({ max: 9000 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('stat' as const), slot, way }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('readFile' as const), slot, way }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('append' as const), slot, way, size }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('readStream' as const),
      slot,
      start: fc.option(place, { nil: undefined }),
      length: fc.nat({ max: 9000 }),
      highWaterMark: fc.constantFrom(1000, 65536),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('writeStream' as const),
      slot,
      start: fc.option(place, { nil: undefined }),
      size,
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('rename' as const), from: name, to: name }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('elsewhere' as const),
      name,
      change: fc.constantFrom('truncate', 'write', 'append', 'replace' as const),
      at: fc.nat({ max: 9000 }),
      size: fc.integer({ min: 1, max: 5000 }),
    }),
  },
);

/** Every program begins with an open file of which there is something to read. */
export const program: fc.Arbitrary<Step[]> = fc
  .tuple(way, fc.array(step, { minLength: 5, maxLength: 40 }))
  .map(([first, steps]) => [{ do: 'open', slot: 0, name: 'a', flags: 'r+', way: first }, ...steps]);

type AnyFunction = (...args: unknown[]) => unknown;

/** Runs a program in `folder` and gives what each of its steps did. `other` is node:fs, for what others do. */
export async function run(fs: Fs, other: Fs, folder: string, steps: readonly Step[]): Promise<unknown[]> {
  const slots: Array<number | FileHandle | undefined> = [];
  const file = (which: string): string => path.join(folder, which);
  for (const which of names) other.writeFileSync(file(which), oracle(0, 8500));

  /** Calls `base` on what the slot holds: a method of a handle, or a function of the module in one of three ways. */
  function call(holder: number | FileHandle, base: string, how: Way, args: unknown[]): unknown {
    if (typeof holder === 'object') return (holder as unknown as Record<string, AnyFunction>)[base]?.(...args);
    const prefix = base === 'truncate' || base === 'stat' ? `f${base}` : base;
    const functions = fs as unknown as Record<string, AnyFunction>;
    if (how === 'sync') return functions[`${prefix}Sync`]?.(holder, ...args);
    if (how === 'promise') return (promisify as (f: unknown) => AnyFunction)(functions[prefix])(holder, ...args);
    return new Promise((resolve, reject) => {
      functions[prefix]?.(holder, ...args, (error: Error | null, ...results: unknown[]) =>
        error ? reject(error) : resolve(results),
      );
    });
  }

  function closing(holder: number | FileHandle, how: Way): unknown {
    return call(holder, 'close', how, []);
  }

  async function perform(now: Step): Promise<unknown> {
    switch (now.do) {
      case 'open': {
        const old = slots[now.slot];
        slots[now.slot] = undefined;
        if (old !== undefined) await closing(old, now.way);
        if (now.way === 'sync') slots[now.slot] = fs.openSync(file(now.name), now.flags);
        else if (now.way === 'callback') slots[now.slot] = await promisify(fs.open)(file(now.name), now.flags);
        else slots[now.slot] = await fs.promises.open(file(now.name), now.flags);
        return 'opened';
      }
      case 'rename':
        fs.renameSync(file(now.from), file(now.to));
        return 'renamed';
      case 'elsewhere': {
        const target = file(now.name);
        if (now.change === 'truncate') other.truncateSync(target, now.at);
        else if (now.change === 'append') other.appendFileSync(target, oracle(now.at, now.size));
        else if (now.change === 'replace') other.writeFileSync(target, oracle(now.at, now.size));
        else {
          const fd = other.openSync(target, 'r+');
          other.writeSync(fd, oracle(now.size, 100), 0, 100, now.at);
          other.closeSync(fd);
        }
        return 'changed';
      }
      default:
    }
    const holder = slots[now.slot];
    if (holder === undefined) return 'nothing there';
    switch (now.do) {
      case 'close':
        slots[now.slot] = undefined;
        return closing(holder, now.way);
      case 'reads': {
        const results: unknown[] = [];
        for (let i = 0; i < now.times; i++) {
          const buffer = Buffer.alloc(now.size, 0xee);
          const { offset, length, position: from } = now.range;
          const at = typeof from === 'number' && from >= 0 ? from + 37 * i : from;
          const args =
            now.shape === 'plain'
              ? [buffer, offset, length, at]
              : now.shape === 'options' || now.way === 'sync'
                ? [buffer, { offset, length, position: at }]
                : [{ buffer, offset, length, position: at }];
          try {
            results.push(await call(holder, 'read', now.way, args), buffer.toString('latin1'));
          } catch (error) {
            results.push(told(error));
          }
        }
        return results;
      }
      case 'readv': {
        const buffers = now.sizes.map((length) => Buffer.alloc(length, 0xee));
        return [await call(holder, 'readv', now.way, [buffers, now.position]), buffers];
      }
      case 'write': {
        const { offset, length, position: at } = now.range;
        return call(holder, 'write', now.way, [oracle(77, now.size), offset, length, at]);
      }
      case 'writev': {
        const buffers = now.sizes.map((length, i) => oracle(i * 1000, length));
        return call(holder, 'writev', now.way, [buffers, now.position]);
      }
      case 'truncate':
        return call(holder, 'truncate', now.way, [now.size]);
      case 'stat': {
        const found = await call(holder, 'stat', now.way, []);
        return (Array.isArray(found) ? (found[0] as nodeFs.Stats) : (found as nodeFs.Stats)).size;
      }
      case 'readFile':
        return call(holder, 'readFile', now.way, []);
      case 'append':
        return call(holder, 'appendFile', now.way, [oracle(5, now.size)]);
      case 'readStream': {
        const { start, highWaterMark } = now;
        const options = { start, end: (start ?? 0) + now.length, highWaterMark };
        slots[now.slot] = undefined; // streams close what they are given
        const stream =
          typeof holder === 'object'
            ? holder.createReadStream(options)
            : fs.createReadStream('', { ...options, fd: holder });
        const chunks: Buffer[] = [];
        stream.on('data', (chunk) => chunks.push(chunk as Buffer));
        await closed(stream);
        return Buffer.concat(chunks);
      }
      case 'writeStream': {
        const options = { start: now.start };
        slots[now.slot] = undefined;
        const stream =
          typeof holder === 'object'
            ? holder.createWriteStream(options)
            : fs.createWriteStream('', { ...options, fd: holder });
        stream.write(oracle(3, now.size));
        stream.end(oracle(9, 50));
        await closed(stream);
        return stream.bytesWritten;
      }
      default:
        return undefined;
    }
  }

  function closed(stream: Readable | Writable): Promise<void> {
    return new Promise((resolve, reject) => {
      let failure: Error | undefined;
      stream.on('error', (error) => (failure = error));
      stream.on('close', () => (failure === undefined ? resolve() : reject(failure)));
    });
  }

  function told(error: unknown): unknown {
    const { name: kind, message, code, errno, syscall } = error as NodeJS.ErrnoException;
    return { kind, message: message.replaceAll(folder, '…'), code, errno, syscall };
  }

  const log: unknown[] = [];
  try {
    for (const now of steps) {
      try {
        log.push([now.do, await perform(now)]);
      } catch (error) {
        log.push([now.do, told(error)]);
      }
    }
  } finally {
    for (const holder of slots) if (holder !== undefined) await closing(holder, 'callback');
  }
  for (const which of names) log.push(other.existsSync(file(which)) && other.readFileSync(file(which)));
  return log;
}
