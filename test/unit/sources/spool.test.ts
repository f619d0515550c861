/** What has no positions, copied into a file that has. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { MappedFile, type OpenOptions, WindowPool } from 'sliding-mmap';
import { native } from '#src/native.js';
import { attemptAsync, codeOf } from '../../helpers/errors.js';
import { Fifo } from '../../helpers/fifos.js';
import { byteAt, Folder, oracle } from '../../helpers/files.js';
import { mountTmpfs, NotPermitted } from '../../helpers/mounts.js';
import { granule, usual } from '../../helpers/sizes.js';
import { describeUnless, noFifos } from '../../helpers/systems.js';

const { ENOSPC, EIO } = os.constants.errno;
const size = 700_000;

/** Resolves when so many bytes have arrived. */
async function arrived(file: MappedFile, bytes: number): Promise<void> {
  for (let i = 0; (await file.refresh()) < bytes; i++) {
    assert.ok(i < 5000);
    await delay(1);
  }
}

async function collected(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(Uint8Array.from(chunk));
  return Buffer.concat(chunks);
}

const configurations: Record<string, () => OpenOptions> = {
  'default windows': () => ({}),
  'windows of one granule': () => ({ windowSize: 1, pool: new WindowPool({ limit: 64 * granule }) }),
  strict: () => ({ strict: true }),
};

