import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

import { Folder } from '../../helpers/files.js';
import { itUnless, noPosixPrograms } from '../../helpers/systems.js';

const PROGRAM = fileURLToPath(new URL('../../../examples/parallel-count.js', import.meta.url));

interface Result {
  serial: { lines: number; matching: number };
  parallel: { lines: number; matching: number };
  threads: number;
  ranges: number;
}

function run(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [PROGRAM, ...args], { encoding: 'utf8' });
  return { status, stdout, stderr };
}

function count(command: string, ...args: string[]): number {
  return parseInt(spawnSync(command, args, { encoding: 'utf8', env: { LC_ALL: 'C' } }).stdout, 10);
}

describe('parallel-count', function () {
  this.timeout(60_000); // processes and threads are started
  let folder: Folder;
  let log: string;
  before(() => {
    folder = new Folder();
    // Short lines, long ones and some that no range can be cut inside of.
    const lines = Array.from({ length: 60_000 }, (_, i) => {
      const filler = 'x'.repeat(i % 10_000 === 5000 ? 300_000 : i % 61);
      return `${i} ${i % 3 === 0 ? 'größer' : 'kleiner'} ${filler}`;
    });
    log = folder.file(`${lines.join('\n')}\n`, 'data.log');
  });
  after(() => folder[Symbol.dispose]());

  itUnless(noPosixPrograms, 'counts what wc and grep count, with any number of threads', () => {
    const expected = { lines: count('wc', '-l', log), matching: count('grep', '-c', '-F', 'größer', log) };
    assert.deepEqual(expected, { lines: 60_000, matching: 20_000 });
    for (const threads of [1, 2, 5]) {
      const { status, stdout, stderr } = run('--json', '--threads', String(threads), log, 'größer');
      assert.equal(stderr, '');
      assert.equal(status, 0);
      const result = JSON.parse(stdout) as Result;
      assert.deepEqual([result.serial, result.parallel, result.threads], [expected, expected, threads]);
      assert.ok(result.ranges > threads);
    }
  });

  it('shows both counts, and how much faster many are', () => {
    const { status, stdout } = run('--threads', '2', log, 'größer');
    assert.equal(status, 0);
    const [serial, parallel, ratio] = stdout.split('\n') as [string, string, string];
    assert.match(serial, /^1 thread {3}60000 lines, 20000 with 'größer' {2}\d+\.\d{3} s$/);
    assert.match(parallel, /^2 threads {2}60000 lines, 20000 with 'größer' {2}\d+\.\d{3} s$/);
    assert.match(ratio, /^\d+\.\d\d times as fast$/);
  });

  it('has fewer ranges than threads where there are few lines', () => {
    for (const [content, lines] of [
      ['', 0],
      ['one', 1],
      ['one\ntwo', 2],
    ] as const) {
      const { status, stdout } = run('--json', '--threads', '3', folder.file(content, 'small'));
      assert.equal(status, 0);
      const result = JSON.parse(stdout) as Result;
      assert.deepEqual([result.serial.lines, result.parallel.lines], [lines, lines]);
    }
  });

  it('says what is wrong', () => {
    assert.equal(run().status, 2);
    assert.equal(run('--threads', '0', log).status, 2);
    const { status, stderr } = run(folder.join('none'));
    assert.equal(status, 1);
    assert.match(stderr, /^parallel-count: ENOENT/);
  });
});
