/**
 * Calls every public method with hostile values, in an empty working directory: `hostile-arguments SEED CALLS`. Prints
 * what it did as JSON; complaints are errors that no caller was promised.
 */
import fs from 'node:fs';
import { Readable, Writable } from 'node:stream';
import { inspect, isDeepStrictEqual } from 'node:util';
import { MappedFile, MappedFileError, MappedView, WindowPool } from 'sliding-mmap';
import { native } from '#src/native.js';
import { HostileValues } from '../hostile-values.js';
import { Random } from '../support.js';

const [seed, calls] = process.argv.slice(2).map(Number) as [number, number];
const random = new Random(seed);
const thrown = new Set<unknown>();
const complaints: string[] = [];
const perMethod = new Map<string, number>();
let rejected = 0;

const content = Buffer.alloc(20_000);
for (let i = 0; i < content.length; i++) content[i] = i % 97 === 0 ? 10 : 32 + (i % 90);
const largest = 2 ** 20;

let file: MappedFile;
let views: MappedView[] = [];

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

const engineSays =
  /revoked|incompatible receiver|^Receiver must be|is not a constructor$|'new'$|^Cannot (mix BigInt|convert|perform (Construct|%TypedArray%.prototype.join) on a detached)/;

/** What a caller may get: see the contract. */
function isPromised(error: unknown): boolean {
  if (thrown.has(error)) return true;
  if (!(error instanceof Error)) return false;
  const { code, errno, syscall } = error as NodeJS.ErrnoException;
  if (error instanceof MappedFileError) return /^ERR_MAPPED_FILE_[A-Z_]+$/.test(error.code);
  if (error.name === 'AbortError') return true;
  if (typeof errno === 'number') return typeof code === 'string' && typeof syscall === 'string';
  if (code !== undefined) return promised.has(code);
  // Said by the engine when it looks at the value itself, before anybody else could: a proxy without a target; a
  // `length` that is no number, which node:fs converts by `| 0`, too; `as` of a view that was released;
  // a class given as a callback.
  return error instanceof TypeError && engineSays.test(error.message);
}

function judge(what: string, error: unknown): void {
  rejected++;
  if (isPromised(error)) return;
  const text = error instanceof Error ? `${error.stack}` : inspect(error);
  if (complaints.length < 20) complaints.push(`${what}: ${text}`);
}

process.on('unhandledRejection', (error) => judge('unhandled rejection', error));
process.on('uncaughtException', (error) => judge('uncaught exception', error));

