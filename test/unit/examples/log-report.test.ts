import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import {
  closeSync,
  createWriteStream,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { finished } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';

import { findLogs, writeSampleLog } from '../../../examples/log-report/defaults.js';
import type { Summary } from '../../../examples/log-report/output.js';
import { itUnless, noPosixPrograms, onlyLinuxTells } from '../../helpers/systems.js';

const PROGRAM = fileURLToPath(new URL('../../../examples/log-report.js', import.meta.url));
const START = fileURLToPath(new URL('../../../../scripts/start.mjs', import.meta.url));

interface Json {
  files: (Summary & { path: string; seconds: number })[];
  total?: Summary;
}

function run(args: string[], input: string | Buffer = '') {
  const { status, stdout, stderr } = spawnSync(process.execPath, [PROGRAM, ...args], { input, encoding: 'utf8' });
  return { status, stdout, stderr };
}

const ACCESS = '::1 - - [10/Oct/2000:13:55:36 -0700] "GET /a HTTP/1.0" 200 2326 "-" "-" 0.250\n';

describe('log report: the program', function () {
  this.timeout(60_000); // processes are started
  let folder: string;
  let access: string;
  let mixed: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'log-report-test-'));
    access = join(folder, 'access.log');
    writeFileSync(access, ACCESS.repeat(3));
    mixed = join(folder, 'mixed.log');
    writeFileSync(
      mixed,
      `${ACCESS}  a stack trace\n{"level":"error","time":"2024-03-01T10:11:12Z","status":500}\nlast`,
    );
  });
  after(() => rmSync(folder, { recursive: true }));

  it('writes a report for people', () => {
    const { status, stdout, stderr } = run([access]);
    assert.equal(status, 0);
    assert.equal(stderr, '');
    const steady = stdout.replace(/Read in .*/, 'Read in');
    assert.equal(
      steady,
      [
        access,
        '─'.repeat(Math.min(access.length, 100)),
        '  Size            234 B in 3 lines',
        '  Format          Combined Log',
        '  Read in',
        '  Entries         3',
        '  Period          2000-10-10 13:55 to 2000-10-10 13:55',
        '  Busiest minute  2000-10-10 13:55 with 3 entries',
        '',
        '  Status codes',
        '    200 OK      3  100.0 %  ██████████████████████████████',
        '',
        '  Slowest requests',
        '      250.0 ms  GET /a',
        '      250.0 ms  GET /a',
        '      250.0 ms  GET /a',
        '',
      ].join('\n'),
    );
  });

  it('keeps shares to 100 % where lines beside the entries have levels', () => {
    const term = `Log started: 2025-06-24  14:36:25\n${'E: broken\n'.repeat(9)}W: odd\n`;
    const { stdout } = run(['-'], term);
    assert.match(stdout, /^standard input\n─{14}\n/);
    assert.match(stdout, /Levels\n {4}error {7}9 {3}90\.0 % {2}█{27}\n {4}warning {5}1 {3}10\.0 % {2}█{3}\n/);
  });

  it('writes JSON, per file and in total', () => {
    const { status, stdout, stderr } = run(['--json', access, mixed]);
    assert.equal(status, 0);
    assert.equal(stderr, '');
    const { files, total } = JSON.parse(stdout) as Json;
    const slow = { milliseconds: 250, request: 'GET /a' };
    const expected = [
      {
        path: access,
        bytes: 234,
        lines: 3,
        entries: 3,
        formats: { combined: 3 },
        levels: {},
        statuses: { 200: 3 },
        actions: {},
        period: { first: '2000-10-10 13:55', last: '2000-10-10 13:55' },
        busiestMinute: { minute: '2000-10-10 13:55', entries: 3, exact: true },
        slowest: [slow, slow, slow],
      },
      {
        path: mixed,
        bytes: readFileSync(mixed).length,
        lines: 4,
        entries: 2,
        formats: { combined: 1, json: 1 },
        levels: { error: 1 },
        statuses: { 200: 1, 500: 1 },
        actions: {},
        period: { first: '2000-10-10 13:55', last: '2024-03-01 10:11' },
        busiestMinute: { minute: '2000-10-10 13:55', entries: 1, exact: true },
        slowest: [slow],
      },
    ];
    const found = files.map(({ seconds, ...rest }) => {
      assert.ok(seconds >= 0);
      return rest;
    });
    assert.deepEqual(found, expected);
    assert.equal(total?.bytes, 234 + readFileSync(mixed).length);
    assert.equal(total?.lines, 7);
    assert.deepEqual(total?.formats, { combined: 4, json: 1 });
    assert.deepEqual(total?.busiestMinute, { minute: '2000-10-10 13:55', entries: 4, exact: true });
  });

  it('reads standard input, whatever the pieces', async () => {
    const child = spawn(process.execPath, [PROGRAM, '--json', '-'], { stdio: ['pipe', 'pipe', 'inherit'] });
    const output: Buffer[] = [];
    child.stdout.on('data', (data: Buffer) => output.push(data));
    const input = readFileSync(mixed);
    for (let i = 0; i < input.length; i += 23) {
      child.stdin.write(input.subarray(i, i + 23));
      await new Promise(setImmediate);
    }
    child.stdin.end();
    await finished(child.stdout);
    const { files } = JSON.parse(Buffer.concat(output).toString()) as Json;
    const [ofFile] = (JSON.parse(run(['--json', mixed]).stdout) as Json).files;
    assert.deepEqual({ ...files[0], path: '', seconds: 0 }, { ...ofFile, path: '', seconds: 0 });
  });

  it('reads a FIFO', function () {
    if (process.platform === 'win32') return this.skip();
    const fifo = join(folder, 'fifo');
    execFileSync('mkfifo', [fifo]);
    const writer = createWriteStream(fifo);
    writer.on('error', () => {});
    const output = new Promise<string>((resolve) => {
      const child = spawn(process.execPath, [PROGRAM, '--json', fifo], { stdio: ['ignore', 'pipe', 'inherit'] });
      let text = '';
      child.stdout.setEncoding('utf8').on('data', (data: string) => (text += data));
      child.on('close', () => resolve(text));
    });
    writer.end(ACCESS);
    return output.then((text) => assert.equal((JSON.parse(text) as Json).files[0]?.entries, 1));
  });

  it('reports the other files where one cannot be read', () => {
    const missing = join(folder, 'missing.log');
    const { status, stdout, stderr } = run(['--json', missing, access, folder]);
    assert.equal(status, 1);
    assert.deepEqual(
      (JSON.parse(stdout) as Json).files.map(({ path }) => path),
      [access],
    );
    const [first, second, ...more] = stderr.trimEnd().split('\n');
    assert.match(first!, /^log-report: .*missing\.log: ENOENT: no such file or directory/);
    assert.match(second!, /^log-report: .*: EISDIR: /);
    assert.deepEqual(more, []);
  });

  it('writes nothing, and fails, where no file could be read', () => {
    const { status, stdout } = run([join(folder, 'missing.log')]);
    assert.equal(status, 1);
    assert.equal(stdout, '');
  });

  it('reports an empty file', () => {
    const empty = join(folder, 'empty.log');
    writeFileSync(empty, '');
    const { status, stdout } = run(['--json', empty]);
    assert.equal(status, 0);
    const [file] = (JSON.parse(stdout) as Json).files;
    assert.equal(file?.bytes, 0);
    assert.equal(file?.lines, 0);
    assert.match(run([empty]).stdout, /Size {12}0 B in 0 lines\n {2}Format {10}just lines/);
  });

  it('refuses what it does not know, and helps', () => {
    const { status, stdout, stderr } = run(['--yaml', access]);
    assert.equal(status, 2);
    assert.equal(stdout, '');
    assert.match(stderr, /^log-report: Unknown option '--yaml'/);
    for (const flag of ['--help', '-h']) {
      const help = run([flag]);
      assert.equal(help.status, 0);
      assert.match(help.stdout, /^Usage: log-report/);
    }
  });

  it('reports on what it finds where no file is named, and says so', () => {
    const { status, stdout, stderr } = run(['--json']);
    assert.equal(status, 0, stderr);
    assert.match(stderr, /^No file named.*\n$/);
    for (const { path, bytes } of (JSON.parse(stdout) as Json).files) {
      assert.ok(bytes > 0, path);
      assert.ok(path.startsWith('/var/log/') || !existsSync(path), 'what was made up is removed');
    }
  });

  it('sends no control characters from the log to the terminal', () => {
    const { stdout } = run(['-'], ACCESS.replace('/a', '/\x1b[31m\x07'));
    assert.match(stdout, /GET \/\\x1b\[31m\\x07/);
  });

  it('ends quietly when nobody reads its report', async () => {
    const child = spawn(process.execPath, [PROGRAM, '-'], { stdio: ['pipe', 'pipe', 'pipe'] });
    child.stdout.destroy();
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (data: string) => (stderr += data));
    child.stdin.end(ACCESS);
    const [code, signal] = await new Promise<[number | null, string | null]>((resolve) => {
      child.on('close', (code, signal) => resolve([code, signal]));
    });
    assert.deepEqual({ code, signal, stderr }, { code: 0, signal: null, stderr: '' });
  });

  itUnless(onlyLinuxTells, 'tells of a device without room', () => {
    const full = openSync('/dev/full', 'w');
    const { status, stderr } = spawnSync(process.execPath, [PROGRAM, '-'], {
      input: ACCESS,
      stdio: ['pipe', full, 'pipe'],
    });
    closeSync(full);
    assert.equal(status, 1);
    assert.match(String(stderr), /^log-report: write error: .*ENOSPC.*\n$/);
  });

  itUnless(noPosixPrograms, 'holds little, whatever the log holds', () => {
    // None of these would fit the heap, were it kept: a line of 200 MB, minutes and keys without end.
    const script = `
      const write = (text) => new Promise((resolve) => process.stdout.write(text, resolve));
      const lines = async (count, line) => {
        for (let i = 0; i < count; ) {
          let block = '';
          for (const end = i + 10_000; i < end; i++) block += line(i);
          await write(block);
        }
      };
      for (let i = 0; i < 200; i++) await write('x'.repeat(1 << 20));
      await write('\\n');
      const time = (i) => new Date((i * 7_919 % 1_500_000 + 1e7) * 60_000).toISOString();
      await lines(1_500_000, (i) => \`\${time(i)} host app: x\\n\`);
      await lines(100_000, (i) => \`{"level":"level\${i}","key\${i}":"\${i}"}\\n\`);`;
    const result = spawnSync(
      'sh',
      [
        '-c',
        '"$0" --input-type=module -e "$1" | "$0" --max-old-space-size=48 "$2" --json -',
        process.execPath,
        script,
        PROGRAM,
      ],
      { encoding: 'utf8' },
    );
    assert.equal(result.stderr, '');
    const [file] = (JSON.parse(result.stdout) as Json).files;
    assert.equal(file?.lines, 1_600_001);
    assert.equal(file?.entries, 1_600_000);
    assert.equal(file?.busiestMinute?.exact, false);
  });

  it('starts by npm start, with nothing but the report on standard output', function () {
    // What is older than its sources is built by it.
    if (spawnSync('npm', ['--version']).status !== 0) {
      console.log('      not run, because there is no npm');
      return this.skip();
    }
    const { status, stdout } = spawnSync(process.execPath, [START, '--json', access], { encoding: 'utf8' });
    assert.equal(status, 0);
    assert.equal((JSON.parse(stdout) as Json).files[0]?.entries, 3);
    assert.equal(spawnSync(process.execPath, [START, '--yaml']).status, 2);
  });
});

