/** System calls that fail when they are told to. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import { MappedFile, WindowPool } from 'sliding-mmap';
import { native } from '#src/native.js';
import { byteAt, Folder, oracle } from '../helpers/files.js';
import { granule } from '../helpers/sizes.js';

const { EACCES, EAGAIN, EDQUOT, EIO, EMFILE, ENODEV, ENOMEM, ENOSPC, EPERM } = os.constants.errno;
// As `Call` in addon/core/os.h.
const call = { reserve: 0, mapFile: 1, syncMapping: 2, syncFile: 3, read: 4, write: 5, status: 6, truncate: 7 };
const always = 2 ** 40;

function fail(which: keyof typeof call, errno: number, times = always, after = 0): void {
  assert.equal(native.injectFailure(call[which], after, times, errno), 0);
}

const size = 20 * granule;

describe('calls that fail', () => {
  afterEach(() => {
    for (const which of Object.values(call)) native.injectFailure(which, 0, 0, 0);
  });

  for (const [name, windowSize] of [
    ['small', 1],
    ['default', undefined],
  ] as const) {
    for (const which of ['reserve', 'mapFile'] as const) {
      for (const errno of [ENOMEM, EAGAIN, EMFILE, EACCES, EPERM, ENODEV]) {
        it(`to map, ${name} windows, ${which} ${errno}: everything goes on through the kernel`, async () => {
          using folder = new Folder();
          const path = folder.file(size);
          using file = MappedFile.openSync(path, 'r+', { pool: new WindowPool({ limit: 16 * granule }), windowSize });
          for (const after of [0, 1, 2]) {
            fail(which, errno, always, after);
            for (let position = 0; position < size; position += 777) {
              assert.equal(file.getUint8(position), byteAt(position));
              file.setUint8(position, byteAt(position));
            }
            const bytes = Buffer.alloc(3000);
            assert.equal(file.readSync(bytes, 0, 3000, granule - 5), 3000);
            assert.ok(bytes.equals(oracle(granule - 5, 3000)));
            assert.ok((await file.slice()).equals(oracle(0, size)));
            await file.flush();
            fail(which, errno, 0);
          }
          assert.ok(fs.readFileSync(path).equals(oracle(0, size)));
        });
      }
    }
  }

  it('for lack of memory read less at a time', async () => {
    using folder = new Folder();
    const bytes = 5 * 2 ** 20 + 7; // more than is looked for in memory first
    using file = MappedFile.openSync(folder.file(bytes));
    fail('read', ENOMEM, 2);
    assert.ok((await file.slice()).equals(oracle(0, bytes)));
    fail('read', ENOMEM);
    await assert.rejects(file.slice(), { code: 'ENOMEM', syscall: 'read' });
    fail('read', ENOMEM, 0);
  });

  it('to map now and then never cost an access', () => {
    using folder = new Folder();
    using file = MappedFile.openSync(folder.file(size), 'r', {
      pool: new WindowPool({ limit: 6 * granule }),
      windowSize: 1,
    });
    for (let round = 0; round < 50; round++) {
      fail(round % 2 === 0 ? 'reserve' : 'mapFile', ENOMEM, 1 + (round % 3), round % 5);
      for (let i = 0; i < 300; i++) {
        const position = (round * 1237 + i * 3) % size;
        assert.equal(file.getUint8(position), byteAt(position));
      }
    }
  });

  it('for want of memory are asked for again later', () => {
    using folder = new Folder();
    using file = MappedFile.openSync(folder.file(size), 'r');
    fail('reserve', ENOMEM);
    for (let i = 0; i < 3000; i++) assert.equal(file.getUint8(i), byteAt(i));
    assert.deepEqual([file.stats().windows, file.backing], [0, 'mmap']);
    assert.ok(file.stats().refusals > 0);
    fail('reserve', ENOMEM, 0);
    for (let i = 0; i < 3000; i++) assert.equal(file.getUint8(i), byteAt(i));
    assert.equal(file.stats().windows, 1);
  });

  it('to map for reasons that stay turn to reading for good', () => {
    using folder = new Folder();
    using file = MappedFile.openSync(folder.file(size), 'r');
    fail('mapFile', ENODEV, 1);
    assert.equal(file.getUint8(5), byteAt(5));
    assert.equal(file.backing, 'read');
    using view = file.view(0, 5);
    assert.deepEqual([...view.bytes], [...oracle(0, 5)]);
    assert.throws(
      () =>
        MappedFile.openSync(file.path as string, 'r', {
          backing: 'mmap',
          windowSize: fail('mapFile', ENODEV, 1) as undefined,
        }),
      {
        code: 'ERR_MAPPED_FILE_NOT_MAPPABLE',
      },
    );
  });

  it('to map a view are told, after windows were given up for it', () => {
    using folder = new Folder();
    const pool = new WindowPool();
    using file = MappedFile.openSync(folder.file(size), 'r', { pool, windowSize: 1 });
    for (let position = 0; position < size; position += granule) file.getUint8(position);
    const { windows } = pool.stats();
    fail('reserve', ENOMEM, 2);
    using view = file.view(3, 10);
    // What earlier files left goes first.
    const gaveUp = windows - pool.stats().windows;
    assert.ok(gaveUp <= 2, `gave up ${gaveUp}`);
    assert.equal(view.bytes[0], byteAt(3));
    fail('reserve', ENOMEM);
    assert.throws(() => file.view(3, 10), { code: 'ERR_MAPPED_FILE_BUDGET', position: 3, length: 7, path: file.path });
    fail('reserve', ENOMEM, 0);
    using must = MappedFile.openSync(file.path as string, 'r', { pool, windowSize: 1, backing: 'mmap' });
    fail('mapFile', EACCES);
    assert.throws(() => must.view(3, 10), { code: 'ERR_MAPPED_FILE_NOT_MAPPABLE' });
    assert.deepEqual([pool.stats().views, file.stats().views, must.stats().views], [1, 1, 0]);
    // Where mapping is no must, it is a copy.
    using copy = file.view(3, 10);
    assert.deepEqual([file.backing, ...copy.bytes], ['read', ...oracle(3, 7)]);
    assert.equal(view.bytes[0], byteAt(3));
  });

  it('to flush are told once, by every way to flush, and lose nothing', async () => {
    using folder = new Folder();
    using file = MappedFile.openSync(folder.file(size), 'r+');
    const view = file.view(0, 10);
    const codes: Array<[number, string]> = [
      [EIO, 'ERR_MAPPED_FILE_IO'],
      [ENOSPC, 'ERR_MAPPED_FILE_NO_SPACE'],
      [EDQUOT, 'ERR_MAPPED_FILE_NO_SPACE'],
      [EPERM, 'EPERM'],
    ];
    for (const [errno, code] of codes) {
      if ((errno as number | undefined) === undefined) continue; // Windows has no EDQUOT
      for (const which of ['syncMapping', 'syncFile'] as const) {
        for (const flush of [
          () => file.flush(),
          async () => file.flushSync(),
          () => view.flush(),
          async () => view.flushSync(),
        ]) {
          file.setUint8(11, 7);
          view.bytes[0] = 8;
          fail(which, errno, 1);
          await assert.rejects(flush(), { code, path: file.path });
          await flush();
        }
      }
    }
    view.dispose();
    assert.deepEqual([file.getUint8(0), file.getUint8(11)], [8, 7]);
  });

  it('to read are errors in Node’s form, and of the device where only memory was touched', async () => {
    using folder = new Folder();
    using file = MappedFile.openSync(folder.file(size), 'r', { backing: 'read' });
    const place = { code: 'EIO', syscall: 'read', path: file.path, position: 5 };
    for (let repeat = 0; repeat < 2; repeat++) {
      fail('read', EIO, 1);
      assert.throws(() => file.readSync(Buffer.alloc(3), 0, 3, 5), place);
      fail('read', EIO, 2);
      await assert.rejects(file.read(Buffer.alloc(3), 0, 3, 5), place);
      fail('read', EIO, 1);
      assert.throws(() => file.sliceSync(5, 8), place);
      fail('read', EIO, 1);
      assert.throws(() => file.getInt32(5), { code: 'ERR_MAPPED_FILE_IO', path: file.path, position: 5, length: 4 });
      fail('read', EIO, 0);
      assert.ok(file.sliceSync().equals(oracle(0, size)));
      assert.ok((await file.slice()).equals(oracle(0, size)));
    }
  });

  it('to write, to cut and to look at the size are errors in Node’s form', async () => {
    using folder = new Folder();
    using file = MappedFile.openSync(folder.file(size), 'r+', { backing: 'read' });
    const full = { code: 'ENOSPC', syscall: 'write', path: file.path };
    fail('write', ENOSPC, 1);
    assert.throws(() => file.writeSync('abc', 5), full);
    fail('write', ENOSPC, 1);
    await assert.rejects(file.write('abc', 5), full);
    fail('write', ENOSPC, 1);
    assert.throws(() => file.setUint8(5, 1), { code: 'ERR_MAPPED_FILE_NO_SPACE', position: 5, length: 1 });
    fail('truncate', EPERM, 2);
    assert.throws(() => file.truncateSync(5), { code: 'EPERM', syscall: 'ftruncate' });
    await assert.rejects(file.truncate(5), { code: 'EPERM', syscall: 'ftruncate' });
    fail('status', EIO, 1);
    assert.throws(() => file.refreshSync(), { code: 'EIO', syscall: 'fstat' });
    assert.ok(file.sliceSync().equals(oracle(0, size)));
  });

  it('at the opening leave no descriptor', async () => {
    using folder = new Folder();
    const path = folder.file(10);
    fail('status', EIO);
    assert.throws(() => MappedFile.openSync(path), { code: 'EIO', syscall: 'fstat' });
    await assert.rejects(MappedFile.open(path), { code: 'EIO', syscall: 'fstat' });
  });

  it('in a large asynchronous write: what was written before is the result', async () => {
    using folder = new Folder();
    using file = MappedFile.openSync(folder.file(0), 'r+');
    const bytes = oracle(0, 10 * 2 ** 20);
    fail('write', ENOSPC, 1, 1);
    assert.equal((await file.write(bytes, 0, bytes.length, 0)).bytesWritten, 4 * 2 ** 20);
    assert.ok(file.sliceSync().equals(bytes.subarray(0, 4 * 2 ** 20)));
  });
});
