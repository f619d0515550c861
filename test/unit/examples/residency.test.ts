/** The example that draws which parts of a file are in memory. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { MappedFile } from 'sliding-mmap';
import { Folder, oracle } from '../../helpers/files.js';

const program = fileURLToPath(new URL('../../../examples/residency.js', import.meta.url));
const page = 4096;

function run(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...args], { encoding: 'utf8' });
  // eslint-disable-next-line no-control-regex -- colours, where the terminal has them
  return { status, stdout: stdout.replace(/\x1b\[\d+m/g, ''), stderr };
}

describe('residency', function () {
  this.timeout(60_000); // processes are started

  before(function () {
    if (process.platform !== 'linux') this.skip();
  });

  it('draws what is in memory, and what is not', async () => {
    using folder = new Folder();
    const path = folder.file(oracle(0, 64 * page));
    {
      using file = MappedFile.openSync(path, 'r', { advice: 'random' });
      await file.dropCache();
      assert.deepEqual(
        run('--width', '16', path).stdout,
        `${path}: 0 of 64 pages in memory, 0.0 %\n[${' '.repeat(16)}]\n`,
      );
      file.readSync(Buffer.alloc(8 * page), 0, 8 * page, 16 * page);
    }
    const { stdout, stderr, status } = run('--width', '8', '--rows', '2', path);
    assert.deepEqual({ stderr, status }, { stderr: '', status: 0 });
    const [title, first, second] = stdout.split('\n') as [string, string, string];
    assert.match(title, /: (8|\d\d) of 64 pages in memory, [\d.]+ %$/);
    assert.match(first, /^\[.{4}██.{2}\]$/u);
    assert.match(second, /^\[.{8}\]$/u);
    assert.equal(
      run('--touch', '--width', '10', path).stdout,
      `${path}: 64 of 64 pages in memory, 100.0 %\n[${'█'.repeat(10)}]\n`,
    );
    assert.match(run('--evict', path).stdout, /: 0 of 64 pages in memory, 0\.0 %\n\[ +\]\n$/);
  });

  it('draws parts that are partly in memory in shades, and again and again', async () => {
    using folder = new Folder();
    const path = folder.sparse(100_000 * page);
    using file = MappedFile.openSync(path);
    await file.prefetch(0, 25_000 * page);
    const { stdout, status } = run('--watch', '--every', '0.05', '--times', '3', '--width', '2', path);
    assert.equal(status, 0);
    const pictures = stdout.match(/\[.+\]/gu)!;
    assert.equal(pictures.length, 3);
    for (const picture of pictures) assert.equal(picture, '[▒ ]');
  });

  it('draws empty files, those that are shorter than a row, and huge ones', () => {
    using folder = new Folder();
    const { stdout } = run('--width', '9', folder.file('', 'empty'), folder.file(2 * page + 1, 'short'));
    assert.deepEqual(stdout.split('\n').slice(0, 3), [
      `${folder.join('empty')}: 0 of 0 pages in memory, –`,
      `${folder.join('short')}: 3 of 3 pages in memory, 100.0 %`,
      '[███]',
    ]);
    assert.match(run(folder.sparse(2 ** 43)).stdout, /: 0 of 2147483648 pages in memory, 0\.0 %\n/);
  });

  it('tells how to use it, and what is wrong', () => {
    assert.deepEqual([run().status, /^Usage: residency/.test(run().stderr)], [2, true]);
    for (const args of [
      ['--rows', '0', 'a'],
      ['--width', 'x', 'a'],
      ['--every', '', 'a'],
      ['--colour', 'a'],
    ]) {
      const { status, stdout } = run(...args);
      assert.deepEqual({ status, stdout }, { status: 2, stdout: '' }, args.join(' '));
    }
    const missing = run('/nowhere/at/all');
    assert.equal(missing.status, 1);
    assert.match(missing.stderr, /^residency: ENOENT/);
  });
});
