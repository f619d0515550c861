/** What a file does on a device that fails: `node devices.program.js SCENARIO PATH`. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { MappedFile, type OpenOptions } from 'sliding-mmap';
import { attemptAsync, codeOf } from '../helpers/errors.js';
import { byteAt, oracle } from '../helpers/files.js';

const [scenario, path] = process.argv.slice(2) as [string, string];
const MiB = 2 ** 20;
const IO = 'ERR_MAPPED_FILE_IO';
const NO_SPACE = 'ERR_MAPPED_FILE_NO_SPACE';

/** Keeps the compiler from leaving the reads out. */
let touched = 0;

function touch(chunk: unknown): void {
  if (chunk instanceof Uint8Array) for (let i = 0; i < chunk.length; i += 4096) touched += chunk[i] as number;
}

async function drain(chunks: AsyncIterable<unknown>): Promise<void> {
  for await (const chunk of chunks) touch(chunk);
}

/** The device gives nothing back of 16 MiB. */
async function unreadable(): Promise<void> {
  const from = { start: 3 * MiB };
  const calls: Record<string, [codes: readonly string[], (file: MappedFile) => unknown]> = {
    'a number': [[IO], (file) => file.getUint32(5 * MiB)],
    'readSync, small': [['EIO'], (file) => file.readSync(Buffer.alloc(100), 0, 100, 6 * MiB)],
    'readSync, two pages': [['EIO'], (file) => file.readSync(Buffer.alloc(9000), 0, 9000, 7 * MiB)],
    read: [['EIO'], (file) => file.read(Buffer.alloc(90_000), 0, 90_000, 8 * MiB)],
    slice: [['EIO'], (file) => file.slice(9 * MiB, 10 * MiB)],
    sliceSync: [['EIO'], (file) => file.sliceSync(9 * MiB, 10 * MiB)],
    indexOf: [[IO, 'EIO'], (file) => file.indexOf('not there', 3 * MiB)],
    lastIndexOf: [[IO, 'EIO'], (file) => file.lastIndexOf('not there')],
    split: [[IO, 'EIO'], (file) => file.split(4)],
    'lines, sync': [[IO, 'EIO'], (file) => [...file.lines(from)]],
    lines: [[IO, 'EIO'], (file) => drain(file.lines(from))],
    readable: [['EIO'], (file) => drain(file.readable(from))],
    createReadStream: [['EIO'], (file) => drain(file.createReadStream(from))],
    prefetch: [['EIO'], (file) => file.prefetch(3 * MiB, 4 * MiB)],
  };
  const mapping: typeof calls = {
    'chunks, sync': [
      [IO],
      (file) => {
        for (const chunk of file.chunks({ ...from, chunkSize: MiB })) touch(chunk);
      },
    ],
    chunks: [[IO], (file) => drain(file.chunks({ ...from, chunkSize: MiB }))],
    'readable, borrowing': [[IO], (file) => drain(file.readable({ ...from, borrow: true }))],
    view: [
      [IO],
      (file) => {
        const view = file.view(3 * MiB, 4 * MiB);
        touch(view.bytes);
        assert.equal(
          codeOf(() => view.check()),
          IO,
        );
        view.dispose();
        view.check();
      },
    ],
  };
  const configurations: OpenOptions[] = [{}, { windowSize: 65_536 }, { strict: true }, { backing: 'read' }];
  for (const options of configurations) {
    await using file = await MappedFile.open(path, 'r', options);
    const all = options.backing === 'read' ? calls : { ...calls, ...mapping };
    for (const [name, [codes, call]] of Object.entries(all)) {
      const { error } = await attemptAsync(async () => call(file));
      assert.ok(codes.includes(error?.code as string), `${name}, ${JSON.stringify(options)}: ${error?.message}`);
    }
    assert.equal(file.size, 16 * MiB);
  }
}

