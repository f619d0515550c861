/** Finding a place in a file whose lines are sorted. */
import type { ByteSource } from '../byte-source.js';
import { invalidArgType, invalidArgValue, MappedFileError } from '../errors.js';
import { ForwardScanner } from './forward-scanner.js';
import { type LinesOptions, type ResolvedOptions, resolveOptions } from './options.js';
import { fill, readAsync, readSync, type Reading } from './reading.js';

/**
 * Where a line stands: below 0 before the key, 0 or more not before it, `undefined` (or `NaN`) has no key.
 * `position` is the byte offset at which the line begins.
 */
export type CompareLine<T extends string | Buffer = string> = (line: T, position: number) => number | undefined;

/** Options of `bisect`: what a line is, and where to look, as in {@link LinesOptions}. */
export type BisectOptions<T extends string | Buffer = string> = Pick<
  LinesOptions<T>,
  'delimiter' | 'encoding' | 'end' | 'maxLineLength' | 'overflow' | 'signal' | 'start'
>;

/** Bytes read at a time where one line is wanted. */
const PROBE = 512;
/** Bytes read at a time where all are. */
const BLOCK = 4096;
/** Up to so many bytes are read from the front: halving them further would read the same pages again. */
const SHORT = 2 * BLOCK;
/** Most bytes read at a time while the end of a long line is looked for. */
const LONGEST_STEP = 256 * 1024;

/** As `MappedFile.bisect`. */
export async function bisect<T extends string | Buffer>(
  source: ByteSource,
  compare: CompareLine<T>,
  options: BisectOptions<T> = {},
): Promise<number> {
  const resolved = resolve(compare, options);
  return readAsync(source, search(source, compare, resolved), resolved.signal);
}

/** As `MappedFile.bisectSync`. */
export function bisectSync<T extends string | Buffer>(
  source: ByteSource,
  compare: CompareLine<T>,
  options: BisectOptions<T> = {},
): number {
  const resolved = resolve(compare, options);
  if (resolved.signal?.aborted) throw resolved.signal.reason;
  return readSync(source, search(source, compare, resolved));
}

function resolve(compare: unknown, options: BisectOptions<string | Buffer>): ResolvedOptions {
  if (typeof compare !== 'function') throw invalidArgType('compare', 'of type function', compare);
  if (typeof options !== 'object' || options === null) throw invalidArgType('options', 'of type object', options);
  const { delimiter, encoding, end, maxLineLength, overflow, signal, start } = options as BisectOptions;
  const resolved = resolveOptions({ delimiter, encoding, end, maxLineLength, overflow, signal, start });
  if (resolved.format.overlapsItself)
    throw invalidArgValue('options.delimiter', delimiter, 'overlaps itself, so that lines depend on where one begins');
  return resolved;
}

/**
 * Halves the range in which the line that is looked for begins: `[low, high)`, and where `low` is a line's beginning.
 * All lines with a key before `low` are less. From `high` on none is, the first of them begins at `found`.
 */
function* search<T extends string | Buffer>(
  source: ByteSource,
  compare: CompareLine<T>,
  options: ResolvedOptions,
): Reading<number> {
  const { format, start } = options;
  const end = Math.max(start, Math.min(options.end, source.refreshSync()));
  let low = start;
  let high = end;
  let found = end;
  while (high - low > SHORT) {
    const half = Math.floor((high - low) / 2);
    const middle = low + half - ((low + half - start) % format.unit);
    const first = yield* lineStart(options, middle, high, source.path);
    const met = first < high ? yield* firstWithKey(source, compare, options, first, high, end, true) : undefined;
    if (met?.isLess) {
      low = met.next;
    } else {
      high = middle;
      found = met?.position ?? found;
    }
  }
  if (low >= high) return found;
  const met = yield* firstWithKey(source, compare, options, low, high, end, false);
  return met?.position ?? found;
}

/** The first line that begins at `position` or after it, or `limit` where none does before that. */
function* lineStart(
  { format, start }: ResolvedOptions,
  position: number,
  limit: number,
  path: string | undefined,
): Reading<number> {
  const { delimiterLength } = format;
  // A line begins where a delimiter ends.
  let at = Math.max(start, position - delimiterLength);
  for (let size = PROBE; at < limit; size = Math.min(LONGEST_STEP, 2 * size)) {
    const block = Buffer.allocUnsafeSlow(Math.min(size + delimiterLength, limit - at));
    const bytes = yield* fill(block, at);
    const found = format.find(block.subarray(0, bytes), 0);
    if (found >= 0) return at + found + delimiterLength;
    if (bytes < block.length) throw truncated(path, at, block.length);
    // A delimiter may lie across the border.
    at += size;
  }
  return limit;
}

interface Met {
  position: number;
  /** Where the line after it begins. */
  next: number;
  isLess: boolean;
}

/**
 * The first line with a key of those that begin in `[from, limit)`, the first of which begins at `from`; with `any`
 * false the first that is not less.
 */
function* firstWithKey<T extends string | Buffer>(
  source: ByteSource,
  compare: CompareLine<T>,
  { format }: ResolvedOptions,
  from: number,
  limit: number,
  end: number,
  any: boolean,
): Reading<Met | undefined> {
  const scanner = new ForwardScanner(format, from, end, any ? PROBE : BLOCK, source.path);
  for (let request = scanner.next(); request !== undefined; request = scanner.next()) {
    const bytes = yield request;
    if (bytes === 0) throw truncated(source.path, request.position, request.target.length);
    if (!scanner.accept(bytes)) continue;
    const { lines } = scanner;
    for (let i = 0; i < lines.length; i++) {
      const position = scanner.positionAfter(i);
      if (position >= limit) return undefined;
      const order = compare(lines[i] as T, position) as unknown;
      if (order === undefined || Number.isNaN(order)) continue;
      if (typeof order !== 'number')
        throw invalidArgType('value returned by the compare argument', 'of type number or undefined', order);
      if (any || !(order < 0)) return { position, next: scanner.positionAfter(i + 1), isLess: order < 0 };
    }
  }
  return undefined;
}

/** The end was the file's, or before it: a place that is found where bytes are missing would be none. */
function truncated(path: string | undefined, position: number, length: number): MappedFileError {
  const message = 'The file shrank while a line was looked for';
  return new MappedFileError('ERR_MAPPED_FILE_TRUNCATED', message, { path, position, length });
}
