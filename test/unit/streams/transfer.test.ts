import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { MappedFile, WindowPool } from 'sliding-mmap';
import { native } from '#src/native.js';
import { Folder, oracle } from '../../helpers/files.js';

/** Adds up the bytes of the chunks it is sent, and keeps none of them. */
const program = `
  const { parentPort } = require('node:worker_threads');
  require('node:v8').setFlagsFromString('--expose-gc');
  const collect = require('node:vm').runInNewContext('gc');
  parentPort.on('message', (chunks) => {
    const sums = chunks.map((chunk) => chunk.reduce((sum, byte) => sum + byte, 0));
    chunks.length = 0;
    setImmediate(() => {
      collect();
      parentPort.postMessage(sums);
    });
  });
`;

const sum = (bytes: Uint8Array): number => bytes.reduce((total, byte) => total + byte, 0);
const chunkSize = 4096;
/** Engines copy memory that is not their own when it is to be transferred; Node 22 refuses to. */
const copies = Number(process.versions.node.split('.')[0]) < 22;

/** Gives every chunk to a worker, `atOnce` in a message, and checks what it found in them. */
async function sendAll(file: MappedFile, worker: Worker, atOnce: number): Promise<number> {
  let sent: Uint8Array[] = [];
  let sums: number[] = [];
  let count = 0;
  const send = async (): Promise<void> => {
    worker.postMessage(
      sent,
      sent.map(({ buffer }) => buffer as ArrayBuffer),
    );
    const [found] = (await once(worker, 'message')) as [number[]];
    assert.deepEqual(found, sums);
    sent = [];
    sums = [];
  };
  for (const chunk of file.chunks({ chunkSize })) {
    count++;
    sums.push(sum(chunk));
    sent.push(structuredClone(chunk, { transfer: [chunk.buffer as ArrayBuffer] }));
    if (sent.length === atOnce) await send();
  }
  return count;
}

describe('a borrowed chunk sent to a worker', () => {
  it('is the worker’s for good, and leaves nothing behind when the worker drops it', async function () {
    if (!copies) this.skip();
    const count = 2000;
    using folder = new Folder();
    const pool = new WindowPool();
    const file = await MappedFile.open(folder.file(count * chunkSize), 'r', { pool });
    const worker = new Worker(program, { eval: true });
    const before = native.mappingCount();
    try {
      assert.equal(await sendAll(file, worker, 250), count);
      assert.equal(pool.stats().viewBytes, 0, 'the pool counts none of them any more');
    } finally {
      await worker.terminate();
      await file.close();
    }
    assert.ok(native.mappingCount() <= before, `${native.mappingCount()} mappings, ${before} before`);
  });

  it('stays the worker’s when the file is closed', async function () {
    if (!copies) this.skip();
    using folder = new Folder();
    const file = await MappedFile.open(folder.file(3 * chunkSize));
    let kept: Uint8Array | undefined;
    for await (const chunk of file.chunks({ chunkSize })) {
      kept ??= structuredClone(chunk, { transfer: [chunk.buffer as ArrayBuffer] });
    }
    await file.close();
    assert.deepEqual(Buffer.from(kept!), oracle(0, chunkSize));
  });

  it('where the engine refuses the transfer, is as before and can be copied', async function () {
    if (copies) this.skip();
    using folder = new Folder();
    const file = await MappedFile.open(folder.file(3 * chunkSize));
    let position = 0;
    for await (const chunk of file.chunks({ chunkSize })) {
      assert.throws(() => structuredClone(chunk, { transfer: [chunk.buffer as ArrayBuffer] }), {
        name: 'DataCloneError',
      });
      assert.deepEqual(Buffer.from(structuredClone(chunk.slice())), oracle(position, chunkSize));
      position += chunkSize;
    }
    assert.equal(position, 3 * chunkSize);
    await file.close();
  });
});

describe('a borrowed chunk kept too long', () => {
  const tee = (file: MappedFile) =>
    file
      .readable({ borrow: true, chunkSize })
      .tee()
      .map((branch) => branch.getReader());

  it('is empty in both branches of a tee', async () => {
    using folder = new Folder();
    const file = await MappedFile.open(folder.file(3 * chunkSize));
    const readers = tee(file);
    let last: Uint8Array | undefined;
    for (let position = 0; position < 3 * chunkSize; position += chunkSize) {
      const [one, other] = await Promise.all(readers.map((reader) => reader.read()));
      assert.equal(last?.length ?? 0, 0);
      for (const { value } of [one!, other!]) assert.deepEqual(Buffer.from(value!), oracle(position, chunkSize));
      last = one!.value;
    }
    await Promise.all(readers.map((reader) => reader.read()));
    assert.equal(last!.length, 0);
    await file.close();
  });

  it('is never other bytes in a branch of a tee that lags behind', async () => {
    using folder = new Folder();
    const file = await MappedFile.open(folder.file(3 * chunkSize));
    const readers = tee(file);
    for (const reader of readers) {
      for (let position = 0; position < 3 * chunkSize; position += chunkSize) {
        const { value } = await reader.read();
        assert.ok([0, chunkSize].includes(value!.length));
        // Node 20, once it has optimised Buffer.from, takes the old length of a detached array there, and refuses it.
        if (value!.length > 0) assert.deepEqual(Buffer.from(value!), oracle(position, chunkSize));
      }
      assert.equal((await reader.read()).done, true);
    }
    await file.close();
  });

  it('is empty at the end of a pipe, and not before its write is done', async () => {
    using folder = new Folder();
    const file = await MappedFile.open(folder.file(3 * chunkSize));
    const kept: Uint8Array[] = [];
    let position = 0;
    const target = new WritableStream<Uint8Array>(
      {
        async write(chunk) {
          await new Promise((resolve) => setImmediate(resolve));
          assert.deepEqual(Buffer.from(chunk), oracle(position, chunkSize));
          position += chunkSize;
          kept.push(chunk);
        },
      },
      { highWaterMark: 1 },
    );
    await file.readable({ borrow: true, chunkSize }).pipeTo(target);
    assert.equal(position, 3 * chunkSize);
    assert.deepEqual(
      kept.map(({ length }) => length),
      [0, 0, 0],
    );
    await file.close();
  });
});
