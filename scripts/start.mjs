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

const newest = (paths) => Math.max(0, ...paths.flatMap(filesIn).map((file) => statSync(file).mtimeMs));
const addon = () => [...filesIn('build/Release'), ...filesIn('prebuilds')].some((file) => file.endsWith('.node'));

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

const lock = 'node_modules/.package-lock.json';
if (newest([lock]) < newest(['package-lock.json']) || !addon()) run('Installing', npm, 'ci');
else if (newest(['build/Release']) < newest(['addon', 'binding.gyp'])) run('Building the addon', npm, 'run', 'install');

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
