/** The packages that the library is measured against: bench/package.json, installed in bench/. */
import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('../../bench/', import.meta.url));
const require = createRequire(path.join(folder, 'package.json'));

/**
 * Installs the peers where they are not. Some compile an addon, and of those some ask for an older C++ than today's
 * Node headers take. What does not install is optional: its contestants say that they are not there.
 */
export function install(): void {
  const list = path.join(folder, 'package-lock.json');
  const installed = path.join(folder, 'node_modules/.package-lock.json');
  if (fs.existsSync(installed) && fs.statSync(installed).mtimeMs >= fs.statSync(list).mtimeMs) return;
  console.error('Installing the packages to compare with …');
  const { status, stderr }: SpawnSyncReturns<string> = spawnSync('npm', ['ci', '--no-audit', '--no-fund'], {
    cwd: folder,
    encoding: 'utf8',
    shell: process.platform === 'win32',
    env: { ...process.env, CXXFLAGS: `${process.env['CXXFLAGS'] ?? ''} -std=c++17` },
  });
  if (status !== 0) console.error(stderr);
}

/** Loads a peer; throws where it is not installed. */
export function load<T>(name: string): T {
  return require(name) as T;
}

/** Why a peer cannot take part; undefined when it can. */
export function missing(name: string): string | undefined {
  try {
    require.resolve(name);
    return undefined;
  } catch {
    return 'not installed';
  }
}

interface MmapIo {
  map(size: number, protection: number, flags: number, fd: number, offset: number): Buffer;
  readonly PROT_READ: number;
  readonly PROT_WRITE: number;
  readonly MAP_SHARED: number;
}

const mmapIo =
  (name: string) =>
  (path: string, writable: boolean): Buffer => {
    const mmap = load<MmapIo>(name);
    const fd = fs.openSync(path, writable ? 'r+' : 'r');
    try {
      const protection = mmap.PROT_READ | (writable ? mmap.PROT_WRITE : 0);
      return mmap.map(fs.fstatSync(fd).size, protection, mmap.MAP_SHARED, fd, 0);
    } finally {
      fs.closeSync(fd);
    }
  };

/** The peers that map a file as one Buffer. Those that map for reading only throw when asked for more. */
export const mappers: readonly { name: string; map: (path: string, writable: boolean) => Buffer }[] = [
  { name: '@riaskov/mmap-io', map: mmapIo('@riaskov/mmap-io') },
  { name: 'mmap-io', map: mmapIo('mmap-io') },
  {
    name: 'bufferfromfile',
    map: (path) => load<(path: string) => { NodeBuffer(): Buffer }>('bufferfromfile')(path).NodeBuffer(),
  },
  {
    name: 'great-big-file-reader',
    map(path, writable) {
      if (writable) throw new Error('maps for reading only');
      interface Mapping {
        getBuffer(offset: bigint, length: number): Buffer;
      }
      const { MMapping } = load<{ MMapping: new (path: string, fd: number) => Mapping }>('great-big-file-reader');
      const fd = fs.openSync(path, 'r');
      try {
        return new MMapping(path, fd).getBuffer(0n, fs.fstatSync(fd).size);
      } finally {
        fs.closeSync(fd);
      }
    },
  },
];

/** Why Bun cannot take part; undefined when it can. */
export function bunMissing(): string | undefined {
  return spawnSync(bunPath(), ['--version']).status === 0 ? undefined : 'not installed, or does not start';
}

/** Runs a program's text in Bun, which measures itself and prints JSON of `{ result, milliseconds }`. */
export function runBun(program: string, args: readonly string[]): { result: unknown; milliseconds: number } {
  const { status, stdout, stderr } = spawnSync(bunPath(), ['-e', program, ...args], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`Bun gave ${status}: ${stderr}`);
  return JSON.parse(stdout) as { result: unknown; milliseconds: number };
}

function bunPath(): string {
  return path.join(folder, 'node_modules/.bin/bun');
}
