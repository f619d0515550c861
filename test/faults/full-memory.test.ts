/** Shared memory that is full: a small /dev/shm in a mount namespace of its own, where this process may make one. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { run } from '../helpers/child.js';

const program = new URL('./full-memory.program.js', import.meta.url);
const wrapper = ['unshare', '-m', 'sh', '-c', 'mount -t tmpfs -o size=4m tmpfs /dev/shm && exec "$@"', 'sh'];

describe('full shared memory', function () {
  this.timeout(60_000);

  it('is told when it is made and extended, and takes nothing away', async function () {
    const [command, ...args] = wrapper as [string, ...string[]];
    const permitted = spawnSync(command, [...args, 'true'], { encoding: 'utf8' });
    if (permitted.status !== 0) {
      console.log(`      not run, because nothing can be mounted: ${permitted.stderr || String(permitted.error)}`);
      return this.skip();
    }
    const result = await run(program, [], { wrapper });
    assert.deepEqual(result, { stdout: 'survived\n', stderr: '', code: 0, signal: null });
  });
});
