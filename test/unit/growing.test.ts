/** A file that another process appends to. */
import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { fileURLToPath } from 'node:url';
import { MappedFile } from 'sliding-mmap';
import { byteAt, Folder, oracle } from '../helpers/files.js';
import { configurations, granule } from '../helpers/sizes.js';

async function collected(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(Uint8Array.from(chunk));
  return Buffer.concat(chunks);
}

/** What must see the new bytes at once, as node:fs does: given the size before and after. */
const calls: Record<string, (file: MappedFile, old: number, size: number) => unknown> = {
  readSync: (file, old, size) => {
    const bytes = Buffer.alloc(size);
    assert.equal(file.readSync(bytes, 0, size, old - 5), size - old + 5);
    assert.ok(bytes.subarray(0, size - old + 5).equals(oracle(old - 5, size - old + 5)));
  },
  read: async (file, old, size) => {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(size), 0, size, old - 5);
    assert.ok(buffer.subarray(0, bytesRead).equals(oracle(old - 5, size - old + 5)));
  },
  getUint8: (file, _, size) => assert.equal(file.getUint8(size - 1), byteAt(size - 1)),
  slice: async (file, old, size) => assert.ok((await file.slice(old - 1)).equals(oracle(old - 1, size - old + 1))),
  sliceSync: (file, old, size) => assert.ok(file.sliceSync(old - 1, size).equals(oracle(old - 1, size - old + 1))),
  view: (file, _, size) => {
    using view = file.view(size - 8, size);
    assert.ok(oracle(size - 8, 8).equals(view.bytes));
  },
  indexOf: (file, old, size) => assert.equal(file.indexOf(oracle(size - 9, 9), old - 9), size - 9),
  lastIndexOf: (file, _, size) => assert.equal(file.lastIndexOf(oracle(size - 9, 9)), size - 9),
  readable: async (file, old, size) => {
    assert.ok((await collected(file.readable({ start: old - 1 }))).equals(oracle(old - 1, size - old + 1)));
  },
  chunks: (file, old, size) => {
    const chunks: Uint8Array[] = [];
    for (const chunk of file.chunks({ start: old - 1, chunkSize: granule })) chunks.push(chunk.slice());
    assert.ok(Buffer.concat(chunks).equals(oracle(old - 1, size - old + 1)));
  },
  lines: (file, old, size) => {
    const lines = [...file.lines({ start: old - 1, encoding: 'latin1', delimiter: '\n' })];
    const expected = oracle(old - 1, size - old + 1)
      .toString('latin1')
      .split('\n');
    if (expected.at(-1) === '') expected.pop();
    assert.deepEqual(lines, expected);
  },
};

describe('a file that another process appends to', () => {
  let child: ChildProcess;
  let folder: Folder;
  let path: string;
  before(() => {
    folder = new Folder();
    path = folder.file(10);
    child = fork(fileURLToPath(new URL('./appender.program.js', import.meta.url)), [path]);
  });
  after(async () => {
    child.disconnect();
    await once(child, 'exit');
    folder[Symbol.dispose]();
  });
  const append = async (length: number): Promise<number> => {
    child.send(length);
    const [size] = (await once(child, 'message')) as [number];
    return size;
  };

  for (const configuration of configurations) {
    it(`is seen to grow by every call, without refresh, ${configuration.name}`, async () => {
      using file = MappedFile.openSync(path, 'r', configuration.options());
      for (const [name, call] of Object.entries(calls)) {
        for (const length of [1, 9, 300, granule - 1, granule]) {
          const old = fs.statSync(path).size;
          file.refreshSync();
          // So that the last window is there, and ends where the file ended.
          assert.equal(file.getUint8(old - 1), byteAt(old - 1));
          const size = await append(Math.max(length, 9));
          assert.equal(file.size, old, name);
          await call(file, old, size);
        }
      }
    });

    it(`is known after refresh, and the windows grow in place, ${configuration.name}`, async () => {
      using file = MappedFile.openSync(path, 'r', configuration.options());
      file.getUint8(file.size - 1);
      for (let i = 0; i < 20; i++) {
        const size = await append(97);
        assert.equal(await file.refresh(), size);
        const { slides } = file.stats();
        const stays = Math.floor((size - 1) / granule) === Math.floor((size - 98) / granule);
        for (let at = size - 97; at < size; at++) assert.equal(file.getUint8(at), byteAt(at));
        // The page was there: its window is longer now, and was not mapped again.
        if (stays) assert.equal(file.stats().slides, slides);
      }
      assert.ok(file.sliceSync().equals(oracle(0, file.size)));
    });
  }

  it('keeps a stream going that has not yet come to the end', async () => {
    using file = MappedFile.openSync(path, 'r', configurations[2]?.options());
    const old = file.size;
    const reader = file.readable({ chunkSize: 1000 }).getReader();
    const chunks: Uint8Array[] = [];
    let size = old;
    for (let n = 0; ; n++) {
      const { value, done } = await reader.read();
      if (done) break;
      chunks.push(value);
      if (n % 3 === 0 && n < 60) size = await append(500);
    }
    assert.ok(size > old);
    assert.ok(Buffer.concat(chunks).equals(oracle(0, size)));
  });
});

