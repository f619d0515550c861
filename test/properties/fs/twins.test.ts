import assert from 'node:assert/strict';
import node from 'node:fs';
import fc from 'fast-check';
import ours from 'sliding-mmap/fs';
import { Folder } from '../../helpers/files.js';
import { program, run } from './programs.js';

describe('fs: any program', () => {
  it('does with this module what it does with node:fs', () =>
    fc.assert(
      fc.asyncProperty(program, async (steps) => {
        using expected = new Folder();
        using actual = new Folder();
        assert.deepEqual(await run(ours, node, actual.path, steps), await run(node, node, expected.path, steps));
      }),
      { numRuns: 150 },
    )).timeout(60_000);
});
