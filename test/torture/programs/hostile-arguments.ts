/**
 * Calls every public method with hostile values, in an empty working directory: `hostile-arguments SEED CALLS`. Prints
 * what it did as JSON; complaints are errors that no caller was promised.
 */
import { Blob } from 'node:buffer';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import { Readable, Writable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { inspect, isDeepStrictEqual } from 'node:util';
import * as library from 'sliding-mmap';
import { type FileLock, MappedFile, MappedFileError, MappedView, WindowPool } from 'sliding-mmap';
import * as sync from 'sliding-mmap/sync';
import { native } from '#src/native.js';
import { HostileValues } from '../hostile-values.js';
import { Random } from '../support.js';
import { surface } from '../surface.js';

const [seed, calls] = process.argv.slice(2).map(Number) as [number, number];
const random = new Random(seed);
const thrown = new Set<unknown>();
const complaints: string[] = [];
/** How often each member was called, by names as in the surface. */
const perMethod = new Map<string, number>();
let called = 0;
let rejected = 0;

const content = Buffer.alloc(20_000);
for (let i = 0; i < content.length; i++) content[i] = i % 97 === 0 ? 10 : 32 + (i % 90);
const largest = 2 ** 20;

let file: MappedFile;
let views: MappedView[] = [];
/** Other objects that were made and have calls of their own. */
let made: Array<{ known: Known; object: object }> = [];

function reopen(): void {
  fs.writeFileSync('data', content);
  file = MappedFile.openSync('data', random.chance(0.8) ? 'r+' : random.pick(['r', 'a+']), {
    ...(random.chance(0.5) && { windowSize: 1, pool: new WindowPool({ limit: 16 * native.granularity }) }),
    ...(random.chance(0.2) && { strict: true }),
    ...(random.chance(0.1) && { backing: 'read' as const }),
  });
}

const values = new HostileValues(random, {
  strike(): void {
    switch (random.below(5)) {
      case 0:
        quietly(() => file.closeSync());
        break;
      case 1:
        quietly(() => random.pick(views)?.dispose());
        break;
      case 2:
        quietly(() => file.truncateSync(random.pick([0, 100, 4096, 9000])));
        break;
      case 3:
        void file.close().catch(() => {});
        break;
      default: {
        const buffer = values.found.at(-1)?.buffer;
        if (buffer instanceof ArrayBuffer) quietly(() => structuredClone(buffer, { transfer: [buffer] }));
      }
    }
  },
  thrown: (error) => thrown.add(error),
});

function quietly(run: () => unknown): void {
  try {
    run();
  } catch {
    // Whether it could be done matters to nobody.
  }
}

const promised = new Set([
  'ERR_INVALID_ARG_TYPE',
  'ERR_INVALID_ARG_VALUE',
  'ERR_OUT_OF_RANGE',
  'ERR_INVALID_STATE',
  'ERR_INVALID_THIS',
  'ERR_INVALID_URL',
  'ERR_INVALID_URL_SCHEME',
  'ERR_INVALID_FILE_URL_PATH',
  'ERR_UNKNOWN_ENCODING',
  'ERR_STREAM_DESTROYED',
  'ERR_STREAM_PREMATURE_CLOSE',
  'ERR_STREAM_WRITE_AFTER_END',
  'ERR_STREAM_NULL_VALUES',
]);

/**
 * What the engine throws in the name of a caller's object that is asked for a property, as a getter of its own might, or
 * of a class that was passed as a callback.
 */
const objectThrows =
  /^Cannot perform .+ on a (detached ArrayBuffer|proxy that has been revoked)$|called on incompatible receiver|(without|requires) 'new'$/;

/** What a caller may get: see the contract. */
function isPromised(error: unknown): boolean {
  if (thrown.has(error)) return true;
  if (!(error instanceof Error)) return false;
  const { code, errno, syscall } = error as NodeJS.ErrnoException;
  if (error instanceof AggregateError) return error.errors.every(isPromised); // a stream that was destroyed twice
  if (error instanceof MappedFileError) return /^ERR_MAPPED_FILE_[A-Z_]+$/.test(error.code);
  if (error.name === 'AbortError') return true;
  if (typeof errno === 'number') return typeof code === 'string' && typeof syscall === 'string';
  if (code !== undefined) return promised.has(code);
  if (!(error instanceof TypeError)) return false;
  // What cannot be converted: the same in node:fs, which the oracle's tests hold it to, and in Blob.
  return objectThrows.test(error.message) || /^\s+at (readLength|clamped|mediaType) /m.test(error.stack ?? '');
}

/** How a member is called: on what it belongs to, or on what it does not belong to. */
type Manner = 'right' | 'wrong';

function judge(what: string, error: unknown, manner: Manner = 'right'): void {
  rejected++;
  if (isPromised(error)) return;
  // The engine refuses what has not the class's private fields.
  if (manner === 'wrong' && (error instanceof TypeError || error instanceof RangeError)) return;
  const text = error instanceof Error ? `${error.stack}` : inspect(error);
  if (complaints.length < 20) complaints.push(`${what}: ${text}`);
}

process.on('unhandledRejection', (error) => judge('unhandled rejection', error));
process.on('uncaughtException', (error) => judge('uncaught exception', error));

/** Looks at what a call gave, as far as is needed for it to do its work, and ends it. */
async function consume(what: string, result: unknown): Promise<void> {
  const known = classOf(result);
  // A walk over a hole of terabytes, as memory that nobody wrote to is one, comes to its end, but not while a test waits.
  const isEndless = result instanceof MappedFile && (result.size ?? 0) > 2 ** 30;
  if (known !== undefined && !(result instanceof MappedView) && !isEndless && random.chance(0.3)) {
    await callMember(known, result);
  }
  if (lasting.has(known?.name)) {
    made.push({ known: known!, object: result as object });
    if (made.length > 8) made.shift();
  }
  if (result instanceof MappedView) {
    values.found.push(result.bytes);
    if (values.found.length > 8) values.found.shift();
    views.push(result);
    if (result.length > 0 && random.chance(0.5)) result.bytes[random.below(result.length)] = 1;
    if (views.length > 8) views.shift()?.dispose();
    if (random.chance(0.5)) await callMember(classOf(result) as Known, result);
  } else if (result instanceof MappedFile) {
    if (random.chance(0.2) && !result.closed) quietly(() => result.readSync(Buffer.alloc(10), 0, 10, 0));
    result.closeSync();
    const { path } = result;
    if (path?.startsWith('/dev/shm/')) quietly(() => fs.unlinkSync(path));
  } else if (result instanceof ReadableStream) {
    await consumeReadable(result as ReadableStream<Uint8Array>);
  } else if (result instanceof WritableStream) {
    await consumeWritable(result);
  } else if (result instanceof Readable || result instanceof Writable) {
    await consumeNode(what, result);
  } else if (known?.name === 'FileLock') {
    (result as FileLock).release(); // the next one would wait for it
  } else if (typeof result === 'object' && result !== null) {
    await consumeIterable(result);
  }
}

/** Classes whose objects are used more than once. */
const lasting = new Set<string | undefined>([
  ...['LineIndex', 'FileBlob', 'Matches', 'MutexGuard'],
  ...['SharedMutex', 'SharedSemaphore', 'SharedCondition', 'SharedBarrier', 'SharedRing'],
]);

/** What may wait for ever. */
const waiting = new Set([
  ...['sync.wait', 'SharedMutex.lock', 'SharedSemaphore.acquire', 'SharedCondition.wait', 'SharedBarrier.wait'],
  ...['SharedRing.push', 'SharedRing.shift'],
]);

/** What may block for ever, by the place of the argument that limits it. */
const blocking: Readonly<Record<string, number>> = {
  'sync.waitSync': 3,
  'SharedMutex.lockSync': 0,
  'SharedSemaphore.acquireSync': 0,
  'SharedCondition.waitSync': 1,
  'SharedBarrier.waitSync': 0,
  'SharedRing.pushSync': 1,
  'SharedRing.shiftSync': 0,
};

/** Resolves with `undefined` when something that may wait for ever does not come soon. */
async function soon<T>(waited: Promise<T>): Promise<T | undefined> {
  waited.catch(() => {});
  const timer = new AbortController();
  const late = delay(10, undefined, { signal: timer.signal }).catch(() => undefined);
  try {
    return await Promise.race([waited, late]);
  } finally {
    timer.abort();
  }
}

async function consumeReadable(stream: ReadableStream<Uint8Array>): Promise<void> {
  let reader: ReadableStreamDefaultReader<Uint8Array> | ReadableStreamBYOBReader;
  try {
    reader = stream.getReader({ mode: 'byob' });
  } catch {
    reader = stream.getReader();
  }
  reader.closed.catch(() => {});
  for (let i = random.below(3); i >= 0; i--) {
    const target = new Uint8Array(random.pick([1, 100, 5000]));
    const read = (reader.read as (target: Uint8Array) => Promise<{ done: boolean }>).call(reader, target);
    const step = await soon(read); // a followed file may have no more
    if (step?.done) return;
    if (random.chance(0.1)) quietly(() => file.closeSync());
  }
  await reader.cancel();
}

async function consumeWritable(stream: WritableStream): Promise<void> {
  const writer = stream.getWriter();
  writer.closed.catch(() => {});
  writer.ready.catch(() => {});
  const writes: Array<Promise<void>> = [];
  for (let i = random.below(3); i >= 0; i--) writes.push(writer.write(values.any()));
  for (const write of writes) write.catch(() => {});
  if (random.chance(0.3)) quietly(() => file.closeSync());
  const written = await soon(Promise.all(writes)); // a full ring takes nothing until somebody shifts
  await (written !== undefined && random.chance(0.5) ? writer.close() : writer.abort());
}

function consumeNode(what: string, stream: Readable | Writable): Promise<void> {
  return new Promise((resolve) => {
    stream.on('error', (error) => judge(what, error)).on('close', resolve);
    // A caller may ask for no 'close'.
    setImmediate(() => setImmediate(() => resolve(void quietly(() => stream.destroy()))));
    quietly(() => (stream instanceof Readable ? stream.read(random.pick([0, 1, 5000])) : stream.write('abc')));
    if (stream instanceof Writable) quietly(() => stream.end());
  });
}

async function consumeIterable(result: object): Promise<void> {
  const iterable = result as Partial<Iterable<unknown> & AsyncIterable<unknown>> & { batches?: () => typeof iterable };
  const from = typeof iterable.batches === 'function' && random.chance(0.5) ? iterable.batches() : iterable;
  const asynchronously = random.chance(0.5);
  const begin = (asynchronously ? from[Symbol.asyncIterator] : from[Symbol.iterator]) as (() => Steps) | undefined;
  if (typeof begin !== 'function' || ArrayBuffer.isView(result) || Array.isArray(result)) return;
  const iterator = begin.call(from);
  const ofIterator = classOf(iterator);
  if (ofIterator !== undefined) await callMember(ofIterator, iterator);
  for (let left = 1 + random.below(4); left > 0; left--) {
    const step = iterator.next();
    if (random.chance(0.1)) quietly(() => file.closeSync());
    if ((await soon(Promise.resolve(step)))?.done) return;
  }
  await iterator.return?.();
}

/** An iterator of either kind. */
interface Steps {
  next(): { done?: boolean } | Promise<{ done?: boolean }>;
  return?(): unknown;
}

type Method = (...args: unknown[]) => unknown;
type Class = new (...args: unknown[]) => object;

/** A class of the library, with what is called of it: a method, or the getter of a property. */
interface Known {
  readonly name: string;
  readonly constructor: Class;
  readonly members: Map<string, Method>;
}

const known = new Map<Class, Known>();

/** Prototypes that are not the library's. */
const foreign = new Set<unknown>([Object, Error, Blob, Readable, Writable].map(({ prototype }) => prototype));

function membersOf(constructor: Class): Map<string, Method> {
  const members = new Map<string, Method>();
  const add = (holder: object, prefix: string): void => {
    for (const key of Reflect.ownKeys(holder)) {
      const { value, get } = Object.getOwnPropertyDescriptor(holder, key) as { value?: unknown; get?: () => unknown };
      // Symbol.dispose is Node's own where the engine has none.
      const name = prefix + (typeof key === 'symbol' ? `[${key.description?.replace('nodejs.', 'Symbol.')}]` : key);
      if (key !== 'constructor' && key !== 'prototype' && !members.has(name)) {
        members.set(name, typeof value === 'function' ? (value as Method) : (get ?? (() => value)));
      }
    }
  };
  for (let at: unknown = constructor.prototype; !foreign.has(at); at = Object.getPrototypeOf(at)) add(at as object, '');
  add(constructor, 'static ');
  for (const name of ['static length', 'static name']) members.delete(name);
  members.set('new', (...args) => Reflect.construct<unknown[], object>(constructor, args));
  return members;
}

/** Takes a class in, and complains of what the surface does not name. */
function learn(constructor: Class): Known {
  const { name } = constructor;
  const listed = surface[name] ?? { called: [] };
  const members = membersOf(constructor);
  for (const member of members.keys()) {
    if (listed.not?.[member] !== undefined) members.delete(member);
    else if (!listed.called.includes(member)) complaints.push(`${name}: '${member}' is not named in surface.ts`);
  }
  for (const member of listed.called)
    if (!members.has(member)) complaints.push(`${name}: there is no '${member}', as surface.ts has it`);
  const found = { name, constructor, members };
  known.set(constructor, found);
  return found;
}

/** The class of the library that a value is of; one that nobody knew yet is taken in. */
function classOf(value: unknown): Known | undefined {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return undefined;
  const { constructor } = (Object.getPrototypeOf(value) ?? {}) as { constructor?: Class };
  if (typeof constructor !== 'function' || !/^class\b/.test(Function.prototype.toString.call(constructor))) return;
  if (Object.hasOwn(globalThis, constructor.name)) return undefined; // the engine's, such as ReadableStream
  return known.get(constructor) ?? learn(constructor);
}

function arguments_(): unknown[] {
  const args: unknown[] = [];
  for (let i = random.below(5); i > 0; i--) {
    const kinds = [values.array, values.options, values.number, values.small, values.any, values.any];
    args.push(random.pick<(this: HostileValues) => unknown>(kinds).call(values));
  }
  return args;
}

/** First arguments without which a call does not get far. */
const leading: Readonly<Record<string, () => unknown>> = {
  'MappedFile.matches': () => random.pick<unknown>(['a', 10, ['ab', 'b'], /[a-c]+/u, Buffer.from('\n')]),
  'MappedFile.bisect': () => values.callback(),
  'MappedFile.bisectSync': () => values.callback(),
  'MappedFile.static shared': () => 'sliding-mmap-hostile',
  'MappedFile.static sharedSync': () => 'sliding-mmap-hostile',
  'MappedFile.static anonymous': () => values.small(),
  'MappedFile.lineIndex': () => ({ onProgress: values.callback() }),
  ...Object.fromEntries(
    ['SharedMutex', 'SharedSemaphore', 'SharedCondition', 'SharedBarrier', 'SharedRing'].map((name) => [
      `${name}.new`,
      () => file,
    ]),
  ),
  ...Object.fromEntries(['sync.wait', 'sync.waitSync', 'sync.notify'].map((name) => [name, () => file])),
  'SharedCondition.wait': guard,
  'SharedCondition.waitSync': guard,
};

function guard(): unknown {
  return made.find(({ known }) => known.name === 'MutexGuard')?.object;
}

/** Makes something by which processes wait for each other, where there is nothing yet. */
function makeShared(): void {
  const position = 4 * random.below(4000);
  quietly(() => {
    if (random.chance(0.7)) file.writeSync(Buffer.alloc(400), 0, 400, position);
    const makers = [
      () => new sync.SharedMutex(file, position),
      () => new sync.SharedSemaphore(file, position, { permits: random.below(3) }),
      () => new sync.SharedCondition(file, position),
      () => new sync.SharedBarrier(file, position, 1 + random.below(2)),
      () => new sync.SharedRing(file, position, random.chance(0.5) ? { length: 400 } : {}),
    ];
    const object = random.pick<() => object>(makers)();
    made.push({ known: classOf(object) as Known, object });
    if (made.length > 8) made.shift();
  });
}

function affordable(size: unknown): unknown {
  if (typeof size === 'bigint') return size < 2n ** 45n ? size % 2n ** 20n : size;
  return typeof size === 'number' && Math.abs(size) < 2 ** 45 ? size % 2 ** 20 : size;
}

async function call(name: string, target: unknown, method: Method, manner: Manner = 'right'): Promise<void> {
  called++;
  perMethod.set(name, (perMethod.get(name) ?? 0) + 1);
  let args: unknown[] = [];
  try {
    args = arguments_();
    if (leading[name] !== undefined && random.chance(0.5)) args[0] = leading[name]();
    // Room is taken for all of it, and the name stays for the next run.
    if (/\.static shared/.test(name)) args[1] = affordable(args[1]);
    if (blocking[name] !== undefined) args[blocking[name]] = { timeout: random.below(2) };
    const returned = method.apply(target, args);
    const result = await (waiting.has(name) ? soon(Promise.resolve(returned)) : returned);
    // What a caller's own class makes is his.
    if (manner === 'right' && name !== 'MappedView.as') await consume(name, result);
  } catch (error) {
    judge(`${name}(${args.map(brief).join(', ')})`, error, manner);
  }
}

/** Calls something of a class: of an object of it, of the class itself, or on what it does not belong to. */
async function callMember({ name, constructor, members }: Known, target: unknown): Promise<void> {
  const [member, method] = random.pick([...members]);
  const isWrong = member === 'new' ? constructor !== WindowPool : random.chance(0.02);
  const receiver = member.startsWith('static ') ? constructor : isWrong ? values.any() : target;
  await call(`${name}.${member}`, receiver, method, isWrong ? 'wrong' : 'right');
}

function brief(value: unknown): string {
  try {
    return inspect(value, { depth: 1, breakLength: Infinity, maxArrayLength: 4, maxStringLength: 20 }).slice(0, 200);
  } catch {
    return typeof value;
  }
}

async function step(): Promise<void> {
  const ofFile = known.get(MappedFile as unknown as Class) as Known;
  const ofView = known.get(MappedView as unknown as Class) as Known;
  const kind = random.below(100);
  if (kind < 2) return call('MappedFile.static open', MappedFile, MappedFile.open as Method);
  if (kind < 4) return call('MappedFile.static openSync', MappedFile, MappedFile.openSync as Method);
  if (kind < 5) return callMember(known.get(WindowPool as unknown as Class) as Known, new WindowPool());
  if (kind < 15 && views.length > 0) return callMember(ofView, random.pick(views));
  if (kind < 18) return makeShared();
  if (kind < 20) {
    const [name, method] = random.pick(Object.entries(functions));
    return call(`sync.${name}`, undefined, method);
  }
  if (kind < 35 && made.length > 0) {
    const { known, object } = random.pick(made);
    return callMember(known, object);
  }
  await callMember(ofFile, file);
}

const functions: Readonly<Record<string, Method>> = {
  wait: sync.wait as Method,
  waitSync: sync.waitSync as Method,
  notify: sync.notify as Method,
};

function tidyUp(): void {
  const size = file.closed ? -1 : fs.statSync('data').size;
  if (size < 1000 || size > largest || random.chance(0.001)) {
    quietly(() => file.closeSync());
    for (const view of views) quietly(() => view.dispose());
    views = [];
    made = [];
    values.found.length = 0;
    thrown.clear();
    for (const name of fs.readdirSync('.')) fs.rmSync(name, { recursive: true, force: true });
    reopen();
  }
}

function descriptors(): string[] {
  if (process.platform !== 'linux') return []; // only there a process lists its own
  return fs.readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      return [fs.readlinkSync(`/proc/self/fd/${fd}`)];
    } catch {
      return [];
    }
  });
}

