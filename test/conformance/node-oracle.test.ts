/** Node streams of a file beside those of node:fs: the same bytes, chunks, events and errors. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { type Readable, type Writable } from 'node:stream';
import fc from 'fast-check';
import { MappedFile } from 'sliding-mmap';
import type { ReadStreamOptions, WriteStreamOptions } from '#src/streams/node.js';
import { Folder, oracle } from '../helpers/files.js';
import { configurations } from '../helpers/sizes.js';

type FileReadStream = Readable & { bytesRead: number; pending: boolean; close(callback?: () => void): void };
type FileWriteStream = Writable & { bytesWritten: number; pending: boolean; close(callback?: () => void): void };

/** What one saw of a stream. */
interface Trace {
  threw?: unknown;
  events: string[];
  chunks: Array<string | Buffer>;
  state: Record<string, unknown>;
}

const eventNames = ['open', 'ready', 'end', 'finish', 'error', 'close'];

/** `code` of what is thrown for bad options, or its absence. */
function codeOf(error: unknown): unknown {
  return (error as NodeJS.ErrnoException).code;
}

function traced(stream: Readable | Writable, trace: Trace): void {
  for (const name of eventNames) {
    stream.on(name, (...args: unknown[]) => {
      const told = name === 'error' ? codeOf(args[0]) : name === 'open' ? typeof args[0] : '';
      trace.events.push(`${name} ${String(told)}`);
    });
  }
}

/** Waits for the end of it all: of which no event tells where `'close'` is not to be emitted. */
async function over(stream: Readable | Writable): Promise<void> {
  for (let i = 0; i < 2000 && !stream.closed; i++) await new Promise((resolve) => setTimeout(resolve, 1));
  await new Promise(setImmediate);
}

/** How a reader behaves. */
type Way = 'flow' | 'read' | 'iterate' | 'leave' | 'pause' | 'destroy' | 'close' | 'fail' | 'unused';

async function use(stream: FileReadStream, way: Way, trace: Trace): Promise<void> {
  const take = (chunk: string | Buffer): void => void trace.chunks.push(chunk);
  switch (way) {
    case 'flow':
      stream.on('data', take);
      break;
    case 'read':
      stream.on('readable', () => {
        for (let chunk = stream.read() as Buffer | null; chunk !== null; chunk = stream.read() as Buffer | null)
          take(chunk);
      });
      break;
    case 'iterate':
      try {
        for await (const chunk of stream) take(chunk as Buffer);
      } catch (error) {
        trace.events.push(`thrown ${String(codeOf(error))}`);
      }
      break;
    case 'leave':
      for await (const chunk of stream) {
        assert.ok((chunk as Buffer).length > 0);
        break;
      }
      break;
    case 'pause':
      stream.on('data', (chunk: Buffer) => {
        take(chunk);
        stream.pause();
        setImmediate(() => stream.resume());
      });
      break;
    case 'destroy':
    case 'close':
    case 'fail':
      stream.once('data', (chunk: Buffer) => {
        take(chunk);
        if (way === 'destroy') stream.destroy();
        else if (way === 'fail') stream.destroy(Object.assign(new Error('stop'), { code: 'STOP' }));
        else stream.close();
      });
      stream.once('end', () => stream.destroy());
      break;
    case 'unused':
      stream.destroy();
      break;
  }
  await over(stream);
  // Both join what waits, and what waits is a matter of time.
  if (way === 'read' || way === 'iterate') {
    const joined = trace.chunks.every((chunk) => typeof chunk === 'string')
      ? trace.chunks.join('')
      : Buffer.concat(trace.chunks as Buffer[]);
    trace.chunks = [joined];
  }
  const { bytesRead, pending, destroyed, closed, readableEnded, errored, readableEncoding, readableHighWaterMark } =
    stream;
  Object.assign(trace.state, { destroyed, closed, readableEncoding, readableHighWaterMark });
  Object.assign(trace.state, { errored: errored && codeOf(errored) });
  // Of a stream that is left early it is a matter of time how much had been read, and whether the end had been found.
  if (way === 'flow' || way === 'read' || way === 'iterate' || way === 'pause') {
    Object.assign(trace.state, { bytesRead, readableEnded });
  } else {
    trace.events = trace.events.filter((event) => event !== 'end ');
  }
  // node:fs's streams have no descriptor once they are closed, and are pending again.
  if (!closed) Object.assign(trace.state, { pending });
}

async function reading(make: () => FileReadStream, way: Way): Promise<Trace> {
  const trace: Trace = { events: [], chunks: [], state: {} };
  let stream: FileReadStream;
  try {
    stream = make();
  } catch (error) {
    return { ...trace, threw: [codeOf(error), (error as Error).name] };
  }
  traced(stream, trace);
  await use(stream, way, trace);
  return trace;
}

/** What is done with a writer, in order. */
type Step = { write: string | Buffer; encoding?: BufferEncoding } | 'cork' | 'uncork' | 'wait' | 'drain';
type End = 'end' | 'end with bytes' | 'close' | 'destroy' | 'fail';

