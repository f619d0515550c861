/** Prints the lines of files that match, as grep does. `node out/examples/grep.js --help` tells how to use it. */
import { createWriteStream, mkdtempSync, openSync, closeSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { parseArgs } from 'node:util';

import { MappedFile, type Pattern } from 'sliding-mmap';

const HELP = `Usage: grep [OPTION ...] PATTERN [FILE ...]
       grep [OPTION ...] -e PATTERN ... [FILE ...]

Prints the lines that match a pattern. Patterns are JavaScript's regular
expressions. Without a file, or for -, standard input is searched.

  -F, --fixed-strings       patterns are strings
  -e, --regexp PATTERN      a pattern; may be given several times
  -i, --ignore-case         do not tell small letters from capitals
  -v, --invert-match        print the lines that do not match
  -c, --count               print only how many lines match
  -l, --files-with-matches  print only the names of files with a match
  -q, --quiet               print nothing
  -m, --max-count N         stop after N lines of a file
  -o, --only-matching       print only the parts that match
  -n, --line-number         print the number of the line
  -b, --byte-offset         print where the line, or with -o the part, begins
  -H, --with-filename       print the file's name; default with several files
  -h, --no-filename         do not
  -A, --after-context N     print N lines after each that matches
  -B, --before-context N    print N lines before
  -C, --context N           print N lines before and after
      --color WHEN          always, never or auto: on a terminal (default)
      --help                show this text

Exit status: 0 if a line was found, 1 if none was, 2 after an error.
`;

interface Settings {
  pattern: Pattern;
  ignoreCase: boolean;
  invert: boolean;
  output: 'lines' | 'parts' | 'count' | 'names' | 'nothing';
  limit: number;
  numbers: boolean;
  offsets: boolean;
  names: boolean;
  before: number;
  after: number;
  /** Whether a line divides groups that do not follow each other: when context was asked for, be it none. */
  groups: boolean;
  color: boolean;
}

/** A piece of the output: a line that was selected, one of its context, or a part of a line. */
interface Item {
  file: string;
  number: number;
  position: number;
  text: string;
  /** Where the text matches, in code units. */
  marks: Array<[from: number, to: number]>;
  selected: boolean;
}

class UsageError extends Error {}

function settingsOf(args: readonly string[]): { settings: Settings; paths: string[] } | undefined {
  const flag = { type: 'boolean' } as const;
  const count = { type: 'string' } as const;
  let parsed;
  try {
    parsed = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        'fixed-strings': { ...flag, short: 'F' },
        regexp: { type: 'string', short: 'e', multiple: true },
        'ignore-case': { ...flag, short: 'i' },
        'invert-match': { ...flag, short: 'v' },
        count: { ...flag, short: 'c' },
        'files-with-matches': { ...flag, short: 'l' },
        quiet: { ...flag, short: 'q' },
        'max-count': { ...count, short: 'm' },
        'only-matching': { ...flag, short: 'o' },
        'line-number': { ...flag, short: 'n' },
        'byte-offset': { ...flag, short: 'b' },
        'with-filename': { ...flag, short: 'H' },
        'no-filename': { ...flag, short: 'h' },
        'after-context': { ...count, short: 'A' },
        'before-context': { ...count, short: 'B' },
        context: { ...count, short: 'C' },
        color: { type: 'string', default: 'auto' },
        help: flag,
      },
    });
  } catch (error) {
    throw new UsageError(messageOf(error));
  }
  const { values, positionals } = parsed;
  if (values.help) return undefined;
  const patterns = values.regexp ?? positionals.splice(0, 1);
  if (patterns.length === 0) throw new UsageError('no pattern');
  const paths = positionals.length > 0 ? positionals : ['-'];
  const context = numberOf(values.context) ?? 0;
  const { color } = values;
  if (color !== 'always' && color !== 'never' && color !== 'auto') throw new UsageError(`no such color: ${color}`);
  const ignoreCase = values['ignore-case'] ?? false;
  return {
    settings: {
      pattern: patternOf(patterns, values['fixed-strings'] ?? false, ignoreCase),
      ignoreCase,
      invert: values['invert-match'] ?? false,
      output: values.quiet
        ? 'nothing'
        : values['files-with-matches']
          ? 'names'
          : values.count
            ? 'count'
            : values['only-matching']
              ? 'parts'
              : 'lines',
      limit: numberOf(values['max-count']) ?? Infinity,
      numbers: values['line-number'] ?? false,
      offsets: values['byte-offset'] ?? false,
      names: values['no-filename'] ? false : (values['with-filename'] ?? paths.length > 1),
      before: numberOf(values['before-context']) ?? context,
      after: numberOf(values['after-context']) ?? context,
      groups: (values['before-context'] ?? values['after-context'] ?? values.context) !== undefined,
      color: color === 'always' || (color === 'auto' && process.stdout.isTTY),
    },
    paths,
  };
}

