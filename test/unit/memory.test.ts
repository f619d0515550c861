/** Memory that is no file of a disk: anonymous, and shared by name. */
import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { MappedFile, type MemoryOptions, WindowPool } from 'sliding-mmap';
import { codeOf } from '../helpers/errors.js';
import { Folder, oracle } from '../helpers/files.js';
import { configurations, usual } from '../helpers/sizes.js';
import { itUnless, notByDescriptor, notInMemory } from '../helpers/systems.js';

const onLinux = process.platform === 'linux';
const readerWorker = new URL('../helpers/handle-reader.worker.js', import.meta.url);
const readerProgram = fileURLToPath(new URL('../helpers/handle-reader.program.js', import.meta.url));
const TiB = 2 ** 40;

let names = 0;

/** A name that nobody else has, removed with its memory: `using name = new Name()`. */
class Name implements Disposable {
  readonly value = `sliding-mmap-test-${process.pid}-${names++}`;

  [Symbol.dispose](): void {
    try {
      MappedFile.unlinkSharedSync(this.value);
    } catch (error) {
      assert.equal((error as { code?: string }).code, 'ENOENT');
    }
  }
}

/** Memory of either kind; what has a name loses it in the end. */
class Made implements Disposable {
  readonly file: MappedFile;
  readonly #name: Name | undefined;

  constructor(file: MappedFile, name?: Name) {
    this.file = file;
    this.#name = name;
  }

  [Symbol.dispose](): void {
    this.file.closeSync();
    this.#name?.[Symbol.dispose]();
  }
}

const kinds: Record<string, (size: number, options: MemoryOptions) => Made> = {
  anonymous: (size, options) => new Made(MappedFile.anonymous(size, options)),
  shared: (size, options) => {
    const name = new Name();
    return new Made(MappedFile.sharedSync(name.value, size, options), name);
  },
};

for (const [kind, make] of Object.entries(kinds)) {
  for (const { name: configuration, options } of configurations) {
    describe(`${kind} memory, ${configuration}`, () => {
      it('is a file like any other', async () => {
        using made = make(100_000, options());
        const memory = made.file;
        assert.deepEqual([memory.size, memory.isWritable], [100_000, true]);
        assert.equal(memory.getUint8(99_999), 0);
        memory.setFloat64(50_001, Math.PI);
        assert.equal(memory.getFloat64(50_001), Math.PI);
        await memory.write(oracle(0, 20_000), 0, 20_000, 0);
        assert.deepEqual(await memory.slice(10, 15_000), oracle(10, 14_990));
        {
          using view = memory.view(70_000, 70_010);
          view.bytes.set(Buffer.from('\nin a view'));
          await view.flush();
        }
        assert.equal(memory.indexOf('in a view'), 70_001);
        await memory.truncate(300_000);
        assert.deepEqual([memory.size, memory.getUint8(299_999)], [300_000, 0]);
        memory.writeSync('beyond', 400_000);
        assert.equal(memory.refreshSync(), 400_006);
        {
          using lock = memory.tryLock();
          assert.ok(lock);
        }
        await memory.flush();
        let length = 0;
        for await (const chunk of memory.readable()) length += chunk.length;
        assert.equal(length, 400_006);
        {
          using draft = memory.view(0, 4096, { access: 'private' });
          draft.bytes[0] = 99;
          draft.commitSync();
        }
        assert.equal(memory.getUint8(0), 99);
        memory.truncateSync(0);
        assert.equal(memory.size, 0);
        const writer = memory.writable().getWriter();
        await writer.write('one\ntwo\n');
        await writer.close();
        assert.deepEqual([...memory.lines()], ['one', 'two']);
        assert.equal((await memory.stat()).size, 8);
      });

      it('may have no bytes at all', () => {
        using made = make(0, options());
        const memory = made.file;
        assert.deepEqual([memory.size, memory.sliceSync().length], [0, 0]);
        memory.writeSync('grows');
        assert.equal(memory.sliceSync().toString(), 'grows');
      });
    });
  }

  describe(`${kind} memory`, function () {
    this.timeout(60_000);

    itUnless(notByDescriptor, 'goes to worker threads by its handle', async () => {
      using made = make(4096, {});
      const memory = made.file;
      for (let i = 0; i < 3; i++) {
        const worker = new Worker(readerWorker, { workerData: memory.handle() });
        const ended = once(worker, 'exit');
        const [seen] = (await once(worker, 'message')) as [unknown];
        await ended;
        assert.deepEqual(seen, { size: 4096, path: memory.path, isWritable: true, first: i });
      }
      assert.equal(memory.getUint8(0), 3);
    });

    itUnless(notByDescriptor, 'goes to other processes by its handle', async () => {
      using made = make(8192, {});
      const memory = made.file;
      memory.setUint8(4096, 42);
      const child = fork(readerProgram, { stdio: 'inherit' });
      child.send({ handle: memory.handle() });
      const [seen] = (await once(child, 'message')) as [{ sum: number }];
      const ended = once(child, 'exit');
      child.disconnect();
      await ended;
      assert.equal(seen.sum, 42);
    });

    it('refuses bad arguments', () => {
      const bad = [-1, 1.5, NaN, 2 ** 53, '5', null, {}] as never[];
      for (const size of bad) {
        const expected = typeof size === 'number' ? 'ERR_OUT_OF_RANGE' : 'ERR_INVALID_ARG_TYPE';
        const found = codeOf(() => make(size, {})[Symbol.dispose]());
        assert.equal(found, expected, String(size));
      }
      for (const options of [null, 5, { windowSize: 0 }, { backing: 'memory' }, { pool: {} }] as never[]) {
        assert.match(String(codeOf(() => make(100, options))), /^ERR_(INVALID_ARG_(TYPE|VALUE)|OUT_OF_RANGE)$/);
      }
    });
  });
}

