/** What the kernel is told and asked of a file's pages. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { dirname, join } from 'node:path';
import v8 from 'node:v8';
import vm from 'node:vm';
import { type Advice, MappedFile, WindowPool } from 'sliding-mmap';
import { native } from '#src/native.js';
import * as adviceModule from '#src/advice.js';
import { run } from '../helpers/child.js';
import { attemptAsync, codeOf, type Outcome } from '../helpers/errors.js';
import { Fifo } from '../helpers/fifos.js';
import { byteAt, Folder, oracle } from '../helpers/files.js';
import { configurations, granule } from '../helpers/sizes.js';
import { cannotMap, itUnless, noFifos, onlyLinuxTells, tellsNoResidency } from '../helpers/systems.js';

const { Advisor } = adviceModule as unknown as {
  Advisor: new () => { ignored: Set<Advice>; tell(id: number, offset: number, length: number, advice: Advice): void };
};
const onLinux = process.platform === 'linux';
const page = 4096;
const MiB = 2 ** 20;
const advices: readonly Advice[] = [
  'normal',
  'random',
  'sequential',
  'willneed',
  'dontneed',
  'cold',
  'pageout',
  'hugepage',
  'nohugepage',
];

/** The flags of a file's mappings, as `VmFlags` of /proc/self/smaps gives them (proc(5)). */
function flagsOf(path: string): string[] {
  const found: string[] = [];
  let isOurs = false;
  for (const line of fs.readFileSync('/proc/self/smaps', 'utf8').split('\n')) {
    if (/^[\da-f]+-[\da-f]+ /.test(line)) isOurs = line.endsWith(path);
    else if (isOurs && line.startsWith('VmFlags:')) found.push(line.slice(9).trim());
  }
  return found;
}

function has(flags: string[], flag: string): boolean {
  return flags.length > 0 && flags.every((each) => each.split(' ').includes(flag));
}

/** AddressSanitizer's runtime replaces mlock(2) by a function that does nothing. */
const locksNothing = process.env.LD_PRELOAD?.includes('libasan') === true && "the sanitizer's runtime locks nothing";

function lockedBytes(): number {
  return Number(/^VmLck:\s+(\d+) kB/m.exec(fs.readFileSync('/proc/self/status', 'utf8'))![1]) * 1024;
}

/** A file of so many bytes, on the device. */
function written(folder: Folder, size: number): string {
  const path = folder.join('data');
  const fd = fs.openSync(path, 'w');
  for (let at = 0; at < size; at += MiB) fs.writeSync(fd, oracle(at % MiB, Math.min(MiB, size - at)));
  fs.fsyncSync(fd);
  fs.closeSync(fd);
  return path;
}