for (const [name, options] of Object.entries(configurations)) {
  describeUnless(noFifos, `a spool, ${name}`, () => {
    const open = (fifo: Fifo): Promise<MappedFile> =>
      MappedFile.open(fifo.path, 'r', { backing: 'spool', ...options() });

    it('is a file of what has arrived, and then of everything', async () => {
      using folder = new Folder();
      const fifo = new Fifo(folder);
      await using file = await open(fifo);
      assert.deepEqual([file.backing, file.size, file.isWritable, file.path], ['spool', 0, false, fifo.path]);
      await fifo.write(oracle(0, size));
      await arrived(file, size);
      assert.equal(file.size, size);
      for (const position of [0, 1, granule, size - 1]) assert.equal(file.getUint8(position), byteAt(position));
      assert.ok(file.sliceSync(5, 100_000).equals(oracle(5, 99_995)));
      {
        using view = file.view(granule - 3, granule + 4);
        assert.ok(oracle(granule - 3, 7).equals(view.bytes));
        view.bytes.fill(0); // stays in the view
      }
      assert.equal(file.indexOf(oracle(123_456, 30)), 123_456);
      fifo.end();
      await file.prefetch();
      assert.equal(await file.refresh(), size);
      assert.ok(file.sliceSync().equals(oracle(0, size)));
      assert.equal(file.indexOf('not in there, really not'), -1);
      assert.equal(file.lastIndexOf(oracle(123_456, 30)), 123_456);
      assert.equal(file.split(3).at(-1)?.end, size);
      assert.equal(file.readSync(Buffer.alloc(100), 0, 100, size - 10), 10);
    });

    it('makes asynchronous calls wait for what has not arrived', async () => {
      using folder = new Folder();
      const fifo = new Fifo(folder);
      await using file = await open(fifo);
      fifo.open();
      const order: string[] = [];
      const told = <T>(label: string, promise: Promise<T>): Promise<T> =>
        promise.then((value) => {
          order.push(label);
          return value;
        });
      const waiting = {
        read: told('read', file.read(Buffer.alloc(100), 0, 100, 1000)),
        next: told('next', file.read(Buffer.alloc(100))),
        slice: told('slice', file.slice(2000, 3000)),
        all: told('all', file.slice()),
        past: told('past', file.read(Buffer.alloc(100), 0, 100, size - 10)),
        beyond: told('beyond', file.read(Buffer.alloc(100), 0, 100, size + 10)),
        prefetch: told('prefetch', file.prefetch(0, 2500)),
        readable: told('readable', collected(file.readable({ start: 100 }))),
        borrowed: told('borrowed', collected(file.readable({ borrow: true, chunkSize: 2 * granule }))),
        chunks: told('chunks', collected(file.chunks({ start: 5, chunkSize: 2 * granule }))),
        stream: told('stream', collected(file.createReadStream({ start: 7 }) as AsyncIterable<Buffer>)),
      };
      await fifo.write(oracle(0, 1100));
      assert.equal((await waiting.read).buffer.equals(oracle(1000, 100)), true);
      const { bytesRead, buffer } = await waiting.next;
      assert.ok(bytesRead > 0 && buffer.subarray(0, bytesRead).equals(oracle(0, bytesRead)));
      assert.deepEqual(new Set(order), new Set(['read', 'next']));
      await fifo.write(oracle(1100, 1900));
      assert.ok((await waiting.slice).equals(oracle(2000, 1000)));
      await waiting.prefetch;
      await fifo.write(oracle(3000, size - 3000));
      await delay(5);
      assert.ok(!order.includes('all') && !order.includes('past') && !order.includes('beyond'));
      fifo.end();
      assert.ok((await waiting.all).equals(oracle(0, size)));
      assert.equal((await waiting.past).bytesRead, 10);
      assert.equal((await waiting.beyond).bytesRead, 0);
      assert.ok((await waiting.readable).equals(oracle(100, size - 100)));
      assert.ok((await waiting.borrowed).equals(oracle(0, size)));
      assert.ok((await waiting.chunks).equals(oracle(5, size - 5)));
      assert.ok((await waiting.stream).equals(oracle(7, size - 7)));
      await assert.rejects(file.slice(0, size + 1), { code: 'ERR_OUT_OF_RANGE' });
    });

    it('makes synchronous calls throw past what has arrived', async () => {
      using folder = new Folder();
      const fifo = new Fifo(folder);
      await using file = await open(fifo);
      await fifo.write(oracle(0, 10_000));
      await arrived(file, 10_000);
      const calls: Record<string, () => unknown> = {
        getUint32: () => file.getUint32(9998),
        readSync: () => file.readSync(Buffer.alloc(11), 0, 11, 9990),
        sliceSync: () => file.sliceSync(),
        'sliceSync of a range': () => file.sliceSync(0, 10_001),
        view: () => file.view(),
        'view of a range': () => file.view(9999, 10_001),
        chunks: () => [...file.chunks({ chunkSize: 6000 })],
        lines: () => [...file.lines()],
        reverse: () => [...file.lines({ reverse: true })],
        indexOf: () => file.indexOf('not in there, really not'),
        lastIndexOf: () => file.lastIndexOf(0),
        split: () => file.split(2),
      };
      for (const [label, call] of Object.entries(calls))
        assert.equal(codeOf(call), 'ERR_MAPPED_FILE_NOT_SEEKABLE', label);
      assert.equal(
        codeOf(() => file.writeSync('x', 0)),
        'ERR_MAPPED_FILE_READ_ONLY',
      );
      fifo.end();
      await file.prefetch();
      assert.equal(
        codeOf(() => file.getUint32(9998)),
        'ERR_OUT_OF_RANGE',
      );
      for (const call of Object.values(calls).slice(6)) call();
    });

    it('gives lines as they come, and backwards once all are there', async () => {
      using folder = new Folder();
      const fifo = new Fifo(folder);
      await using file = await open(fifo);
      const forward = file.lines()[Symbol.asyncIterator]();
      const backward = file.lines({ reverse: true })[Symbol.asyncIterator]();
      const last = backward.next();
      await fifo.write('one\ntwo\nthr');
      assert.equal((await forward.next()).value, 'one');
      assert.equal((await forward.next()).value, 'two');
      const third = forward.next();
      await fifo.write('ee');
      fifo.end();
      assert.equal((await third).value, 'three');
      assert.equal((await last).value, 'three');
      assert.equal((await backward.next()).value, 'two');
    });
  });
}

