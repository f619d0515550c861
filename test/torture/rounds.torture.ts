import assert from 'node:assert/strict';
import { run } from '../helpers/child.js';
import { Folder } from '../helpers/files.js';
import { budget } from './support.js';

const program = new URL('./programs/rounds.js', import.meta.url);
const MiB = 2 ** 20;

describe('opening, streaming, mapping and closing', () => {
  const rounds = budget('TORTURE_OPENINGS', 100_000);
  it(`${rounds} times takes no more at the end than after a tenth`, async () => {
    using folder = new Folder();
    const path = folder.file(Buffer.alloc(100_000, 'line of text\n'));
    const { stdout, stderr, code } = await run(program, [path, String(rounds)], { node: ['--expose-gc'] });
    assert.equal(code, 0, stderr);
    const figures = JSON.parse(stdout) as Array<Record<string, number>>;
    console.table(figures);
    const [first, last] = [figures[0], figures.at(-1)] as [Record<string, number>, Record<string, number>];
    const grown = (key: string): number => (last[key] as number) - (first[key] as number);
    assert.equal(last['ranges'], 0);
    assert.ok(grown('descriptors') <= 0);
    assert.ok(grown('maps') < 100, 'mappings');
    assert.ok(grown('rss') < 24 * MiB, 'resident set');
    for (const key of ['external', 'arrayBuffers', 'heapUsed']) assert.ok(Math.abs(grown(key)) < 4 * MiB, key);
  });
});
