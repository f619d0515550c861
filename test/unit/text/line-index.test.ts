import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { MappedFile } from 'sliding-mmap';
import { DelimiterTable } from '#src/text/delimiter-table.js';
import { LineIndex } from '#src/text/line-index.js';
import { CountingTextSource } from '../../helpers/counting-text-source.js';
import { Folder } from '../../helpers/files.js';
import { itUnless, onWindows } from '../../helpers/systems.js';

const numbered = (count: number, from = 1): string =>
  Array.from({ length: count }, (_, i) => `line ${from + i}\n`).join('');
const text = (string: string): CountingTextSource => new CountingTextSource(Buffer.from(string));
const stale = { name: 'MappedFileError', code: 'ERR_MAPPED_FILE_INDEX_STALE' };
const invalid = { name: 'MappedFileError', code: 'ERR_MAPPED_FILE_INDEX_INVALID' };

describe('lineIndex: making it', () => {
  it('tells how far it is, and counts many megabytes in several pieces', async () => {
    using folder = new Folder();
    const length = 6;
    const file = MappedFile.openSync(folder.file(Buffer.alloc(50_000_000, 'abcde\n')));
    const seen: number[] = [];
    const index = await file.lineIndex({
      onProgress: ({ position, end, lines }) => {
        assert.equal(end, file.size);
        assert.equal(lines, Math.floor(position / length));
        seen.push(position);
      },
    });
    assert.deepEqual(
      seen,
      [1, 2, 3].map((n) => Math.min(file.size, n * 16 * 2 ** 20)),
    );
    assert.equal(index.lineCount, Math.ceil(file.size / length));
    assert.equal(await index.line(8_000_000), 'abcde');
    assert.equal(await index.positionOf(8_000_000), 7_999_999 * length);
    await file.close();
  });

  it('leaves the event loop free: timers run while it counts', async () => {
    using folder = new Folder();
    await using file = await MappedFile.open(folder.sparse(2 ** 28));
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    const index = await file.lineIndex();
    clearInterval(timer);
    assert.equal(index.lineCount, 1);
    assert.ok(turns > 0);
  });

  it('ends at once when it is aborted, with the reason of the signal', async () => {
    const source = text(numbered(100));
    const controller = new AbortController();
    let go!: () => void;
    source.hold = () => new Promise((resolve) => (go = resolve));
    const made = LineIndex.create(source, { signal: controller.signal });
    await new Promise(setImmediate);
    const reason = new Error('enough');
    controller.abort(reason);
    await assert.rejects(made, reason);
    assert.deepEqual([source.retained, source.released], [1, 0], 'kept while a count is under way');
    go();
    await new Promise(setImmediate);
    assert.equal(source.released, 1);
    await assert.rejects(LineIndex.create(source, { signal: AbortSignal.abort(reason) }), reason);
  });

  it('ends when the file is closed', async () => {
    using folder = new Folder();
    const file = MappedFile.openSync(folder.sparse(2 ** 30));
    const made = file.lineIndex({ onProgress: () => void file.close() });
    await assert.rejects(made, { code: 'ERR_MAPPED_FILE_CLOSED' });
    await file.close();
  });

  it('ends with an error when the file shrinks meanwhile, and keeps what it had', async () => {
    const source = text(numbered(100));
    source.hold = async () => void (source.bytes = source.bytes.subarray(0, 50));
    await assert.rejects(LineIndex.create(source), { code: 'ERR_MAPPED_FILE_TRUNCATED' });

    using folder = new Folder();
    const name = folder.sparse(2 ** 28);
    await using file = await MappedFile.open(name);
    const made = file.lineIndex({ onProgress: () => fs.truncateSync(name, 5) });
    await assert.rejects(made, { code: 'ERR_MAPPED_FILE_TRUNCATED', path: name });
    assert.equal((await file.lineIndex()).size, 5);
  });

  it('ends with what onProgress throws, and keeps what it had when it is refreshed', async () => {
    const source = text(numbered(10));
    const index = await LineIndex.create(source, { interval: 16 }, 1024);
    source.append(Buffer.from(numbered(10, 11)));
    const reason = new Error('no');
    const fail = (): void => {
      throw reason;
    };
    await assert.rejects(index.refresh({ onProgress: fail }), reason);
    assert.equal(index.lineCount, 10);
    assert.equal(index.lineSync(10), 'line 10');
    assert.equal(await index.refresh(), 20);
    assert.equal(index.lineSync(20), 'line 20');
    assert.equal(source.retained, source.released);
  });

  it('refuses bad options', async () => {
    const bad: Array<[object, string]> = [
      [{ interval: 0 }, 'ERR_OUT_OF_RANGE'],
      [{ interval: '1' }, 'ERR_INVALID_ARG_TYPE'],
      [{ delimiter: '\n\n' }, 'ERR_INVALID_ARG_VALUE'],
      [{ encoding: 'utf7' }, 'ERR_INVALID_ARG_VALUE'],
      [{ onProgress: 1 }, 'ERR_INVALID_ARG_TYPE'],
      [{ signal: {} }, 'ERR_INVALID_ARG_TYPE'],
      [{ from: 5 }, 'ERR_INVALID_ARG_TYPE'],
    ];
    for (const [options, code] of bad) await assert.rejects(LineIndex.create(text(''), options), { code });
    const index = await LineIndex.create(text('a\nb'));
    for (const n of [0, 3, 1.5, NaN]) await assert.rejects(index.line(n), { code: 'ERR_OUT_OF_RANGE' });
    await assert.rejects(index.line('1' as never), { code: 'ERR_INVALID_ARG_TYPE' });
    await assert.rejects(index.lineAt(4), { code: 'ERR_OUT_OF_RANGE' });
    await assert.rejects(index.positionOf(4), { code: 'ERR_OUT_OF_RANGE' });
    assert.throws(() => index.linesSync(2, 1), { code: 'ERR_OUT_OF_RANGE' });
    assert.equal(await index.lineAt(3n), 2);
  });
});

