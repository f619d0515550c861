/** Files that hide their size, block devices, folders, and file systems of all kinds: the bytes that node:fs gives. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { MappedFile, type OpenOptions, WindowPool } from 'sliding-mmap';
import { codeOf } from '../../helpers/errors.js';
import { byteAt, Folder, oracle } from '../../helpers/files.js';
import { mountImage, mountTmpfs, NotPermitted } from '../../helpers/mounts.js';
import { granule, usual } from '../../helpers/sizes.js';
import { describeUnless, onWindows } from '../../helpers/systems.js';

async function collected(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(Uint8Array.from(chunk));
  return Buffer.concat(chunks);
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

describeUnless(onWindows('there is no procfs'), 'a file that does not tell its size', () => {
  // What these hold stays the same; the first is longer than a page, the last one says that it is as long as one.
  const paths = [
    '/proc/kallsyms',
    '/proc/filesystems',
    '/proc/self/cmdline',
    '/proc/version',
    '/sys/kernel/mm/transparent_hugepage/enabled',
  ];
  for (const path of paths) {
    for (const backing of ['auto', 'read'] as const) {
      it(`${path} reads as by node:fs, backing '${backing}'`, async function () {
        if (!fs.existsSync(path)) return this.skip();
        // The first of them is very long.
        const expected = fs.readFileSync(path).subarray(0, 300_000);
        const whole = expected.length < 300_000;
        const end = whole ? undefined : expected.length;
        await using file = await MappedFile.open(path, 'r', { backing });
        assert.deepEqual([file.backing, file.size], ['read', 0]);
        assert.ok((await file.slice(0, end)).equals(expected));
        assert.ok(file.sliceSync(0, end).equals(expected));
        assert.ok(file.sliceSync(1, 5).equals(expected.subarray(1, 5)));
        assert.ok((await collected(file.readable({ end }))).equals(expected));
        assert.ok(
          (await collected(file.createReadStream({ end: (end ?? Infinity) - 1 }) as AsyncIterable<Buffer>)).equals(
            expected,
          ),
        );
        const [target, other] = [Buffer.alloc(500), Buffer.alloc(500)];
        const { bytesRead } = await file.read(target, 0, 500, 3);
        const fd = fs.openSync(path, 'r');
        assert.equal(bytesRead, fs.readSync(fd, other, 0, 500, 3));
        assert.ok(target.equals(other));
        assert.equal(file.readSync(target, 0, 500, null), fs.readSync(fd, other, 0, 500, null));
        assert.ok(target.equals(other));
        fs.closeSync(fd);
        assert.equal(file.getUint8(2), expected[2]);
        const text = expected.toString('latin1').split('\n');
        if (text.at(-1) === '') text.pop();
        assert.deepEqual(await all(file.lines({ encoding: 'latin1', delimiter: '\n', end })), text);
        assert.deepEqual([...file.lines({ encoding: 'latin1', delimiter: '\n', end })], text);
        const needle = expected.subarray(-5);
        assert.equal(file.indexOf(needle), expected.indexOf(needle));
        if (!whole) return;
        assert.equal(file.indexOf('not in there, really not'), -1);
        assert.equal(
          codeOf(() => file.getUint8(expected.length)),
          'ERR_OUT_OF_RANGE',
        );
        await assert.rejects(file.slice(0, expected.length + 1), { code: 'ERR_OUT_OF_RANGE' });
        for (const call of [
          () => file.view(0, 1),
          () => [...file.chunks()],
          () => file.lines({ reverse: true }),
          () => file.lastIndexOf(0),
          () => file.split(2),
        ]) {
          assert.equal(codeOf(call), 'ERR_MAPPED_FILE_NOT_SEEKABLE');
        }
      });
    }

    it(`${path} has all that files have when it is spooled`, async function () {
      if (!fs.existsSync(path)) return this.skip();
      const expected = fs.readFileSync(path);
      await using file = await MappedFile.open(path, 'r', { backing: 'spool' });
      await file.prefetch();
      assert.deepEqual([file.backing, file.size], ['spool', expected.length]);
      assert.ok(file.sliceSync().equals(expected));
      assert.equal(file.lastIndexOf(expected.subarray(0, 3)), expected.lastIndexOf(expected.subarray(0, 3)));
      using view = file.view();
      assert.ok(expected.equals(view.bytes));
    });

    it(`${path} is not mapped`, async function () {
      if (!fs.existsSync(path)) return this.skip();
      await assert.rejects(MappedFile.open(path, 'r', { backing: 'mmap' }), { code: 'ERR_MAPPED_FILE_NOT_MAPPABLE' });
    });
  }

  it('is neither followed nor a blob', async () => {
    await using file = await MappedFile.open('/proc/self/status');
    const error = { code: 'ERR_MAPPED_FILE_NOT_SEEKABLE' };
    assert.throws(() => file.readable({ follow: true }), error);
    assert.throws(() => file.lines({ follow: true }), error);
    assert.throws(() => file.blob(), error);
  });

  it('is not what is written, or cut, while it is opened', () => {
    using folder = new Folder();
    const path = folder.join('log');
    const { fstatSync } = fs;
    const between: ReadonlyArray<[before: string, after: string]> = [
      ['', 'grown'],
      ['cut', ''],
    ];
    for (const [before, after] of between) {
      fs.writeFileSync(path, before);
      fs.fstatSync = ((...args: Parameters<typeof fstatSync>) => {
        const stats = fstatSync(...args);
        fs.writeFileSync(path, after);
        // As where blocks are given late.
        return Object.assign(stats as fs.Stats, { blocks: 0 });
      }) as typeof fstatSync;
      try {
        using file = MappedFile.openSync(path);
        fs.fstatSync = fstatSync;
        assert.equal(file.size, after.length);
        assert.equal(file.sliceSync(0).toString(), after);
        assert.equal(file.lastIndexOf('x'), -1);
      } finally {
        fs.fstatSync = fstatSync;
      }
    }
  });

  it('is no empty file', async () => {
    using folder = new Folder();
    await using file = await MappedFile.open(folder.file(0), 'r+');
    assert.equal(file.backing, usual);
    // Nor is one that is a hole.
    fs.truncateSync(file.path as string, 4096);
    await using hole = await MappedFile.open(file.path as string);
    assert.deepEqual([hole.size, hole.backing, hole.getUint8(4095)], [4096, usual, 0]);
  });
});

describe('a folder', () => {
  it('is refused, whatever the backing', async () => {
    using folder = new Folder();
    for (const backing of ['auto', 'mmap', 'read', 'spool'] as const) {
      await assert.rejects(MappedFile.open(folder.path, 'r', { backing }), { code: 'EISDIR', path: folder.path });
      assert.equal(
        codeOf(() => MappedFile.openSync(folder.path, 'r', { backing })),
        'EISDIR',
      );
    }
  });
});

const openings: Record<string, () => OpenOptions> = {
  mmap: () => ({ backing: usual }),
  'mmap in windows of one granule': () => ({
    backing: usual,
    windowSize: 1,
    pool: new WindowPool({ limit: 8 * granule }),
  }),
  read: () => ({ backing: 'read' }),
  strict: () => ({ strict: true }),
};

/** Reads and writes what is at `path`, which has the oracle's bytes, all ways there are. */
async function use(path: string, size: number, options: OpenOptions): Promise<void> {
  await using file = await MappedFile.open(path, 'r+', options);
  assert.equal(file.size, size);
  assert.ok(file.sliceSync().equals(oracle(0, size)));
  assert.ok((await file.slice(1, size)).equals(oracle(1, size - 1)));
  assert.ok((await collected(file.readable())).equals(oracle(0, size)));
  assert.ok((await collected(file.chunks({ chunkSize: granule }))).equals(oracle(0, size)));
  for (let position = 0; position < size; position += 997) assert.equal(file.getUint8(position), byteAt(position));
  assert.equal(file.readSync(Buffer.alloc(10), 0, 10, size - 4), 4);
  assert.equal(
    codeOf(() => file.getUint8(size)),
    'ERR_OUT_OF_RANGE',
  );
  file.setUint8(5, 1);
  await file.write('two', granule);
  {
    using view = file.view(granule + 1, granule + 10);
    assert.equal(view.bytes[0], 'w'.charCodeAt(0));
    view.bytes[8] = 3;
  }
  await file.flush();
  assert.deepEqual(
    [file.getUint8(5), file.getUint8(granule + 2), file.getUint8(granule + 9)],
    [1, 'o'.charCodeAt(0), 3],
  );
  await using again = await MappedFile.open(path, 'r');
  assert.deepEqual([...again.sliceSync(granule, granule + 3)], [...Buffer.from('two')]);
  assert.equal(again.getUint8(granule + 9), 3);
  await file.write(oracle(0, granule + 10), 0, granule + 10, 0);
  await file.flush();
}

