/** Every public method in every state of a file, and the ends that a file can come to. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { MappedFile, type MappedView } from 'sliding-mmap';
import { attemptAsync, codeOf } from '../helpers/errors.js';
import { collect } from '../helpers/collect.js';
import { byteAt, Folder, oracle } from '../helpers/files.js';
import { openFiles } from '../helpers/root-hooks.js';
import { configurations, granule } from '../helpers/sizes.js';
import { cannotMap, itUnless } from '../helpers/systems.js';

type Call = (file: MappedFile) => unknown;

/** What every method does on an open file that can be written: not fail. */
const calls: Record<string, Call> = {
  getInt8: (file) => file.getInt8(0),
  getUint8: (file) => file.getUint8(0),
  getInt16: (file) => file.getInt16(0),
  getUint16: (file) => file.getUint16(0),
  getInt32: (file) => file.getInt32(0),
  getUint32: (file) => file.getUint32(0),
  getBigInt64: (file) => file.getBigInt64(0),
  getBigUint64: (file) => file.getBigUint64(0),
  getFloat32: (file) => file.getFloat32(0),
  getFloat64: (file) => file.getFloat64(0),
  setInt8: (file) => file.setInt8(0, 1),
  setUint8: (file) => file.setUint8(0, 1),
  setInt16: (file) => file.setInt16(0, 1),
  setUint16: (file) => file.setUint16(0, 1),
  setInt32: (file) => file.setInt32(0, 1),
  setUint32: (file) => file.setUint32(0, 1),
  setBigInt64: (file) => file.setBigInt64(0, 1n),
  setBigUint64: (file) => file.setBigUint64(0, 1n),
  setFloat32: (file) => file.setFloat32(0, 1),
  setFloat64: (file) => file.setFloat64(0, 1),
  read: (file) => file.read(Buffer.alloc(4)),
  'read at a position': (file) => file.read(Buffer.alloc(4), 0, 4, 0),
  readSync: (file) => file.readSync(Buffer.alloc(4), 0, 4, 0),
  readv: (file) => file.readv([Buffer.alloc(4)], 0),
  readvSync: (file) => file.readvSync([Buffer.alloc(4)], 0),
  write: (file) => file.write('a', 0),
  writeSync: (file) => file.writeSync('a', 0),
  writev: (file) => file.writev([Buffer.from('a')], 0),
  writevSync: (file) => file.writevSync([Buffer.from('a')], 0),
  slice: (file) => file.slice(0, 4),
  sliceSync: (file) => file.sliceSync(0, 4),
  view: (file) => file.view(0, 4).dispose(),
  'view, private': (file) => file.view(0, 4, { access: 'private' }).dispose(),
  flush: (file) => file.flush(),
  flushSync: (file) => file.flushSync(),
  truncate: (file) => file.truncate(file.size),
  truncateSync: (file) => file.truncateSync(file.size),
  refresh: (file) => file.refresh(),
  refreshSync: (file) => file.refreshSync(),
  stat: (file) => file.stat(),
  prefetch: (file) => file.prefetch(),
  protect: (file) => file.protect('readwrite'),
  stats: (file) => file.stats(),
  handle: (file) => file.handle(),
  advise: (file) => file.advise('random'),
  pin: (file) => file.pin(0, 4),
  unpin: (file) => file.unpin(),
  // Windows has calls for neither.
  ...(process.platform !== 'win32' && {
    residency: (file: MappedFile) => file.residency(),
    dropCache: (file: MappedFile) => file.dropCache(),
  }),
};
const writes = /^(set|write|truncate)/;

/** Ways to bring a file to its end; all of them may be repeated and mixed. */
const ends: Record<string, (file: MappedFile) => unknown> = {
  close: (file) => file.close(),
  closeSync: (file) => file.closeSync(),
  'Symbol.dispose': (file) => file[Symbol.dispose](),
  'Symbol.asyncDispose': (file) => file[Symbol.asyncDispose](),
};

async function codeOfCall(call: Call, file: MappedFile): Promise<unknown> {
  return (await attemptAsync(async () => call(file))).error?.code;
}

