import assert from 'node:assert/strict';
import { setImmediate as turn, setTimeout as delay } from 'node:timers/promises';
import { inspect } from 'node:util';
import fc from 'fast-check';
import { systemError } from '#src/errors.js';
import { createReadable } from '#src/streams/readable.js';
import { createWritable, type WritableChunk, type WritableOptions } from '#src/streams/writable.js';
import { failAt, gate, later, MemoryFile, patternBytes } from '../helpers/memory-source.js';
import { implementations } from '../helpers/stream-classes.js';

const MiB = 1024 * 1024;

for (const [name, classes] of implementations) {
  describe(`writable() with ${name} classes`, function () {
    this.timeout(30_000); // for busy machines; nothing here measures time

    const open = (file: MemoryFile, options?: WritableOptions) => createWritable(file, options, classes);

    function released(file: MemoryFile): void {
      assert.ok(file.idle, 'the file is still held');
      assert.equal(file.letGo, file.held);
    }

    async function put(file: MemoryFile, chunks: unknown[], options?: WritableOptions): Promise<void> {
      const writer = open(file, options).getWriter();
      const writes = chunks.map((chunk) => writer.write(chunk as WritableChunk));
      writes.push(writer.close());
      await Promise.all(writes);
      released(file);
    }

    it('is a stream of the classes given', () => {
      assert.ok(open(new MemoryFile()) instanceof classes.WritableStream);
    });

    describe('chunks', () => {
      it('of every kind of bytes', async () => {
        const bytes = patternBytes(16).buffer.slice(0) as ArrayBuffer;
        const exact = new Uint8Array(patternBytes(16)).buffer;
        const kinds: ReadonlyArray<new (buffer: ArrayBuffer) => ArrayBufferView> = [
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
        const views = kinds.map((kind) => new kind(exact));
        const shared = new SharedArrayBuffer(16);
        new Uint8Array(shared).set(patternBytes(16));
        const chunks = [...views, exact, shared, new Uint8Array(shared), new Uint8Array(bytes, 4, 8), Buffer.from('x')];
        const file = new MemoryFile();
        await put(file, chunks);
        const sixteen = patternBytes(16);
        const expected = [...Array<Buffer>(15).fill(sixteen), Buffer.from(bytes, 4, 8), Buffer.from('x')];
        assert.deepEqual(file.content, Buffer.concat(expected));
      });

      it('of text, as UTF-8', async () => {
        const file = new MemoryFile();
        await put(file, ['héllo ', '', '日本', Buffer.from([0xff]), '\u{1f600}']);
        assert.deepEqual(
          file.content,
          Buffer.concat([Buffer.from('héllo 日本'), Buffer.from([0xff]), Buffer.from('\u{1f600}')]),
        );
      });

      it('that cut a surrogate pair, as TextEncoderStream does', async () => {
        const cases: string[][] = [
          ['\ud83d', '\ude00'],
          ['a\ud83d', '', '\ude00b'],
          ['\ud83d', 'x'],
          ['\ud83d', '\ud83d', '\ude00'],
          ['\ude00', '\ud83d'],
          ['\ud83d'],
        ];
        for (const pieces of cases) {
          const encoder = new TextEncoderStream();
          const writer = encoder.writable.getWriter();
          void Promise.all(pieces.map((piece) => writer.write(piece))).then(() => writer.close());
          const expected: Uint8Array[] = [];
          for await (const chunk of encoder.readable) expected.push(chunk);
          const file = new MemoryFile();
          await put(file, pieces);
          assert.deepEqual(file.content, Buffer.concat(expected), inspect(pieces));
        }
        const file = new MemoryFile();
        await put(file, ['a\ud83d', new Uint8Array([1]), '\ude00']);
        assert.deepEqual(file.content, Buffer.from('a\ufffd\u0001\ufffd'));
      });

      for (const wrong of [undefined, null, 7, 7n, true, {}, [], Symbol('s'), () => {}]) {
        it(`that are no bytes error the stream (${inspect(wrong)})`, async () => {
          const file = new MemoryFile();
          const writer = open(file).getWriter();
          const outcomes = await Promise.allSettled([
            writer.write('before'),
            writer.write(wrong as WritableChunk),
            writer.write('after'),
          ]);
          assert.deepEqual(
            outcomes.map(({ status }) => status),
            ['fulfilled', 'rejected', 'rejected'],
          );
          await assert.rejects(writer.closed, { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' });
          assert.equal(file.content.toString(), 'before');
          released(file);
        });
      }
    });

    describe('places', () => {
      it('from start on, over what is there and past the end', async () => {
        const file = new MemoryFile(20);
        await put(file, ['over', 'write'], { start: 5n });
        assert.deepEqual(file.content, Buffer.concat([patternBytes(5), Buffer.from('overwrite'), patternBytes(6, 14)]));
        await put(file, ['end'], { start: 30 });
        assert.deepEqual(file.content.subarray(20), Buffer.concat([Buffer.alloc(10), Buffer.from('end')]));
      });

      it('at the end of a file opened for appending', async () => {
        const file = new MemoryFile(Buffer.from('log:'));
        file.appending = true;
        await put(file, ['one', 'two']);
        assert.equal(file.content.toString(), 'log:onetwo');
      });
    });

    describe('gathering', () => {
      it('puts small writes together while more are queued', async () => {
        const file = new MemoryFile();
        const bytes = patternBytes(200_000);
        await put(
          file,
          Array.from({ length: 2000 }, (_, i) => bytes.subarray(i * 100, i * 100 + 100)),
        );
        assert.deepEqual(file.content, bytes);
        assert.ok(file.writes.length <= 4, `${file.writes.length} writes`);
      });

      it('has a write that nothing follows in the file when it resolves', async () => {
        const file = new MemoryFile();
        file.onWrite = later();
        const writer = open(file).getWriter();
        for (const word of ['a', 'bc', 'def']) {
          await writer.write(word);
          assert.ok(file.content.toString().endsWith(word));
        }
        const burst = Array.from({ length: 10 }, (_, i) => writer.write(`${i}`));
        await burst.at(-1);
        assert.equal(file.content.toString(), 'abcdef0123456789');
        await writer.close();
        released(file);
      });

      it('leaves large writes alone', async () => {
        const file = new MemoryFile();
        const large = patternBytes(MiB);
        await put(file, ['small', large, 'small', large]);
        assert.deepEqual(file.content, Buffer.concat([Buffer.from('small'), large, Buffer.from('small'), large]));
        assert.deepEqual(file.writes, [
          [0, 5],
          [5, MiB],
          [MiB + 5, 5],
          [MiB + 10, MiB],
        ]);
      });

      it('does not need memory to stay as it is after a write has resolved', async () => {
        const file = new MemoryFile();
        file.onWrite = later();
        const writer = open(file).getWriter();
        const buffer = new Uint8Array(1000);
        const pending: Array<Promise<void>> = [];
        for (let i = 1; i <= 50; i++) {
          pending.push(writer.write(buffer.slice().fill(i)));
          void pending.at(-1)?.then(() => buffer.fill(0xee));
        }
        await writer.close();
        await Promise.all(pending);
        for (let i = 1; i <= 50; i++) assert.ok(file.content.subarray((i - 1) * 1000, i * 1000).every((b) => b === i));
      });
    });

    describe('backpressure', () => {
      it('counts bytes, of text too', async () => {
        const file = new MemoryFile();
        const { hook, open: letThrough, arrived } = gate();
        file.onWrite = hook;
        const writer = open(file).getWriter();
        assert.equal(writer.desiredSize, 2 * MiB);
        const writes = [writer.write('x')];
        await arrived; // a chunk being written counts until it is done
        const before = writer.desiredSize;
        writes.push(writer.write('é€'));
        assert.equal(before - writer.desiredSize, 5);
        writes.push(writer.write(new Uint16Array(100) as unknown as Uint8Array));
        assert.equal(before - writer.desiredSize, 205);
        writes.push(writer.write(new Uint8Array(2 * MiB)));
        assert.ok(writer.desiredSize <= 0);
        let ready = false;
        void writer.ready.then(() => (ready = true));
        await turn();
        assert.equal(ready, false);
        letThrough();
        await Promise.all(writes);
        await writer.ready;
        assert.equal(writer.desiredSize, 2 * MiB);
        await writer.close();
        released(file);
      });

      it('bounds the memory of a pipe of 64 MiB', async () => {
        const size = 64 * MiB;
        const source = new MemoryFile(size);
        const target = new MemoryFile();
        let read = 0;
        let ahead = 0;
        source.onRead = (_call, position, length) => void (read = position + length);
        target.onWrite = async (call, position) => {
          await (call % 16 === 0 ? delay(1) : turn());
          ahead = Math.max(ahead, read - position);
        };
        const chunkSize = 64 * 1024;
        await createReadable(source, { chunkSize }, classes).pipeTo(open(target));
        assert.ok(target.content.equals(source.content));
        // The queue, the chunk that made it full, what is gathered and what is being written.
        const bound = 2 * MiB + chunkSize + 2 * MiB;
        assert.ok(ahead <= bound, `${ahead} bytes ahead, at most ${bound} allowed`);
        assert.ok(ahead >= MiB, 'reading went on while writing');
        assert.ok(target.writes.length <= (size / MiB) * 2.5, `${target.writes.length} writes`);
        released(source);
        released(target);
      });
    });

    describe('closing', () => {
      it('writes out what there is, and flushes only when asked to', async () => {
        for (const flushOnClose of [false, true]) {
          const file = new MemoryFile();
          let flushedAt = -1;
          file.onFlush = () => void (flushedAt = file.content.length);
          await put(file, ['a', 'b', 'c\ud800'], { flushOnClose });
          assert.equal(file.content.toString(), 'abc\ufffd');
          assert.equal(flushedAt, flushOnClose ? 6 : -1);
        }
      });

      it('tells of a flush that fails', async () => {
        const file = new MemoryFile();
        file.onFlush = () => Promise.reject(systemError(5, 'fsync', '/memory'));
        const writer = open(file, { flushOnClose: true }).getWriter();
        await writer.write('abc');
        await assert.rejects(writer.close(), { code: 'EIO' });
        released(file);
      });

      it('refuses what comes after', async () => {
        const file = new MemoryFile();
        const writer = open(file).getWriter();
        const first = writer.write('a');
        const closing = writer.close();
        await assert.rejects(writer.write('b'), TypeError);
        await Promise.all([first, closing]);
        assert.equal(file.content.toString(), 'a');
        released(file);
      });
    });

    describe('aborting', () => {
      it('leaves the writes that had resolved and the one in flight', async () => {
        for (let resolved = 0; resolved < 6; resolved++) {
          const file = new MemoryFile();
          file.onWrite = later();
          const writer = open(file).getWriter();
          const done: number[] = [];
          const writes = Array.from({ length: 8 }, (_, i) =>
            writer.write(`${i}`).then(
              () => void done.push(i),
              () => {},
            ),
          );
          if (resolved > 0) await writes[resolved - 1];
          await writer.abort(new Error('enough'));
          await Promise.all(writes);
          assert.equal(file.content.toString(), done.join(''));
          await assert.rejects(writer.closed, /enough/);
          released(file);
        }
      });

      it('waits for the write in flight, and writes nothing of what was queued', async () => {
        const file = new MemoryFile();
        const { hook, open: letThrough, arrived } = gate();
        file.onWrite = hook;
        const writer = open(file).getWriter();
        const first = writer.write(new Uint8Array(MiB).fill(1));
        const second = writer.write('queued');
        await arrived;
        let aborted = false;
        const aborting = writer.abort(new Error('enough')).then(() => (aborted = true));
        await turn();
        assert.equal(aborted, false);
        assert.equal(file.letGo, 0);
        letThrough();
        await first;
        await assert.rejects(second, /enough/);
        await aborting;
        assert.equal(file.content.length, MiB);
        released(file);
      });

      it('leaves half a character out', async () => {
        const file = new MemoryFile();
        const writer = open(file).getWriter();
        await writer.write('a\ud83d');
        await writer.abort();
        await assert.rejects(writer.closed);
        assert.equal(file.content.toString(), 'a');
        released(file);
      });

      it('rejects when what had been taken cannot be written', async () => {
        const file = new MemoryFile();
        const { hook, open: letThrough, arrived } = gate();
        file.onWrite = async (...args) => {
          await hook(...args);
          throw systemError(28, 'write', '/memory');
        };
        const writer = open(file).getWriter();
        const writes = [writer.write('x'), writer.write('y')];
        for (const write of writes) write.catch(() => {});
        writer.closed.catch(() => {});
        await arrived;
        const aborting = writer.abort(new Error('enough'));
        letThrough();
        await assert.rejects(aborting);
        released(file);
      });

      for (const when of ['before', 'idle', 'in flight'] as const) {
        it(`by a signal (${when})`, async () => {
          const file = new MemoryFile();
          const { hook, open: letThrough, arrived } = gate();
          if (when === 'in flight') file.onWrite = hook;
          const controller = new AbortController();
          const reason = new Error('enough');
          if (when === 'before') controller.abort(reason);
          const writer = open(file, { signal: controller.signal }).getWriter();
          writer.closed.catch(() => {});
          writer.ready.catch(() => {});
          const done: string[] = [];
          const write = (text: string) =>
            writer.write(text).then(
              () => void done.push(text),
              (error) => assert.equal(error, reason),
            );
          const writes = [write('one')];
          if (when === 'in flight') await arrived;
          writes.push(write('two'), write('three'));
          if (when === 'idle') await Promise.all(writes);
          controller.abort(reason);
          letThrough();
          await Promise.all([...writes, write('late')]);
          await assert.rejects(writer.closed, (error) => error === reason);
          await turn();
          assert.equal(file.content.toString(), done.join(''));
          assert.equal(done.length, { before: 0, idle: 3, 'in flight': 1 }[when]);
          released(file);
        });
      }
    });

    describe('failing', () => {
      for (const late of [false, true]) {
        it(`errors the stream once, and tells where (${late ? 'late' : 'on the spot'})`, async () => {
          const file = new MemoryFile();
          const full = systemError(28, 'write', '/memory');
          file.onWrite = failAt(2, full, late);
          file.partialWrite = 3;
          const writer = open(file, { start: 100 }).getWriter();
          await writer.write('abcd');
          await assert.rejects(writer.write('efgh'), (error) => error === full);
          await assert.rejects(writer.write('ijkl'), (error) => error === full);
          await assert.rejects(writer.closed, (error) => error === full);
          await assert.rejects(writer.close());
          assert.equal((full as unknown as { position: number }).position, 104);
          assert.equal(file.content.subarray(100).toString(), 'abcdefg');
          assert.equal(file.writes.length, 2);
          released(file);
        });
      }

      it('while others are gathered stops them', async () => {
        const file = new MemoryFile();
        file.onWrite = (call) => turn().then(() => (call === 3 ? Promise.reject(new Error('broken')) : undefined));
        const bytes = patternBytes(4 * MiB);
        const writer = open(file).getWriter();
        writer.closed.catch(() => {});
        const writes: Array<Promise<void>> = [];
        for (let i = 0; i < bytes.length; i += 10_000) writes.push(writer.write(bytes.subarray(i, i + 10_000)));
        const outcomes = await Promise.allSettled(writes);
        await assert.rejects(writer.closed, /broken/);
        assert.equal(outcomes.at(-1)?.status, 'rejected');
        assert.equal(file.writes.length, 3);
        assert.deepEqual(file.content, bytes.subarray(0, file.content.length));
        released(file);
      });

      it('to reserve blocks errors the stream before anything is written', async () => {
        const file = new MemoryFile();
        const asked: number[] = [];
        file.onPreallocate = (...range) => {
          asked.push(...range);
          return Promise.reject(systemError(28, 'fallocate', '/memory'));
        };
        const writer = open(file, { start: 10, preallocate: 1000 }).getWriter();
        writer.closed.catch(() => {});
        await assert.rejects(writer.write('abc'), { code: 'ENOSPC' });
        assert.deepEqual(asked, [10, 1000]);
        assert.equal(file.writes.length, 0);
        released(file);
      });
    });

    describe('the file closing', () => {
      it('errors the stream, with what had been taken written', async () => {
        const file = new MemoryFile();
        const { hook, open: letThrough, arrived } = gate();
        file.onWrite = hook;
        const reason = new Error('closing');
        const writer = open(file).getWriter();
        const writes = [writer.write('a')];
        await arrived;
        writes.push(writer.write('b'));
        file.close(reason);
        assert.equal(file.letGo, 0);
        letThrough();
        await writes[0];
        await assert.rejects(writes[1] as Promise<void>, (error) => error === reason);
        await assert.rejects(writer.closed, (error) => error === reason);
        assert.equal(file.content.toString(), 'a');
        await turn();
        released(file);
        assert.throws(() => open(file), { code: 'ERR_MAPPED_FILE_CLOSED' });
      });
    });

    describe('pipes', () => {
      it('end a stream, or not with preventClose', async () => {
        const file = new MemoryFile();
        const stream = open(file);
        await createReadable(new MemoryFile(100), {}, classes).pipeTo(stream, { preventClose: true });
        await createReadable(new MemoryFile(50), {}, classes).pipeTo(stream);
        assert.deepEqual(file.content, Buffer.concat([patternBytes(100), patternBytes(50)]));
        released(file);
      });

      it('abort it when the source fails, or not with preventAbort', async () => {
        for (const preventAbort of [false, true]) {
          const source = new MemoryFile(100);
          source.onRead = failAt(3, new Error('broken'));
          const file = new MemoryFile();
          const stream = open(file);
          const piping = createReadable(source, { chunkSize: 10 }, classes).pipeTo(stream, { preventAbort });
          await assert.rejects(piping, /broken/);
          assert.deepEqual(file.content, patternBytes(20));
          if (preventAbort) await stream.close();
          else await assert.rejects(stream.getWriter().closed, /broken/);
          released(file);
          released(source);
        }
      });

      it('let timers run', async () => {
        const source = new MemoryFile(MiB);
        let ticks = 0;
        const timer = setInterval(() => ticks++, 1);
        try {
          const until = performance.now() + 100;
          while (performance.now() < until)
            await createReadable(source, { chunkSize: 4096 }, classes).pipeTo(open(new MemoryFile()));
        } finally {
          clearInterval(timer);
        }
        assert.ok(ticks > 1, `${ticks} ticks`);
      });
    });

    it('refuses wrong options', () => {
      const file = new MemoryFile(100);
      const cases: Array<[unknown, string]> = [
        [null, 'ERR_INVALID_ARG_TYPE'],
        [{ start: 'x' }, 'ERR_INVALID_ARG_TYPE'],
        [{ start: -1 }, 'ERR_OUT_OF_RANGE'],
        [{ start: 0.5 }, 'ERR_OUT_OF_RANGE'],
        [{ preallocate: -1 }, 'ERR_OUT_OF_RANGE'],
        [{ preallocate: '1' }, 'ERR_INVALID_ARG_TYPE'],
        [{ flushOnClose: 1 }, 'ERR_INVALID_ARG_TYPE'],
        [{ signal: 'stop' }, 'ERR_INVALID_ARG_TYPE'],
      ];
      for (const [options, code] of cases)
        assert.throws(() => open(file, options as WritableOptions), { code }, inspect(options));
      assert.equal(file.held, 0);
    });

    it('writes the same bytes however they are split', async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.record({
            text: fc.string({ unit: 'binary', maxLength: 3000 }),
            repeat: fc.constantFrom(1, 10, 400),
            cuts: fc.array(fc.nat({ max: 1_200_000 }), { maxLength: 40 }),
            asText: fc.array(fc.boolean(), { minLength: 1, maxLength: 8 }),
            waits: fc.array(fc.boolean(), { minLength: 1, maxLength: 8 }),
            cold: fc.boolean(),
            start: fc.nat({ max: 100 }),
          }),
          async ({ text, repeat, cuts, asText, waits, cold, start }) => {
            const whole = text.repeat(repeat);
            const bounds = [0, ...cuts.map((cut) => Math.min(cut, whole.length)), whole.length].sort((a, b) => a - b);
            const file = new MemoryFile();
            if (cold) file.onWrite = later();
            const writer = open(file, { start }).getWriter();
            let expected = '';
            for (let i = 1; i < bounds.length; i++) {
              const piece = whole.slice(bounds[i - 1], bounds[i]);
              const text = asText[i % asText.length] as boolean;
              // Bytes after half a character end it, and a piece given as bytes has lost its own halves already.
              expected += text || piece === '' ? piece : Buffer.from(piece).toString();
              const writing = writer.write(text || piece === '' ? piece : Buffer.from(piece));
              if (waits[i % waits.length]) await writing;
            }
            await writer.close();
            assert.ok(file.content.subarray(start).equals(Buffer.from(expected)));
            released(file);
          },
        ),
        { numRuns: 200 },
      );
    });
  });
}
