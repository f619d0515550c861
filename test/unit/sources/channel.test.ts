/** What has no positions, straight from the descriptor. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { MappedFile } from 'sliding-mmap';
import { attemptAsync, codeOf } from '../../helpers/errors.js';
import { Fifo } from '../../helpers/fifos.js';
import { Folder, oracle } from '../../helpers/files.js';
import { describeUnless, noFifos, onWindows } from '../../helpers/systems.js';

async function collected(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

describeUnless(noFifos, 'a FIFO', () => {
  const size = 3 * 2 ** 20 + 17;
  const readers: Record<string, (file: MappedFile) => Promise<Buffer>> = {
    readable: (file) => collected(file.readable()),
    'readable, into a buffer of the reader’s': async (file) => {
      const reader = file.readable().getReader({ mode: 'byob' });
      const chunks: Uint8Array[] = [];
      for (;;) {
        const { value, done } = await reader.read(new Uint8Array(10_007));
        if (done) return Buffer.concat(chunks);
        chunks.push(value);
      }
    },
    createReadStream: (file) => collected(file.createReadStream() as AsyncIterable<Buffer>),
    'read without a position': async (file) => {
      const chunks: Buffer[] = [];
      for (;;) {
        const { bytesRead, buffer } = await file.read(Buffer.alloc(5000));
        if (bytesRead === 0) return Buffer.concat(chunks);
        chunks.push(buffer.subarray(0, bytesRead));
      }
    },
  };
  for (const [name, read] of Object.entries(readers)) {
    it(`is read by ${name}, to its end`, async () => {
      using folder = new Folder();
      const fifo = new Fifo(folder);
      await using file = await MappedFile.open(fifo.path);
      assert.deepEqual([file.backing, file.size, file.isWritable], ['read', 0, false]);
      const reading = read(file);
      await fifo.write(oracle(0, size));
      fifo.end();
      assert.ok((await reading).equals(oracle(0, size)));
      assert.equal((await file.read(Buffer.alloc(9))).bytesRead, 0);
    });
  }

  it('is followed to its end', async () => {
    for (const read of [
      async (file: MappedFile) => (await collected(file.readable({ follow: true }))).toString(),
      async (file: MappedFile) => {
        let text = '';
        for await (const line of file.lines({ follow: true })) text += `${line}\n`;
        return text;
      },
    ]) {
      using folder = new Folder();
      const fifo = new Fifo(folder);
      await using file = await MappedFile.open(fifo.path);
      const text = read(file);
      await fifo.write('one\n');
      await delay(20);
      await fifo.write('two\n');
      fifo.end();
      assert.equal(await text, 'one\ntwo\n');
    }
  });

  it('is read by lines, each as soon as it is there', async () => {
    using folder = new Folder();
    const fifo = new Fifo(folder);
    await using file = await MappedFile.open(fifo.path);
    const lines = file.lines()[Symbol.asyncIterator]();
    const first = lines.next();
    await fifo.write('one\r\ntw');
    assert.deepEqual(await first, { done: false, value: 'one' });
    const second = lines.next();
    await fifo.write('o\n\nfour\nrest');
    assert.deepEqual(await second, { done: false, value: 'two' });
    assert.deepEqual(await lines.next(), { done: false, value: '' });
    assert.deepEqual(await lines.next(), { done: false, value: 'four' });
    const last = lines.next();
    fifo.end();
    assert.deepEqual(await last, { done: false, value: 'rest' });
    assert.equal((await lines.next()).done, true);
  });

  it('gives the lines of node:fs, however long they are and however they arrive', async () => {
    using folder = new Folder();
    const fifo = new Fifo(folder);
    await using file = await MappedFile.open(fifo.path);
    const expected = Array.from({ length: 400 }, (_, i) =>
      `${i}:`.padEnd((i * 7919) % (i % 50 === 0 ? 300_000 : 900), 'é'),
    );
    const bytes = Buffer.from(expected.join('\n'));
    const reading = (async () => {
      const lines: string[] = [];
      for await (const batch of file.lines().batches()) lines.push(...batch);
      return lines;
    })();
    for (let at = 0, n = 0; at < bytes.length; n++) {
      const length = (n * 7907) % 40_000;
      await fifo.write(bytes.subarray(at, at + length));
      at += length;
    }
    fifo.end();
    assert.deepEqual(await reading, expected);
  });

  it('loses no byte between one reader and the next', async () => {
    using folder = new Folder();
    const fifo = new Fifo(folder);
    await using file = await MappedFile.open(fifo.path);
    await fifo.write('header: 1\n\nbody');
    for await (const line of file.lines()) if (line === '') break;
    const rest = file.readable({ end: 2 });
    assert.equal((await collected(rest)).toString(), 'bo');
    const reader = file.readable().getReader();
    assert.equal(Buffer.from((await reader.read()).value as Uint8Array).toString(), 'dy');
    const waiting = reader.read();
    await delay(5); // it waits for the pipe
    await reader.cancel();
    assert.equal((await waiting).done, true);
    // Nobody reads any more; what comes is for the next.
    const stream = file.createReadStream();
    stream.resume();
    await delay(5);
    stream.destroy();
    await once(stream, 'close');
    const controller = new AbortController();
    const line = file.lines({ signal: controller.signal })[Symbol.asyncIterator]().next();
    await delay(5);
    controller.abort(new Error('enough'));
    await assert.rejects(line, { message: 'enough' });
    const two = [file.read(Buffer.alloc(2)), file.read(Buffer.alloc(10))];
    await fifo.write('rest');
    const parts = (await Promise.all(two)).map(({ bytesRead, buffer }) => buffer.toString('latin1', 0, bytesRead));
    assert.deepEqual(parts, ['re', 'st']);
    fifo.end();
  });

  it('keeps what a stream was just about to give for the next reader', async () => {
    const streams: Record<string, (file: MappedFile) => Promise<() => Promise<unknown>>> = {
      readable: async (file) => {
        const reader = file.readable().getReader();
        void reader.read();
        return () => reader.cancel();
      },
      'readable, into a buffer of the reader’s': async (file) => {
        const reader = file.readable().getReader({ mode: 'byob' });
        void reader.read(new Uint8Array(100));
        return () => reader.cancel();
      },
      'readable with a signal': async (file) => {
        const controller = new AbortController();
        const reader = file.readable({ signal: controller.signal }).getReader();
        const failed = assert.rejects(reader.read(), { message: 'enough' });
        return async () => {
          controller.abort(new Error('enough'));
          await failed;
        };
      },
      createReadStream: async (file) => {
        const stream = file.createReadStream();
        stream.resume();
        await once(stream, 'ready');
        return async () => {
          stream.destroy();
          await once(stream, 'close');
          assert.equal(stream.bytesRead, 0);
        };
      },
    };
    for (const [name, begin] of Object.entries(streams)) {
      using folder = new Folder();
      const fifo = new Fifo(folder);
      await using file = await MappedFile.open(fifo.path);
      // Both are served by one packet, and the stream ends before it has given its part.
      const header = file.read(Buffer.alloc(5));
      const end = await begin(file);
      await delay(5);
      const written = fifo.write('12345world');
      await header;
      await end();
      await written;
      const rest = collected(file.readable());
      await fifo.write('tail');
      fifo.end();
      assert.equal((await rest).toString(), 'worldtail', name);
    }
  });

  it('has no positions', async () => {
    using folder = new Folder();
    const fifo = new Fifo(folder);
    await using file = await MappedFile.open(fifo.path, 'r+');
    const calls: Record<string, () => unknown> = {
      getUint8: () => file.getUint8(0),
      setUint8: () => file.setUint8(0, 1),
      read: () => file.read(Buffer.alloc(3), 0, 3, 0),
      readSync: () => file.readSync(Buffer.alloc(3), 0, 3, 5),
      readv: () => file.readv([Buffer.alloc(3)], 5),
      write: () => file.write('a', 0),
      writeSync: () => file.writeSync('a', 0),
      slice: () => file.slice(0, 1),
      sliceSync: () => file.sliceSync(),
      view: () => file.view(0, 1),
      chunks: () => [...file.chunks()],
      asyncChunks: () => collected(file.chunks()),
      borrowing: () => collected(file.readable({ borrow: true })),
      readable: () => file.readable({ start: 1 }),
      writable: () => file.writable({ start: 1 }),
      createReadStream: () => file.createReadStream({ start: 1 }),
      createWriteStream: () => file.createWriteStream({ start: 1 }),
      lines: () => [...file.lines()],
      linesFrom: () => file.lines({ start: 1 }),
      reverse: () => file.lines({ reverse: true }),
      indexOf: () => file.indexOf('a'),
      lastIndexOf: () => file.lastIndexOf('a'),
      split: () => file.split(2),
      truncate: () => file.truncate(1),
      truncateSync: () => file.truncateSync(1),
      prefetch: () => file.prefetch(),
    };
    for (const [name, call] of Object.entries(calls)) {
      const { error } = await attemptAsync(async () => call());
      assert.equal(error?.code, 'ERR_MAPPED_FILE_NOT_SEEKABLE', name);
      assert.ok(error.message.includes(fifo.path), error.message);
    }
    assert.equal(await file.refresh(), 0);
    await file.flush();
    file.flushSync();
  });

  it('is written by writable, createWriteStream and write, however slow its reader is', async () => {
    using folder = new Folder();
    const fifo = new Fifo(folder);
    await using from = await MappedFile.open(fifo.path);
    {
      const fd = fs.openSync(fifo.path, 'w');
      await using to = await MappedFile.open(fd);
      fs.closeSync(fd);
      assert.equal(to.isWritable, true);
      await assert.rejects(to.read(Buffer.alloc(1)), { code: 'EBADF' });
      const writer = to.writable().getWriter();
      const writing = (async () => {
        await writer.write(oracle(0, 2 ** 20));
        await writer.write('text');
        await writer.close();
        const stream = to.createWriteStream();
        stream.end(oracle(5, 200_000));
        await once(stream, 'finish');
        await to.write(oracle(6, 100_000));
        await to.flush();
      })();
      const expected = Buffer.concat([oracle(0, 2 ** 20), Buffer.from('text'), oracle(5, 200_000), oracle(6, 100_000)]);
      const seen: Uint8Array[] = [];
      let length = 0;
      const reader = from.readable().getReader();
      while (length < expected.length) {
        const { value } = await reader.read();
        seen.push(value as Uint8Array);
        length += (value as Uint8Array).length;
        await delay(1);
      }
      await writing;
      assert.ok(Buffer.concat(seen).equals(expected));
      await reader.cancel();
    }
  });

  it('that is closed rejects what waits, and frees everything', async () => {
    using folder = new Folder();
    const fifo = new Fifo(folder);
    const file = await MappedFile.open(fifo.path);
    fifo.open();
    const reader = file.readable().getReader();
    const waiting = [
      reader.read(),
      file.read(Buffer.alloc(10)),
      file.lines()[Symbol.asyncIterator]().next(),
      once(file.createReadStream(), 'data'),
    ];
    await delay(5);
    const settled = Promise.allSettled(waiting);
    await file.close();
    for (const result of await settled) {
      assert.equal(result.status, 'rejected');
      assert.equal((result.reason as { code: string }).code, 'ERR_MAPPED_FILE_CLOSED');
    }
    fifo.end();
  });

  it('does not occupy a thread of the pool while nobody writes', async () => {
    using folder = new Folder();
    const fifos = Array.from({ length: 8 }, (_, i) => new Fifo(folder, `fifo${i}`));
    const files = fifos.map(({ path }) => MappedFile.openSync(path));
    const reads = files.map((file) => file.read(Buffer.alloc(10)));
    // The pool has four threads: this would never come to its turn.
    assert.equal((await fs.promises.readFile(folder.file('abc'))).length, 3);
    for (const fifo of fifos) {
      await fifo.write('x');
      fifo.end();
    }
    for (const read of reads) assert.equal((await read).bytesRead, 1);
    for (const file of files) file.closeSync();
  });
});

describeUnless(onWindows('devices have no paths'), 'a character device', () => {
  it('is read and written in order', async () => {
    await using zero = await MappedFile.open('/dev/zero');
    const reader = zero.readable({ end: 3_000_000 });
    const bytes = await collected(reader);
    assert.equal(bytes.length, 3_000_000);
    assert.ok(bytes.every((byte) => byte === 0));
    assert.equal(
      codeOf(() => zero.getUint8(0)),
      'ERR_MAPPED_FILE_NOT_SEEKABLE',
    );
    await using none = await MappedFile.open('/dev/null', 'r+');
    assert.equal((await collected(none.readable())).length, 0);
    assert.equal((await none.write('abc')).bytesWritten, 3);
    const full = await MappedFile.open('/dev/full', 'r+');
    await assert.rejects(full.write('abc'), { code: 'ENOSPC', path: '/dev/full' });
    const writer = full.writable().getWriter();
    writer.closed.catch(() => {});
    await assert.rejects(writer.write('abc'), { code: 'ENOSPC' });
    await full.close();
  });
});

/** Runs a program whose standard input, and what becomes of it, is looked at by the shell before and after. */
async function shell(script: string): Promise<string> {
  const child = spawn('bash', ['-c', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  const [code] = (await once(child, 'close')) as [number];
  assert.equal(code, 0, output);
  return output.trim();
}

const program = `${process.execPath} ${new URL('./stdin.program.js', import.meta.url).pathname}`;

describeUnless(onWindows('the shell is another one'), 'standard input', () => {
  it('that is a pipe is read, and stays blocking for others', async () => {
    assert.equal(await shell(`(seq 1 100000) | ${program} lines`), 'pipe: 100000 lines, the last is 100000; blocking');
  });

  it('that is a socket is read, and made blocking again', async () => {
    // Node gives its children sockets.
    const child = spawn(process.execPath, [new URL('./stdin.program.js', import.meta.url).pathname, 'lines'], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
    child.stdin.end(Array.from({ length: 5000 }, (_, i) => `${i + 1}\n`).join(''));
    await once(child, 'close');
    assert.equal(output.trim(), 'socket: 5000 lines, the last is 5000; blocking');
  });

  it('that is a file is mapped', async () => {
    using folder = new Folder();
    const path = folder.file('a\nb\nc\n');
    assert.equal(await shell(`${program} lines < ${path}`), 'file: 3 lines, the last is c; blocking');
  });

  it('does not keep the process alive when nobody waits for it', async () => {
    const child = spawn(process.execPath, [new URL('./stdin.program.js', import.meta.url).pathname, 'idle'], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const [output] = (await once(child.stdout, 'data')) as [Buffer];
    await once(child, 'exit');
    assert.equal(output.toString(), 'done\n');
    child.stdin.destroy();
  });

  it('is a FIFO whose writer has come and gone', async () => {
    using folder = new Folder();
    const fifo = new Fifo(folder);
    const path = fifo.path;
    assert.equal(
      await shell(`exec 3<>${path}; echo one >&3; exec 4<${path}; exec 3>&-; ${program} lines <&4`),
      'pipe: 1 lines, the last is one; blocking',
    );
  });

  it('that is a terminal is read, and left as it was', async function () {
    if (spawn('script', ['--version']).on('error', () => {}).pid === undefined) return this.skip();
    const output = await shell(`printf 'one\\ntwo\\n\\004' | script -qec '${program} lines' /dev/null`);
    assert.match(output.replaceAll('\r', ''), /tty: 2 lines, the last is two; blocking$/);
  });
});
