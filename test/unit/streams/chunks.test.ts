import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { MappedFile, WindowPool } from 'sliding-mmap';
import { native } from '#src/native.js';
import { cannotBeCut, cannotMap, itUnless } from '../../helpers/systems.js';

/** The number of the call that {@link native.injectFailure} lets fail. */
const readCall = 4;

describe('borrowed chunks', () => {
  let folder: string;
  let name: string;
  const bytes = Buffer.from(
    Array.from({ length: Math.max(50_000, 3 * native.granularity) }, (_, i) => (i * 31 + (i >> 8) * 7) & 255),
  );

  before(() => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'sliding-mmap-chunks-'));
    name = path.join(folder, 'file');
  });
  beforeEach(() => fs.writeFileSync(name, bytes));
  after(() => fs.rmSync(folder, { recursive: true }));

  /** Copies of the chunks, looking on the way that each one takes the one before away. */
  async function collect(file: MappedFile, how: string, options: object): Promise<Buffer> {
    const parts: Buffer[] = [];
    let last: Uint8Array | undefined;
    const take = (chunk: Uint8Array): void => {
      if (last !== undefined) assert.equal(last.length, 0, 'the chunk before is detached');
      parts.push(Buffer.from(chunk));
      last = chunk;
    };
    if (how === 'sync') for (const chunk of file.chunks(options)) take(chunk);
    else if (how === 'async') for await (const chunk of file.chunks(options)) take(chunk);
    else for await (const chunk of file.readable({ borrow: true, ...options })) take(chunk);
    assert.equal(last?.length ?? 0, 0, 'the last chunk is detached');
    return Buffer.concat(parts);
  }

  for (const how of ['sync', 'async', 'stream']) {
    it(`are the file's bytes in order, whatever the range and the size (${how})`, async () => {
      const positions = fc.tuple(fc.nat(60_000), fc.nat(60_000)).map((pair) => pair.sort((a, b) => a - b));
      await fc.assert(
        fc.asyncProperty(positions, fc.integer({ min: 900, max: 60_000 }), async ([start, end], chunkSize) => {
          await using file = await MappedFile.open(name);
          assert.deepEqual(await collect(file, how, { start, end, chunkSize }), bytes.subarray(start, end));
          assert.equal(file.stats().views, 0);
        }),
        { numRuns: 60 },
      );
    });

    itUnless(cannotMap, `need no more than one chunk's room in the pool (${how})`, async () => {
      const chunkSize = 2 * native.granularity;
      const pool = new WindowPool({ limit: chunkSize });
      for (const backing of ['mmap', 'read'] as const) {
        await using file = await MappedFile.open(name, 'r', { pool, backing });
        assert.deepEqual(await collect(file, how, { chunkSize }), bytes);
        await assert.rejects(collect(file, how, { chunkSize: chunkSize + 1 }), { code: 'ERR_MAPPED_FILE_BUDGET' });
        assert.deepEqual([pool.stats().views, file.stats().views], [0, 0]);
      }
      // Nor does the pool forget that a view of the caller's takes it all.
      await using file = await MappedFile.open(name, 'r', { pool });
      using view = file.view(0, 1);
      await assert.rejects(collect(file, how, { chunkSize }), { code: 'ERR_MAPPED_FILE_BUDGET' });
      view.dispose();
      assert.deepEqual(await collect(file, how, { chunkSize }), bytes);
    });

    itUnless(cannotMap, `are copies where the system has no room for a mapping (${how})`, async () => {
      for (const backing of ['auto', 'mmap'] as const) {
        await using file = await MappedFile.open(name, 'r', { backing, pool: new WindowPool() });
        native.injectFailure(0, 0, 2 ** 31, os.constants.errno.ENOMEM);
        try {
          assert.deepEqual(await collect(file, how, { chunkSize: 9000 }), bytes);
          assert.throws(() => file.view(0, 10), { code: 'ERR_MAPPED_FILE_BUDGET' }, 'a view is a mapping');
        } finally {
          native.injectFailure(0, 0, 0, 0);
        }
        assert.deepEqual([file.stats().views, file.backing], [0, 'mmap']);
      }
    });

    itUnless(cannotBeCut, `throw when the file shrank under the last one (${how})`, async () => {
      await using file = await MappedFile.open(name);
      const seen: number[] = [];
      const walk = async (): Promise<void> => {
        const cut = (chunk: Uint8Array): void => {
          seen.push(chunk.length);
          fs.truncateSync(name, 100);
        };
        const options = { chunkSize: 20_000 };
        if (how === 'sync') for (const chunk of file.chunks(options)) cut(chunk);
        else if (how === 'async') for await (const chunk of file.chunks(options)) cut(chunk);
        else for await (const chunk of file.readable({ borrow: true, ...options })) cut(chunk);
      };
      await assert.rejects(walk(), { code: 'ERR_MAPPED_FILE_TRUNCATED', path: name });
      assert.deepEqual(seen, [20_000]);
      // The chunk that was being prepared is released when it is ready.
      while (file.stats().views > 0) await new Promise(setImmediate);
    });
  }

  it('end with the first step that fails, and hold nothing then', async () => {
    const limit = 2 * native.granularity;
    await using file = await MappedFile.open(name, 'r', { backing: 'read', pool: new WindowPool({ limit }) });
    for (const of of [Symbol.iterator, Symbol.asyncIterator] as const) {
      const view = file.view(0, 1);
      const chunks = file.chunks({ chunkSize: limit })[of]();
      await assert.rejects(async () => chunks.next(), { code: 'ERR_MAPPED_FILE_BUDGET' });
      view.dispose();
      assert.deepEqual(await chunks.next(), { done: true, value: undefined });
    }
    const walk = file.chunks({ chunkSize: limit })[Symbol.asyncIterator]();
    await walk.next();
    native.injectFailure(readCall, 0, 2 ** 31, os.constants.errno.EIO);
    try {
      await assert.rejects(walk.next(), { code: 'EIO' });
    } finally {
      native.injectFailure(readCall, 0, 0, 0);
    }
    assert.deepEqual([await walk.next(), file.stats().views], [{ done: true, value: undefined }, 0]);
  });

  for (const backing of ['auto', 'read'] as const) {
    it(`are each of one step only, of whichever kind (${backing})`, async () => {
      const chunkSize = 1000;
      await using file = await MappedFile.open(name, 'r', { backing, pool: new WindowPool() });
      const chunks = file.chunks({ chunkSize, end: 8 * chunkSize });
      const given: number[] = [];
      let takenAway = 0;
      const take = ({ value }: IteratorResult<Uint8Array, unknown>): void => {
        assert.ok(value instanceof Uint8Array);
        if (value.length > 0) given.push(bytes.indexOf(value) / chunkSize);
        else takenAway++;
      };
      const asynchronous = chunks[Symbol.asyncIterator]();
      for (let i = 0; i < 3; i++) {
        const step = asynchronous.next().then(take);
        // The step has looked how much there is, and waits; or is done, where it found all in memory.
        await new Promise((resolve) => queueMicrotask(() => queueMicrotask(() => resolve(undefined))));
        take(chunks[Symbol.iterator]().next() as IteratorResult<Uint8Array, unknown>);
        await step;
      }
      for await (const value of chunks) take({ value });
      assert.deepEqual([given.length + takenAway, new Set(given).size], [8, given.length]);
      if (native.externalBuffers && backing === 'auto') assert.equal(takenAway, 0);
      while (file.stats().views > 0) await new Promise(setImmediate);
    });
  }

  itUnless(cannotMap, 'come several out of one mapping', async () => {
    await using file = await MappedFile.open(name);
    const before = native.mappingCount();
    let count = 0;
    for (const chunk of file.chunks({ start: 3, chunkSize: 1000 })) {
      assert.ok(bytes.subarray(3 + 1000 * count, 1003 + 1000 * count).equals(chunk));
      chunk.fill(255);
      assert.deepEqual([native.mappingCount() - before, file.stats().views], [1, 1]);
      count++;
    }
    const all = Math.ceil((bytes.length - 3) / 1000);
    assert.deepEqual([count, native.mappingCount() - before, file.stats().views], [all, 0, 0]);
    // A file that has grown behind a piece's end shows what is there now.
    const walk = file.chunks({ start: bytes.length - 10_000, chunkSize: 6000 })[Symbol.iterator]();
    walk.next();
    fs.appendFileSync(name, Buffer.alloc(10_000, 'more'));
    assert.equal(Buffer.from(walk.next().value as Uint8Array).toString('latin1', 4000), 'more'.repeat(500));
    walk.return!();
  });

  it('are released by leaving the loop', async () => {
    await using file = await MappedFile.open(name);
    let kept: Uint8Array | undefined;
    for (const chunk of file.chunks({ chunkSize: 1000 })) {
      kept = chunk;
      break;
    }
    assert.equal(kept?.length, 0);
    for await (const chunk of file.chunks({ chunkSize: 1000 })) {
      kept = chunk;
      break;
    }
    assert.equal(kept?.length, 0);
    const reader = file.readable({ borrow: true, chunkSize: 1000 }).getReader();
    kept = (await reader.read()).value;
    assert.equal(kept?.length, 1000);
    await reader.cancel();
    assert.equal(kept?.length, 0);
    // The chunk that was being prepared is released when it is ready.
    while (file.stats().views > 0) await new Promise(setImmediate);
  });

  it('keep what is written into them to themselves', async () => {
    await using file = await MappedFile.open(name, 'r+');
    for (const chunk of file.chunks()) chunk.fill(0);
    assert.deepEqual(fs.readFileSync(name), bytes);
    assert.deepEqual(file.sliceSync(), bytes);
  });

  it('end with an error when the file is closed', async () => {
    const file = await MappedFile.open(name);
    const chunks = file.chunks({ chunkSize: 1000 })[Symbol.asyncIterator]();
    const first = (await chunks.next()).value as Uint8Array;
    await file.close();
    assert.equal(first.length, 0);
    await assert.rejects(chunks.next(), { code: 'ERR_MAPPED_FILE_CLOSED' });
    assert.deepEqual(await chunks.next(), { done: true, value: undefined });
  });

  it('error their stream at once when the file is closed, read from or not', async () => {
    for (const reads of [0, 1]) {
      const file = await MappedFile.open(name);
      const reader = file.readable({ borrow: true, chunkSize: 1000 }).getReader();
      const chunk = reads > 0 ? (await reader.read()).value : undefined;
      const closed = assert.rejects(reader.closed, { code: 'ERR_MAPPED_FILE_CLOSED' });
      await file.close();
      await closed;
      await assert.rejects(reader.read(), { code: 'ERR_MAPPED_FILE_CLOSED' });
      assert.equal(chunk?.length ?? 0, 0);
    }
  });

  for (const when of ['before', 'unread', 'between', 'during'] as const) {
    it(`error their stream at once with the reason of a signal (${when})`, async () => {
      await using file = await MappedFile.open(name);
      const controller = new AbortController();
      const reason = new Error('enough');
      if (when === 'before') controller.abort(reason);
      const reader = file.readable({ borrow: true, chunkSize: 1000, signal: controller.signal }).getReader();
      const chunk = when === 'between' ? (await reader.read()).value : undefined;
      const pending = when === 'during' ? reader.read() : Promise.reject(reason);
      const outcomes = [pending, reader.closed].map((promise) => assert.rejects(promise, (error) => error === reason));
      controller.abort(reason);
      await Promise.all(outcomes);
      await assert.rejects(reader.read(), (error) => error === reason);
      assert.equal(chunk?.length ?? 0, 0);
      while (file.stats().views > 0) await new Promise(setImmediate);
    });
  }

  it('refuse a signal that is none', () => {
    using file = MappedFile.openSync(name);
    for (const signal of [1, {}, null]) {
      const options = { borrow: true, signal: signal as never };
      assert.throws(() => file.readable(options), { code: 'ERR_INVALID_ARG_TYPE' });
    }
  });

  it('tell the position of the next one', () => {
    using file = MappedFile.openSync(name);
    const chunks = file.chunks({ start: 5n, chunkSize: 1000 });
    assert.equal(chunks.position, 5);
    const iterator = chunks[Symbol.iterator]();
    iterator.next();
    assert.equal(chunks.position, 1005);
    iterator.return?.();
  });

  it('refuse bad options', () => {
    using file = MappedFile.openSync(name);
    assert.throws(() => file.chunks({ chunkSize: 0 }), { code: 'ERR_OUT_OF_RANGE' });
    assert.throws(() => file.chunks({ start: 2, end: 1 }), { code: 'ERR_OUT_OF_RANGE' });
    assert.throws(() => file.readable({ borrow: 1 as never }), { code: 'ERR_INVALID_ARG_TYPE' });
  });
});