describe('advice', () => {
  for (const { name, options } of configurations.filter(({ name }) => !/one window/.test(name))) {
    it(`changes no byte, ${name}`, () => {
      using folder = new Folder();
      const path = folder.file(10 * page);
      using file = MappedFile.openSync(path, 'r+', options());
      using draft = file.view(0, page, { access: 'private' });
      using view = file.view(2 * page, 3 * page);
      draft.bytes[5] = byteAt(5) ^ 255;
      view.bytes[7] = 99;
      file.setUint8(9 * page, 77);
      for (const advice of advices) {
        for (const [start, end] of [[], [0], [1, 5000], [2 * page, 4 * page], [page], [0, 2n ** 50n]]) {
          file.advise(advice, start, end);
          assert.equal(file.getUint8(9 * page), 77, advice);
          assert.deepEqual([draft.bytes[5], view.bytes[7]], [byteAt(5) ^ 255, 99], advice);
        }
      }
      assert.deepEqual(file.sliceSync(0, 100), oracle(0, 100));
      view.check();
      assert.ok(Array.isArray(file.stats().ignoredAdvice));
    });
  }

  itUnless(onlyLinuxTells || cannotMap, 'reaches windows and views, those of later, too', () => {
    using folder = new Folder();
    const path = folder.file(8 * granule);
    using file = MappedFile.openSync(path, 'r', { windowSize: granule, pool: new WindowPool({ limit: 4 * granule }) });
    file.getUint8(0);
    file.advise('random');
    assert.ok(has(flagsOf(path), 'rr'), 'what is mapped');
    for (let i = 0; i < 8; i++) for (let j = 0; j < 64; j++) file.getUint8(i * granule + j);
    assert.ok(file.stats().slides > 2);
    assert.ok(has(flagsOf(path), 'rr'), 'what is mapped later');
    using view = file.view(10, 5000);
    assert.ok(has(flagsOf(path), 'rr'), 'a view');
    file.advise('normal');
    assert.ok(!flagsOf(path).some((flags) => / rr\b/.test(flags)));
    assert.equal(view.bytes[0], byteAt(10));
    assert.deepEqual(file.stats().ignoredAdvice, []);
  });

  itUnless(onlyLinuxTells || cannotMap, 'may be given when a file is opened, and goes with its handle', () => {
    using folder = new Folder();
    const path = folder.file(4 * granule);
    using file = MappedFile.openSync(path, 'r+', { advice: 'sequential' });
    file.getUint8(0);
    assert.ok(has(flagsOf(path), 'sr'));
    file.writeSync('beyond', 6 * granule);
    file.getUint8(6 * granule);
    assert.ok(has(flagsOf(path), 'sr'), 'of a window that became longer');
    assert.equal(file.handle().advice, 'sequential');
    file.closeSync();
    using plain = MappedFile.openSync(path);
    plain.getUint8(0);
    const handle = { ...plain.handle(), advice: 'random' as const };
    plain.closeSync();
    using same = MappedFile.openSync(handle);
    same.getUint8(0);
    assert.ok(has(flagsOf(path), 'rr'));
  });

  itUnless(onlyLinuxTells, 'for a part does not take a window to pieces, however often it is given', () => {
    using folder = new Folder();
    const path = folder.sparse(64 * MiB);
    using file = MappedFile.openSync(path);
    file.getUint8(0);
    using view = file.view();
    for (let at = 0; at < 64 * MiB; at += 4 * page) {
      file.advise('random', at, at + page);
      file.advise('nohugepage', at + page, at + 2 * page);
      file.advise('dontneed', at, at + page);
    }
    assert.equal(view.length, 64 * MiB);
    assert.ok(flagsOf(path).length <= 4);
  });

  itUnless(onlyLinuxTells || cannotMap, 'to go takes pages out of this process, and out of memory', async () => {
    using folder = new Folder();
    const path = written(folder, 4 * MiB);
    using file = MappedFile.openSync(path);
    using view = file.view();
    const resident = (): number => {
      const text = fs.readFileSync('/proc/self/smaps', 'utf8');
      return Number(/\nRss:\s+(\d+) kB/.exec(text.slice(text.indexOf(path)))![1]) * 1024;
    };
    for (let at = 0; at < view.length; at += page) assert.equal(view.bytes[at], byteAt(at % MiB));
    assert.equal(resident(), 4 * MiB);
    file.advise('cold');
    // The view of a file that was opened read-only is private; it keeps its pages.
    file.advise('dontneed');
    assert.equal(resident(), 4 * MiB);
    file.advise('pageout');
    assert.ok(resident() < 4 * MiB);
    assert.equal(view.bytes[MiB + 5], byteAt(5));
    await file.prefetch();
  });

  itUnless(onlyLinuxTells, 'for nothing does nothing', async () => {
    using folder = new Folder();
    const path = written(folder, 2 * MiB);
    using file = MappedFile.openSync(path, 'r+');
    await file.dropCache();
    // What is read ahead of an access may still be on its way when the access has its byte.
    file.advise('random');
    file.getUint8(0);
    file.advise('normal');
    const { resident } = file.residency();
    for (const advice of advices) file.advise(advice, MiB, MiB);
    assert.equal(file.residency().resident, resident);
    assert.ok(!flagsOf(path).some((flags) => / (rr|sr|hg|nh)\b/.test(flags)));
  });

  it('that the system does not take is noted', () => {
    const advisor = new Advisor();
    advisor.tell(2 ** 31, 0, page, 'cold');
    assert.deepEqual([...advisor.ignored], ['cold']);
  });

  it('is refused where it is none', () => {
    using folder = new Folder();
    const path = folder.file(100);
    using file = MappedFile.openSync(path);
    for (const advice of ['', 'free', 0, 4, null, undefined, {}, ['random']] as never[]) {
      const code = codeOf(() => file.advise(advice));
      assert.equal(code, 'ERR_INVALID_ARG_VALUE');
      if (advice === undefined) continue;
      const opening = codeOf(() => MappedFile.openSync(path, 'r', { advice }));
      assert.equal(opening, 'ERR_INVALID_ARG_VALUE');
    }
    const range = codeOf(() => file.advise('random', 5, 4));
    assert.equal(range, 'ERR_OUT_OF_RANGE');
  });
});

