/** The overloads of read and write: every argument means to a MappedFile what it means to node:fs. */
import assert from 'node:assert/strict';
import { constants } from 'node:buffer';
import fs from 'node:fs';
import fc from 'fast-check';
import { MappedFile } from 'sliding-mmap';
import { native } from '#src/native.js';
import { attempt, attemptAsync, codeOf, type Outcome } from '../helpers/errors.js';
import { Folder, oracle } from '../helpers/files.js';
import { configurations, granule } from '../helpers/sizes.js';

const size = 300;

const isNothing = (value: unknown): boolean => value === undefined || value === null;

const wraps = (length: unknown): boolean => typeof length === 'number' && Math.abs(length) >= 2 ** 31;

/** Anything that a caller may come up with. */
const integers = [undefined, null, 0, -0, 1, 2, 7, 16, 299, 300, 301, 1000] as const;
const oddities = [
  -1,
  -2,
  0.5,
  NaN,
  Infinity,
  2 ** 31,
  2 ** 32 + 1,
  2 ** 53,
  5n,
  -1n,
  2n ** 63n,
  '1',
  true,
  {},
] as const;
const anything = fc.oneof(
  { weight: 5, arbitrary: fc.constantFrom<unknown>(...integers) },
  { weight: 1, arbitrary: fc.constantFrom<unknown>(...oddities) },
);
/** Where node:fs itself computes the length from the offset. */
const plainOffsets = anything.filter(
  (offset) =>
    ['undefined', 'boolean', 'string'].includes(typeof offset) || (typeof offset === 'number' && !wraps(offset)),
);
/** node:fs passes a length of -0, or that is no integer, on to C++, which aborts the process. */
const safeLengths = anything.filter(
  (length) => isNothing(length) || (Number.isSafeInteger(length) && !Object.is(length, -0)),
);
const lengthsToRead = safeLengths.filter((length) => !wraps(length));
const positions = fc.oneof(
  { weight: 5, arbitrary: fc.constantFrom<unknown>(undefined, null, -1, 0, 1, 16, 290, 299, 300, 400, 5n, 299n, -1n) },
  {
    weight: 1,
    arbitrary: fc.constantFrom<unknown>(0.5, NaN, 2 ** 53, -(2 ** 40), 2n ** 63n, '1', true, {}, Symbol('p')),
  },
);
const nodeMajor = Number(process.versions.node.split('.')[0]);
/** Of several wrong arguments Node 24 tells of the position first, and the library, as Node up to 22, last. */
const tellsOfPositionsLast = nodeMajor < 24;
/** Node 24 has the length that it computes from such an offset wrap around. */
const computesLengths = nodeMajor < 24;
const positionsToRead = positions.filter(
  (position) => tellsOfPositionsLast || isPlain(position) || (typeof position === 'bigint' && !isOddBigint(position)),
);
type BufferMaker = () => unknown;
const buffers = fc.constantFrom<BufferMaker>(
  () => Buffer.alloc(16),
  () => Buffer.alloc(0),
  () => new Uint8Array(300),
  () => new Uint8Array(new ArrayBuffer(64), 7, 20),
  () => new Float64Array(3),
  () => new DataView(new ArrayBuffer(32), 3, 9),
  () => new Uint16Array(new SharedArrayBuffer(20)),
  () => new ArrayBuffer(8),
  () => null,
  () => undefined,
  () => 5,
);
const texts = fc.constantFrom<BufferMaker>(
  () => 'plain',
  () => '',
  () => 'ÿ€😀',
  () => '0a0b0',
  () => '0a0b',
);
const encodings = fc.constantFrom<unknown>(
  undefined,
  null,
  'utf8',
  'latin1',
  'hex',
  'base64',
  'utf16le',
  'UTF-8',
  'nope',
  5,
);

/** The bytes that a buffer of any kind now has. */
function content(value: unknown): Buffer | undefined {
  return ArrayBuffer.isView(value)
    ? Buffer.from(Buffer.from(value.buffer, value.byteOffset, value.byteLength))
    : undefined;
}

/** A buffer in any case: FileHandle.read asks null for its length. */
function viewOf(make: BufferMaker): unknown {
  const made = make();
  return ArrayBuffer.isView(made) ? made : Buffer.alloc(9);
}

