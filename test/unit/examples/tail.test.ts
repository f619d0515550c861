import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Folder } from '../../helpers/files.js';

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
