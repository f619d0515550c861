/** What is opened and closed, or dropped, over and over takes no more at the end than at the beginning. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import crypto from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { MappedFile, WindowPool } from 'sliding-mmap';
import { native } from '#src/native.js';
import { run } from '../helpers/child.js';
import { collect } from '../helpers/collect.js';
import { byteAt, Folder } from '../helpers/files.js';
import { granule } from '../helpers/sizes.js';

const program = new URL('./leaks.program.js', import.meta.url);

describe('leaks', function () {
  this.timeout(120_000);

  for (const name of ['rounds', 'asynchronous rounds', 'dropped views', 'dropped files', 'failures']) {
    it(`none after many ${name}`, async () => {
      using folder = new Folder();
      const result = await run(program, [name, folder.file(20 * granule)], { node: ['--expose-gc'] });
      assert.deepEqual(result, { stdout: 'flat\n', stderr: '', code: 0, signal: null });
    });
  }

  it('none in a tight address space, where files go on through the kernel', async function () {
    if (spawnSync('prlimit', ['--version']).status !== 0) {
      console.log('      not run: there is no prlimit');
      return this.skip();
    }
    using folder = new Folder();
    const result = await run(program, ['tight', folder.sparse(2 ** 36, [5, 2 ** 35, 2 ** 36 - 100])]);
    assert.deepEqual(result, { stdout: 'flat\n', stderr: '', code: 0, signal: null });
  });
});

describe('the collector', () => {
  it('does not take a window from the file that the pool gave it to', async () => {
    using folder = new Folder();
    const path = folder.file(20 * granule);
    const pool = new WindowPool({ limit: 2 * granule, maxWindows: 1 });
    const touch = (file: MappedFile): void => {
      for (let i = 0; i < 64; i++) assert.equal(file.getUint8(i), byteAt(i));
    };
    for (let round = 0; round < 5; round++) {
      (() => touch(MappedFile.openSync(path, 'r', { pool, windowSize: 1 })))();
      await delay(1);
      using file = MappedFile.openSync(path, 'r', { pool, windowSize: 1 });
      await delay(1);
      await collect(1);
      touch(file);
      await collect();
      touch(file);
      assert.ok(pool.stats().windowBytes <= pool.limit && pool.stats().windows <= 1);
    }
    await collect();
    assert.deepEqual([pool.stats().windows, pool.stats().windowBytes], [0, 0]);
  });

  it('does not take a view away while it is flushed', async () => {
    using folder = new Folder();
    using file = MappedFile.openSync(folder.file(20 * granule), 'r+');
    for (const flush of [
      () => {
        const view = file.view();
        view.bytes[5] = 1;
        return view.flush();
      },
      () => {
        file.view().bytes[5] = 1;
        return file.flush();
      },
    ]) {
      // The thread pool is busy, so that the flush comes after the collector.
      const busy = Array.from(
        { length: 8 },
        () => new Promise((resolve) => crypto.pbkdf2('a', 'b', 100_000, 64, 'sha512', resolve)),
      );
      const flushing = flush();
      await collect();
      await flushing;
      await Promise.all(busy);
      await collect();
      assert.equal(native.mappingCount(), 0);
    }
  });

  it('closes what was dropped, once nothing of it is left', async () => {
    using folder = new Folder();
    const path = folder.file(20 * granule);
    let bytes: Uint8Array | undefined = (() => {
      const file = MappedFile.openSync(path, 'r');
      file.getUint8(0);
      return file.view(10, 20).bytes;
    })();
    await collect();
    assert.equal(bytes[0], byteAt(10), 'an array keeps its memory');
    assert.equal(native.mappingCount(), 1, 'and nothing else');
    bytes = undefined; // eslint-disable-line no-useless-assignment -- for the collector
    await collect();
    assert.equal(native.mappingCount(), 0);
    assert.equal(WindowPool.default.stats().views, 0);
  });
});
