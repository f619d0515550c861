/**
 * Runs parsers by their own ways to files, node:fs being replaced by `sliding-mmap/fs` where the first argument is
 * `mapped`: `mapped|plain`, then `PARSER PATH` for each. Prints, for each, its result, and whether the file was mapped.
 */
import { syncBuiltinESMExports } from 'node:module';
import node from 'node:fs';

const [mode, ...jobs] = process.argv.slice(2);
const paths = jobs.filter((_, i) => i % 2 === 1);
const seen = new Set<string>();

const { readFileSync } = node;
/** Looks for the files among the mappings of this process, whenever a descriptor is closed by a callback. */
function look(): void {
  const maps = readFileSync('/proc/self/maps', 'latin1');
  for (const path of paths) if (maps.includes(path)) seen.add(path);
}

if (mode === 'mapped') {
  const { default: fs } = await import('sliding-mmap/fs');
  // As docs/drop-in.md says.
  for (const [name, value] of Object.entries(fs))
    if (typeof value === 'function') Object.assign(node, { [name]: value });
  Object.assign(node.promises, fs.promises);
  node.close = Object.assign((fd: number, done?: node.NoParamCallback) => (look(), fs.close(fd, done)), fs.close);
  syncBuiltinESMExports();
}
// After node:fs was replaced: some take its functions when they are loaded.
const { comparable, parsers } = await import('./cases.js');

for (let i = 0; i < jobs.length; i += 2) {
  const [name, path] = [jobs[i] as keyof typeof parsers, jobs[i + 1] as string];
  const result = comparable(await parsers[name].own(path));
  console.log(JSON.stringify({ name, path, result, mapped: seen.has(path) }));
}