describe('residency', () => {
  itUnless(onlyLinuxTells, 'tells which pages are in memory', async () => {
    using folder = new Folder();
    const path = written(folder, 8 * MiB + 10);
    using file = MappedFile.openSync(path);
    const pages = 8 * 256 + 1;
    const hot = file.residency();
    assert.deepEqual([hot.pageSize, hot.pages, hot.resident, hot.map.length], [page, pages, pages, pages]);
    assert.ok(hot.map.every((byte) => byte === 1));
    await file.dropCache();
    const cold = file.residency();
    assert.deepEqual([cold.pages, cold.resident], [pages, 0]);
    file.advise('random'); // nothing is read ahead
    file.readSync(Buffer.alloc(10), 0, 10, 5 * MiB);
    const one = file.residency();
    assert.ok(one.resident >= 1 && one.resident < pages / 4, `${one.resident} of ${pages}`);
    assert.equal(one.map[5 * 256], 1);
    assert.equal(
      one.map.reduce((sum, byte) => sum + byte),
      one.resident,
    );
    assert.deepEqual(file.residency(5 * MiB + 1, 5 * MiB + 2), {
      pageSize: page,
      pages: 1,
      resident: 1,
      map: Uint8Array.of(1),
    });
    await file.prefetch(MiB, 2 * MiB);
    assert.equal(file.residency(MiB, 2 * MiB).resident, 256);
    await file.prefetch();
    assert.equal(file.residency().resident, pages);
  });

  itUnless(tellsNoResidency, 'of a part is that of the pages it touches, and ends with the file', () => {
    using folder = new Folder();
    using file = MappedFile.openSync(folder.file(3 * page + 1));
    const pages = (start?: number | bigint, end?: number | bigint): number => file.residency(start, end).pages;
    assert.deepEqual(
      [pages(), pages(0, 0), pages(page, page), pages(page - 1, page + 1), pages(1n, 2n), pages(3 * page)],
      [4, 0, 0, 2, 1, 1],
    );
    assert.deepEqual([pages(0, 2 ** 50), pages(2 ** 40), pages(2 ** 40, 2 ** 41)], [4, 0, 0]);
    const bad = [codeOf(() => pages(5, 4)), codeOf(() => pages(-1)), codeOf(() => pages('1' as never))];
    assert.deepEqual(bad, ['ERR_OUT_OF_RANGE', 'ERR_OUT_OF_RANGE', 'ERR_INVALID_ARG_TYPE']);
    using empty = MappedFile.openSync(folder.file('', 'empty'));
    assert.deepEqual(empty.residency(), { pageSize: page, pages: 0, resident: 0, map: new Uint8Array(0) });
  });

  itUnless(onlyLinuxTells, 'finds three pages in a hole, however long', () => {
    using folder = new Folder();
    // A page takes a byte of the answer: 256 MiB, which a 32-bit process may not have.
    const size = native.pointerSize === 8 ? 2 ** 40 : 2 ** 36;
    const positions = [0, size / 2, size - page];
    using file = MappedFile.openSync(folder.sparse(size, positions), 'r+');
    const { pages, resident, map } = file.residency();
    assert.equal(pages, size / page);
    assert.ok(resident >= 3 && resident < 200, `${resident}`);
    for (const position of positions) assert.equal(map[position / page], 1);
  });

  itUnless(tellsNoResidency, 'of memory is what is written of it', () => {
    using memory = MappedFile.anonymous(16 * MiB);
    memory.setUint8(3 * MiB, 1);
    const { resident, map } = memory.residency();
    assert.ok(resident >= 1 && resident <= 512, `${resident}`);
    assert.equal(map[3 * 256], 1);
  });

  itUnless(noFifos, 'is not told of what has no size', () => {
    using folder = new Folder();
    using pipe = MappedFile.openSync(new Fifo(folder).path);
    for (const call of [() => pipe.residency(), () => pipe.advise('random')]) {
      assert.equal(codeOf(call), 'ERR_MAPPED_FILE_NOT_SEEKABLE');
    }
    if (!onLinux) return;
    using status = MappedFile.openSync('/proc/self/status');
    const code = codeOf(() => status.residency());
    assert.equal(code, 'ERR_MAPPED_FILE_NOT_SEEKABLE');
  });
});