describeUnless(noFifos, 'a spool', () => {
  it('that is followed ends with what it is made of', async () => {
    using folder = new Folder();
    const fifo = new Fifo(folder);
    await using file = await MappedFile.open(fifo.path, 'r', { backing: 'spool' });
    const events: unknown[] = [];
    const follow = { onEvent: (event: unknown) => events.push(event), pollInterval: 10 };
    const lines: string[] = [];
    const read = async (): Promise<void> => {
      for await (const line of file.lines({ follow })) lines.push(line);
    };
    const [bytes, all] = [collected(file.readable({ follow })), read()];
    await fifo.write('one\n');
    await delay(50);
    await fifo.write('two\n');
    fifo.end();
    assert.equal((await bytes).toString(), 'one\ntwo\n');
    await all;
    assert.deepEqual(lines, ['one', 'two']);
    assert.deepEqual(events, []);
  });

  it('gives every reader what has arrived, at the pace of the data', async () => {
    const readers: Record<string, (file: MappedFile) => AsyncIterable<Uint8Array | string>> = {
      readable: (file) => file.readable(),
      createReadStream: (file) => file.createReadStream() as AsyncIterable<Buffer>,
      lines: (file) => file.lines(),
    };
    for (const [name, read] of Object.entries(readers)) {
      using folder = new Folder();
      const fifo = new Fifo(folder);
      await using file = await MappedFile.open(fifo.path, 'r', { backing: 'spool' });
      const reader = read(file)[Symbol.asyncIterator]();
      for (let i = 0; i < 5; i++) {
        // Each is waited for before it is there, and comes before the next is written.
        const next = reader.next();
        await delay(5);
        await fifo.write(`line ${i}\n`);
        const text = Buffer.from((await next).value as string).toString();
        assert.equal(text.trim(), `line ${i}`, name);
      }
      const last = reader.next();
      fifo.end();
      assert.equal((await last).done, true);
    }
  });

  it('lets go of a stream that waits for more', async () => {
    using folder = new Folder();
    const fifo = new Fifo(folder);
    await using file = await MappedFile.open(fifo.path, 'r', { backing: 'spool' });
    await fifo.write('one');
    const reader = file.readable().getReader();
    assert.equal((await reader.read()).value?.length, 3);
    const waiting = reader.read();
    const stream = file.createReadStream();
    stream.resume();
    await once(stream, 'data');
    await delay(5);
    await reader.cancel();
    assert.equal((await waiting).done, true);
    stream.destroy();
    await once(stream, 'close');
    fifo.end();
  });

  it('is a blob once its end is known', async () => {
    using folder = new Folder();
    const fifo = new Fifo(folder);
    await using file = await MappedFile.open(fifo.path, 'r', { backing: 'spool' });
    await fifo.write('one');
    await arrived(file, 3);
    assert.throws(() => file.blob(), { code: 'ERR_MAPPED_FILE_NOT_SEEKABLE' });
    assert.throws(() => file.blob(0, 6), { code: 'ERR_MAPPED_FILE_NOT_SEEKABLE' });
    assert.equal(await file.blob(0, 3).text(), 'one');
    await fifo.write('two');
    fifo.end();
    await file.prefetch();
    assert.equal(await file.blob().text(), 'onetwo');
  });
});

