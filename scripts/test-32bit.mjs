// Runs the tests in a real 32-bit Node: npm run test:32bit -- [mocha's arguments]
//
// Debian's i386 packages are unpacked into a folder that is kept between runs, the addon is compiled for it by a cross
// compiler, and the tests run there, in a chroot of a mount namespace of their own, on this machine's kernel. Needs
// Linux on x86, root and apt. Where it cannot be done it says why and ends with status 77, which is no pass.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { compileAddon } from './lib/compile-addon.mjs';
import { debianCompiler, debianTree, has } from './lib/debian-package.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const cache = join(root, 'node_modules/.cache/sliding-mmap-32bit');
/** The release of Debian that has a Node for i386 which the library supports. */
const suite = 'trixie';
/** What the tests themselves call, besides node. */
const tools = [
  'coreutils',
  'dash',
  'util-linux',
  'mount',
  'procps',
  'e2fsprogs',
  'strace',
  'libc-bin',
  'bash',
  'mawk',
  'grep',
];
const notRun = 77;
/** What the tests load that is written in C. */
const filler = join(cache, 'fill_address_space.so');

function skip(reason) {
  console.log(`test:32bit: not run: ${reason}`);
  process.exit(notRun);
}

// --- the machine ---------------------------------------------------------------------------------------------------

if (process.platform !== 'linux' || !['x64', 'ia32'].includes(process.arch)) skip('needs Linux on an x86 processor');
if (process.getuid() !== 0) skip('needs root, for chroot(2) and mount(2)');
for (const command of ['apt-get', 'dpkg', 'unshare', 'chroot']) if (!has(command)) skip(`there is no ${command}`);
if (spawnSync('unshare', ['--mount', 'true']).status !== 0) skip('this process may not make a mount namespace');

// --- a 32-bit Node -------------------------------------------------------------------------------------------------

/** Unpacks Node and the tools into `folder`. */
function unpack(folder) {
  try {
    debianTree(suite, 'i386', ['nodejs', ...tools], folder);
  } catch (error) {
    return skip(`no 32-bit Node could be had from Debian: ${error.message}`);
  }
  // Which the package does when it is installed (update-alternatives).
  symlinkSync('mawk', join(folder, 'usr/bin/awk'));
}

function enter(folder, command, options = {}) {
  const mounts = ['/proc', '/dev', '/sys', '/tmp', root.replace(/\/$/, '')];
  const script = `
    set -e
    folder=$1; shift
    for path in ${mounts.map((path) => `'${path}'`).join(' ')}; do
      mkdir -p "$folder$path"
      mount --rbind "$path" "$folder$path"
    done
    exec chroot "$folder" sh -c 'cd "$1"; shift; exec "$@"' sh '${root}' "$@"`;
  return spawnSync('unshare', ['--mount', 'sh', '-c', script, 'sh', folder, ...command], {
    ...options,
    env: {
      HOME: '/tmp',
      LANG: 'C.UTF-8',
      PATH: '/usr/bin:/usr/sbin:/bin:/sbin',
      TERM: process.env.TERM ?? 'dumb',
      SLIDING_MMAP_PREBUILD: join(cache, 'addon'),
      // There is no compiler in there.
      FILLER: filler,
      ...Object.fromEntries(Object.entries(process.env).filter(([name]) => /^(SEED|TORTURE_.*)$/.test(name))),
    },
  });
}

/** Version, architecture and whether its engine can run what the tests are written with. */
function tell(folder) {
  const { status, stdout } = enter(folder, ['node', '-p', 'process.version + " " + process.arch'], {
    encoding: 'utf8',
  });
  return status === 0 ? stdout.trim() : undefined;
}

function findNode() {
  const folder = join(cache, suite);
  // Made by an earlier version of this script, it may lack a tool.
  const complete = ['bash', 'mawk', 'grep'].every((name) => existsSync(join(folder, 'usr/bin', name)));
  let found = complete ? tell(folder) : undefined;
  if (found === undefined) {
    unpack(folder);
    found = tell(folder);
  }
  if (!found?.endsWith(' ia32')) return skip("Debian's 32-bit Node does not run");
  console.log(`test:32bit: Node ${found}, of Debian ${suite}, in ${folder}`);
  return folder;
}

// --- the addon -----------------------------------------------------------------------------------------------------

const debian = 'i686-linux-gnu';

function findCompiler() {
  try {
    return debianCompiler(`${debian}-g++`, `g++-${debian}`);
  } catch (error) {
    return skip(error.message);
  }
}

function compile(compiler) {
  const output = join(cache, 'addon/build/Release/sliding_mmap.node');
  const { status, stdout, stderr } = compileAddon({ compiler: [compiler], os: 'linux', output });
  if (status !== 0) {
    console.log(`${stdout}${stderr}`);
    process.exit(1);
  }
  const source = join(root, 'test/faults/fill_address_space.c');
  execFileSync(compiler.replace(/\+\+$/, 'cc'), ['-shared', '-fPIC', '-o', filler, source], { stdio: 'inherit' });
}

const compiler = findCompiler();
const node = findNode();
execFileSync('npx', ['tsc', '-b'], { cwd: root, stdio: 'inherit' });
compile(compiler);

const mocha = join(root, 'node_modules/mocha/bin/mocha.js');
const failed = [];

function part(title, run) {
  console.log(`\ntest:32bit: ${title}`);
  const { status, signal } = run();
  if (status !== 0) failed.push(`${title} (${signal ?? `status ${status}`})`);
}

part('the tests', () =>
  enter(node, ['node', mocha, '--timeout', '120000', ...process.argv.slice(2)], { stdio: 'inherit' }),
);
if (process.argv.length === 2) {
  // There is no compiler in the chroot, but what this one makes runs outside, too.
  part('the signal handler without Node', () => {
    const static32 = join(cache, 'c++');
    writeFileSync(static32, `#!/bin/sh\nexec ${compiler} -static "$@"\n`, { mode: 0o755 });
    const args = [mocha, '--no-config', '--timeout', '120000', 'out/test/native/*.test.js'];
    return spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit', env: { ...process.env, CXX: static32 } });
  });
  for (const gibibytes of [10, 1024]) {
    part(`a sparse file of ${gibibytes} GiB`, () => {
      const program = join(root, 'out/test/platforms/sparse.program.js');
      const file = join(tmpdir(), `sliding-mmap-sparse-${process.pid}`);
      try {
        return enter(node, ['node', program, file, String(gibibytes)], { stdio: 'inherit' });
      } finally {
        rmSync(file, { force: true });
      }
    });
  }
}
console.log(failed.length === 0 ? '\ntest:32bit: passed' : `\ntest:32bit: FAILED: ${failed.join('; ')}`);
process.exit(failed.length === 0 ? 0 : 1);
