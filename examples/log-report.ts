/** A report over logs of any size. `npm start -- --help` tells how to use it. */
import { parseArgs } from 'node:util';

import { findLogs, writeSampleLog } from './log-report/defaults.js';
import { openInput } from './log-report/input.js';
import { titleOf, toJson, toText, type FileReport } from './log-report/output.js';
import { showProgress } from './log-report/progress.js';
import { Counter, Tally } from './log-report/report.js';

const HELP = `Usage: log-report [--json] [FILE ...]

Reports on logs of any size: lines, bytes, levels, status codes, the busiest
minute, the slowest requests. With several files, on each and on all together.
With none, on the logs found in /var/log, or on a log made up for the purpose.

  FILE        a log; - is standard input
  --json      write the report as JSON
  -h, --help  show this text

Known formats: NCSA Common and Combined Log (with a request time behind, as
nginx and Apache add it), JSON lines, syslog (RFC 3164, RFC 5424), lines that
begin with an ISO time, journalctl -o export, dpkg.log, apt's history.log and
term.log. They may be mixed. Anything else is counted as lines.

Minutes are shown as the log writes them; times that are numbers, in UTC.
Levels and statuses count entries. A request time without a fraction is taken
as microseconds (Apache's %D), one with a fraction as seconds (nginx's).

Exit status: 0; 1 if a file could not be read (the others are reported), or
the report not be written; 2 for a wrong option.
`;

async function main(args: readonly string[]): Promise<number> {
  let options;
  try {
    options = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { json: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } },
    });
  } catch (error) {
    process.stderr.write(`log-report: ${messageOf(error)}\nTry --help.\n`);
    return 2;
  }
  const { values, positionals } = options;
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }

  const { paths, remove } = positionals.length > 0 ? { paths: positionals } : defaultLogs();
  const files: FileReport[] = [];
  try {
    for (const path of paths) {
      try {
        files.push(await report(path));
      } catch (error) {
        process.stderr.write(`log-report: ${titleOf(path)}: ${messageOf(error)}\n`);
      }
    }
  } finally {
    remove?.();
  }

  const total = files.length > 1 ? new Tally() : undefined;
  for (const { tally } of files) total?.merge(tally);
  process.stdout.write(values.json ? toJson(files, total) : toText(files, total));
  return files.length === paths.length ? 0 : 1;
}

async function report(path: string): Promise<FileReport> {
  const started = performance.now();
  const input = await openInput(path);
  const progress = showProgress(path, input.size);
  try {
    const counter = new Counter();
    for await (const lines of input.batches()) {
      counter.add(lines);
      progress.update(input.position);
    }
    const tally = counter.end();
    tally.bytes = input.position;
    return { path, tally, seconds: (performance.now() - started) / 1000 };
  } finally {
    progress.stop();
    await input.close();
  }
}

function defaultLogs(): { paths: string[]; remove?: () => void } {
  const paths = findLogs();
  if (paths.length > 0) {
    process.stderr.write('No file named: reporting on the logs found in /var/log.\n');
    return { paths };
  }
  const { path, remove } = writeSampleLog();
  process.stderr.write(`No file named, and no log found: reporting on one made up, ${path}, removed afterwards.\n`);
  return { paths: [path], remove };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(); // the reader has seen enough, as `head` does
  process.stderr.write(`log-report: write error: ${messageOf(error)}\n`);
  process.exit(1);
});

main(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    process.stderr.write(`log-report: ${messageOf(error)}\n`);
    process.exitCode = 1;
  },
);
