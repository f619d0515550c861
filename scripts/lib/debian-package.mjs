/** Packages of another release of Debian than the machine's, unpacked into a folder; nothing is installed. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { tail } from './npm-binary.mjs';

const cache = fileURLToPath(new URL('../../node_modules/.cache/sliding-mmap-debian', import.meta.url));
const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg';

function run(command, args, options) {
  const done = spawnSync(command, args, { encoding: 'utf8', ...options });
  if (done.status !== 0) throw new Error(`${command} ${args.at(-1)} failed: ${tail(done)}`);
  return done.stdout;
}

/** Where the machine itself gets its packages from. */
function mirror() {
  const lines = run('apt-get', ['indextargets', '--format', '$(REPO_URI) $(ORIGIN)']).split('\n');
  const line = lines.find((text) => /^\S+ Debian$/.test(text) && !text.includes('security'));
  if (line === undefined) throw new Error('apt-get does not know where Debian is to be had: try apt-get update');
  return line.split(' ')[0];
}

/** The folder into which package `name` of `suite`, for this machine's architecture, is unpacked; or an error. */
export function debianPackage(suite, name) {
  const folder = join(cache, suite, name);
  if (existsSync(folder)) return folder;
  if (!existsSync(keyring)) throw new Error(`there is no ${keyring}, by which packages are verified`);
  const state = join(cache, suite, 'apt');
  for (const path of ['lists/partial', 'archives/partial']) mkdirSync(join(state, path), { recursive: true });
  writeFileSync(join(state, 'status'), '');
  writeFileSync(join(state, 'sources.list'), `deb [signed-by=${keyring}] ${mirror()} ${suite} main\n`);
  const configuration = join(state, 'apt.conf');
  writeFileSync(
    configuration,
    `APT::Sandbox::User "root";
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
  run('apt-get', ['-c', configuration, '-q', 'update']);
  const downloads = join(state, 'downloads');
  rmSync(downloads, { recursive: true, force: true });
  mkdirSync(downloads);
  run('apt-get', ['-c', configuration, '-q', 'download', name], { cwd: downloads });
  run('dpkg-deb', ['-x', join(downloads, readdirSync(downloads)[0]), folder]);
  return folder;
}
