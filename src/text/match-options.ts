/** What `matches()` takes, and its validation. */
import { constants } from 'node:buffer';
import { isRegExp } from 'node:util/types';
import { checkSignal, invalidArgType, invalidArgValue, systemError } from '../errors.js';
import { native, type NativeSearch } from '../native.js';
import { type Position, toCount, toRange } from '../ranges.js';
import { WholeLines } from './blocks.js';
import { LineFormat, type LineFormatOptions } from './line-format.js';
import type { ResolvedOptions, TextEncoding } from './options.js';
import { bytesOf, type Needle } from './search.js';

/** A list that says it has more is not looked through. */
const MOST_NEEDLES = 2 ** 20;

/** What {@link Matches} looks for: one needle, several at once (at most 1,048,576), or a regular expression. */
export type Pattern = Needle | readonly Needle[] | RegExp;

/** Options of {@link Matches}. */
export interface MatchesOptions {
  /** Byte offset that the search begins at. Default 0. */
  start?: Position | undefined;
  /** Byte offset that matches end at or before. Default: the end of the file, wherever it is when it is reached. */
  end?: Position | undefined;
  /** Ends the search with the signal's reason. */
  signal?: AbortSignal | undefined;
  /** The most matches to give. Default: all. */
  limit?: number | undefined;
  /**
   * Gives every needle at every place, in the order of places and, at one place, of the needles. Default false: each
   * search goes on behind the match before. Not for regular expressions, nor with `firstInLine`.
   */
  overlapping?: boolean | undefined;
  /** Takes the letters A to Z for a to z, in needles. Default false. Regular expressions have their flag `i`. */
  ignoreCase?: boolean | undefined;
  /** Gives the first match of each line only. Default false. */
  firstInLine?: boolean | undefined;
  /** Gives the text of the line, and where it lies. Default false. */
  line?: boolean | undefined;
  /** Gives the number of the line. Default false. */
  lineNumbers?: boolean | undefined;
  /**
   * How strings become bytes and bytes become lines, as in {@link LinesOptions.encoding}. Default `'utf8'`. `'utf16le'`
   * is for regular expressions only.
   */
  encoding?: TextEncoding | undefined;
  /** What ends a line, as in {@link LinesOptions.delimiter}. */
  delimiter?: number | string | Uint8Array | undefined;
  /** The most bytes a line may have, as in {@link LinesOptions.maxLineLength}. Where lines do not matter, it does not. */
  maxLineLength?: number | undefined;
  /**
   * What becomes of a longer line, as in {@link LinesOptions.overflow}: `'truncate'` searches only its first
   * `maxLineLength` bytes.
   */
  overflow?: 'error' | 'truncate' | undefined;
}

/** Options with their defaults filled in. */
export interface ResolvedSearch extends ResolvedOptions {
  readonly limit: number;
  readonly overlapping: boolean;
  readonly line: boolean;
  readonly lineNumbers: boolean;
  /** Whether blocks are of whole lines. */
  readonly byLine: boolean;
  readonly firstInLine: boolean;
  readonly search: NativeSearch | undefined;
  /** Bytes that each needle has, and the longest. */
  readonly lengths: readonly number[];
  readonly longest: number;
  /** Whether a needle may overlap a delimiter, so that each line is searched by itself. */
  readonly eachLine: boolean;
  /** A copy of the caller's, with the flag `g`. */
  readonly regExp: RegExp | undefined;
  readonly encoding: TextEncoding;
  /** Decodes lines. */
  readonly text: LineFormat;
}