/** The device takes nothing more: what is written stays in memory until it is flushed. */
async function unwritable(): Promise<void> {
  await using file = await MappedFile.open(path, 'r+');
  const codes = async (flush: () => Promise<void>): Promise<unknown[]> => {
    const told: unknown[] = [];
    for (let i = 0; i < 3; i++) told.push((await attemptAsync(flush)).error?.code);
    return told;
  };
  const once = (told: unknown[]): void => {
    assert.ok(told[0] === NO_SPACE || told[0] === IO, String(told[0]));
    assert.deepEqual(told.slice(1), [undefined, undefined]);
  };
  assert.equal(file.writeSync(oracle(MiB, 4 * MiB), 0, 4 * MiB, MiB), 4 * MiB);
  once(await codes(() => file.flush()));
  for (let position = MiB; position < 5 * MiB; position += 4096) file.setUint8(position, byteAt(position));
  once(await codes(() => file.flush()));
  using view = file.view(MiB, 5 * MiB);
  view.bytes.set(oracle(MiB, 4 * MiB));
  once(await codes(() => view.flush()));
  assert.ok(file.sliceSync(0, MiB).equals(oracle(0, MiB)), 'what was safe before');
}

/** A disk of a few megabytes, full but for a little: every way to grow, and every way to fill a hole. */
async function full(): Promise<void> {
  const filler = fs.openSync(`${path}.filler`, 'w');
  const holes = fs.openSync(path, 'r+');
  // Until it stays full: blocks on their way to the disk count twice for a moment, and where a file that grows would
  // need a block for its extents, too, a hole may still find one.
  for (let [more, position] = [true, MiB]; more; [filler, holes].forEach((fd) => fs.fsyncSync(fd))) {
    more = false;
    for (const length of [65_536, 1024])
      while (codeOf(() => fs.writeSync(filler, Buffer.alloc(length, 1))) === undefined) more = true;
    for (; codeOf(() => fs.writeSync(holes, Buffer.of(1), 0, 1, position)) === undefined; position += 1024) more = true;
  }
  fs.closeSync(holes);
  await using file = await MappedFile.open(path, 'r+');
  const before = file.size;
  const large = Buffer.alloc(4 * MiB, 7);

  assert.equal(
    codeOf(() => file.setUint8(3 * MiB, 1)),
    NO_SPACE,
  );
  const view = file.view(2 * MiB, 3 * MiB);
  view.bytes.fill(1);
  assert.equal(
    codeOf(() => view.check()),
    NO_SPACE,
  );
  view.dispose();
  // Short where there was a little room, and an error where there was none.
  const some = (await attemptAsync(() => file.write(large, 0, large.length, before))).error?.code;
  assert.ok(some === undefined || some === 'ENOSPC');
  await assert.rejects(file.write(large, 0, large.length, file.size), { code: 'ENOSPC' });
  assert.equal(
    codeOf(() => file.writeSync(large, 0, large.length, file.size)),
    'ENOSPC',
  );
  await assert.rejects(file.writable({ start: before, preallocate: 64 * MiB }).getWriter().closed, { code: 'ENOSPC' });
  const writer = file.writable({ start: file.size }).getWriter();
  await assert.rejects(writer.write(large), { code: 'ENOSPC' });
  await assert.rejects(writer.closed, { code: 'ENOSPC' });
  const stream = file.createWriteStream({ start: file.size });
  await assert.rejects(new Promise((resolve, reject) => stream.on('error', reject).on('finish', resolve).end(large)), {
    code: 'ENOSPC',
  });
  assert.ok(file.sliceSync(0, MiB).equals(oracle(0, MiB)), 'what was there before');
  assert.equal(fs.statSync(path).size, file.size);
  await file.flush().catch((error: unknown) => assert.equal((error as { code: string }).code, NO_SPACE));

  fs.ftruncateSync(filler, 0);
  fs.closeSync(filler);
  file.setUint8(3 * MiB, 1);
  await file.flush();
  assert.equal(file.getUint8(3 * MiB), 1);
}

await ({ unreadable, unwritable, full } as Record<string, () => Promise<void>>)[scenario]?.();
console.log(touched >= 0 ? 'survived' : touched);
