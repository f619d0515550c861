import assert from 'node:assert/strict';
import { constants, PerformanceObserver } from 'node:perf_hooks';
import { setImmediate as turn } from 'node:timers/promises';
import { MappedFile, WindowPool } from 'sliding-mmap';
import { codeOf } from '../helpers/errors.js';
import { byteAt, Folder, oracle } from '../helpers/files.js';
import { granule } from '../helpers/sizes.js';

// One granule of the file for each window, and one of overlap.
const window = 2 * granule;

/** Touches a position often enough to be worth a window, also where another must go for it. */
function use(file: MappedFile, position: number): void {
  for (let i = 0; i < 64; i++) assert.equal(file.getUint8(position + i), byteAt(position + i));
}

function mapped(file: MappedFile): number {
  return file.stats().windows;
}

describe('WindowPool', () => {
  it('has a default with limits, and the same one each time', () => {
    assert.equal(WindowPool.default, WindowPool.default);
    assert.ok(WindowPool.default.limit >= 2 ** 28 && WindowPool.default.maxWindows >= 256);
  });

  it('refuses limits that are none', () => {
    for (const value of [0, -1, 1.5, NaN, Infinity]) {
      assert.equal(
        codeOf(() => new WindowPool({ limit: value })),
        'ERR_OUT_OF_RANGE',
      );
      assert.equal(
        codeOf(() => new WindowPool({ maxWindows: value })),
        'ERR_OUT_OF_RANGE',
      );
    }
    for (const value of ['1', null, 1n, {}]) {
      assert.equal(
        codeOf(() => new WindowPool({ limit: value as number })),
        'ERR_INVALID_ARG_TYPE',
      );
      assert.equal(
        codeOf(() => new WindowPool({ maxWindows: value as number })),
        'ERR_INVALID_ARG_TYPE',
      );
    }
    assert.equal(new WindowPool({ limit: 1 }).limit, 2 * granule);
  });

  for (const [name, make] of [
    ['bytes', () => new WindowPool({ limit: 3 * window })],
    ['mappings', () => new WindowPool({ maxWindows: 3 })],
  ] as const) {
    it(`bounds ${name}, and takes the window used least recently, whichever file has it`, () => {
      using folder = new Folder();
      const path = folder.file(40 * granule);
      const pool = make();
      const options = { pool, windowSize: granule };
      using a = MappedFile.openSync(path, 'r', options);
      using b = MappedFile.openSync(path, 'r', options);
      use(a, 0);
      use(a, 10 * granule);
      use(b, 0);
      assert.deepEqual([mapped(a), mapped(b), pool.stats().windows], [2, 1, 3]);
      use(a, 0);
      // The least recently used is a's second.
      use(b, 20 * granule);
      assert.deepEqual([mapped(a), mapped(b), pool.stats().windows], [1, 2, 3]);
      assert.equal(a.stats().evictions, 1);
      const { slides } = a.stats();
      use(a, 0);
      assert.equal(a.stats().slides, slides, 'the window used more recently is still there');
      use(a, 10 * granule);
      assert.deepEqual([mapped(a), mapped(b)], [2, 1], 'b lost the window it used first');
      assert.ok(pool.stats().windowBytes <= pool.limit);
      assert.equal(pool.stats().evictions, 2);
    });
  }

  it('counts views, gives up windows for them, and refuses views that alone exceed it', () => {
    using folder = new Folder();
    const pool = new WindowPool({ limit: 4 * window, maxWindows: 4 });
    using file = MappedFile.openSync(folder.file(40 * granule), 'r', { pool, windowSize: granule });
    for (const position of [0, 10, 20, 30]) use(file, position * granule);
    assert.equal(pool.stats().windows, 4);
    const first = file.view(0, window);
    const second = file.view(1, window + 1);
    assert.deepEqual(pool.stats().views, 2);
    assert.equal(pool.stats().viewBytes, window + window + granule, 'whole granules are counted');
    assert.ok(pool.stats().windowBytes + pool.stats().viewBytes <= pool.limit);
    assert.throws(() => file.view(0, 30 * granule), {
      code: 'ERR_MAPPED_FILE_BUDGET',
      position: 0,
      length: 30 * granule,
      path: file.path,
    });
    const third = file.view(5, 6);
    const fourth = file.view(7, 8);
    assert.equal(
      codeOf(() => file.view(0, 1)),
      'ERR_MAPPED_FILE_BUDGET',
    );
    assert.equal(pool.stats().windows, 0);
    assert.equal(file.getUint8(33 * granule), byteAt(33 * granule), 'reads go on');
    for (const view of [first, second, third, fourth]) view.dispose();
    assert.deepEqual([pool.stats().views, pool.stats().viewBytes], [0, 0]);
    for (let i = 0; i < 2000; i++) use(file, 30 * granule);
    assert.ok(pool.stats().windows > 0, 'windows come back');
  });

  it('does not take a window that is in use', async () => {
    using folder = new Folder();
    const pool = new WindowPool({ limit: window, maxWindows: 1 });
    const options = { pool, windowSize: granule };
    using a = MappedFile.openSync(folder.file(40 * granule, 'a'), 'r+', options);
    using b = MappedFile.openSync(folder.file(40 * granule, 'b'), 'r+', options);
    a.setUint8(5, 77);
    const flushing = a.flush();
    use(b, 0);
    assert.deepEqual([mapped(a), mapped(b)], [1, 0], 'pinned while it is flushed');
    await flushing;
    for (let i = 0; i < 2000 && mapped(b) === 0; i++) use(b, 0);
    assert.deepEqual([mapped(a), mapped(b)], [0, 1]);
    assert.equal(a.getUint8(5), 77);
  });

  it('is not left smaller by windows that were refused because it was full', () => {
    using folder = new Folder();
    const size = 2 ** 22;
    const pool = new WindowPool({ limit: 2 ** 23, maxWindows: 1 });
    using file = MappedFile.openSync(folder.file(oracle(0, size)), 'r', { pool, windowSize: 2 ** 20 });
    const view = file.view(0, 10);
    for (let i = 0; i < 100; i++) use(file, i * 4096);
    view.dispose();
    for (let i = 0; i < 3000; i++) use(file, 3 * 2 ** 20);
    assert.equal(mapped(file), 1);
    assert.equal(file.stats().windowSize, 2 ** 20);
  });

  it('gives everything back when files are closed, in any order', () => {
    using folder = new Folder();
    const path = folder.file(10 * granule);
    const pool = new WindowPool();
    const files = [0, 1, 2, 3].map(() => MappedFile.openSync(path, 'r', { pool, windowSize: granule }));
    for (const file of files) for (let i = 0; i < 10; i++) use(file, Math.min(i * granule, 10 * granule - 64));
    assert.equal(
      pool.stats().windows,
      files.reduce((sum, file) => sum + mapped(file), 0),
    );
    assert.ok(mapped(files[0] as MappedFile) > 4);
    for (const index of [2, 0, 3, 1]) (files[index] as MappedFile).closeSync();
    const { windows, windowBytes, views, viewBytes } = pool.stats();
    assert.deepEqual([windows, windowBytes, views, viewBytes], [0, 0, 0, 0]);
  });

  for (const [step, slides] of [
    [4 * 1024, 'every window'],
    [64 * 1024, 'few'],
  ] as const) {
    it(`maps ${slides} of a scan in steps of ${step / 1024} KiB, when another has to go for it`, () => {
      using folder = new Folder();
      const pool = new WindowPool({ limit: 16 * 2 ** 20 });
      using file = MappedFile.openSync(folder.sparse(2 ** 30), 'r', { pool });
      for (let position = 0; position < 2 ** 30; position += step) file.getUint8(position);
      const windows = 2 ** 30 / file.stats().windowSize;
      if (slides === 'few') assert.ok(file.stats().slides < windows / 16, String(file.stats().slides));
      else assert.ok(file.stats().slides >= windows, String(file.stats().slides));
    });
  }

  it('lets files be opened one after the other without a collection of garbage for each', async () => {
    using folder = new Folder();
    // At whole windows of the default size the engine, which takes them for memory, would begin one each time.
    const path = folder.sparse(2 ** 32);
    let collections = 0;
    const observer = new PerformanceObserver((list) => {
      for (const { detail } of list.getEntries() as Array<{ detail?: { kind?: number } }>) {
        if (detail?.kind !== constants.NODE_PERFORMANCE_GC_MINOR) collections++;
      }
    });
    observer.observe({ entryTypes: ['gc'] });
    for (let i = 0; i < 200; i++) {
      using file = MappedFile.openSync(path);
      assert.equal(file.getUint8(2 ** 31 + i), 0);
      assert.deepEqual([mapped(file), file.stats().slides], [1, 1]);
    }
    await turn();
    await turn();
    observer.disconnect();
    assert.ok(collections < 20, `${collections} collections`);
  });

  it('shows nothing of a file through the window that it leaves to the next', () => {
    using folder = new Folder();
    for (const [name, byte] of [
      ['a', 1],
      ['b', 2],
    ] as const) {
      using file = MappedFile.openSync(folder.file(new Uint8Array(100_000 * byte).fill(byte), name), 'r+');
      for (let i = 0; i < 100; i++) assert.equal(file.getUint8(i * 1000), byte);
      file.setUint8(3, 3);
      assert.equal(
        codeOf(() => file.getUint8(100_000 * byte)),
        'ERR_OUT_OF_RANGE',
      );
      assert.equal(file.stats().faults, 0);
    }
  });
});
