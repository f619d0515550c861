/** Streams that are transferred: used on the other side of a message port, or by another thread. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { ReadableStream, WritableStream } from 'node:stream/web';
import { setImmediate as turn } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { MappedFile } from 'sliding-mmap';
import { MappedFileError, systemError } from '#src/errors.js';
import { createReadable } from '#src/streams/readable.js';
import { createWritable } from '#src/streams/writable.js';
import { Folder, oracle } from '../helpers/files.js';
import { failAt, later, MemoryFile, patternBytes } from '../helpers/memory-source.js';
import { configurations } from '../helpers/sizes.js';

/** Copies what it gets from one stream to another, and tells how it went. */
const program = `
  const { parentPort } = require('node:worker_threads');
  parentPort.on('message', async ({ readable, writable, most }) => {
    try {
      if (most !== undefined) {
        let got = 0;
        for await (const chunk of readable) if ((got += chunk.length) >= most) break;
      } else await readable.pipeTo(writable);
      parentPort.postMessage('done');
    } catch (error) {
      parentPort.postMessage(error);
    }
  });
`;

describe('streams that are transferred', function () {
  this.timeout(30_000); // for busy machines; nothing here measures time

  /** The stream as the other side has it. */
  function transferred<T extends ReadableStream | WritableStream>(stream: T): T {
    return structuredClone(stream, { transfer: [stream as unknown as ArrayBuffer] });
  }

  /** Here the end of a stream may still be on its way: on the other side it has ended when that was sent. */
  async function released(file: MemoryFile): Promise<void> {
    for (let i = 0; i < 1000 && !file.idle; i++) await turn();
    assert.ok(file.idle, 'the file is still held');
    assert.equal(file.letGo, file.held);
  }

  describe('readable()', () => {
    it('gives the same bytes, and is locked here', async () => {
      const file = new MemoryFile(10_000);
      file.onRead = later();
      const stream = createReadable(file, { chunkSize: 999 });
      const other = transferred(stream);
      assert.ok(stream.locked);
      const chunks: Uint8Array[] = [];
      for await (const chunk of other) chunks.push(chunk);
      assert.deepEqual(Buffer.concat(chunks), patternBytes(10_000));
      await released(file);
    });

    it('reads no further than the other side asks', async () => {
      const file = new MemoryFile(10_000);
      const reader = transferred(createReadable(file, { chunkSize: 10 })).getReader();
      for (let i = 0; i < 5; i++) await reader.read();
      for (let i = 0; i < 50; i++) await turn();
      assert.ok(file.reads <= 8, `${file.reads} reads`);
      await reader.cancel();
      await released(file);
    });

    it('lets go when the other side cancels', async () => {
      const file = new MemoryFile(10_000);
      const reader = transferred(createReadable(file, { chunkSize: 10 })).getReader();
      await reader.read();
      await reader.cancel('enough');
      await released(file);
    });

    it('fails there as it does here', async () => {
      const lost = new MappedFileError('ERR_MAPPED_FILE_TRUNCATED', 'The file shrank', { position: 20 });
      const file = new MemoryFile(100);
      file.onRead = failAt(3, lost);
      const reader = transferred(createReadable(file, { chunkSize: 10 })).getReader();
      const read = async (): Promise<number> => {
        let bytes = 0;
        for (let result = await reader.read(); !result.done; result = await reader.read()) bytes += result.value.length;
        return bytes;
      };
      await assert.rejects(read(), /The file shrank/);
      await assert.rejects(reader.closed, /The file shrank/);
      await released(file);
    });

    it('is refused when it is locked', async () => {
      const file = new MemoryFile(100);
      const stream = createReadable(file);
      const reader = stream.getReader();
      assert.throws(() => transferred(stream), { name: 'DataCloneError' });
      const { value } = await reader.read();
      assert.deepEqual(Buffer.from(value as Uint8Array), patternBytes(100));
      await released(file);
    });
  });

  describe('writable()', () => {
    it('has all that was written there when it is closed', async () => {
      const file = new MemoryFile();
      file.onWrite = later();
      const writer = transferred(createWritable(file)).getWriter();
      const bytes = patternBytes(5000);
      for (let i = 0; i < 5000; i += 500) await writer.write(bytes.subarray(i, i + 500));
      await writer.write('text');
      await writer.close();
      await released(file);
      assert.deepEqual(file.content, Buffer.concat([bytes, Buffer.from('text')]));
    });

    it('has a prefix of it when it is aborted there', async () => {
      const file = new MemoryFile();
      file.onWrite = later();
      const writer = transferred(createWritable(file)).getWriter();
      await writer.write('abc');
      writer.write('def').catch(() => {});
      writer.closed.catch(() => {});
      await writer.abort(new Error('enough'));
      await released(file);
      assert.ok('abcdef'.startsWith(file.content.toString()));
    });

    it('fails there when a write fails here', async () => {
      const file = new MemoryFile();
      file.onWrite = failAt(2, systemError(28, 'write', '/memory'), true);
      const writer = transferred(createWritable(file)).getWriter();
      writer.ready.catch(() => {});
      const closed = assert.rejects(writer.closed, /ENOSPC/);
      await assert.rejects(async () => {
        for (;;) await writer.write('abc');
      }, /ENOSPC/);
      await closed;
      assert.equal(file.content.toString(), 'abc');
      await released(file);
    });
  });

  describe('to a thread', () => {
    let worker: Worker;
    before(() => (worker = new Worker(program, { eval: true })));
    after(() => worker.terminate());

    async function ask(message: object): Promise<unknown> {
      const streams = Object.values(message).filter((value) => typeof value === 'object');
      worker.postMessage(message, streams);
      return ((await once(worker, 'message')) as [unknown])[0];
    }

    for (const { name, options } of configurations) {
      it(`copy a file (${name})`, async () => {
        using folder = new Folder();
        await using source = await MappedFile.open(folder.file(300_000), 'r', options());
        await using target = await MappedFile.open(folder.join('target'), 'w+', options());
        const readable = source.readable({ chunkSize: 70_000 });
        assert.equal(await ask({ readable, writable: target.writable() }), 'done');
        while (target.size < 300_000) await turn();
        assert.deepEqual(await target.slice(), oracle(0, 300_000));
      });
    }

    it('give copies of borrowed chunks', async () => {
      using folder = new Folder();
      await using source = await MappedFile.open(folder.file(300_000));
      await using target = await MappedFile.open(folder.join('target'), 'w+');
      const readable = source.readable({ borrow: true, chunkSize: 70_000, start: 5 });
      assert.equal(await ask({ readable, writable: target.writable() }), 'done');
      while (target.size < 299_995) await turn();
      assert.deepEqual(await target.slice(), oracle(5, 299_995));
    });

    it('end with the file, and with the loop that is left', async () => {
      using folder = new Folder();
      const source = await MappedFile.open(folder.file(300_000));
      assert.equal(await ask({ readable: source.readable({ chunkSize: 1000 }), most: 5000 }), 'done');
      const waiting = ask({ readable: source.readable({ follow: true }), most: Infinity });
      await source.close();
      assert.match(String(await waiting), /closed/);
    });
  });
});