describeUnless(noFifos, 'a spool that ends otherwise', () => {
  const open = (fifo: Fifo): Promise<MappedFile> => MappedFile.open(fifo.path, 'r', { backing: 'spool' });
  const call = { read: 4, write: 5 };

  it('rejects what waits when it is closed', async () => {
    using folder = new Folder();
    const fifo = new Fifo(folder);
    for (const end of ['close', 'closeSync'] as const) {
      const file = await open(fifo);
      await fifo.write('abc');
      await arrived(file, 3);
      const waiting = [
        file.read(Buffer.alloc(10), 0, 10, 0),
        file.read(Buffer.alloc(10), 0, 10, 100),
        file.slice(),
        file.prefetch(),
        file.lines({ start: 3 })[Symbol.asyncIterator]().next(),
        file.lines({ reverse: true })[Symbol.asyncIterator]().next(),
        file.chunks()[Symbol.asyncIterator]().next(),
        file.readable({ start: 3 }).getReader().read(),
        once(file.createReadStream({ start: 3 }), 'data'),
      ].map((promise) => attemptAsync(async () => promise));
      await delay(2);
      await file[end]();
      for (const { error } of await Promise.all(waiting)) assert.equal(error?.code, 'ERR_MAPPED_FILE_CLOSED');
      fifo.end();
    }
  });

  it('rejects what waits when the disk is full, and keeps what has arrived', async () => {
    using folder = new Folder();
    const fifo = new Fifo(folder);
    await using file = await open(fifo);
    await fifo.write('abcdef');
    await arrived(file, 6);
    try {
      native.injectFailure(call.write, 0, 1, ENOSPC);
      const waiting = file.read(Buffer.alloc(10), 0, 10, 3);
      waiting.catch(() => {});
      const lines = collected(file.readable());
      lines.catch(() => {});
      await fifo.write('gh');
      await assert.rejects(waiting, { code: 'ERR_MAPPED_FILE_NO_SPACE', path: fifo.path, position: 6 });
      await assert.rejects(lines, { code: 'ERR_MAPPED_FILE_NO_SPACE' });
    } finally {
      native.injectFailure(call.write, 0, 0, 0);
    }
    await assert.rejects(file.prefetch(), { code: 'ERR_MAPPED_FILE_NO_SPACE' });
    assert.equal((await file.slice(0, 6)).toString(), 'abcdef');
    assert.equal(file.getUint8(5), 'f'.charCodeAt(0));
    fifo.end();
  });

  it('rejects what waits when its disk is full', async function () {
    using folder = new Folder();
    const fifo = new Fifo(folder);
    const before = process.env['TMPDIR'];
    try {
      using disk = mountTmpfs(folder.join('disk'), '1m');
      process.env['TMPDIR'] = disk.path;
      await using file = await open(fifo);
      const waiting = file.slice();
      waiting.catch(() => {});
      const writing = fifo.write(oracle(0, 3 * 2 ** 20)).catch((error: NodeJS.ErrnoException) => error.code);
      await assert.rejects(waiting, { code: 'ERR_MAPPED_FILE_NO_SPACE' });
      // Nobody reads any more.
      await file.close();
      assert.equal(await writing, 'EPIPE');
    } catch (error) {
      if (error instanceof NotPermitted) return this.skip();
      throw error;
    } finally {
      if (before === undefined) delete process.env['TMPDIR'];
      else process.env['TMPDIR'] = before;
      fifo.end();
    }
  });

  it('rejects what waits when what it reads fails', async () => {
    using folder = new Folder();
    // A file without a size is read by the thread pool, where the failure is put.
    const path = '/proc/self/status';
    if (!fs.existsSync(path)) return;
    assert.ok(folder.path.length > 0);
    try {
      native.injectFailure(call.read, 0, 1, EIO);
      await using file = await MappedFile.open(path, 'r', { backing: 'spool' });
      await assert.rejects(file.slice(), { code: 'EIO', path });
      await assert.rejects(file.read(Buffer.alloc(5), 0, 5, 0), { code: 'EIO' });
    } finally {
      native.injectFailure(call.read, 0, 0, 0);
    }
  });

  it('of what has positions is the file itself', async () => {
    using folder = new Folder();
    await using file = await MappedFile.open(folder.file(100), 'r+', { backing: 'spool' });
    assert.deepEqual([file.backing, file.isWritable], [usual, true]);
  });

  it('is private, has no name and is closed on exec', async () => {
    using folder = new Folder();
    const fifo = new Fifo(folder);
    const before = process.env['TMPDIR'];
    process.env['TMPDIR'] = folder.path;
    await using file = await open(fifo).finally(() => {
      if (before === undefined) delete process.env['TMPDIR'];
      else process.env['TMPDIR'] = before;
    });
    await fifo.write('secret');
    await arrived(file, 6);
    const stats = await file.stat();
    assert.deepEqual([stats.mode & 0o777, stats.nlink, stats.size], [0o600, 0, 6]);
    assert.deepEqual(fs.readdirSync(folder.path), ['fifo']);
    assert.equal(stats.dev, fs.statSync(folder.path).dev);
    // O_CLOEXEC is 02000000 (proc(5), fdinfo).
    const flags = /flags:\s*([0-7]+)/.exec(fs.readFileSync(`/proc/self/fdinfo/${file.fd}`, 'latin1'))?.[1] as string;
    assert.notEqual(parseInt(flags, 8) & 0o2000000, 0);
    fifo.end();
  });
});
