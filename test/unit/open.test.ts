import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import { once } from 'node:events';
import { pathToFileURL } from 'node:url';
import { MappedFile, type OpenFlags, WindowPool } from 'sliding-mmap';
import { attempt, attemptAsync, codeOf } from '../helpers/errors.js';
import { Folder, oracle } from '../helpers/files.js';
import { openFiles } from '../helpers/root-hooks.js';
import { granule, usual } from '../helpers/sizes.js';
import { itUnless, noFifos, onWindows } from '../helpers/systems.js';

type Opener = (source: never, flags?: never, options?: object) => Promise<MappedFile>;
const openers: ReadonlyArray<[name: string, open: Opener]> = [
  ['open', (source, flags, options) => MappedFile.open(source, flags, options)],
  ['openSync', async (source, flags, options) => MappedFile.openSync(source, flags, options)],
];

for (const [name, opener] of openers) {
  const open = (source: unknown, flags?: unknown, options?: object): Promise<MappedFile> =>
    opener(source as never, flags as never, options);
  const codeOfOpening = async (source: unknown, flags?: unknown, options?: object): Promise<unknown> =>
    (await attemptAsync(async () => (await open(source, flags, options)).closeSync())).error?.code;

  describe(`MappedFile.${name}`, () => {
    it('takes a string, a Buffer, a Uint8Array and a URL', async () => {
      using folder = new Folder();
      const path = folder.file(100, 'naïve name #1%20');
      for (const source of [path, Buffer.from(path), new TextEncoder().encode(path), pathToFileURL(path)]) {
        using file = await open(source);
        assert.equal(file.path, path);
        assert.equal(file.size, 100);
        assert.equal(file.isWritable, false);
        assert.equal(file.backing, usual);
        assert.equal(file.closed, false);
        assert.ok(file.sliceSync().equals(oracle(0, 100)));
      }
    });

    it('takes a descriptor, which stays the caller’s and shares its cursor', async () => {
      using folder = new Folder();
      const path = folder.file(100);
      const fd = fs.openSync(path, 'r+');
      const file = await open(fd);
      assert.notEqual(file.fd, fd);
      assert.equal(file.path, undefined);
      assert.equal(file.isWritable, true);
      file.readSync(Buffer.alloc(10));
      const next = Buffer.alloc(5);
      fs.readSync(fd, next);
      assert.ok(next.equals(oracle(10, 5)));
      file.closeSync();
      assert.equal(fs.fstatSync(fd).size, 100);
      fs.closeSync(fd);
    });

    it('goes on when the caller closes the descriptor', async () => {
      using folder = new Folder();
      const fd = fs.openSync(folder.file(100), 'r');
      using file = await open(fd);
      fs.closeSync(fd);
      assert.ok(file.sliceSync().equals(oracle(0, 100)));
    });

    it('takes what a descriptor can do over what the flags say, and never more', async () => {
      using folder = new Folder();
      const path = folder.file(100);
      const reading = fs.openSync(path, 'r');
      const writing = fs.openSync(path, 'w');
      const both = fs.openSync(path, 'r+');
      const appending = fs.openSync(path, 'a+');
      try {
        assert.equal(await codeOfOpening(reading, 'r+'), 'EBADF');
        assert.equal(await codeOfOpening(writing), 'ERR_MAPPED_FILE_NOT_MAPPABLE');
        using narrow = await open(both, 'r');
        assert.equal(narrow.isWritable, false);
        assert.equal(
          codeOf(() => narrow.writeSync('x')),
          'ERR_MAPPED_FILE_READ_ONLY',
        );
        using added = await open(appending);
        added.writeSync('one', 0);
        added.writeSync('two', 0);
        assert.equal(fs.readFileSync(path, 'latin1'), 'onetwo');
        using same = await open(both, 'w');
        assert.equal(same.size, 6, 'a descriptor’s file is not cut');
      } finally {
        for (const fd of [reading, writing, both, appending]) fs.closeSync(fd);
      }
    });

    const flags: Record<OpenFlags, { exists: number | string; missing: number | string; writable: boolean }> = {
      r: { exists: 100, missing: 'ENOENT', writable: false },
      'r+': { exists: 100, missing: 'ENOENT', writable: true },
      w: { exists: 0, missing: 0, writable: true },
      'w+': { exists: 0, missing: 0, writable: true },
      wx: { exists: 'EEXIST', missing: 0, writable: true },
      'wx+': { exists: 'EEXIST', missing: 0, writable: true },
      a: { exists: 100, missing: 0, writable: true },
      'a+': { exists: 100, missing: 0, writable: true },
    };
    for (const [flag, expected] of Object.entries(flags)) {
      it(`has the flag '${flag}' mean what it means to node:fs`, async () => {
        using folder = new Folder();
        for (const [path, outcome] of [
          [folder.file(100), expected.exists],
          [folder.join('missing'), expected.missing],
        ] as const) {
          if (typeof outcome === 'string') {
            const ours = await attemptAsync(() => open(path, flag));
            assert.deepEqual(
              ours,
              attempt(() => fs.openSync(path, flag)),
            );
            assert.equal(ours.error?.code, outcome);
            continue;
          }
          using file = await open(path, flag);
          assert.equal(file.size, outcome);
          assert.equal(file.isWritable, expected.writable);
          if (expected.writable) assert.equal(file.writeSync('end', null), 3);
          else
            assert.equal(
              codeOf(() => file.writeSync('end')),
              'ERR_MAPPED_FILE_READ_ONLY',
            );
        }
      });
    }

    itUnless(onWindows('files have no modes'), 'creates with the mode that is asked for', async () => {
      using folder = new Folder();
      const before = process.umask(0o027);
      try {
        (await open(folder.join('a'), 'w', { mode: 0o640 })).closeSync();
        (await open(folder.join('b'), 'w')).closeSync();
        assert.equal(fs.statSync(folder.join('a')).mode & 0o777, 0o640);
        assert.equal(fs.statSync(folder.join('b')).mode & 0o777, 0o640);
      } finally {
        process.umask(before);
      }
    });

    it('tells of a missing file as node:fs does, property for property', async () => {
      using folder = new Folder();
      const path = folder.join('missing');
      let theirs: unknown;
      try {
        fs.openSync(path, 'r');
      } catch (error) {
        theirs = error;
      }
      await assert.rejects(open(path), (ours: Error) => {
        assert.deepEqual({ ...ours }, { ...(theirs as Error) });
        assert.equal(ours.message, (theirs as Error).message);
        return true;
      });
    });

    itUnless(
      noFifos,
      'does not wait for a FIFO, refuses what cannot be opened or has to be mapped, and leaves no descriptor',
      async () => {
        using folder = new Folder();
        const before = openFiles().length;
        const fifo = folder.join('fifo');
        execFileSync('mkfifo', [fifo]);
        const socket = folder.join('socket');
        const server = net.createServer().listen({ path: socket });
        await once(server, 'listening');
        assert.equal(await codeOfOpening(folder.path), 'EISDIR');
        assert.equal(await codeOfOpening(folder.path, 'r+'), 'EISDIR');
        const reader = fs.openSync(folder.path, 'r');
        assert.equal(await codeOfOpening(reader), 'EISDIR');
        fs.closeSync(reader);
        for (const flag of ['r', 'r+', 'a']) {
          assert.equal(await codeOfOpening(fifo, flag), undefined, `FIFO, '${flag}'`);
          const code = await codeOfOpening(fifo, flag, { backing: 'mmap' });
          assert.equal(code, 'ERR_MAPPED_FILE_NOT_MAPPABLE', `FIFO, '${flag}'`);
        }
        assert.equal(await codeOfOpening(socket), 'ENXIO');
        for (const device of ['/dev/null', '/dev/zero', '/dev/tty']) {
          const code = await codeOfOpening(device, 'r', { backing: 'mmap' });
          // Without a terminal /dev/tty cannot be opened at all.
          if (device !== '/dev/tty') assert.equal(code, 'ERR_MAPPED_FILE_NOT_MAPPABLE');
          else assert.ok(code === 'ERR_MAPPED_FILE_NOT_MAPPABLE' || code === 'ENXIO', String(code));
        }
        server.close();
        await once(server, 'close');
        assert.equal(openFiles().length, before);
      },
    );

    it('refuses wrong arguments with Node’s codes', async () => {
      using folder = new Folder();
      const path = folder.file(10);
      for (const source of [undefined, null, {}, true, [], () => {}, { fd: 'x' }, 5n, Symbol('x')]) {
        assert.equal(await codeOfOpening(source), 'ERR_INVALID_ARG_TYPE');
      }
      for (const source of [-1, 1.5, NaN, 2 ** 31, Infinity, { fd: NaN }]) {
        assert.equal(await codeOfOpening(source), 'ERR_OUT_OF_RANGE');
      }
      assert.equal(await codeOfOpening(2 ** 31 - 1), 'EBADF');
      assert.equal(await codeOfOpening({ fd: -1 }), 'EBADF');
      assert.equal(await codeOfOpening('with\0zero'), 'ERR_INVALID_ARG_VALUE');
      assert.equal(await codeOfOpening(new URL('http://x/')), 'ERR_INVALID_URL_SCHEME');
      for (const flag of ['rw', '', 'R', 5, null, {}, 'toString', '__proto__', 'rs+']) {
        assert.equal(await codeOfOpening(path, flag), 'ERR_INVALID_ARG_VALUE');
      }
      const options: Array<[unknown, string]> = [
        [null, 'ERR_INVALID_ARG_TYPE'],
        ['r', 'ERR_INVALID_ARG_TYPE'],
        [{ windowSize: '1' }, 'ERR_INVALID_ARG_TYPE'],
        [{ windowSize: 0 }, 'ERR_OUT_OF_RANGE'],
        [{ windowSize: 1.5 }, 'ERR_OUT_OF_RANGE'],
        [{ windowSize: NaN }, 'ERR_OUT_OF_RANGE'],
        [{ pool: {} }, 'ERR_INVALID_ARG_TYPE'],
        [{ backing: 'pipe' }, 'ERR_INVALID_ARG_VALUE'],
        [{ mode: -1 }, 'ERR_OUT_OF_RANGE'],
        [{ mode: 0o10000 }, 'ERR_OUT_OF_RANGE'],
        [{ strict: 1 }, 'ERR_INVALID_ARG_TYPE'],
        [{ signal: {} }, 'ERR_INVALID_ARG_TYPE'],
      ];
      for (const [option, code] of options) {
        assert.equal(await codeOfOpening(path, 'r', option as object), code, JSON.stringify(option));
      }
      assert.equal(fs.statSync(path).size, 10);
    });

    it('takes any window size and pool, however odd', async () => {
      using folder = new Folder();
      const path = folder.file(5 * granule);
      for (const windowSize of [1, granule - 1, granule + 1, 2 ** 32, 2 ** 40, Number.MAX_SAFE_INTEGER]) {
        for (const limit of [1, granule, 3 * granule + 1, 2 ** 40]) {
          const pool = new WindowPool({ limit, maxWindows: 1 });
          using file = await open(path, 'r+', { windowSize, pool });
          for (let position = 0; position < 5 * granule; position += 997) {
            assert.equal(file.getUint8(position), oracle(position, 1)[0]);
          }
          file.setUint8(granule, 1);
          file.setUint8(granule, oracle(granule, 1)[0] as number);
          assert.ok(pool.stats().windowBytes <= pool.limit);
        }
      }
    });

    it('opens an empty file, which reads as empty and can grow', async () => {
      using folder = new Folder();
      const path = folder.file(0);
      for (const options of [{}, { backing: usual }, { backing: 'read' }, { strict: true }]) {
        fs.truncateSync(path);
        using file = await open(path, 'r+', options);
        assert.equal(file.size, 0);
        assert.equal(file.sliceSync().length, 0);
        assert.equal(file.readSync(Buffer.alloc(5)), 0);
        assert.equal((await file.read(Buffer.alloc(5), 0, 5, 0)).bytesRead, 0);
        assert.equal(
          codeOf(() => file.getUint8(0)),
          'ERR_OUT_OF_RANGE',
        );
        assert.equal(
          codeOf(() => file.setUint8(0, 1)),
          'ERR_OUT_OF_RANGE',
        );
        assert.equal(
          codeOf(() => file.view()),
          'ERR_OUT_OF_RANGE',
        );
        await file.flush();
        file.flushSync();
        assert.equal(file.writeSync(oracle(0, 3 * granule), 0, null, 0), 3 * granule);
        assert.equal(file.getUint8(3 * granule - 1), oracle(3 * granule - 1, 1)[0]);
        assert.equal(file.size, 3 * granule);
      }
    });

    it('throws where mapping is a must and impossible', async () => {
      // Files of procfs cannot be mapped, and have no size; those of sysfs have one.
      const path = '/sys/kernel/mm/transparent_hugepage/enabled';
      if (!fs.existsSync(path)) return;
      assert.equal(await codeOfOpening(path, 'r', { backing: 'mmap' }), 'ERR_MAPPED_FILE_NOT_MAPPABLE');
      using file = await open(path);
      assert.equal(String.fromCharCode(file.getUint8(0)), fs.readFileSync(path, 'latin1')[0]);
      assert.equal(
        codeOf(() => file.view(0, 1)),
        'ERR_MAPPED_FILE_NOT_SEEKABLE',
      );
    });

    it('is aborted before it starts', async () => {
      using folder = new Folder();
      const path = folder.join('new');
      const reason = new Error('changed my mind');
      await assert.rejects(open(path, 'w', { signal: AbortSignal.abort(reason) }), reason);
      assert.equal(fs.existsSync(path), false);
    });
  });
}