async function main(): Promise<void> {
  // It is emptied again and again.
  if (fs.readdirSync('.').length > 0) throw new Error(`Not an empty folder: ${process.cwd()}`);
  for (const [name, value] of Object.entries({ ...library, ...sync })) {
    if (functions[name] !== undefined) continue;
    if (typeof value === 'function') learn(value as unknown as Class);
    else complaints.push(`'${name}' is no class: nobody calls it`);
  }
  // From the first of its kind on, the event loop keeps a descriptor for watchers, and one for streams.
  fs.watch('.').close();
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  await once(server.close(), 'close');
  const before = { mappings: native.mappingCount(), descriptors: descriptors().sort() };
  const started = performance.now();
  reopen();
  while (called < calls) {
    await step();
    tidyUp();
  }
  quietly(() => file!.closeSync());

  // Afterwards everything works, and nothing is left.
  // (In a file of its own: writes to the other may still be under way.)
  fs.writeFileSync('afterwards', content);
  await using last = await MappedFile.open('afterwards', 'r+');
  if (!last.sliceSync().equals(content) || last.getUint8(97) !== 10 || last.indexOf('\n', 1) !== 97) {
    complaints.push('the file is not usable afterwards');
  }
  await last.close();
  for (const view of views) quietly(() => view.dispose());
  const held = (): typeof before => ({ mappings: native.mappingCount(), descriptors: descriptors().sort() });
  for (let i = 0; i < 40 && !isDeepStrictEqual(before, held()); i++) {
    globalThis.gc?.();
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  const after = held();
  if (!isDeepStrictEqual(before, after)) complaints.push(`left behind: ${inspect({ before, after }, { depth: 3 })}`);

  // A short run does not get round to all of them.
  if (calls >= 40_000) {
    for (const [name, { called }] of Object.entries(surface))
      for (const member of called)
        if (!perMethod.has(`${name}.${member}`)) complaints.push(`${name}.${member} was never called`);
  }
  const pool = WindowPool.default.stats();
  if (pool.windows > 0 || pool.views > 0)
    complaints.push(`the pool still holds ${pool.windows} windows and ${pool.views} views`);
  // On a line of its own: the standard output is a file that can be opened and written to, too.
  console.log(
    `\n${JSON.stringify({
      calls: called,
      methods: perMethod.size,
      rejected,
      seconds: Math.round((performance.now() - started) / 100) / 10,
      complaints,
    })}`,
  );
}

await main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
