/**
 * Takes a handle over IPC, opens it, touches every page, and tells its mappings' proportional and whole resident set, in
 * bytes; ends with the connection.
 */
import fs from 'node:fs';
import { MappedFile, type MappedFileHandle } from 'sliding-mmap';

/** What the file's mappings add up to, of a line of /proc/self/smaps that is in kB (proc(5)), in bytes. */
function resident(key: string, path: string): number {
  // A mapping begins with its range of addresses; its other lines with a key.
  const mappings = fs.readFileSync('/proc/self/smaps', 'utf8').split(/^(?=[\da-f]+-[\da-f]+ )/m);
  return mappings
    .filter((mapping) => mapping.slice(0, mapping.indexOf('\n')).endsWith(` ${path}`))
    .reduce((sum, mapping) => sum + Number(new RegExp(`^${key}:\\s+(\\d+) kB`, 'm').exec(mapping)![1]) * 1024, 0);
}

let path = '';
process.on('message', (message: { handle: MappedFileHandle } | 'measure') => {
  try {
    if (message === 'measure') {
      process.send!({ pss: resident('Pss', path), rss: resident('Rss', path) });
      return;
    }
    const file = MappedFile.openSync(message.handle);
    const { bytes } = file.view();
    let sum = 0;
    for (let i = 0; i < bytes.length; i += 4096) sum += bytes[i]!;
    path = file.path ?? '';
    process.send!({ sum, path: file.path });
  } catch (error) {
    process.send!({ error: (error as { code?: string }).code ?? String(error) });
  }
});
