// Packs the package, looks at what is in it, and uses it as a stranger would: installed from the tarball in an empty
// project, where there is no compiler, from `import` and from `require`, and by TypeScript's two ways to resolve modules.
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { prebuildPath, targets } from './lib/prebuilds.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const work = mkdtempSync(join(tmpdir(), 'check-package-'));
const project = join(work, 'project');
const installed = join(project, 'node_modules/sliding-mmap');

/** With an addon for each of the targets. */
const mostBytes = 4 << 20;
const own = targets.find(({ tuple }) => tuple === `${process.platform}-${process.arch}`);
const mayHold = [
  /^(package\.json|README\.md|LICENSE|CHANGELOG\.md|binding\.gyp)$/,
  /^addon\/(core|napi)\/\w+\.(h|cc)$/,
  /^dist\/([\w-]+\/)*[\w-]+\.(js|js\.map|d\.ts)$/,
  /^prebuilds\/[\w-]+\/[\w.-]+\.node$/,
];
const mustHold = [
  'package.json',
  'README.md',
  'LICENSE',
  'CHANGELOG.md',
  'binding.gyp',
  'dist/index.js',
  'dist/index.d.ts',
  'dist/adapters/index.js',
  'dist/adapters/index.d.ts',
];

// What this checkout was told about its addon must not reach the project.
const env = { ...process.env };
delete env.SLIDING_MMAP_PREBUILD;

/** A machine with Node and a shell, and no compiler, make or Python. */
function withoutCompiler() {
  const bin = join(work, 'bin');
  mkdirSync(bin);
  symlinkSync(process.execPath, join(bin, 'node'));
  symlinkSync('/bin/sh', join(bin, 'sh'));
  env.PATH = bin;
}

