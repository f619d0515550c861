/**
 * The smoke part of the tests: what has to work wherever the addon loads, written without a test runner, so that any
 * runtime can run it. Prints a line for each step that failed, and last how many passed and failed.
 */
import assert from 'node:assert/strict';
import { constants } from 'node:buffer';
import { spawnSync } from 'node:child_process';
import nodeFs from 'node:fs';
import path from 'node:path';
import { Readable } from 'node:stream';
import { Worker } from 'node:worker_threads';
import { MappedFile, MappedFileError, WindowPool } from 'sliding-mmap';
import { toBlob } from 'sliding-mmap/adapters';
import mappedFs from 'sliding-mmap/fs';
import { open as openHandle } from 'sliding-mmap/fs/promises';
import { native } from '#src/native.js';
import { Folder, byteAt, oracle } from '../helpers/files.js';

const GiB = 2 ** 30;
const folder = new Folder();
let passed = 0;
let failed = 0;
let skipped = 0;

/** What an emulator cannot do, by commas: `processes`, to start one of this runtime; `faults`, to pass on a SIGBUS. */
const missing = new Set(process.env.SMOKE_WITHOUT?.split(','));
// A mapped file cannot be cut there.
if (process.platform === 'win32') missing.add('faults');

async function step(what: string, run: () => Promise<void> | void, needs?: 'processes' | 'faults'): Promise<void> {
  if (needs !== undefined && missing.has(needs)) {
    skipped++;
    return;
  }
  const ranges = native.mappingCount();
  try {
    await run();
    assert.equal(native.mappingCount(), ranges, 'mappings were left behind');
    passed++;
  } catch (error) {
    failed++;
    console.log(`FAILED ${what}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  }
}

/** Lets the collector run, where the runtime has a way to ask for it. */
async function collect(): Promise<void> {
  const { gc, Bun } = globalThis as { gc?: () => void; Bun?: { gc(sync: boolean): void } };
  for (let i = 0; i < 4; i++) {
    gc?.();
    Bun?.gc(true);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

async function withFile(size: number, use: (file: MappedFile, name: string) => Promise<void> | void): Promise<void> {
  const name = folder.file(size, 'with-file');
  const file = await MappedFile.open(name, 'r+');
  try {
    await use(file, name);
  } finally {
    await file.close();
  }
}

const smallWindows = () => ({ windowSize: 64 * 1024, pool: new WindowPool({ limit: 256 * 1024 }) });

await step('numbers, in both byte orders, as DataView has them', () =>
  withFile(4096, (file) => {
    const view = new DataView(oracle(0, 4096).buffer);
    for (const at of [0, 1, 7, 1001, 4088]) {
      for (const littleEndian of [false, true]) {
        assert.equal(file.getInt8(at), view.getInt8(at));
        assert.equal(file.getUint8(at), view.getUint8(at));
        assert.equal(file.getInt16(at, littleEndian), view.getInt16(at, littleEndian));
        assert.equal(file.getUint16(at, littleEndian), view.getUint16(at, littleEndian));
        assert.equal(file.getInt32(at, littleEndian), view.getInt32(at, littleEndian));
        assert.equal(file.getUint32(at, littleEndian), view.getUint32(at, littleEndian));
        assert.equal(file.getBigInt64(at, littleEndian), view.getBigInt64(at, littleEndian));
        assert.equal(file.getBigUint64(at, littleEndian), view.getBigUint64(at, littleEndian));
        assert.deepEqual(file.getFloat32(at, littleEndian), view.getFloat32(at, littleEndian));
        assert.deepEqual(file.getFloat64(at, littleEndian), view.getFloat64(at, littleEndian));
      }
    }
  }),
);

await step('numbers that are set are on disk, in the byte order asked for', () =>
  withFile(4096, (file, name) => {
    file.setUint32(1, 0x01020304);
    file.setUint32(5, 0x01020304, true);
    file.setFloat64(9, 1);
    file.setBigUint64(17, 0x0102030405060708n, true);
    const bytes = nodeFs.readFileSync(name);
    assert.equal(bytes.toString('hex', 1, 25), '01020304040302013ff00000000000000807060504030201');
  }),
);

await step('windows slide over a file that is larger than the pool', async () => {
  const size = 2 ** 22;
  const name = folder.file(size, 'sliding');
  const file = MappedFile.openSync(name, 'r', smallWindows());
  for (let position = 0; position < size; position += 4093) assert.equal(file.getUint8(position), byteAt(position));
  for (let position = size - 1; position >= 0; position -= 4091) {
    assert.equal(file.getUint8(position), byteAt(position));
  }
  assert.ok(file.stats().slides > 1);
  file.closeSync();
});

await step('positions beyond 4 GiB, and a file of 40 GiB', async () => {
  const size = 40 * GiB;
  const places = [2 ** 31, 2 ** 32 + 5, 9 * GiB, size - 64];
  const file = await MappedFile.open(folder.sparse(size, places), 'r+');
  for (const place of places) {
    assert.equal(file.getUint8(place), byteAt(place));
    assert.deepEqual(await file.slice(place - 10, place + 10), oracle(place - 10, 20));
  }
  file.setUint8(20 * GiB, 77);
  assert.equal(file.sliceSync(20 * GiB, 20 * GiB + 1)[0], 77);
  if (native.pointerSize === 8) for (let i = 0; i < 40; i++) file.getUint8(i * GiB + 99);
  await file.close();
});

await step('read and write, with the arguments of node:fs', () =>
  withFile(10_000, async (file, name) => {
    const target = Buffer.alloc(100);
    assert.deepEqual(await file.read(target, 0, 100, 50), { bytesRead: 100, buffer: target });
    assert.deepEqual(target, oracle(50, 100));
    assert.equal(file.readSync(target, { position: 9_990 }), 10);
    await file.write('äöü', 10_000);
    assert.equal(file.size, 10_006);
    file.writeSync(Buffer.from('gap'), 0, 3, 12_000);
    assert.equal(nodeFs.statSync(name).size, 12_003);
    assert.equal(nodeFs.readFileSync(name).toString('utf8', 10_000, 10_006), 'äöü');
    await file.truncate(5);
    assert.equal(file.size, 5);
    await file.flush();
    file.flushSync();
  }),
);

await step('views: shared, private, released at once and detached', () =>
  withFile(100_000, async (file, name) => {
    const view = file.view(5_000, 9_001);
    const { bytes } = view;
    assert.deepEqual(Buffer.from(bytes), oracle(5_000, 4_001));
    bytes[0] = 1;
    assert.equal(file.getUint8(5_000), 1);
    assert.equal(nodeFs.readFileSync(name)[5_000], 1);
    await view.flush();
    view.dispose();
    assert.equal(bytes.length, 0);
    const own = file.view(0, 10, { access: 'private' });
    own.bytes[0] = byteAt(0) ^ 1;
    assert.equal(file.getUint8(0), byteAt(0));
    await own.commit();
    assert.equal(file.getUint8(0), byteAt(0) ^ 1);
    own.dispose();
    for (let i = 0; i < 2_000; i++) file.view(i, i + 50_000).dispose();
  }),
);

await step('a view that nobody released is unmapped by the collector', async () => {
  await withFile(100_000, async (file) => {
    const before = native.mappingCount();
    // Several collections: those after the first find what a finalizer has spoiled.
    for (let round = 0; round < 8; round++) {
      for (let i = 0; i < 20; i++) assert.equal(file.view(i, 50_000).bytes[0], byteAt(i));
      await collect();
    }
    // Engines look through the stack for what may be a pointer, and keep one or the other.
    if (canCollect()) assert.ok(native.mappingCount() - before < 20, 'none was collected');
  });
});

function canCollect(): boolean {
  return 'gc' in globalThis || 'Bun' in globalThis;
}

await step('a transferred view is the receiver’s, or the engine refuses', () =>
  withFile(100_000, async (file) => {
    const view = file.view(100, 200);
    const { buffer, byteOffset } = view;
    let moved: ArrayBuffer | undefined;
    try {
      moved = structuredClone(buffer, { transfer: [buffer] });
    } catch (error) {
      assert.equal((error as Error).name, 'DataCloneError');
      assert.deepEqual(Buffer.from(view.bytes), oracle(100, 100));
    }
    if (moved) assert.deepEqual(Buffer.from(moved, byteOffset, 100), oracle(100, 100));
    view.dispose();
    if (moved) assert.deepEqual(Buffer.from(moved, byteOffset, 100), oracle(100, 100));
    moved = undefined; // eslint-disable-line no-useless-assignment -- the collector shall take it
    await collect();
  }),
);

await step('a view as long as the engine allows, and no longer', async () => {
  if (native.pointerSize < 8) return;
  const file = await MappedFile.open(folder.sparse(5 * GiB, [4 * GiB]), 'r');
  if (constants.MAX_LENGTH < 5 * GiB) {
    assert.throws(() => file.view(0, 5 * GiB), { code: 'ERR_OUT_OF_RANGE' });
  } else {
    const view = file.view(0, 5 * GiB);
    assert.equal(view.bytes[4 * GiB], byteAt(4 * GiB));
    view.dispose();
  }
  await file.close();
});

await step('a WHATWG byte stream, by default and BYOB readers', () =>
  withFile(300_000, async (file) => {
    const chunks: Uint8Array[] = [];
    for await (const chunk of file.readable({ chunkSize: 10_000 })) chunks.push(chunk);
    assert.deepEqual(Buffer.concat(chunks), oracle(0, 300_000));
    const reader = file.readable({ start: 7, end: 107 }).getReader({ mode: 'byob' });
    let buffer = new ArrayBuffer(64);
    const got: number[] = [];
    for (;;) {
      const { value, done } = await reader.read(new Uint8Array(buffer));
      if (done) break;
      got.push(...value);
      buffer = value.buffer;
    }
    assert.deepEqual(Buffer.from(got), oracle(7, 100));
    let borrowed = 0;
    for await (const chunk of file.readable({ borrow: true, chunkSize: 65_536 })) {
      assert.equal(chunk[0], byteAt(borrowed));
      borrowed += chunk.length;
    }
    assert.equal(borrowed, 300_000);
    assert.deepEqual(Buffer.from(await new Response(file.readable({ end: 1000 })).arrayBuffer()), oracle(0, 1000));
  }),
);

await step('a WHATWG stream into a file', () =>
  withFile(10, async (file, name) => {
    const writer = file.writable({ start: 10 }).getWriter();
    await writer.write('text, ');
    await writer.write(new Uint8Array(70_000).fill(9));
    await writer.close();
    const bytes = nodeFs.readFileSync(name);
    assert.equal(bytes.length, 70_016);
    assert.equal(bytes.toString('latin1', 10, 16), 'text, ');
    assert.equal(bytes[70_015], 9);
  }),
);

await step('Node’s streams', () =>
  withFile(200_000, async (file) => {
    const chunks: Buffer[] = [];
    for await (const chunk of file.createReadStream({ start: 5, end: 150_000 })) chunks.push(chunk as Buffer);
    assert.deepEqual(Buffer.concat(chunks), oracle(5, 149_996));
    const out = file.createWriteStream({ start: 200_000 });
    await new Promise<void>((resolve, reject) => {
      Readable.from([Buffer.from('one'), Buffer.from('two')]).pipe(out);
      out.on('close', resolve).on('error', reject);
    });
    assert.equal(file.sliceSync(200_000).toString(), 'onetwo');
  }),
);

await step('chunks, borrowed and detached after their turn', () =>
  withFile(500_000, (file) => {
    let position = 0;
    let last: Uint8Array | undefined;
    for (const chunk of file.chunks({ chunkSize: 65_536 })) {
      assert.equal(last?.length ?? 0, 0);
      assert.equal(chunk[0], byteAt(position));
      position += chunk.length;
      last = chunk;
    }
    assert.equal(position, 500_000);
  }),
);

const wide = Array.from({ length: 5_000 }, (_, i) => `line ${i}: ${'äx€'.repeat(i % 17)}`);

await step('lines, in three encodings, forwards and backwards; search; an index that is saved', async () => {
  for (const encoding of ['utf8', 'utf16le', 'latin1'] as const) {
    const wanted = encoding === 'latin1' ? wide.map((line) => line.replaceAll('€', '')) : wide;
    const name = folder.file(Buffer.from(wanted.join('\n') + '\n', encoding), encoding);
    const file = await MappedFile.open(name, 'r', smallWindows());
    assert.deepEqual([...file.lines({ encoding })], wanted);
    assert.deepEqual([...file.lines({ encoding, reverse: true })], wanted.toReversed());
    const found: string[] = [];
    for await (const line of file.lines({ encoding })) found.push(line);
    assert.deepEqual(found, wanted);
    const saved = folder.join(`${encoding}.index`);
    await (await file.lineIndex({ encoding })).save(saved);
    const index = await file.lineIndex({ encoding, from: saved });
    assert.equal(await index.line(4_322), wanted[4_321]);
    await file.close();
  }
  const file = await MappedFile.open(folder.join('utf8'));
  assert.equal(file.indexOf('line 4999:'), nodeFs.readFileSync(folder.join('utf8')).indexOf('line 4999:'));
  assert.equal(file.lastIndexOf('no such thing'), -1);
  let matches = 0;
  for await (const match of file.matches(['line 7:', '€'])) matches += match.position >= 0 ? 1 : 0;
  assert.equal(matches, 1 + wide.join('').split('€').length - 1);
  await file.close();
});

const shrink = () =>
  withFile(1_000_000, async (file, name) => {
    assert.equal(file.getUint8(900_000), byteAt(900_000));
    const view = file.view(800_000, 900_000);
    nodeFs.truncateSync(name, 1_000);
    assert.throws(
      () => file.getUint8(900_000),
      (error) => (error as MappedFileError).code === 'ERR_MAPPED_FILE_TRUNCATED',
    );
    assert.equal(view.bytes[50_000], 0);
    assert.throws(() => view.dispose(), { code: 'ERR_MAPPED_FILE_TRUNCATED' });
  });
await step('a file that shrinks under its mappings is an error, and no signal', shrink, 'faults');

await step('errors: no such file, a folder, after close, wrong arguments', async () => {
  await assert.rejects(MappedFile.open(folder.join('nothing')), { code: 'ENOENT', syscall: 'open' });
  assert.throws(() => MappedFile.openSync(folder.path), { code: 'EISDIR' });
  const file = MappedFile.openSync(folder.file(10));
  assert.throws(() => file.setUint8(0, 1), { code: 'ERR_MAPPED_FILE_READ_ONLY' });
  assert.throws(() => file.getUint8('0' as never), { code: 'ERR_INVALID_ARG_TYPE' });
  assert.throws(() => file.getUint32(7), { code: 'ERR_OUT_OF_RANGE' });
  file.closeSync();
  assert.throws(() => file.getUint8(0), { code: 'ERR_MAPPED_FILE_CLOSED' });
});

await step('workers, one after the other and at the same time', () =>
  withFile(50_000, async (file, name) => {
    const bytes = oracle(0, 50_000);
    const sum = bytes.reduce((total, byte) => total + byte, 0);
    const program = new URL('smoke.worker.js', import.meta.url);
    const ask = (writeAt: number) =>
      new Promise<number>((resolve, reject) => {
        const worker = new Worker(program, { workerData: { path: name, writeAt } });
        worker.on('error', reject);
        worker.on('message', (found: number) => void worker.terminate().then(() => resolve(found), reject));
      });
    file.setUint32(0, 0xfeedbeef);
    const changed = sum - bytes.subarray(0, 4).reduce((total, byte) => total + byte, 0) + 0xfe + 0xed + 0xbe + 0xef;
    assert.equal(await ask(0), changed);
    assert.deepEqual(await Promise.all([ask(0), ask(0), ask(0)]), [changed, changed, changed]);
    assert.equal(file.getUint32(0), 0xfeedbeef);
  }),
);

await step('locks', () =>
  withFile(100, async (file, name) => {
    const other = await MappedFile.open(name, 'r+');
    const lock = await file.lock();
    assert.equal(other.tryLock(), null);
    lock.release();
    const second = other.tryLock();
    assert.ok(second);
    second.release();
    await other.close();
  }),
);

await step('sliding-mmap/fs and its promises', async () => {
  const name = folder.file(100_000, 'by-fs');
  const fd = mappedFs.openSync(name, 'r');
  const target = Buffer.alloc(64);
  assert.equal(mappedFs.readSync(fd, target, 0, 64, 70_000), 64);
  assert.deepEqual(target, oracle(70_000, 64));
  const { bytesRead } = await new Promise<{ bytesRead: number }>((resolve, reject) => {
    mappedFs.read(fd, target, 0, 64, 10, (error, count) => (error ? reject(error) : resolve({ bytesRead: count })));
  });
  assert.equal(bytesRead, 64);
  assert.deepEqual(target, oracle(10, 64));
  mappedFs.closeSync(fd);
  const handle = await openHandle(name, 'r');
  assert.equal((await handle.read(target, 0, 64, 90_000)).bytesRead, 64);
  assert.deepEqual(target, oracle(90_000, 64));
  await handle.close();
  const chunks: Buffer[] = [];
  for await (const chunk of mappedFs.createReadStream(name)) chunks.push(chunk as Buffer);
  assert.deepEqual(Buffer.concat(chunks), oracle(0, 100_000));
});

await step('adapters: a Blob', () =>
  withFile(10_000, async (file) => {
    const blob = toBlob(file);
    assert.equal(blob.size, 10_000);
    assert.deepEqual(Buffer.from(await blob.slice(10, 500).arrayBuffer()), oracle(10, 490));
  }),
);

await step('backing "read", where nothing is mapped', async () => {
  const name = folder.file(100_000, 'by-read');
  const file = await MappedFile.open(name, 'r+', { backing: 'read' });
  assert.equal(file.backing, 'read');
  assert.equal(file.getUint8(90_000), byteAt(90_000));
  const view = file.view(10, 20);
  view.bytes[0] = byteAt(10) ^ 1;
  view.dispose();
  assert.equal(nodeFs.readFileSync(name)[10], byteAt(10) ^ 1);
  await file.close();
});

const leaveOpen = () => {
  const name = folder.file(100_000, 'left-open');
  const program = folder.file(
    `import { MappedFile } from ${JSON.stringify(import.meta.resolve('sliding-mmap'))};
     globalThis.kept = MappedFile.openSync(${JSON.stringify(name)}, 'r+');
     globalThis.view = kept.view(5, 5000);
     kept.getUint8(3);
     console.log(view.bytes.length);`,
    'left-open.mjs',
  );
  const options = 'Deno' in globalThis ? ['run', '-A'] : process.execArgv;
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, [...options, program], {
    encoding: 'utf8',
    cwd: path.dirname(program),
  });
  assert.deepEqual({ status, signal, stdout }, { status: 0, signal: null, stdout: '4995\n' }, stderr);
};
await step('a process that does not close its files ends well', leaveOpen, 'processes');

folder[Symbol.dispose]();
console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
process.exitCode = failed > 0 ? 1 : 0;
