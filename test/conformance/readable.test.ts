import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import type { ReadableStreamReadResult } from 'node:stream/web';
import { setImmediate as turn, setTimeout as delay } from 'node:timers/promises';
import fc from 'fast-check';
import { MappedFileError } from '#src/errors.js';
import { createReadable, type ReadableOptions } from '#src/streams/readable.js';
import { failAt, gate, later, MemoryFile, patternBytes } from '../helpers/memory-source.js';
import { implementations, readInto } from '../helpers/stream-classes.js';

type Result<T = Uint8Array> = ReadableStreamReadResult<T>;

interface ViewKind {
  new (buffer: ArrayBuffer, byteOffset: number, length: number): ArrayBufferView;
  readonly name: string;
  readonly BYTES_PER_ELEMENT?: number;
}

const viewKinds: readonly ViewKind[] = [
  Int8Array,
  Uint8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  BigInt64Array,
  BigUint64Array,
  Float32Array,
  Float64Array,
  DataView,
];

function bytesOf(view: ArrayBufferView): Buffer {
  return Buffer.from(view.buffer, view.byteOffset, view.byteLength);
}

for (const [name, classes] of implementations) {
  describe(`readable() with ${name} classes`, function () {
    this.timeout(30_000); // for busy machines; nothing here measures time

    const open = (file: MemoryFile, options?: ReadableOptions) => createReadable(file, options, classes);

    async function all(file: MemoryFile, options?: ReadableOptions): Promise<Uint8Array[]> {
      const chunks: Uint8Array[] = [];
      for await (const chunk of open(file, options)) chunks.push(chunk);
      return chunks;
    }

    function released(file: MemoryFile): void {
      assert.ok(file.idle, 'the file is still held');
      assert.equal(file.letGo, file.held);
    }

    it('is a stream of the classes given', () => {
      assert.ok(open(new MemoryFile()) instanceof classes.ReadableStream);
    });

    describe('default readers', () => {
      it('get the bytes in chunks of their own memory', async () => {
        const file = new MemoryFile(1000);
        const chunks = await all(file, { chunkSize: 300 });
        assert.deepEqual(
          chunks.map(({ length }) => length),
          [300, 300, 300, 100],
        );
        for (const chunk of chunks) {
          assert.equal(chunk.constructor, Uint8Array);
          assert.equal(chunk.byteOffset, 0);
          assert.equal(chunk.buffer.byteLength, chunk.length);
        }
        assert.deepEqual(Buffer.concat(chunks), patternBytes(1000));
        released(file);
      });

      it('get 256 KiB at a time by default, from positions as numbers or bigints', async () => {
        const file = new MemoryFile(600_000);
        const chunks = await all(file, { start: 10n, end: 590_010 });
        assert.deepEqual(
          chunks.map(({ length }) => length),
          [262_144, 262_144, 65_712],
        );
        assert.deepEqual(Buffer.concat(chunks), patternBytes(590_000, 10));
      });

      it('are told of the end with the last chunk, by one read', async () => {
        const file = new MemoryFile(100);
        const reader = open(file).getReader();
        await reader.read();
        await reader.closed;
        assert.equal(file.reads, 1);
        released(file);
        assert.deepEqual(await reader.read(), { value: undefined, done: true });
      });

      it('get nothing from an empty file, an empty range or beyond the end', async () => {
        for (const options of [{}, { start: 0, end: 0 }, { start: 5, end: 5 }, { start: 5000 }]) {
          const file = new MemoryFile('start' in options ? 100 : 0);
          assert.deepEqual(await all(file, options), []);
          released(file);
        }
      });

      it('read nothing before they ask', async () => {
        const file = new MemoryFile(100);
        const stream = open(file);
        await delay(5);
        assert.equal(file.reads, 0);
        await stream.cancel();
      });

      it('get reads in the order in which they were asked for', async () => {
        const file = new MemoryFile(50);
        file.onRead = later();
        const reader = open(file, { chunkSize: 10 }).getReader();
        const results = await Promise.all(Array.from({ length: 7 }, () => reader.read()));
        assert.deepEqual(
          results.map(({ done }) => done),
          [false, false, false, false, false, true, true],
        );
        assert.deepEqual(Buffer.concat(results.flatMap(({ value }) => (value ? [value] : []))), patternBytes(50));
      });

      it('keep their chunks as they are while others are read', async () => {
        const file = new MemoryFile(64);
        const chunks = await all(file, { chunkSize: 16 });
        chunks.forEach((chunk, i) => assert.deepEqual(bytesOf(chunk), patternBytes(16, i * 16)));
      });

      it('get less in one chunk when a read returns less', async () => {
        const file = new MemoryFile(100);
        file.longestRead = 7;
        const chunks = await all(file, { chunkSize: 10 });
        assert.ok(chunks.every(({ length, buffer }) => length <= 7 && buffer.byteLength === length));
        assert.deepEqual(Buffer.concat(chunks), patternBytes(100));
      });
    });

    describe('BYOB readers', () => {
      for (const kind of viewKinds) {
        it(`fill a ${kind.name}`, async () => {
          const file = new MemoryFile(64);
          const reader = open(file).getReader({ mode: 'byob' });
          const size = kind.BYTES_PER_ELEMENT ?? 1;
          const buffer = new ArrayBuffer(48);
          const { value, done } = await reader.read(new kind(buffer, 8, 24 / size) as unknown as Uint8Array);
          assert.ok(value && !done);
          assert.equal(value.constructor, kind);
          assert.equal(value.byteOffset, 8);
          assert.equal(value.byteLength, 24);
          assert.equal(value.buffer.byteLength, 48);
          assert.equal(buffer.byteLength, 0, 'the memory given has moved to the result');
          assert.deepEqual(bytesOf(value), patternBytes(24));
          assert.deepEqual(bytesOf(new Uint8Array(value.buffer, 0, 8)), Buffer.alloc(8));
          await reader.cancel();
          released(file);
        });
      }

      it('fill a Buffer', async () => {
        const reader = open(new MemoryFile(64)).getReader({ mode: 'byob' });
        const { value } = await reader.read(Buffer.allocUnsafeSlow(20));
        assert.deepEqual(bytesOf(value as Uint8Array), patternBytes(20));
      });

      it('get their memory filled straight from the file', async () => {
        const file = new MemoryFile(64);
        const lengths: number[] = [];
        file.onRead = (_call, _position, length) => void lengths.push(length);
        const reader = open(file, { chunkSize: 3 }).getReader({ mode: 'byob' });
        await reader.read(new Uint8Array(40));
        await reader.read(new Uint8Array(40));
        assert.deepEqual(lengths, [40, 24]);
        released(file);
      });

      it('get a shorter view at the end, then an empty one with done', async () => {
        const reader = open(new MemoryFile(10)).getReader({ mode: 'byob' });
        const first = await reader.read(new Uint8Array(16));
        assert.deepEqual([first.value?.length, first.value?.buffer.byteLength, first.done], [10, 16, false]);
        await reader.closed;
        const second = await reader.read(new Uint16Array(16) as unknown as Uint8Array);
        assert.equal(second.done, true);
        assert.equal(second.value?.constructor, Uint16Array);
        assert.equal(second.value?.length, 0);
        assert.equal(second.value?.buffer.byteLength, 32, 'the memory comes back');
      });

      it('that wait at the end are all answered', async () => {
        const file = new MemoryFile(0);
        file.onRead = later();
        const reader = open(file).getReader({ mode: 'byob' });
        const results = await Promise.all([1, 2, 3].map((n) => reader.read(new Uint8Array(n))));
        assert.deepEqual(
          results.map(({ done, value }) => [done, value?.length]),
          [
            [true, 0],
            [true, 0],
            [true, 0],
          ],
        );
        released(file);
      });

      it('are refused empty views', async () => {
        const reader = open(new MemoryFile(10)).getReader({ mode: 'byob' });
        await assert.rejects(reader.read(new Uint8Array(0)), TypeError);
        await assert.rejects(reader.read(new Uint8Array(new ArrayBuffer(0))), TypeError);
        const { value } = await reader.read(new Uint8Array(4));
        assert.deepEqual(bytesOf(value as Uint8Array), patternBytes(4));
      });

      it('wait for `min` elements', async () => {
        const file = new MemoryFile(100);
        file.longestRead = 3;
        const reader = open(file).getReader({ mode: 'byob' });
        const bytes = await readInto(reader, new Uint8Array(20), { min: 10 });
        assert.equal(bytes.value?.length, 12);
        assert.deepEqual(bytesOf(bytes.value as Uint8Array), patternBytes(12));
        const numbers = await readInto(reader, new Uint32Array(8), { min: 4 });
        assert.equal(numbers.value?.constructor, Uint32Array);
        // The standard gives whole elements, and keeps the rest for the next read.
        assert.deepEqual(bytesOf(numbers.value as Uint32Array), patternBytes(16, 12));
        const rest = await readInto(reader, new Uint8Array(72), { min: 72 });
        assert.deepEqual(bytesOf(rest.value as Uint8Array), patternBytes(72, 28));
        assert.equal(rest.done, false);
        await reader.closed;
        released(file);
      });

      it('are refused a `min` of 0 or more than the view holds', async () => {
        const reader = open(new MemoryFile(10)).getReader({ mode: 'byob' });
        await assert.rejects(readInto(reader, new Uint8Array(4), { min: 0 }), TypeError);
        await assert.rejects(readInto(reader, new Uint8Array(4), { min: 5 }), RangeError);
      });

      it('get fewer than `min`, and done, at the end', async () => {
        const file = new MemoryFile(5);
        const reader = open(file).getReader({ mode: 'byob' });
        const { value, done } = await readInto(reader, new Uint8Array(10), { min: 8 });
        assert.equal(done, true);
        assert.deepEqual(bytesOf(value as Uint8Array), patternBytes(5));
        released(file);
      });

      it('get a TypeError when the last bytes fill no element', async () => {
        const file = new MemoryFile(10);
        const reader = open(file).getReader({ mode: 'byob' });
        const { value } = await readInto(reader, new Uint32Array(2));
        assert.deepEqual(bytesOf(value as Uint32Array), patternBytes(8));
        await assert.rejects(readInto(reader, new Uint32Array(2)), TypeError);
        await assert.rejects(reader.closed, TypeError);
        released(file);
      });

      it('may turn into default readers and back', async () => {
        const file = new MemoryFile(30);
        const stream = open(file, { chunkSize: 10 });
        const byob = stream.getReader({ mode: 'byob' });
        assert.deepEqual(bytesOf((await byob.read(new Uint8Array(5))).value as Uint8Array), patternBytes(5));
        byob.releaseLock();
        const reader = stream.getReader();
        assert.deepEqual(bytesOf((await reader.read()).value as Uint8Array), patternBytes(10, 5));
        reader.releaseLock();
        const again = stream.getReader({ mode: 'byob' });
        assert.deepEqual(
          bytesOf((await readInto(again, new Uint8Array(40), { min: 40 })).value as Uint8Array),
          patternBytes(15, 15),
        );
        released(file);
      });
    });

    describe('a lock released during a read', () => {
      for (const [from, to] of [
        ['byob', 'default'],
        ['byob', 'byob'],
        ['default', 'byob'],
        ['default', 'default'],
      ] as const) {
        it(`loses no byte (${from} to ${to})`, async () => {
          const file = new MemoryFile(100);
          const { hook, open: letThrough, arrived } = gate();
          file.onRead = hook;
          const stream = open(file, { chunkSize: 10 });
          const lost =
            from === 'byob'
              ? (() => {
                  const reader = stream.getReader({ mode: 'byob' });
                  const read = reader.read(new Uint8Array(16));
                  return { reader, read };
                })()
              : (() => {
                  const reader = stream.getReader();
                  return { reader, read: reader.read() };
                })();
          await arrived;
          lost.reader.releaseLock();
          await assert.rejects(lost.read, TypeError);
          const got: Uint8Array[] = [];
          let pending: Promise<Result>;
          if (to === 'byob') {
            const reader = stream.getReader({ mode: 'byob' });
            pending = reader.read(new Uint8Array(7));
            letThrough();
            for (let result = await pending; !result.done; result = await reader.read(new Uint8Array(7)))
              got.push(result.value);
          } else {
            const reader = stream.getReader();
            pending = reader.read();
            letThrough();
            for (let result = await pending; !result.done; result = await reader.read()) got.push(result.value);
          }
          assert.deepEqual(Buffer.concat(got), patternBytes(100));
          released(file);
        });
      }
    });

    describe('cancelling', () => {
      it('lets go at once, and once', async () => {
        const file = new MemoryFile(100);
        const stream = open(file);
        assert.equal(file.held, 1);
        await stream.cancel('enough');
        await stream.cancel('again');
        released(file);
      });

      for (const mode of ['default', 'byob'] as const) {
        it(`during a read waits for the read (${mode})`, async () => {
          const file = new MemoryFile(100);
          const { hook, open: letThrough, arrived } = gate();
          file.onRead = hook;
          const stream = open(file);
          const reader = mode === 'byob' ? stream.getReader({ mode: 'byob' }) : stream.getReader();
          const read = reader.read(new Uint8Array(10));
          await arrived;
          let cancelled = false;
          const cancelling = reader.cancel().then(() => (cancelled = true));
          assert.deepEqual(await read, { value: undefined, done: true });
          await reader.closed;
          await turn();
          assert.equal(cancelled, false);
          assert.equal(file.letGo, 0);
          letThrough();
          await cancelling;
          released(file);
        });
      }

      it('by leaving a loop early', async () => {
        const file = new MemoryFile(100);
        for await (const chunk of open(file, { chunkSize: 10 })) {
          assert.deepEqual(bytesOf(chunk), patternBytes(10));
          break;
        }
        released(file);
        assert.equal(file.reads, 1);
      });

      it('not by leaving a loop that should not cancel', async () => {
        const file = new MemoryFile(30);
        const stream = open(file, { chunkSize: 10 });
        for await (const chunk of stream.values({ preventCancel: true })) {
          assert.equal(chunk.length, 10);
          break;
        }
        const rest: Uint8Array[] = [];
        for await (const chunk of stream) rest.push(chunk);
        assert.deepEqual(Buffer.concat(rest), patternBytes(20, 10));
        released(file);
      });

      it('while it waits for its turn of the event loop', async () => {
        const file = new MemoryFile(100);
        const reader = open(file, { chunkSize: 1 }).getReader();
        await reader.read();
        for (const until = performance.now() + 20; performance.now() < until;);
        const read = reader.read();
        const { reads } = file;
        await reader.cancel();
        assert.deepEqual(await read, { value: undefined, done: true });
        await delay(5);
        assert.equal(file.reads, reads);
        released(file);
      });
    });

    describe('failing', () => {
      const lost = new MappedFileError('ERR_MAPPED_FILE_TRUNCATED', 'The file shrank', { position: 20 });

      for (const late of [false, true]) {
        it(`errors the stream once, after what came before (${late ? 'late' : 'on the spot'})`, async () => {
          const file = new MemoryFile(100);
          file.onRead = failAt(3, lost, late);
          const reader = open(file, { chunkSize: 10 }).getReader();
          assert.deepEqual(bytesOf((await reader.read()).value as Uint8Array), patternBytes(10));
          assert.deepEqual(bytesOf((await reader.read()).value as Uint8Array), patternBytes(10, 10));
          await assert.rejects(reader.read(), (error) => error === lost);
          await assert.rejects(reader.read(), (error) => error === lost);
          await assert.rejects(reader.closed, (error) => error === lost);
          assert.equal(file.reads, 3);
          released(file);
        });

        it(`rejects BYOB reads, those that had got some bytes too (${late ? 'late' : 'on the spot'})`, async () => {
          const file = new MemoryFile(100);
          file.longestRead = 4;
          file.onRead = failAt(3, lost, late);
          const reader = open(file).getReader({ mode: 'byob' });
          const results = await Promise.allSettled([
            readInto(reader, new Uint8Array(16), { min: 16 }),
            reader.read(new Uint8Array(4)),
          ]);
          for (const result of results) assert.equal(result.status === 'rejected' && result.reason, lost);
          released(file);
        });
      }

      it('when the size can no longer be looked at', async () => {
        const file = new MemoryFile(10);
        file.refreshSync = () => {
          throw lost;
        };
        const stream = open(file, { start: 10 });
        await assert.rejects(stream.getReader().read(), (error) => error === lost);
        released(file);
      });

      it('after a cancel troubles nobody', async () => {
        const file = new MemoryFile(100);
        file.onRead = () => delay(5).then(() => Promise.reject(lost));
        const reader = open(file).getReader();
        const read = reader.read();
        await turn();
        await reader.cancel();
        assert.deepEqual(await read, { value: undefined, done: true });
        released(file);
      });
    });

    describe('the file closing', () => {
      it('errors the stream with the reason', async () => {
        const file = new MemoryFile(100);
        const reader = open(file, { chunkSize: 10 }).getReader();
        await reader.read();
        const reason = new Error('closing');
        file.close(reason);
        await assert.rejects(reader.closed, (error) => error === reason);
        await assert.rejects(reader.read(), (error) => error === reason);
        released(file);
      });

      it('waits for the read under way', async () => {
        const file = new MemoryFile(100);
        const { hook, open: letThrough, arrived } = gate();
        file.onRead = hook;
        const reader = open(file).getReader({ mode: 'byob' });
        const read = reader.read(new Uint8Array(10));
        await arrived;
        file.close(new Error('closing'));
        await assert.rejects(read, /closing/);
        assert.equal(file.letGo, 0);
        letThrough();
        await turn();
        released(file);
      });

      it('does not matter to a stream that has ended', async () => {
        const file = new MemoryFile(100);
        const stream = open(file);
        const reader = stream.getReader();
        await reader.read();
        file.close();
        assert.deepEqual(await reader.read(), { value: undefined, done: true });
        assert.throws(() => open(file), { code: 'ERR_MAPPED_FILE_CLOSED' });
      });
    });

    describe('an abort signal', () => {
      it('rejects with its reason, and is listened to no longer than needed', async () => {
        const file = new MemoryFile(100);
        const controller = new AbortController();
        const reader = open(file, { chunkSize: 10, signal: controller.signal }).getReader();
        await reader.read();
        const reason = new Error('enough');
        controller.abort(reason);
        await assert.rejects(reader.read(), (error) => error === reason);
        await assert.rejects(reader.closed, (error) => error === reason);
        released(file);
      });

      it('has DOMException AbortError as its reason by default', async () => {
        const controller = new AbortController();
        const stream = open(new MemoryFile(100), { signal: controller.signal });
        controller.abort();
        await assert.rejects(stream.getReader().read(), { name: 'AbortError' });
      });

      it('aborted before makes a stream that has failed', async () => {
        const file = new MemoryFile(100);
        const reason = new Error('too late');
        const stream = open(file, { signal: AbortSignal.abort(reason) });
        await assert.rejects(stream.getReader().read(), (error) => error === reason);
        assert.equal(file.reads, 0);
        released(file);
      });

      it('during a read', async () => {
        const file = new MemoryFile(100);
        const { hook, open: letThrough, arrived } = gate();
        file.onRead = hook;
        const controller = new AbortController();
        const reader = open(file, { signal: controller.signal }).getReader({ mode: 'byob' });
        const read = reader.read(new Uint8Array(10));
        await arrived;
        controller.abort(new Error('enough'));
        await assert.rejects(read, /enough/);
        letThrough();
        await turn();
        released(file);
      });

      it('after the end changes nothing', async () => {
        const file = new MemoryFile(10);
        const controller = new AbortController();
        const added: unknown[] = [];
        const removed: unknown[] = [];
        const { signal } = controller;
        const { addEventListener, removeEventListener } = signal;
        signal.addEventListener = function (this: AbortSignal, ...args: Parameters<typeof addEventListener>) {
          added.push(args[1]);
          addEventListener.apply(this, args);
        };
        signal.removeEventListener = function (this: AbortSignal, ...args: Parameters<typeof removeEventListener>) {
          removed.push(args[1]);
          removeEventListener.apply(this, args);
        };
        const reader = open(file, { signal }).getReader();
        await reader.read();
        assert.equal(added.length, 1);
        assert.deepEqual(removed, added);
        controller.abort();
        await reader.closed;
      });
    });

    describe('a file that changes', () => {
      it('is read to where it ends when the stream gets there', async () => {
        const file = new MemoryFile(20);
        const reader = open(file, { chunkSize: 10 }).getReader();
        await reader.read();
        file.resize(35);
        const rest: Uint8Array[] = [];
        for (let result = await reader.read(); !result.done; result = await reader.read()) rest.push(result.value);
        assert.deepEqual(Buffer.concat(rest), patternBytes(25, 10));
        released(file);
      });

      it('that shrank ends early, for both kinds of readers', async () => {
        const file = new MemoryFile(100);
        const reader = open(file, { chunkSize: 10, end: 90 }).getReader();
        await reader.read();
        file.resize(15);
        assert.deepEqual(bytesOf((await reader.read()).value as Uint8Array), patternBytes(5, 10));
        assert.equal((await reader.read()).done, true);
        released(file);

        const other = new MemoryFile(100);
        const byob = open(other).getReader({ mode: 'byob' });
        await byob.read(new Uint8Array(20));
        other.resize(10);
        const { value, done } = await readInto(byob, new Uint8Array(20), { min: 3 });
        assert.deepEqual([value?.length, done], [0, true]);
        released(other);
      });
    });

    describe('tee', () => {
      it('gives both branches all bytes, each its own', async () => {
        const file = new MemoryFile(1000);
        const [a, b] = open(file, { chunkSize: 64 }).tee();
        const collect = async (stream: typeof a): Promise<Buffer> => {
          const chunks: Uint8Array[] = [];
          for await (const chunk of stream) {
            chunks.push(chunk.slice());
            chunk.fill(0);
          }
          return Buffer.concat(chunks);
        };
        const [first, second] = await Promise.all([collect(a), collect(b)]);
        assert.deepEqual(first, patternBytes(1000));
        assert.deepEqual(second, patternBytes(1000));
        released(file);
      });

      it('serves a BYOB reader on one branch and a default one on the other', async () => {
        const file = new MemoryFile(500);
        file.onRead = later();
        const [a, b] = open(file, { chunkSize: 64 }).tee();
        const byob = a.getReader({ mode: 'byob' });
        const readByob = async (): Promise<Buffer> => {
          const chunks: Uint8Array[] = [];
          for (let r = await byob.read(new Uint8Array(33)); !r.done; r = await byob.read(new Uint8Array(33)))
            chunks.push(r.value);
          return Buffer.concat(chunks);
        };
        const readDefault = async (): Promise<Buffer> => {
          const chunks: Uint8Array[] = [];
          for await (const chunk of b) chunks.push(chunk);
          return Buffer.concat(chunks);
        };
        const [first, second] = await Promise.all([readByob(), readDefault()]);
        assert.deepEqual(first, patternBytes(500));
        assert.deepEqual(second, patternBytes(500));
        released(file);
      });

      it('lets go when both branches are cancelled, and fails both', async () => {
        const file = new MemoryFile(500);
        const [a, b] = open(file).tee();
        const first = a.cancel();
        assert.equal(file.letGo, 0);
        await Promise.all([first, b.cancel()]);
        released(file);

        const broken = new MemoryFile(500);
        broken.onRead = failAt(1, new Error('broken'), true);
        const branches = open(broken).tee();
        for (const branch of branches) await assert.rejects(branch.getReader().read(), /broken/);
        released(broken);
      });
    });

    describe('pipes', () => {
      const collector = (chunks: Uint8Array[], fail?: Error) =>
        new classes.WritableStream<Uint8Array>({
          write(chunk) {
            if (fail !== undefined && chunks.length === 2) throw fail;
            chunks.push(chunk);
          },
        });

      it('everything, and closes', async () => {
        const file = new MemoryFile(1000);
        const chunks: Uint8Array[] = [];
        await open(file, { chunkSize: 99 }).pipeTo(collector(chunks));
        assert.deepEqual(Buffer.concat(chunks), patternBytes(1000));
        released(file);
      });

      it('several files into one stream with preventClose', async () => {
        const chunks: Uint8Array[] = [];
        const target = collector(chunks);
        await open(new MemoryFile(10)).pipeTo(target, { preventClose: true });
        await open(new MemoryFile(20)).pipeTo(target);
        assert.deepEqual(Buffer.concat(chunks), Buffer.concat([patternBytes(10), patternBytes(20)]));
      });

      it('cancels when the target fails, unless preventCancel', async () => {
        const fail = new Error('full');
        const file = new MemoryFile(1000);
        await assert.rejects(open(file, { chunkSize: 10 }).pipeTo(collector([], fail)), /full/);
        released(file);

        const other = new MemoryFile(1000);
        const stream = open(other, { chunkSize: 10 });
        await assert.rejects(stream.pipeTo(collector([], fail), { preventCancel: true }), /full/);
        assert.equal(other.letGo, 0);
        await stream.cancel();
        released(other);
      });

      it('until aborted', async () => {
        const file = new MemoryFile(1000);
        file.onRead = later(1);
        const controller = new AbortController();
        const chunks: Uint8Array[] = [];
        const piping = open(file, { chunkSize: 1 }).pipeTo(collector(chunks), { signal: controller.signal });
        await delay(20);
        controller.abort(new Error('enough'));
        await assert.rejects(piping, /enough/);
        assert.ok(chunks.length < 1000);
        released(file);
      });

      it('its failure to the target', async () => {
        const file = new MemoryFile(1000);
        file.onRead = failAt(3, new Error('broken'));
        let reason: unknown;
        const target = new classes.WritableStream<Uint8Array>({ abort: (why) => void (reason = why) });
        await assert.rejects(open(file, { chunkSize: 10 }).pipeTo(target), /broken/);
        assert.match(inspect(reason), /broken/);
        released(file);
      });

      it('through a transform', async () => {
        const upper = new classes.TransformStream<Uint8Array, Uint8Array>({
          transform: (chunk, controller) => controller.enqueue(chunk.map((byte) => byte ^ 0xff)),
        });
        const chunks: Uint8Array[] = [];
        for await (const chunk of open(new MemoryFile(1000), { chunkSize: 77 }).pipeThrough(upper)) chunks.push(chunk);
        assert.deepEqual(Buffer.concat(chunks), Buffer.from(patternBytes(1000).map((byte) => byte ^ 0xff)));
      });
    });

    it('keeps a tail that filled no element for a read that can take it, whatever its `min`', async () => {
      const file = new MemoryFile(3);
      const reader = open(file).getReader({ mode: 'byob' });
      assert.equal((await readInto(reader, new Int16Array(2))).value?.length, 1);
      const { value, done } = await readInto(reader, new Uint8Array(2), { min: 2 });
      assert.equal(done, true);
      assert.deepEqual(bytesOf(value as Uint8Array), patternBytes(1, 2));
      released(file);
    });

    it('goes into ReadableStream.from', async () => {
      const { ReadableStream } = classes as unknown as {
        ReadableStream: { from(source: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> };
      };
      const file = new MemoryFile(1000);
      const chunks: Uint8Array[] = [];
      for await (const chunk of ReadableStream.from(open(file, { chunkSize: 90 }))) chunks.push(chunk);
      assert.deepEqual(Buffer.concat(chunks), patternBytes(1000));
      released(file);
    });

    it('is the body of a Response', async () => {
      const body = open(new MemoryFile(100_000)) as unknown as ConstructorParameters<typeof Response>[0];
      assert.deepEqual(Buffer.from(await new Response(body).arrayBuffer()), patternBytes(100_000));
    });

    it('lets timers run while a loop reads bytes that are in memory', async () => {
      const file = new MemoryFile(1);
      file.resize(2 ** 20);
      file.refreshSync();
      let ticks = 0;
      const timer = setInterval(() => ticks++, 1);
      try {
        const until = performance.now() + 100;
        while (performance.now() < until) for await (const chunk of open(file, { chunkSize: 4096 })) void chunk;
      } finally {
        clearInterval(timer);
      }
      assert.ok(ticks > 1, `${ticks} ticks`);
    });

    it('does not keep the file after 2,000 streams used in every way', async () => {
      const file = new MemoryFile(40);
      const { signal } = new AbortController();
      for (let i = 0; i < 2000; i++) {
        const reader = open(file, { chunkSize: 20, signal }).getReader();
        if (i % 2 > 0) await reader.read();
        if (i % 3 > 0) await reader.cancel();
        else while (!(await reader.read()).done);
      }
      assert.equal(file.held, 2000);
      released(file);
    });

    it('refuses wrong options', () => {
      const file = new MemoryFile(100);
      const cases: Array<[unknown, string]> = [
        [null, 'ERR_INVALID_ARG_TYPE'],
        [7, 'ERR_INVALID_ARG_TYPE'],
        [{ start: '1' }, 'ERR_INVALID_ARG_TYPE'],
        [{ start: null, end: null }, 'ERR_INVALID_ARG_TYPE'],
        [{ start: -1 }, 'ERR_OUT_OF_RANGE'],
        [{ start: -1n }, 'ERR_OUT_OF_RANGE'],
        [{ start: 1.5 }, 'ERR_OUT_OF_RANGE'],
        [{ start: NaN }, 'ERR_OUT_OF_RANGE'],
        [{ start: 2 ** 53 }, 'ERR_OUT_OF_RANGE'],
        [{ start: 2n ** 64n }, 'ERR_OUT_OF_RANGE'],
        [{ end: Infinity }, 'ERR_OUT_OF_RANGE'],
        [{ start: 6, end: 5 }, 'ERR_OUT_OF_RANGE'],
        [{ chunkSize: 0 }, 'ERR_OUT_OF_RANGE'],
        [{ chunkSize: 1.5 }, 'ERR_OUT_OF_RANGE'],
        [{ chunkSize: 10n }, 'ERR_INVALID_ARG_TYPE'],
        [{ signal: {} }, 'ERR_INVALID_ARG_TYPE'],
      ];
      for (const [options, code] of cases)
        assert.throws(() => open(file, options as ReadableOptions), { code }, inspect(options));
      assert.equal(file.held, 0);
    });

    it('gives exactly the bytes of the file to any sequence of reads', async () => {
      const aRead = fc.record({
        kind: fc.option(fc.constantFrom(...viewKinds), { nil: undefined }),
        elements: fc.integer({ min: 1, max: 40 }),
        min: fc.option(fc.integer({ min: 1, max: 40 }), { nil: undefined }),
        slack: fc.integer({ min: 0, max: 2 }),
      });
      await fc.assert(
        fc.asyncProperty(
          fc.record({
            size: fc.integer({ min: 0, max: 3000 }),
            start: fc.integer({ min: 0, max: 200 }),
            length: fc.option(fc.integer({ min: 0, max: 3000 }), { nil: undefined }),
            chunkSize: fc.integer({ min: 1, max: 500 }),
            longestRead: fc.constantFrom(1, 3, 64, Infinity),
            cold: fc.constantFrom('never', 'sometimes', 'always'),
            reads: fc.array(aRead, { maxLength: 30 }),
          }),
          async ({ size, start, length, chunkSize, longestRead, cold, reads }) => {
            const file = new MemoryFile(size);
            file.longestRead = longestRead;
            file.onRead = (call) => {
              if (cold === 'always' || (cold === 'sometimes' && call % 3 === 0)) return turn();
            };
            const end = length === undefined ? undefined : start + length;
            const stream = open(file, { start, end, chunkSize });
            const expected = file.content.subarray(start, end);
            const got: Uint8Array[] = [];
            let at = 0;
            let done = false;
            for (const { kind, elements, min, slack } of reads) {
              if (done) break;
              if (kind === undefined) {
                const reader = stream.getReader();
                const result = await reader.read();
                done = result.done;
                if (!result.done) {
                  got.push(result.value);
                  at += result.value.length;
                }
                reader.releaseLock();
                continue;
              }
              const width = kind.BYTES_PER_ELEMENT ?? 1;
              const reader = stream.getReader({ mode: 'byob' });
              const view = new kind(new ArrayBuffer((elements + slack) * width), slack * width, elements);
              const least = min === undefined ? undefined : Math.min(min, elements);
              let result: Result<ArrayBufferView>;
              try {
                result = await readInto(reader, view, least === undefined ? {} : { min: least });
              } catch (error) {
                // Only for a tail that is no whole number of elements, which the standard refuses.
                assert.ok(error instanceof TypeError, inspect(error));
                assert.notEqual((expected.length - at) % width, 0);
                assert.ok(expected.length - at < (least ?? 1) * width);
                released(file);
                return;
              }
              const value = result.value as ArrayBufferView;
              assert.equal(value.constructor, kind);
              done = result.done;
              if (!done) assert.ok(value.byteLength >= (least ?? 1) * width);
              got.push(new Uint8Array(value.buffer, value.byteOffset, value.byteLength));
              at += value.byteLength;
              reader.releaseLock();
            }
            if (!done) for await (const chunk of stream) got.push(chunk);
            assert.deepEqual(Buffer.concat(got), Buffer.from(expected));
            released(file);
          },
        ),
        { numRuns: 300 },
      );
    });
  });
}