describe('log report: what it reads by default', function () {
  this.timeout(60_000); // processes are started
  it('finds logs that can be read and are not empty', () => {
    const root = mkdtempSync(join(tmpdir(), 'log-report-test-'));
    try {
      mkdirSync(join(root, 'apt'));
      mkdirSync(join(root, 'folder.log'));
      for (const name of ['syslog', 'b.log', 'a.log', 'old.log.1.gz', 'apt/term.log'])
        writeFileSync(join(root, name), 'x');
      writeFileSync(join(root, 'empty.log'), '');
      const found = ['a.log', 'b.log', 'syslog', 'apt/term.log'].map((name) => join(root, name));
      assert.deepEqual(findLogs(root), found);
      assert.deepEqual(findLogs(join(root, 'nowhere')), []);
    } finally {
      rmSync(root, { recursive: true });
    }
  });

  it('makes up the same log every time, and removes it', () => {
    const [one, two] = [writeSampleLog(500_000), writeSampleLog(500_000)];
    try {
      const text = readFileSync(one.path, 'utf8');
      assert.ok(text.length >= 500_000);
      assert.equal(readFileSync(two.path, 'utf8'), text);
      const [file] = (JSON.parse(run(['--json', one.path]).stdout) as Json).files;
      assert.deepEqual(file?.formats, { combined: text.split('\n').length - 1 });
      assert.equal(file?.slowest.length, 10);
    } finally {
      one.remove();
      two.remove();
    }
    assert.throws(() => readFileSync(one.path), { code: 'ENOENT' });
  });
});