/** Runs a command and gives what it printed; if it fails, the error tells all of it. */
function run(cwd, command, ...args) {
  try {
    return execFileSync(command, args, { cwd, env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim();
  } catch (error) {
    throw new Error([`${[command, ...args].join(' ')} failed`, error.stdout, error.stderr].filter(Boolean).join('\n'), {
      cause: error,
    });
  }
}

const node = (...args) => run(project, process.execPath, ...args);
const npm = (cwd, ...args) => {
  if (env.npm_execpath === undefined) throw new Error('Start this with npm: npm run check:package');
  return run(cwd, process.execPath, env.npm_execpath, ...args);
};
const write = (name, text) => writeFileSync(join(project, name), text);
const kilobytes = (bytes) => `${(bytes / 1024).toFixed(0)} KiB`;

let tarball;

function pack() {
  npm(root, 'pack', '--pack-destination', work);
  tarball = join(
    work,
    readdirSync(work).find((name) => name.endsWith('.tgz')),
  );
  const { size } = statSync(tarball);
  if (size > mostBytes) throw new Error(`The tarball has ${size} bytes, more than ${mostBytes}`);
  return kilobytes(size);
}

function list() {
  const files = run(work, 'tar', '-tzf', tarball)
    .split(/\r?\n/)
    .map((path) => path.replace(/^package\//, ''));
  const missing = mustHold.filter((path) => !files.includes(path));
  const foreign = files.filter((path) => !mayHold.some((pattern) => pattern.test(path)));
  const stale = files.filter(
    (path) =>
      path.startsWith('dist/') &&
      !existsSync(join(root, path.replace(/^dist/, 'src').replace(/\.(js|js\.map|d\.ts)$/, '.ts'))),
  );
  const wrong = { missing, 'not meant to be in it': foreign, 'left from an earlier build': stale };
  const told = Object.entries(wrong).filter(([, paths]) => paths.length > 0);
  if (told.length > 0) throw new Error(told.map(([what, paths]) => `${what}: ${paths.join(', ')}`).join('\n'));
  return `${files.length} files`;
}

/** The addon for this machine, which a release has for all of them. */
function prebuild() {
  if (own === undefined) return 'none for this platform';
  run(root, process.execPath, join(root, 'scripts/prebuild.mjs'), own.tuple);
  return prebuildPath(own);
}

function install() {
  mkdirSync(project);
  write('package.json', JSON.stringify({ name: 'stranger', private: true }));
  if (own !== undefined) withoutCompiler();
  npm(project, 'install', '--no-audit', '--no-fund', tarball);
  const compiled = existsSync(join(installed, 'build'));
  if (own !== undefined && compiled) throw new Error('The addon was compiled: the prebuilt one was not found');
  return compiled ? 'addon compiled' : 'addon prebuilt, and no compiler there';
}

/** Neither a prebuilt addon nor a compiler. */
function useWithout() {
  if (own === undefined) return 'not tried on this platform';
  const prebuilds = join(installed, 'prebuilds');
  renameSync(prebuilds, `${prebuilds}.away`);
  try {
    node('import.mjs');
  } catch (error) {
    const said = /sliding-mmap has no addon for [\w-]+: there is no prebuilt one/.exec(error.message);
    if (said === null) throw error;
    return 'told';
  } finally {
    renameSync(`${prebuilds}.away`, prebuilds);
  }
  throw new Error('It ran without an addon');
}

const program = `
  const path = require('node:path').join(__dirname, 'some.file');
  require('node:fs').writeFileSync(path, 'sliding');
  using(MappedFile.openSync(path, 'r+'));
  function using(file) {
    file.setUint8(0, 0x53);
    console.log(file.sliceSync().toString(), file.backing);
    file.closeSync();
  }
`;

function use(name, first) {
  write(name, first + program);
  const said = node(name);
  if (!said.startsWith('Sliding ')) throw new Error(`${name} printed: ${said}`);
  return said;
}

const viaImport = () =>
  use(
    'import.mjs',
    `import { MappedFile } from 'sliding-mmap';
     import { createRequire } from 'node:module';
     const require = createRequire(import.meta.url), __dirname = import.meta.dirname;`,
  );
const viaRequire = () => use('require.cjs', `const { MappedFile } = require('sliding-mmap');`);

/** Types are checked without `skipLibCheck`: the declarations that are shipped must hold by themselves. */
function compile(module, moduleResolution) {
  write(
    'consumer.mts',
    `import { MappedFile, MappedFileError, type OpenOptions, WindowPool } from 'sliding-mmap';
     const options: OpenOptions = { pool: new WindowPool({ limit: 1 << 28 }) };
     export async function first(path: string): Promise<number> {
       await using file: MappedFile = await MappedFile.open(path, 'r', options);
       return file.getUint8(0n);
     }
     // @ts-expect-error a position is a number or a bigint
     export const wrong = (file: MappedFile) => file.getUint8('0');
     export const code = (error: MappedFileError): string => error.code;
    `,
  );
  write(
    'tsconfig.json',
    JSON.stringify({
      compilerOptions: {
        module,
        moduleResolution,
        target: 'ES2022',
        lib: ['ES2023', 'ESNext.Disposable'],
        strict: true,
        noEmit: true,
        types: ['node'],
        typeRoots: [join(root, 'node_modules/@types')],
      },
      files: ['consumer.mts'],
    }),
  );
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  node(tsc);
  return `TypeScript ${node(tsc, '--version').replace('Version ', '')}`;
}

const steps = [
  ['npm run prebuild', prebuild],
  ['npm pack', pack],
  ['files', list],
  ['npm install, in an empty project', install],
  ['import', viaImport],
  ['require', viaRequire],
  ['no addon and no compiler', useWithout],
  ['types, nodenext', () => compile('nodenext', 'nodenext')],
  ['types, bundler', () => compile('esnext', 'bundler')],
];

let failed = 0;
try {
  for (const [name, step] of steps) {
    try {
      console.log(`ok      ${name.padEnd(34)}${step()}`);
    } catch (error) {
      failed++;
      console.log(`FAILED  ${name}\n${error.message}`);
      if (step === pack || step === install) break;
    }
  }
} finally {
  rmSync(work, { recursive: true, force: true });
}
process.exitCode = failed > 0 ? 1 : 0;