for (const configuration of configurations) {
  describe(`every method, ${configuration.name}`, () => {
    it('works on an open file', async () => {
      using folder = new Folder();
      using file = MappedFile.openSync(folder.file(100), 'r+', configuration.options());
      for (const [name, call] of Object.entries(calls)) {
        assert.equal(await codeOfCall(call, file), undefined, name);
      }
    });

    it('that writes refuses to on a read-only file', async () => {
      using folder = new Folder();
      using file = MappedFile.openSync(folder.file(100), 'r', configuration.options());
      for (const [name, call] of Object.entries(calls)) {
        const expected = writes.test(name) || name === 'protect' ? 'ERR_MAPPED_FILE_READ_ONLY' : undefined;
        assert.equal(await codeOfCall(call, file), expected, name);
      }
      assert.ok(fs.readFileSync(file.path as string).equals(oracle(0, 100)));
    });

    for (const [end, finish] of Object.entries(ends)) {
      it(`throws once the file is closed by ${end}`, async () => {
        using folder = new Folder();
        const file = MappedFile.openSync(folder.file(100), 'r+', configuration.options());
        file.getUint8(0);
        await finish(file);
        assert.equal(file.closed, true);
        for (const [name, call] of Object.entries(calls)) {
          assert.equal(await codeOfCall(call, file), 'ERR_MAPPED_FILE_CLOSED', name);
        }
        for (const again of Object.values(ends)) await again(file);
        assert.equal(file.path, folder.join('data'));
        assert.equal(file.size, 100);
      });
    }

    it('throws while the file is being closed', async () => {
      using folder = new Folder();
      const file = MappedFile.openSync(folder.file(100), 'r+', configuration.options());
      const pending = [file.write(Buffer.alloc(2 ** 20), 0, 2 ** 20, 0), file.flush()];
      const closing = file.close();
      for (const [name, call] of Object.entries(calls)) {
        assert.equal(await codeOfCall(call, file), 'ERR_MAPPED_FILE_CLOSED', name);
      }
      await closing;
      await Promise.all(pending);
      assert.equal(fs.statSync(file.path as string).size, 2 ** 20);
    });

    it('leaves the descriptor open until what is pending has settled', async () => {
      using folder = new Folder();
      for (const finish of Object.values(ends)) {
        const path = folder.file(0);
        const file = MappedFile.openSync(path, 'r+', configuration.options());
        const bytes = oracle(0, 6 * 2 ** 20);
        const writing = file.write(bytes, 0, bytes.length, 0);
        const reading = file.read(Buffer.alloc(100), 0, 100, null);
        const flushing = file.flush();
        const statting = file.stat();
        finish(file);
        await Promise.all([writing, reading, flushing, statting]);
        assert.ok(fs.readFileSync(path).equals(bytes));
        await file.close();
      }
      await new Promise((resolve) => setImmediate(resolve));
      assert.ok(!openFiles().some((line) => line.includes(folder.path)));
    });

    it('of the file’s own is safe to call from what it calls', async () => {
      using folder = new Folder();
      using file = MappedFile.openSync(folder.file(3 * granule), 'r+', configuration.options());
      class Hostile extends Uint8Array {
        seen: unknown[] = [];
        override set(source: ArrayLike<number>): void {
          this.seen.push(source);
          file.closeSync();
        }
        override subarray(): never {
          throw new Error('asked for a part');
        }
      }
      const target = new Hostile(2000);
      assert.equal(file.readSync(target, 0, 2000, 100), 2000);
      assert.deepEqual(target.seen, []);
      assert.ok(Buffer.from(target.buffer).equals(oracle(100, 2000)));
      assert.equal((await file.read(target, 0, 2000, 5)).bytesRead, 2000);
      assert.ok(Buffer.from(target.buffer).equals(oracle(5, 2000)));
    });
  });
}

describe('using', () => {
  it('closes at the end of the block, also when it throws', async () => {
    using folder = new Folder();
    const path = folder.file(10);
    let seen: MappedFile | undefined;
    assert.throws(() => {
      using file = (seen = MappedFile.openSync(path));
      throw new Error(`at size ${file.size}`);
    }, /at size 10/);
    assert.equal(seen?.closed, true);
    {
      await using file = await MappedFile.open(path);
      seen = file;
    }
    assert.equal(seen.closed, true);
  });
});