describe('pins', () => {
  itUnless(onlyLinuxTells || locksNothing, 'keep pages in memory until they are released', async () => {
    using folder = new Folder();
    const path = written(folder, 4 * MiB);
    const pool = new WindowPool();
    const before = lockedBytes();
    const file = MappedFile.openSync(path, 'r+', { pool });
    await file.dropCache();
    await file.pin(MiB, 2 * MiB);
    assert.equal(lockedBytes() - before, MiB);
    await file.dropCache();
    assert.equal(file.residency(MiB, 2 * MiB).resident, 256);
    assert.equal(file.residency().resident, 256);
    await file.pin(MiB + 1, MiB + 2);
    await file.pin(3n * 2n ** 20n);
    assert.deepEqual([file.stats().pins, file.stats().bytesPinned], [3, 2 * MiB + 1]);
    assert.deepEqual([pool.stats().views, pool.stats().viewBytes], [3, 2 * MiB + page]);
    file.unpin(MiB + 1, 3 * MiB);
    assert.deepEqual([file.stats().pins, file.stats().bytesPinned], [2, 2 * MiB], 'those that lie inside');
    file.unpin(0, 2 * MiB);
    assert.equal(lockedBytes() - before, MiB);
    file.unpin();
    file.unpin();
    assert.deepEqual([file.stats().pins, lockedBytes() - before], [0, 0]);
    await file.dropCache();
    assert.equal(file.residency().resident, 0);
    await file.pin();
    assert.equal(lockedBytes() - before, 4 * MiB);
    await file.close();
    assert.deepEqual([lockedBytes() - before, pool.stats().views], [0, 0]);
  });

  it('that are under way end with the file', async () => {
    using folder = new Folder();
    const pool = new WindowPool();
    for (const close of ['close', 'closeSync'] as const) {
      const file = MappedFile.openSync(written(folder, 8 * MiB), 'r', { pool });
      const pin = attemptAsync(() => file.pin());
      await file[close]();
      assert.equal((await pin).error?.code, 'ERR_MAPPED_FILE_CLOSED');
      assert.equal(pool.stats().views, 0);
    }
  });

  it('are refused for ranges that are not inside the file, and beyond the pool', async () => {
    using folder = new Folder();
    using file = MappedFile.openSync(folder.file(10 * granule), 'r', { pool: new WindowPool({ limit: 4 * granule }) });
    await file.pin(100, 100);
    assert.equal(file.stats().pins, 0);
    await assert.rejects(file.pin(0, 10 * granule + 1), { code: 'ERR_OUT_OF_RANGE' });
    await assert.rejects(file.pin(11 * granule), { code: 'ERR_OUT_OF_RANGE' });
    await assert.rejects(file.pin('0' as never), { code: 'ERR_INVALID_ARG_TYPE' });
    await assert.rejects(file.pin(), { code: 'ERR_MAPPED_FILE_BUDGET' });
    await file.pin(0, 3 * granule);
    await assert.rejects(file.pin(0, 2 * granule), { code: 'ERR_MAPPED_FILE_BUDGET' });
    assert.equal(file.getUint8(9 * granule), byteAt(9 * granule), 'what is left of the pool, or the kernel');
    assert.equal(
      codeOf(() => file.unpin(2, 1)),
      'ERR_OUT_OF_RANGE',
    );
  });

  itUnless(onlyLinuxTells || locksNothing, 'of a file that is dropped without being closed go with it', async () => {
    v8.setFlagsFromString('--expose-gc');
    const collect = vm.runInNewContext('gc') as () => void;
    using folder = new Folder();
    const path = written(folder, MiB);
    const before = lockedBytes();
    const pool = new WindowPool();
    await (async () => MappedFile.openSync(path, 'r', { pool }).pin())();
    assert.equal(lockedBytes() - before, MiB);
    for (let i = 0; i < 50 && pool.stats().views > 0; i++) {
      collect();
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    assert.deepEqual([lockedBytes() - before, pool.stats().views], [0, 0]);
  });
});

describe('without privileges', function () {
  this.timeout(60_000);

  interface Report {
    residency: Outcome;
    pin: Outcome;
    small: Outcome;
    lines: Outcome;
    stats: { pins: number; bytesPinned: number; views: number };
  }

  const wrapper = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', 'prlimit', '--memlock=65536:65536'];
  const [command, ...args] = wrapper as [string, ...string[]];
  const isAble = onLinux && process.getuid?.() === 0 && spawnSync(command, [...args, 'true']).status === 0;
  const unable = !isAble && 'needs Linux, root, setpriv and prlimit';

  async function reportOn(path: string): Promise<Report> {
    fs.chmodSync(dirname(path), 0o755);
    const program = new URL('../helpers/unprivileged.program.js', import.meta.url);
    const { stdout, stderr } = await run(program, [path], { wrapper });
    assert.equal(stderr, '');
    return JSON.parse(stdout) as Report;
  }

  const cannotPin = unable || locksNothing;
  itUnless(cannotPin, 'what the system does not tell is an error, and so is what it does not let one pin', async () => {
    using folder = new Folder();
    const report = await reportOn(folder.file(MiB));
    assert.equal(report.residency.error?.code, 'EPERM');
    assert.equal(report.pin.error?.code, 'ERR_MAPPED_FILE_BUDGET');
    assert.match(
      report.pin.error?.message ?? '',
      /may keep 65536 bytes in memory in all \(RLIMIT_MEMLOCK, ulimit -l\)/,
    );
    assert.equal(report.small.error, undefined);
    assert.deepEqual(report.stats, { pins: 1, bytesPinned: 8192, views: 0 });
  });

  itUnless(unable, 'lines put no page into a hole of others, of which the system says that all is there', async () => {
    const folder = fs.mkdtempSync('/dev/shm/sliding-mmap-test-');
    try {
      const path = join(folder, 'hole');
      fs.writeFileSync(path, '');
      fs.truncateSync(path, 8 * MiB);
      const { lines, stats } = await reportOn(path);
      assert.equal(lines.result, 8 * MiB);
      // What is pinned is there, unless a sanitizer's runtime locks nothing.
      assert.ok(fs.statSync(path).blocks * 512 <= stats.bytesPinned);
    } finally {
      fs.rmSync(folder, { recursive: true });
    }
  });
});

describe('small reads', () => {
  itUnless(
    onlyLinuxTells,
    'of what is not in memory bring no more in than node:fs does, until they find theirs',
    async () => {
      using folder = new Folder();
      const length = 60;
      const pages = 2 ** 12;
      using file = MappedFile.openSync(written(folder, pages * page));
      const read = (at: number): void => {
        const bytes = Buffer.alloc(length);
        assert.equal(file.readSync(bytes, 0, length, at), length);
        assert.deepEqual(bytes, oracle(at % MiB, length)); // as `written` repeats it
      };
      // Odd, so that no page comes twice.
      const pageOf = (i: number): number => ((i + 1) * 1597) % pages;
      await file.dropCache();
      for (let i = 0; i < 40; i++) read(pageOf(i) * page + 5);
      assert.equal(file.stats().bytesRead, 40 * length);
      const { resident } = file.residency();
      assert.ok(resident >= 40 && resident < 80, `${resident} pages`);
      await file.prefetch();
      for (let i = 0; i < 100; i++) read(pageOf(i) * page + 5);
      const { bytesRead, hits } = file.stats();
      assert.ok(bytesRead <= 40 * length + 24 * length, `${bytesRead} bytes through the kernel`);
      for (let i = 0; i < 100; i++) read(pageOf(i) * page + 5);
      assert.deepEqual({ bytesRead, hits }, { bytesRead: file.stats().bytesRead, hits: file.stats().hits });
    },
  );
});

describe('lines', () => {
  itUnless(
    onlyLinuxTells || cannotMap,
    'come out of windows where they are in memory, and put no page into a hole',
    () => {
      using memory = MappedFile.anonymous(8 * MiB);
      memory.writeSync('a line of sixteen bytes\n'.slice(8).repeat(MiB / 16));
      const { resident } = memory.residency();
      let count = 0;
      let length = 0;
      for (const line of memory.lines()) {
        count++;
        length += line.length + 1;
      }
      assert.deepEqual([count, length], [MiB / 16 + 1, 8 * MiB + 1]); // the last has no end
      assert.equal(memory.residency().resident, resident);
      const { bytesRead } = memory.stats();
      assert.ok(bytesRead >= 7 * MiB && bytesRead < 7.5 * MiB, `${bytesRead} bytes through the kernel`);
    },
  );
});

describe('dropCache', () => {
  itUnless(onlyLinuxTells, 'writes back first, and takes only whole pages of a part', async () => {
    using folder = new Folder();
    const path = folder.file(64 * page);
    using file = MappedFile.openSync(path, 'r+');
    file.setUint8(10 * page, 42);
    using view = file.view(0, 64 * page);
    view.bytes[11 * page] = 43;
    await file.dropCache(8 * page + 1, 32 * page);
    assert.equal(fs.readFileSync(path)[10 * page], 42);
    const { map } = file.residency(0, 40 * page);
    assert.ok(map[8] === 1, 'the page that the range begins in');
    assert.deepEqual([file.getUint8(10 * page), view.bytes[11 * page]], [42, 43]);
    await file.dropCache();
    assert.equal(file.residency().resident, 0);
    await file.dropCache(5, 5);
    await assert.rejects(file.dropCache(5, 4), { code: 'ERR_OUT_OF_RANGE' });
  });

  it('leaves what a private view has changed', async () => {
    using folder = new Folder();
    using file = MappedFile.openSync(folder.file(8 * page), 'r+');
    using draft = file.view(0, page, { access: 'private' });
    draft.bytes[1] = 200;
    if (onLinux) await file.dropCache();
    assert.deepEqual([draft.bytes[1], file.getUint8(1)], [200, byteAt(1)]);
  });
});
