import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { itUnless, onlyLinuxTells } from '../../helpers/systems.js';

const program = fileURLToPath(new URL('../../../examples/grep.js', import.meta.url));
const env = { ...process.env, LC_ALL: 'C.UTF-8', GREP_COLORS: '' };

function run(command: string, args: readonly string[], cwd: string, input: string) {
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8', cwd, env, input });
  return { status, stdout, failed: stderr !== '' };
}

/** Texts such as Debian has them, where it is Debian. */
const licences = '/usr/share/common-licenses';

describe('the example grep', function () {
  this.timeout(120_000); // processes are started
  let folder: string;
  before(function () {
    if (spawnSync('grep', ['--version']).error !== undefined) this.skip();
    folder = mkdtempSync(join(tmpdir(), 'grep-test-'));
    const log = Array.from({ length: 5000 }, (_, i) => {
      const level = ['INFO', 'debug', 'Error', 'WARN'][(i * 7) % 4]!;
      return `2026-03-${String(1 + (i % 28)).padStart(2, '0')} ${level} worker-${i % 13}: request ${i} took ${(i * 37) % 1000} ms${i % 97 === 0 ? ' – Größe €' : ''}`;
    });
    writeFileSync(join(folder, 'a.log'), `${log.join('\n')}\n`);
    writeFileSync(join(folder, 'b.txt'), 'one\n\ntwo error\r\nTwo Errors\n\n\nerror');
    writeFileSync(join(folder, 'empty'), '');
  });
  after(() => folder && rmSync(folder, { recursive: true }));

  const cases: string[][] = [
    ['-F', 'Error', 'a.log'],
    ['-c', '-F', 'Error', 'a.log'],
    ['-F', 'request 77', 'a.log', 'b.txt', 'empty'],
    ['-E', 'worker-(3|12): request [0-9]+7 ', 'a.log'],
    ['-n', '-i', 'ERROR', 'b.txt'],
    ['-n', '-i', '-F', 'ERROR', 'b.txt'],
    ['-v', '-n', 'worker', 'b.txt'],
    ['-v', '-c', '-F', 'error', 'b.txt', 'a.log'],
    ['-v', '-n', '-b', '-F', 'e', 'b.txt'],
    ['-c', 'x', 'b.txt', 'empty'],
    ['-n', '-A2', '-F', 'request 100 ', 'a.log'],
    ['-n', '-B3', '-F', 'request 2', 'a.log'],
    ['-n', '-C1', '-E', 'request [0-9]*99 ', 'a.log'],
    ['-C2', '-F', 'took 777 ', 'a.log', 'b.txt'],
    ['-n', '-v', '-C1', '-F', 'INFO', 'a.log'],
    ['-n', '-A1', '-F', 'error', 'b.txt'],
    ['-n', '-B1', '-v', '-E', 'o', 'b.txt'],
    ['-l', '-F', 'Error', 'a.log', 'b.txt', 'empty'],
    ['-H', '-c', '-F', 'two', 'b.txt'],
    ['-h', '-F', 'two', 'b.txt', 'a.log'],
    ['-o', '-b', '-F', 'rr', 'b.txt'],
    ['-o', '-n', '-b', '-E', '[0-9]+ ms', 'a.log'],
    ['-o', '-E', '€|Größe', 'a.log'],
    ['-m3', '-n', '-F', 'WARN', 'a.log'],
    ['-m2', '-v', '-n', '-F', 'WARN', 'a.log'],
    ['-m3', '-c', '-F', 'WARN', 'a.log'],
    ['-m2', '-o', '-F', 'o', 'b.txt'],
    ['-A0', '-F', 'error', 'b.txt'],
    ['-n', '-B0', '-F', 'took 777 ', 'a.log', 'b.txt', 'a.log'],
    ['-C0', '-v', '-F', 'error', 'b.txt', 'a.log'],
    ['-n', '-C0', '-m2', '-F', 'two', 'b.txt', 'b.txt'],
    ['-o', '-n', '-A1', '-F', 'o', 'b.txt', 'b.txt'],
    ['-o', '-B1', '-A1', '-E', 'request [0-9]*99 ', 'a.log', 'b.txt'],
    ['-o', '-C0', '-E', '[0-9]+ ms', 'a.log'],
    ['-o', '-C1', '-F', '', 'b.txt', 'b.txt'],
    ['-n', '-B9999', '-F', 'request 4999 ', 'a.log'],
    ['-n', '-A9999', '-F', 'request 0 ', 'a.log'],
    ['--color=always', '-C0', '-F', 'rr', 'b.txt'],
    ['--color=always', '-n', '-H', '-F', 'rr', 'b.txt'],
    ['--color=always', '-n', '-C1', '-E', 'request (7|8)0 ', 'a.log'],
    ['--color=always', '-o', '-E', 'Gr..e', 'a.log'],
    ['-F', '-e', 'request 42 ', '-e', 'request 43 ', 'a.log'],
    ['-e', 'request 42 ', '-e', '^.*43 ms', 'a.log'],
    ['-n', '^$', 'b.txt'],
    ['-n', '-F', '', 'b.txt'],
    ['-q', '-F', 'WARN', 'a.log'],
    ['-q', '-F', 'nothing of the kind', 'a.log'],
    ['-F', 'two', 'missing', 'b.txt'],
    ['-n', '-F', 'error'],
    ['-c', '-v', 'error', '-'],
  ];
  for (const args of cases) {
    it(args.join(' '), () => {
      const input = 'an error\nnone\nerrors\n';
      const expected = run('grep', args, folder, input);
      // -E is what a regular expression is here; grep's other way to write one is not tested.
      const ours = run(process.execPath, [program, ...args.filter((arg) => arg !== '-E')], folder, input);
      assert.deepEqual(ours, expected);
    });
  }

  it('finds the same in real texts', function () {
    if (!existsSync(licences)) this.skip();
    const names = readdirSync(licences).map((name) => join(licences, name));
    for (const args of [
      ['-n', '-F', 'copyright'],
      ['-c', '-i', '-F', 'Licen'],
      ['-n', '-C1', '-F', 'warranty'],
    ]) {
      assert.deepEqual(
        run(process.execPath, [program, ...args, ...names], folder, ''),
        run('grep', [...args, ...names], folder, ''),
      );
    }
  });

  it('holds a part of what it prints only, however far the matches are apart', () => {
    const text = `first\n${`${'x'.repeat(99)}\n`.repeat(500_000)}last\n`;
    writeFileSync(join(folder, 'big'), text);
    for (const [args, expected] of [
      [['-v', '-F', 'none'], text],
      [['-v', '-F', 'first'], text.slice('first\n'.length)],
      [['-A9999999', '-F', 'first'], text],
      [['-B9999999', '-F', 'last'], text],
    ] as const) {
      const out = openSync(join(folder, 'out'), 'w');
      // Half of the output has no room in this heap.
      const { status, stderr } = spawnSync(process.execPath, ['--max-old-space-size=24', program, ...args, 'big'], {
        cwd: folder,
        stdio: ['ignore', out, 'pipe'],
      });
      closeSync(out);
      assert.deepEqual({ args, status, stderr: String(stderr) }, { args, status: 0, stderr: '' });
      assert.ok(readFileSync(join(folder, 'out'), 'latin1') === expected, args.join(' '));
    }
  });

  itUnless(onlyLinuxTells, 'tells of a device without room', () => {
    const full = openSync('/dev/full', 'w');
    try {
      for (const args of [
        ['-F', 'Error', 'a.log'],
        ['-c', 'x', 'a.log'],
        ['-l', '-F', 'Error', 'a.log'],
        ['-v', 'x', 'a.log'],
      ]) {
        const { status, stderr } = spawnSync(process.execPath, [program, ...args], {
          cwd: folder,
          stdio: ['ignore', full, 'pipe'],
        });
        assert.equal(status, 2);
        assert.match(String(stderr), /^grep: write error: .*ENOSPC.*\n$/);
      }
    } finally {
      closeSync(full);
    }
  });

  it('tells how it is used', () => {
    assert.equal(run(process.execPath, [program, '--nonsense'], folder, '').status, 2);
    assert.equal(run(process.execPath, [program], folder, '').status, 2);
    assert.equal(run(process.execPath, [program, '('], folder, '').status, 2);
    const { status, stdout } = run(process.execPath, [program, '--help'], folder, '');
    assert.equal(status, 0);
    assert.match(stdout, /^Usage: grep /);
  });
});