for (const configuration of configurations) {
  describe(`views, ${configuration.name}`, () => {
    const open = (folder: Folder, flags: 'r' | 'r+' | 'a' = 'r+'): MappedFile =>
      MappedFile.openSync(folder.file(3 * granule + 100), flags, configuration.options());

    it('show the bytes at any position and of any length', () => {
      using folder = new Folder();
      using file = open(folder);
      for (const start of [0, 1, 7, 8, granule - 1, granule, granule + 1, 3 * granule, 3 * granule + 99]) {
        for (const length of [1, 7, 100, granule, granule + 1]) {
          const end = Math.min(file.size, start + length);
          if (Math.ceil(end / granule) - Math.floor(start / granule) > 2) continue;
          using view = file.view(start, BigInt(end));
          assert.ok(Buffer.from(view.bytes).equals(oracle(start, end - start)), `${start} to ${end}`);
          assert.equal(view.length, end - start);
          assert.equal(view.position, start);
          assert.equal(view.bytes.buffer, view.buffer);
          assert.equal(view.byteOffset, view.bytes.byteOffset);
          assert.equal(view.byteOffset, start % 8);
          view.check();
        }
      }
    });

    it('that are shared write the file, and are the file that others write', async () => {
      using folder = new Folder();
      using file = open(folder);
      using view = file.view(10, 20);
      view.bytes[3] = 42;
      assert.equal(file.getUint8(13), 42);
      assert.equal(fs.readFileSync(file.path as string)[13], 42);
      file.setUint8(14, 43);
      assert.equal(view.bytes[4], 43);
      fs.writeFileSync(file.path as string, 'Z', { flag: 'r+' });
      await file.write('xy', 11);
      assert.deepEqual([...view.bytes.subarray(1, 3)], [0x78, 0x79]);
      await view.flush();
      view.flushSync();
    });

    for (const [name, flags, access] of [
      ['private', 'r+', 'private'],
      ['of a read-only file', 'r', 'shared'],
      ['of a file opened for appending', 'a', 'shared'],
    ] as const) {
      it(`that are ${name} keep what is written to themselves`, async () => {
        using folder = new Folder();
        using file = open(folder, flags);
        using view = file.view(0, 100, { access });
        view.bytes.fill(7);
        assert.ok(view.bytes.every((byte) => byte === 7));
        await view.flush();
        view.flushSync();
        file.flushSync();
        view.dispose();
        assert.ok(fs.readFileSync(file.path as string).equals(oracle(0, 3 * granule + 100)));
      });
    }

    it('are other typed arrays where position and length are whole elements', () => {
      using folder = new Folder();
      using file = open(folder);
      using view = file.view(16, 16 + 48);
      const bytes = oracle(16, 48);
      for (const Kind of [
        Int8Array,
        Uint16Array,
        Int32Array,
        Float32Array,
        Float64Array,
        BigInt64Array,
        Uint8ClampedArray,
      ]) {
        const array = view.as<Uint8Array>(Kind as unknown as Uint8ArrayConstructor);
        assert.equal(array.constructor, Kind);
        assert.ok(Buffer.from(array.buffer, array.byteOffset, array.byteLength).equals(bytes));
        array[0] = array[0] as number;
      }
      view.dispose();
      using odd = file.view(20, 20 + 12);
      assert.equal(odd.as(Int32Array).length, 3);
      assert.equal(
        codeOf(() => odd.as(Float64Array)),
        'ERR_OUT_OF_RANGE',
      );
      odd.dispose();
      using short = file.view(16, 25);
      assert.equal(
        codeOf(() => short.as(Int32Array)),
        'ERR_OUT_OF_RANGE',
      );
      for (const wrong of [undefined, null, 5, {}, () => {}, class {}, DataView, ArrayBuffer]) {
        assert.equal(
          codeOf(() => short.as(wrong as never)),
          'ERR_INVALID_ARG_TYPE',
        );
      }
    });

    it('refuse ranges and options that are none', () => {
      using folder = new Folder();
      using file = open(folder);
      const { size } = file;
      const refused: Array<[unknown, unknown, string]> = [
        [5, 5, 'ERR_OUT_OF_RANGE'],
        [6, 5, 'ERR_OUT_OF_RANGE'],
        [0, size + 1, 'ERR_OUT_OF_RANGE'],
        [size, undefined, 'ERR_OUT_OF_RANGE'],
        [size + 1, undefined, 'ERR_OUT_OF_RANGE'],
        [-1, 5, 'ERR_OUT_OF_RANGE'],
        [0.5, 5, 'ERR_OUT_OF_RANGE'],
        [0, 2n ** 60n, 'ERR_OUT_OF_RANGE'],
        ['0', 5, 'ERR_INVALID_ARG_TYPE'],
        [0, null, 'ERR_INVALID_ARG_TYPE'],
      ];
      for (const [start, end, code] of refused) {
        assert.equal(
          codeOf(() => file.view(start as number, end as number)),
          code,
          `${String(start)} to ${String(end)}`,
        );
        if (start === 5 || start === size) continue;
        assert.equal(
          codeOf(() => file.sliceSync(start as number, end as number)),
          code,
          `${String(start)} to ${String(end)}`,
        );
      }
      assert.equal(
        codeOf(() => file.view(0, 5, { access: 'none' as never })),
        'ERR_INVALID_ARG_VALUE',
      );
      assert.equal(file.stats().views, 0);
    });

    /** Ways that a view can end. */
    const endings: Record<string, (view: MappedView, file: MappedFile) => unknown> = {
      dispose: (view) => view.dispose(),
      'Symbol.dispose': (view) => view[Symbol.dispose](),
      'the file’s close': (_, file) => file.close(),
      'the file’s closeSync': (_, file) => file.closeSync(),
    };
    for (const [name, finish] of Object.entries(endings)) {
      it(`are empty after ${name}, whatever is done to them`, async () => {
        using folder = new Folder();
        using file = open(folder);
        const view = file.view(8, 72);
        const { bytes, buffer } = view;
        const numbers = view.as(Float64Array);
        await finish(view, file);
        assert.deepEqual([bytes.length, buffer.byteLength, numbers.length, view.length], [0, 0, 0, 0]);
        assert.equal(bytes[0], undefined);
        bytes[0] = 5;
        assert.throws(() => bytes.set([1]));
        assert.equal(view.position, 8);
        view.dispose();
        view[Symbol.dispose]();
        view.check();
        assert.equal(view.as(Int8Array).length, 0);
        const outcome = [await attemptAsync(() => view.flush()), await attemptAsync(async () => view.flushSync())];
        const code = file.closed ? 'ERR_MAPPED_FILE_CLOSED' : undefined;
        assert.deepEqual(
          outcome.map(({ error }) => error?.code),
          [code, code],
        );
        if (!file.closed) assert.equal(file.getUint8(8), byteAt(8));
      });
    }

    it('survive that their buffer is transferred: moved, copied or refused, as the runtime likes', async () => {
      using folder = new Folder();
      using file = open(folder);
      const view = file.view(8, 72);
      view.bytes[0] = 1;
      let moved: ArrayBuffer | undefined;
      try {
        moved = structuredClone(view.buffer, { transfer: [view.buffer] });
      } catch (error) {
        assert.equal((error as Error).name, 'DataCloneError');
      }
      assert.ok(view.length === 0 || view.length === 64);
      view.check();
      await view.flush();
      view.dispose();
      assert.equal(view.length, 0);
      file.closeSync();
      if (moved !== undefined) {
        assert.deepEqual([...new Uint8Array(moved, 0, 3)], [1, byteAt(9), byteAt(10)], 'the new owner’s memory stays');
        moved = undefined; // eslint-disable-line no-useless-assignment -- for the collector
        await collect();
      }
    });

    it('may be released while they are flushed', async () => {
      using folder = new Folder();
      using file = open(folder);
      const flushes: Array<Promise<void>> = [];
      for (let i = 0; i < 20; i++) {
        const view = file.view(0, 100);
        view.bytes[i] = i;
        flushes.push(view.flush(), file.flush());
        view.dispose();
      }
      await Promise.all(flushes);
      assert.deepEqual(
        [...file.sliceSync(0, 20)],
        Array.from({ length: 20 }, (_, i) => i),
      );
    });
  });
}

