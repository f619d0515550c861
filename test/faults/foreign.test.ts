/** Views that are released while others still use their memory. */
import assert from 'node:assert/strict';
import { native } from '#src/native.js';
import { run } from '../helpers/child.js';
import { Folder } from '../helpers/files.js';

const program = new URL('./foreign.program.js', import.meta.url);

describe('a view that is released while others use its memory', function () {
  this.timeout(60_000);
  const ofMappings = ['work on the thread pool', 'address space', 'mappings'];
  for (const name of [...(native.externalBuffers ? ofMappings : []), 'work on the thread pool with a copy']) {
    it(name, async () => {
      using folder = new Folder();
      const result = await run(program, [name, folder.join('data')], { node: ['--expose-gc'] });
      assert.deepEqual(result, { stdout: 'survived\n', stderr: '', code: 0, signal: null });
    });
  }
});
