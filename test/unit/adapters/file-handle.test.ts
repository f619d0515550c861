/** The handle against node:fs's own. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import fs from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { MappedFile } from 'sliding-mmap';
import { toFileHandle } from 'sliding-mmap/adapters';
import { Folder, oracle } from '../../helpers/files.js';
import { configurations, granule } from '../../helpers/sizes.js';

const size = 2 * granule + 99;

async function streamed(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** All that a handle does, and what came of it. */
async function exercise(handle: FileHandle): Promise<unknown[]> {
  const seen: unknown[] = [];
  const buffer = Buffer.alloc(50);
  for (const position of [0, granule - 20, size - 10, size, size + 5]) {
    buffer.fill(0);
    const result = await handle.read(buffer, 3, 40, position);
    seen.push(result.bytesRead, result.buffer === buffer, buffer.toString('hex'));
  }
  const view = new DataView(new ArrayBuffer(20), 4, 8);
  seen.push((await handle.read(view, { position: 1000 })).bytesRead, view.getUint32(0));
  seen.push((await handle.read(buffer, 0, 10, null)).bytesRead, buffer.toString('hex'));
  const pair = [Buffer.alloc(5), Buffer.alloc(6)];
  seen.push((await handle.readv(pair, 77)).bytesRead, Buffer.concat(pair).toString('hex'));
  seen.push((await handle.write(Buffer.from('some'), 0, 4, 500)).bytesWritten);
  seen.push((await handle.write('text', size + 10, 'latin1')).bytesWritten);
  seen.push((await handle.writev([Buffer.from('a'), Buffer.from('bc')], 700)).bytesWritten);
  seen.push((await handle.stat()).size, typeof (await handle.stat({ bigint: true })).size);
  await handle.truncate(size + 12);
  await handle.chmod(0o600);
  await handle.utimes(1000, 2000);
  await handle.datasync();
  await handle.sync();
  const { mode, mtimeMs } = await handle.stat();
  seen.push(mode, mtimeMs, (await handle.readFile('hex')).length, handle.fd > 2);
  await handle.appendFile('more');
  seen.push((await handle.stat()).size);
  seen.push(await streamed(handle.createReadStream({ start: 3, end: 600, autoClose: false })));
  await handle.writeFile('at the cursor');
  seen.push(await streamed(handle.createReadStream({ start: 0, autoClose: false })));
  // This one closes its handle.
  const writer = handle.createWriteStream({ start: 20 });
  writer.end('written');
  await once(writer, 'close');
  await handle.close();
  seen.push(handle.fd);
  return seen;
}

for (const { name, options } of configurations) {
  describe(`adapters: toFileHandle, ${name}`, () => {
    it("does what node:fs's handle does", async () => {
      using folder = new Folder();
      const [ours, theirs] = [folder.file(size, 'ours'), folder.file(size, 'theirs')];
      await using file = await MappedFile.open(ours, 'r+', options());
      const seen = await exercise(toFileHandle(file));
      assert.deepEqual(seen, await exercise(await open(theirs, 'r+')));
      assert.ok(fs.readFileSync(ours).equals(fs.readFileSync(theirs)));
      assert.equal(file.size, fs.statSync(ours).size);
    });
  });
}

describe('adapters: toFileHandle', () => {
  let folder: Folder;
  let file: MappedFile;
  beforeEach(() => {
    folder = new Folder();
    file = MappedFile.openSync(folder.file('one\ntwo\r\nthree'), 'r+');
  });
  afterEach(async () => {
    await file.close();
    folder[Symbol.dispose]();
  });

  it('has every method that a FileHandle has', async () => {
    const theirs = await open(file.path!, 'r');
    const handle = toFileHandle(file) as unknown as Record<string, unknown>;
    const known = Object.getOwnPropertyNames(Object.getPrototypeOf(theirs)).filter(
      (name) => name !== 'constructor' && name !== 'getAsyncId' && name !== 'onread',
    );
    for (const name of known) assert.ok(name in handle, name);
    assert.equal(typeof toFileHandle(file)[Symbol.asyncDispose], 'function');
    await theirs.close();
  });

  it('reads lines, and a web stream', async () => {
    const lines: string[] = [];
    for await (const line of toFileHandle(file).readLines()) lines.push(line);
    assert.deepEqual(lines, ['one', 'two', 'three']);
    const stream = toFileHandle(file).readableWebStream() as AsyncIterable<Uint8Array>;
    assert.equal((await streamed(stream)).toString(), 'one\ntwo\r\nthree');
  });

  it('once closed, has no descriptor and rejects; the file stays open', async () => {
    const handle = toFileHandle(file);
    const closed = once(handle as unknown as NodeJS.EventEmitter, 'close');
    await handle.close();
    await handle.close();
    await closed;
    assert.equal(handle.fd, -1);
    await assert.rejects(handle.read(Buffer.alloc(1), 0, 1, 0), { code: 'EBADF', syscall: 'read' });
    await assert.rejects(handle.stat(), { code: 'EBADF', syscall: 'fstat' });
    assert.throws(() => handle.createReadStream(), { code: 'EBADF' });
    assert.deepEqual(await file.slice(0, 3), Buffer.from('one'));
  });

  it('closes the file with autoClose', async () => {
    await toFileHandle(file, { autoClose: true })[Symbol.asyncDispose]();
    assert.equal(file.closed, true);
    assert.equal(oracle(0, 1).length, 1);
  });

  it('rejects, and throws nothing, for wrong arguments of a read', async () => {
    const handle = toFileHandle(file);
    await assert.rejects(handle.read(Buffer.alloc(1), 0, 2, 0), { code: 'ERR_OUT_OF_RANGE' });
    await assert.rejects(handle.read('a' as never), { code: 'ERR_INVALID_ARG_TYPE' });
  });
});
