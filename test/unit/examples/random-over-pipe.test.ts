import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { createReadStream } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { deflateRawSync } from 'node:zlib';
import { Folder, oracle } from '../../helpers/files.js';
import { itUnless, noPosixPrograms } from '../../helpers/systems.js';

const program = fileURLToPath(new URL('../../../examples/random-over-pipe.js', import.meta.url));

/** Runs it with the archive coming through a pipe of the shell's, or as a file. */
function run(
  archive: string,
  args: string[],
  through: 'pipe' | 'file',
): { status: number | null; stdout: Buffer; stderr: string } {
  const script = through === 'pipe' ? 'cat "$0" | "$@"' : '"$@" < "$0"';
  const command = ['-c', script, archive, process.execPath, program, ...args];
  const { status, stdout, stderr } = spawnSync('bash', command, { maxBuffer: 2 ** 24 });
  return { status, stdout, stderr: stderr.toString() };
}

/** An archive in the zip64 form, although it is small: everything that can be is in the extra field. */
function zip64(name: string, content: Buffer): Buffer {
  const data = deflateRawSync(content);
  const local = Buffer.alloc(30);
  local.writeUInt32LE(0x04034b50, 0);
  local.writeUInt16LE(8, 8);
  local.writeUInt16LE(name.length, 26);
  const member = Buffer.alloc(46);
  member.writeUInt32LE(0x02014b50, 0);
  member.writeUInt16LE(8, 10);
  for (const at of [20, 24, 42]) member.writeUInt32LE(0xffffffff, at);
  member.writeUInt16LE(name.length, 28);
  member.writeUInt16LE(5 + 28, 30);
  // Another extra field first.
  const extra = Buffer.from([0x55, 0x54, 1, 0, 9, 1, 0, 24, 0, ...new Array<number>(24).fill(0)]);
  extra.writeBigUInt64LE(BigInt(content.length), 9);
  extra.writeBigUInt64LE(BigInt(data.length), 17);
  extra.writeBigUInt64LE(0n, 25);
  const before = Buffer.concat([local, Buffer.from(name), data]);
  const table = Buffer.concat([member, Buffer.from(name), extra]);
  const end64 = Buffer.alloc(56);
  end64.writeUInt32LE(0x06064b50, 0);
  end64.writeBigUInt64LE(1n, 32);
  end64.writeBigUInt64LE(BigInt(before.length), 48);
  const locator = Buffer.alloc(20);
  locator.writeUInt32LE(0x07064b50, 0);
  locator.writeBigUInt64LE(BigInt(before.length + table.length), 8);
  const comment = Buffer.from('a comment with PK\x05\x06 in it, and more than a record long after that', 'latin1');
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(0xffff, 10);
  end.writeUInt32LE(0xffffffff, 16);
  end.writeUInt16LE(comment.length, 20);
  return Buffer.concat([before, table, end64, locator, end, comment]);
}

describe('random over pipe', function () {
  this.timeout(60_000); // processes are started

  it('lists and extracts the members of a real archive', function () {
    using folder = new Folder();
    const files: Record<string, Buffer> = {
      'empty.txt': Buffer.alloc(0),
      'näme.txt': Buffer.from('hello, hello, hello'),
      'large.bin': oracle(0, 3_000_001),
    };
    for (const [name, content] of Object.entries(files)) folder.file(content, name);
    const archive = folder.join('a.zip');
    const made = spawnSync('python3', [
      '-m',
      'zipfile',
      '-c',
      archive,
      ...Object.keys(files).map((name) => folder.join(name)),
    ]);
    if (made.status !== 0) return this.skip();
    for (const through of ['file', 'pipe'] as const) {
      const { status, stdout, stderr } = run(archive, [], through);
      assert.deepEqual({ status, stderr }, { status: 0, stderr: '' });
      const expected = Object.entries(files).map(([name, { length }]) => `${String(length).padStart(12)}  ${name}\n`);
      assert.equal(stdout.toString(), expected.join(''));
      if (through === 'file') continue;
      for (const [name, content] of Object.entries(files)) {
        const member = run(archive, [name], through);
        assert.equal(member.status, 0, member.stderr);
        assert.ok(member.stdout.equals(content), name);
      }
      const missing = run(archive, ['missing'], through);
      assert.deepEqual([missing.status, missing.stdout.length], [1, 0]);
      assert.match(missing.stderr, /has no member 'missing'/);
    }
  });

  it('lists an archive that is made while it is read', function () {
    if (spawnSync('zip', ['-h']).status !== 0) return this.skip();
    using folder = new Folder();
    for (let i = 0; i < 200; i++) folder.file(oracle(i, i * 50), `member${i}`);
    const script = 'cd "$0" && zip -q - member* | "$@"';
    const output = execFileSync('bash', ['-c', script, folder.path, process.execPath, program], { encoding: 'utf8' });
    const names = output.trimEnd().split('\n');
    assert.equal(names.length, 200);
    assert.ok(names.includes(`${String(199 * 50).padStart(12)}  member199`));
  });

  it('reads zip64, through the socket that node gives its children', async () => {
    using folder = new Folder();
    const content = oracle(7, 100_000);
    const archive = folder.file(zip64('wide', content), 'wide.zip');
    const child = spawn(process.execPath, [program, 'wide'], { stdio: ['pipe', 'pipe', 'inherit'] });
    createReadStream(archive, { highWaterMark: 1000 }).pipe(child.stdin);
    const chunks: Buffer[] = [];
    for await (const chunk of child.stdout as AsyncIterable<Buffer>) chunks.push(chunk);
    assert.ok(Buffer.concat(chunks).equals(content));
  });

  itUnless(noPosixPrograms, 'says what is wrong with what is no archive, or a damaged one', () => {
    using folder = new Folder();
    const whole = zip64('wide', oracle(0, 100));
    const cases: Array<[Buffer, RegExp]> = [
      [Buffer.alloc(0), /no zip archive/],
      [whole.subarray(0, -100), /no zip archive/],
      [whole.subarray(10), /not where it should be/],
    ];
    for (const [content, message] of cases) {
      const { status, stderr } = run(folder.file(content, 'bad.zip'), [], 'pipe');
      assert.equal(status, 1);
      assert.match(stderr, message);
    }
    assert.equal(run(folder.file('x'), ['a', 'b'], 'file').status, 2);
  });
});
