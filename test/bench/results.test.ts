import assert from 'node:assert/strict';
import fs from 'node:fs';
import { pathToFileURL } from 'node:url';
import { parseHTML } from 'linkedom';
import { chart } from '../../bench/chart.js';
import { publish } from '../../bench/markdown.js';
import type { ContestantResult, Results } from '../../bench/report.js';
import { Folder } from '../helpers/files.js';

/** What is used of the types of the DOM, which are not there. */
interface Part {
  readonly textContent: string;
  getAttribute(name: string): string;
  querySelectorAll(selector: string): Iterable<Part>;
}

const time = (name: string, ours: boolean, median: number): ContestantResult => {
  return { name, ours, median, fastest: median * 0.9, slowest: median * 1.2, figures: {} };
};

/** Of the other, one is quicker than ours, one takes ten times and one a hundred times as long, and one has crashed. */
const results: Results = {
  machine: { node: 'v20.0.0', platform: 'linux', arch: 'x64', cores: 2, quick: false },
  scenarios: [
    {
      name: 'reading/small',
      title: 'a few bytes | at a time',
      work: { amount: 2e6, unit: 'op' },
      rounds: 7,
      contestants: [
        time('quicker', false, 10),
        time('read()', true, 20),
        time('ten', false, 200),
        time('hundred', false, 2000),
        { name: 'peer', ours: false, out: 'killed by SIGBUS' },
      ],
      targets: [
        { contestant: 'read()', against: 'ten', atMost: 0.2 },
        { contestant: 'read()', against: 'quicker', atMost: 1.1 },
      ],
    },
    {
      name: 'writing',
      title: 'bytes',
      work: { amount: 1e9, unit: 'B' },
      rounds: 7,
      contestants: [time('write()', true, 1000), time('fs', false, 1500)],
      targets: [],
    },
  ],
};

describe('the results of the benchmark', () => {
  it('become a chart whose bars are as long as the logarithms of the ratios', () => {
    const svg = chart(results.scenarios);
    assert.match(svg, /^<svg [^>]*xmlns="http:\/\/www\.w3\.org\/2000\/svg"/);
    const { document } = parseHTML(svg) as unknown as { document: Part };
    const texts = [...document.querySelectorAll('text')].map(({ textContent }) => textContent);
    for (const text of ['quicker', 'read()', 'hundred', '0.5×', '10×', '100×', '1.5×', 'killed by SIGBUS']) {
      assert.ok(texts.includes(text), `the chart does not say ${text}`);
    }
    assert.ok(texts.includes('reading/small: a few bytes | at a time'));

    const bars = [...document.querySelectorAll('g[aria-label=bar] rect')];
    const [quicker, read, ten, hundred] = bars.map((bar) => Number(bar.getAttribute('width')));
    assert.equal(bars.length, 6);
    assert.ok(ten! > 0);
    assert.equal(read, 0);
    assert.ok(Math.abs(hundred! / ten! - 2) < 1e-6);
    assert.ok(Math.abs(quicker! / ten! - Math.log10(2)) < 1e-6);
    const [before, after] = [bars[0]!, bars[2]!].map((bar) => Number(bar.getAttribute('x')));
    assert.ok(before! < after!, 'who takes less time is on the left');
    assert.deepEqual(new Set([bars[1], bars[4]].map((bar) => bar!.getAttribute('fill'))).size, 1);
    assert.notEqual(bars[1]!.getAttribute('fill'), bars[2]!.getAttribute('fill'));
  });

  it('are put between the marks of a page, again and again, and nothing else is changed', async () => {
    using folder = new Folder();
    const marks = ['<!-- results: written by npm run bench -- --markdown -->', '<!-- end of results -->'];
    const page = folder.file(`# Before\n\n${marks[0]}\n\nwhat was there\n\n${marks[1]}\n\n# After\n`, 'performance.md');
    const url = pathToFileURL(`${folder.path}/`);
    await publish(results, url);
    const once = fs.readFileSync(page, 'utf8');
    assert.ok(once.startsWith(`# Before\n\n${marks[0]}\n`) && once.endsWith(`${marks[1]}\n\n# After\n`));
    assert.doesNotMatch(once, /what was there/);
    assert.match(once, /!\[.*\]\(performance\/reading\.svg\)/);
    assert.match(once, /^\| ten +\| 10\.00 +\| 10\.00 Mop\/s +\| 9\.00 … 12\.00 +\|$/m);
    assert.match(once, /^\| peer +\| killed by SIGBUS/m);
    assert.match(once, /^- reading\/small, holds: read\(\) \/ ten is 0\.100, target at most 0\.2$/m);
    assert.match(once, /^- reading\/small, MISSED: read\(\) \/ quicker is 2\.000, target at most 1\.1$/m);
    assert.deepEqual(fs.readdirSync(folder.join('performance')), ['reading.svg', 'writing.svg']);

    await publish({ ...results, scenarios: results.scenarios.slice(1) }, url);
    await publish(results, url);
    assert.equal(fs.readFileSync(page, 'utf8'), once);
  });

  it('are refused by a page without such a place', async () => {
    using folder = new Folder();
    folder.file('# Nothing\n', 'performance.md');
    await assert.rejects(publish(results, pathToFileURL(`${folder.path}/`)), /has no place/);
  });
});