/** Checks the arguments; throws `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE` or `ERR_OUT_OF_RANGE`. */
export function resolveSearch(pattern: Pattern, options: MatchesOptions): ResolvedSearch {
  if (typeof options !== 'object' || options === null) throw invalidArgType('options', 'of type object', options);
  const { delimiter, encoding = 'utf8', maxLineLength = constants.MAX_STRING_LENGTH, overflow = 'error' } = options;
  const { firstInLine = false, ignoreCase = false, limit, line = false, lineNumbers = false } = options;
  const { overlapping = false, signal } = options;
  const { start, end } = toRange(options.start, options.end, Infinity);
  checkSignal(signal);
  const switches = { firstInLine, ignoreCase, line, lineNumbers, overlapping };
  for (const [name, value] of Object.entries(switches))
    if (typeof value !== 'boolean') throw invalidArgType(`options.${name}`, 'of type boolean', value);
  if (limit !== undefined) toCount(limit, 'options.limit', 1);
  toCount(maxLineLength, 'options.maxLineLength', 1, constants.MAX_STRING_LENGTH);
  if (overflow !== 'error' && overflow !== 'truncate') throw invalidArgValue('options.overflow', overflow);
  if ((encoding as string) === 'buffer') throw invalidArgValue('options.encoding', encoding, 'must be of text');
  if (overlapping && firstInLine)
    throw invalidArgValue('options.overlapping', overlapping, 'has no meaning with firstInLine');

  const lines: LineFormatOptions = {
    encoding,
    delimiter,
    copy: false,
    maxLineLength,
    truncates: overflow === 'truncate',
  };
  const text = new LineFormat(lines);
  const isText = isRegExp(pattern);
  const byLine = isText || firstInLine || line || lineNumbers;
  let regExp: RegExp | undefined;
  let needles: Uint8Array[] = [];
  if (isText) {
    if (overlapping) throw invalidArgValue('options.overlapping', overlapping, 'is not for regular expressions');
    if (ignoreCase) throw invalidArgValue('options.ignoreCase', ignoreCase, 'is for needles: give the flag i');
    const { flags, source } = pattern;
    if (typeof flags !== 'string') throw invalidArgType('pattern.flags', 'of type string', flags);
    regExp = new RegExp(source, flags.includes('g') ? flags : `${flags}g`);
  } else {
    if (text.unit === 2) throw invalidArgValue('options.encoding', encoding, 'is for regular expressions only');
    needles = needlesOf(pattern, encoding as 'utf8' | 'latin1');
    if (needles.length === 0 || needles.some((needle) => needle.length === 0))
      throw invalidArgValue('needle', pattern, 'must not be empty');
    if (byLine && needles.some((needle) => text.find(Buffer.from(needle), 0) >= 0))
      throw invalidArgValue('needle', pattern, 'must not hold the delimiter where lines are asked for');
  }
  const lengths = needles.map(({ length }) => length);
  const search = isText
    ? undefined
    : native.createSearch(needles, ignoreCase, firstInLine ? text.delimiter : undefined);
  if (typeof search === 'number') throw systemError(-search, 'malloc');
  return {
    start,
    end,
    reverse: false,
    signal,
    follow: undefined,
    format: byLine ? new WholeLines(lines) : text,
    limit: limit ?? Infinity,
    overlapping,
    line,
    lineNumbers,
    byLine,
    firstInLine,
    search,
    lengths,
    longest: lengths.reduce((most, length) => Math.max(most, length), 0),
    eachLine: byLine && shareBytes(needles, text.delimiter, ignoreCase),
    regExp,
    encoding,
    text,
  };
}

/** Whether any needle has a byte of the delimiter: without one it cannot overlap it. */
function shareBytes(needles: readonly Uint8Array[], delimiter: Uint8Array, ignoreCase: boolean): boolean {
  const bytes = new Set(delimiter);
  if (ignoreCase) for (const byte of delimiter) if (/[a-z]/i.test(String.fromCharCode(byte))) bytes.add(byte ^ 0x20);
  return needles.some((needle) => [...bytes].some((byte) => needle.includes(byte)));
}

/** One by one, and not by the list's own methods: it may leave some out, and may say anything of itself. */
function needlesOf(pattern: unknown, encoding: 'utf8' | 'latin1'): Uint8Array[] {
  if (!Array.isArray(pattern)) return [bytesOf(pattern, encoding)];
  const list: ArrayLike<unknown> = pattern;
  const count = toCount(list.length, 'needle.length', 0, MOST_NEEDLES);
  const needles: Uint8Array[] = [];
  for (let i = 0; i < count; i++) needles.push(bytesOf(list[i], encoding));
  return needles;
}
