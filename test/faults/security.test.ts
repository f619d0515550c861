/** What the library leaves open to others: nothing can be executed, nothing is inherited. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { MappedFile } from 'sliding-mmap';
import { Folder } from '../helpers/files.js';
import { itUnless, onWindows } from '../helpers/systems.js';

const onLinux = fs.existsSync('/proc/self/maps') ? describe : describe.skip;

/** The permissions of the mappings of a file, and of what lies beside them without a gap, such as lost pages. */
function permissions(path: string): string[] {
  const runs: string[][] = [];
  let before = '';
  for (const line of fs.readFileSync('/proc/self/maps', 'latin1').trimEnd().split('\n')) {
    const [start, end] = (line.split(' ')[0] as string).split('-') as [string, string];
    if (start !== before) runs.push([]);
    before = end;
    runs.at(-1)?.push(line);
  }
  const ours = runs.filter((lines) => lines.some((line) => line.includes(path))).flat();
  return ours.map((line) => line.split(' ')[1] as string);
}

onLinux('security', () => {
  itUnless(onWindows('there is no procfs'), 'no mapping can be executed', async () => {
    using folder = new Folder();
    const path = folder.file(100_000);
    await using file = await MappedFile.open(path, 'r+');
    await using readOnly = await MappedFile.open(path, 'r');
    file.setUint8(0, 1);
    file.getUint8(90_000);
    readOnly.getUint8(5);
    using shared = file.view();
    using copied = file.view(0, 5000, { access: 'private' });
    shared.bytes[0] = copied.bytes[0] as number;
    const [chunk] = file.chunks();
    assert.ok(chunk);
    file.protect('read');
    file.protect('readwrite');
    // A page that was lost, and is zeros now.
    fs.truncateSync(path, 10);
    assert.equal(shared.bytes[90_000], 0);
    assert.throws(() => shared.check(), { code: 'ERR_MAPPED_FILE_TRUNCATED' });
    const found = permissions(path);
    assert.ok(found.length >= 3);
    for (const line of found) assert.match(line, /^r[w-]-[sp]$/);
  });

  itUnless(onWindows('there is no procfs'), 'a child process inherits no descriptor', async () => {
    using folder = new Folder();
    const path = folder.file(100);
    const fd = fs.openSync(path, 'r');
    const handle = await fs.promises.open(path);
    await using byPath = await MappedFile.open(path, 'r+');
    using synchronously = MappedFile.openSync(folder.join('new'), 'w');
    using byDescriptor = MappedFile.openSync(fd);
    await using byHandle = await MappedFile.open(handle);
    const numbers = [byPath, synchronously, byDescriptor, byHandle].map((file) => file.fd);
    assert.equal(new Set([...numbers, fd, handle.fd]).size, 6);
    for (const number of numbers) {
      const flags = /flags:\s+(\d+)/.exec(fs.readFileSync(`/proc/self/fdinfo/${number}`, 'latin1'))?.[1];
      assert.ok(parseInt(flags as string, 8) & 0o2000000, 'close-on-exec (open(2))');
    }
    const { stdout } = spawnSync('ls', ['-l', '/proc/self/fd'], { encoding: 'utf8' });
    assert.ok(stdout.includes('->') && !stdout.includes(folder.path), stdout);
    fs.closeSync(fd);
    await handle.close();
  });
});
