/** The examples of processes that share a file. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import fs from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Folder } from '../../helpers/files.js';
import { itUnless, onlyLinuxTells } from '../../helpers/systems.js';

class Example {
  readonly child: ChildProcess;
  stdout = '';
  stderr = '';

  constructor(name: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env) {
    const program = fileURLToPath(new URL(`../../../examples/${name}.js`, import.meta.url));
    this.child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'pipe'], env });
    this.child.stdout?.setEncoding('utf8').on('data', (text: string) => (this.stdout += text));
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.stderr += text));
  }

  async end(): Promise<{ code: number | null; stdout: string; stderr: string }> {
    const [code] = (await once(this.child, 'close')) as [number | null];
    return { code, stdout: this.stdout, stderr: this.stderr };
  }
}

/** Processes that a process has started. */
function childrenOf(pid: number): number[] {
  return fs
    .readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
    .split(' ')
    .filter((text) => text !== '')
    .map(Number);
}

describe('examples of sharing', function () {
  this.timeout(120_000);

  it('shared-counter counts what is in all of the files', async () => {
    using folder = new Folder();
    const texts = Array.from({ length: 12 }, (_, i) => {
      const words = Array.from({ length: 500 }, (_, word) => `Wörter${(word * (i + 1)) % 100} the`);
      return folder.file(words.join('\n'), `text${i}`);
    });
    const expected = new Map<string, number>();
    for (const text of texts) {
      for (const word of fs.readFileSync(text, 'utf8').toLowerCase().split(/\s/)) {
        expected.set(word, (expected.get(word) ?? 0) + 1);
      }
    }
    const top = [...expected].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1)).slice(0, 10);
    const result = await new Example('shared-counter', ['--processes', '3', ...texts]).end();
    const lines = top.map(([word, count]) => `${String(count).padStart(8)} ${word}\n`);
    assert.deepEqual(result, {
      code: 0,
      stdout: `${lines.join('')}12000 words, ${expected.size} of them different\n`,
      stderr: '',
    });
  });

  it('job-queue does what sha256sum does, and tells what cannot be read', async () => {
    using folder = new Folder();
    const files = Array.from({ length: 20 }, (_, i) => folder.file(i * 10_000, `file${i}`));
    const lines = files.map((path) => `${createHash('sha256').update(fs.readFileSync(path)).digest('hex')}  ${path}\n`);
    const missing = folder.join('missing');
    const result = await new Example('job-queue', ['--workers', '3', ...files, missing]).end();
    assert.deepEqual(result, {
      code: 1,
      stdout: lines.join(''),
      stderr: `job-queue: ENOENT: no such file or directory, open '${missing}'\n`,
    });
  });

  it('job-queue goes on when workers are killed', async function () {
    if (process.platform !== 'linux') this.skip();
    using folder = new Folder();
    const files = Array.from({ length: 400 }, (_, i) => folder.file(20_000 + i, `file${i}`));
    const example = new Example('job-queue', ['--workers', '2', ...files]);
    const ended = example.end();
    let killed = 0;
    while (killed < 3 && example.child.exitCode === null) {
      await delay(60);
      for (const pid of childrenOf(example.child.pid!).slice(0, 1)) {
        process.kill(pid, 'SIGKILL');
        killed++;
      }
    }
    const { code, stdout } = await ended;
    assert.equal(code, 0);
    const lines = files.map((path) => `${createHash('sha256').update(fs.readFileSync(path)).digest('hex')}  ${path}\n`);
    assert.equal(stdout, lines.join(''));
    assert.ok(killed > 0);
  });

  for (const signal of ['SIGINT', 'SIGTERM', 'SIGKILL'] as const) {
    itUnless(onlyLinuxTells, `job-queue leaves no workers when ${signal} ends it`, async () => {
      using folder = new Folder();
      using temporary = new Folder();
      const file = folder.sparse(2 ** 40, [], 'endless');
      const env = { ...process.env, TMPDIR: temporary.path };
      const example = new Example('job-queue', ['--workers', '2', file, file], env);
      const closed = once(example.child, 'close');
      let workers: number[] = [];
      while (workers.length < 2) {
        await delay(25);
        workers = childrenOf(example.child.pid!);
      }
      await delay(300); // they work
      example.child.kill(signal);
      // That is when they have ended, too: its output is theirs.
      assert.deepEqual(await closed, [null, signal]);
      if (signal !== 'SIGKILL') assert.deepEqual(fs.readdirSync(temporary.path), []);
    });
  }

  it('tell how they are used', async () => {
    for (const name of ['shared-counter', 'job-queue']) {
      const { code, stderr } = await new Example(name, []).end();
      assert.deepEqual([code, stderr.startsWith(`Usage: ${name}`)], [2, true]);
    }
  });
});
