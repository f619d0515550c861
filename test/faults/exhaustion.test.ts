/** Short of address space, of mappings, of descriptors. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { run } from '../helpers/child.js';
import { Folder } from '../helpers/files.js';
import { budget, seed } from '../torture/support.js';

const program = new URL('./exhaustion.program.js', import.meta.url);

describe('a process that is short of', function () {
  this.timeout(0);
  for (const name of ['address space', 'holes', 'mappings', 'descriptors']) {
    it(`${name}, SEED=${seed}`, async function () {
      if (spawnSync('prlimit', ['--version']).status !== 0) {
        console.log('      not run, because there is no prlimit');
        return this.skip();
      }
      using folder = new Folder();
      const times = String(budget('TORTURE_ROUNDS', 3000));
      const result = await run(program, [name, folder.join('data'), times, String(seed)]);
      assert.deepEqual(result, { stdout: 'survived\n', stderr: '', code: 0, signal: null }, `SEED=${seed}`);
    });
  }
});
