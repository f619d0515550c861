/** The results as tables and charts in docs/performance.md, between two marks. */
import fs from 'node:fs';
import { format, resolveConfig } from 'prettier';
import { chart } from './chart.js';
import { isFinished, measureOf, rate, type Results, type ScenarioResult, verdicts } from './report.js';

const docs = new URL('../../docs/', import.meta.url);
const marks = ['<!-- results: written by npm run bench -- --markdown -->', '<!-- end of results -->'] as const;

/** Writes the results into the page, and a chart for each group of scenarios beside it. */
export async function publish(results: Results, folder: URL = docs): Promise<void> {
  const page = new URL('performance.md', folder);
  const text = fs.readFileSync(page, 'utf8');
  const [start, end] = marks.map((mark) => text.indexOf(mark)) as [number, number];
  if (start === -1 || end < start) throw new Error(`docs/performance.md has no place that begins with ${marks[0]}`);
  const filled = `${text.slice(0, start)}${marks[0]}\n\n${sections(results)}\n${text.slice(end)}`;
  const style = await resolveConfig(docs);
  fs.writeFileSync(page, await format(filled, { ...style, parser: 'markdown' }));

  const charts = new URL('performance/', folder);
  fs.rmSync(charts, { recursive: true, force: true });
  fs.mkdirSync(charts);
  for (const [group, scenarios] of groups(results)) fs.writeFileSync(new URL(`${group}.svg`, charts), chart(scenarios));
}

/** Scenarios by what stands before the stroke in their names. */
function groups({ scenarios }: Results): Map<string, ScenarioResult[]> {
  const found = new Map<string, ScenarioResult[]>();
  for (const scenario of scenarios) {
    const group = scenario.name.replace(/\/.*/, '');
    found.set(group, [...(found.get(group) ?? []), scenario]);
  }
  return found;
}

function sections(results: Results): string {
  const { node, platform, arch, cores, quick } = results.machine;
  const head = `Node ${node}, ${platform} ${arch}, ${cores} cores${quick ? ', `--quick`' : ''}.\n`;
  return [head, ...[...groups(results)].map(([group, scenarios]) => section(group, scenarios))].join('\n');
}

function section(group: string, scenarios: readonly ScenarioResult[]): string {
  const rows = scenarios.flatMap((scenario) => [
    `| **${cell(scenario.name)}**: ${cell(scenario.title)} | | | |`,
    ...contestants(scenario),
  ]);
  const targets = scenarios.flatMap((scenario) =>
    verdicts(scenario.targets, scenario.contestants).map((verdict) => `- ${scenario.name}, ${verdict}`),
  );
  return `\
### ${group}

![Times as multiples of this library's](performance/${group}.svg)

| | time | rate | fastest … slowest |
| --- | --- | --- | --- |
${rows.join('\n')}

${targets.join('\n')}
`;
}

function contestants({ contestants, work }: ScenarioResult): string[] {
  const measure = measureOf(contestants)?.median ?? NaN;
  return contestants.map((contestant) => {
    if (!isFinished(contestant)) return `| ${cell(contestant.name)} | ${cell(contestant.out.split('\n', 1)[0]!)} | | |`;
    const { name, median, fastest, slowest } = contestant;
    const times = (time: number): string => (time / measure).toFixed(2);
    return `| ${cell(name)} | ${times(median)} | ${rate(work.amount, work.unit, median)} | ${times(fastest)} … ${times(slowest)} |`;
  });
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|');
}
