import assert from 'node:assert/strict';
import { once } from 'node:events';
import { MappedFile } from 'sliding-mmap';
import { type RandomAccessReader, toRandomAccessReader } from 'sliding-mmap/adapters';
import { run } from '../../helpers/child.js';
import { Folder, oracle } from '../../helpers/files.js';
import { itUnless, tellsNoResidency } from '../../helpers/systems.js';

type Read = { error: Error | null; bytesRead?: number; same?: boolean };
function read(reader: RandomAccessReader, buffer: Buffer, position: number): Promise<Read> {
  return new Promise((resolve) => {
    reader.read(buffer, 0, buffer.length, position, (error, bytesRead, same) => {
      resolve({ error, ...(bytesRead !== undefined && { bytesRead }), same: same === buffer });
    });
  });
}

async function streamed(stream: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

describe('adapters: toRandomAccessReader', () => {
  let folder: Folder;
  let file: MappedFile;
  beforeEach(() => {
    folder = new Folder();
    file = MappedFile.openSync(folder.file(100_000), 'r');
  });
  afterEach(async () => {
    await file.close();
    folder[Symbol.dispose]();
  });

  it('reads as fs.read does, short at the end, and calls back later', async () => {
    const reader = toRandomAccessReader(file);
    const buffer = Buffer.alloc(64);
    let later = false;
    const done = read(reader, buffer, 12_345).then((result) => (assert.ok(later), result));
    later = true;
    assert.deepEqual(await done, { error: null, bytesRead: 64, same: true });
    assert.deepEqual(buffer, oracle(12_345, 64));
    assert.equal((await read(reader, buffer, 99_990)).bytesRead, 10);
    assert.equal((await read(reader, buffer, 100_000)).bytesRead, 0);
    assert.throws(() => reader.read(buffer, 0, 1, 0, undefined as never), { code: 'ERR_INVALID_ARG_TYPE' });
  });

  itUnless(tellsNoResidency, 'calls back in the order of the calls', async () => {
    const reader = toRandomAccessReader(file);
    const order: number[] = [];
    await Promise.all(
      Array.from({ length: 50 }, (_, i) => read(reader, Buffer.alloc(8), i * 1999).then(() => order.push(i))),
    );
    assert.deepEqual(order, [...Array(50).keys()]);
  });

  it('streams a range whose end is exclusive', async () => {
    const reader = toRandomAccessReader(file);
    reader.ref();
    assert.deepEqual(await streamed(reader.createReadStream({ start: 10, end: 20 })), oracle(10, 10));
    assert.deepEqual(await streamed(reader.createReadStream({ start: 20, end: 20 })), oracle(0, 0));
    assert.deepEqual(await streamed(reader.createReadStream({ start: 99_000 })), oracle(99_000, 1000));
    assert.deepEqual(await streamed(reader.createReadStream()), oracle(0, 100_000));
  });

  it('counts its users, streams too, and closes with the last', async () => {
    const reader = toRandomAccessReader(file, { autoClose: true });
    let closed = false;
    reader.once('close', () => (closed = true));
    reader.ref();
    const stream = reader.createReadStream({ start: 0, end: 70_000 });
    reader.unref();
    assert.equal((await streamed(stream)).length, 70_000);
    if (!closed) await once(reader, 'close');
    assert.equal(file.closed, true);
    assert.throws(() => reader.unref(), /invalid unref/);
  });

  it('a stream that is destroyed is a user less', async () => {
    const reader = toRandomAccessReader(file);
    const closed = once(reader, 'close');
    reader.createReadStream({ start: 0, end: 10 }).destroy();
    await closed;
    assert.equal(file.closed, false);
  });

  it('gives errors to the callback, or as an event', async () => {
    const reader = toRandomAccessReader(file);
    await file.close();
    const { error } = await read(reader, Buffer.alloc(1), 0);
    assert.equal((error as NodeJS.ErrnoException).code, 'ERR_MAPPED_FILE_CLOSED');
  });

  it('what a callback throws is an uncaught exception, as with node:fs', async () => {
    const { stdout } = await run(new URL('./throwing.program.js', import.meta.url), [file.path!]);
    const said = stdout.trim().split('\n').sort();
    assert.deepEqual(said, ['reader uncaughtException', 'storage uncaughtException']);
  });
});