/** A MappedFile and node:fs on files of the same bytes. */
class Twins implements Disposable {
  readonly folder = new Folder();
  readonly ourPath = this.folder.file(size, 'ours');
  readonly theirPath = this.folder.file(size, 'theirs');
  readonly file: MappedFile;
  readonly fd: number;

  constructor(options: object, flags: 'r+' | 'a+' = 'r+') {
    this.file = MappedFile.openSync(this.ourPath, flags, options);
    this.fd = fs.openSync(this.theirPath, flags);
  }

  /** Node's functions, as those of FileHandle, on its own file. */
  async handle<T>(use: (handle: fs.promises.FileHandle) => Promise<T>): Promise<T> {
    const handle = await fs.promises.open(this.theirPath, 'r+');
    try {
      return await use(handle);
    } finally {
      await handle.close();
    }
  }

  sameContents(): void {
    assert.ok(fs.readFileSync(this.ourPath).equals(fs.readFileSync(this.theirPath)), 'the files differ');
    assert.equal(this.file.refreshSync(), fs.fstatSync(this.fd).size);
  }

  [Symbol.dispose](): void {
    this.file.closeSync();
    fs.closeSync(this.fd);
    this.folder[Symbol.dispose]();
  }
}

/** The system's messages name the path, where it is known: FileHandle and descriptors of node:fs know none. */
function withoutPath(outcome: Outcome): Outcome {
  if (outcome.error !== undefined) outcome.error.message = outcome.error.message.replace(/ '[^']*ours'$/, '');
  return outcome;
}

function same(ours: Outcome, theirs: Outcome): void {
  assert.deepEqual(plain(withoutPath(ours)), plain(theirs));
}

/** Node's results have no prototype. */
function plain(outcome: Outcome): Outcome {
  const { result } = outcome;
  return typeof result === 'object' && result !== null ? { result: { ...result } } : outcome;
}

// Differences to Node 20, all on the side of the caller:
// - a null offset does not make node:fs's readSync and writeSync forget length and position here, nor does a length that
//   is undefined or null mean 0 to readSync: both have the meaning they have for FileHandle.read;
// - a bigint that is no safe integer is out of range;
// - a bigint is a position for FileHandle.read and all writes, too, where node:fs writes at the cursor;
// - a number that is no integer from -1 on is out of range for writes, too, where node:fs writes at the cursor;
// - nothing but undefined, null, numbers and bigints is a position of FileHandle.read;
// - a length from 2^31 on does not wrap around in readSync, nor in read, as it does from Node 24 on;
// - arguments are checked for empty buffers, too.
const isOddBigint = (position: unknown): boolean =>
  typeof position === 'bigint' && (position < -1n || position > Number.MAX_SAFE_INTEGER);
const isPlain = (position: unknown): boolean =>
  isNothing(position) || (Number.isSafeInteger(position) && (position as number) >= -1);
const isOddForWrites = (position: unknown): boolean =>
  typeof position === 'bigint' || (typeof position === 'number' && !isPlain(position));

