/** What may become of a file under its mappings. Each is run by `program.ts`, in a process of its own. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { Worker } from 'node:worker_threads';
import { MappedFile, type OpenOptions } from 'sliding-mmap';
import { attempt, attemptAsync, codeOf } from '../helpers/errors.js';
import { byteAt, oracle } from '../helpers/files.js';
import { granule } from '../helpers/sizes.js';

const TRUNCATED = 'ERR_MAPPED_FILE_TRUNCATED';
export const size: number = 16 * granule;

export interface Place {
  path: string;
  options: OpenOptions;
}

function cut(path: string, length = 0): void {
  fs.truncateSync(path, length);
}

function regrow(path: string): void {
  cut(path);
  fs.writeFileSync(path, oracle(0, size));
}

/** Cut, with a page lost, while a view of the whole file is held; gives the view. */
function viewThatLost({ path, options }: Place): { file: MappedFile; view: ReturnType<MappedFile['view']> } {
  const file = MappedFile.openSync(path, 'r+', { ...options, pool: undefined });
  const view = file.view();
  assert.equal(view.bytes[5 * granule], byteAt(5 * granule));
  cut(path, granule);
  assert.equal(view.bytes[5 * granule + 7], 0, 'a lost page reads as zeros');
  assert.equal(view.bytes[0], byteAt(0), 'what is left is still the file’s');
  return { file, view };
}

