/** A disk that is full: a small tmpfs, where this process may mount one. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { run } from '../helpers/child.js';
import { Folder } from '../helpers/files.js';
import { describeUnless, onWindows } from '../helpers/systems.js';

const program = new URL('./full-disk.program.js', import.meta.url);

describeUnless(onWindows('there is no mount(8)'), 'a full disk', () => {
  it('is told by writes and setters, and takes nothing away', async function () {
    using folder = new Folder();
    const mount = folder.join('small');
    fs.mkdirSync(mount);
    const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', mount], { encoding: 'utf8' });
    if (mounted.status !== 0) {
      console.log(`      not run, because no file system can be mounted: ${mounted.stderr || String(mounted.error)}`);
      return this.skip();
    }
    try {
      const result = await run(program, [path.join(mount, 'data')]);
      assert.deepEqual(result, { stdout: 'survived\n', stderr: '', code: 0, signal: null });
    } finally {
      spawnSync('umount', [mount]);
    }
  });
});
