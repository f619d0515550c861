import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import { constants } from 'node:buffer';
import { pbkdf2 } from 'node:crypto';
import { once } from 'node:events';
import node from 'node:fs';
import nodePromises from 'node:fs/promises';
import { createRequire } from 'node:module';
import os from 'node:os';
import { promisify } from 'node:util';
import { native } from '#src/native.js';
import { MappedFile, WindowPool } from 'sliding-mmap';
import * as namespace from 'sliding-mmap/fs';
import fs, { createReadStream, read, ReadStream, readSync } from 'sliding-mmap/fs';
import promises, { open } from 'sliding-mmap/fs/promises';
import { Folder, oracle } from '../../helpers/files.js';
import { cannotBeCut, cannotMap, comparesNoOpenings, itUnless, onOverlay, onWindows } from '../../helpers/systems.js';

const size = 300_000;
/** The number of the call that {@link native.injectFailure} lets fail. */
const readCall = 4;

/** Where mapping would keep others from cutting the file, or from being seen when they write it, the module maps nothing. */
function maps(fd: number): boolean {
  const stays = onOverlay === false || (native.openMode(fd) & 2) !== 0; // open for writing
  return cannotMap === false && cannotBeCut === false && stays;
}

/** Reads often enough for the file to be mapped, and looks that it is, where files are. */
function warm(fd: number): void {
  const before = WindowPool.default.stats().windows;
  const buffer = Buffer.alloc(64);
  for (let i = 0; i < 100; i++) {
    const position = (i * 2971) % (size - 64);
    assert.equal(readSync(fd, buffer, 0, 64, position), 64);
    assert.deepEqual(buffer, oracle(position, 64));
  }
  assert.equal(WindowPool.default.stats().windows, before + (maps(fd) ? 1 : 0));
}

/** Lets go of what was closed behind the module's back, as the next use of the number does. */
function use(fd: number): void {
  assert.throws(() => readSync(fd, Buffer.alloc(10), 0, 10, 0), { code: 'EBADF' });
}

describe('fs: the module', () => {
  it('has all that node:fs has, under the same names, with as many parameters', () => {
    for (const [own, original] of [
      [fs, node],
      [promises, nodePromises],
    ] as Array<[Record<string, unknown>, Record<string, unknown>]>) {
      assert.deepEqual(Reflect.ownKeys(own), Reflect.ownKeys(original));
      for (const [name, value] of Object.entries(original)) {
        const mine = own[name];
        assert.equal(typeof mine, typeof value);
        if (typeof value !== 'function' || typeof mine !== 'function') continue;
        assert.equal(mine.name, value.name, name);
        assert.equal(mine.length, value.length, name);
      }
    }
    assert.equal(fs.promises, promises);
    assert.equal(fs.constants, node.constants);
    for (const name of Object.keys(node)) assert.ok(name in namespace, name);
  });

  it('is the same by import, default import and require', () => {
    const require = createRequire(import.meta.url);
    assert.equal(require('sliding-mmap/fs'), fs);
    assert.equal(require('sliding-mmap/fs/promises'), promises);
    assert.equal(namespace.readSync, fs.readSync);
    assert.equal(open, fs.promises.open);
  });

  it('keeps what is assigned to it to itself', () => {
    const { readSync: mine, ReadStream: Mine } = fs;
    const { readSync: theirs, ReadStream: Theirs } = node;
    try {
      fs.readSync = () => 7;
      (fs as { ReadStream: unknown }).ReadStream = class {};
      assert.equal(node.readSync, theirs);
      assert.equal(node.ReadStream, Theirs);
      assert.ok(createReadStream('nowhere') instanceof fs.ReadStream);
    } finally {
      fs.readSync = mine;
      (fs as { ReadStream: unknown }).ReadStream = Mine;
    }
  });

  it('can take the place of node:fs without calling itself', () => {
    using folder = new Folder();
    const file = folder.file(size);
    const names = ['open', 'openSync', 'close', 'closeSync', 'read', 'readSync'] as const;
    const before = Object.fromEntries(names.map((name) => [name, node[name]]));
    try {
      for (const name of names) Object.assign(node, { [name]: fs[name] });
      const fd = node.openSync(file, 'r');
      assert.equal(node.readSync(fd, Buffer.alloc(9)), 9);
      node.closeSync(fd);
    } finally {
      Object.assign(node, before);
    }
  });

  it('names what a promisified read gives', async () => {
    using folder = new Folder();
    const fd = fs.openSync(folder.file(size), 'r');
    warm(fd);
    const buffer = Buffer.alloc(5);
    assert.deepEqual(await promisify(read)(fd, buffer, 0, 5, 7), { bytesRead: 5, buffer });
    assert.deepEqual(buffer, oracle(7, 5));
    fs.closeSync(fd);
  });
});

