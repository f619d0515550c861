import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, request, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createInterface } from 'node:readline';
import { Duplex, PassThrough, Readable, Transform, Writable } from 'node:stream';
import { buffer, text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { setImmediate as turn, setTimeout as delay } from 'node:timers/promises';
import { inspect } from 'node:util';
import { createGunzip, createGzip } from 'node:zlib';
import fc from 'fast-check';
import { systemError } from '#src/errors.js';
import {
  createReadStream,
  createWriteStream,
  type ReadStreamOptions,
  type WriteStreamOptions,
} from '#src/streams/node.js';
import { createReadable } from '#src/streams/readable.js';
import { createWritable } from '#src/streams/writable.js';
import { failAt, gate, later, MemoryFile, patternBytes } from '../helpers/memory-source.js';

function released(file: MemoryFile): void {
  assert.ok(file.idle, 'the file is still held');
  assert.equal(file.letGo, file.held);
}

/** The names of the events that a stream emits, in order. */
function eventsOf(stream: Readable | Writable): string[] {
  const seen: string[] = [];
  for (const name of ['open', 'ready', 'end', 'finish', 'error', 'close']) stream.on(name, () => seen.push(name));
  return seen;
}

async function closed(stream: Readable | Writable): Promise<void> {
  if (!stream.closed) await new Promise((resolve) => stream.once('close', resolve));
}

describe('createReadStream()', function () {
  this.timeout(30_000); // for busy machines; nothing here measures time

  it('has the events and properties of fs.ReadStream', async () => {
    const file = new MemoryFile(1000);
    const stream = createReadStream(file, { highWaterMark: 300 }, { fd: 42 });
    const events = eventsOf(stream);
    assert.equal(stream.path, '/memory');
    assert.equal(stream.pending, true);
    assert.equal(stream.bytesRead, 0);
    const [fd] = (await once(stream, 'open')) as [number];
    assert.equal(fd, 42);
    assert.equal(stream.pending, false);
    const chunks: Buffer[] = [];
    // Not by iteration, which joins chunks that wait.
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    await closed(stream);
    for (const chunk of chunks) {
      assert.ok(Buffer.isBuffer(chunk));
      assert.equal(chunk.buffer.byteLength, chunk.length, 'memory of its own');
    }
    assert.deepEqual(
      chunks.map(({ length }) => length),
      [300, 300, 300, 100],
    );
    assert.deepEqual(Buffer.concat(chunks), patternBytes(1000));
    assert.equal(stream.bytesRead, 1000);
    assert.deepEqual(events, ['open', 'ready', 'end', 'close']);
    released(file);
  });

  it('reads 64 KiB at a time by default', async () => {
    const stream = createReadStream(new MemoryFile(100_000));
    assert.equal(stream.readableHighWaterMark, 65_536);
    assert.deepEqual(await buffer(stream), patternBytes(100_000));
  });

  it('takes an inclusive end', async () => {
    const file = new MemoryFile(100);
    const cases: Array<[ReadStreamOptions, number, number]> = [
      [{ start: 10, end: 19 }, 10, 20],
      [{ start: 10n, end: 10n }, 10, 11],
      [{ end: 0 }, 0, 1],
      [{ start: 90, end: 1000 }, 90, 100],
      [{ start: 90, end: Infinity }, 90, 100],
      [{ start: 100 }, 100, 100],
    ];
    for (const [options, start, end] of cases)
      assert.deepEqual(await buffer(createReadStream(file, options)), patternBytes(end - start, start));
    released(file);
  });

  it('is pending before it is open and after it is closed, as in node:fs', async () => {
    for (const create of [createReadStream, createWriteStream]) {
      const stream = create(new MemoryFile(10));
      const seen = [stream.pending];
      stream.on('open', () => seen.push(stream.pending)).on('close', () => seen.push(stream.pending));
      if (stream instanceof Readable) stream.resume();
      else stream.end();
      await closed(stream);
      assert.deepEqual(seen, [true, false, true]);
    }
  });

  it('leaves what a listener of open or ready throws to the process', async () => {
    for (const name of ['open', 'ready']) {
      const file = new MemoryFile(10);
      const read = createReadStream(file);
      const write = createWriteStream(file, { start: 10 });
      const mocha = process.listeners('uncaughtException');
      process.removeAllListeners('uncaughtException');
      const uncaught: unknown[] = [];
      process.on('uncaughtException', (error: Error) => uncaught.push(error.message));
      try {
        for (const stream of [read, write]) {
          stream.on(name, () => {
            throw new Error(`thrown at ${name}`);
          });
        }
        write.end('more');
        await Promise.all([read.resume(), write].map((stream) => once(stream, 'close')));
      } finally {
        process.removeAllListeners('uncaughtException');
        for (const listener of mocha) process.on('uncaughtException', listener);
      }
      assert.deepEqual(uncaught, [`thrown at ${name}`, `thrown at ${name}`]);
      assert.deepEqual(file.content.subarray(10), Buffer.from('more'));
      released(file);
    }
  });

  it('gives nothing any more after destroy()', async () => {
    for (const cold of [false, true]) {
      const file = new MemoryFile(1000);
      if (cold) file.onRead = later();
      const stream = createReadStream(file, { highWaterMark: 10 });
      let chunks = 0;
      stream.on('data', () => {
        if (++chunks === 3) stream.destroy();
      });
      await closed(stream);
      assert.equal(chunks, 3);
      released(file);
    }
  });

  it('takes options by inheritance', async () => {
    const options = Object.create({ start: 5, end: 9 }) as ReadStreamOptions;
    assert.deepEqual(await buffer(createReadStream(new MemoryFile(100), options)), patternBytes(5, 5));
  });

  it('decodes, characters cut by chunks too', async () => {
    const words = 'Grüße, 世界! \u{1f600} '.repeat(50);
    const file = new MemoryFile(Buffer.from(words));
    const stream = createReadStream(file, { encoding: 'utf8', highWaterMark: 7 });
    let got = '';
    for await (const chunk of stream as AsyncIterable<string>) {
      assert.equal(typeof chunk, 'string');
      got += chunk;
    }
    assert.equal(got, words);
    assert.equal(stream.bytesRead, Buffer.byteLength(words));
    const hex = createReadStream(new MemoryFile(Buffer.from('abc')), { encoding: 'hex' });
    assert.equal((await hex.toArray()).join(''), '616263');
  });

  it('comes to the end when what it reads is less than a character', async () => {
    for (const cold of [false, true]) {
      for (const encoding of ['utf8', 'utf16le', 'base64', 'base64url'] as const) {
        for (const highWaterMark of [1, 2, 16]) {
          const bytes = Buffer.from('Grüße, 世界! \u{1f600}…').subarray(0, -1); // the last one is cut, too
          const file = new MemoryFile(bytes);
          if (cold) file.onRead = later();
          const stream = createReadStream(file, { encoding, highWaterMark });
          assert.equal((await stream.toArray()).join(''), bytes.toString(encoding), `${encoding} ${highWaterMark}`);
          released(file);
        }
      }
    }
  });

  it('does not emit close when told so', async () => {
    const stream = createReadStream(new MemoryFile(10), { emitClose: false });
    const events = eventsOf(stream);
    stream.resume();
    await once(stream, 'end');
    await delay(5);
    assert.ok(stream.closed);
    assert.deepEqual(events, ['open', 'ready', 'end']);
  });

  it('leaves the file open, or closes it with autoClose', async () => {
    for (const autoClose of [undefined, false, true]) {
      for (const end of ['read', 'destroyed', 'failed']) {
        const file = new MemoryFile(10);
        if (end === 'failed') file.onRead = failAt(1, new Error('broken'));
        let closes = 0;
        const close = async (): Promise<void> => {
          closes++;
          assert.ok(file.idle, 'closed while held');
        };
        const stream = createReadStream(file, { autoClose }, { close });
        stream.on('error', () => {});
        if (end === 'destroyed') stream.destroy();
        else stream.resume();
        await closed(stream);
        assert.equal(closes, autoClose ? 1 : 0);
        released(file);
      }
    }
  });

  it('fails when the file cannot be closed', async () => {
    const stream = createReadStream(
      new MemoryFile(10),
      { autoClose: true },
      { close: () => Promise.reject(systemError(5, 'close')) },
    );
    stream.resume();
    const [error] = (await once(stream, 'error')) as [NodeJS.ErrnoException];
    assert.equal(error.code, 'EIO');
  });

  describe('destroyed', () => {
    const states: Array<[string, (file: MemoryFile, stream: Readable) => Promise<unknown> | void]> = [
      ['before it opens', () => {}],
      ['when open', (_file, stream) => once(stream, 'open')],
      ['when readable', (_file, stream) => once(stream, 'readable')],
      ['when flowing', (_file, stream) => once(stream, 'data')],
      [
        'when paused',
        async (_file, stream) => {
          await once(stream, 'data');
          stream.pause();
        },
      ],
      [
        'at the end',
        (_file, stream) => {
          stream.resume();
          return once(stream, 'end');
        },
      ],
    ];
    for (const cold of [false, true]) {
      for (const [state, reach] of states) {
        for (const error of [undefined, new Error('stop')]) {
          it(`${state}${cold ? ', cold' : ''}${error ? ', with an error' : ''}`, async () => {
            const file = new MemoryFile(1000);
            if (cold) file.onRead = later();
            const stream = createReadStream(file, { highWaterMark: 100 });
            const events = eventsOf(stream);
            await reach(file, stream);
            const ended = stream.readableEnded;
            const told = error !== undefined && !stream.destroyed; // it destroys itself at the end
            stream.destroy(error);
            stream.destroy(new Error('again'));
            await closed(stream);
            await delay(2);
            assert.equal(events.filter((event) => event === 'close').length, 1);
            assert.equal(events.filter((event) => event === 'error').length, told ? 1 : 0);
            assert.equal(events.includes('end'), ended);
            released(file);
          });
        }
      }
    }

    it('during a read: closes when that is done', async () => {
      const file = new MemoryFile(1000);
      const { hook, open, arrived } = gate();
      file.onRead = hook;
      const stream = createReadStream(file);
      stream.on('data', () => assert.fail('data after destroy'));
      await arrived;
      stream.destroy();
      await delay(2);
      assert.equal(stream.closed, false);
      open();
      await closed(stream);
      released(file);
    });

    it('by close(), with a callback', async () => {
      const file = new MemoryFile(1000);
      const stream = createReadStream(file);
      stream.resume();
      await new Promise<void>((resolve) => stream.close(() => resolve()));
      released(file);
    });

    it('by a signal', async () => {
      for (const before of [true, false]) {
        const file = new MemoryFile(1000);
        file.onRead = later(); // or it would be done before the signal
        const controller = new AbortController();
        if (before) controller.abort('enough');
        const stream = createReadStream(file, { signal: controller.signal, highWaterMark: 10 });
        const failed = once(stream, 'error') as Promise<[Error & { code: string }]>;
        if (!before) {
          await once(stream, 'data');
          controller.abort('enough');
        }
        const [error] = await failed;
        assert.equal(error.name, 'AbortError');
        assert.equal(error.code, 'ABORT_ERR');
        assert.equal(error.cause, 'enough');
        await closed(stream);
        released(file);
      }
    });

    it('by leaving a loop', async () => {
      const file = new MemoryFile(1000);
      for await (const chunk of createReadStream(file, { highWaterMark: 10 }) as AsyncIterable<Buffer>) {
        assert.deepEqual(chunk, patternBytes(chunk.length));
        assert.ok(chunk.length < 100);
        break;
      }
      released(file);
    });

    it('by the file closing', async () => {
      const file = new MemoryFile(1000);
      const stream = createReadStream(file, { highWaterMark: 10 });
      await once(stream, 'readable');
      const failed = once(stream, 'error');
      file.close(new Error('closing'));
      assert.match(String(await failed), /closing/);
      await closed(stream);
      released(file);
    });

    it('when the file was closed before', async () => {
      const file = new MemoryFile(1000);
      const stream = createReadStream(file);
      const events = eventsOf(stream);
      file.close();
      const [error] = (await once(stream, 'error')) as [NodeJS.ErrnoException];
      assert.equal(error.code, 'ERR_MAPPED_FILE_CLOSED');
      await closed(stream);
      assert.deepEqual(events, ['error', 'close']);
    });
  });

  for (const late of [false, true]) {
    it(`fails once, after what came before (${late ? 'late' : 'on the spot'})`, async () => {
      const file = new MemoryFile(1000);
      file.onRead = failAt(3, systemError(5, 'read', '/memory'), late);
      const stream = createReadStream(file, { highWaterMark: 100 });
      const events = eventsOf(stream);
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      const [error] = (await once(stream, 'error')) as [NodeJS.ErrnoException];
      assert.equal(error.code, 'EIO');
      await closed(stream);
      assert.deepEqual(events, ['open', 'ready', 'error', 'close']);
      assert.deepEqual(Buffer.concat(chunks), patternBytes(200));
      assert.equal(stream.bytesRead, 200);
      released(file);
    });
  }

  it('stops reading while nobody takes the chunks', async () => {
    const file = new MemoryFile(10_000);
    const stream = createReadStream(file, { highWaterMark: 100 });
    await once(stream, 'readable');
    await delay(5);
    assert.ok(file.reads <= 2, `${file.reads} reads`);
    stream.destroy();
  });

  it('lets timers run while bytes in memory flow', async () => {
    const file = new MemoryFile(1024 * 1024);
    let ticks = 0;
    const timer = setInterval(() => ticks++, 1);
    try {
      const until = performance.now() + 100;
      while (performance.now() < until) {
        const stream = createReadStream(file, { highWaterMark: 100 });
        stream.resume();
        await once(stream, 'end');
      }
    } finally {
      clearInterval(timer);
    }
    assert.ok(ticks > 1, `${ticks} ticks`);
  });

  it('reads a file that grows to its end, and one that shrinks too', async () => {
    const file = new MemoryFile(50);
    const stream = createReadStream(file, { highWaterMark: 10 });
    await once(stream, 'readable');
    file.resize(70);
    assert.deepEqual(await buffer(stream), patternBytes(70));
    const shrinking = createReadStream(file, { highWaterMark: 10 });
    await once(shrinking, 'readable');
    file.resize(25);
    assert.deepEqual(await buffer(shrinking), patternBytes(25));
    released(file);
  });

  it('refuses wrong options', () => {
    const file = new MemoryFile(100);
    const cases: Array<[unknown, string]> = [
      [null, 'ERR_INVALID_ARG_TYPE'],
      [{ start: '0' }, 'ERR_INVALID_ARG_TYPE'],
      [{ end: {} }, 'ERR_INVALID_ARG_TYPE'],
      [{ start: -1 }, 'ERR_OUT_OF_RANGE'],
      [{ end: 1.5 }, 'ERR_OUT_OF_RANGE'],
      [{ start: 5, end: 4 }, 'ERR_OUT_OF_RANGE'],
      [{ highWaterMark: -1 }, 'ERR_OUT_OF_RANGE'],
      [{ autoClose: 'yes' }, 'ERR_INVALID_ARG_TYPE'],
      [{ signal: 1 }, 'ERR_INVALID_ARG_TYPE'],
    ];
    for (const [options, code] of cases)
      assert.throws(() => createReadStream(file, options as ReadStreamOptions), { code }, inspect(options));
    assert.equal(file.held, 0);
  });
});

describe('createWriteStream()', function () {
  this.timeout(30_000); // for busy machines; nothing here measures time

  it('has the events and properties of fs.WriteStream', async () => {
    const file = new MemoryFile();
    const stream = createWriteStream(file, {}, { fd: 7 });
    const events = eventsOf(stream);
    assert.equal(stream.path, '/memory');
    assert.equal(stream.pending, true);
    assert.deepEqual(await once(stream, 'open'), [7]);
    assert.equal(stream.pending, false);
    stream.write('abc');
    stream.end(Buffer.from('def'));
    await closed(stream);
    assert.equal(file.content.toString(), 'abcdef');
    assert.equal(stream.bytesWritten, 6);
    assert.deepEqual(events, ['open', 'ready', 'finish', 'close']);
    released(file);
  });

  it('calls back at its end whatever kind of function it was given', async () => {
    const stream = createWriteStream(new MemoryFile());
    await new Promise<void>((resolve) => {
      const callback = (): void => resolve();
      stream.close(Object.setPrototypeOf(callback, null) as typeof callback);
    });
    assert.ok(stream.closed);
  });

  it('asks once for its highWaterMark', async () => {
    let asked = 0;
    const options = {
      get highWaterMark(): number {
        return asked++ === 0 ? 100 : -1;
      },
    };
    const stream = createWriteStream(new MemoryFile(), options);
    assert.equal(stream.writableHighWaterMark, 100);
    stream.end();
    await closed(stream);
  });

  it('writes together what piled up during a write', async () => {
    const file = new MemoryFile();
    file.onWrite = later();
    const stream = createWriteStream(file);
    const bytes = patternBytes(100_000);
    for (let i = 0; i < bytes.length; i += 100) stream.write(bytes.subarray(i, i + 100));
    stream.end();
    await closed(stream);
    assert.deepEqual(file.content, bytes);
    assert.ok(file.writes.length <= 3, `${file.writes.length} writes`);
  });

  it('from start on, at the end when appending, in the encodings of Node', async () => {
    const file = new MemoryFile(10);
    const stream = createWriteStream(file, { start: 4, encoding: 'hex' });
    stream.write('6162');
    stream.write('é', 'latin1');
    stream.end('63');
    await closed(stream);
    assert.deepEqual(
      file.content,
      Buffer.concat([patternBytes(4), Buffer.from([0x61, 0x62, 0xe9, 0x63]), patternBytes(2, 8)]),
    );
    file.appending = true;
    createWriteStream(file).end('end');
    await delay(5);
    assert.equal(file.content.subarray(10).toString(), 'end');
    released(file);
  });

  it('flushes before finish when asked to', async () => {
    const file = new MemoryFile();
    const stream = createWriteStream(file, { flush: true });
    let flushedBefore = -1;
    stream.on('finish', () => (flushedBefore = file.flushes));
    stream.end('abc');
    await closed(stream);
    assert.equal(flushedBefore, 1);

    file.onFlush = () => Promise.reject(systemError(5, 'fsync'));
    const failing = createWriteStream(file, { flush: true });
    failing.end('abc');
    const [error] = (await once(failing, 'error')) as [NodeJS.ErrnoException];
    assert.equal(error.code, 'EIO');
    await closed(failing);
    released(file);
  });

  it('asks for patience', async () => {
    const file = new MemoryFile();
    file.onWrite = later(2);
    const stream = createWriteStream(file, { highWaterMark: 100 });
    assert.equal(stream.write(Buffer.alloc(99)), true);
    assert.equal(stream.write(Buffer.alloc(1)), false);
    await once(stream, 'drain');
    assert.equal(file.content.length, 100);
    assert.equal(stream.bytesWritten, 100);
    stream.destroy();
    await closed(stream);
    released(file);
  });

  it('leaves the file open, or closes it with autoClose', async () => {
    for (const autoClose of [undefined, false, true]) {
      for (const end of ['ended', 'destroyed', 'failed']) {
        const file = new MemoryFile();
        if (end === 'failed') file.onWrite = failAt(1, new Error('broken'), true);
        let closes = 0;
        const stream = createWriteStream(file, { autoClose }, { close: async () => void closes++ });
        stream.on('error', () => {});
        if (end === 'destroyed') stream.destroy();
        else stream.end('abc');
        await closed(stream);
        assert.equal(closes, autoClose ? 1 : 0);
        released(file);
      }
    }
  });

  describe('destroyed', () => {
    for (const state of ['before it opens', 'when open', 'with writes queued', 'ending', 'at the end'] as const) {
      for (const error of [undefined, new Error('stop')]) {
        it(`${state}${error ? ', with an error' : ''}`, async () => {
          const file = new MemoryFile();
          file.onWrite = later();
          const stream = createWriteStream(file, { highWaterMark: 10 });
          const events = eventsOf(stream);
          const bytes = patternBytes(400);
          if (state !== 'before it opens') await once(stream, 'open');
          if (state === 'with writes queued' || state === 'ending')
            for (let i = 0; i < 400; i += 10) stream.write(bytes.subarray(i, i + 10));
          if (state === 'ending') stream.end();
          if (state === 'at the end') {
            stream.end(bytes);
            await once(stream, 'finish');
          }
          const told = error !== undefined && !stream.destroyed; // it destroys itself at the end
          stream.destroy(error);
          await closed(stream);
          await delay(2);
          assert.equal(events.filter((event) => event === 'close').length, 1);
          assert.equal(events.filter((event) => event === 'error').length, told ? 1 : 0);
          assert.deepEqual(file.content, bytes.subarray(0, file.content.length));
          assert.equal(stream.bytesWritten, file.content.length);
          released(file);
        });
      }
    }

    it('during a write: closes when that is done', async () => {
      const file = new MemoryFile();
      const { hook, open, arrived } = gate();
      file.onWrite = hook;
      const stream = createWriteStream(file);
      stream.write('abc');
      await arrived;
      stream.write('def');
      stream.destroy();
      await delay(2);
      assert.equal(stream.closed, false);
      open();
      await closed(stream);
      assert.equal(file.content.toString(), 'abc');
      released(file);
    });

    it('by close(), which writes out what is queued', async () => {
      const file = new MemoryFile();
      const stream = createWriteStream(file);
      stream.write('abc');
      await new Promise((resolve) => stream.close(resolve));
      await new Promise((resolve) => stream.close(resolve));
      assert.equal(file.content.toString(), 'abc');
      released(file);
    });

    it('by a signal', async () => {
      const file = new MemoryFile();
      const controller = new AbortController();
      const stream = createWriteStream(file, { signal: controller.signal });
      stream.write('abc');
      await once(stream, 'open');
      const failed = once(stream, 'error') as Promise<[Error]>;
      controller.abort();
      assert.equal((await failed)[0].name, 'AbortError');
      await closed(stream);
      released(file);
    });

    it('by the file closing', async () => {
      const file = new MemoryFile();
      const stream = createWriteStream(file);
      await once(stream, 'ready');
      const failed = once(stream, 'error');
      file.close(new Error('closing'));
      assert.match(String(await failed), /closing/);
      await closed(stream);
      released(file);
    });
  });

  it('fails once, with position', async () => {
    const file = new MemoryFile();
    file.onWrite = failAt(2, systemError(28, 'write', '/memory'), true);
    file.partialWrite = 1;
    const stream = createWriteStream(file, { start: 10 });
    const events = eventsOf(stream);
    stream.write('abc');
    await turn();
    await turn();
    stream.write('def', (error) => assert.equal((error as NodeJS.ErrnoException).code, 'ENOSPC'));
    stream.write('ghi');
    const [error] = (await once(stream, 'error')) as [NodeJS.ErrnoException & { position: number }];
    assert.equal(error.code, 'ENOSPC');
    assert.equal(error.position, 13);
    await closed(stream);
    assert.deepEqual(events, ['open', 'ready', 'error', 'close']);
    assert.equal(file.content.subarray(10).toString(), 'abcd');
    released(file);
  });

  it('throws what a listener throws, and rejects nothing', async () => {
    const listeners = process.listeners('uncaughtException');
    process.removeAllListeners('uncaughtException');
    try {
      for (const cold of [false, true]) {
        const file = new MemoryFile(100);
        if (cold) file.onRead = later();
        const stream = createReadStream(file, { highWaterMark: 10 });
        stream.on('data', () => {
          stream.pause();
          throw new Error('from the listener');
        });
        const [error, origin] = await new Promise<[Error, string]>((resolve) =>
          process.once('uncaughtException', (...args) => resolve(args)),
        );
        assert.equal(error.message, 'from the listener');
        assert.equal(origin, 'uncaughtException');
        assert.equal(stream.destroyed, false, 'a fault of the listener is none of the stream');
        stream.destroy();
        await closed(stream);
        released(file);
      }
    } finally {
      for (const listener of listeners) process.on('uncaughtException', listener);
    }
  });

  it('refuses wrong options', () => {
    const cases: Array<[unknown, string]> = [
      [null, 'ERR_INVALID_ARG_TYPE'],
      [{ start: '0' }, 'ERR_INVALID_ARG_TYPE'],
      [{ start: -1 }, 'ERR_OUT_OF_RANGE'],
      [{ flush: 'yes' }, 'ERR_INVALID_ARG_TYPE'],
      [{ emitClose: 1 }, 'ERR_INVALID_ARG_TYPE'],
      [{ highWaterMark: 1.5 }, 'ERR_OUT_OF_RANGE'],
    ];
    for (const [options, code] of cases)
      assert.throws(
        () => createWriteStream(new MemoryFile(), options as WriteStreamOptions),
        { code },
        inspect(options),
      );
  });

  it('writes the same bytes however they are split', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat({ max: 400_000 }), { maxLength: 20 }),
        fc.boolean(),
        fc.nat({ max: 50 }),
        async (lengths, cold, start) => {
          const file = new MemoryFile();
          if (cold) file.onWrite = later();
          const stream = createWriteStream(file, { start });
          const chunks = lengths.map((length, i) => patternBytes(length, i * 1000));
          for (const chunk of chunks) stream.write(chunk);
          stream.end();
          await closed(stream);
          const expected = Buffer.concat(chunks);
          assert.ok(file.content.subarray(start).equals(expected));
          assert.equal(stream.bytesWritten, expected.length);
          released(file);
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe('Node streams among others', function () {
  this.timeout(30_000); // for busy machines; nothing here measures time

  const size = 300_000;

  it('pipeline through gzip and back', async () => {
    for (const cold of [false, true]) {
      const source = new MemoryFile(size);
      const packed = new MemoryFile();
      const target = new MemoryFile();
      if (cold) source.onRead = packed.onRead = packed.onWrite = target.onWrite = later();
      await pipeline(createReadStream(source), createGzip({ level: 1 }), createWriteStream(packed));
      await pipeline(createReadStream(packed), createGunzip(), createWriteStream(target));
      assert.ok(target.content.equals(source.content));
      for (const file of [source, packed, target]) released(file);
    }
  });

  it('pipeline destroys all when one fails', async () => {
    const source = new MemoryFile(size);
    const target = new MemoryFile();
    const broken = new Transform({ transform: (_chunk, _encoding, callback) => callback(new Error('broken')) });
    await assert.rejects(pipeline(createReadStream(source), broken, createWriteStream(target)), /broken/);
    await turn();
    released(source);
    released(target);

    target.onWrite = failAt(1, systemError(28, 'write'), true);
    await assert.rejects(pipeline(createReadStream(source), createWriteStream(target)), { code: 'ENOSPC' });
    await turn();
    released(source);
    released(target);
  });

  it('crypto', async () => {
    const hash = createHash('sha256');
    await pipeline(createReadStream(new MemoryFile(size)), hash);
    assert.equal(hash.digest('hex'), createHash('sha256').update(patternBytes(size)).digest('hex'));
  });

  it('readline', async () => {
    const lines = Array.from({ length: 5000 }, (_, i) => `line ${i} ${'é'.repeat(i % 50)}`);
    const file = new MemoryFile(Buffer.from(lines.join('\n')));
    const got: string[] = [];
    for await (const line of createInterface({ input: createReadStream(file, { highWaterMark: 1000 }) }))
      got.push(line);
    assert.deepEqual(got, lines);
    await turn();
    released(file);
  });

  it('http responses', async () => {
    const file = new MemoryFile(size);
    const server = createServer((_request, response) => {
      createReadStream(file, { start: 100, end: 199_999 }).pipe(response);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    try {
      const { port } = server.address() as AddressInfo;
      const response = await new Promise<IncomingMessage>((resolve, reject) =>
        request({ port, host: '127.0.0.1', agent: false }, resolve).on('error', reject).end(),
      );
      assert.ok((await buffer(response)).equals(patternBytes(199_900, 100)));
    } finally {
      server.close();
      await once(server, 'close');
    }
    released(file);
  });

  it('Readable.toWeb and fromWeb, there and back', async () => {
    const file = new MemoryFile(size);
    assert.ok((await buffer(Readable.fromWeb(Readable.toWeb(createReadStream(file))))).equals(patternBytes(size)));
    assert.ok((await buffer(Readable.fromWeb(createReadable(file)))).equals(patternBytes(size)));
    await turn();
    released(file);

    const cancelled = Readable.toWeb(createReadStream(file)).getReader();
    await cancelled.read();
    await cancelled.cancel();
    await delay(2);
    released(file);
  });

  it('Writable.toWeb and fromWeb, there and back', async () => {
    const file = new MemoryFile();
    const writer = Writable.toWeb(createWriteStream(file)).getWriter();
    await writer.write(patternBytes(1000));
    await writer.close();
    const again = Writable.fromWeb(createWritable(file, { start: 1000 }));
    again.end(patternBytes(1000, 1000));
    await closed(again);
    const strings = Writable.fromWeb(createWritable(file, { start: 2000 }), { decodeStrings: false });
    strings.end('text');
    await closed(strings);
    assert.deepEqual(file.content, Buffer.concat([patternBytes(2000), Buffer.from('text')]));
    await turn();
    released(file);
  });

  it('web streams in pipeline and compose', async () => {
    const source = new MemoryFile(size);
    const target = new MemoryFile();
    await pipeline(createReadable(source), new PassThrough(), Writable.fromWeb(createWritable(target)));
    assert.ok(target.content.equals(source.content));
    const through = Duplex.from({ readable: createReadStream(source), writable: createWriteStream(new MemoryFile()) });
    through.end('x');
    assert.ok((await buffer(through)).equals(source.content));
    assert.equal(await text(createReadStream(new MemoryFile(Buffer.from('abc')))), 'abc');
    await delay(2);
    released(source);
    released(target);
  });
});