describe('anonymous memory', () => {
  it('has no path, and is its own', () => {
    using one = MappedFile.anonymous(100);
    using other = MappedFile.anonymous(100n);
    one.setUint8(0, 1);
    assert.deepEqual([one.path, other.getUint8(0), one.backing], [undefined, 0, usual]);
    using empty = MappedFile.anonymous();
    assert.equal(empty.size, 0);
  });

  it('may be larger than all memory, and takes room where it is written', async () => {
    const pool = new WindowPool({ limit: 2 ** 28 });
    using memory = MappedFile.anonymous(4 * TiB, { pool });
    for (let position = 7; position < 4 * TiB; position += TiB / 4) {
      memory.setBigUint64(position, BigInt(position));
    }
    memory.setUint8(4 * TiB - 1, 255);
    for (let position = 7; position < 4 * TiB; position += TiB / 4) {
      assert.equal(memory.getBigUint64(position), BigInt(position));
    }
    assert.equal(memory.getUint8(4 * TiB - 1), 255);
    assert.equal(memory.indexOf(255, 4 * TiB - 2 ** 20), 4 * TiB - 1);
    const { blocks } = await memory.stat();
    assert.ok(blocks * 512 <= 40 * 65_536, `${blocks} blocks`);
    assert.deepEqual([memory.size, pool.stats().windowBytes <= pool.limit], [4 * TiB, true]);
  });

  itUnless(notByDescriptor, 'cannot be sealed by who gets it, nor executed', () => {
    using memory = MappedFile.anonymous(100);
    assert.match(fs.readlinkSync(`/proc/self/fd/${memory.fd}`), /^\/memfd:sliding-mmap/);
    const flags = /^flags:\s+0?(\d+)$/m.exec(fs.readFileSync(`/proc/self/fdinfo/${memory.fd}`, 'utf8'))![1]!;
    assert.equal(parseInt(flags, 8) & 0o2000000, 0o2000000, 'closed on exec');
    const [major, minor] = os.release().split('.').map(Number) as [number, number];
    if (major > 6 || (major === 6 && minor >= 3)) assert.equal(fs.fstatSync(memory.fd).mode & 0o111, 0);
  });

  it('ends with the last who has it', async () => {
    const memory = MappedFile.anonymous(4096);
    const handle = memory.handle();
    const same = MappedFile.openSync(handle);
    memory.setUint8(1, 77);
    await memory.close();
    assert.equal(same.getUint8(1), 77);
    assert.equal(
      codeOf(() => MappedFile.openSync(handle)),
      'ERR_MAPPED_FILE_STALE',
    );
    same.closeSync();
  });
});