describe('a file that is written past its end', () => {
  /** With which flags, and how. The cursor is at the end. */
  const writes: Record<string, [flags: 'r+' | 'a+', (file: MappedFile, bytes: Buffer, old: number) => unknown]> = {
    'writeSync at a position': ['r+', (file, bytes, old) => file.writeSync(bytes, 0, bytes.length, old)],
    'write at a position': ['r+', (file, bytes, old) => file.write(bytes, 0, bytes.length, old)],
    'writeSync at the cursor': ['r+', (file, bytes) => file.writeSync(bytes)],
    'write at the cursor': ['r+', (file, bytes) => file.write(bytes)],
    'writeSync, appending': ['a+', (file, bytes) => file.writeSync(bytes, 0, bytes.length, 0)],
    'write, appending': ['a+', (file, bytes) => file.write(bytes, 0, bytes.length, 0)],
  };
  for (const [name, [flags, write]] of Object.entries(writes)) {
    for (const configuration of configurations) {
      it(`is seen to have grown by every call, after ${name}, ${configuration.name}`, async () => {
        using folder = new Folder();
        using file = MappedFile.openSync(folder.file(1000), flags, configuration.options());
        file.readSync(Buffer.alloc(1000));
        let size = 1000;
        const grow = async (length: number): Promise<number> => {
          const old = size;
          size += length;
          await write(file, oracle(old, length), old);
          return old;
        };
        for (const call of Object.values(calls)) {
          for (const length of [9, 300, granule]) await call(file, await grow(length), size);
        }
        await grow(10);
        assert.equal(file.size, size);
        await grow(10);
        await file.close();
        assert.equal(file.size, size);
        assert.ok(fs.readFileSync(file.path as string).equals(oracle(0, size)));
      });
    }
  }
});

describe('a file that others made longer', () => {
  it('has their size after a write past the end that was known', () => {
    using folder = new Folder();
    const path = folder.file(100);
    using file = MappedFile.openSync(path, 'r+');
    fs.appendFileSync(path, Buffer.alloc(5000));
    file.writeSync(oracle(200, 10), 0, 10, 200);
    assert.equal(file.size, 5100);
  });
});

describe('a file that another process cuts', () => {
  it('between two blocks of lines, backwards: an error, and no zeroed rest of a page', () => {
    using folder = new Folder();
    const path = folder.file(`${'a line'.padEnd(9)}\n`.repeat(6000));
    using file = MappedFile.openSync(path);
    const seen = new Set<string>();
    // The second block comes out short; what it still wants lies in the page that the cut has zeroed from there on.
    assert.throws(
      () => {
        for (const line of file.lines({ reverse: true })) {
          if (seen.size === 0) fs.truncateSync(path, 26_001);
          seen.add(line);
        }
      },
      { code: 'ERR_MAPPED_FILE_TRUNCATED' },
    );
    assert.deepEqual([...seen], ['a line'.padEnd(9)]);
  });
});
