/** What the Streams Standard requires of any stream, where a source or a sink could get in its way. */
import assert from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';
import { inspect } from 'node:util';
import { createReadable, type ReadableOptions } from '#src/streams/readable.js';
import { createWritable, type WritableOptions } from '#src/streams/writable.js';
import { failAt, gate, later, MemoryFile, patternBytes } from '../helpers/memory-source.js';
import { implementations, readInto } from '../helpers/stream-classes.js';

/** Memory that cannot be moved. */
function wasmMemory(): ArrayBuffer {
  // Which the types of Node 20 leave to those of browsers.
  const { WebAssembly } = globalThis as unknown as {
    WebAssembly: { Memory: new (size: { initial: number }) => { buffer: ArrayBuffer } };
  };
  return new WebAssembly.Memory({ initial: 1 }).buffer;
}

const finished = { value: undefined, done: true };

for (const [name, classes] of implementations) {
  describe(`streams of ${name} classes, as the standard has it`, function () {
    this.timeout(30_000); // for busy machines; nothing here measures time

    const open = (file: MemoryFile, options?: ReadableOptions) => createReadable(file, options, classes);
    const openToWrite = (file: MemoryFile, options?: WritableOptions) => createWritable(file, options, classes);

    function released(file: MemoryFile): void {
      assert.ok(file.idle, 'the file is still held');
      assert.equal(file.letGo, file.held);
    }

    async function rest(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
      const chunks: Uint8Array[] = [];
      for await (const chunk of stream) chunks.push(chunk);
      return Buffer.concat(chunks);
    }

    describe('views that a BYOB reader cannot take', () => {
      const detached = (): Uint8Array => {
        const view = new Uint8Array(8);
        structuredClone(view, { transfer: [view.buffer] });
        return view;
      };
      const views: Array<[string, () => ArrayBufferView]> = [
        ['detached', detached],
        ['empty', () => new Uint8Array(new ArrayBuffer(8), 8)],
        ['of an empty buffer', () => new DataView(new ArrayBuffer(0))],
        ['none', () => ({}) as ArrayBufferView],
      ];
      // web-streams-polyfill asks JavaScript whether memory may be moved, which cannot say so of these.
      if (name === 'native') {
        views.push(['shared', () => new Uint8Array(new SharedArrayBuffer(8))]);
        views.push(['of WebAssembly', () => new Uint8Array(wasmMemory(), 0, 8)]);
      }
      for (const [kind, make] of views) {
        it(`are refused and cost no byte (${kind})`, async () => {
          const file = new MemoryFile(20);
          const reader = open(file).getReader({ mode: 'byob' });
          await assert.rejects(reader.read(make() as Uint8Array), TypeError);
          assert.equal(file.reads, 0);
          const { value } = await reader.read(new Uint8Array(8));
          assert.deepEqual(Buffer.from(value as Uint8Array), patternBytes(8));
          await reader.cancel();
          released(file);
        });
      }
    });

    it('fills views of buffers that could change their size', async function () {
      const resizable = () => Reflect.construct(ArrayBuffer, [16, { maxByteLength: 64 }]) as ArrayBuffer;
      if (!('resizable' in resizable())) this.skip();
      for (const cold of [false, true]) {
        const file = new MemoryFile(100);
        if (cold) file.onRead = later();
        const reader = open(file).getReader({ mode: 'byob' });
        const buffer = resizable();
        const read = reader.read(new Uint8Array(buffer, 4, 8));
        // The stream has the memory now: what is done to the buffer is done to nothing.
        assert.throws(() => (buffer as unknown as { resize(length: number): void }).resize(0), TypeError);
        const { value } = await read;
        assert.deepEqual(Buffer.from(value as Uint8Array), patternBytes(8));
        assert.equal(value?.byteOffset, 4);
        await reader.cancel();
        released(file);
      }
    });

    for (const mode of ['default', 'byob'] as const) {
      const readerOf = (stream: ReturnType<typeof open>) => {
        const reader = mode === 'byob' ? stream.getReader({ mode: 'byob' }) : stream.getReader();
        return { reader, read: () => reader.read(new Uint8Array(10)) };
      };

      describe(`several reads under way, by a ${mode} reader`, () => {
        it('are all answered by cancelling, and the reader is closed', async () => {
          const file = new MemoryFile(100);
          const { hook, open: letThrough, arrived } = gate();
          file.onRead = hook;
          const { reader, read } = readerOf(open(file, { chunkSize: 10 }));
          const reads = [read(), read(), read()];
          await arrived;
          const cancelling = reader.cancel('enough');
          assert.deepEqual(await Promise.all(reads), [finished, finished, finished]);
          await reader.closed;
          letThrough();
          assert.equal(await cancelling, undefined);
          assert.equal(file.reads, 1);
          released(file);
        });

        it('are all rejected by releasing the lock, and no byte is lost', async () => {
          const file = new MemoryFile(100);
          const { hook, open: letThrough, arrived } = gate();
          file.onRead = hook;
          const stream = open(file, { chunkSize: 10 });
          const { reader, read } = readerOf(stream);
          const reads = [read(), read(), read()];
          await arrived;
          const { closed } = reader;
          reader.releaseLock();
          for (const promise of [...reads, closed, reader.closed, read(), reader.cancel()]) {
            await assert.rejects(promise, TypeError);
          }
          assert.equal(stream.locked, false);
          const left = rest(stream);
          letThrough();
          assert.deepEqual(await left, patternBytes(100));
          released(file);
        });

        it('all fail with the first of them that does, after those that had been served', async () => {
          for (const late of [false, true]) {
            const broken = new Error('broken');
            const file = new MemoryFile(100);
            file.onRead = failAt(3, broken, late);
            const { reader, read } = readerOf(open(file, { chunkSize: 10 }));
            const results = await Promise.allSettled([read(), read(), read(), read()]);
            assert.deepEqual(
              results.map(({ status }) => status),
              ['fulfilled', 'fulfilled', 'rejected', 'rejected'],
            );
            await assert.rejects(reader.closed, (error) => error === broken);
            await assert.rejects(reader.cancel(), (error) => error === broken);
            assert.equal(file.reads, 3);
            released(file);
          }
        });
      });

      it(`lets a ${mode} reader go after the end, and another find the same end`, async () => {
        const file = new MemoryFile(5);
        const stream = open(file);
        const { reader, read } = readerOf(stream);
        await read();
        await reader.closed;
        reader.releaseLock();
        await assert.rejects(reader.closed, TypeError);
        await stream.getReader().closed;
        released(file);
      });
    }

    describe('tee', () => {
      it('gives one branch everything when the other is cancelled, at any time', async () => {
        for (const branch of [0, 1]) {
          for (const reads of [0, 1, 3]) {
            const file = new MemoryFile(100);
            if (reads > 1) file.onRead = later();
            const branches = open(file, { chunkSize: 10 }).tee();
            const [mine, other] = [branches[branch]!, branches[1 - branch]!];
            const reader = other.getReader();
            for (let i = 0; i < reads; i++) {
              assert.deepEqual(Buffer.from((await reader.read()).value as Uint8Array), patternBytes(10, i * 10));
            }
            const cancelling = reader.cancel('enough'); // which is done when the other branch is cancelled, too
            assert.equal(file.letGo, 0);
            assert.deepEqual(await rest(mine), patternBytes(100));
            await cancelling;
            released(file);
          }
        }
      });

      it('serves BYOB readers on both branches, with views and `min` of their own', async () => {
        const file = new MemoryFile(997);
        file.longestRead = 13;
        const branches = open(file).tee();
        const collected = branches.map(async (branch, i) => {
          const reader = branch.getReader({ mode: 'byob' });
          const chunks: Uint8Array[] = [];
          for (;;) {
            const { value, done } = await readInto(reader, new Uint8Array(20 + i * 30), { min: 1 + i * 17 });
            if (value !== undefined) chunks.push(value);
            if (done) return Buffer.concat(chunks);
          }
        });
        for (const bytes of await Promise.all(collected)) assert.deepEqual(bytes, patternBytes(997));
        released(file);
      });

      it('lets go when both branches are cancelled during a read', async () => {
        const file = new MemoryFile(100);
        const { hook, open: letThrough, arrived } = gate();
        file.onRead = hook;
        const [a, b] = open(file)
          .tee()
          .map((branch) => branch.getReader());
        const reads = [a!.read(), b!.read()];
        await arrived;
        const cancelling = Promise.all([a!.cancel(), b!.cancel()]);
        assert.deepEqual(await Promise.all(reads), [finished, finished]);
        letThrough();
        await cancelling;
        released(file);
      });
    });

    describe('asynchronous iteration', () => {
      it('cancels when its body throws, and lets go of the lock', async () => {
        for (const preventCancel of [false, true]) {
          const file = new MemoryFile(100);
          const stream = open(file, { chunkSize: 10 });
          await assert.rejects(async () => {
            for await (const chunk of stream.values({ preventCancel })) throw new Error(`${chunk.length}`);
          }, /^Error: 10$/);
          assert.equal(stream.locked, false);
          assert.deepEqual(await rest(stream), preventCancel ? patternBytes(90, 10) : Buffer.alloc(0));
          released(file);
        }
      });

      it('serves steps that are asked for at once, in their order, and a return among them', async () => {
        const file = new MemoryFile(50);
        file.onRead = later();
        const iterator = open(file, { chunkSize: 10 })[Symbol.asyncIterator]();
        const results = await Promise.all([
          iterator.next(),
          iterator.next(),
          iterator.return?.('over' as never),
          iterator.next(),
        ]);
        assert.deepEqual(
          results.map((result) => [
            result?.done,
            result?.value instanceof Uint8Array ? result.value.length : result?.value,
          ]),
          [
            [false, 10],
            [false, 10],
            [true, 'over'],
            [true, undefined],
          ],
        );
        released(file);
      });

      it('fails where the file does, and leaves no lock', async () => {
        const broken = new Error('broken');
        const file = new MemoryFile(50);
        file.onRead = failAt(3, broken, true);
        const stream = open(file, { chunkSize: 10 });
        const got: number[] = [];
        await assert.rejects(
          async () => {
            for await (const chunk of stream) got.push(chunk.length);
          },
          (error) => error === broken,
        );
        assert.deepEqual(got, [10, 10]);
        assert.equal(stream.locked, false);
        released(file);
      });
    });

    describe('ReadableStream.from a stream', () => {
      interface From {
        from(source: AsyncIterable<Uint8Array>): ReturnType<typeof open>;
      }
      const from = (stream: AsyncIterable<Uint8Array>) => (classes.ReadableStream as unknown as From).from(stream);

      it('cancels it when it is left early', async () => {
        const file = new MemoryFile(100);
        const stream = open(file, { chunkSize: 10 });
        for await (const chunk of from(stream)) {
          assert.deepEqual(Buffer.from(chunk), patternBytes(10));
          break;
        }
        released(file);
      });

      it('fails as it does', async () => {
        const file = new MemoryFile(100);
        file.onRead = failAt(2, new Error('broken'));
        await assert.rejects(rest(from(open(file, { chunkSize: 10 }))), /broken/);
        released(file);
      });
    });

    describe('a pipe', () => {
      for (const before of [true, false]) {
        it(`that is aborted ${before ? 'before it begins' : 'on its way'} leaves what it shall not end`, async () => {
          for (const prevent of [
            { preventCancel: false, preventAbort: false },
            { preventCancel: true, preventAbort: false },
            { preventCancel: false, preventAbort: true },
            { preventCancel: true, preventAbort: true },
          ]) {
            const reason = new Error('enough');
            const source = new MemoryFile(100);
            const target = new MemoryFile();
            const controller = new AbortController();
            if (before) controller.abort(reason);
            target.onWrite = later();
            source.onRead = (call) => {
              if (call === 6) controller.abort(reason);
              return turn();
            };
            const from = open(source, { chunkSize: 10 });
            const to = openToWrite(target);
            const piping = from.pipeTo(to, { ...prevent, signal: controller.signal });
            await assert.rejects(piping, (error) => error === reason);
            assert.equal(from.locked || to.locked, false);
            const written = target.content.length;
            assert.ok(before ? written === 0 : written >= 10 && written < 100, `${written} bytes, ${inspect(prevent)}`);
            assert.deepEqual(target.content, patternBytes(written));

            const left = await rest(from);
            if (prevent.preventCancel) assert.deepEqual(left, patternBytes(left.length, 100 - left.length));
            else assert.equal(left.length, 0);
            if (prevent.preventAbort) {
              const writer = to.getWriter();
              await writer.write('more');
              await writer.close();
              assert.equal(target.content.subarray(-4).toString(), 'more');
            } else {
              await assert.rejects(to.getWriter().closed, (error) => error === reason);
            }
            // What was read was written, so that whoever goes on with both loses and repeats nothing.
            if (prevent.preventCancel && prevent.preventAbort && !before) {
              assert.equal(left.length + target.content.length - 4, 100);
            }
            released(source);
            released(target);
          }
        });
      }

      it('to what is closed already cancels the source, or not with preventCancel', async () => {
        for (const preventCancel of [false, true]) {
          const source = new MemoryFile(100);
          const target = new MemoryFile();
          const to = openToWrite(target);
          await to.close();
          const from = open(source);
          await assert.rejects(from.pipeTo(to, { preventCancel }), TypeError);
          assert.equal(source.letGo, preventCancel ? 0 : 1);
          await from.cancel();
          assert.equal(target.content.length, 0);
          released(source);
          released(target);
        }
      });

      it('from what has ended closes the target, or not with preventClose', async () => {
        for (const preventClose of [false, true]) {
          const target = new MemoryFile();
          const from = open(new MemoryFile(10));
          await from.cancel();
          const to = openToWrite(target);
          await from.pipeTo(to, { preventClose });
          assert.equal(target.letGo, preventClose ? 0 : 1);
          if (preventClose) await to.close();
          released(target);
        }
      });

      it('to a file that closes fails with its reason, and cancels the source', async () => {
        const reason = new Error('closing');
        const source = new MemoryFile(1000);
        const target = new MemoryFile();
        target.onWrite = later();
        source.onRead = (call) => {
          if (call === 6) target.close(reason);
          return turn();
        };
        const piping = open(source, { chunkSize: 10 }).pipeTo(openToWrite(target));
        await assert.rejects(piping, (error) => error === reason);
        for (let i = 0; i < 400 && !target.idle; i++) await turn();
        assert.deepEqual(target.content, patternBytes(target.content.length));
        released(source);
        released(target);
      });

      it('through tee and a transform, to two files', async () => {
        const source = new MemoryFile(100_000);
        const [a, b] = [new MemoryFile(), new MemoryFile()];
        a.onWrite = later();
        const inverted = new classes.TransformStream<Uint8Array, Uint8Array>({
          transform: (chunk, controller) => controller.enqueue(chunk.map((byte) => ~byte)),
        });
        const [first, second] = open(source, { chunkSize: 999 }).tee();
        await Promise.all([first.pipeTo(openToWrite(a)), second.pipeThrough(inverted).pipeTo(openToWrite(b))]);
        assert.deepEqual(a.content, patternBytes(100_000));
        assert.deepEqual(b.content, Buffer.from(patternBytes(100_000).map((byte) => ~byte)));
        for (const file of [source, a, b]) released(file);
      });
    });

    describe('a writer', () => {
      it('that lets go of the lock loses no write, and the next one goes on', async () => {
        const file = new MemoryFile();
        file.onWrite = later();
        const stream = openToWrite(file);
        const first = stream.getWriter();
        const writes = ['a', 'b', 'c'].map((text) => first.write(text));
        first.releaseLock();
        for (const promise of [first.closed, first.ready, first.write('x'), first.close(), first.abort()]) {
          await assert.rejects(promise, TypeError);
        }
        const second = stream.getWriter();
        writes.push(second.write('d'), second.close());
        await Promise.all(writes);
        await second.closed;
        assert.equal(file.content.toString(), 'abcd');
        released(file);
      });

      it('has the promises and sizes of every state', async () => {
        const file = new MemoryFile();
        const stream = openToWrite(file);
        const writer = stream.getWriter();
        assert.throws(() => stream.getWriter(), TypeError);
        await assert.rejects(stream.abort(), TypeError);
        await assert.rejects(stream.close(), TypeError);
        await writer.ready;
        const closing = writer.close();
        await assert.rejects(writer.close(), TypeError);
        await Promise.all([closing, writer.closed, writer.ready]);
        assert.equal(writer.desiredSize, 0);
        await assert.rejects(async () => writer.write('x')); // Node 20 throws an assertion of its own, and at once
        await writer.abort(); // of what is closed changes nothing
        released(file);

        const other = new MemoryFile();
        const aborted = openToWrite(other).getWriter();
        const reason = new Error('enough');
        await aborted.abort(reason);
        for (const promise of [aborted.closed, aborted.ready, aborted.write('x')]) {
          await assert.rejects(promise, (error) => error === reason);
        }
        assert.equal(aborted.desiredSize, null);
        await aborted.abort('again');
        released(other);
      });

      it('that aborts while it closes leaves a file that is whole', async () => {
        const file = new MemoryFile();
        const { hook, open: letThrough, arrived } = gate();
        file.onFlush = () => hook(0, 0, 0);
        const writer = openToWrite(file, { flushOnClose: true }).getWriter();
        const writing = writer.write('abc');
        const closing = writer.close();
        await arrived;
        const aborting = writer.abort(new Error('too late'));
        letThrough();
        await Promise.all([writing, closing, aborting, writer.closed]);
        assert.equal(file.content.toString(), 'abc');
        released(file);
      });

      it('gets no answer before the blocks are reserved', async () => {
        const file = new MemoryFile();
        const { hook, open: letThrough, arrived } = gate();
        file.onPreallocate = () => hook(0, 0, 0);
        const writer = openToWrite(file, { preallocate: 100 }).getWriter();
        const writing = writer.write('abc');
        await arrived;
        await turn();
        assert.equal(file.writes.length, 0);
        letThrough();
        await writing;
        await writer.close();
        assert.equal(file.content.toString(), 'abc');
        released(file);

        const left = new MemoryFile();
        const opened = gate();
        left.onPreallocate = () => opened.hook(0, 0, 0);
        const other = openToWrite(left, { preallocate: 100 }).getWriter();
        const lost = other.write('abc');
        await opened.arrived;
        const aborting = other.abort(new Error('enough'));
        opened.open();
        await aborting;
        await assert.rejects(lost, /enough/);
        await assert.rejects(other.closed, /enough/);
        assert.equal(left.content.length, 0);
        released(left);
      });
    });
  });
}
