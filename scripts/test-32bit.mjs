// Runs the tests in a real 32-bit Node: npm run test:32bit -- [mocha's arguments]
//
// Debian's i386 packages are unpacked into a folder that is kept between runs, the addon is compiled for it by a cross
// compiler, and the tests run there, in a chroot of a mount namespace of their own, on this machine's kernel. Needs
// Linux on x86, root and apt. Where it cannot be done it says why and ends with status 77, which is no pass.
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const cache = join(root, 'node_modules/.cache/sliding-mmap-32bit');
const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg';
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

/** Whether the command ended well; what it printed is shown only where it did not. */
function succeeds(command, args, options = {}) {
  const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: 'utf8', ...options });
  if (status === 0) return true;
  const output = `${stdout ?? ''}${stderr ?? ''}${error?.message ?? ''}`.trim().split('\n').slice(-5).join('\n  ');
  console.log(`test:32bit: ${command} ${args.slice(0, 4).join(' ')} … failed:\n  ${output}`);
  return false;
}

const has = (command) => spawnSync(command, ['--version'], { stdio: 'ignore' }).status === 0;

// --- the machine ---------------------------------------------------------------------------------------------------

if (process.platform !== 'linux' || !['x64', 'ia32'].includes(process.arch)) skip('needs Linux on an x86 processor');
if (process.getuid() !== 0) skip('needs root, for chroot(2) and mount(2)');
for (const command of ['apt-get', 'dpkg', 'unshare', 'chroot']) if (!has(command)) skip(`there is no ${command}`);
if (!existsSync(keyring)) skip(`there is no ${keyring}, by which packages are verified`);
if (spawnSync('unshare', ['--mount', 'true']).status !== 0) skip('this process may not make a mount namespace');

function findCompiler() {
  const name = 'i686-linux-gnu-g++';
  if (has(name)) return name;
  const install = ['install', '-y', '-q', '--no-install-recommends', 'g++-i686-linux-gnu'];
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  if (succeeds('apt-get', ['update', '-q'], { env }) && succeeds('apt-get', install, { env }) && has(name)) return name;
  return skip('g++-i686-linux-gnu is not there and cannot be installed');
}

// --- a 32-bit Node -------------------------------------------------------------------------------------------------

/** Where the machine itself gets its packages from. */
function mirror() {
  const { stdout = '' } = spawnSync('apt-get', ['indextargets', '--format', '$(REPO_URI) $(ORIGIN)'], {
    encoding: 'utf8',
  });
  const line = stdout.split('\n').find((text) => /^\S+ Debian$/.test(text) && !text.includes('security'));
  return line?.split(' ')[0] ?? skip('apt-get does not know where Debian is to be had: try apt-get update');
}

/** Unpacks Node and the tools into `folder`. */
function unpack(folder) {
  const state = join(cache, `apt-${suite}`);
  const archives = join(state, 'archives');
  for (const path of ['lists/partial', 'archives/partial']) mkdirSync(join(state, path), { recursive: true });
  writeFileSync(join(state, 'status'), '');
  writeFileSync(join(state, 'sources.list'), `deb [signed-by=${keyring}] ${mirror()} ${suite} main\n`);
  const configuration = join(state, 'apt.conf');
  writeFileSync(
    configuration,
    `APT::Architecture "i386";
APT::Architectures { "i386"; };
APT::Install-Recommends "false";
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::Retries "3";
Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled "false";
Dir::State "${state}";
Dir::State::status "${join(state, 'status')}";
Dir::Cache "${state}";
Dir::Etc::SourceList "${join(state, 'sources.list')}";
Dir::Etc::SourceParts "/dev/null";
`,
  );
  const apt = (...args) => succeeds('apt-get', ['-c', configuration, '-q', '-y', ...args]);
  // The indexes of an architecture that is on its way out are now and then out of step with their signatures.
  let downloaded = false;
  for (let attempt = 0; attempt < 3 && !downloaded; attempt++) {
    downloaded = apt('update') && apt('install', '--download-only', 'nodejs', ...tools);
  }
  if (!downloaded) return false;
  rmSync(folder, { recursive: true, force: true });
  // Both layouts of Debian, with and without merged /usr, fit into this one.
  for (const name of ['bin', 'sbin', 'lib']) {
    mkdirSync(join(folder, 'usr', name), { recursive: true });
    symlinkSync(`usr/${name}`, join(folder, name));
  }
  const packages = readdirSync(archives).filter((name) => name.endsWith('.deb'));
  const unpacked = packages.every((name) => {
    // Not dpkg -x, which would replace the links above by the folders of an older package.
    const script = 'dpkg-deb --fsys-tarfile "$0" | tar -x --keep-directory-symlink -C "$1"';
    return succeeds('sh', ['-c', script, join(archives, name), folder]);
  });
  // Which the package does when it is installed (update-alternatives).
  if (unpacked) symlinkSync('mawk', join(folder, 'usr/bin/awk'));
  return unpacked;
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
  if (found === undefined && unpack(folder)) found = tell(folder);
  if (!found?.endsWith(' ia32')) return skip('no 32-bit Node could be had from Debian');
  console.log(`test:32bit: Node ${found}, of Debian ${suite}, in ${folder}`);
  return folder;
}

// --- the addon -----------------------------------------------------------------------------------------------------

function compile(compiler) {
  const folder = join(cache, 'addon');
  mkdirSync(folder, { recursive: true });
  for (const part of ['addon', 'binding.gyp', 'package.json']) {
    cpSync(join(root, part), join(folder, part), { recursive: true, preserveTimestamps: true });
  }
  const { status } = spawnSync('node-gyp configure --arch=ia32 --silent && node-gyp build --silent', {
    cwd: folder,
    shell: true,
    stdio: 'inherit',
    env: { ...process.env, CC: compiler.replace(/\+\+$/, 'cc'), CXX: compiler, LINK: compiler },
  });
  if (status !== 0) process.exit(1);
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
