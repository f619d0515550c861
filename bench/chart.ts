/** The results as a picture: how long the others take, compared with this library, on a logarithmic scale. */
import * as Plot from '@observablehq/plot';
import { parseHTML } from 'linkedom';
import { isFinished, measureOf, type ScenarioResult } from './report.js';

const rowHeight = 17;
const letterWidth = 7;
const colours = { ours: '#1a66cc', others: '#b4b8bf', failure: '#c0392b', text: '#24292f', faint: '#6e7781' };

/** A line of the chart: a scenario's title, or a contestant with the ratio of its time to this library's. */
interface Row {
  /** Its place, and so a key. */
  row: number;
  title?: ScenarioResult;
  name?: string;
  ours?: boolean;
  ratio?: number;
  out?: string;
}

/** The scenarios as an SVG document. Of a contestant that has no time it is said why. */
export function chart(scenarios: readonly ScenarioResult[]): string {
  const rows = scenarios.flatMap(rowsOf).map((row, index): Row => ({ ...row, row: index }));
  const bars = rows.filter(({ ratio }) => ratio !== undefined) as Array<Row & { ratio: number }>;
  const ratios = bars.map(({ ratio }) => ratio);
  const domain: [number, number] = [Math.min(0.4, ...ratios) / 1.3, Math.max(2.5, ...ratios) * 1.1];
  const ticks = [-3, -2, -1, 0, 1, 2, 3]
    .flatMap((power) => [1, 2, 5].map((digit) => Number(`${digit}e${power}`)))
    .filter((tick) => tick >= domain[0] && tick <= domain[1]);
  const names = Math.max(...rows.map(({ name = '' }) => name.length)) * letterWidth;
  // Neither package's types hold without those of the DOM, of which this is all that is used.
  const { document } = parseHTML('<html></html>') as unknown as { document: never };
  const place = { y: 'row' } as const;
  const caption = { x: 1, frameAnchor: 'top', dy: -38, fill: colours.faint } as const;
  const leftOfBars = { ...place, frameAnchor: 'left', textAnchor: 'end', dx: -10 } as const;

  const svg = Plot.plot({
    document,
    width: 860,
    height: rows.length * rowHeight + 70,
    marginTop: 45,
    marginBottom: 25,
    marginLeft: names + 20,
    marginRight: 60,
    style: { background: 'white', color: colours.text, fontSize: '11px', overflow: 'visible' },
    x: { type: 'log', domain, axis: null },
    y: { type: 'band', domain: rows.map(({ row }) => row), axis: null, padding: 0.15 },
    marks: [
      Plot.text(ticks, { ...caption, x: Plot.identity, dy: -18, text: times }),
      Plot.gridX(ticks, { stroke: colours.faint, strokeOpacity: 0.2 }),
      Plot.text(['← less time than this library'], { ...caption, textAnchor: 'end', dx: -8 }),
      Plot.text(['more time →'], { ...caption, textAnchor: 'start', dx: 8 }),
      Plot.barX(bars, {
        ...place,
        x1: 1,
        x2: 'ratio',
        fill: ({ ours }: Row) => (ours ? colours.ours : colours.others),
      }),
      Plot.ruleX([1], { stroke: colours.ours, strokeWidth: 1.5 }),
      Plot.dot(
        bars.filter(({ ours, ratio }) => ours && ratio === 1),
        { ...place, x: 1, r: 4, fill: colours.ours },
      ),
      Plot.text(
        bars.filter(({ ratio }) => ratio >= 1),
        { ...place, x: 'ratio', text: told, textAnchor: 'start', dx: 6 },
      ),
      Plot.text(
        bars.filter(({ ratio }) => ratio < 1),
        { ...place, x: 'ratio', text: told, textAnchor: 'end', dx: -6 },
      ),
      Plot.text(
        rows.filter(({ out }) => out !== undefined),
        { ...place, x: 1, text: 'out', textAnchor: 'start', dx: 6, fill: colours.failure },
      ),
      Plot.text(
        rows.filter(({ ours }) => ours === false),
        { ...leftOfBars, text: 'name' },
      ),
      Plot.text(
        rows.filter(({ ours }) => ours === true),
        { ...leftOfBars, text: 'name', fill: colours.ours, fontWeight: 'bold' },
      ),
      Plot.text(
        rows.filter(({ title }) => title !== undefined),
        {
          ...place,
          frameAnchor: 'left',
          textAnchor: 'start',
          dx: -names - 10,
          dy: 2,
          text: ({ title }: Row) => `${title?.name}: ${title?.title}`,
          fontWeight: 'bold',
          stroke: 'white',
          fill: colours.text,
        },
      ),
    ],
  }) as unknown as { setAttribute(name: string, value: string): void; outerHTML: string };
  svg.setAttribute('xmlns', 'http://www.w3.org/2000/svg');
  return `${svg.outerHTML}\n`;
}

function rowsOf(scenario: ScenarioResult): Array<Omit<Row, 'row'>> {
  const measure = measureOf(scenario.contestants)?.median ?? NaN;
  const contestants = scenario.contestants.map((contestant): Omit<Row, 'row'> => {
    const { name, ours } = contestant;
    if (isFinished(contestant)) return { name, ours, ratio: contestant.median / measure };
    // The first line: what follows is a stack.
    const [out = ''] = contestant.out.split('\n', 1);
    return { name, ours, out: out.slice(0, 60) };
  });
  return [{ title: scenario }, ...contestants];
}

function told({ ratio }: Row): string {
  return times(ratio ?? NaN);
}

/** Two digits, as far as they matter. */
function times(ratio: number): string {
  return `${Number(ratio.toPrecision(2))}×`;
}
