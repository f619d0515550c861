import assert from 'node:assert/strict';
import { run } from '../helpers/child.js';
import { cannotBeCut } from '../helpers/systems.js';

describe('the smoke program, which every runtime runs', () => {
  it('passes on this one', async () => {
    const { stdout, stderr, code } = await run(new URL('smoke.program.js', import.meta.url), [], {
      node: ['--expose-gc'],
    });
    const skipped = cannotBeCut === false ? 0 : 1;
    assert.match(stdout, new RegExp(`^[1-9]\\d* passed, 0 failed, ${skipped} skipped\\n$`), stderr);
    assert.equal(code, 0, stderr);
  });
});
