/** Compiles the addon by one command, for any system: what is compiled, and with what, is read from binding.gyp. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const require = createRequire(import.meta.url);

/** The parts of binding.gyp that hold for `os`, which is gyp's name of it: 'linux', 'mac', 'win', 'freebsd'. */
function target(os) {
  const { targets } = JSON.parse(readFileSync(join(root, 'binding.gyp'), 'utf8'));
  const [{ sources, defines, cflags_cc: flags, conditions }] = targets;
  const found = { sources: [...sources], defines: [...defines], flags: [...flags], libraries: [] };
  for (const [condition, then, otherwise = {}] of conditions) {
    const [, operator, name] = /^OS(==|!=)'(\w+)'$/.exec(condition) ?? [];
    if (name === undefined) throw new Error(`binding.gyp has a condition that is not understood: ${condition}`);
    const holds = (operator === '==') === (os === name) ? then : otherwise;
    for (const key of ['sources', 'defines', 'libraries']) found[key].push(...(holds[key] ?? []));
  }
  return found;
}

/**
 * Compiles and links `output` by `compiler`, a command in parts that takes gcc's options. Returns what spawnSync does:
 * `status` 0, or what the compiler printed.
 */
export function compileAddon({ compiler, os, output, flags = [], libraries: more = [] }) {
  const { sources, defines, flags: own, libraries } = target(os);
  mkdirSync(dirname(output), { recursive: true });
  const [command, ...before] = compiler;
  const args = [
    ...before,
    ...['-shared', '-fPIC', '-O3', '-DNDEBUG', '-s', ...own, ...flags],
    ...[...defines, 'BUILDING_NODE_EXTENSION', 'NODE_GYP_MODULE_NAME=sliding_mmap'].map((name) => `-D${name}`),
    ...[join(root, 'addon'), require('node-addon-api').include_dir, require('node-api-headers').include_dir].flatMap(
      (folder) => ['-I', folder],
    ),
    ...sources.map((source) => join(root, source)),
    ...['-o', output, ...libraries, ...more],
  ];
  return spawnSync(command, args, { encoding: 'utf8', maxBuffer: 1 << 26 });
}

/**
 * Makes, in `folder`, the library by which a Windows addon is linked to what the executable exports: Node-API, and what
 * os_win32.cc takes of libuv. Returns its path.
 */
export function importLibrary(dlltool, folder) {
  const { node_api_symbols: own, js_native_api_symbols: engine } = require('node-api-headers').symbols.v8;
  const uv = ['uv_fs_close', 'uv_fs_req_cleanup', 'uv_get_osfhandle', 'uv_open_osfhandle'];
  mkdirSync(folder, { recursive: true });
  const definition = join(folder, 'node.def');
  const library = join(folder, 'libnode.a');
  writeFileSync(definition, ['NAME NODE.EXE', 'EXPORTS', ...own, ...engine, ...uv, ''].join('\n'));
  execFileSync(dlltool, ['-d', definition, '-l', library], { stdio: 'inherit' });
  return library;
}
