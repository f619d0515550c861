/**
 * The end of files, and what is added to them: `node out/examples/tail.js [-n LINES | -c BYTES] [-f | -F] FILE…`.
 *
 * `-n +LINES` and `-c +BYTES` begin at a line or byte, counted from 1. `-f` goes on as a file grows; `-F` goes on with
 * the next one, too, when a file is rotated, and waits for one that is not there. `-q` gives no headers, `-v` always
 * does; `-s SECONDS` is how often to look where the system does not tell.
 */
import { open } from 'node:fs/promises';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { getSystemErrorMap, parseArgs } from 'node:util';

import { type FollowEvent, MappedFile } from 'sliding-mmap';

interface Options {
  /** Where to begin: so many lines or bytes before the end, or, from the start, the one with this number. */
  unit: 'lines' | 'bytes';
  count: number;
  fromStart: boolean;
  follow: 'no' | 'descriptor' | 'name';
  headers: boolean;
  pollInterval: number;
}

/** Writes pieces of several files, with headers between them. */
class Output {
  readonly #headers: boolean;
  #name: string | undefined;

  constructor(headers: boolean) {
    this.#headers = headers;
  }

  begin(name: string): void {
    if (!this.#headers || name === this.#name) return;
    process.stdout.write(`${this.#name === undefined ? '' : '\n'}==> ${name} <==\n`);
    this.#name = name;
  }

  async write(name: string, bytes: Uint8Array): Promise<void> {
    this.begin(name);
    if (!process.stdout.write(bytes)) await once(process.stdout, 'drain');
  }
}

/** The position of the first byte to be given. */
async function startOf(file: MappedFile, { unit, count, fromStart }: Options): Promise<number> {
  if (!fromStart && file.backing === 'spool') await file.prefetch(); // until all has arrived
  if (unit === 'bytes') return fromStart ? Math.max(0, count - 1) : Math.max(0, file.size - count);
  const most = fromStart ? Math.max(0, count - 1) : count;
  if (most === 0) return fromStart ? 0 : file.size;
  const lines = file.lines({ encoding: 'latin1', delimiter: '\n', overflow: 'truncate', reverse: !fromStart });
  const steps = lines[Symbol.asyncIterator]();
  let left = most;
  while (left > 0 && !(await steps.next()).done) left--;
  const { position } = lines;
  await steps.return?.();
  if (left === 0) return position;
  return fromStart ? file.size : 0;
}

async function tail(name: string, options: Options, output: Output): Promise<() => Promise<void>> {
  // A file known by its descriptor is followed wherever it is renamed to.
  const handle = options.follow === 'descriptor' ? await open(name) : undefined;
  // What does not tell where it ends, as a pipe or a file of /proc, can be read to there, but not be followed.
  const backing = options.follow === 'no' ? 'spool' : 'auto';
  const file = await MappedFile.open(handle ?? name, 'r', { backing });
  await handle?.close();
  const start = await startOf(file, options);
  const end = file.backing === 'spool' ? undefined : Math.max(start, file.size);
  output.begin(name);
  for await (const chunk of file.readable({ start, end })) await output.write(name, chunk);
  if (options.follow === 'no') {
    await file.close();
    return async () => {};
  }
  return () => follow(file, name, end ?? start, options, output);
}

async function follow(file: MappedFile, name: string, start: number, options: Options, output: Output): Promise<void> {
  let missing = false;
  const onEvent = ({ type }: FollowEvent): void => {
    if (type === 'truncated') warn(`${name}: file truncated`);
    else if (type === 'missing') warn(`'${name}' has become inaccessible: No such file or directory`);
    else warn(`'${name}' has ${missing ? 'appeared' : 'been replaced'};  following new file`);
    missing = type === 'missing';
  };
  const following = file.readable({ start, follow: { onEvent, pollInterval: options.pollInterval } });
  for await (const chunk of following) await output.write(name, chunk);
}

/** What is at a name when it cannot be read for now: nothing, what is not to be read, or no file. */
const MAY_CHANGE = new Set<string | undefined>(['ENOENT', 'ENOTDIR', 'EACCES', 'EPERM', 'ELOOP', 'EISDIR']);

/** Follows a file that is not there yet, or cannot be read yet, from its start. */
async function waitFor(name: string, options: Options, output: Output): Promise<void> {
  for (;;) {
    await delay(options.pollInterval);
    let file: MappedFile;
    try {
      file = await MappedFile.open(name);
    } catch {
      continue;
    }
    warn(`'${name}' has appeared;  following new file`);
    return follow(file, name, 0, options, output);
  }
}

function warn(message: string): void {
  process.stderr.write(`tail: ${message}\n`);
}

function describe(error: NodeJS.ErrnoException): string {
  const text = getSystemErrorMap().get(error.errno ?? 0)?.[1] ?? error.message;
  return text[0]!.toUpperCase() + text.slice(1);
}

async function main(names: string[], options: Options): Promise<void> {
  // Nothing will ever be given: not even names are looked at.
  if (options.count === 0 && !options.fromStart && options.follow === 'no') return;
  const output = new Output(options.headers);
  const followers: Array<() => Promise<void>> = [];
  for (const name of names) {
    try {
      followers.push(await tail(name, options, output));
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      const what = code === 'EISDIR' ? `error reading '${name}'` : `cannot open '${name}' for reading`;
      warn(`${what}: ${describe(error as NodeJS.ErrnoException)}`);
      process.exitCode = 1;
      // It may become what can be read.
      if (options.follow === 'name' && MAY_CHANGE.has(code)) followers.push(() => waitFor(name, options, output));
    }
  }
  await Promise.all(followers.map((begin) => begin()));
}

/** The options of the command line; throws a message for those that are wrong. */
function optionsOf(args: string[]): { names: string[]; options: Options } {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      lines: { type: 'string', short: 'n' },
      bytes: { type: 'string', short: 'c' },
      follow: { type: 'boolean', short: 'f', default: false },
      rotation: { type: 'boolean', short: 'F', default: false },
      quiet: { type: 'boolean', short: 'q', default: false },
      verbose: { type: 'boolean', short: 'v', default: false },
      'sleep-interval': { type: 'string', short: 's', default: '1' },
    },
  });
  const amount = values.bytes ?? values.lines ?? '10';
  const interval = Number(values['sleep-interval']) * 1000;
  if (!/^\+?\d+$/.test(amount)) throw new Error(`invalid number: '${amount}'`);
  if (!(interval >= 1)) throw new Error(`invalid number of seconds: '${values['sleep-interval']}'`);
  if (positionals.length === 0) throw new Error('Usage: tail [-n LINES | -c BYTES] [-f | -F] FILE…');
  return {
    names: positionals,
    options: {
      unit: values.bytes === undefined ? 'lines' : 'bytes',
      count: Number(amount),
      fromStart: amount.startsWith('+'),
      follow: values.rotation ? 'name' : values.follow ? 'descriptor' : 'no',
      headers: values.verbose || (positionals.length > 1 && !values.quiet),
      pollInterval: Math.round(interval),
    },
  };
}

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0); // the reader has seen enough
  warn(`write error: ${describe(error)}`);
  process.exit(1);
});

try {
  const { names, options } = optionsOf(process.argv.slice(2));
  await main(names, options);
} catch (error) {
  warn((error as Error).message);
  process.exitCode = 1;
}