describe('lineIndex: a file that changes', () => {
  it('a last line that is ended later keeps its number', async () => {
    const source = text('one\ntwo');
    const index = await LineIndex.create(source);
    assert.deepEqual([index.lineCount, index.lineSync(2)], [2, 'two']);
    source.append(Buffer.from(' and a half'));
    assert.deepEqual([await index.refresh(), index.lineSync(2)], [2, 'two and a half']);
    source.append(Buffer.from('\n'));
    assert.equal(await index.refresh(), 2);
    source.append(Buffer.from('\n'));
    assert.deepEqual([await index.refresh(), index.lineSync(3)], [3, '']);
  });

  it('counts only what was added', async () => {
    const source = text(numbered(10_000));
    const index = await LineIndex.create(source);
    source.counted.length = 0;
    source.append(Buffer.from('x\n'));
    assert.equal(await index.refresh(), 10_001);
    assert.ok(source.counted.every((length) => length < index.interval));
    source.counted.length = 0;
    await index.refresh();
    assert.deepEqual(source.counted, []);
  });

  it('refreshing twice at a time, one waits for the other', async () => {
    const source = text('a\n');
    const index = await LineIndex.create(source);
    source.append(Buffer.from('b\n'));
    const first = index.refresh();
    source.append(Buffer.from('c\n'));
    assert.deepEqual(await Promise.all([first, index.refresh()]), [3, 3]);
  });

  const changes: Array<[string, (source: CountingTextSource) => void]> = [
    ['is shorter', (source) => (source.bytes = source.bytes.subarray(0, -1))],
    [
      'was rewritten with the same size',
      (source) => {
        source.bytes = Buffer.from(source.bytes).fill('\n', 50_000, 50_001);
        source.modified++;
      },
    ],
    [
      'was rewritten and is longer',
      (source) => {
        source.bytes = Buffer.from(numbered(20_000).replace('line 1\n', 'line\n1\n'));
        source.modified++;
      },
    ],
    ['is another one', (source) => source.inode++],
  ];
  for (const [name, change] of changes)
    it(`is refused when it ${name}`, async () => {
      const source = text(numbered(10_000));
      const index = await LineIndex.create(source);
      change(source);
      await assert.rejects(index.refresh(), stale);
      await assert.rejects(index.line(1), stale);
      assert.throws(() => index.lineCount, stale);
      await assert.rejects(index.refresh(), stale);
    });

  it('a lookup behind the end of a file that shrank throws', async () => {
    const source = text(numbered(10_000));
    const index = await LineIndex.create(source);
    source.bytes = source.bytes.subarray(0, 20);
    await assert.rejects(index.line(9000), { code: 'ERR_MAPPED_FILE_TRUNCATED' });
    assert.throws(() => index.lineAtSync(90_000), { code: 'ERR_MAPPED_FILE_TRUNCATED' });
  });
});

