/**
 * Runs parsers by their own ways to files, node:fs being replaced by `sliding-mmap/fs` where the first argument is
 * `module`: `module|plain`, then `PARSER PATH` for each. Prints, for each, its result, and whether it called `read` of
 * the module.
 */
import { syncBuiltinESMExports } from 'node:module';
import node from 'node:fs';

const [mode, ...jobs] = process.argv.slice(2);
let reads = 0;

const { default: fs } = await import('sliding-mmap/fs');
const { read } = fs;
fs.read = Object.assign((...args: Parameters<typeof read>) => (reads++, read(...args)), read);
if (mode === 'module') {
  // As docs/drop-in.md says.
  for (const [name, value] of Object.entries(fs)) if (typeof value === 'function') Reflect.set(node, name, value);
  Object.assign(node.promises, fs.promises);
  syncBuiltinESMExports();
}
// After node:fs was replaced: some take its functions when they are loaded.
const { comparable, parsers } = await import('./cases.js');

for (let i = 0; i < jobs.length; i += 2) {
  const [name, path] = [jobs[i] as keyof typeof parsers, jobs[i + 1] as string];
  const before = reads;
  const result = comparable(await parsers[name].own(path));
  console.log(JSON.stringify({ name, path, result, byModule: reads > before }));
}
