/** Packages of another release of Debian than the machine's, unpacked into folders; nothing is installed. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
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

/** Whether there is such a command. */
export const has = (command) => spawnSync(command, ['--version'], { stdio: 'ignore' }).status === 0;

/** Where the machine itself gets its packages from. */
function mirror() {
  const lines = run('apt-get', ['indextargets', '--format', '$(REPO_URI) $(ORIGIN)']).split('\n');
  const line = lines.find((text) => /^\S+ Debian$/.test(text) && !text.includes('security'));
  if (line === undefined) throw new Error('apt-get does not know where Debian is to be had: try apt-get update');
  return line.split(' ')[0];
}

/** Runs apt-get for `suite` and `architecture`, apart from what is installed; its index is brought up to date at once. */
function apt(suite, architecture) {
  if (!existsSync(keyring)) throw new Error(`there is no ${keyring}, by which packages are verified`);
  const state = join(cache, suite, architecture, 'apt');
  const archives = join(state, 'archives');
  for (const path of ['lists/partial', 'archives/partial']) mkdirSync(join(state, path), { recursive: true });
  writeFileSync(join(state, 'status'), '');
  writeFileSync(join(state, 'sources.list'), `deb [signed-by=${keyring}] ${mirror()} ${suite} main\n`);
  const configuration = join(state, 'apt.conf');
  writeFileSync(
    configuration,
    `APT::Architecture "${architecture}";
APT::Architectures { "${architecture}"; };
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
  const get = (args, options) => run('apt-get', ['-c', configuration, '-q', '-y', ...args], options);
  get(['update']);
  return { get, archives, state };
}

/** The machine's own architecture, by Debian's name. */
const ownArchitecture = () => run('dpkg', ['--print-architecture']).trim();

/** The folder into which package `name` of `suite`, for this machine's architecture, is unpacked; or an error. */
export function debianPackage(suite, name) {
  const folder = join(cache, suite, name);
  if (existsSync(folder)) return folder;
  const { get, state } = apt(suite, ownArchitecture());
  const downloads = join(state, 'downloads');
  rmSync(downloads, { recursive: true, force: true });
  mkdirSync(downloads);
  get(['download', name], { cwd: downloads });
  run('dpkg-deb', ['-x', join(downloads, readdirSync(downloads)[0]), folder]);
  return folder;
}

/**
 * Unpacks packages of `suite` for `architecture`, with all that they depend on, into `folder`, which is emptied before:
 * a system that can be entered by chroot(2). What the packages' own scripts would do is left to the caller.
 */
export function debianTree(suite, architecture, names, folder) {
  // The indexes of an architecture that is on its way out are now and then out of step with their signatures.
  for (let attempt = 1; ; attempt++) {
    try {
      const { get, archives } = apt(suite, architecture);
      get(['install', '--download-only', ...names]);
      unpackAll(archives, folder);
      return;
    } catch (error) {
      if (attempt === 3) throw error;
    }
  }
}

/** `folder` is there when all is in it, and not before. */
function unpackAll(archives, folder) {
  const unpacking = `${folder}.unpacking`;
  rmSync(unpacking, { recursive: true, force: true });
  // Both layouts of Debian, with and without merged /usr, fit into this one.
  for (const name of ['bin', 'sbin', 'lib', 'lib64']) {
    mkdirSync(join(unpacking, 'usr', name), { recursive: true });
    symlinkSync(`usr/${name}`, join(unpacking, name));
  }
  // Not dpkg -x, which would replace the links above by the folders of an older package.
  const script = 'dpkg-deb --fsys-tarfile "$0" | tar -x --keep-directory-symlink -C "$1"';
  for (const name of readdirSync(archives).filter((file) => file.endsWith('.deb'))) {
    run('sh', ['-c', script, join(archives, name), unpacking]);
  }
  rmSync(folder, { recursive: true, force: true });
  renameSync(unpacking, folder);
}

/** `command`, one of Debian's compilers, which is installed (package `name`) where it is missing; or an error. */
export function debianCompiler(command, name) {
  if (has(command)) return command;
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const install = () =>
    spawnSync('apt-get', ['install', '-y', '-q', '--no-install-recommends', name], { encoding: 'utf8', env });
  let installed = install();
  if (installed.status !== 0) {
    // The machine may never have asked for Debian's index, or long ago.
    spawnSync('apt-get', ['update', '-q'], { stdio: 'ignore', env });
    installed = install();
  }
  if (installed.status === 0 && has(command)) return command;
  throw new Error(`there is no ${command}, and ${name} cannot be installed: ${tail(installed, 1)}`);
}
