/** Short of address space, of mappings, of descriptors. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { native } from '#src/native.js';
import { run } from '../helpers/child.js';
import { Folder } from '../helpers/files.js';
import { budget, seed } from '../torture/support.js';

const MiB = 2 ** 20;
const program = new URL('./exhaustion.program.js', import.meta.url);

/** Bytes of address space that node needs to load the library, to 16 MiB; undefined where that cannot be limited. */
function leastAddressSpace(): number | undefined {
  const module = JSON.stringify(new URL('../../../dist/index.js', import.meta.url));
  const starts = (most: number): boolean => {
    const command = [`--as=${most}`, process.execPath, '--input-type=module', '-e', `import ${module}`];
    return spawnSync('prlimit', command).status === 0;
  };
  let [low, high] = [64 * MiB, 2048 * MiB];
  if (starts(low) || !starts(high)) return undefined;
  while (high - low > 16 * MiB) {
    const middle = (low + high) / 2;
    if (starts(middle)) high = middle;
    else low = middle;
  }
  return high;
}

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

  it(`address space from the start, SEED=${seed}`, async function () {
    const least = leastAddressSpace();
    if (least === undefined) {
      console.log('      not run, because there is no prlimit, or it does not limit address space');
      return this.skip();
    }
    using folder = new Folder();
    const times = String(budget('TORTURE_ROUNDS', 1000));
    const wrapper = ['prlimit', `--as=${least + 64 * MiB}`];
    const result = await run(program, ['start', folder.join('data'), times, String(seed)], { wrapper });
    assert.deepEqual(
      result,
      { stdout: 'survived\n', stderr: '', code: 0, signal: null },
      `${least} bytes, SEED=${seed}`,
    );
  });

  it(`room, in an address space of holes, SEED=${seed}`, async function () {
    if (native.pointerSize !== 4) {
      console.log('      not run, because this address space is too large to be filled');
      return this.skip();
    }
    using folder = new Folder();
    const result = await run(program, ['fragments', folder.join('data'), '1000', String(seed)]);
    assert.deepEqual(result, { stdout: 'survived\n', stderr: '', code: 0, signal: null }, `SEED=${seed}`);
  });
});
