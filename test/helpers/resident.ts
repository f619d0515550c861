/** How much memory walks over a file take, whatever its size. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { run } from './child.js';
import { Folder } from './files.js';

const program = new URL('resident.program.js', import.meta.url);
const bound = 64 * 2 ** 20;

/** Tells of each walk that takes more than 64 MiB above the idle process, over a file of lines and over a hole. */
export function testResidentSets(written: number, hole: number): void {
  const walks = [
    'default reader',
    'BYOB reader',
    'borrowing reader',
    'Node stream',
    'chunks()',
    'chunks(), awaited',
    'lines()',
    'lines(), pass by pass',
    'lines(), awaited',
    'indexOf()',
    'lastIndexOf()',
    'matches()',
  ];
  let folder: Folder;

  before(function () {
    if (process.platform !== 'linux') this.skip(); // only there the peak can be begun anew
    folder = new Folder();
    const fd = fs.openSync(folder.join('lines'), 'w');
    for (let position = 0; position < written;) {
      let text = '';
      while (text.length < 2 ** 20)
        text += `${position + text.length} is where this line begins, and this is its end\n`;
      position += fs.writeSync(fd, text.slice(0, written - position));
    }
    fs.closeSync(fd);
    fs.writeFileSync(folder.join('hole'), '');
    fs.truncateSync(folder.join('hole'), hole);
  });

  after(() => folder?.[Symbol.dispose]());

  for (const [name, size] of Object.entries({ lines: written, hole })) {
    for (const walk of walks) {
      it(`${walk} over a file of ${size / 2 ** 20} MiB (${name})`, async function () {
        const { stdout, stderr, code } = await run(program, [folder.join(name), walk], { node: ['--expose-gc'] });
        assert.equal(code, 0, stderr);
        const { bytes, over } = JSON.parse(stdout) as { bytes: number; over: number };
        assert.equal(bytes, size);
        assert.ok(over < bound, `${Math.round(over / 2 ** 20)} MiB above the idle process`);
      });
    }
  }
}
