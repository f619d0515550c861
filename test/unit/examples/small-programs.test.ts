import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cannotMap, itUnless } from '../../helpers/systems.js';

function run(name: string, args: string[], env: Record<string, string> = {}) {
  const program = fileURLToPath(new URL(`../../../examples/${name}.js`, import.meta.url));
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...args], {
    encoding: 'utf8',
    env: { ...process.env, ...env },
  });
  return { status, stdout, stderr };
}

/** Bytes that depend on their position. */
function pattern(length: number): Buffer {
  return Buffer.from(Uint8Array.from({ length }, (_, i) => (i ^ (i >> 8) ^ (i >> 16)) & 0xff));
}

describe('examples', function () {
  this.timeout(60_000); // processes are started
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'examples-test-'))));
  afterEach(() => rmSync(folder, { recursive: true }));

  describe('copy', () => {
    it('copies byte for byte, and tells how fast', () => {
      for (const length of [0, 1, 3_000_001]) {
        const [from, to] = [join(folder, `from${length}`), join(folder, `to${length}`)];
        const bytes = pattern(length);
        writeFileSync(from, bytes);
        const { status, stdout, stderr } = run('copy', [from, to]);
        assert.deepEqual({ status, stderr }, { status: 0, stderr: '' });
        assert.match(stdout, /^(?:0 B|1 B|3\.0 MB) in [\d.]+ s \([\d.]+ [kMG]?B\/s\)\n$/);
        assert.deepEqual(readFileSync(to), bytes);
      }
    });

    it('never writes over a file, not even over its source', () => {
      const [from, to] = [join(folder, 'from'), join(folder, 'to')];
      writeFileSync(from, 'new');
      writeFileSync(to, 'old');
      for (const target of [to, from]) {
        const { status, stdout, stderr } = run('copy', [from, target]);
        assert.deepEqual({ status, stdout }, { status: 1, stdout: '' });
        assert.match(stderr, /^copy: EEXIST: /);
      }
      assert.equal(readFileSync(to, 'utf8'), 'old');
      assert.equal(readFileSync(from, 'utf8'), 'new');
    });

    it('leaves nothing where the source cannot be read, and tells how to use it', () => {
      assert.match(run('copy', [join(folder, 'missing'), join(folder, 'to')]).stderr, /^copy: ENOENT: /);
      assert.deepEqual(readdirSync(folder), []);
      assert.equal(run('copy', [folder]).status, 2);
    });
  });

  describe('patch', () => {
    it('changes bytes in place, given in hex or as text, and shows them before and after', () => {
      const path = join(folder, 'file');
      const bytes = pattern(100_000);
      writeFileSync(path, bytes);
      assert.deepEqual(run('patch', [path, '0x10041', 'DEADbeef']), {
        status: 0,
        stdout:
          'before\n  000000010041  40 43 42 45                                      @CBE\n' +
          'after\n  000000010041  de ad be ef                                      ....\n',
        stderr: '',
      });
      bytes.set([0xde, 0xad, 0xbe, 0xef], 0x10041);
      assert.deepEqual(readFileSync(path), bytes);

      const text = run('patch', [path, '99990', '--text', 'seventeen ']);
      assert.equal(text.status, 0);
      assert.match(text.stdout, /after\n {2}000000018696 {2}73 65 76 65 6e 74 65 65 6e 20 {20}seventeen $/m);
      bytes.write('seventeen ', 99_990);
      assert.deepEqual(readFileSync(path), bytes);
    });

    it('refuses what would make the file grow, and changes nothing', () => {
      const path = join(folder, 'file');
      writeFileSync(path, 'abc');
      const { status, stdout, stderr } = run('patch', [path, '2', '0000']);
      assert.deepEqual({ status, stdout }, { status: 1, stdout: '' });
      assert.equal(stderr, `patch: ${path} has 3 bytes: nothing to change at 2 to 4\n`);
      assert.equal(run('patch', [path, '2', '--text', 'é']).status, 1, 'one letter, two bytes');
      assert.equal(readFileSync(path, 'utf8'), 'abc');
    });

    it('tells how to use it', () => {
      for (const args of [
        [],
        ['f', '1'],
        ['f', '1', '00', '--text', 'x'],
        ['f', '1', '0'],
        ['f', '-1', '00'],
        ['f', 'x', '00'],
        ['--x'],
      ]) {
        const { status, stdout, stderr } = run('patch', args);
        assert.deepEqual({ status, stdout }, { status: 2, stdout: '' }, args.join(' '));
        assert.notEqual(stderr, '');
      }
      assert.equal(run('patch', [join(folder, 'missing'), '0', '00']).status, 1);
    });
  });

  describe('bigger-than-memory', () => {
    it('writes and reads a file of 1 TiB within its pool, and leaves nothing', () => {
      const { status, stdout, stderr } = run('bigger-than-memory', [], { TMPDIR: folder });
      assert.deepEqual({ status, stderr }, { status: 0, stderr: '' }, stdout);
      const pools = [...stdout.matchAll(/windows +(\d+) MiB in (\d+), resident +(\d+) MiB/g)];
      assert.equal(pools.length, 3);
      for (const [, windows] of pools) assert.ok(Number(windows) <= 256, stdout);
      assert.match(stdout, /10000 values of a file of 1 TiB \(\d+ MiB on disk\) are right/);
      assert.deepEqual(readdirSync(folder), []);
    });

    it('refuses a limit that is none', () => {
      assert.equal(run('bigger-than-memory', ['--limit', 'few']).status, 2);
    });

    const notLimited = (process.platform !== 'linux' || process.arch !== 'x64') && 'only Linux on x64 is limited';
    itUnless(notLimited || cannotMap, 'does the same in a process with little address space left', () => {
      const { status, stdout, stderr } = run('bigger-than-memory', ['--limit', '96'], { TMPDIR: folder });
      assert.deepEqual({ status, stderr }, { status: 0, stderr: '' }, stdout);
      assert.match(stdout, /refused \d+ times/);
      assert.match(stdout, /10000 values of a file of 1 TiB \(\d+ MiB on disk\) are right/);
      assert.deepEqual(readdirSync(folder), []);
    });
  });
});
