import assert from 'node:assert/strict';
import fs from 'node:fs';
import { run } from '../helpers/child.js';
import { Folder } from '../helpers/files.js';

const system = `${process.platform}-${process.arch}`;

/** Loads the library with its addon looked for in `folder`. */
async function load(folder: string): Promise<string> {
  const env = { SLIDING_MMAP_PREBUILD: folder };
  const { stdout, stderr, code } = await run(new URL('loading.program.js', import.meta.url), [], { env });
  assert.equal(code, 0, stderr);
  return stdout;
}

describe('loading the addon', () => {
  it('tells the system and what to do where there is none', async () => {
    using folder = new Folder();
    const said = await load(folder.path);
    assert.ok(said.startsWith(`Error: sliding-mmap has no addon for ${system}: there is no prebuilt one`), said);
    assert.match(said, /Install a C\+\+ compiler, make and Python 3, then run: npm rebuild sliding-mmap\n$/);
  });

  it('tells which one cannot be loaded, and why', async () => {
    using folder = new Folder();
    const place = folder.join(`prebuilds/${system}`);
    fs.mkdirSync(place, { recursive: true });
    fs.writeFileSync(`${place}/sliding-mmap.node`, 'this is no library');
    const said = await load(folder.path);
    assert.ok(said.startsWith(`Error: sliding-mmap cannot load its addon for ${system}, ${place}`), said);
    assert.match(said, /: .+\. Install a C\+\+ compiler, make and Python 3, then run: npm rebuild sliding-mmap\n$/);
  });
});
