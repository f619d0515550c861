/** What hypercore's storages have to do, for a file that is given open and for one that is opened when it is used. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import RandomAccessStorage from 'random-access-storage';
import { MappedFile, type OpenOptions } from 'sliding-mmap';
import { toRandomAccessStorage } from 'sliding-mmap/adapters';
import { Folder } from '../../helpers/files.js';
import { configurations } from '../../helpers/sizes.js';

const { O_CREAT, O_RDWR } = fs.constants;

/** The file, made where it is not there; its folder, too. */
function create(name: string, options: OpenOptions): MappedFile {
  fs.mkdirSync(path.dirname(name), { recursive: true });
  fs.closeSync(fs.openSync(name, O_RDWR | O_CREAT));
  return MappedFile.openSync(name, 'r+', options);
}

/** Calls a method that takes a callback as its last argument. */
function call(storage: RandomAccessStorage, method: string, ...args: unknown[]): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const done = (error: Error | null, value?: unknown): void => (error ? reject(error) : resolve(value));
    (storage as unknown as Record<string, (...args: unknown[]) => void>)[method]!(...args, done);
  });
}
const read = (storage: RandomAccessStorage, offset: number, size: number): Promise<unknown> =>
  call(storage, 'read', offset, size);
const write = (storage: RandomAccessStorage, offset: number, text: string | Buffer): Promise<unknown> =>
  call(storage, 'write', offset, Buffer.from(text));
const sizeOf = async (storage: RandomAccessStorage): Promise<number> =>
  ((await call(storage, 'stat')) as { size: number }).size;

for (const { name, options } of configurations) {
  describe(`adapters: toRandomAccessStorage, ${name}`, () => {
    let folder: Folder;
    beforeEach(() => {
      folder = new Folder();
    });
    afterEach(() => folder[Symbol.dispose]());
    const storageOf = (file: string): RandomAccessStorage =>
      toRandomAccessStorage(() => create(folder.join(file), options()), RandomAccessStorage);

    it('writes and reads anywhere; gaps are zeros', async () => {
      const storage = storageOf('deeper/and/deeper');
      assert.ok(storage instanceof RandomAccessStorage);
      await write(storage, 10, 'hi');
      await write(storage, 0, 'hello');
      assert.deepEqual(await read(storage, 10, 2), Buffer.from('hi'));
      assert.deepEqual(await read(storage, 0, 5), Buffer.from('hello'));
      assert.deepEqual(await read(storage, 5, 5), Buffer.alloc(5));
      assert.deepEqual(await read(storage, 0, 0), Buffer.alloc(0));
      await call(storage, 'close');
    });

    it('fails to read what is not there, whole', async () => {
      const storage = storageOf('short');
      await assert.rejects(read(storage, 0, 5), { code: 'ERR_OUT_OF_RANGE' });
      await write(storage, 0, 'hello');
      await assert.rejects(read(storage, 0, 10), { code: 'ERR_OUT_OF_RANGE' });
      await assert.rejects(read(storage, 5, 1), { code: 'ERR_OUT_OF_RANGE' });
      await call(storage, 'close');
    });

    it('shows what another storage of the file wrote', async () => {
      const [one, other] = [storageOf('same'), storageOf('same')];
      await write(one, 10, 'hello');
      assert.deepEqual(await read(other, 10, 5), Buffer.from('hello'));
      await write(other, 10, 'jello');
      assert.deepEqual(await read(one, 10, 5), Buffer.from('jello'));
      await Promise.all([call(one, 'close'), call(other, 'close')]);
    });

    it('big and simultaneous writes and reads', async () => {
      const storage = storageOf('big');
      const big = Buffer.alloc(3 * 1024 * 1024, 'hey. hey. how are you doing? ');
      const places = [0, 2 * big.length, 5 * big.length + 17];
      await Promise.all(
        places.map(async (at) => {
          await write(storage, at, big);
          assert.ok(((await read(storage, at, big.length)) as Buffer).equals(big));
        }),
      );
      await call(storage, 'close');
    });

    it('del cuts the end off, and leaves the size elsewhere; truncate cuts and extends', async () => {
      const storage = storageOf('del');
      await write(storage, 0, Buffer.alloc(100, 1));
      await call(storage, 'del', 0, 40);
      assert.equal(await sizeOf(storage), 100);
      await call(storage, 'del', 200, 40);
      assert.equal(await sizeOf(storage), 100);
      await call(storage, 'del', 50, 50);
      assert.equal(await sizeOf(storage), 50);
      await call(storage, 'truncate', 20);
      assert.equal(await sizeOf(storage), 20);
      await call(storage, 'truncate', 80);
      assert.deepEqual(await read(storage, 0, 80), Buffer.concat([Buffer.alloc(20, 1), Buffer.alloc(60)]));
      await call(storage, 'del', 0, Infinity);
      assert.equal(await sizeOf(storage), 0);
      await call(storage, 'close');
    });

    it('opens and closes many times', async () => {
      for (let i = 0; i < 100; i++) {
        const storage = storageOf('many');
        if (i > 0) assert.deepEqual(await read(storage, 0, 4), Buffer.from([i - 1, 0, 0, i - 1]));
        await write(storage, 0, Buffer.from([i, 0, 0, i]));
        await call(storage, 'close');
      }
    });

    it('is suspended, and opens the file again when it is used', async () => {
      let opened = 0;
      const open = (): MappedFile => (opened++, create(folder.join('suspended'), options()));
      const storage = toRandomAccessStorage(open, RandomAccessStorage);
      await write(storage, 0, 'hello');
      await call(storage, 'suspend');
      assert.deepEqual(await read(storage, 0, 5), Buffer.from('hello'));
      assert.equal(opened, 2);
      await call(storage, 'close');
      await assert.rejects(read(storage, 0, 5), /Closed/);
    });

    it('unlinks its file, once', async () => {
      const storage = storageOf('gone');
      await write(storage, 0, 'hello');
      await call(storage, 'unlink');
      assert.equal(fs.existsSync(folder.join('gone')), false);
    });
  });
}