describeUnless(onWindows('there is no losetup(8)'), 'a block device', () => {
  for (const [name, options] of Object.entries(openings)) {
    it(`is a file of its size, ${name}`, async function () {
      using folder = new Folder();
      const size = 64 * granule;
      const image = folder.file(size);
      const { status, stdout } = spawnSync('losetup', ['--find', '--show', image], { encoding: 'utf8' });
      if (status !== 0) return this.skip();
      const device = stdout.trim();
      try {
        await use(device, size, options());
      } finally {
        execFileSync('losetup', ['--detach', device]);
      }
      assert.ok(fs.readFileSync(image).equals(oracle(0, size)));
    });
  }
});

describeUnless(onWindows('there is no mount(8)'), 'a file on another file system', () => {
  const disks: Record<string, (folder: Folder) => Disposable & { path: string }> = {
    tmpfs: (folder) => mountTmpfs(folder.join('disk'), '4m'),
    ext4: (folder) => mountImage(folder.join('disk'), folder.join('image'), 2 ** 23),
  };
  for (const [disk, mount] of Object.entries(disks)) {
    for (const [name, options] of Object.entries(openings)) {
      it(`${disk}, ${name}`, async function () {
        using folder = new Folder();
        try {
          using mounted = mount(folder);
          const path = `${mounted.path}/data`;
          fs.writeFileSync(path, oracle(0, 20 * granule + 5));
          await use(path, 20 * granule + 5, options());
        } catch (error) {
          if (error instanceof NotPermitted) return this.skip();
          throw error;
        }
      });
    }
  }
});