describe('fs: descriptors', () => {
  it('maps a file after some reads, and unmaps it when it is closed', async () => {
    using folder = new Folder();
    const file = folder.file(size);
    const before = WindowPool.default.stats().windows;
    const first = fs.openSync(file, 'r');
    warm(first);
    fs.closeSync(first);
    const second = await promisify(fs.open)(file, 'r');
    warm(second);
    await promisify(fs.close)(second);
    const handle = await open(file);
    warm(handle.fd);
    await handle.close();
    assert.equal(WindowPool.default.stats().windows, before);
  });

  it('takes no number that the program would get next', () => {
    using folder = new Folder();
    const path = folder.file(size);
    const freed = node.openSync(path, 'r');
    const fd = fs.openSync(path, 'r');
    warm(fd); // what the process takes once
    const second = fs.openSync(path, 'r');
    node.closeSync(freed);
    warm(second);
    assert.throws(() => node.closeSync(freed), { code: 'EBADF' });
    fs.closeSync(fd);
    fs.closeSync(second);
  });

  it('never serves another file that has got the number', async () => {
    using folder = new Folder();
    const old = folder.file(size);
    const other = folder.file(oracle(1_000_000, size), 'other');
    for (const way of ['sync', 'callback', 'promise']) {
      const handle = way === 'promise' ? await open(old) : undefined;
      const fd = handle?.fd ?? fs.openSync(old, 'r');
      warm(fd);
      node.closeSync(fd);
      assert.equal(node.openSync(other, 'r'), fd);
      const buffer = Buffer.alloc(64);
      for (let i = 0; i < 10; i++) {
        if (handle !== undefined) await handle.read(buffer, 0, 64, i * 100);
        else if (way === 'sync') readSync(fd, buffer, 0, 64, i * 100);
        else await promisify(read)(fd, buffer, 0, 64, i * 100);
        assert.deepEqual(buffer, oracle(1_000_000 + i * 100, 64), way);
      }
      if (handle === undefined) node.closeSync(fd);
      else await handle.close();
    }
  });

  it('never reads where the number has got the same file, opened for writing only', async () => {
    using folder = new Folder();
    const path = folder.file(size);
    const fd = fs.openSync(path, 'r');
    warm(fd);
    node.closeSync(fd);
    assert.equal(node.openSync(path, 'a'), fd);
    const code = 'EBADF';
    await assert.rejects(promisify(read)(fd, Buffer.alloc(64), 0, 64, 100), { code });
    assert.throws(() => readSync(fd, Buffer.alloc(64), 0, 64, 100), { code });
    node.closeSync(fd);
  });

  itUnless(comparesNoOpenings, 'leaves no byte of the old file in the buffer when the number is another’s', () => {
    using folder = new Folder();
    const old = folder.file(size);
    const empty = folder.file(0, 'empty');
    const fd = fs.openSync(old, 'r');
    warm(fd);
    node.closeSync(fd);
    assert.equal(node.openSync(empty, 'r'), fd);
    const buffer = Buffer.alloc(64, 0xee);
    assert.equal(readSync(fd, buffer, 0, 64, 0), 0);
    assert.deepEqual(buffer, Buffer.alloc(64, 0xee));
    node.closeSync(fd);

    const closed = fs.openSync(old, 'r');
    warm(closed);
    node.closeSync(closed);
    assert.throws(() => readSync(closed, buffer, 0, 64, 0), { code: 'EBADF' });
    assert.deepEqual(buffer, Buffer.alloc(64, 0xee));
  });

  it('is closed where node:fs has closed it', () => {
    using folder = new Folder();
    const fd = fs.openSync(folder.file(size), 'r');
    warm(fd);
    node.closeSync(fd);
    use(fd);
    assert.throws(() => fs.closeSync(fd), { code: 'EBADF' });
  });

  it('shows at once what node:fs writes and cuts, and leaves the rest of the buffer alone', async () => {
    using folder = new Folder();
    const file = folder.file(size);
    const fd = fs.openSync(file, 'r');
    warm(fd);
    node.truncateSync(file, 5000);
    for (const wanted of [64, 5000]) {
      const buffer = Buffer.alloc(wanted, 0xee);
      assert.equal(readSync(fd, buffer, 0, wanted, 4990), 10);
      assert.deepEqual(buffer.subarray(10), Buffer.alloc(wanted - 10, 0xee));
      const again = Buffer.alloc(wanted, 0xee);
      assert.equal((await promisify(read)(fd, again, 0, wanted, 4990)).bytesRead, 10);
      assert.deepEqual(again, buffer);
    }
    node.appendFileSync(file, oracle(5000, 1000));
    const buffer = Buffer.alloc(64);
    for (let i = 0; i < 10; i++) {
      assert.equal(readSync(fd, buffer, 0, 64, 4990 + i), 64);
      assert.deepEqual(buffer, oracle(4990 + i, 64));
    }
    const writer = node.openSync(file, 'r+');
    node.writeSync(writer, Buffer.from('changed'), 0, 7, 4990);
    node.closeSync(writer);
    readSync(fd, buffer, 0, 7, 4990);
    assert.equal(buffer.toString('latin1', 0, 7), 'changed');
    fs.closeSync(fd);
  });

  it('leaves what is no regular file, and what was opened by others, to node:fs', async () => {
    using folder = new Folder();
    const { windows } = WindowPool.default.stats();
    const buffer = Buffer.alloc(4);
    const zero = fs.openSync('/dev/zero', 'r');
    const theirs = node.openSync(folder.file(size), 'r');
    for (let i = 0; i < 10; i++) {
      assert.equal(readSync(zero, buffer, 0, 4, i), 4);
      assert.equal(readSync(theirs, buffer, 0, 4, i), 4);
    }
    const directory = fs.openSync(folder.path, 'r');
    for (let i = 0; i < 10; i++) assert.throws(() => readSync(directory, buffer, 0, 4, i), { code: 'EISDIR' });
    const written = fs.openSync(folder.join('new'), 'w');
    for (let i = 0; i < 10; i++) assert.throws(() => readSync(written, buffer, 0, 4, i), { code: 'EBADF' });
    assert.equal(WindowPool.default.stats().windows, windows);
    for (const fd of [zero, theirs, directory, written]) fs.closeSync(fd);
  });
});

