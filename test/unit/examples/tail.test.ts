import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Folder } from '../../helpers/files.js';
import { itUnless, noPosixPrograms } from '../../helpers/systems.js';

const program = fileURLToPath(new URL('../../../examples/tail.js', import.meta.url));
const hasTail = spawnSync('tail', ['--version']).stdout?.includes('GNU');

interface Result {
  status: number | null;
  stdout: string;
  stderr: string;
}

function ours(args: string[], cwd: string): Result {
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...args], {
    cwd,
    encoding: 'latin1',
    maxBuffer: 2 ** 24,
  });
  return { status, stdout, stderr };
}

function theirs(args: string[], cwd: string): Result {
  const { status, stdout, stderr } = spawnSync('tail', args, {
    cwd,
    encoding: 'latin1',
    maxBuffer: 2 ** 24,
    env: { ...process.env, LC_ALL: 'C' },
  });
  return { status, stdout, stderr };
}

describe('examples/tail', function () {
  this.timeout(60_000);

  it('gives what tail gives', function () {
    if (!hasTail) this.skip();
    using folder = new Folder();
    const lines = Array.from({ length: 40_000 }, (_, i) => `line ${i} ${'x'.repeat(i % 50)}`).join('\n');
    folder.file(`${lines}\n`, 'lines');
    folder.file(lines, 'unended');
    folder.file('', 'empty');
    folder.file('\n\n\r\n\n', 'newlines');
    folder.file(300_000, 'bytes');
    const arguments_ = [
      ['lines'],
      ['-n', '3', 'unended'],
      ['-n', '20000', 'lines'],
      ['-n', '+39998', 'lines'],
      ['-c', '7', 'lines'],
      ['-c', '+1260000', 'lines'],
      ['-n', '2', 'lines', 'empty', 'unended', 'missing', 'newlines'],
      ['-q', '-n', '100', 'lines', 'bytes', 'newlines', 'unended'],
      ['-v', '-n', '+39999', 'lines'],
      ['-n', '0', 'lines', 'empty'],
    ];
    for (const args of arguments_) {
      const [mine, real] = [ours(args, folder.path), theirs(args, folder.path)];
      assert.deepEqual(
        { args, status: mine.status, stdout: mine.stdout },
        { args, status: real.status, stdout: real.stdout },
      );
      assert.equal(mine.stderr.toLowerCase(), real.stderr.toLowerCase());
    }
  });

  itUnless(!hasTail && 'there is no GNU tail', 'gives what tail gives of what does not tell its size', () => {
    using folder = new Folder();
    folder.file('one\ntwo\nthree\n', 'lines');
    const ways = [
      ['-c', '3'],
      ['-c', '+3'],
      ['-c', '1000'],
      ['-c', '+1000'],
      ['-n', '2'],
      ['-n', '+2'],
      ['-n', '1000'],
      ['-n', '+1000'],
    ];
    for (const way of ways) {
      const piped = ['-c', 'cat lines | "$0" "$@" /dev/stdin'];
      const [mine, real] = [[process.execPath, program], ['tail']].map(
        (command) => spawnSync('sh', [...piped, ...command, ...way], { cwd: folder.path, encoding: 'latin1' }).stdout,
      );
      assert.deepEqual({ way, stdout: mine }, { way, stdout: real });
    }
    for (const way of process.platform === 'linux' ? ways : []) {
      const args = [...way, '/proc/version', '/proc/self/mounts'];
      assert.deepEqual(ours(args, folder.path), theirs(args, folder.path));
    }
    // It cannot be followed, and that is said.
    const { status, stdout, stderr } = ours(['-f', '-c', '3', '/proc/version'], folder.path);
    assert.deepEqual({ status, stdout }, { status: 1, stdout: '' });
    assert.match(stderr, /^tail: /);
  });

  itUnless(noPosixPrograms, 'waits for what is at a name to become a file', async () => {
    using folder = new Folder();
    const log = folder.join('log');
    fs.mkdirSync(log);
    const child = spawn(process.execPath, [program, '-F', '-s', '0.05', 'log'], { cwd: folder.path, stdio: 'pipe' });
    let [stdout, stderr] = ['', ''];
    child.stdout.on('data', (text) => (stdout += text));
    child.stderr.on('data', (text) => (stderr += text));
    const closed = new Promise((resolve) => child.once('close', resolve));
    const until = async (reached: () => boolean): Promise<void> => {
      while (!reached() && child.exitCode === null) await delay(25);
      assert.ok(reached(), stderr);
    };
    try {
      await until(() => stderr !== '');
      fs.rmdirSync(log);
      fs.writeFileSync(log, 'first\n');
      await until(() => stdout === 'first\n');
    } finally {
      child.kill();
      await closed;
    }
    assert.match(stderr, /^tail: error reading 'log': .*\ntail: 'log' has appeared; {2}following new file\n$/);
  });

  it('refuses what it does not understand', () => {
    using folder = new Folder();
    for (const args of [[], ['-n', 'x', 'file'], ['-s', '0', 'file'], ['--what', 'file']]) {
      const { status, stdout, stderr } = ours(args, folder.path);
      assert.deepEqual({ status, stdout }, { status: 1, stdout: '' });
      assert.match(stderr, /^tail: /);
    }
    assert.match(ours(['.'], folder.path).stderr, /^tail: error reading '\.': /);
  });

  for (const [name, command] of [
    ['this one', [process.execPath, program]],
    ['the real one', ['tail']],
  ] as const) {
    it(`follows files through rotation: ${name}`, async function () {
      if (name === 'the real one' && !hasTail) this.skip();
      using folder = new Folder();
      folder.file('one\ntwo\nthree\n', 'a');
      folder.file('other\n', 'b');
      const [file, ...args] = [...command, '-F', '-n', '2', '-s', '0.2', 'a', 'b', 'c'] as [string, ...string[]];
      const child = spawn(file, args, {
        cwd: folder.path,
        env: { ...process.env, LC_ALL: 'C' },
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      let [stdout, stderr] = ['', ''];
      child.stdout.on('data', (text) => (stdout += text));
      child.stderr.on('data', (text) => (stderr += text));
      const until = async (text: string): Promise<void> => {
        for (let i = 0; i < 400 && !stdout.endsWith(text); i++) await delay(25);
        assert.ok(stdout.endsWith(text), `${JSON.stringify(stdout)} does not end with ${JSON.stringify(text)}`);
      };
      try {
        await until('==> a <==\ntwo\nthree\n\n==> b <==\nother\n');
        await delay(500); // tail has begun to watch
        fs.appendFileSync(folder.join('a'), 'four\n');
        await until('\n\n==> a <==\nfour\n');
        fs.renameSync(folder.join('a'), folder.join('a.1'));
        if (name === 'this one') {
          // Which the other one does not see.
          fs.appendFileSync(folder.join('a.1'), 'late\n');
          await until('four\nlate\n');
        }
        fs.writeFileSync(folder.join('a'), 'new\n');
        await until('\nnew\n');
        fs.truncateSync(folder.join('b'));
        fs.appendFileSync(folder.join('b'), 'cut\n');
        await until('\n\n==> b <==\ncut\n');
        fs.writeFileSync(folder.join('c'), 'came\n');
        await until('\n\n==> c <==\ncame\n');
      } finally {
        child.kill();
        await new Promise((resolve) => child.once('close', resolve));
      }
      assert.match(stderr, /tail: cannot open 'c' for reading: no such file or directory/i);
      assert.match(stderr, /tail: '?a'? has (been replaced|appeared);\s\sfollowing new file/);
      assert.match(stderr, /tail: b: file truncated/);
      assert.match(stderr, /tail: 'c' has appeared;\s\sfollowing new file/);
    });
  }

  it('follows a descriptor through a rename, and ends when nobody reads', async () => {
    using folder = new Folder();
    folder.file('one\n', 'a');
    const child = spawn(process.execPath, [program, '-f', '-s', '0.05', 'a'], { cwd: folder.path, stdio: 'pipe' });
    let stdout = '';
    child.stdout.on('data', (text) => (stdout += text));
    const ended = new Promise((resolve) => child.once('close', resolve));
    const until = async (text: string): Promise<void> => {
      for (let i = 0; i < 400 && stdout !== text; i++) await delay(25);
      assert.equal(stdout, text);
    };
    await until('one\n');
    fs.renameSync(folder.join('a'), folder.join('a.1'));
    fs.writeFileSync(folder.join('a'), 'another\n');
    fs.appendFileSync(folder.join('a.1'), 'two\n');
    await until('one\ntwo\n');
    child.stdout.destroy();
    fs.appendFileSync(folder.join('a.1'), 'three\n');
    fs.appendFileSync(folder.join('a.1'), 'four\n');
    const ending = setInterval(() => fs.appendFileSync(folder.join('a.1'), 'more\n'), 50);
    await ended;
    clearInterval(ending);
  });
});