describe('shared memory', () => {
  it('is made once, opened by its name, and removed', async () => {
    using name = new Name();
    using made = await MappedFile.shared(name.value, 4096);
    const exists = { code: 'EEXIST', syscall: 'open', path: made.path };
    await assert.rejects(MappedFile.shared(name.value, 100), exists);
    assert.throws(() => MappedFile.sharedSync(name.value, 0, { flags: 'wx+' }), exists);
    using opened = await MappedFile.shared(name.value);
    using reader = MappedFile.sharedSync(name.value, undefined, { flags: 'r', windowSize: 4096 });
    assert.deepEqual([opened.size, opened.isWritable, reader.isWritable, opened.path], [4096, true, false, made.path]);
    if (onLinux) assert.equal(made.path, `/dev/shm/${name.value}`);
    made.setInt32(8, -5);
    assert.deepEqual([opened.getInt32(8), reader.getInt32(8)], [-5, -5]);
    if (process.platform === 'win32') {
      // Whoever maps it keeps it there.
      await assert.rejects(MappedFile.unlinkShared(name.value), { code: 'EPERM' });
      for (const file of [made, opened, reader]) file.closeSync();
    }
    await MappedFile.unlinkShared(name.value);
    const missing = { code: 'ENOENT' };
    await assert.rejects(MappedFile.unlinkShared(name.value), missing);
    assert.throws(() => MappedFile.unlinkSharedSync(name.value), missing);
    await assert.rejects(MappedFile.shared(name.value), missing);
    assert.throws(() => MappedFile.sharedSync(name.value), missing);
    using another = MappedFile.sharedSync(name.value, 10);
    assert.deepEqual([another.size, another.getUint8(8)], [10, 0]);
    if (process.platform === 'win32') return;
    opened.setInt32(8, 6);
    assert.deepEqual([made.getInt32(8), another.getUint8(8)], [6, 0]);
  });

  itUnless(notInMemory, 'has all its room from the start, and when it is extended', async () => {
    using name = new Name();
    using memory = MappedFile.sharedSync(name.value, 2 ** 20);
    const room = (file: MappedFile): number => fs.fstatSync(file.fd).blocks * 512;
    assert.ok(room(memory) >= 2 ** 20);
    await memory.truncate(3 * 2 ** 20);
    assert.ok(room(memory) >= 3 * 2 ** 20);
    memory.truncateSync(4 * 2 ** 20);
    assert.ok(room(memory) >= 4 * 2 ** 20);
    using opened = MappedFile.sharedSync(name.value);
    opened.truncateSync(5 * 2 ** 20);
    assert.ok(room(memory) >= 5 * 2 ** 20);
    using byHandle = MappedFile.openSync(opened.handle());
    byHandle.truncateSync(6 * 2 ** 20);
    assert.ok(room(memory) >= 6 * 2 ** 20);
    byHandle.truncateSync(0);
    assert.equal(room(memory), 0);
  });

  itUnless(notInMemory, 'that is larger than there is room for is refused, and leaves nothing', async () => {
    using name = new Name();
    const none = { name: 'MappedFileError', code: 'ERR_MAPPED_FILE_NO_SPACE', length: TiB };
    await assert.rejects(MappedFile.shared(name.value, TiB), none);
    assert.throws(() => MappedFile.sharedSync(name.value, TiB), none);
    assert.equal(fs.existsSync(`/dev/shm/${name.value}`), false);
    using memory = MappedFile.sharedSync(name.value, 4096);
    assert.equal(
      codeOf(() => memory.truncateSync(TiB)),
      'ERR_MAPPED_FILE_NO_SPACE',
    );
    await assert.rejects(memory.truncate(TiB), { code: 'ERR_MAPPED_FILE_NO_SPACE', syscall: 'fallocate' });
    assert.equal(memory.refreshSync(), 4096);
  });

  itUnless(notInMemory, "is this user's alone", () => {
    using name = new Name();
    const path = `/dev/shm/${name.value}`;
    const refused = (code: string): void => {
      assert.equal(
        codeOf(() => MappedFile.sharedSync(name.value)),
        code,
      );
    };
    {
      using memory = MappedFile.sharedSync(name.value, 100);
      assert.equal(fs.fstatSync(memory.fd).mode & 0o777, 0o600);
      using second = new Name();
      fs.linkSync(path, `/dev/shm/${second.value}`);
      refused('EACCES');
    }
    for (const mode of [0o620, 0o604, 0o666]) {
      fs.chmodSync(path, mode);
      refused('EACCES');
    }
    fs.chmodSync(path, 0o600);
    if (process.geteuid?.() === 0) {
      fs.chownSync(path, 12_345, 0);
      refused('EACCES');
    }
    fs.unlinkSync(path);
    using folder = new Folder();
    fs.symlinkSync(folder.file(100), path);
    refused('ELOOP');
    assert.equal(
      codeOf(() => MappedFile.sharedSync(name.value, 100)),
      'EEXIST',
    );
    fs.unlinkSync(path);
    fs.mkdirSync(path);
    refused('EISDIR');
    fs.rmdirSync(path);
  });

  it('refuses names that are none, and flags that do not fit', async () => {
    const wrong = ['', '.', '..', 'a/b', '/a', '../tmp/a', 'a\0b', 'x'.repeat(256), '😀'.repeat(64)];
    if (process.platform === 'win32') wrong.push('a:b', 'a.', 'a ', 'a*', 'a\nb');
    for (const name of wrong) {
      const expected = { code: 'ERR_INVALID_ARG_VALUE' };
      await assert.rejects(MappedFile.shared(name, 10), expected);
      assert.throws(() => MappedFile.sharedSync(name), expected);
      await assert.rejects(MappedFile.unlinkShared(name), expected);
      assert.throws(() => MappedFile.unlinkSharedSync(name), expected);
    }
    for (const name of [undefined, null, 5, {}, Buffer.from('a')] as never[]) {
      await assert.rejects(MappedFile.shared(name), { code: 'ERR_INVALID_ARG_TYPE' });
    }
    for (const flags of ['w', 'a+', 'r', 'r+', 5, null] as never[]) {
      assert.throws(() => MappedFile.sharedSync('sliding-mmap-none', 10, { flags }), { code: 'ERR_INVALID_ARG_VALUE' });
    }
    assert.throws(() => MappedFile.sharedSync('sliding-mmap-none', undefined, { flags: 'wx+' }), {
      code: 'ERR_INVALID_ARG_VALUE',
    });
  });

  it('is whole when it is seen', async () => {
    using name = new Name();
    const size = 2 ** 26;
    const making = MappedFile.shared(name.value, size);
    let seen: number | undefined;
    while (seen === undefined) {
      try {
        using early = await MappedFile.shared(name.value);
        seen = early.size;
      } catch (error) {
        assert.equal((error as { code?: string }).code, 'ENOENT');
      }
    }
    if (onLinux) assert.equal(seen, size);
    (await making).closeSync();
  });
});
