/** What a process does that is short of something: `node exhaustion.program.js SCENARIO PATH TIMES SEED`. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import { MappedFile, type MappedView, WindowPool } from 'sliding-mmap';
import mapped from 'sliding-mmap/fs';
import { native } from '#src/native.js';
import { attempt, codeOf } from '../helpers/errors.js';
import { byteAt, oracle } from '../helpers/files.js';
import { Random } from '../torture/support.js';

const [scenario, path, times, seed] = process.argv.slice(2) as [string, string, string, string];
const count = Number(times);
const random = new Random(Number(seed));
const MiB = 2 ** 20;
const size = 2 ** 36;
const places = Array.from({ length: 64 }, (_, i) => (i * size) / 64 + 1000);
const needle = 'the needle';

function makeFile(): void {
  fs.writeFileSync(path, '');
  fs.truncateSync(path, size);
  const fd = fs.openSync(path, 'r+');
  for (const place of places) fs.writeSync(fd, oracle(place, 4096), 0, 4096, place);
  fs.writeSync(fd, needle, size - 40 * MiB);
  fs.closeSync(fd);
}

function limit(resource: string, value: number): void {
  execFileSync('prlimit', [`--pid=${process.pid}`, `--${resource}=${value}`]);
}

function addressSpace(): number {
  return Number(/VmSize:\s+(\d+) kB/.exec(fs.readFileSync('/proc/self/status', 'latin1'))?.[1]) * 1024;
}

/** Everything one does with a file, over and over, at random places. */
async function use(file: MappedFile): Promise<void> {
  const buffer = Buffer.alloc(5000);
  const kept: string[] = [];
  for (let i = 0; i < count; i++) {
    const place = random.pick(places);
    const at = place + random.below(3000);
    assert.equal(file.getUint8(at), byteAt(at));
    const length = random.pick([8, 100, 1000, 4096]);
    const from = place + random.below(4097 - length);
    assert.equal(file.readSync(buffer, 0, length, from), length);
    assert.ok(buffer.subarray(0, length).equals(oracle(from, length)));
    if (i % 10 === 0) file.setUint8(at, byteAt(at));
    if (i % 10 === 1) assert.equal((await file.read(buffer, 0, 4096, place)).bytesRead, 4096);
    if (i % 10 === 2) file.getFloat64(Math.floor(random.below(2 ** 32) * 15));
    kept.push(`line ${i}`);
  }
  for (const borrow of [false, true]) {
    let streamed = 0;
    for await (const chunk of file.readable({ start: 0, end: 32 * MiB, borrow })) {
      if (streamed === 0) assert.ok(oracle(1000, 4096).equals(chunk.subarray(1000, 5096)));
      streamed += chunk.length;
    }
    assert.equal(streamed, 32 * MiB);
  }
  let walked = 0;
  for (const chunk of file.chunks({ start: 0, end: 32 * MiB })) walked += chunk.length;
  assert.equal(walked, 32 * MiB);
  const reader = file.readable({ start: places[2] as number }).getReader({ mode: 'byob' });
  const { value } = await reader.read(new Uint8Array(4096));
  assert.ok(oracle(places[2] as number, 4096).equals(value as Uint8Array));
  await reader.cancel();
  for await (const line of file.lines({ start: size - 40 * MiB, end: size - 40 * MiB + needle.length })) {
    assert.equal(line, needle);
  }
  assert.equal(file.indexOf(needle, size - 64 * MiB), size - 40 * MiB);
  assert.equal(file.lastIndexOf(needle), size - 40 * MiB);
  const writer = file.writable({ start: places[3] as number }).getWriter();
  await writer.write(oracle(places[3] as number, 4096));
  await writer.close();
  await file.flush();
  const place = random.pick(places);
  const seen = attempt(() => {
    using view = file.view(place, place + 4096);
    assert.ok(oracle(place, 4096).equals(view.bytes));
  });
  // A view is a mapping, or it is none.
  if (seen.error !== undefined) assert.equal(seen.error.code, 'ERR_MAPPED_FILE_BUDGET');
  assert.equal(kept.length, count);
}

/** Views until there are no more; gives how many there were. */
function exhaust(file: MappedFile, length: number): number {
  const views: MappedView[] = [];
  let code: unknown;
  while (code === undefined)
    code = codeOf(() => views.push(file.view(4096 * views.length, 4096 * views.length + length)));
  assert.equal(code, 'ERR_MAPPED_FILE_BUDGET');
  // The engine still can grow.
  const grown = Array.from({ length: 100_000 }, (_, i) => ({ name: `object ${i}` }));
  assert.equal(grown.length, 100_000);
  assert.equal(file.getUint8(places[5] as number), byteAt(places[5] as number), 'the file still works');
  for (const view of views) view.dispose();
  return views.length;
}

/** Takes the whole address space but for holes, by a library that does it when it is loaded. */
function fill(): void {
  // eslint-disable-next-line no-restricted-syntax -- it is not the addon
  assert.throws(() => process.dlopen({ exports: {} }, process.env['FILLER'] as string), /did not self-register/);
}