describe('buffers that go away', () => {
  const detach = (buffer: Uint8Array): void =>
    void structuredClone(buffer.buffer, { transfer: [buffer.buffer as ArrayBuffer] });

  for (const configuration of configurations) {
    it(`are as empty ones, ${configuration.name}`, async () => {
      using folder = new Folder();
      using file = MappedFile.openSync(folder.file(1000), 'r+', configuration.options());
      const gone = new Uint8Array(100);
      detach(gone);
      assert.equal(file.readSync(gone, 0, null, 0), 0);
      assert.equal(
        codeOf(() => file.readSync(gone, 0, 10, 0)),
        'ERR_INVALID_ARG_VALUE',
      );
      await assert.rejects(file.read(gone, 0, 10, 0), { code: 'ERR_INVALID_ARG_VALUE' });
      assert.equal(file.writeSync(gone, 0, null, 0), 0);
      assert.equal(
        codeOf(() => file.writeSync(gone, 0, 10, 0)),
        'ERR_OUT_OF_RANGE',
      );
      assert.equal(file.readvSync([gone], 0), 0);
      assert.equal(file.writevSync([gone], 0), 0);
    });

    it(`while they are read into or written from are not touched again, ${configuration.name}`, async () => {
      using folder = new Folder();
      using file = MappedFile.openSync(folder.file(3 * 2 ** 20), 'r+', configuration.options());
      // Too long to be read on the spot.
      const target = new Uint8Array(2 * 2 ** 20);
      const reading = file.read(target, 0, target.length, 0);
      detach(target);
      await assert.rejects(reading, { code: 'ERR_INVALID_STATE' });
      const cursor = new Uint8Array(100);
      const byCursor = file.read(cursor);
      detach(cursor);
      await assert.rejects(byCursor, { code: 'ERR_INVALID_STATE' });

      const source = Uint8Array.from(oracle(7, 6 * 2 ** 20));
      const writing = file.write(source, 0, source.length, 5);
      detach(source);
      assert.equal((await writing).bytesWritten, 6 * 2 ** 20);
      assert.ok(file.sliceSync(5).equals(oracle(7, 6 * 2 ** 20)));
    });
  }

  it('that shrink are not written past their end', async () => {
    using folder = new Folder();
    using file = MappedFile.openSync(folder.file(3 * 2 ** 20), 'r');
    const Resizable = ArrayBuffer as unknown as new (
      length: number,
      options: object,
    ) => ArrayBuffer & {
      resize(length: number): void;
    };
    const buffer = new Resizable(2 * 2 ** 20, { maxByteLength: 4 * 2 ** 20 });
    const target = new Uint8Array(buffer);
    const reading = file.read(target, 0, 2 * 2 ** 20, 0);
    buffer.resize(10);
    await assert.rejects(reading, { code: 'ERR_INVALID_STATE' });
    assert.deepEqual([...target], new Array(10).fill(0));
  });
});

describe('stats', () => {
  itUnless(cannotMap, 'count what happens', async () => {
    using folder = new Folder();
    using file = MappedFile.openSync(folder.file(10 * granule), 'r+', configurations[1]?.options());
    const zero = file.stats();
    assert.deepEqual(
      [zero.windows, zero.bytesMapped, zero.views, zero.hits, zero.misses, zero.slides, zero.evictions],
      [0, 0, 0, 0, 0, 0, 0],
    );
    assert.equal(zero.windowSize, granule);
    file.getUint8(0);
    file.getUint8(5 * granule);
    file.getUint8(0);
    const some = file.stats();
    assert.deepEqual([some.windows, some.misses, some.slides, some.hits], [2, 2, 2, 1]);
    assert.equal(some.bytesMapped, 4 * granule);
    file.readSync(Buffer.alloc(100), 0, 100, 0); // out of a window
    await file.read(Buffer.alloc(16384), 0, 16384, 0);
    file.writeSync('abc', 0);
    const view = file.view();
    const more = file.stats();
    assert.deepEqual([more.bytesRead, more.bytesWritten, more.views, more.faults, more.refusals], [16384, 3, 1, 0, 0]);
    view.dispose();
    assert.equal(file.stats().views, 0);
  });
});
