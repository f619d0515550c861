/** What a format reads from a line, and the small vocabulary that all formats share. */

/** The formats, in the order of the report. A line that is none of them is counted as a line, and nothing else. */
export const FORMATS = [
  'combined',
  'common',
  'json',
  'rfc5424',
  'rfc3164',
  'timestamped',
  'journal',
  'dpkg',
  'apt-history',
  'apt-term',
  'alternatives',
] as const;
export type FormatName = (typeof FORMATS)[number];

/** Levels, the gravest first. Everything that logs call by another name is one of these. */
export const LEVELS = ['fatal', 'error', 'warning', 'notice', 'info', 'debug', 'trace'] as const;
export type LevelName = (typeof LEVELS)[number];

/** Lines are cut to this many bytes, so that none can fill the memory. */
export const MAX_LINE = 1 << 20;

/**
 * What was read from a line. One object is filled again and again, since a log has many lines; a field that the
 * line does not have is −1.
 */
export interface Entry {
  /** Index into {@link FORMATS}. */
  format: number;
  /** Minute as a decimal number, YYYYMMDDhhmm, as the log writes it; MMDDhhmm where the log writes no year. */
  minute: number;
  /** Index into {@link LEVELS}. */
  level: number;
  /** HTTP status code, 100 to 599. */
  status: number;
  /** How long a request took, in milliseconds. */
  milliseconds: number;
  /** What a package manager did, and how many times in this line. */
  action: string | undefined;
  times: number;
}

export function emptyEntry(): Entry {
  return clearEntry({ format: 0, minute: 0, level: 0, status: 0, milliseconds: 0, action: undefined, times: 0 });
}

export function clearEntry(entry: Entry): Entry {
  entry.format = entry.minute = entry.level = entry.status = entry.milliseconds = -1;
  entry.action = undefined;
  entry.times = 0;
  return entry;
}

/** What a parser says of a line. */
export const NOT_MINE = 0;
/** The line belongs to the format, but is only a part of an entry, or beside the entries. */
export const PART = 1;
/** The line is, or completes, an entry. */
export const ENTRY = 2;
export type Outcome = typeof NOT_MINE | typeof PART | typeof ENTRY;

/** Reads lines of one family of formats. May keep what it needs to know about the lines before. */
export interface Parser {
  /** Looks at a line and fills `entry`, which is clear. Characters of `line` are bytes (latin1). */
  parse(line: string, entry: Entry): Outcome;
  /** What to call the request of the line just parsed; asked only where it is to be shown. */
  label?(line: string): string;
  /** Called at the end of the file: an entry that the end completes. */
  end?(entry: Entry): Outcome;
}

export function formatIndex(name: FormatName): number {
  return FORMATS.indexOf(name);
}
