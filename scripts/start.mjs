// Runs the log report; on a fresh clone, installs and builds first. `npm start -- FILE ...`
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const program = join(root, 'out/examples/log-report.js');
const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';

/** The files below a path, or the file itself; none where it does not exist. */
function filesIn(path) {
  const full = join(root, path);
  if (!existsSync(full)) return [];
  if (!statSync(full).isDirectory()) return [full];
  return readdirSync(full, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name));
}

/** When the newest file below the paths was written; 0 where there is none. */
function newest(paths, ending = '') {
  const files = paths.flatMap(filesIn).filter((file) => file.endsWith(ending));
  return Math.max(0, ...files.map((file) => statSync(file).mtimeMs));
}

/** Runs a step and shows what it says only if it fails: standard output belongs to the report. */
function run(title, command, ...args) {
  process.stderr.write(`${title} ...\n`);
  const { status, error, stdout, stderr } = spawnSync(command, args, {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: Infinity,
    shell: process.platform === 'win32',
  });
  if (status === 0) return;
  process.stderr.write(`${stdout ?? ''}${stderr ?? ''}`);
  process.stderr.write(`${title} failed: ${error?.message ?? `${command} ${args.join(' ')} gave ${status}`}\n`);
  process.exit(1);
}

const addon = newest(['build/Release', 'prebuilds'], '.node');
if (addon === 0 || newest(['node_modules/.package-lock.json']) < newest(['package-lock.json'])) {
  run('Installing', npm, 'ci');
} else if (addon < newest(['addon', 'binding.gyp'])) {
  process.env.npm_config_build_from_source = 'true'; // or node-gyp-build is content with the addon that is there
  run('Building the addon', npm, 'run', 'install');
}

// The build information is written at every build; the compiled files only where they change.
const built = newest(['out/programs.tsbuildinfo', 'out/examples/log-report.js']);
if (!existsSync(program) || built < newest(['src', 'examples', 'package.json', 'tsconfig.base.json'])) {
  run('Building', process.execPath, join(root, 'node_modules/typescript/bin/tsc'), '-b');
}

const child = spawn(process.execPath, [program, ...process.argv.slice(2)], { stdio: 'inherit' });
// An interrupt from the terminal reaches the child too: this process waits for it, and ends as it ended.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
child.on('exit', (code, signal) => {
  if (signal === null) process.exit(code);
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.removeAllListeners(name);
  process.kill(process.pid, signal);
});