function numberOf(value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  if (!/^\d+$/.test(value)) throw new UsageError(`not a number: ${value}`);
  return Number(value);
}

/** Strings are searched as bytes where that is the same: the library takes only A to Z for a to z. */
function patternOf(patterns: readonly string[], fixed: boolean, ignoreCase: boolean): Pattern {
  const flags = ignoreCase ? 'iu' : 'u';
  const isAscii = patterns.every((pattern) => Buffer.byteLength(pattern) === pattern.length);
  if (fixed && patterns.every((pattern) => pattern !== '' && !pattern.includes('\n')) && (isAscii || !ignoreCase))
    return patterns;
  const sources = fixed ? patterns.flatMap((pattern) => pattern.split('\n')).map(escaped) : patterns;
  try {
    return new RegExp(sources.map((source) => `(?:${source})`).join('|'), flags);
  } catch (error) {
    throw new UsageError(messageOf(error));
  }
}

function escaped(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
}

/** Searches one file; gives whether anything was found. */
async function search(file: MappedFile, name: string, settings: Settings, print: Printer): Promise<boolean> {
  const { ignoreCase, invert, limit, output, pattern } = settings;
  if (limit === 0) return false;
  const isText = pattern instanceof RegExp;
  const options = { delimiter: '\n', ...(isText ? {} : { ignoreCase }) };
  if (output === 'count' || output === 'names' || output === 'nothing') {
    const most = output === 'count' ? limit : invert ? Infinity : 1;
    const found = file.matches(pattern, {
      ...options,
      firstInLine: true,
      ...(most === Infinity || invert ? {} : { limit: most }),
    });
    let count = await found.count();
    if (invert) count = Math.min(limit, (await countLines(file)) - count);
    if (output === 'count') await print.line(name, String(count));
    if (output === 'names' && count > 0) process.stdout.write(`${name}\n`);
    return count > 0;
  }
  return output === 'parts' ? parts(file, name, settings, print) : lines(file, name, settings, print);
}

async function countLines(file: MappedFile): Promise<number> {
  const ended = await file.matches('\n').count();
  return file.size > 0 && file.getUint8(file.size - 1) !== 10 ? ended + 1 : ended;
}

async function parts(file: MappedFile, name: string, settings: Settings, print: Printer): Promise<boolean> {
  const { ignoreCase, invert, limit, pattern } = settings;
  const options = {
    delimiter: '\n',
    line: true,
    lineNumbers: settings.numbers || settings.groups,
    ...(pattern instanceof RegExp ? {} : { ignoreCase }),
  };
  let found = false;
  let line = -1;
  /** The number of the first line that is neither of the last group nor of its context. */
  let beyond = -Infinity;
  let left = limit;
  if (invert)
    return (await file.matches(pattern, { ...options, firstInLine: true }).count()) < (await countLines(file));
  for await (const batch of file.matches(pattern, options).batches()) {
    for (const match of batch) {
      if (match.linePosition !== line && left-- === 0) {
        await print.drain();
        return found;
      }
      const { lineNumber = 0, position, length } = match;
      if (settings.groups && match.linePosition !== line) {
        if (lineNumber - settings.before > beyond) print.separator();
        beyond = lineNumber + settings.after + 1;
      }
      line = match.linePosition!;
      found = true;
      print.begun = true;
      if (length === 0) continue;
      const bytes = file.sliceSync(position, position + length);
      const text = bytes.toString();
      print.item({ file: name, number: lineNumber, position, text, marks: [[0, text.length]], selected: true });
    }
    await print.drain();
  }
  return found;
}

