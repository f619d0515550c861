/** Descriptions of open files, by which other threads and processes open the same ones. */
import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { MappedFile, type MappedFileHandle, WindowPool } from 'sliding-mmap';
import { codeOf } from '../helpers/errors.js';
import { Fifo } from '../helpers/fifos.js';
import { byteAt, Folder, oracle } from '../helpers/files.js';
import { granule } from '../helpers/sizes.js';
import { cannotMap, itUnless, noFifos, notByDescriptor, onWindows, onlyLinuxTells } from '../helpers/systems.js';

const readerWorker = new URL('../helpers/handle-reader.worker.js', import.meta.url);
const readerProgram = fileURLToPath(new URL('../helpers/handle-reader.program.js', import.meta.url));

interface Seen {
  size: number;
  path: string | undefined;
  isWritable: boolean;
  first: number;
}

async function seenByWorker(handle: MappedFileHandle): Promise<Seen> {
  const worker = new Worker(readerWorker, { workerData: handle });
  const ended = once(worker, 'exit');
  const [seen] = (await once(worker, 'message')) as [Seen];
  await ended;
  return seen;
}

async function answer(child: ChildProcess, message: object | string): Promise<Record<string, unknown>> {
  const answered = once(child, 'message');
  child.send(message);
  return ((await answered) as [Record<string, unknown>])[0];
}

async function end(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit');
  child.disconnect();
  await ended;
}

