import assert from 'node:assert/strict';
import { run } from '../helpers/child.js';
import { Folder } from '../helpers/files.js';

const program = new URL('taken.program.js', import.meta.url);
/** Node 20 has it behind a flag. */
const flags = 'transfer' in ArrayBuffer.prototype ? [] : ['--harmony-rab-gsab-transfer'];

describe('a borrowed chunk whose memory is taken over', () => {
  it('stays the taker’s while others come out of the same mapping, and goes with the taker’s array', async () => {
    using folder = new Folder();
    const result = await run(program, [folder.join('file')], { node: ['--expose-gc', ...flags] });
    assert.deepEqual(result, { stdout: '0\n', stderr: '', code: 0, signal: null });
  });
});