/** Whole lines: those that match, or those between them, with their context. */
async function lines(file: MappedFile, name: string, settings: Settings, print: Printer): Promise<boolean> {
  const { after, before, groups, ignoreCase, invert, limit, numbers, pattern } = settings;
  const marked = settings.color && !invert;
  const isText = pattern instanceof RegExp;
  const options = {
    delimiter: '\n',
    line: true,
    lineNumbers: numbers,
    firstInLine: !marked,
    ...(isText ? {} : { ignoreCase }),
  };
  let left = limit;
  /** Lines up to here are printed or passed, and the number of the line that begins there. */
  let printed = { position: 0, number: 1 };
  /** How many lines of context are still due. */
  let due = 0;
  let any = false;

  const item = async (item: Omit<Item, 'file'>): Promise<void> => {
    print.item({ file: name, ...item });
    if (print.isFull) await print.drain();
  };
  /** Context up to `until`: what is due behind the line before, then, if a line was selected there, what is before it. */
  const context = async (until: number, number?: number): Promise<void> => {
    const behind = file.lines({ start: printed.position, end: until, delimiter: '\n' });
    for (const text of due > 0 ? behind : []) {
      await item({ number: printed.number, position: printed.position, text, marks: [], selected: false });
      printed = { position: behind.position, number: printed.number + 1 };
      if (--due === 0) break;
    }
    if (number === undefined) return;
    let [position, lines] = [until, 0];
    const back = file.lines({ start: printed.position, end: until, reverse: true, delimiter: '\n' });
    const steps = back[Symbol.iterator]();
    while (lines < before && !steps.next().done) {
      position = back.position;
      lines++;
    }
    steps.return?.();
    if (!any || position > printed.position) print.separator();
    // Once more, forwards: they may be more than memory holds.
    const ahead = file.lines({ start: position, end: until, delimiter: '\n' });
    for (const text of lines > 0 ? ahead : []) {
      await item({ number: number - lines--, position, text, marks: [], selected: false });
      position = ahead.position;
    }
  };
  const select = (item: Omit<Item, 'file' | 'selected'>, end: number): void | Promise<void> => {
    print.item({ file: name, ...item, selected: true });
    any = true;
    printed = { position: end, number: item.number + 1 };
    due = after;
    left--;
    // Nothing is waited for in vain: there may be millions of lines.
    if (print.isFull) return print.drain();
  };
  /** The lines of `[start, end)`, none of which matches. */
  const between = async (start: number, end: number, number: number): Promise<void> => {
    const gap = file.lines({ start, end, delimiter: '\n' });
    let position = start;
    for (const text of gap) {
      if (left === 0) return;
      if (groups) await context(position, number);
      const written = select({ number: number++, position, text, marks: [] }, gap.position);
      if (written !== undefined) await written;
      position = gap.position;
    }
  };

  let passed = { position: 0, number: 1 };
  let pending: (Omit<Item, 'file' | 'selected'> & { end: number }) | undefined;
  const flush = async (): Promise<void> => {
    if (pending === undefined) return;
    if (groups) await context(pending.position, pending.number);
    await select(pending, pending.end);
    pending = undefined;
  };
  for await (const batch of file.matches(pattern, options).batches()) {
    for (const { captures, length, line = '', lineEnd = 0, lineNumber = 0, linePosition = 0, position } of batch) {
      if (invert) {
        if (passed.position < linePosition) await between(passed.position, linePosition, passed.number);
        passed = { position: lineEnd, number: lineNumber + 1 };
      } else {
        if (pending?.position !== linePosition) {
          if (pending !== undefined) await flush();
          if (left === 0) break;
          pending = { number: lineNumber, position: linePosition, text: line, marks: [], end: lineEnd };
        }
        if (marked && length > 0) {
          const from = captures?.index ?? file.sliceSync(linePosition, position).toString().length;
          const to = from + (captures?.[0] ?? file.sliceSync(position, position + length).toString()).length;
          pending.marks.push([from, to]);
        }
      }
      if (left === 0) break;
    }
    await print.drain();
    if (left === 0) break;
  }
  await flush();
  if (invert && left > 0) await between(passed.position, file.size, passed.number);
  if (any && due > 0) await context(file.size);
  await print.drain();
  return any;
}