describe('MappedFile.open, asynchronous', () => {
  it('takes a FileHandle, which stays the caller’s', async () => {
    using folder = new Folder();
    const handle = await fs.promises.open(folder.file(100), 'r+');
    const file = await MappedFile.open(handle);
    await file.write('abc', 0);
    await file.close();
    const { bytesRead, buffer } = await handle.read(Buffer.alloc(3), 0, 3, 0);
    assert.equal(buffer.toString('latin1', 0, bytesRead), 'abc');
    await handle.close();
    await assert.rejects(MappedFile.open(handle), { code: 'EBADF' });
  });

  it('is aborted under way, and leaves no descriptor', async () => {
    using folder = new Folder();
    const path = folder.file(100);
    const before = openFiles();
    const controller = new AbortController();
    const opening = MappedFile.open(path, 'r', { signal: controller.signal });
    controller.abort(new Error('under way'));
    await assert.rejects(opening, { message: 'under way' });
    assert.deepEqual(openFiles(), before);
    const later = new AbortController();
    using file = await MappedFile.open(path, 'r', { signal: later.signal });
    later.abort();
    assert.equal(file.closed, false);
  });

  it('rejects, and never throws, for wrong arguments', () => {
    const rejected = [
      MappedFile.open(null as never),
      MappedFile.open('x', 'q' as never),
      MappedFile.open('x', 'r', null as never),
    ];
    return Promise.all(rejected.map((promise) => assert.rejects(promise, TypeError)));
  });
});