describe('lineIndex: saved beside the file', () => {
  it('is loaded with what the file has, and extended with what was appended', async () => {
    using folder = new Folder();
    const name = folder.file(numbered(100_000), 'app.log');
    await using file = await MappedFile.open(name);
    const saved = await (await file.lineIndex()).save();
    assert.equal(saved, `${name}.lines`);
    if (process.platform !== 'win32') assert.equal(fs.statSync(saved).mode & 0o777, 0o600);
    assert.deepEqual(fs.readdirSync(folder.path).sort(), ['app.log', 'app.log.lines']);
    for (const from of [true, saved, pathToFileURL(saved)] as const) {
      const index = await file.lineIndex({ from });
      assert.deepEqual([index.lineCount, await index.line(77_777)], [100_000, 'line 77777']);
    }
    fs.appendFileSync(name, numbered(5, 100_001));
    const grown = await file.lineIndex({ from: true });
    assert.deepEqual([grown.lineCount, await grown.line(100_005)], [100_005, 'line 100005']);
    await grown.save();
    assert.equal((await file.lineIndex({ from: true })).lineCount, 100_005);
  });

  it('is refused when the file was cut, rewritten or replaced', async () => {
    using folder = new Folder();
    const name = folder.file(numbered(10_000));
    const load = async (): Promise<LineIndex> => {
      await using file = await MappedFile.open(name);
      return await file.lineIndex({ from: true });
    };
    {
      await using file = await MappedFile.open(name);
      await (await file.lineIndex()).save();
    }
    await load();
    const { atime, mtime } = fs.statSync(name);
    fs.appendFileSync(name, 'x');
    fs.truncateSync(name, fs.statSync(name).size - 2);
    await assert.rejects(load(), stale);
    // As long as it was, with the time of change that it had, but for another byte.
    fs.writeFileSync(name, `L${numbered(10_000).slice(1)}`);
    await assert.rejects(load(), stale);
    fs.utimesSync(name, atime, mtime);
    await assert.rejects(load(), stale);
    fs.writeFileSync(`${name}.new`, numbered(10_000));
    fs.renameSync(`${name}.new`, name);
    await assert.rejects(load(), stale);
  });

  it('is refused when it is of other lines, no index, or not there', async () => {
    using folder = new Folder();
    await using file = await MappedFile.open(folder.file(numbered(10)));
    await assert.rejects(file.lineIndex({ from: true }), { code: 'ENOENT', syscall: 'open' });
    const saved = await (await file.lineIndex({ delimiter: ' ' })).save();
    await assert.rejects(file.lineIndex({ from: true }), invalid);
    await assert.rejects(file.lineIndex({ from: true, encoding: 'utf16le' }), invalid);
    assert.equal((await file.lineIndex({ from: true, delimiter: ' ' })).lineCount, 11);
    for (const content of ['', 'no index', Buffer.alloc(9_000_000)]) {
      fs.writeFileSync(saved, content);
      await assert.rejects(file.lineIndex({ from: true }), { ...invalid, path: saved });
    }
    await assert.rejects(file.lineIndex({ from: folder.path }), invalid);
  });

  itUnless(
    onWindows('there is no O_NOFOLLOW'),
    'follows no link, neither to save nor to load, and never writes over the file itself',
    async () => {
      using folder = new Folder();
      const name = folder.file(numbered(10), 'app.log');
      const victim = folder.file('precious', 'victim');
      await using file = await MappedFile.open(name);
      const index = await file.lineIndex();
      const saved = `${name}.lines`;
      fs.symlinkSync(victim, saved);
      await assert.rejects(file.lineIndex({ from: true }), { code: 'ELOOP' });
      await index.save();
      assert.equal(fs.readFileSync(victim, 'utf8'), 'precious');
      assert.ok(fs.lstatSync(saved).isFile());
      await assert.rejects(index.save(name), { code: 'ERR_INVALID_ARG_VALUE' });
      assert.equal(fs.readFileSync(name, 'utf8'), numbered(10));
      await assert.rejects(index.save(path.join(folder.path, 'none', 'x')), { code: 'ENOENT' });
      await assert.rejects(index.save(folder.path), (error: NodeJS.ErrnoException) => error.syscall === 'rename');
      assert.deepEqual(fs.readdirSync(folder.path).sort(), ['app.log', 'app.log.lines', 'victim']);
    },
  );

  it('of another user is refused', async function () {
    if (process.geteuid?.() !== 0) this.skip();
    using folder = new Folder();
    const name = folder.file(numbered(10));
    await using file = await MappedFile.open(name);
    const saved = await (await file.lineIndex()).save();
    fs.chownSync(saved, 65_534, 65_534);
    await assert.rejects(file.lineIndex({ from: true }), invalid);
    fs.chownSync(name, 65_534, 65_534);
    assert.equal((await file.lineIndex({ from: true })).lineCount, 10);
  });

  it('needs a path when the file was opened by its descriptor', async () => {
    using folder = new Folder();
    const fd = fs.openSync(folder.file(numbered(10)), 'r');
    const file = MappedFile.openSync(fd);
    const index = await file.lineIndex();
    await assert.rejects(index.save(), { code: 'ERR_INVALID_ARG_VALUE' });
    await assert.rejects(index.save(Object.create(URL.prototype) as URL), { code: 'ERR_INVALID_ARG_TYPE' });
    await index.save(pathToFileURL(folder.join('index')));
    assert.equal((await file.lineIndex({ from: folder.join('index') })).lineCount, 10);
    await file.close();
    fs.closeSync(fd);
  });
});

describe('the table of a line index', () => {
  it('never has more entries than it may: then every other one goes', () => {
    const table = new DelimiterTable(2, 8);
    for (let block = 1; block <= 100; block++)
      if ((block * 2) % table.interval === 0 && block * 2 === (table.length + 1) * table.interval)
        table.push(block * 10);
    assert.equal(table.interval, 32);
    assert.deepEqual([...table.entries], [160, 320, 480, 640, 800, 960]);
    assert.ok(table.byteLength <= 64 * 8);
    assert.deepEqual(
      [0, 1, 160, 161, 961].map((count) => table.search(count)),
      [0, 0, 0, 1, 6],
    );
  });
});