async function writing(make: () => FileWriteStream, steps: Step[], end: End): Promise<Trace> {
  const trace: Trace = { events: [], chunks: [], state: {} };
  let stream: FileWriteStream;
  try {
    stream = make();
  } catch (error) {
    return { ...trace, threw: [codeOf(error), (error as Error).name] };
  }
  traced(stream, trace);
  let full = false;
  for (const [i, step] of steps.entries()) {
    if (step === 'cork') stream.cork();
    else if (step === 'uncork') stream.uncork();
    else if (step === 'wait') await new Promise((resolve) => setTimeout(resolve, 3));
    else if (step === 'drain') {
      if (full && stream.writableCorked === 0 && stream.writableNeedDrain)
        await new Promise((resolve) => stream.once('drain', resolve));
    } else {
      full = !stream.write(step.write, step.encoding ?? 'utf8', (error) => {
        trace.events.push(`written ${i}${error ? ' not' : ''}`);
      });
    }
  }
  if (end === 'end') stream.end();
  else if (end === 'end with bytes') stream.end('the end', () => trace.events.push('ended'));
  else if (end === 'close') stream.close(() => trace.events.push('closed'));
  else if (end === 'destroy') stream.destroy();
  else stream.destroy(Object.assign(new Error('stop'), { code: 'STOP' }));
  await over(stream);
  const { bytesWritten, destroyed, closed, writableFinished, errored, writableHighWaterMark } = stream;
  Object.assign(trace.state, { destroyed, closed, writableFinished, writableHighWaterMark });
  Object.assign(trace.state, { errored: errored && codeOf(errored) });
  if (end !== 'destroy' && end !== 'fail') Object.assign(trace.state, { bytesWritten });
  return trace;
}

describe('Node streams beside those of node:fs', function () {
  this.timeout(60_000); // for busy machines; nothing here measures time

  const size = 20_000;
  const ways: Way[] = ['flow', 'read', 'iterate', 'leave', 'pause', 'destroy', 'close', 'fail', 'unused'];

  const readOptions = fc.record(
    {
      start: fc.oneof(fc.nat({ max: size + 10 }), fc.constant(0)),
      end: fc.oneof(fc.nat({ max: size + 10 }), fc.constant(Infinity)),
      highWaterMark: fc.constantFrom(1, 100, 4096, 5000, 65_536),
      encoding: fc.constantFrom('utf8', 'hex', 'base64', 'latin1', 'utf16le'),
      emitClose: fc.boolean(),
    },
    { requiredKeys: [] },
  ) as fc.Arbitrary<ReadStreamOptions & { start?: number; end?: number }>;

  for (const { name, options: openOptions } of configurations) {
    it(`reads as it does (${name})`, async () => {
      using folder = new Folder();
      const path = folder.file(size);
      await fc.assert(
        fc.asyncProperty(readOptions, fc.constantFrom(...ways), async (options, way) => {
          // A byte at a time is slow, for both.
          if (options.highWaterMark === 1) options = { ...options, start: size - 20, end: size - 5 };
          const theirs = await reading(() => fs.createReadStream(path, options), way);
          await using file = await MappedFile.open(path, 'r', openOptions());
          const ours = await reading(() => file.createReadStream({ ...options, autoClose: true }), way);
          assert.deepEqual(ours, theirs);
        }),
        { numRuns: 30 },
      );
    });

    it(`writes as it does (${name})`, async () => {
      using folder = new Folder();
      const step: fc.Arbitrary<Step> = fc.oneof(
        fc.record({
          write: fc.oneof(
            fc.nat({ max: 30_000 }).map((length) => oracle(length, length)),
            fc.string({ unit: 'binary', maxLength: 50 }),
          ),
          encoding: fc.constantFrom('utf8', 'latin1', 'hex', 'utf16le'),
        }),
        fc.constantFrom('cork', 'uncork', 'wait', 'drain'),
      );
      const options = fc.record(
        {
          start: fc.nat({ max: 12_000 }),
          highWaterMark: fc.constantFrom(0, 1, 1000, 65_536),
          emitClose: fc.boolean(),
          encoding: fc.constantFrom('utf8', 'latin1', 'hex'),
          flush: fc.boolean(),
        },
        { requiredKeys: [] },
      ) as fc.Arbitrary<WriteStreamOptions & { start?: number }>;
      const ends = fc.constantFrom<End>('end', 'end with bytes', 'close', 'destroy', 'fail');
      await fc.assert(
        fc.asyncProperty(
          options,
          fc.constantFrom('r+', 'w', 'a'),
          fc.array(step, { maxLength: 8 }),
          ends,
          async (options, flags, steps, end) => {
            const [one, other] = [folder.file(10_000, 'one'), folder.file(10_000, 'other')];
            const theirs = await writing(() => fs.createWriteStream(one, { ...options, flags }), steps, end);
            await using file = await MappedFile.open(
              other,
              flags === 'r+' ? 'r+' : (`${flags}+` as 'w+'),
              openOptions(),
            );
            const ours = await writing(() => file.createWriteStream({ ...options, autoClose: true }), steps, end);
            // Whether a write is still done that is under way or queued when it is destroyed is a matter of time; and of
            // one under way node:fs tells as if it had failed.
            if (end === 'destroy' || end === 'fail') {
              const told = (event: string): boolean => !/^written|ERR_STREAM_DESTROYED/.test(event);
              for (const trace of [ours, theirs]) {
                trace.events = trace.events.filter(told);
                if (trace.state.errored === 'ERR_STREAM_DESTROYED') trace.state.errored = null;
              }
              assert.deepEqual(ours, theirs);
              return;
            }
            assert.deepEqual(ours, theirs);
            assert.deepEqual(fs.readFileSync(other), fs.readFileSync(one));
          },
        ),
        { numRuns: 30 },
      );
    });
  }
});