const scenarios: Record<string, () => Promise<unknown>> = {
  async 'address space'() {
    makeFile();
    limit('as', addressSpace() + 256 * MiB);
    for (const options of [{}, { windowSize: 64 * MiB }, { windowSize: 4096 }]) {
      await using file = await MappedFile.open(path, 'r+', { ...options, pool: new WindowPool() });
      await use(file);
      exhaust(file, 8 * MiB);
      // Places that do not fit are read through the kernel, and do not take the windows from each other.
      if (options.windowSize !== 4096) assert.ok(file.stats().slides < count / 4);
    }
  },

  /** A limit that was there from the start. */
  async start() {
    makeFile();
    let slides = 0;
    for (const options of [{}, { windowSize: 4096 }, { backing: 'read' }] as const) {
      await using file = await MappedFile.open(path, 'r+', { ...options, pool: new WindowPool() });
      await use(file);
      slides += file.stats().slides;
    }
    console.log(slides > 0 ? 'mapped' : 'read');
  },

  /** The address space has holes shorter than a window, and nothing else. */
  async fragments() {
    makeFile();
    fill();
    for (const windowSize of [undefined, 64 * 1024]) {
      await using file = await MappedFile.open(path, 'r+', { windowSize, pool: new WindowPool() });
      await use(file);
      const { refusals, slides } = file.stats();
      assert.ok(refusals > 0 || (slides > 0 && windowSize !== undefined), `${refusals} refusals, ${slides} slides`);
      console.log(slides > 0 ? 'mapped' : 'read');
    }
  },

  /** All that is left is holes shorter than a window: now and then the system refuses, for short or for long. */
  async holes() {
    makeFile();
    await using file = await MappedFile.open(path, 'r+', {
      windowSize: MiB,
      pool: new WindowPool({ limit: 16 * MiB }),
    });
    const refuse = setInterval(() => {
      native.injectFailure(random.below(2), random.below(10), random.pick([1, 3, 100]), os.constants.errno.ENOMEM);
    }, 1);
    try {
      await use(file);
    } finally {
      clearInterval(refuse);
      native.injectFailure(0, 0, 0, 0);
      native.injectFailure(1, 0, 0, 0);
    }
  },

  /** No room for a copy of what a caller hands over: an error, and not the end of the process. */
  async memory() {
    makeFile();
    const long = new Uint8Array(512 * MiB).fill(1);
    await using file = await MappedFile.open(path, 'r+');
    const view = file.view(0, 64 * MiB, { access: 'private' });
    limit('as', addressSpace() + 256 * MiB);
    const refused = -os.constants.errno.ENOMEM;
    assert.equal(native.createSearch([long], false, undefined), refused);
    assert.equal(native.createSearch([Buffer.from('a')], false, long), refused);
    assert.equal(await native.countAsync(file.fd, 0, 4096, 4096, long, false, new Float64Array(1)), refused);
    assert.equal(await native.readAsync(file.fd, long, 0, long.length, 0, false), refused);
    assert.equal(await native.writeAsync(file.fd, long, 0, long.length, 0, false), refused);
    view.bytes.set(oracle(1000, 4096), 1000);
    view.commitSync();
    view.dispose();
    assert.equal(file.getUint8(2000), byteAt(2000));
    await use(file);
  },

  async mappings() {
    makeFile();
    const most = Number(fs.readFileSync('/proc/sys/vm/max_map_count', 'latin1'));
    const pool = new WindowPool({ maxWindows: 2 ** 20 });
    await using file = await MappedFile.open(path, 'r+', { windowSize: 4096, pool });
    const views = exhaust(file, 100);
    assert.ok(views > most / 8 && views <= most / 6, `${views} views of ${most} mappings`);
    assert.ok(fs.readFileSync('/proc/self/maps', 'latin1').split('\n').length < most / 2);
    await use(file);
  },

  /** The module that stands for node:fs takes a second descriptor for a file that it maps: an eighth at most. */
  'descriptors for others'() {
    makeFile();
    const most = 256;
    limit('nofile', most);
    const buffer = Buffer.alloc(16);
    const openAll = ({ openSync, readSync }: Pick<typeof fs, 'openSync' | 'readSync'>): number => {
      const fds: number[] = [];
      const code = codeOf(() => {
        for (;;) {
          const fd = openSync(path, 'r');
          fds.push(fd);
          for (let i = 0; i < 10; i++) readSync(fd, buffer, 0, 16, places[1] as number);
        }
      });
      assert.equal(code, 'EMFILE');
      assert.deepEqual(buffer, oracle(places[1] as number, 16));
      for (const fd of fds) mapped.closeSync(fd);
      return fds.length;
    };
    openAll(mapped); // makes what the process takes once
    const all = openAll(fs);
    const some = openAll(mapped);
    assert.ok(some >= all - most / 8, `${some} of ${all}`);
    assert.equal(openAll(fs), all);
    return Promise.resolve();
  },

  async descriptors() {
    makeFile();
    limit('nofile', fs.readdirSync('/proc/self/fd').length + 16);
    const files: MappedFile[] = [];
    let error: { code: unknown } | undefined;
    while (error === undefined) ({ error } = attempt(() => files.push(MappedFile.openSync(path, 'r'))));
    assert.equal(error.code, 'EMFILE');
    await assert.rejects(MappedFile.open(path), { code: 'EMFILE', syscall: 'open' });
    assert.equal(
      codeOf(() => MappedFile.openSync((files[0] as MappedFile).fd)),
      'EMFILE',
    );
    for (const file of files) assert.equal(file.getUint8(places[0] as number), byteAt(places[0] as number));
    for (const file of files) await file.close();
    await using file = await MappedFile.open(path, 'r+');
    await use(file);
  },
};

await (scenarios[scenario] as () => Promise<unknown>)();
assert.equal(native.mappingCount(), 0);
console.log('survived');