for (const configuration of configurations.filter(({ name }) => name !== 'windows of one granule')) {
  describe(`read and write, ${configuration.name}`, () => {
    it('readSync(buffer, offset, length, position)', () => {
      fc.assert(
        fc.property(buffers, anything, anything, positionsToRead, (make, offset, length, position) => {
          fc.pre(!isOddBigint(position) && offset !== null && !isNothing(length) && !wraps(length));
          using twins = new Twins(configuration.options());
          const [a, b] = [make(), make()];
          const args = [offset, length, position] as never as [number, number, number];
          same(
            attempt(() => twins.file.readSync(a as Buffer, ...args)),
            attempt(() => fs.readSync(twins.fd, b as Buffer, ...args)),
          );
          assert.deepEqual(content(a), content(b));
        }),
        { numRuns: 800 },
      );
    });

    it('readSync(buffer, options)', () => {
      const options = fc.oneof(
        fc.record(
          {
            offset: plainOffsets,
            length: anything.filter((length) => !isNothing(length) && !wraps(length)),
            position: positionsToRead.filter((position) => !isOddBigint(position)),
          },
          { requiredKeys: [] },
        ),
        fc.constantFrom<unknown>(undefined, null, {}),
      );
      fc.assert(
        fc.property(buffers, options, (make, option) => {
          using twins = new Twins(configuration.options());
          const [a, b] = [make(), make()];
          same(
            attempt(() => twins.file.readSync(a as Buffer, option as object)),
            attempt(() => fs.readSync(twins.fd, b as Buffer, option as fs.ReadOptions)),
          );
          assert.deepEqual(content(a), content(b));
        }),
        { numRuns: 400 },
      );
    });

    it('read, in all its forms, as FileHandle.read', async () => {
      const options = fc.record(
        { offset: plainOffsets, length: lengthsToRead, position: positions.filter(isPlain) },
        { requiredKeys: [] },
      );
      const call = fc.oneof(
        fc
          .tuple(buffers, anything, lengthsToRead, positions.filter(isPlain))
          .filter(([, offset, length]) => computesLengths || !isNothing(length) || !wraps(offset))
          .map(([make, ...rest]) => () => [make(), ...rest]),
        fc.tuple(buffers, options).map(([make, option]) => () => [make(), option]),
        fc.tuple(buffers, options).map(([make, option]) => () => [{ buffer: viewOf(make), ...option }]),
        options.map((option) => () => [option]),
      );
      await fc.assert(
        fc.asyncProperty(call, async (make) => {
          using twins = new Twins(configuration.options());
          await twins.handle(async (handle) => {
            const [a, b] = [make(), make()];
            const ours = await attemptAsync(() => twins.file.read(...(a as [Buffer])));
            const theirs = await attemptAsync(() => handle.read(...(b as [Buffer])));
            same(ours, theirs);
            if (ours.result !== undefined && ArrayBuffer.isView(a[0])) {
              assert.equal((ours.result as { buffer: unknown }).buffer, a[0]);
            }
          });
        }),
        { numRuns: 400 },
      );
    });

    it('writeSync(buffer, offset, length, position)', () => {
      fc.assert(
        fc.property(buffers, anything, safeLengths, positions, (make, offset, length, position) => {
          using twins = new Twins(configuration.options());
          fc.pre(!isOddForWrites(position) && offset !== null);
          const [a, b] = [make(), make()];
          for (const buffer of [a, b]) if (ArrayBuffer.isView(buffer)) fillOdd(buffer);
          const args = [offset, length, position] as never as [number, number, number];
          same(
            attempt(() => twins.file.writeSync(a as Buffer, ...args)),
            attempt(() => fs.writeSync(twins.fd, b as Buffer, ...args)),
          );
          twins.sameContents();
        }),
        { numRuns: 400 },
      );
    });

    it('writeSync(string, position, encoding)', () => {
      fc.assert(
        fc.property(texts, positions, encodings, (text, position, encoding) => {
          using twins = new Twins(configuration.options());
          if (isOddForWrites(position)) return;
          const args = [position, encoding] as never as [number, BufferEncoding];
          same(
            attempt(() => twins.file.writeSync(text() as string, ...args)),
            attempt(() => fs.writeSync(twins.fd, text() as string, ...args)),
          );
          twins.sameContents();
        }),
        { numRuns: 400 },
      );
    });

    it('write, in all its forms, as FileHandle.write', async () => {
      const options = fc.record(
        { offset: plainOffsets, length: safeLengths, position: positions },
        { requiredKeys: [] },
      );
      const call = fc.oneof(
        fc
          .tuple(buffers, anything, safeLengths, positions)
          .map(([make, ...rest]) => ({ make, rest, position: rest[2] })),
        fc.tuple(buffers, options).map(([make, option]) => ({ make, rest: [option], position: option.position })),
        fc.tuple(texts, positions, encodings).map(([make, ...rest]) => ({ make, rest, position: rest[0] })),
      );
      await fc.assert(
        fc.asyncProperty(call, async ({ make, rest, position }) => {
          using twins = new Twins(configuration.options());
          await twins.handle(async (handle) => {
            if (isOddForWrites(position)) return;
            const data = make();
            // FileHandle.write asks for the buffer's length before anything else.
            if (data === null || data === undefined) return;
            if ((data as Buffer).byteLength === 0 || (typeof data === 'object' && rest[0] === null)) return;
            const ours = await attemptAsync(() => twins.file.write(data as Buffer, ...(rest as [])));
            const theirs = await attemptAsync(() => handle.write(data as Buffer, ...(rest as [])));
            same(ours, theirs);
            twins.sameContents();
          });
        }),
        { numRuns: 400 },
      );
    });

    it('readv and writev, and their Sync twins', async () => {
      const lists = fc.oneof(
        fc.array(fc.constantFrom(0, 1, 7, 100), { maxLength: 4 }).map((sizes) => () => sizes.map((n) => oracle(n, n))),
        fc.constantFrom<() => unknown>(
          () => null,
          () => [5],
          () => [Buffer.alloc(1), null],
          () => new Array<unknown>(2),
          () => ({ length: 0 }),
          () => 'x',
        ),
      );
      await fc.assert(
        fc.asyncProperty(lists, positions, fc.boolean(), fc.boolean(), async (make, position, writes, sync) => {
          using twins = new Twins(configuration.options());
          await twins.handle(async (handle) => {
            if (isOddForWrites(position)) return;
            const [a, b] = [make() as Buffer[], make() as Buffer[]];
            const at = position as number;
            const { file, fd } = twins;
            if (sync) {
              same(
                attempt(() => (writes ? file.writevSync(a, at) : file.readvSync(a, at))),
                attempt(() => (writes ? fs.writevSync(fd, b, at) : fs.readvSync(fd, b, at))),
              );
            } else {
              // Their own cursors: give both the same.
              const place = typeof position === 'number' && position >= 0 ? position : 3;
              same(
                await attemptAsync(() => (writes ? file.writev(a, place) : file.readv(a, place))),
                await attemptAsync(() => (writes ? handle.writev(b, place) : handle.readv(b, place))),
              );
            }
            assert.deepEqual(a, b);
            twins.sameContents();
          });
        }),
        { numRuns: 400 },
      );
    });

    it('append, wherever they are aimed', async () => {
      using twins = new Twins(configuration.options(), 'a+');
      for (const position of [0, null, 5, 1000]) {
        assert.equal(twins.file.writeSync('abc', position), fs.writeSync(twins.fd, 'abc', position));
        await twins.file.write(Buffer.from('defg'), 0, 4, position);
        fs.writeSync(twins.fd, Buffer.from('defg'), 0, 4, position);
        twins.sameContents();
      }
      assert.equal(twins.file.size, size + 4 * 7);
    });

    it('refuse positions of writes that node:fs would take for the cursor', async () => {
      using twins = new Twins(configuration.options());
      for (const position of [0.5, NaN, Infinity, -2, 2 ** 53, -2n, 2n ** 63n]) {
        assert.equal(
          codeOf(() => twins.file.writeSync(Buffer.alloc(3), 0, 3, position)),
          'ERR_OUT_OF_RANGE',
        );
        assert.equal(
          codeOf(() => twins.file.writeSync('abc', position)),
          'ERR_OUT_OF_RANGE',
        );
        await assert.rejects(twins.file.write('abc', position), { code: 'ERR_OUT_OF_RANGE' });
        assert.equal(
          codeOf(() => twins.file.writevSync([Buffer.alloc(3)], position)),
          'ERR_OUT_OF_RANGE',
        );
      }
      assert.equal(twins.file.writeSync('abc', 297n), 3);
      assert.equal(twins.file.sliceSync(297n).toString(), 'abc');
    });

    it('truncate as node:fs does', async () => {
      using twins = new Twins(configuration.options());
      for (const length of [undefined, 0, 5, 700, -0, -5, 10, 2 ** 60, null, 5n, 1.5, -0.5, NaN, '3', 2 ** 53]) {
        same(
          attempt(() => twins.file.truncateSync(length as number)),
          attempt(() => fs.ftruncateSync(twins.fd, length as number)),
        );
        twins.sameContents();
        twins.file.writeSync('abcdefgh', 0);
        fs.writeSync(twins.fd, 'abcdefgh', 0);
        const ours = await attemptAsync(() => twins.file.truncate(length as number));
        same(ours, await twins.handle((handle) => attemptAsync(() => handle.truncate(length as number))));
        twins.sameContents();
      }
    });

    it('move large pieces exactly, over every border', async () => {
      using folder = new Folder();
      const length = 9 * 2 ** 20 + 5;
      const path = folder.file(new Uint8Array(0));
      await using file = await MappedFile.open(path, 'r+', configuration.options());
      const bytes = oracle(0, length);
      // Taken at the call: what becomes of the buffer afterwards does not matter.
      const given = Buffer.from(bytes);
      const writing = file.write(given, 0, length, 0);
      given.fill(0xee);
      assert.deepEqual(await writing, { bytesWritten: length, buffer: given });
      assert.ok(fs.readFileSync(path).equals(bytes));
      const read = Buffer.alloc(length + 10);
      assert.equal((await file.read(read, 0, read.length, 0)).bytesRead, length);
      assert.ok(read.subarray(0, length).equals(bytes));
      read.fill(0);
      assert.equal(file.readSync(read, 0, read.length, 0), length);
      assert.ok(read.subarray(0, length).equals(bytes));
      assert.ok((await file.slice(3, length - 3)).equals(bytes.subarray(3, length - 3)));
      const view = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
      for (const start of [0, 1, granule - 1, granule, 5 * granule + 3]) {
        for (const count of [1, 8, 63, 64, 65, 1000, granule, granule + 1, 4 * granule, 4 * granule + 1]) {
          assert.ok(file.sliceSync(start, start + count).equals(view.subarray(start, start + count)));
        }
      }
    });

    it('keep the size right when asynchronous writes are overtaken', async () => {
      using folder = new Folder();
      const path = folder.file(0);
      await using file = await MappedFile.open(path, 'r+', configuration.options());
      const writing = file.write(Buffer.alloc(10, 1), 0, 10, 1000);
      while (fs.statSync(path).size < 1010);
      file.truncateSync(20);
      await writing;
      assert.equal(file.size, 20);
      assert.equal(
        codeOf(() => file.getUint8(500)),
        'ERR_OUT_OF_RANGE',
      );
      await Promise.all([0, 1, 2, 3, 4, 5, 6, 7].map((n) => file.write(oracle(n * 100, 100), 0, 100, n * 100)));
      assert.equal(file.size, 800);
      assert.ok(fs.readFileSync(path).equals(oracle(0, 800)));
    });

    it('take a view of a file as the memory of another', async () => {
      using folder = new Folder();
      await using from = await MappedFile.open(folder.file(granule + 5, 'from'), 'r+');
      await using to = await MappedFile.open(folder.file(0, 'to'), 'r+', configuration.options());
      using view = from.view();
      await to.write(view.bytes);
      to.writeSync(view.bytes, 0, 10, 0);
      assert.ok(to.sliceSync().equals(oracle(0, granule + 5)));
      to.setUint8(3, 99);
      to.readSync(view.bytes, 0, 10, 0);
      await to.read(view.bytes, 10, 10, 3);
      assert.equal(from.getUint8(3), 99);
      assert.equal(from.getUint8(10), 99);
    });
  });
}

