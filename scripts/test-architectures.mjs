// Runs a part of the tests on other processors, emulated:
// npm run test:architectures -- [--all] [arm64 s390x armv7 ppc64le]
//
// The addon is the one that `npm run prebuild` makes for the architecture, Node is Debian's, or else npm's, and the
// emulator is Debian's qemu-user (10 or newer: older ones cut file offsets of 32-bit programs at 4 GiB). Nothing here
// starts a process, which could not be emulated in turn, or looks at memory that belongs to the emulator. With --all the
// whole unit tests run, which takes hours of processor time. Where it cannot be done it says why and ends with status 77.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { spawnSync } from 'node:child_process';
import { debianPackage, debianTree } from './lib/debian-package.mjs';
import { printTable, runMocha, runSmoke } from './lib/mocha-run.mjs';
import { npmBinary } from './lib/npm-binary.mjs';
import { prebuildPath, targets } from './lib/prebuilds.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const notRun = 77;

/**
 * `debian` and `qemu` are their names of the architecture. `npm` is a package with a Node, and `libraries` where the cross
 * compiler has what it loads, for where Debian's own cannot be had. `cannot` is what the emulator is unable to do.
 */
const architectures = [
  { name: 'arm64', tuple: 'linux-arm64', debian: 'arm64', qemu: 'aarch64' },
  {
    name: 's390x',
    tuple: 'linux-s390x',
    debian: 's390x',
    qemu: 's390x',
    npm: 'node-linux-s390x@20',
    libraries: '/usr/s390x-linux-gnu',
    // A SIGBUS arrives with an address that means nothing, and one inside of a string instruction ends the emulator.
    cannot: ['faults'],
  },
  { name: 'armv7', tuple: 'linux-arm', debian: 'armhf', qemu: 'arm' },
  {
    name: 'ppc64le',
    tuple: 'linux-ppc64',
    debian: 'ppc64el',
    qemu: 'ppc64le',
    npm: 'node-linux-ppc64le@20',
    libraries: '/usr/powerpc64le-linux-gnu',
  },
];
const suite = 'trixie';
const cache = join(root, 'node_modules/.cache/sliding-mmap-architectures');

/** The part that runs without --all: what depends on the processor, its byte order and its page size. */
const part = [
  ...['scalars', 'lifecycle', 'window-pool', 'errors', 'private-views', 'view-copies'].map((name) => `unit/${name}`),
  ...['text/line-index', 'text/lines'].map((name) => `unit/${name}`),
].map((name) => `out/test/${name}.test.js`);
const all = ['out/test/unit/**/*.test.js', 'out/test/conformance/*.test.js'];

const args = process.argv.slice(2);
const only = args.filter((arg) => !arg.startsWith('--'));

function emulator(qemu) {
  const path = join(debianPackage(suite, 'qemu-user'), 'usr/bin', `qemu-${qemu}`);
  if (!existsSync(path)) throw new Error(`Debian's qemu-user has no qemu-${qemu}`);
  return path;
}

/** The path of a Node for that architecture, and the folder of what it loads. */
function findNode({ name, debian, npm, libraries }) {
  const folder = join(cache, debian);
  const node = join(folder, 'usr/bin/node');
  if (existsSync(node)) return { node, folder };
  try {
    debianTree(suite, debian, ['nodejs', 'libc-bin'], folder);
    return { node, folder };
  } catch (error) {
    if (npm === undefined) throw error;
    console.log(`test:architectures: ${name}: ${npm} instead of Debian's Node: ${error.message}`);
    return { node: npmBinary(npm, 'bin/node'), folder: libraries };
  }
}

const rows = [];
const missing = [];
for (const architecture of architectures) {
  const { name, tuple, qemu, cannot = [] } = architecture;
  if (only.length > 0 && !only.includes(name)) continue;
  let command;
  try {
    if (process.platform !== 'linux') throw new Error('qemu-user needs Linux');
    const target = targets.find((one) => one.tuple === tuple);
    if (!existsSync(join(root, prebuildPath(target)))) {
      const built = spawnSync(process.execPath, [join(root, 'scripts/prebuild.mjs'), tuple], { encoding: 'utf8' });
      if (built.status !== 0) throw new Error(built.stdout.trim());
    }
    const { node, folder } = findNode(architecture);
    command = [emulator(qemu), '-L', folder, node];
  } catch (error) {
    console.log(`test:architectures: not run on ${name}: ${error.message}`);
    missing.push(name);
    continue;
  }
  const env = { ...process.env, PREBUILDS_ONLY: '1' };
  const script = 'process.versions.node + " " + os.endianness()';
  const version = spawnSync(command[0], [...command.slice(1), '-p', script], { encoding: 'utf8', env }).stdout.trim();
  const runs = [
    ['the smoke program', runSmoke(command, { env: { ...env, SMOKE_WITHOUT: ['processes', ...cannot].join() } })],
  ];
  const [major, minor] = version.split('.').map(Number);
  if (major > 20 || minor >= 19) {
    const counts = runMocha(
      command,
      [
        ...['--no-config', '--timeout', '600000', '--require', './out/test/helpers/root-hooks.js'],
        ...(args.includes('--all') ? all : part),
      ],
      { env },
    );
    runs.push([args.includes('--all') ? 'unit and conformance tests' : 'a part of the unit tests', counts]);
  } else {
    console.log(`test:architectures: ${name}: no unit tests: mocha needs Node 20.19, and this is ${version}`);
  }
  for (const [what, { passed, failed, skipped, failures }] of runs) {
    console.log(`test:architectures: ${name}, ${what}: ${passed} passed, ${failed} failed, ${skipped} skipped`);
    for (const failure of failures) console.log(`  ${failure}`);
    rows.push({ architecture: name, node: version, passed, failed, skipped, 'what ran': what });
  }
}

console.log();
if (rows.length > 0) printTable(rows);
if (rows.some(({ failed }) => failed > 0)) process.exit(1);
process.exit(missing.length > 0 || rows.length === 0 ? notRun : 0);
