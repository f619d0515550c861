/** Finding levels: by number, by name, or as a word near the start of a message. */
import { LEVELS, type LevelName } from './entry.js';

const NAMES: Record<LevelName, string> = {
  fatal: 'fatal emerg emergency alert crit critical panic dpanic severe',
  error: 'error err fehler',
  warning: 'warning warn',
  notice: 'notice',
  info: 'info information informational http log',
  debug: 'debug dbg verbose fine',
  trace: 'trace silly finer finest',
};

/** Every spelling (lower, UPPER, Capitalised) → index of the level: one look-up, no new string. */
const BY_NAME = new Map<string, number>();
for (const [index, level] of LEVELS.entries()) {
  for (const name of NAMES[level].split(' ')) {
    BY_NAME.set(name, index);
    BY_NAME.set(name.toUpperCase(), index);
    BY_NAME.set(name.charAt(0).toUpperCase() + name.slice(1), index);
  }
}

const SYSLOG = (['fatal', 'fatal', 'fatal', 'error', 'warning', 'notice', 'info', 'debug'] as const).map((name) =>
  LEVELS.indexOf(name),
);

/** Level of a syslog severity, 0 to 7 (RFC 5424, 6.2.1). */
export function syslogLevel(severity: number): number {
  return SYSLOG[severity] ?? -1;
}

export function namedLevel(name: string): number {
  return BY_NAME.get(name) ?? -1;
}

/** Level numbers of JSON logs: syslog's 0–7 (GELF), or pino's and bunyan's 10 (trace) to 60 (fatal). */
export function numberedLevel(level: number): number {
  if (level < 10) return syslogLevel(level);
  const step = Math.min(6, Math.floor(level / 10));
  return LEVELS.indexOf((['trace', 'debug', 'info', 'warning', 'error', 'fatal'] as const)[step - 1]!);
}

/**
 * Looks for a level among the first `words` words from `at`. A word is taken in capitals, or marked: `[error]`,
 * `error:`, `level=error`; a lower-case word in running text is not a level.
 */
export function findLevel(line: string, at: number, words: number): number {
  let i = at;
  while (words-- > 0 && i < line.length) {
    let before = 32;
    let c = line.charCodeAt(i);
    while (!isLetter(c)) {
      if (++i >= line.length) return -1;
      before = c;
      c = line.charCodeAt(i);
    }
    const start = i;
    do c = line.charCodeAt(++i);
    while (isLetter(c));
    const length = i - start;
    if (length < 3 || length > 13) continue;
    const marked = before === 91 /* [ */ || before === 61 /* = */ || before === 60 /* < */ || c === 58; /* : */
    const capitals = line.charCodeAt(start) < 97 && line.charCodeAt(i - 1) < 97;
    if (!marked && !capitals) continue;
    const level = namedLevel(line.slice(start, i));
    if (level !== -1) return level;
  }
  return -1;
}

function isLetter(c: number): boolean {
  return (c >= 97 && c <= 122) || (c >= 65 && c <= 90);
}