describe('handles', () => {
  itUnless(cannotMap, 'are plain, and survive structured clones and JSON', () => {
    using folder = new Folder();
    const path = folder.file(1000);
    using file = MappedFile.openSync(path, 'r', { windowSize: 65_536, strict: true, backing: 'mmap' });
    const handle = file.handle();
    assert.deepEqual(structuredClone(handle), handle);
    assert.deepEqual(JSON.parse(JSON.stringify(handle)), handle);
    assert.deepEqual(
      { ...handle, device: '', inode: '', born: '' },
      {
        ...{ mappedFile: 1, pid: process.pid, fd: file.fd, path: fs.realpathSync(path) },
        ...{ device: '', inode: '', born: '' },
        ...{ flags: 'r', windowSize: 65_536, backing: 'mmap', strict: true },
      },
    );
    for (const [flags, expected] of [
      ['w', 'r+'],
      ['r+', 'r+'],
      ['a', 'a+'],
    ] as const) {
      using other = MappedFile.openSync(folder.join('other'), flags);
      assert.equal(other.handle().flags, expected);
    }
  });

  it('carry the options, which the one who opens may override', () => {
    using folder = new Folder();
    using file = MappedFile.openSync(folder.file(100_000), 'r+', { windowSize: 2 * granule });
    const handle = file.handle();
    using same = MappedFile.openSync(handle);
    assert.deepEqual([same.isWritable, same.stats().windowSize, same.backing], [true, 2 * granule, file.backing]);
    using reader = MappedFile.openSync(handle, 'r', {
      windowSize: 4 * granule,
      backing: 'read',
      pool: new WindowPool(),
    });
    assert.deepEqual([reader.isWritable, reader.stats().windowSize, reader.backing], [false, 4 * granule, 'read']);
    using appender = MappedFile.openSync(handle, 'a');
    appender.writeSync('!');
    assert.equal(file.refreshSync(), 100_001);
    for (const flags of ['w', 'wx', 'w+', 'wx+'] as const) {
      assert.equal(
        codeOf(() => MappedFile.openSync(handle, flags)),
        'ERR_INVALID_ARG_VALUE',
      );
    }
    assert.equal(file.refreshSync(), 100_001, 'nothing was cut');
  });

  itUnless(notByDescriptor, 'open with a cursor of their own', () => {
    using folder = new Folder();
    using file = MappedFile.openSync(folder.file(100));
    file.readSync(Buffer.alloc(10));
    using same = MappedFile.openSync(file.handle());
    const bytes = Buffer.alloc(4);
    same.readSync(bytes);
    assert.deepEqual(bytes, oracle(0, 4));
  });

  itUnless(notByDescriptor, 'lead to the file whatever has become of its name, while it is open', async () => {
    using folder = new Folder();
    const path = folder.file(1000);
    using file = MappedFile.openSync(path, 'r+');
    const handle = file.handle();
    fs.renameSync(path, folder.join('elsewhere'));
    fs.writeFileSync(path, 'another file');
    for (const opened of [MappedFile.openSync(handle), await MappedFile.open(handle)]) {
      assert.deepEqual(opened.sliceSync(), oracle(0, 1000));
      opened.closeSync();
    }
    assert.equal(file.handle().path, fs.realpathSync(folder.join('elsewhere')));
    fs.unlinkSync(folder.join('elsewhere'));
    assert.equal(file.handle().path, undefined);
    using unlinked = MappedFile.openSync(file.handle());
    assert.deepEqual(unlinked.sliceSync(), oracle(0, 1000));
  });

  it('lead to it by its path when it is closed, and to nothing else', async () => {
    using folder = new Folder();
    const path = folder.file(1000);
    const file = MappedFile.openSync(path, 'r+');
    const handle = file.handle();
    file.closeSync();
    {
      using same = MappedFile.openSync(handle);
      assert.equal(same.getUint8(7), byteAt(7));
      assert.equal(same.path, handle.path);
    }
    const stale = { name: 'MappedFileError', code: 'ERR_MAPPED_FILE_STALE', path: handle.path };
    // Kept, so that its number is not given to the next one.
    fs.renameSync(path, folder.join('elsewhere'));
    assert.throws(() => MappedFile.openSync(handle), stale);
    await assert.rejects(MappedFile.open(handle), stale);
    fs.writeFileSync(path, oracle(0, 1000));
    assert.throws(() => MappedFile.openSync(handle), stale);
    await assert.rejects(MappedFile.open(handle), stale);
    // The same number, but another file.
    fs.renameSync(folder.join('elsewhere'), path);
    assert.throws(() => MappedFile.openSync({ ...handle, born: '1' }), stale);
    assert.throws(() => MappedFile.openSync({ ...handle, path: undefined }), { code: 'ERR_MAPPED_FILE_STALE' });
    MappedFile.openSync(handle).closeSync();
  });

  it('leave no descriptor behind where the opening is aborted', async () => {
    using folder = new Folder();
    using file = MappedFile.openSync(folder.file(1000), 'r');
    const handle = file.handle();
    await assert.rejects(MappedFile.open(handle, 'r', { signal: AbortSignal.abort(new Error('enough')) }), /enough/);
    const controller = new AbortController();
    const opening = MappedFile.open(handle, 'r', { signal: controller.signal });
    controller.abort(new Error('late'));
    await assert.rejects(opening, /late/);
  });

  itUnless(onWindows('rights are not those of modes'), 'tell what forbids it', () => {
    using folder = new Folder();
    const path = folder.file(1000);
    using file = MappedFile.openSync(path, 'r');
    const handle = file.handle();
    fs.chmodSync(path, 0o400);
    // Root may do everything.
    const isRoot = process.geteuid?.() === 0;
    if (isRoot) process.seteuid?.(65_534);
    try {
      assert.equal(
        codeOf(() => MappedFile.openSync(handle, 'r+')),
        'EACCES',
      );
    } finally {
      if (isRoot) process.seteuid?.(0);
    }
  });

  itUnless(noFifos, 'are not to be had of what has no positions, and of a spool when all has arrived', async () => {
    using folder = new Folder();
    const fifo = new Fifo(folder);
    {
      using pipe = MappedFile.openSync(fifo.path);
      const refused = codeOf(() => pipe.handle());
      assert.equal(refused, 'ERR_MAPPED_FILE_NOT_SEEKABLE');
    }
    using spool = MappedFile.openSync(fifo.path, 'r', { backing: 'spool' });
    await fifo.write('arrived');
    const early = codeOf(() => spool.handle());
    assert.equal(early, 'ERR_MAPPED_FILE_NOT_SEEKABLE');
    fifo.end();
    await spool.prefetch();
    const handle = spool.handle();
    assert.deepEqual([handle.flags, handle.path, handle.backing], ['r', undefined, 'auto']);
    {
      using same = MappedFile.openSync(handle);
      assert.equal(same.sliceSync().toString(), 'arrived');
    }
    spool.closeSync();
    const late = codeOf(() => spool.handle());
    assert.equal(late, 'ERR_MAPPED_FILE_CLOSED');
  });

  it('of anybody are refused for what is wrong with them', () => {
    using folder = new Folder();
    const content = oracle(0, 1000);
    using file = MappedFile.openSync(folder.file(content), 'r+');
    const handle = file.handle();
    const anything = fc.oneof(
      fc.anything({ withBigInt: true, withTypedArray: true, withNullPrototype: true }),
      fc.integer(),
      fc.string(),
      fc.constantFrom('r', 'w', 'wx+', '/dev/zero', '/proc/self/mem', '..', '/', '\0', '-1', '99999999999999999999'),
    );
    const fields = Object.fromEntries(Object.keys(handle).map((key) => [key, anything]));
    fc.assert(
      fc.property(fc.record(fields, { requiredKeys: [] }), fc.boolean(), (wrong, whole) => {
        const given = { ...(whole ? handle : {}), mappedFile: 1, ...wrong } as MappedFileHandle;
        let opened: MappedFile;
        try {
          opened = MappedFile.openSync(given);
        } catch (error) {
          assert.match(String((error as { code?: unknown }).code), /^(E[A-Z]+|ERR_[A-Z_]+)$/);
          return;
        }
        try {
          // Without `mappedFile`, what has an `fd` is a FileHandle, of whatever that is open on.
          if (given.mappedFile === undefined) return;
          assert.deepEqual([opened.size, opened.getUint8(3)], [1000, byteAt(3)], 'the same file or none');
        } finally {
          opened.closeSync();
        }
      }),
      { numRuns: 500 },
    );
    assert.deepEqual(fs.readFileSync(folder.join('data')), content);
  });

  describe('between threads and processes', function () {
    this.timeout(60_000);

    itUnless(notByDescriptor, 'open the same file in worker threads', async () => {
      using folder = new Folder();
      const path = folder.file(1000);
      using file = MappedFile.openSync(path, 'r+');
      fs.unlinkSync(path);
      const handle = file.handle();
      for (let i = 0; i < 3; i++) {
        const seen = await seenByWorker(handle);
        assert.deepEqual(seen, { size: 1000, path: undefined, isWritable: true, first: (byteAt(0) + i) & 0xff });
      }
      assert.equal(file.getUint8(0), (byteAt(0) + 3) & 0xff);
    });

    itUnless(onlyLinuxTells || cannotMap, 'let eight processes share one copy of the pages', async () => {
      using folder = new Folder();
      const size = 256 * 2 ** 20;
      const path = folder.join('data');
      {
        using writer = MappedFile.openSync(path, 'wx');
        const piece = oracle(0, 2 ** 20);
        for (let at = 0; at < size; at += piece.length) writer.writeSync(piece, 0, piece.length, at);
      }
      using file = MappedFile.openSync(path);
      const handle = file.handle();
      const children = Array.from({ length: 8 }, () => fork(readerProgram, { stdio: 'inherit' }));
      try {
        const touched = await Promise.all(children.map((child) => answer(child, { handle })));
        const sums = touched.map(({ sum }) => sum);
        assert.deepEqual(sums, Array<unknown>(8).fill(sums[0]));
        assert.ok(typeof sums[0] === 'number' && sums[0] > 0, JSON.stringify(touched[0]));
        const measured = (await Promise.all(children.map((child) => answer(child, 'measure')))) as Array<{
          pss: number;
          rss: number;
        }>;
        for (const { rss } of measured) assert.ok(rss >= size, `each has all of it mapped: ${rss}`);
        const together = measured.reduce((sum, { pss }) => sum + pss, 0);
        const copies = together / size;
        assert.ok(copies > 0.9 && copies < 1.25, `${copies.toFixed(3)} copies in all`);
      } finally {
        await Promise.all(children.map(end));
      }
    });

    itUnless(
      notByDescriptor,
      'lead another process to a file that has no name any more, while it is open',
      async () => {
        using folder = new Folder();
        const path = folder.file(4096);
        const file = MappedFile.openSync(path);
        const handle = file.handle();
        fs.unlinkSync(path);
        const child = fork(readerProgram, { stdio: 'inherit' });
        try {
          assert.deepEqual(await answer(child, { handle }), { sum: byteAt(0), path: handle.path });
          file.closeSync();
          assert.deepEqual(await answer(child, { handle }), { error: 'ERR_MAPPED_FILE_STALE' });
        } finally {
          await end(child);
        }
      },
    );
  });
});
