/** Works while one of the language's own functions is another: `replaced.program.js FOLDER`. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { MappedFile, WindowPool } from 'sliding-mmap';
import { attempt, attemptAsync } from '../helpers/errors.js';
import { byteAt, oracle } from '../helpers/files.js';
import { granule } from '../helpers/sizes.js';

const folder = process.argv[2] as string;
const size = 20 * granule + 99;
const typedArray = Object.getPrototypeOf(Uint8Array.prototype) as object;
type Patch = (kept: ArrayBufferView[]) => [object, PropertyKey, PropertyDescriptor];
type Method = (this: ArrayBufferView, ...args: unknown[]) => unknown;

/** Calls the original, and keeps the arrays that it sees. */
function spying(holder: object, name: string): Patch {
  const original = Reflect.get(Uint8Array.prototype, name) as Method;
  return (kept) => [
    holder,
    name,
    {
      value(this: ArrayBufferView, ...args: unknown[]) {
        kept.push(this, ...args.filter((arg) => ArrayBuffer.isView(arg)));
        return original.apply(this, args);
      },
    },
  ];
}

const boom = (): never => {
  throw new Error('boom');
};

const patches: Record<string, Patch> = {
  set: spying(typedArray, 'set'),
  subarray: spying(typedArray, 'subarray'),
  slice: spying(typedArray, 'slice'),
  indexOf: spying(typedArray, 'indexOf'),
  'a constructor that takes the memory away': (kept) => [
    Uint8Array.prototype,
    'constructor',
    {
      value: class extends Uint8Array {
        constructor(...args: unknown[]) {
          super(...(args as [ArrayBuffer]));
          kept.push(this);
          const [buffer] = args;
          if (buffer instanceof ArrayBuffer) attempt(() => structuredClone(buffer, { transfer: [buffer] }));
        }
      },
    },
  ],
  species: (kept) => [
    Uint8Array,
    Symbol.species,
    {
      value: class extends Uint8Array {
        constructor(...args: unknown[]) {
          super(...(args as [ArrayBuffer]));
          kept.push(this);
        }
      },
    },
  ],
  'a setter of index 0': () => [Array.prototype, '0', { get: () => 5, set: boom }],
  then: () => [Object.prototype, 'then', { get: boom }],
  get: () => [Object.prototype, 'get', { value: 7, writable: true }],
  iteration: () => [Array.prototype, Symbol.iterator, { value: boom }],
  promises: () => [Promise.prototype, 'then', { value: boom }],
  'lookups that find nothing': () => [Map.prototype, 'get', { value: () => undefined }],
  'references to nothing': () => [WeakRef.prototype, 'deref', { value: () => undefined }],
  'nonsense from Math.min': () => [Math, 'min', { value: () => 2 ** 40 }],
};

process.on('uncaughtException', () => {});
process.on('unhandledRejection', () => {});

async function use(file: MappedFile): Promise<void> {
  const calls: Array<() => unknown> = [
    () => file.getUint32(5),
    () => file.readSync(Buffer.alloc(9000), 0, 9000, 7),
    () => file.read(Buffer.alloc(9000), 0, 9000, 7),
    () => file.indexOf(oracle(19 * granule, 30)),
    () => file.lastIndexOf('not there'),
    () => [...file.lines({ encoding: 'latin1' })],
    () => file.split(3),
    async () => {
      for await (const chunk of file.chunks({ chunkSize: 1000 })) void chunk[0];
    },
    () => file.readable().getReader().read(),
    () => file.view(5, 500).dispose(),
    () => file.write(oracle(0, 100), 0, 100, 0),
    () => file.setUint8(3, byteAt(3)),
    () => file.view(0, 2 ** 50),
    () => file.flush(),
  ];
  for (const call of calls) await attemptAsync(async () => call());
}

for (const [name, patch] of Object.entries(patches)) {
  for (const small of [false, true]) {
    // One for each: on Windows a file is not written anew while something of it is mapped.
    const path = `${folder}/${name} ${small}`;
    fs.writeFileSync(path, oracle(0, size));
    const pool = new WindowPool({ limit: 16 * granule });
    const file = MappedFile.openSync(path, 'r+', small ? { windowSize: 1, pool } : {});
    const kept: ArrayBufferView[] = [];
    const [holder, key, descriptor] = patch(kept);
    const before = Object.getOwnPropertyDescriptor(holder, key);
    Object.defineProperty(holder, key, { __proto__: null, ...descriptor, configurable: true } as PropertyDescriptor);
    // Nothing that the runtime does for an await of ours may throw: without one, then, until the patch is undone.
    const done = attempt(() => use(file)).result as Promise<void> | undefined;
    await undoneAfterwards(done, () => {
      if (before === undefined) Reflect.deleteProperty(holder, key);
      else Object.defineProperty(holder, key, before);
    });
    // Whatever was got hold of: it is looked at, given away, looked at after the end.
    const look = (): void => {
      for (const array of kept) attempt(() => new Uint8Array(array.buffer)[0]);
    };
    look();
    for (const { buffer } of kept) {
      if (buffer instanceof ArrayBuffer) attempt(() => structuredClone(buffer, { transfer: [buffer] }));
    }
    attempt(() => file.getUint8(0));
    attempt(() => file.closeSync());
    look();
    {
      using anew = MappedFile.openSync(path, 'r');
      assert.ok(anew.sliceSync().equals(oracle(0, size)), `${name}: the file is what it was`);
    }
  }
}
console.log('survived');

async function undoneAfterwards(done: Promise<void> | undefined, undo: () => void): Promise<void> {
  const limit = new Promise((resolve) => setTimeout(resolve, 300).unref());
  try {
    await Promise.race([done, limit]);
  } catch {
    // The patch reached this one, too.
  } finally {
    undo();
  }
}