describe('fs: asynchronous reads of bytes in memory', () => {
  afterEach(() => void native.injectFailure(readCall, 0, 0, 0));

  const doNotWait = async (telling: boolean): Promise<void> => {
    using folder = new Folder();
    const file = folder.file(size);
    const handle = await open(file);
    const mapped = await MappedFile.open(file);
    warm(handle.fd);
    if (!telling) native.injectFailure(readCall, 0, 2 ** 31, os.constants.errno.EOPNOTSUPP);
    let busy = 8; // twice as many as the pool has threads
    const work = Array.from({ length: busy }, () =>
      promisify(pbkdf2)('a', 'b', 20_000, 64, 'sha512').then(() => busy--),
    );
    const buffer = Buffer.alloc(64);
    for (const once of [
      () => promisify(read)(handle.fd, buffer, 0, 64, 100),
      () => handle.read(buffer, 0, 64, 100),
      () => handle.read(buffer, { length: 64, position: 100 }),
      () => handle.read({ buffer, position: 100 }),
      () => mapped.read(buffer, 0, 64, 100),
    ]) {
      buffer.fill(0);
      assert.deepEqual({ ...(await once()) }, { bytesRead: 64, buffer });
      assert.deepEqual(buffer, oracle(100, 64));
    }
    assert.equal(busy, 8);
    await Promise.all(work);
    await mapped.close();
    await handle.close();
  };
  const unknown = onWindows('only touched pages are known to be in memory') || onOverlay;
  itUnless(unknown, 'do not wait for the thread pool', () => doNotWait(true));
  const noMapping = 'do not either where only a mapping can tell what is in memory';
  itUnless(unknown || cannotMap, noMapping, () => doNotWait(false));

  const unordered = onWindows('all of them are node:fs’s, and come in no order') || onOverlay;
  itUnless(unordered, 'call back later, in order, in the context of the call', async () => {
    using folder = new Folder();
    const fd = fs.openSync(folder.file(size), 'r');
    warm(fd);
    const storage = new AsyncLocalStorage<number>();
    const buffer = Buffer.alloc(64);
    const seen: number[] = [];
    const count = 50_000; // several turns of the event loop
    await new Promise<void>((resolve) => {
      for (let i = 0; i < count; i++) {
        storage.run(i, () =>
          read(fd, buffer, 0, 64, i, (error, bytesRead, given) => {
            assert.deepEqual([error, bytesRead, given === buffer], [null, 64, true]);
            seen.push(storage.getStore() as number);
            if (i === count - 1) resolve();
          }),
        );
      }
      assert.deepEqual(seen, []);
    });
    assert.ok(seen.every((value, index) => value === index) && seen.length === count);
    fs.closeSync(fd);
  });

  it('are left to the thread pool when they are long and the turn is spent', async () => {
    using folder = new Folder();
    const handle = await open(folder.file(size));
    const length = 100_000;
    // Twice as many as the pool has threads: no other job begins.
    const work = Array.from({ length: 8 }, () => promisify(pbkdf2)('a', 'b', 100_000, 64, 'sha512'));
    const first = handle.read(Buffer.alloc(length), 0, length, 0); // from here on the turn is counted
    const started = performance.now();
    while (performance.now() - started < 10);
    const buffers = [1, 2].map(() => Buffer.alloc(length));
    const [one, two] = buffers as [Buffer, Buffer];
    const reads = [promisify(read)(handle.fd, one, 0, length, 100), handle.read(two, 0, length, 100)];
    for (const buffer of buffers) assert.deepEqual(buffer, Buffer.alloc(length));
    await Promise.all([first, ...reads, ...work]);
    for (const buffer of buffers) assert.deepEqual(buffer, oracle(100, length));
    await handle.close();
  });

  it('let timers run', async () => {
    using folder = new Folder();
    const file = folder.file(size);
    const handle = await open(file);
    const mapped = await MappedFile.open(file);
    warm(handle.fd);
    const buffer = Buffer.alloc(64);
    for (const step of [
      () => promisify(read)(handle.fd, buffer, 0, 64, 100),
      () => handle.read(buffer, 0, 64, 100),
      () => mapped.read(buffer, 0, 64, 100),
    ]) {
      let rang = false;
      const timer = setTimeout(() => (rang = true), 1);
      let reads = 0;
      while (!rang && reads < 3_000_000) {
        await step();
        reads++;
      }
      clearTimeout(timer);
      assert.ok(rang, `no timer within ${reads} reads`);
    }
    await mapped.close();
    await handle.close();
  });
});

