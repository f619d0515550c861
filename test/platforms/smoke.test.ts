import assert from 'node:assert/strict';
import { run } from '../helpers/child.js';

describe('the smoke program, which every runtime runs', () => {
  it('passes on this one', async () => {
    const { stdout, stderr, code } = await run(new URL('smoke.program.js', import.meta.url), [], {
      node: ['--expose-gc'],
    });
    assert.match(stdout, /^[1-9]\d* passed, 0 failed, 0 skipped\n$/, stderr);
    assert.equal(code, 0, stderr);
  });
});
