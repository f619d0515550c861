// Builds the addon with AddressSanitizer and UndefinedBehaviorSanitizer (gcc) and runs mocha on it:
// npm run test:sanitized -- [mocha's arguments]
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = join(root, 'out/sanitized');
const flags = '-fsanitize=address,undefined -fno-sanitize=vptr -fno-sanitize-recover=all -fno-omit-frame-pointer -g';

mkdirSync(folder, { recursive: true });
for (const part of ['addon', 'binding.gyp', 'package.json']) {
  cpSync(join(root, part), join(folder, part), { recursive: true, preserveTimestamps: true });
}
const build = spawnSync('node-gyp configure --silent && node-gyp build --silent', {
  cwd: folder,
  shell: true,
  stdio: 'inherit',
  env: { ...process.env, CC: 'gcc', CXX: 'g++', CXXFLAGS: `-O1 ${flags}`, LDFLAGS: flags },
});
if (build.status !== 0) process.exit(1);

// The runtime must be loaded before node's own allocator is used. V8 keeps memory until the process ends, so leaks
// are not looked for here: the suite counts mappings, descriptors and memory itself.
const runtime = (name) => execFileSync('gcc', [`-print-file-name=${name}`], { encoding: 'utf8' }).trim();
const mocha = spawnSync(process.execPath, [join(root, 'node_modules/mocha/bin/mocha.js'), ...process.argv.slice(2)], {
  cwd: root,
  stdio: 'inherit',
  env: {
    ...process.env,
    SLIDING_MMAP_PREBUILD: folder,
    LD_PRELOAD: `${runtime('libasan.so')} ${runtime('libubsan.so')}`,
    // Signals are what the suite is about: they reach the addon's handler and kill as they do without the sanitizer.
    ASAN_OPTIONS: 'detect_leaks=0:handle_sigbus=0',
    UBSAN_OPTIONS: 'print_stacktrace=1',
  },
});
process.exit(mocha.status ?? 1);