export const scenarios: Record<string, (place: Place) => unknown> = {
  /** JIT-compiled: the page goes while the loop runs. */
  'scalars in a hot loop'({ path, options }) {
    using file = MappedFile.openSync(path, 'r', options);
    let sum = 0;
    const loop = (from: number, to: number): void => {
      for (let position = from; position < to; position++) sum += file.getUint8(position);
    };
    for (let i = 0; i < 30; i++) loop(0, size);
    const expected = sum / 30;
    cut(path, granule);
    sum = 0;
    assert.equal(
      codeOf(() => loop(0, size)),
      TRUNCATED,
    );
    assert.ok(sum < expected, 'the loop stopped at the end');
    assert.equal(
      sum,
      oracle(0, granule).reduce((a, b) => a + b, 0),
    );
    assert.equal(file.size, granule);
    assert.equal(
      codeOf(() => file.getUint8(granule)),
      'ERR_OUT_OF_RANGE',
      'now it is known',
    );
  },

  'every kind of scalar'({ path, options }) {
    for (const kind of [
      'Int8',
      'Uint8',
      'Int16',
      'Uint16',
      'Int32',
      'Uint32',
      'BigInt64',
      'BigUint64',
      'Float32',
      'Float64',
    ]) {
      regrow(path);
      using file = MappedFile.openSync(path, 'r+', options);
      const methods = file as unknown as Record<string, (position: number, value?: unknown) => unknown>;
      const at = 9 * granule;
      const value = methods[`get${kind}`]?.(at);
      cut(path);
      assert.equal(
        codeOf(() => methods[`get${kind}`]?.(at)),
        TRUNCATED,
        `get${kind}`,
      );
      regrow(path);
      assert.deepEqual(methods[`get${kind}`]?.(at), value, 'the file is whole again');
      cut(path);
      assert.equal(
        codeOf(() => methods[`set${kind}`]?.(at, value)),
        TRUNCATED,
        `set${kind}`,
      );
      assert.equal(fs.statSync(path).size, 0, 'a setter does not grow the file');
    }
  },

  'across the new end'({ path, options }) {
    for (const length of [granule - 3, granule, granule + 1, 5 * granule + 5]) {
      regrow(path);
      using file = MappedFile.openSync(path, 'r+', { ...options, strict: true });
      file.getBigUint64(length - 4);
      cut(path, length);
      assert.equal(
        codeOf(() => file.getBigUint64(length - 4)),
        TRUNCATED,
      );
      assert.equal(file.getBigUint64(length - 8), oracle(length - 8, 8).readBigUInt64BE());
    }
  },

  reads: async ({ path, options }) => {
    for (const length of [1, 100, 4096, 5000, 20_000]) {
      regrow(path);
      await using file = await MappedFile.open(path, 'r', options);
      const whole = Buffer.alloc(length);
      file.readSync(whole, 0, length, 6 * granule);
      file.getUint8(6 * granule);
      cut(path, 6 * granule + 50);
      // Inside the page that is cut, small synchronous reads may still see zeros.
      const target = Buffer.alloc(length, 0xaa);
      const left = Math.min(length, 50);
      const done = (await file.read(target, 0, length, 6 * granule)).bytesRead;
      assert.equal(done, left, 'read');
      assert.ok(target.subarray(0, left).equals(oracle(6 * granule, left)));
      assert.ok(target.subarray(left).every((byte) => byte === 0xaa));
      assert.equal(file.refreshSync(), 6 * granule + 50);
      assert.equal(file.readSync(target, 0, length, 6 * granule), left, 'readSync');
      assert.equal(file.readvSync([target], 6 * granule), left, 'readvSync');
      cut(path);
      assert.equal(file.readSync(target, 0, length, 9 * granule), 0);
      assert.equal((await file.readv([target], 9 * granule)).bytesRead, 0);
    }
  },

  'readSync of a page or more': ({ path, options }) => {
    for (const length of [granule, granule + 1, 3 * granule]) {
      regrow(path);
      using file = MappedFile.openSync(path, 'r', options);
      file.getUint8(4 * granule);
      cut(path, 4 * granule + 10);
      assert.equal(file.readSync(Buffer.alloc(length), 0, length, 4 * granule), 10, 'exact without a refresh');
    }
  },

  slices: async ({ path, options }) => {
    await using file = await MappedFile.open(path, 'r', options);
    file.getUint8(9 * granule);
    cut(path, 2 * granule);
    assert.equal(
      codeOf(() => file.sliceSync(9 * granule, 10 * granule)),
      TRUNCATED,
    );
    assert.equal(
      codeOf(() => file.sliceSync(9 * granule, 10 * granule)),
      'ERR_OUT_OF_RANGE',
      'now it is known',
    );
    regrow(path);
    assert.equal(file.sliceSync().length, size);
    cut(path, 2 * granule);
    assert.equal((await attemptAsync(() => file.slice(9 * granule, 10 * granule))).error?.code, TRUNCATED);
    assert.ok((await file.slice()).equals(oracle(0, 2 * granule)));
  },

  writes: async ({ path, options }) => {
    await using file = await MappedFile.open(path, 'r+', options);
    file.setUint8(9 * granule, 1);
    cut(path);
    assert.equal(file.writeSync('abc', 9 * granule), 3, 'as pwrite: the gap reads as zeros');
    assert.equal(file.refreshSync(), 9 * granule + 3);
    assert.equal(file.getUint32(9 * granule - 1), 0x00616263);
    cut(path);
    assert.equal((await file.write('xyz', 5)).bytesWritten, 3);
    assert.deepEqual([...file.sliceSync()], [0, 0, 0, 0, 0, 0x78, 0x79, 0x7a]);
    await file.flush();
  },

  'setters into a lost page, then a file that is whole again'({ path, options }) {
    using file = MappedFile.openSync(path, 'r+', options);
    for (let i = 0; i < 200; i++) file.setUint8(9 * granule + i, 1);
    cut(path);
    assert.equal(
      codeOf(() => file.setUint8(9 * granule, 2)),
      TRUNCATED,
    );
    regrow(path);
    file.refreshSync();
    assert.equal(file.getUint8(9 * granule), byteAt(9 * granule));
    file.setUint8(9 * granule, 3);
    assert.equal(fs.readFileSync(path)[9 * granule], 3, 'a window whose page was lost is not written any more');
  },

  'a view’s lost page is told by check': (place) => {
    const { file, view } = viewThatLost(place);
    assert.equal(
      codeOf(() => view.check()),
      TRUNCATED,
    );
    assert.equal(
      codeOf(() => view.check()),
      TRUNCATED,
      'as often as it is asked',
    );
    view.dispose();
    file.closeSync();
  },
  'a view’s lost page is told by flush': async (place) => {
    const { file, view } = viewThatLost(place);
    assert.equal((await attemptAsync(() => view.flush())).error?.code, TRUNCATED);
    assert.equal(
      codeOf(() => view.flushSync()),
      TRUNCATED,
    );
    view.dispose();
    await file.close();
  },
  'a view’s lost page is told by dispose': (place) => {
    const { file, view } = viewThatLost(place);
    assert.throws(
      () => view.dispose(),
      (error: Error & { position?: number; code?: string }) =>
        error.code === TRUNCATED && error.position === 5 * granule + 7,
    );
    assert.equal(view.length, 0, 'it is released all the same');
    view.dispose();
    file.closeSync();
  },
  'a view’s lost page is told by the file’s next call': (place) => {
    for (const call of ['size', 'getUint8', 'sliceSync', 'readSync', 'stats'] as const) {
      regrow(place.path);
      const { file, view } = viewThatLost(place);
      const first = attempt(() => {
        if (call === 'size') return file.refreshSync();
        if (call === 'getUint8') return file.getUint8(0);
        if (call === 'sliceSync') return file.sliceSync(0, 5);
        if (call === 'readSync') return file.readSync(Buffer.alloc(5), 0, 5, 0);
        return file.stats();
      });
      assert.equal(first.error?.code, TRUNCATED, call);
      assert.equal(file.getUint8(0), byteAt(0), 'once');
      assert.ok(file.stats().faults > 0);
      view.dispose();
      file.closeSync();
    }
  },
  'a view’s lost page is told by close': async (place) => {
    const sync = viewThatLost(place);
    assert.equal(
      codeOf(() => sync.file.closeSync()),
      TRUNCATED,
    );
    assert.equal(sync.view.length, 0);
    assert.equal(sync.file.closed, true);
    regrow(place.path);
    const { file } = viewThatLost(place);
    assert.equal((await attemptAsync(() => file.close())).error?.code, TRUNCATED);
    assert.throws(() => fs.fstatSync(file.fd), { code: 'EBADF' }, 'it is closed all the same');
  },

  'searching a view with the engine’s own functions'(place) {
    using file = MappedFile.openSync(place.path, 'r+', { ...place.options, pool: undefined });
    const view = file.view();
    const buffer = Buffer.from(view.buffer, view.byteOffset, view.length);
    cut(place.path, granule);
    assert.equal(buffer.indexOf('no such text in the oracle'), -1);
    buffer.toString('latin1');
    buffer.toString('base64');
    assert.equal(buffer.equals(oracle(0, size)), false);
    assert.equal(
      codeOf(() => view.dispose()),
      TRUNCATED,
    );
  },

  'stray writes into the view of a read-only file'({ path }) {
    fs.chmodSync(path, 0o400);
    using file = MappedFile.openSync(path, 'r');
    using view = file.view();
    view.bytes.fill(9);
    assert.equal(file.getUint8(0), byteAt(0));
    assert.ok(fs.readFileSync(path).equals(oracle(0, size)));
  },

  /** The mapping keeps the old file; its descriptor does, too. */
  'replaced by another file': async ({ path, options }) => {
    await using file = await MappedFile.open(path, 'r+', options);
    assert.equal(file.getUint8(9 * granule), byteAt(9 * granule));
    const view = options.backing === 'read' ? undefined : file.view(0, 100);
    const lines = file.lines({ encoding: 'latin1' })[Symbol.iterator]();
    const first = lines.next().value as string;
    fs.writeFileSync(`${path}.new`, 'short');
    fs.renameSync(`${path}.new`, path);
    assert.equal(file.refreshSync(), size);
    assert.ok(file.sliceSync().equals(oracle(0, size)) && (await file.slice()).equals(oracle(0, size)));
    assert.equal(file.getUint8(9 * granule), byteAt(9 * granule));
    assert.equal(file.indexOf(oracle(9 * granule, 20)), 9 * granule);
    let left = first.length;
    for (let step = lines.next(); step.done !== true; step = lines.next()) left += step.value.length;
    assert.ok(left > size * 0.9, 'lines go on in the file that was opened');
    let streamed = 0;
    for await (const chunk of file.readable({ chunkSize: 1000 })) {
      assert.ok(oracle(streamed, chunk.length).equals(chunk));
      streamed += chunk.length;
    }
    assert.equal(streamed, size);
    assert.ok(view === undefined || oracle(0, 100).equals(view.bytes));
    file.setUint8(0, 1);
    file.writeSync('x', 1);
    await file.flush();
    assert.equal(fs.readFileSync(path, 'latin1'), 'short', 'the new file has none of it');
    view?.dispose();
    await using anew = await MappedFile.open(path, 'r', options);
    assert.equal(anew.sliceSync().toString(), 'short');
  },

  /** Some cut it down, and let it grow again, between every two calls: all of them see the new bytes. */
  'cut and grown between any two calls': async ({ path, options }) => {
    const other = (): Buffer => oracle(1, size);
    const calls: Array<(file: MappedFile) => unknown> = [
      (file) => file.getUint8(5 * granule) === other()[5 * granule],
      (file) => file.getBigUint64(6 * granule) === other().readBigUInt64BE(6 * granule),
      (file) => file.readSync(Buffer.alloc(50), 0, 50, 7 * granule) === 50,
      (file) => file.sliceSync(7 * granule, 7 * granule + 40).equals(other().subarray(7 * granule, 7 * granule + 40)),
      (file) => file.sliceSync().equals(other()),
      async (file) => (await file.slice(8 * granule)).equals(other().subarray(8 * granule)),
      async (file) => (await file.read(Buffer.alloc(9), 0, 9, 9 * granule)).bytesRead === 9,
      (file) => file.indexOf(other().subarray(10 * granule, 10 * granule + 30)) === 10 * granule,
      (file) => file.lastIndexOf(other().subarray(11 * granule, 11 * granule + 30)) === 11 * granule,
      (file) => [...file.lines({ encoding: 'buffer' })].reduce((sum, line) => sum + line.length + 1, 0) >= size,
      async (file) => {
        const bytes: Uint8Array[] = [];
        for await (const chunk of file.readable({ start: 3 * granule })) bytes.push(chunk);
        return Buffer.concat(bytes).equals(other().subarray(3 * granule));
      },
      async (file) => {
        const bytes: Buffer[] = [];
        for await (const chunk of file.createReadStream({ start: granule })) bytes.push(chunk as Buffer);
        return Buffer.concat(bytes).equals(other().subarray(granule));
      },
      async (file) => {
        // A view, or a chunk beside the next one, does not fit the smallest pool.
        if (options.backing === 'read' || options.pool?.maxWindows === 1) return true;
        const bytes: Buffer[] = [];
        for await (const chunk of file.chunks({ chunkSize: 5000 })) bytes.push(Buffer.from(chunk));
        using view = file.view(2 * granule);
        return (
          Buffer.concat(bytes).equals(other()) &&
          other()
            .subarray(2 * granule)
            .equals(view.bytes)
        );
      },
    ];
    for (const call of calls) {
      regrow(path);
      await using file = await MappedFile.open(path, 'r', options);
      for (let i = 0; i < 16; i++) file.getUint8(i * granule);
      cut(path, 100);
      fs.writeFileSync(path, other(), { flag: 'r+' });
      assert.equal(await call(file), true, String(call));
    }
  },

  'several files at once'({ path, options }) {
    fs.copyFileSync(path, `${path}.other`);
    using lost = MappedFile.openSync(path, 'r', options);
    using sound = MappedFile.openSync(`${path}.other`, 'r', options);
    for (let i = 0; i < 300; i++) {
      assert.equal(sound.getUint8(i), byteAt(i));
      assert.equal(lost.getUint8(i), byteAt(i));
    }
    cut(path);
    assert.equal(
      codeOf(() => lost.getUint8(5)),
      TRUNCATED,
    );
    assert.equal(sound.getUint8(5), byteAt(5), 'another file’s pages are its own');
    assert.equal(sound.stats().faults, 0);
  },

  'a worker on the same file': async ({ path }) => {
    const flag = new Int32Array(new SharedArrayBuffer(8));
    const worker = new Worker(new URL('./reader.worker.js', import.meta.url), { workerData: { path, flag, size } });
    const ended = new Promise((resolve, reject) => worker.once('exit', resolve).once('error', reject));
    using file = MappedFile.openSync(path, 'r');
    while (Atomics.load(flag, 0) === 0) Atomics.wait(flag, 0, 0, 10);
    assert.equal(file.getUint8(8 * granule), byteAt(8 * granule));
    cut(path, granule);
    assert.equal(
      codeOf(() => file.getUint8(8 * granule)),
      TRUNCATED,
    );
    assert.equal(await ended, 0);
    assert.equal(Atomics.load(flag, 1), 1, 'the worker was told, too');
  },
};
