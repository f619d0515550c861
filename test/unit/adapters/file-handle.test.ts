/** The handle against node:fs's own. */
import assert from 'node:assert/strict';
import { pbkdf2 } from 'node:crypto';
import { once } from 'node:events';
import fs from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { MappedFile } from 'sliding-mmap';
import { toFileHandle } from 'sliding-mmap/adapters';
import { Folder, oracle } from '../../helpers/files.js';
import { configurations, granule } from '../../helpers/sizes.js';
import { itUnless, onlyLinuxTells } from '../../helpers/systems.js';

const size = 2 * granule + 99;
const derive = promisify(pbkdf2);

async function streamed(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** The methods of a FileHandle that @types/node does not know. */
type Untyped = FileHandle & { getAsyncId(): number };

/** Keeps all threads of the pool at work, so that what is asked of it later has to wait. */
async function occupied(): Promise<void> {
  const threads = Number(process.env.UV_THREADPOOL_SIZE ?? 4);
  await Promise.all(Array.from({ length: threads }, () => derive('secret', 'salt', 20_000, 64, 'sha512')));
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
  await handle.writeFile(['and ', 'more'] as never);
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
      (name) => name !== 'constructor' && name !== 'onread',
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
    const closedAs = { code: 'EBADF', syscall: 'read', message: 'file closed' };
    await assert.rejects(handle.read(Buffer.alloc(1), 0, 1, 0), closedAs);
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

  describe('what is pending', () => {
    const long = 5 * 1024 * 1024 + 7;
    let other: string;
    beforeEach(async () => {
      await file.close();
      file = await MappedFile.open(folder.file(long, 'long'), 'r+');
      other = folder.file('of another file', 'other');
    });

    it('keeps the descriptor open when the file is closed', async () => {
      const { path } = file;
      fs.chmodSync(other, 0o640);
      const before = fs.statSync(other);
      const calls: Array<(handle: FileHandle) => Promise<unknown>> = [
        (handle) => handle.writeFile('meant for the first'),
        (handle) => handle.appendFile('meant for the first'),
        (handle) => handle.chmod(0o600),
        (handle) => handle.chown(before.uid, before.gid),
        (handle) => handle.utimes(1, 1),
        async (handle) => assert.equal((await handle.stat()).size, long),
      ];
      for (const call of calls) {
        const opened = await MappedFile.open(path!, 'r+');
        const working = occupied();
        const called = call(toFileHandle(opened));
        opened.closeSync();
        const reused = fs.openSync(other, 'r+');
        await called;
        await working;
        fs.closeSync(reused);
      }
      const after = fs.statSync(other);
      assert.deepEqual([after.mode, after.mtimeMs, after.size], [before.mode, before.mtimeMs, before.size]);
      assert.equal(fs.readFileSync(other, 'latin1'), 'of another file');
      assert.equal(fs.readFileSync(path!, 'latin1').slice(0, 19), 'meant for the first');
    });

    for (const autoClose of [true, false]) {
      it(`is waited for by close, ${autoClose ? 'which closes the file' : 'which leaves the file open'}`, async () => {
        const handle = toFileHandle(file, { autoClose });
        let settled = 0;
        const noted = async <T>(promise: Promise<T>): Promise<T> => {
          const result = await promise;
          settled++;
          return result;
        };
        const whole = noted(handle.readFile());
        const written = noted(handle.write('changed', 0));
        const iterated = noted(
          handle.writeFile(
            (async function* () {
              await whole;
              yield 'the first, ';
              yield Buffer.from('the second');
            })() as never,
          ),
        );
        await handle.close();
        assert.equal(settled, 3);
        assert.equal((await whole).length, long);
        await Promise.all([written, iterated]);
        assert.equal(file.closed, autoClose);
        const found = fs.readFileSync(folder.join('long'));
        assert.equal(found.toString('latin1', 0, 7), 'changed');
        assert.equal(found.toString('latin1', long), 'the first, the second');
      });
    }

    it('is written by its streams before it is closed', async () => {
      const handle = toFileHandle(file, { autoClose: true });
      const writer = handle.createWriteStream({ start: 10 });
      const reader = handle.createReadStream();
      writer.write(oracle(0, 1024 * 1024));
      await handle.close();
      assert.ok(writer.writableFinished && writer.closed && reader.closed);
      assert.ok(
        fs
          .readFileSync(folder.join('long'))
          .subarray(10, 10 + 1024 * 1024)
          .equals(oracle(0, 1024 * 1024)),
      );
    });

    it('is aborted, in the form of node:fs', async () => {
      const theirs = await open(folder.join('long'), 'r+');
      for (const handle of [toFileHandle(file), theirs]) {
        const reading = new AbortController();
        const read = handle.readFile({ signal: reading.signal });
        reading.abort(new Error('enough'));
        await assert.rejects(read, { name: 'AbortError', code: 'ABORT_ERR', cause: reading.signal.reason });
        const writing = new AbortController();
        const write = handle.writeFile(Buffer.alloc(3 * 1024 * 1024), { signal: writing.signal });
        writing.abort();
        await assert.rejects(write, { name: 'AbortError', code: 'ABORT_ERR' });
      }
      await theirs.close();
    });
  });

  it('reads the whole of what is left, in any encoding', async () => {
    const theirs = await open(file.path!, 'r');
    for (const encoding of ['utf8', 'latin1', 'base64', null] as const) {
      const handle = toFileHandle(await MappedFile.open(file.path!), { autoClose: true });
      await handle.read(Buffer.alloc(4), 0, 4, null);
      await theirs.read(Buffer.alloc(4), 0, 4, 0);
      const rest = fs.readFileSync(file.path!).subarray(4);
      assert.deepEqual(await handle.readFile({ encoding }), encoding === null ? rest : rest.toString(encoding));
      assert.equal(await handle.readFile('utf8'), '');
      await handle.close();
    }
    await using huge = await MappedFile.open(folder.sparse(2 ** 31));
    await assert.rejects(toFileHandle(huge).readFile(), { name: 'RangeError', code: 'ERR_FS_FILE_TOO_LARGE' });
    await assert.rejects(toFileHandle(file).readFile('none' as never), { code: 'ERR_INVALID_ARG_VALUE' });
    await assert.rejects(toFileHandle(file).readFile(5 as never), { code: 'ERR_INVALID_ARG_TYPE' });
    await theirs.close();
  });

  itUnless(onlyLinuxTells, 'reads the whole of a file without a size, and tells why it cannot', async () => {
    await using status = await MappedFile.open('/proc/self/status');
    assert.match(await toFileHandle(status).readFile('utf8'), /^Pid:\t\d+$/m);
    // What is not mapped at 0.
    await using memory = await MappedFile.open('/proc/self/mem');
    await assert.rejects(toFileHandle(memory).readFile(), { code: 'EIO', syscall: 'read' });
  });

  it('writes strings, buffers, and what iterables give', async () => {
    const handle = toFileHandle(file);
    await handle.writeFile('6869', 'hex');
    await handle.writeFile(new Uint16Array([0x4141, 0x4242]) as never);
    await handle.writeFile(Readable.from([Buffer.from('stream'), 'ed']) as never, { flush: true } as never);
    assert.equal((await file.slice()).toString('latin1'), 'hiAABBstreamed');
    await assert.rejects(handle.writeFile(5 as never), { code: 'ERR_INVALID_ARG_TYPE' });
    await assert.rejects(handle.writeFile([5] as never), { code: 'ERR_INVALID_ARG_TYPE' });
    file.protect('read');
    await assert.rejects(handle.writeFile('no'), { code: 'ERR_MAPPED_FILE_READ_ONLY' });
  });

  it('has a number of its own for node:async_hooks', () => {
    const handle = toFileHandle(file) as Untyped;
    assert.equal(handle.getAsyncId(), handle.getAsyncId());
    assert.notEqual(handle.getAsyncId(), (toFileHandle(file) as Untyped).getAsyncId());
  });
});
