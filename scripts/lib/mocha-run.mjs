/** mocha in a process of another runtime, and what it counted. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));

/**
 * Runs mocha with these arguments by `command` (the runtime and what goes before its script), and gives
 * `{ passed, failed, skipped, failures }`, where a run that did not come to its end is one more failure.
 */
export function runMocha(command, args, options = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'mocha-run-'));
  const report = join(folder, 'report.json');
  try {
    const mocha = join(root, 'node_modules/mocha/bin/mocha.js');
    const [program, ...before] = command;
    const { status, signal, stderr } = spawnSync(
      program,
      [...before, mocha, ...args, '--reporter', 'json', '--reporter-option', `output=${report}`],
      { cwd: root, encoding: 'utf8', stdio: ['ignore', 'ignore', 'pipe'], maxBuffer: 1 << 28, ...options },
    );
    if (!existsSync(report)) {
      const why = stderr.trim().split('\n').slice(-20).join('\n  ');
      return {
        passed: 0,
        failed: 1,
        skipped: 0,
        failures: [`mocha ended with ${signal ?? `status ${status}`}:\n  ${why}`],
      };
    }
    const { stats, failures } = JSON.parse(readFileSync(report, 'utf8'));
    return {
      passed: stats.passes,
      failed: stats.failures,
      skipped: stats.pending,
      failures: failures.map(
        ({ fullTitle, err }) =>
          `${fullTitle}\n    ${(err.stack ?? err.message ?? '').split('\n').slice(0, 8).join('\n    ')}`,
      ),
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What the smoke program of test/platforms counted. */
export function runSmoke(command, options = {}) {
  const [program, ...before] = command;
  const script = join(root, 'out/test/platforms/smoke.program.js');
  const { status, signal, stdout, stderr } = spawnSync(program, [...before, script], {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    ...options,
  });
  const lines = (stdout ?? '').trim().split('\n');
  const counts = /^(\d+) passed, (\d+) failed, (\d+) skipped$/.exec(lines.pop() ?? '');
  if (counts === null || (status !== 0 && counts[2] === '0')) {
    const why = `${stdout}\n${stderr}`.trim().split('\n').slice(-20).join('\n  ');
    return { passed: 0, failed: 1, skipped: 0, failures: [`it ended with ${signal ?? `status ${status}`}:\n  ${why}`] };
  }
  const [passed, failed, skipped] = counts.slice(1).map(Number);
  return { passed, failed, skipped, failures: failed === 0 ? [] : lines };
}

/** Prints rows of an object each as a table. */
export function printTable(rows) {
  const columns = Object.keys(rows[0]);
  const widths = columns.map((column) => Math.max(column.length, ...rows.map((row) => String(row[column]).length)));
  const line = (cells) =>
    cells
      .map((cell, i) => String(cell).padEnd(widths[i]))
      .join('  ')
      .trimEnd();
  console.log(line(columns));
  for (const row of rows) console.log(line(columns.map((column) => row[column])));
}
