/** Views where nothing is mapped: what reaches the file, and when. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import fc from 'fast-check';
import { MappedFile, WindowPool } from 'sliding-mmap';
import { native } from '#src/native.js';
import { ViewCopy } from '#src/view-copies.js';
import { collect } from '../helpers/collect.js';
import { attemptAsync, codeOf } from '../helpers/errors.js';
import { byteAt, Folder, oracle } from '../helpers/files.js';
import { openFiles } from '../helpers/root-hooks.js';
import { granule } from '../helpers/sizes.js';

const { EIO, ENOSPC } = os.constants.errno;
const write = 5;
const size = 5 * granule + 100;

function open(folder: Folder, flags: 'r' | 'r+' = 'r+'): MappedFile {
  return MappedFile.openSync(folder.file(size), flags, { backing: 'read' });
}

function contentOf(file: MappedFile): Buffer {
  return fs.readFileSync(file.path as string);
}

describe('a copied view', () => {
  const ends: Record<string, (file: MappedFile, dispose: () => void) => unknown> = {
    'its dispose': (_, dispose) => dispose(),
    'the file’s flush': (file) => file.flush(),
    'the file’s flushSync': (file) => file.flushSync(),
    'the file’s close': (file) => file.close(),
    'the file’s closeSync': (file) => file.closeSync(),
    'a read of the file': (file) => file.getUint8(20),
    'an asynchronous read of the file': (file) => file.read(Buffer.alloc(50), 0, 50, 0),
    'a search of the file': (file) => file.indexOf('nowhere in there'),
    'a stream': (file) => file.readable().getReader().read(),
  };
  for (const [name, end] of Object.entries(ends)) {
    it(`reaches the file at ${name}`, async () => {
      using folder = new Folder();
      using file = open(folder);
      const view = file.view(10, 100);
      view.bytes[10] = 1;
      assert.equal(contentOf(file)[20], byteAt(20));
      await end(file, () => view.dispose());
      assert.equal(contentOf(file)[20], 1);
      if (file.closed) assert.deepEqual([view.bytes.length, view.buffer.byteLength], [0, 0]);
    });
  }

  it('does not make a file grow that is cut between the look at its size and the write', () => {
    using folder = new Folder();
    using file = open(folder);
    const path = file.path as string;
    const fd = fs.openSync(path, 'r+');
    const copy = new ViewCopy(10, 1000, true);
    copy.refresh((bytes, offset, length, position) => fs.readSync(fd, bytes, offset, length, position));
    copy.bytes.fill(1, 0, 100);
    copy.bytes.fill(2, 500, 600);
    fs.ftruncateSync(fd, 60);
    const cutAt = copy.writeBack(size, (bytes, offset, length, position) =>
      native.writeInside(fd, bytes, offset, length, position),
    );
    fs.closeSync(fd);
    assert.equal(cutAt, 60);
    assert.equal(fs.statSync(path).size, 60);
    assert.deepEqual(contentOf(file).subarray(10), Buffer.alloc(50, 1));
  });

  it('writes the bytes that were changed, and leaves those to others that were not', async () => {
    using folder = new Folder();
    using file = open(folder);
    const path = file.path as string;
    using view = file.view();
    view.bytes[1] = 1;
    view.bytes[3] = 3;
    view.bytes.fill(7, granule, 2 * granule);
    const fd = fs.openSync(path, 'r+');
    for (const at of [0, 2, 4, granule - 1, 2 * granule, size - 1]) fs.writeSync(fd, Uint8Array.of(200), 0, 1, at);
    await view.flush();
    const expected = oracle(0, size);
    for (const at of [0, 2, 4, granule - 1, 2 * granule, size - 1]) expected[at] = 200;
    expected[1] = 1;
    expected[3] = 3;
    expected.fill(7, granule, 2 * granule);
    assert.ok(contentOf(file).equals(expected));
    assert.ok(expected.equals(view.bytes), 'and shows theirs');
    fs.writeSync(fd, Uint8Array.of(201), 0, 1, 0);
    fs.closeSync(fd);
    assert.equal(view.bytes[0], 200);
    await file.refresh();
    assert.equal(view.bytes[0], 201);
    const unchanged = oracle(granule, granule).filter((byte) => byte === 7).length;
    assert.equal(file.stats().bytesWritten, 2 + granule - unchanged);
  });

  it('is not written back over what was written after it', async () => {
    using folder = new Folder();
    using file = open(folder);
    using view = file.view();
    for (let i = 0; i < 50; i++) {
      view.bytes.fill(1);
      const flushed = [view.flush(), file.flush()];
      file.writeSync(Buffer.alloc(size, 2), 0, size, 0);
      await Promise.all(flushed);
      assert.ok(contentOf(file).every((byte) => byte === 2));
    }
  });

  it('is exact, whatever is changed by whom', () => {
    const change = fc.record({
      mine: fc.boolean(),
      at: fc.nat(3 * 4096),
      length: fc.oneof(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 9000 })),
      value: fc.nat(255),
    });
    fc.assert(
      fc.property(fc.nat(20), fc.array(change), (start, changes) => {
        const file = oracle(0, 3 * 4096 + 20);
        const copy = new ViewCopy(start, file.length - start, true);
        copy.refresh((bytes, offset, length, position) => file.copy(bytes, offset, position, position + length));
        // A byte has one owner: who changed it first.
        const owner = new Uint8Array(file.length);
        const expected = Buffer.from(file);
        for (const { mine, at, length, value } of changes) {
          const who = mine ? 1 : 2;
          for (let i = Math.max(at, start); i < Math.min(at + length, file.length); i++) {
            if (owner[i] === 3 - who) continue;
            owner[i] = who;
            expected[i] = value;
            if (mine) copy.bytes[i - start] = value;
            else file[i] = value;
          }
        }
        let writes = 0;
        const move = (bytes: Uint8Array, offset: number, length: number, position: number): number => {
          const done = Math.min(length, 1 + (writes++ % 5000)); // short, as systems may
          file.set(bytes.subarray(offset, offset + done), position);
          return done;
        };
        const lost = copy.writeBack(file.length, move);
        assert.equal(lost, undefined);
        assert.ok(file.equals(expected));
        // Nothing is left to write.
        copy.writeBack(file.length, () => assert.fail());
      }),
    );
  });

  it('drops what was written past the end of a file that shrank, says so, and never makes it grow', async () => {
    for (const flush of [false, true]) {
      using folder = new Folder();
      using file = open(folder);
      const view = file.view();
      view.bytes[10] = 1;
      view.bytes[size - 1] = 2;
      fs.truncateSync(file.path as string, granule);
      const error = {
        code: 'ERR_MAPPED_FILE_TRUNCATED',
        path: file.path,
      };
      if (flush)
        await assert.rejects(
          file.flush().then(() => view.flush()),
          error,
        );
      else assert.throws(() => view.dispose(), error);
      view.dispose();
      assert.equal(contentOf(file).length, granule);
      assert.equal(contentOf(file)[10], 1);
    }
  });

  it('tells of what cannot be written at the call that wanted it', async () => {
    using folder = new Folder();
    const calls: Record<string, (file: MappedFile) => unknown> = {
      flush: (file) => file.flush(),
      flushSync: (file) => file.flushSync(),
      close: (file) => file.close(),
      closeSync: (file) => file.closeSync(),
      getUint8: (file) => file.getUint8(5),
      read: (file) => file.read(Buffer.alloc(10), 0, 10, 0),
    };
    try {
      for (const [errno, code] of [
        [EIO, 'ERR_MAPPED_FILE_IO'],
        [ENOSPC, 'ERR_MAPPED_FILE_NO_SPACE'],
      ] as const) {
        for (const [name, call] of Object.entries(calls)) {
          using file = open(folder);
          const view = file.view(0, 10);
          view.bytes[5] = 1;
          native.injectFailure(write, 0, 1, errno);
          const { error } = await attemptAsync(async () => call(file));
          assert.equal(error?.code, code, name);
          if (file.closed) continue;
          // Not lost: it is tried again.
          await file.flush();
          assert.equal(contentOf(file)[5], 1);
        }
        for (const [name, call] of Object.entries({
          flush: (view: { flush(): Promise<void> }) => view.flush(),
          flushSync: (view: { flushSync(): void }) => view.flushSync(),
          dispose: (view: { dispose(): void }) => view.dispose(),
        })) {
          using file = open(folder);
          const view = file.view(0, 10);
          view.bytes[5] = 1;
          native.injectFailure(write, 0, 1, errno);
          const { error } = await attemptAsync(async () => call(view));
          assert.equal(error?.code, code, name);
          if (name === 'dispose') assert.equal(view.length, 0);
        }
      }
    } finally {
      native.injectFailure(write, 0, 0, 0);
    }
  });

  it('that nobody holds any more is written by the file’s close', async () => {
    using folder = new Folder();
    using file = open(folder);
    (() => {
      file.view(0, 10).bytes[5] = 1;
    })();
    await collect();
    assert.equal(file.stats().views, 1);
    file.closeSync();
    assert.equal(contentOf(file)[5], 1);
  });

  it('of a file that nobody holds any more is written, and emptied', async () => {
    using folder = new Folder();
    const path = folder.file(size);
    const pool = new WindowPool();
    const bytes = (() => MappedFile.openSync(path, 'r+', { backing: 'read', pool }).view(0, 10).bytes)();
    bytes[5] = 1;
    for (let i = 0; bytes.length > 0; i++) {
      assert.ok(i < 100, 'the file was not collected');
      await collect();
    }
    assert.equal(fs.readFileSync(path)[5], 1);
    assert.equal(pool.stats().views, 0);
    assert.ok(!openFiles().some((line) => line.includes(path)));
  });

  it('that is private is the collector’s', async () => {
    using folder = new Folder();
    const pool = new WindowPool();
    using file = MappedFile.openSync(folder.file(size), 'r+', { backing: 'read', pool });
    (() => {
      file.view(0, 10, { access: 'private' }).bytes[5] = 1;
    })();
    for (let i = 0; file.stats().views > 0; i++) {
      assert.ok(i < 100);
      await collect();
    }
    assert.equal(pool.stats().viewBytes, 0);
    assert.equal(contentOf(file)[5], byteAt(5));
  });

  it('is counted by the pool', () => {
    using folder = new Folder();
    const pool = new WindowPool({ limit: 3 * granule });
    using file = MappedFile.openSync(folder.file(size), 'r+', { backing: 'read', pool });
    const view = file.view(0, granule + 1);
    assert.deepEqual([pool.stats().views, pool.stats().viewBytes], [1, 2 * granule]);
    assert.equal(
      codeOf(() => file.view(0, granule + 1)),
      'ERR_MAPPED_FILE_BUDGET',
    );
    view.dispose();
    assert.equal(pool.stats().viewBytes, 0);
    assert.equal(
      codeOf(() => file.view(0, 4 * granule)),
      'ERR_MAPPED_FILE_BUDGET',
    );
  });

  it('of which there are several over the same bytes is one file', async () => {
    using folder = new Folder();
    using file = open(folder);
    using one = file.view(0, 100);
    using two = file.view(50, 150);
    one.bytes[60] = 1;
    assert.equal(file.getUint8(60), 1);
    file.setUint8(61, 2);
    assert.deepEqual([one.bytes[61], two.bytes[10], two.bytes[11]], [2, 1, 2]);
    await file.write('abc', 70);
    assert.deepEqual([one.bytes[70], two.bytes[20]], [97, 97]);
    two.bytes[21] = 9;
    using three = file.view(71, 72);
    assert.equal(three.bytes[0], 9);
    file.truncateSync(90);
    assert.deepEqual([one.bytes[89], one.bytes[90]], [byteAt(89), 0]);
    assert.equal(
      codeOf(() => one.check()),
      'ERR_MAPPED_FILE_TRUNCATED',
    );
    await file.truncate(size);
  });
});
