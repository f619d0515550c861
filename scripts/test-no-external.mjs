// Builds the addon as if the engine refused external ArrayBuffers (GNU ld), and runs mocha on it: nothing is mapped then.
// npm run test:no-external -- [mocha's arguments]
// Left out are the tests that look at mappings (at pages that are lost under one, at calls that make one, at room for one),
// or need one, as everything does by which processes synchronize.
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = join(root, 'out/no-external');

mkdirSync(folder, { recursive: true });
for (const part of ['addon', 'binding.gyp', 'package.json']) {
  cpSync(join(root, part), join(folder, part), { recursive: true, preserveTimestamps: true });
}
const refusal = join(folder, 'no-external.o');
execFileSync('gcc', ['-c', '-fPIC', '-o', refusal, join(root, 'scripts/no-external.c')], { stdio: 'inherit' });
const wrapped = ['napi_create_external_arraybuffer', 'napi_create_external_buffer'];
const build = spawnSync('node-gyp configure --silent && node-gyp build --silent', {
  cwd: folder,
  shell: true,
  stdio: 'inherit',
  env: { ...process.env, LDFLAGS: [...wrapped.map((name) => `-Wl,--wrap=${name}`), refusal].join(' ') },
});
if (build.status !== 0) process.exit(1);

const ignored = [
  'faults/devices',
  'faults/exhaustion',
  'faults/flush-order',
  'faults/injected',
  'faults/lifetime',
  'faults/security',
  'faults/shrink',
  'faults/shrinking',
  'faults/sync',
  'leaks',
  'native',
  'platforms/smoke',
  'unit/examples/sharing',
  'unit/sync',
  'unit/window-pool',
].flatMap((name) => ['--ignore', `out/test/${name}{.test.js,/**}`]);
const program = join(root, 'node_modules/mocha/bin/mocha.js');
const mocha = spawnSync(process.execPath, [program, ...ignored, ...process.argv.slice(2)], {
  cwd: root,
  stdio: 'inherit',
  env: { ...process.env, SLIDING_MMAP_PREBUILD: folder },
});
process.exit(mocha.status ?? 1);
