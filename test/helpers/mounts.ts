/** Small file systems of a test's own, where this process may mount them. */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';

/** Why it cannot be done here; thrown, so that a test can tell it and skip. */
export class NotPermitted extends Error {}

function command(name: string, ...args: string[]): void {
  const { status, stderr, error } = spawnSync(name, args, { encoding: 'utf8' });
  if (status !== 0) throw new NotPermitted(`${name}: ${stderr || String(error)}`);
}

/** A mounted file system: `using disk = mountTmpfs(folder, '4m')`. */
export class Mount implements Disposable {
  readonly path: string;

  constructor(path: string, ...args: string[]) {
    this.path = path;
    fs.mkdirSync(path, { recursive: true });
    command('mount', ...args, path);
  }

  [Symbol.dispose](): void {
    spawnSync('umount', [this.path]);
  }
}

export function mountTmpfs(path: string, size: string): Mount {
  return new Mount(path, '-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs');
}

/** An overlayfs with one lower layer, `lower` in the folder `layers`, which must be on a file system that can be the upper. */
export function mountOverlay(path: string, layers: string): Mount {
  const [lower, upper, work] = ['lower', 'upper', 'work'].map((name) => `${layers}/${name}`) as [
    string,
    string,
    string,
  ];
  for (const layer of [lower, upper, work]) fs.mkdirSync(layer, { recursive: true });
  return new Mount(path, '-t', 'overlay', '-o', `lowerdir=${lower},upperdir=${upper},workdir=${work}`, 'overlay');
}

/** An ext4 file system inside the file `image`, which is made if it is not there. */
export function mountImage(path: string, image: string, size: number, options = ''): Mount {
  if (!fs.existsSync(image)) {
    fs.writeFileSync(image, '');
    fs.truncateSync(image, size);
    command('mkfs.ext4', '-q', '-F', '-O', '^has_journal', image);
  }
  return new Mount(path, '-o', `loop${options}`, image);
}