describe('read and write where the system moves less than was asked for', () => {
  const call = { read: 4, write: 5 };

  it('give what was moved before the error', async () => {
    using folder = new Folder();
    const path = folder.file(0);
    using file = MappedFile.openSync(path, 'r+', { backing: 'read' });
    const list = [oracle(0, 10), oracle(10, 10)];
    try {
      native.injectFailure(call.write, 1, 1, 28);
      assert.equal(file.writevSync(list, 0), 10);
      assert.equal(fs.statSync(path).size, 10);
      native.injectFailure(call.write, 0, 1, 28);
      assert.equal(
        codeOf(() => file.writevSync(list, 0)),
        'ENOSPC',
      );
      file.writevSync(list, 0);
      native.injectFailure(call.read, 1, 1, 5);
      assert.equal(file.readvSync([Buffer.alloc(10), Buffer.alloc(10)], 0), 10);
      native.injectFailure(call.read, 0, 1, 5);
      assert.equal(
        codeOf(() => file.readvSync([Buffer.alloc(10)], 0)),
        'EIO',
      );
    } finally {
      native.injectFailure(call.read, 0, 0, 0);
      native.injectFailure(call.write, 0, 0, 0);
    }
  });

  it('slices longer than one system call moves', function () {
    this.timeout(60_000);
    const length = 2 ** 31 + granule;
    if (length > constants.MAX_LENGTH) {
      console.log(`      not run, because a Buffer has at most ${constants.MAX_LENGTH} bytes`);
      this.skip();
    }
    using folder = new Folder();
    using file = MappedFile.openSync(folder.sparse(length, [2 ** 31 - granule, length - 1]), 'r');
    const bytes = file.sliceSync();
    assert.equal(bytes.length, length);
    for (const position of [2 ** 31 - granule, length - 1]) assert.equal(bytes[position], oracle(position, 1)[0]);
  });
});