describe('fs: handles and streams', () => {
  it('give handles that are Node’s own', async () => {
    using folder = new Folder();
    const file = folder.file(size);
    await using handle = await open(file, 'r+');
    await using theirs = await nodePromises.open(file);
    assert.equal(handle.constructor, theirs.constructor);
    assert.ok(handle instanceof theirs.constructor);
    warm(handle.fd);
    assert.deepEqual(await nodePromises.readFile(handle), oracle(0, size));
    await assert.rejects(handle.read(Buffer.alloc(9), 0, 1.5, 0), { code: 'ERR_OUT_OF_RANGE' });
    await assert.rejects(handle.read({ buffer: Buffer.alloc(9), length: 1.5 }), { code: 'ERR_OUT_OF_RANGE' });
    const getter = {
      get position(): number {
        throw new Error('no position');
      },
    };
    await assert.rejects(handle.read(Buffer.alloc(9), getter), { message: 'no position' });
    const closed = once(handle as never, 'close');
    await handle.close();
    await closed;
    await assert.rejects(handle.read(Buffer.alloc(9), 0, 9, 0), { code: 'EBADF' });
  });

  it('refuse the lengths that Node hands on unseen, after all else that is wrong', async () => {
    using folder = new Folder();
    const path = folder.file(size);
    const handle = await open(path);
    const theirs = await nodePromises.open(path);
    type Read = (...args: unknown[]) => Promise<{ bytesRead: number }>;
    const read = handle.read.bind(handle) as Read;
    const outcome = (result: Promise<{ bytesRead: number }>): Promise<unknown> =>
      result.then(
        ({ bytesRead }) => bytesRead,
        (error: unknown) => String(error),
      );
    const buffer = Buffer.alloc(9);
    for (const [code, ...lengths] of [
      ['ERR_OUT_OF_RANGE', NaN, 1.5],
      ['ERR_INVALID_ARG_TYPE', '1', '', {}, [], [2], true, false, 2n, Symbol('2'), () => 2],
    ] as Array<[string, ...unknown[]]>) {
      for (const length of lengths) {
        await assert.rejects(read(buffer, 0, length, 1), { code });
        await assert.rejects(read(new Uint16Array(9), null, length, 1), { code });
        await assert.rejects(read(buffer, { length, position: 1 }), { code });
        await assert.rejects(read({ buffer, length, position: 1 }), { code });
        await assert.rejects(read({ length }), { code });
        await assert.rejects(read('no buffer', 0, length), { code: 'ERR_INVALID_ARG_TYPE', message: /options/ });
        await assert.rejects(read(buffer, '0', length), { code: 'ERR_INVALID_ARG_TYPE', message: /offset/ });
        assert.equal((await read(undefined, 0, length)).bytesRead, 16384); // node:fs looks at no other then
      }
    }
    const readTheirs = theirs.read.bind(theirs) as Read;
    for (const args of [
      ...[2 ** 40, Infinity, -1, -Infinity, 10, -0, undefined, null].map((length) => [buffer, 0, length, 1]),
      [buffer, '0', 2 ** 40, 1],
      [buffer, 10, 2 ** 40, 1],
      [buffer, { offset: 1n }],
      [buffer, []],
      [[], 0, 1],
    ]) {
      assert.equal(await outcome(read(...args)), await outcome(readTheirs(...args)));
    }
    await theirs.close();
    await handle.close();
    for (const length of [NaN, '1', 2 ** 40]) await assert.rejects(read(buffer, 0, length, 1), { code: 'EBADF' });
  });

  const tooLong = 2 ** 31 + 10;
  const noneIsLarger = constants.MAX_LENGTH < tooLong && 'no buffer is that long';
  itUnless(noneIsLarger, 'refuse a length of 2 GiB and more, whoever computes it', async () => {
    using folder = new Folder();
    await using handle = await open(folder.file(size));
    const large = new Uint8Array(tooLong); // of which no page is touched
    const code = 'ERR_OUT_OF_RANGE';
    for (const length of [2 ** 31, undefined, null]) {
      await assert.rejects(handle.read(large, 1, length, 0), { code });
      await assert.rejects(handle.read(large, { length: length as number, position: 0 }), { code });
    }
    assert.equal((await handle.read(large, 2 ** 31, undefined, 0)).bytesRead, 10);
  });

  it('have all streams of files for instances of their classes, but not of classes derived from those', async () => {
    using folder = new Folder();
    const handle = await open(folder.file(size));
    const writing = await open(folder.join('written'), 'w');
    const [read, written] = [handle.createReadStream(), writing.createWriteStream()];
    const theirs = node.createReadStream(folder.join('data'));
    assert.ok(read instanceof ReadStream && written instanceof fs.WriteStream && theirs instanceof fs.ReadStream);
    for (const other of [read, {}, null, 5]) assert.equal((other as unknown) instanceof fs.WriteStream, false);
    class Own extends ReadStream {}
    const own = Reflect.construct(Own, [folder.join('data')]) as ReadStream;
    assert.ok(own instanceof Own && own instanceof ReadStream);
    assert.equal((read as unknown) instanceof Own, false);
    for (const stream of [read, written, theirs, own]) {
      stream.destroy();
      await once(stream, 'close');
    }
  });

  it('give streams that call what the module has at that time', async () => {
    using folder = new Folder();
    const file = folder.file(size);
    const { open: openBefore, read: readBefore, close: closeBefore } = fs;
    const calls = new Set<string>();
    const count =
      (name: string, original: unknown) =>
      (...args: unknown[]): unknown => {
        calls.add(name);
        return (original as (...args: unknown[]) => unknown)(...args);
      };
    try {
      Object.assign(fs, {
        open: count('open', openBefore),
        read: count('read', readBefore),
        close: count('close', closeBefore),
      });
      const options = Object.create({ start: 5, end: 70_000 }) as { start: number };
      const Callable = ReadStream as unknown as new (path: string, options: object) => ReadStream;
      const call = ReadStream as unknown as (path: string, options: object) => ReadStream;
      for (const stream of [createReadStream(file, options), call(file, options), new Callable(file, options)]) {
        assert.ok(stream instanceof ReadStream && stream instanceof node.ReadStream);
        assert.deepEqual(Buffer.concat((await stream.toArray()) as Buffer[]), oracle(5, 69_996));
      }
      assert.deepEqual([...calls], ['open', 'read', 'close']);
    } finally {
      Object.assign(fs, { open: openBefore, read: readBefore, close: closeBefore });
    }
    const encoded = createReadStream(folder.file('text', 'text'), 'latin1');
    assert.deepEqual(await encoded.toArray(), ['text']);
    assert.throws(() => createReadStream(file, 5 as never), { code: 'ERR_INVALID_ARG_TYPE' });
    const written = fs.createWriteStream(folder.join('written'));
    written.end('bytes');
    await once(written, 'close');
    assert.equal(node.readFileSync(folder.join('written'), 'utf8'), 'bytes');
  });
});