describe('adapters: toRandomAccessStorage', () => {
  let folder: Folder;
  beforeEach(() => {
    folder = new Folder();
  });
  afterEach(() => folder[Symbol.dispose]());

  it('leaves a file that was given open as it is, unless autoClose is set', async () => {
    const file = create(folder.join('given'), {});
    const storage = toRandomAccessStorage(file, RandomAccessStorage);
    await write(storage, 0, 'hello');
    await call(storage, 'suspend');
    assert.deepEqual(await read(storage, 0, 5), Buffer.from('hello'));
    await call(storage, 'close');
    assert.equal(file.closed, false);
    const closing = toRandomAccessStorage(file, RandomAccessStorage, { autoClose: true });
    assert.deepEqual(await read(closing, 0, 5), Buffer.from('hello'));
    await call(closing, 'close');
    assert.equal(file.closed, true);
  });

  it('tells the opener whether to write, and passes its errors on', async () => {
    const path = folder.file('hello');
    const asked: boolean[] = [];
    const storage = toRandomAccessStorage(async (writing) => {
      asked.push(writing);
      return MappedFile.open(path, 'r');
    }, RandomAccessStorage);
    assert.deepEqual(await read(storage, 0, 5), Buffer.from('hello'));
    await assert.rejects(write(storage, 0, 'jello'), { code: 'ERR_MAPPED_FILE_READ_ONLY' });
    assert.deepEqual(asked, [false]);
    await call(storage, 'close');
    const missing = toRandomAccessStorage(() => MappedFile.open(folder.join('not')), RandomAccessStorage);
    await assert.rejects(read(missing, 0, 5), { code: 'ENOENT' });
    const throwing = toRandomAccessStorage(
      (): MappedFile => MappedFile.openSync(folder.join('not')),
      RandomAccessStorage,
    );
    await assert.rejects(call(throwing, 'open'), { code: 'ENOENT' });
  });

  it('refuses what is no class', () => {
    assert.throws(() => toRandomAccessStorage(() => create(folder.join('a'), {}), {} as never), {
      code: 'ERR_INVALID_ARG_TYPE',
    });
  });
});
