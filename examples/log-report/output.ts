/** The report as text for people and as JSON for programs. */
import { STATUS_CODES } from 'node:http';

import { FORMATS, LEVELS, type FormatName } from './entry.js';
import { showMinute } from './minutes.js';
import type { Tally } from './report.js';

const FORMAT_TITLES: Record<FormatName, string> = {
  combined: 'Combined Log',
  common: 'Common Log',
  json: 'JSON lines',
  rfc5424: 'syslog (RFC 5424)',
  rfc3164: 'syslog (RFC 3164)',
  timestamped: 'lines with an ISO time',
  journal: 'journal export',
  dpkg: 'dpkg.log',
  'apt-history': 'apt history.log',
  'apt-term': 'apt term.log',
  alternatives: 'alternatives.log',
};

/** The JSON form of a tally. Counts are numbers; what a log does not have is left out or empty. */
export interface Summary {
  bytes: number;
  lines: number;
  entries: number;
  /** Lines by format; `lines` beside them are of no known format. */
  formats: Record<string, number>;
  levels: Record<string, number>;
  statuses: Record<string, number>;
  actions: Record<string, number>;
  period?: { first: string; last: string };
  /** `exact: false`: there were too many minutes in too wild an order, and `entries` is a lower bound. */
  busiestMinute?: { minute: string; entries: number; exact: boolean };
  slowest: { milliseconds: number; request: string }[];
}

export interface FileReport {
  path: string;
  tally: Tally;
  seconds: number;
}

export function summarise(tally: Tally): Summary {
  const busiest = tally.minutes.busiest();
  return {
    bytes: tally.bytes,
    lines: tally.lines,
    entries: tally.entries,
    formats: named(FORMATS, tally.formats),
    levels: named(LEVELS, tally.levels),
    statuses: named(undefined, tally.statuses),
    actions: Object.fromEntries([...tally.actions].sort(([, a], [, b]) => b - a)),
    ...(tally.last > 0 && { period: { first: showMinute(tally.first), last: showMinute(tally.last) } }),
    ...(busiest && {
      busiestMinute: { minute: showMinute(busiest.minute), entries: busiest.count, exact: busiest.exact },
    }),
    slowest: tally.slowest.items.map(({ milliseconds, label }) => ({
      milliseconds: round(milliseconds),
      request: label,
    })),
  };
}

export function toJson(files: readonly FileReport[], total: Tally | undefined): string {
  const report = {
    files: files.map(({ path, tally, seconds }) => ({ path, seconds: round(seconds), ...summarise(tally) })),
    ...(total && { total: summarise(total) }),
  };
  return `${JSON.stringify(report, null, 2)}\n`;
}

export function toText(files: readonly FileReport[], total: Tally | undefined): string {
  const parts = files.map(({ path, tally, seconds }) => section(titleOf(path), tally, seconds));
  if (total) {
    const seconds = files.reduce((sum, file) => sum + file.seconds, 0);
    parts.push(section(`Total of ${files.length} files`, total, seconds));
  }
  return parts.join('\n');
}

/** What to call a file. */
export function titleOf(path: string): string {
  return path === '-' ? 'standard input' : path;
}

function section(title: string, tally: Tally, seconds: number): string {
  const summary = summarise(tally);
  const { period, busiestMinute, slowest } = summary;
  const rows: [string, string][] = [
    ['Size', `${bytes(tally.bytes)} in ${count(tally.lines, 'line')}`],
    ['Format', formats(summary)],
    ['Read in', `${seconds.toFixed(2)} s${seconds > 0 ? ` (${bytes(tally.bytes / seconds)}/s)` : ''}`],
  ];
  if (tally.entries > 0) rows.push(['Entries', number(tally.entries)]);
  if (period) rows.push(['Period', `${period.first} to ${period.last}`]);
  if (busiestMinute) {
    const { minute, entries, exact } = busiestMinute;
    rows.push(['Busiest minute', `${minute} with ${exact ? '' : 'at least '}${count(entries, 'entry', 'entries')}`]);
  }
  let text = `${title}\n${'─'.repeat(Math.min(title.length, 100))}\n`;
  for (const [name, value] of rows) text += `  ${name.padEnd(16)}${value}\n`;
  const levels = Object.entries(summary.levels);
  // Lines beside the entries may have levels too, as in apt's term.log.
  const leveled = levels.reduce((sum, [, n]) => sum + n, 0);
  text += table('Levels', levels, Math.max(tally.entries, leveled));
  text += table(
    'Status codes',
    Object.entries(summary.statuses).map(([code, n]) => [`${code} ${STATUS_CODES[code] ?? ''}`, n]),
    tally.entries,
  );
  text += table('Actions', Object.entries(summary.actions), undefined);
  if (slowest.length > 0) {
    text += '\n  Slowest requests\n';
    for (const { milliseconds, request } of slowest)
      text += `    ${duration(milliseconds).padStart(10)}  ${plain(request)}\n`;
  }
  return text;
}

function formats({ formats, lines }: Summary): string {
  const known = (Object.entries(formats) as [FormatName, number][]).sort(([, a], [, b]) => b - a);
  if (known.length === 0) return 'just lines';
  const other = lines - known.reduce((sum, [, n]) => sum + n, 0);
  const parts = known.map(([name, n]) => [FORMAT_TITLES[name], n] as const);
  if (other > 0) parts.push(['other lines', other]);
  if (parts.length === 1) return parts[0]![0];
  return parts.map(([title, n]) => `${title} ${percent(n, lines)}`).join(', ');
}

function table(title: string, rows: [string, number][], of: number | undefined): string {
  if (rows.length === 0) return '';
  const wide = Math.max(...rows.map(([name]) => name.length), 10) + 2;
  const high = Math.max(...rows.map(([, n]) => number(n).length));
  let text = `\n  ${title}\n`;
  for (const [name, n] of rows) {
    text += `    ${name.padEnd(wide)}${number(n).padStart(high)}`;
    if (of !== undefined) {
      const bar = '█'.repeat(Math.round((n / of) * 30));
      text += `  ${percent(n, of).padStart(7)}${bar && `  ${bar}`}`;
    }
    text += '\n';
  }
  return text;
}

function named(names: readonly string[] | undefined, counts: Float64Array): Record<string, number> {
  const result: Record<string, number> = {};
  for (const [index, n] of counts.entries()) if (n > 0) result[names?.[index] ?? index] = n;
  return result;
}

/** A log may hold anything: what would drive the terminal is shown and not sent. */
function plain(text: string): string {
  // eslint-disable-next-line no-control-regex
  return text.replace(/[\x00-\x1f\x7f-\x9f]/g, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`);
}

export function bytes(n: number): string {
  if (n < 1000) return `${Math.round(n)} B`;
  const units = ['kB', 'MB', 'GB', 'TB', 'PB'];
  let value = n / 1000;
  let unit = 0;
  while (value >= 999.95 && unit < units.length - 1) [value, unit] = [value / 1000, unit + 1];
  return `${value.toFixed(1)} ${units[unit]}`;
}

function duration(milliseconds: number): string {
  return milliseconds < 1000 ? `${milliseconds.toFixed(1)} ms` : `${number(round(milliseconds / 1000))} s`;
}

function number(n: number): string {
  return n.toLocaleString('en-US');
}

function count(n: number, one: string, many = `${one}s`): string {
  return `${number(n)} ${n === 1 ? one : many}`;
}

function percent(n: number, of: number): string {
  return `${((100 * n) / of).toFixed(1)} %`;
}

function round(value: number): number {
  return Number(value.toFixed(3));
}
