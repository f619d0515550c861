/** Short of address space, of mappings, of descriptors. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { fileURLToPath } from 'node:url';
import { native } from '#src/native.js';
import { run } from '../helpers/child.js';
import { Folder } from '../helpers/files.js';
import { budget, seed } from '../torture/support.js';
import { describeUnless, onWindows } from '../helpers/systems.js';

const MiB = 2 ** 20;
const program = new URL('./exhaustion.program.js', import.meta.url);

/** False where there is no C compiler. */
function compile(library: string): boolean {
  const source = fileURLToPath(new URL('../../../test/faults/fill_address_space.c', import.meta.url));
  const { error, status, stderr } = spawnSync(process.env['CC'] ?? 'cc', ['-shared', '-fPIC', '-o', library, source]);
  if (error !== undefined && 'code' in error && error.code === 'ENOENT') return false;
  assert.equal(status, 0, String(error ?? stderr));
  return true;
}

let found: { least: number | undefined } | undefined;

/** Bytes of address space that node needs to load the library, to 16 MiB; undefined where that cannot be limited. */
function leastAddressSpace(): number | undefined {
  found ??= { least: findLeastAddressSpace() };
  return found.least;
}

function findLeastAddressSpace(): number | undefined {
  const module = JSON.stringify(new URL('../../../dist/index.js', import.meta.url));
  const starts = (most: number): boolean => {
    const command = [`--as=${most}`, process.execPath, '--input-type=module', '-e', `import ${module}`];
    // Short of memory, an engine may also wait for ever.
    return (
      spawnSync('prlimit', command, { timeout: 10_000, env: { ...process.env, MALLOC_ARENA_MAX: '1' } }).status === 0
    );
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

describeUnless(onWindows('there is no prlimit(1)'), 'a process that is short of', function () {
  this.timeout(0);
  for (const name of ['address space', 'holes', 'mappings', 'descriptors', 'descriptors for others', 'memory']) {
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

  // MiB above the least with which the library loads, and the arenas that the system's allocator may make. With any
  // number of them only where the engine itself would live: each thread's takes 64 MiB, and where they leave it a rest
  // of some megabytes it dies.
  const limits = [64, 96, 128, 192, 256, 1024].map((spare) => ({ spare, arenas: '1' }));
  for (const { spare, arenas } of [...limits, ...[448, 512, 1024].map((n) => ({ spare: n, arenas: '' }))]) {
    const name = `address space from the start, ${spare} MiB to spare${arenas && ' and one arena'}, SEED=${seed}`;
    it(name, async function () {
      const least = leastAddressSpace();
      if (least === undefined) {
        console.log('      not run, because there is no prlimit, or it does not limit address space');
        return this.skip();
      }
      using folder = new Folder();
      const times = String(budget('TORTURE_ROUNDS', 200));
      const wrapper = ['prlimit', `--as=${least + spare * MiB}`];
      const env = { MALLOC_ARENA_MAX: arenas };
      const result = await run(program, ['start', folder.join('data'), times, String(seed)], { wrapper, env });
      const how = spare === 1024 ? 'mapped' : result.stdout.split('\n')[0];
      const expected = { stdout: `${how}\nsurvived\n`, stderr: '', code: 0, signal: null };
      assert.deepEqual(result, expected, `${least} bytes, SEED=${seed}`);
    });
  }

  // MiB of a hole: windows of the default size fit nowhere, shorter ones do, beside what is left to the engine; or none
  // at all.
  const holesOf64Bits = [
    [128, 40, 'mapped'],
    [8, 200, 'read'],
  ] as const;
  const holesOf32Bits = [
    [32, 16, 'mapped'],
    [8, 60, 'read'],
  ] as const;
  for (const [hole, holes, how] of native.pointerSize === 8 ? holesOf64Bits : holesOf32Bits) {
    it(`room, in an address space of holes of ${hole} MiB, SEED=${seed}`, async function () {
      using folder = new Folder();
      const filler = process.env['FILLER'] ?? folder.join('filler');
      const env = { HOLES: String(holes), HOLE_SIZE: String(hole * MiB), FILLER: filler };
      if (!fs.existsSync(filler) && !compile(filler)) {
        console.log('      not run, because there is no C compiler');
        return this.skip();
      }
      const times = String(budget('TORTURE_ROUNDS', 1000));
      const result = await run(program, ['fragments', folder.join('data'), times, String(seed)], { env });
      const stdout = `${how}\n${how}\nsurvived\n`;
      assert.deepEqual(result, { stdout, stderr: '', code: 0, signal: null }, `SEED=${seed}`);
    });
  }
});