describe('several reads and writes at once', () => {
  it('moves what is read at the cursor, and what is appended, in one piece, however long', async () => {
    using folder = new Folder();
    const length = 5 * 2 ** 20; // longer than what one job on the thread pool moves of other things
    const letters = ['a', 'b', 'c'].map((letter) => Buffer.alloc(length, letter));
    const path = folder.file(0);
    for (const flags of ['a', 'w+'] as const) {
      await using file = await MappedFile.open(path, flags);
      await Promise.all(letters.map((bytes) => file.write(bytes)));
      const written = fs.readFileSync(path);
      assert.equal(written.length, 3 * length);
      for (let at = 0; at < 3 * length; at += length) {
        assert.ok(
          written.subarray(at, at + length).every((byte) => byte === written[at]),
          flags,
        );
      }
    }
    await using file = await MappedFile.open(path);
    const [one, two] = [Buffer.alloc(length), Buffer.alloc(length)];
    await Promise.all([file.read(one, 0, length, null), file.read(two, 0, length, null)]);
    for (const bytes of [one, two]) assert.ok(bytes.every((byte) => byte === bytes[0]));
  });

  it('fills several buffers at the cursor by one read, and gives what came', async () => {
    using folder = new Folder();
    await using file = await MappedFile.open(folder.file(10_000));
    const lists = [0, 1].map(() => [Buffer.alloc(1000), Buffer.alloc(0), Buffer.alloc(3000)]);
    const read = await Promise.all(lists.map((list) => file.readv(list)));
    const found = lists.map((list) => Buffer.concat(list)).sort(Buffer.compare);
    assert.deepEqual(
      read.map(({ bytesRead }) => bytesRead),
      [4000, 4000],
    );
    assert.deepEqual(found, [oracle(0, 4000), oracle(4000, 4000)].sort(Buffer.compare));
    const rest = [Buffer.alloc(1500, 1), Buffer.alloc(1500, 1)];
    assert.equal((await file.readv(rest)).bytesRead, 2000);
    assert.deepEqual(Buffer.concat(rest), Buffer.concat([oracle(8000, 2000), Buffer.alloc(1000, 1)]));
    assert.equal((await file.readv(rest)).bytesRead, 0);
  });

  it('lets timers run during slices, vectors and looks at the size', async () => {
    using folder = new Folder();
    await using file = await MappedFile.open(folder.file(10_000));
    const buffers = [Buffer.alloc(10), Buffer.alloc(20)];
    for (const step of [() => file.slice(0, 100), () => file.readv(buffers, 5), () => file.refresh()]) {
      let rang = false;
      const timer = setTimeout(() => (rang = true), 1);
      let steps = 0;
      while (!rang && steps++ < 3_000_000) await step();
      clearTimeout(timer);
      assert.ok(rang, `no timer within ${steps} steps`);
    }
  });

  it('lets timers run after a step or two where the caller works between them', async () => {
    using folder = new Folder();
    await using file = await MappedFile.open(folder.file(10_000));
    await file.read(Buffer.alloc(10), 0, 10, 0);
    await new Promise(setImmediate);
    let rang = false;
    setTimeout(() => (rang = true), 1);
    let steps = 0;
    for (; !rang && steps < 64; steps++) {
      await file.read(Buffer.alloc(10), 0, 10, steps);
      const until = performance.now() + 10;
      while (performance.now() < until);
    }
    assert.ok(steps <= 4, `no timer within ${steps} steps`);
  });
});

function fillOdd(view: ArrayBufferView): void {
  const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  for (let i = 0; i < bytes.length; i++) bytes[i] = (i * 7 + 1) & 0xff;
}
