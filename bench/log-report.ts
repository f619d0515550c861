/**
 * The log report against `readline` over `fs.createReadStream` (which only counts lines) and `wc -l`: the same file,
 * in turns, each in a process of its own. Prints medians, and ratios to the log report.
 *
 *     node out/bench/log-report.js [--rounds N] [FILE]
 */
import { spawn } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import { writeSampleLog } from '../examples/log-report/defaults.js';

const READLINE = `
  import { createReadStream } from 'node:fs';
  import { createInterface } from 'node:readline';
  let lines = 0;
  createInterface({ input: createReadStream(process.argv[1]), crlfDelay: Infinity })
    .on('line', () => lines++)
    .on('close', () => console.log(lines));
`;
const PROGRAM = fileURLToPath(new URL('../examples/log-report.js', import.meta.url));

interface Contestant {
  name: string;
  command: string;
  args: (path: string) => string[];
  lines: (output: string) => number;
}

const CONTESTANTS: Contestant[] = [
  {
    name: 'log-report',
    command: process.execPath,
    args: (path) => [PROGRAM, '--json', path],
    lines: (output) => (JSON.parse(output) as { files: { lines: number }[] }).files[0]!.lines,
  },
  {
    name: 'readline',
    command: process.execPath,
    args: (path) => ['--input-type=module', '-e', READLINE, path],
    lines: Number,
  },
  { name: 'wc -l', command: 'wc', args: (path) => ['-l', path], lines: (output) => Number.parseInt(output, 10) },
];

interface Run {
  seconds: number;
  /** Peak resident set in bytes; NaN where the system does not tell. */
  peak: number;
  lines: number;
}

function run({ command, args, lines }: Contestant, path: string): Promise<Run> {
  return new Promise((resolve, reject) => {
    const started = performance.now();
    const child = spawn(command, args(path), { stdio: ['ignore', 'pipe', 'inherit'] });
    let peak = NaN;
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
    const timer = setInterval(() => (peak = peakOf(child.pid!) ?? peak), 10);
    child.on('error', reject);
    child.on('close', (code) => {
      const seconds = (performance.now() - started) / 1000;
      clearInterval(timer);
      if (code === 0) resolve({ seconds, peak, lines: lines(output) });
      else reject(new Error(`${command} gave ${code}`));
    });
  });
}

/** The high-water mark of a process's resident set (proc(5), VmHWM): it only rises, so the last look is close. */
function peakOf(pid: number): number | undefined {
  try {
    const kilobytes = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1];
    return kilobytes === undefined ? undefined : Number(kilobytes) * 1024;
  } catch {
    return undefined; // ended, or not Linux
  }
}

function median(values: number[]): number {
  const sorted = values.filter((value) => !Number.isNaN(value)).sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? NaN;
}

async function bench(path: string, rounds: number): Promise<void> {
  const { size } = statSync(path);
  const results = new Map<string, Run[]>(CONTESTANTS.map(({ name }) => [name, []]));
  for (const contestant of CONTESTANTS) await run(contestant, path); // the file is in the page cache for all
  for (let round = 0; round < rounds; round++) {
    for (const contestant of CONTESTANTS) results.get(contestant.name)!.push(await run(contestant, path));
  }
  const counts = new Map([...results].map(([name, runs]) => [name, runs[0]!.lines]));
  // wc counts newlines, and so not a last line that has none.
  if (Math.max(...counts.values()) - Math.min(...counts.values()) > 1) {
    throw new Error(`the counts of lines differ: ${JSON.stringify(Object.fromEntries(counts))}`);
  }
  const ours = median(results.get(CONTESTANTS[0]!.name)!.map(({ seconds }) => seconds));
  console.log(`${path}: ${size} bytes, ${counts.get(CONTESTANTS[0]!.name)} lines; medians of ${rounds} rounds`);
  console.log('              seconds     GB/s   peak MB   time / log-report   fastest … slowest');
  for (const [name, runs] of results) {
    const times = runs.map(({ seconds }) => seconds);
    const seconds = median(times);
    const columns = [
      seconds.toFixed(3).padStart(9),
      (size / seconds / 1e9).toFixed(2).padStart(9),
      (median(runs.map(({ peak }) => peak)) / 1e6).toFixed(0).padStart(10),
      (seconds / ours).toFixed(2).padStart(20),
      `   ${Math.min(...times).toFixed(3)} … ${Math.max(...times).toFixed(3)}`,
    ];
    console.log(name.padEnd(12) + columns.join(''));
  }
}

const { values, positionals } = parseArgs({ allowPositionals: true, options: { rounds: { type: 'string' } } });
const sample = positionals[0] === undefined ? writeSampleLog(500_000_000) : undefined;
bench(positionals[0] ?? sample!.path, Number(values.rounds ?? 5))
  .finally(() => sample?.remove())
  .catch((error: unknown) => {
    console.error(error);
    process.exitCode = 1;
  });