/** Characters that are gathered before they are written. */
const MOST_GATHERED = 2 ** 16;

class Printer {
  /** Whether a line was found, in any of the files. */
  begun = false;
  readonly #settings: Settings;
  #out = '';

  constructor(settings: Settings) {
    this.#settings = settings;
  }

  item({ file, number, position, text, marks, selected }: Item): void {
    const { names, numbers, offsets } = this.#settings;
    const mark = this.#color('36', selected ? ':' : '-');
    if (names) this.#out += this.#color('35', file) + mark;
    if (numbers) this.#out += this.#color('32', String(number)) + mark;
    if (offsets) this.#out += this.#color('32', String(position)) + mark;
    let at = 0;
    for (const [from, to] of marks) {
      this.#out += text.slice(at, from) + this.#color('01;31', text.slice(from, to));
      at = to;
    }
    this.#out += `${text.slice(at)}\n`;
    this.begun = true;
  }

  /** Between groups of lines that do not follow each other. */
  separator(): void {
    if (this.begun) this.#out += `${this.#color('36', '--')}\n`;
  }

  async line(file: string, text: string): Promise<void> {
    if (this.#settings.names) this.#out += this.#color('35', file) + this.#color('36', ':');
    this.#out += `${text}\n`;
    await this.drain();
  }

  /** Whether it is time to {@link drain}. */
  get isFull(): boolean {
    return this.#out.length >= MOST_GATHERED;
  }

  /** Writes what has been gathered, and waits while the reader is slower. */
  async drain(): Promise<void> {
    const out = this.#out;
    this.#out = '';
    if (out !== '' && !process.stdout.write(out)) await new Promise((resolve) => process.stdout.once('drain', resolve));
  }

  #color(code: string, text: string): string {
    return this.#settings.color && text !== '' ? `\x1b[${code}m\x1b[K${text}\x1b[m\x1b[K` : text;
  }
}

/** Standard input may be a pipe, which has no positions: it is copied to a file without a name first. */
async function openInput(path: string): Promise<MappedFile> {
  if (path !== '-') return MappedFile.open(path);
  const folder = mkdtempSync(join(tmpdir(), 'grep-'));
  try {
    await pipeline(process.stdin, createWriteStream(join(folder, 'input')));
    const fd = openSync(join(folder, 'input'), 'r');
    try {
      return await MappedFile.open(fd);
    } finally {
      closeSync(fd);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function main(args: readonly string[]): Promise<number> {
  const parsed = settingsOf(args);
  if (parsed === undefined) {
    process.stdout.write(HELP);
    return 0;
  }
  const { settings, paths } = parsed;
  const print = new Printer(settings);
  let found = false;
  let failed = false;
  for (const path of paths) {
    const name = path === '-' ? '(standard input)' : path;
    try {
      await using file = await openInput(path);
      if (await search(file, name, settings, print)) found = true;
      if (found && settings.output === 'nothing') return 0;
    } catch (error) {
      process.stderr.write(`grep: ${name}: ${messageOf(error)}\n`);
      failed = true;
    }
  }
  return failed ? 2 : found ? 0 : 1;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(); // the reader has seen enough, as `head` does
  process.stderr.write(`grep: write error: ${messageOf(error)}\n`);
  process.exit(2);
});

main(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    process.stderr.write(`grep: ${messageOf(error)}\n`);
    if (error instanceof UsageError) process.stderr.write('Try --help.\n');
    process.exitCode = 2;
  },
);
