/**
 * Draws which parts of files are in memory: `node out/examples/residency.js FILE…`. Each cell is a part of the file, the
 * darker the more of it is in the page cache. `--watch` draws it again and again; `--touch` brings the files into memory
 * first, `--evict` takes them out.
 */
import { styleText, parseArgs } from 'node:util';
import { setTimeout as delay } from 'node:timers/promises';

import { MappedFile } from 'sliding-mmap';

const USAGE = `Usage: residency [options] FILE…
  --watch           draw again and again, until interrupted
  --every SECONDS   how often (default 0.5)
  --times COUNT     so often, then end
  --rows ROWS       rows of cells for each file (default 1)
  --width CELLS     cells in a row (default: as wide as the terminal)
  --touch           bring the files into memory first
  --evict           take them out of memory first, as far as nobody uses them`;

class UsageError extends Error {}

/** From nothing to all of a part. The first and the last mean none and all of its pages. */
const SHADES = [' ', '░', '▒', '▓', '█'];

interface Request {
  paths: string[];
  rows: number;
  width: number;
  every: number;
  times: number;
  touch: boolean;
  evict: boolean;
}

function numberOf(value: string, name: string, least: number): number {
  const number = Number(value);
  if (value.trim() === '' || !Number.isFinite(number) || number < least) {
    throw new UsageError(`--${name} takes a number from ${least} on, not '${value}'`);
  }
  return number;
}

function request(): Request {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      watch: { type: 'boolean', default: false },
      every: { type: 'string', default: '0.5' },
      times: { type: 'string' },
      rows: { type: 'string', default: '1' },
      width: { type: 'string' },
      touch: { type: 'boolean', default: false },
      evict: { type: 'boolean', default: false },
    },
  });
  if (positionals.length === 0) throw new UsageError(USAGE);
  const columns = process.stdout.columns ?? 80;
  return {
    paths: positionals,
    rows: Math.floor(numberOf(values.rows, 'rows', 1)),
    width: values.width === undefined ? Math.max(1, columns - 2) : Math.floor(numberOf(values.width, 'width', 1)),
    every: numberOf(values.every, 'every', 0.01) * 1000,
    times: values.times === undefined ? (values.watch ? Infinity : 1) : numberOf(values.times, 'times', 1),
    touch: values.touch,
    evict: values.evict,
  };
}

interface Picture {
  /** For each cell, how much of it is in memory, from 0 to 1. */
  cells: number[];
  resident: number;
  pages: number;
}

/** Looks at one cell's part after the other, so that the map of a huge file is never there as a whole. */
function look(file: MappedFile, count: number): Picture {
  const size = file.refreshSync();
  const { pageSize } = file.residency(0, 0);
  const pages = Math.ceil(size / pageSize);
  const cells: number[] = [];
  let resident = 0;
  for (let i = 0; i < Math.min(count, pages); i++) {
    const cellCount = Math.min(count, pages);
    const start = Math.floor((pages * i) / cellCount) * pageSize;
    const end = Math.floor((pages * (i + 1)) / cellCount) * pageSize;
    const part = file.residency(start, end);
    resident += part.resident;
    cells.push(part.pages === 0 ? 0 : part.resident / part.pages);
  }
  return { cells, resident, pages };
}

function shade(share: number): string {
  const between = SHADES.length - 2;
  if (share === 0) return SHADES[0]!;
  return share === 1 ? SHADES[SHADES.length - 1]! : SHADES[1 + Math.min(between - 1, Math.floor(share * between))]!;
}

function draw(path: string, { cells, resident, pages }: Picture, width: number): string[] {
  const share = pages === 0 ? '–' : `${((100 * resident) / pages).toFixed(1)} %`;
  const lines = [`${styleText('bold', path)}: ${resident} of ${pages} pages in memory, ${share}`];
  for (let at = 0; at < cells.length; at += width) {
    lines.push(
      `[${cells
        .slice(at, at + width)
        .map(shade)
        .join('')
        .padEnd(Math.min(width, cells.length))}]`,
    );
  }
  return lines;
}

async function main(): Promise<void> {
  const { paths, rows, width, every, times, touch, evict } = request();
  const files: MappedFile[] = [];
  try {
    for (const path of paths) files.push(await MappedFile.open(path));
    for (const file of files) {
      if (evict) await file.dropCache();
      if (touch) await file.prefetch();
    }
    const isTerminal = process.stdout.isTTY;
    let drawn = 0;
    for (let time = 1; ; time++) {
      const lines = files.flatMap((file) => draw(file.path!, look(file, rows * width), width));
      // Over what was drawn before.
      const home = isTerminal && drawn > 0 ? `\x1b[${drawn}A\x1b[J` : '';
      process.stdout.write(`${home}${lines.join('\n')}\n`);
      drawn = lines.length;
      if (time >= times) return;
      await delay(every);
    }
  } finally {
    for (const file of files) file.closeSync();
  }
}

main().catch((error: Error & { code?: string }) => {
  console.error(error instanceof UsageError ? error.message : `residency: ${error.message}`);
  process.exitCode = error instanceof UsageError || error.code?.startsWith('ERR_PARSE_ARGS') ? 2 : 1;
});