/** Looks at what a call gave, as far as is needed for it to do its work, and ends it. */
async function consume(what: string, result: unknown): Promise<void> {
  if (result instanceof MappedView) {
    values.found.push(result.bytes);
    if (values.found.length > 8) values.found.shift();
    views.push(result);
    if (result.length > 0 && random.chance(0.5)) result.bytes[random.below(result.length)] = 1;
    if (views.length > 8) views.shift()?.dispose();
    if (random.chance(0.5)) await callView(result);
  } else if (result instanceof MappedFile) {
    if (random.chance(0.2) && !result.closed) quietly(() => result.readSync(Buffer.alloc(10), 0, 10, 0));
    result.closeSync();
  } else if (result instanceof ReadableStream) {
    await consumeReadable(result as ReadableStream<Uint8Array>);
  } else if (result instanceof WritableStream) {
    await consumeWritable(result);
  } else if (result instanceof Readable || result instanceof Writable) {
    await consumeNode(what, result);
  } else if (typeof result === 'object' && result !== null) {
    await consumeIterable(result);
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
    const { done } = await (reader.read as (target: Uint8Array) => Promise<{ done: boolean }>).call(reader, target);
    if (done) return;
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
  await Promise.all(writes);
  await (random.chance(0.5) ? writer.close() : writer.abort());
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
  for (let left = 1 + random.below(4); left > 0; left--) {
    const step = iterator.next();
    if (random.chance(0.1)) quietly(() => file.closeSync());
    if ((await step).done) return;
  }
  await iterator.return?.();
}

/** An iterator of either kind. */
interface Steps {
  next(): { done?: boolean } | Promise<{ done?: boolean }>;
  return?(): unknown;
}

type Method = (...args: unknown[]) => unknown;

function methodsOf(prototype: object, until: object): Array<[string, Method]> {
  const found: Array<[string, Method]> = [];
  for (let at = prototype; at !== until; at = Object.getPrototypeOf(at) as object) {
    for (const key of Reflect.ownKeys(at)) {
      const value: unknown = Object.getOwnPropertyDescriptor(at, key)?.value;
      if (key !== 'constructor' && typeof value === 'function') found.push([String(key), value as Method]);
    }
  }
  return found;
}

const ofFile = methodsOf(MappedFile.prototype, Object.prototype);
const ofView = methodsOf(MappedView.prototype, Object.prototype);

function arguments_(): unknown[] {
  const args: unknown[] = [];
  for (let i = random.below(5); i > 0; i--) {
    const kinds = [values.array, values.options, values.number, values.small, values.any, values.any];
    args.push(random.pick<(this: HostileValues) => unknown>(kinds).call(values));
  }
  return args;
}

async function call(name: string, target: unknown, method: Method): Promise<void> {
  perMethod.set(name, (perMethod.get(name) ?? 0) + 1);
  let args: unknown[] = [];
  try {
    args = arguments_();
    const result = await method.apply(target, args);
    await consume(name, result);
  } catch (error) {
    judge(`${name}(${args.map(brief).join(', ')})`, error);
  }
}

function brief(value: unknown): string {
  try {
    return inspect(value, { depth: 1, breakLength: Infinity, maxArrayLength: 4, maxStringLength: 20 }).slice(0, 200);
  } catch {
    return typeof value;
  }
}

async function callView(view: MappedView): Promise<void> {
  const [name, method] = random.pick(ofView);
  // The fields are read-only by their types alone.
  if (random.chance(0.1))
    quietly(() => Object.assign(view, { [random.pick(['buffer', 'bytes', 'position'])]: values.any() }));
  await call(`MappedView.${name}`, view, method);
}

async function step(): Promise<void> {
  const kind = random.below(100);
  if (kind < 3) return call('MappedFile.open', MappedFile, MappedFile.open as Method);
  if (kind < 6) return call('MappedFile.openSync', MappedFile, MappedFile.openSync as Method);
  if (kind < 7) return call('new WindowPool', undefined, (...args) => void Reflect.construct(WindowPool, args));
  if (kind < 15 && views.length > 0) return callView(random.pick(views));
  const [name, method] = random.pick(ofFile);
  await call(`MappedFile.${name}`, file, method);
}

function tidyUp(): void {
  const size = file.closed ? -1 : fs.statSync('data').size;
  if (size < 1000 || size > largest || random.chance(0.001)) {
    quietly(() => file.closeSync());
    for (const view of views) quietly(() => view.dispose());
    views = [];
    values.found.length = 0;
    thrown.clear();
    for (const name of fs.readdirSync('.')) fs.rmSync(name, { recursive: true, force: true });
    reopen();
  }
}

function descriptors(): string[] {
  return fs.readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      return [fs.readlinkSync(`/proc/self/fd/${fd}`)];
    } catch {
      return [];
    }
  });
}

async function main(): Promise<void> {
  const before = { mappings: native.mappingCount(), descriptors: descriptors().sort() };
  const started = performance.now();
  reopen();
  for (let i = 0; i < calls; i++) {
    await step();
    tidyUp();
  }
  quietly(() => file!.closeSync());

  // Afterwards everything works, and nothing is left.
  fs.writeFileSync('data', content);
  await using last = await MappedFile.open('data', 'r+');
  if (!last.sliceSync().equals(content) || last.getUint8(97) !== 10 || last.indexOf('\n', 1) !== 97) {
    complaints.push('the file is not usable afterwards');
  }
  await last.close();
  for (const view of views) quietly(() => view.dispose());
  for (let i = 0; i < 40 && native.mappingCount() > before.mappings; i++) {
    globalThis.gc?.();
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  const after = { mappings: native.mappingCount(), descriptors: descriptors().sort() };
  if (!isDeepStrictEqual(before, after)) complaints.push(`left behind: ${inspect({ before, after }, { depth: 3 })}`);

  const { windows, views: held } = WindowPool.default.stats();
  if (windows > 0 || held > 0) complaints.push(`the pool still holds ${windows} windows and ${held} views`);
  console.log(
    JSON.stringify({
      calls: [...perMethod.values()].reduce((sum, count) => sum + count, 0),
      methods: perMethod.size,
      rejected,
      seconds: Math.round((performance.now() - started) / 100) / 10,
      complaints,
    }),
  );
}

await main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
