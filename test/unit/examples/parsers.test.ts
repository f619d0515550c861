import assert from 'node:assert/strict';
import { run } from '../../helpers/child.js';
import { Folder } from '../../helpers/files.js';
import { writeParquet, writeZip } from '../../parsers/files.js';

const example = (name: string): URL => new URL(`../../../examples/${name}.js`, import.meta.url);

describe('examples with parsers', () => {
  it('zip-list lists the entries of archives', async () => {
    using folder = new Folder();
    await writeZip(folder.join('a.zip'), 12);
    const { stdout, code } = await run(example('zip-list'), [folder.join('a.zip')]);
    assert.equal(code, 0);
    const lines = stdout.trimEnd().split('\n');
    assert.equal(lines.length, 12);
    assert.match(lines[3]!, /^ +34 {2}2020-02-01 \d\d:\d\d {2}folder-3\/member-3\.txt$/);
  });

  it('zip-list tells what is no archive', async () => {
    using folder = new Folder();
    const { stderr, code } = await run(example('zip-list'), [folder.file(1000)]);
    assert.equal(code, 1);
    assert.match(stderr, /^zip-list: /);
    assert.equal((await run(example('zip-list'))).code, 2);
  });

  it('parquet-rows prints rows', async () => {
    using folder = new Folder();
    writeParquet(folder.join('a.parquet'), 100, 10);
    const { stdout } = await run(example('parquet-rows'), [folder.join('a.parquet'), '97', '5']);
    const rows = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { id: number; text: string });
    assert.deepEqual(
      rows.map(({ id }) => id),
      [97, 98, 99].map((row) => (row * 7919) % 10_007),
    );
    assert.equal(rows[0]!.text, `row ${rows[0]!.id}`);
    assert.equal((await run(example('parquet-rows'), [folder.join('a.parquet'), 'x'])).code, 2);
  });
});
