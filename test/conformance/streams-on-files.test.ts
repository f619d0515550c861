import assert from 'node:assert/strict';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import type { ByteSink, ByteSource } from '#src/byte-source.js';
import { createReadStream, createWriteStream } from '#src/streams/node.js';
import { createReadable } from '#src/streams/readable.js';
import { createWritable } from '#src/streams/writable.js';
import * as windowCache from '#src/window-cache.js';
import { WindowPool } from '#src/window-pool.js';
import { patternBytes } from '../helpers/memory-source.js';
import { implementations } from '../helpers/stream-classes.js';
import { cannotReserve, itUnless } from '../helpers/systems.js';

interface Cache extends ByteSource, ByteSink {
  readonly fd: number;
  readonly busy: boolean;
  close(): void;
  idle(): Promise<void>;
}

/** The class is left out of the declarations that are shipped. */
const { WindowCache } = windowCache as unknown as { WindowCache: new (options: object) => Cache };

const size = 3_000_007;

for (const windowSize of [undefined, 4096]) {
  describe(`streams on files, with windows of ${windowSize ?? 'the default size'}`, function () {
    this.timeout(30_000);
    const bytes = patternBytes(size);
    let folder: string;
    let path: string;
    const caches: Cache[] = [];

    function open(name: string, flags: string): Cache {
      const fd = openSync(join(folder, name), flags);
      const cache = new WindowCache({
        fd,
        path: join(folder, name),
        writable: flags !== 'r',
        appending: flags.startsWith('a'),
        strict: false,
        windowSize,
        pool: new WindowPool(),
        backing: 'mmap',
        mustMap: false,
        reserving: false,
        advice: undefined,
        extent: 'sized',
        closeDescriptor: () => closeSync(fd),
        nextData: (position: number) => position,
      });
      caches.push(cache);
      return cache;
    }

    beforeEach(() => {
      folder = mkdtempSync(join(tmpdir(), 'streams-'));
      path = join(folder, 'source');
      writeFileSync(path, bytes);
    });

    afterEach(async () => {
      for (const cache of caches.splice(0)) {
        await cache.idle(); // what was being read ahead
        assert.equal(cache.busy, false, 'a stream still holds the file');
        cache.close();
        await cache.idle();
        closeSync(cache.fd);
      }
      rmSync(folder, { recursive: true });
    });

    for (const [name, classes] of implementations) {
      it(`copy with ${name} classes`, async () => {
        const target = open('target', 'w+');
        await createReadable(open('source', 'r'), { chunkSize: 10_000 }, classes).pipeTo(
          createWritable(
            target,
            { ...(cannotReserve === false && { preallocate: size }), flushOnClose: true },
            classes,
          ),
        );
        assert.ok(readFileSync(join(folder, 'target')).equals(bytes));
      });

      it(`fill BYOB views with ${name} classes`, async () => {
        const reader = createReadable(open('source', 'r'), { start: 5 }, classes).getReader({ mode: 'byob' });
        const got: Uint8Array[] = [];
        for (let buffer = new Uint8Array(70_000); ;) {
          const { value, done } = await reader.read(buffer);
          if (done) break;
          got.push(value.slice());
          buffer = new Uint8Array(value.buffer);
        }
        assert.ok(Buffer.concat(got).equals(bytes.subarray(5)));
      });

      it(`give the bytes that are left of a file that shrinks, with ${name} classes`, async () => {
        const source = open('source', 'r');
        const reader = createReadable(source, { chunkSize: 100_000 }, classes).getReader();
        const got = [(await reader.read()).value as Uint8Array];
        truncateSync(path, 250_001);
        for (let r = await reader.read(); !r.done; r = await reader.read()) got.push(r.value);
        assert.ok(Buffer.concat(got).equals(bytes.subarray(0, 250_001)));
      });
    }

    it("copy with Node's classes, and overwrite the middle", async () => {
      const target = open('target', 'w+');
      await pipeline(createReadStream(open('source', 'r')), createWriteStream(target, { flush: true }));
      await pipeline(createReadStream(open('source', 'r'), { end: 999 }), createWriteStream(target, { start: 1000 }));
      const expected = Buffer.from(bytes);
      expected.copyWithin(1000, 0, 1000);
      assert.ok(readFileSync(join(folder, 'target')).equals(expected));
      assert.ok((await buffer(createReadStream(target))).equals(expected));
    });

    it('append at the end', async () => {
      const stream = createWritable(open('source', 'a+')).getWriter();
      await stream.write('more');
      await stream.close();
      assert.equal(readFileSync(path).subarray(size).toString(), 'more');
    });

    itUnless(
      cannotReserve,
      'leave what had been written, and no reserved block in the size, when they are aborted',
      async () => {
        const target = open('target', 'w+');
        const writer = createWritable(target, { preallocate: 1_000_000 }).getWriter();
        for (const end of [10, 70_000]) await writer.write(bytes.subarray(end === 10 ? 0 : 10, end));
        writer.closed.catch(() => {});
        await writer.abort();
        assert.ok(readFileSync(join(folder, 'target')).equals(bytes.subarray(0, 70_000)));
        const middle = createWritable(target, { start: 35_000 }).getWriter();
        await middle.write(bytes.subarray(0, 100));
        await middle.close();
        const expected = Buffer.concat([
          bytes.subarray(0, 35_000),
          bytes.subarray(0, 100),
          bytes.subarray(35_100, 70_000),
        ]);
        assert.ok(readFileSync(join(folder, 'target')).equals(expected));
      },
    );

    it('write what they had taken when the file is closed', async () => {
      const cache = open('closed', 'w+');
      const chunk = bytes.subarray(0, 20_000);
      const writer = createWritable(cache).getWriter();
      writer.closed.catch(() => {});
      let resolved = 0;
      const writes = Array.from({ length: 90 }, () =>
        writer.write(chunk).then(
          () => void resolved++,
          () => {},
        ),
      );
      // In the midst of the first write to the file.
      while (resolved < 70) await Promise.race([...writes.slice(resolved), new Promise((go) => setImmediate(go))]);
      const taken = resolved;
      cache.close();
      await Promise.all(writes);
      while (cache.busy) await cache.idle();
      const written = readFileSync(join(folder, 'closed'));
      assert.ok(written.length >= taken * chunk.length, `${written.length} bytes of ${taken} chunks`);
      for (let at = 0; at + chunk.length <= written.length; at += chunk.length) {
        assert.ok(written.subarray(at, at + chunk.length).equals(chunk));
      }
    });

    it('refuse a chunk that was detached while it waited', async () => {
      const cache = open('detached', 'w+');
      for (const make of [(length: number) => new Uint8Array(length), (length: number) => new ArrayBuffer(length)]) {
        const writer = createWritable(cache).getWriter();
        const [first, second] = [make(1000), make(1000)];
        const writes = [writer.write(new Uint8Array(first)), writer.write(second as Uint8Array)];
        structuredClone(second, { transfer: [second instanceof ArrayBuffer ? second : second.buffer] });
        const [one, two] = await Promise.allSettled(writes);
        assert.equal(one!.status, 'fulfilled');
        assert.equal(((two as PromiseRejectedResult).reason as { code?: string }).code, 'ERR_INVALID_STATE');
        await assert.rejects(writer.closed, { code: 'ERR_INVALID_STATE' });
      }
    });

    it('end with an error when the file is closed', async () => {
      const source = open('source', 'r');
      const reader = createReadable(source, { chunkSize: 1000 }).getReader();
      await reader.read();
      source.close();
      await assert.rejects(reader.read(), { code: 'ERR_MAPPED_FILE_CLOSED' });
      await assert.rejects(reader.closed, { code: 'ERR_MAPPED_FILE_CLOSED' });
    });
  });
}
