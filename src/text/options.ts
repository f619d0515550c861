/** What `lines()` takes, and its validation. */
import { constants } from 'node:buffer';
import { checkSignal, invalidArgType, invalidArgValue } from '../errors.js';
import { type Position, toCount, toRange } from '../ranges.js';
import { type FollowOptions, isFollowing } from '../following/follower.js';
import { LineFormat, type LineEncoding } from './line-format.js';

/** The encodings whose lines are strings. */
export type TextEncoding = Exclude<LineEncoding, 'buffer'>;

/** Options of {@link Lines}; the encoding belongs to the type of the lines. */
export interface LinesOptions<T extends string | Buffer = string> {
  /** Byte offset of the first line's first byte. Default 0. */
  start?: Position | undefined;
  /** Byte offset that the range ends before. Default: the end of the file, wherever it is when it is reached. */
  end?: Position | undefined;
  /**
   * How bytes become lines. Default `'utf8'`: invalid bytes become U+FFFD exactly as `new TextDecoder('utf-8')` makes
   * them (WHATWG Encoding Standard, section 8.1.1). `'latin1'` is ISO-8859-1: every byte one character.
   * `'utf16le'` has code units of two bytes counted from `start`, and lone surrogates become U+FFFD. `'buffer'` gives
   * the lines' bytes, copied.
   */
  encoding?: (T extends string ? TextEncoding : 'buffer') | undefined;
  /** Last line first. Default false. */
  reverse?: boolean | undefined;
  /**
   * Does not end at the end of the file, but goes on as it grows and as it is replaced, as `tail -F` does; until the
   * signal is aborted, the iteration left, or the file closed. Default false. Not with `end` or `reverse`.
   */
  follow?: boolean | FollowOptions | undefined;
  /** Ends the iteration with the signal's reason, and releases what it holds at once. */
  signal?: AbortSignal | undefined;
  /**
   * The most bytes a line may have, without its delimiter. Default and largest: `buffer.constants.MAX_STRING_LENGTH`
   * (about 512 MiB), since no longer line could become a string. So many bytes are held in memory at most.
   */
  maxLineLength?: number | undefined;
  /**
   * What becomes of a longer line: `'error'` (default) throws `ERR_MAPPED_FILE_LINE_TOO_LONG` in its place,
   * `'truncate'` gives the characters that lie whole within the first `maxLineLength` bytes.
   */
  overflow?: 'error' | 'truncate' | undefined;
  /**
   * What ends a line. By default `'\n'`, and one `'\r'` before it is removed too; a delimiter given here, `'\n'`
   * included, removes only itself. A number is a byte (a code unit for `'utf16le'`), a string is encoded with the
   * encoding (UTF-8 for `'buffer'`), and a `Uint8Array` is taken as it is. Delimiters are found among the bytes, before
   * decoding. With `reverse` it must not overlap itself (as `'\n\n'` does), for lines would depend on the direction.
   */
  delimiter?: number | string | Uint8Array | undefined;
  /**
   * Gives every line memory of its own. Default false: V8's strings of 13 characters and more are then slices that
   * keep the block of 64 KiB (with `reverse` 32) that they were cut from in memory, and Buffers share such a block's
   * ArrayBuffer, so keeping one line of each block keeps all the text. Takes about three times as long; who keeps only
   * a few lines of many may rather copy those: `(' ' + line).slice(1)`.
   */
  copy?: boolean | undefined;
}

/** Options with their defaults filled in. */
export interface ResolvedOptions {
  readonly start: number;
  /** `Infinity` for the end of the file. */
  readonly end: number;
  readonly reverse: boolean;
  readonly signal: AbortSignal | undefined;
  readonly follow: true | FollowOptions | undefined;
  readonly format: LineFormat;
}

/** Checks the options; throws `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE` or `ERR_OUT_OF_RANGE`. */
export function resolveOptions(options: LinesOptions<string | Buffer>): ResolvedOptions {
  if (typeof options !== 'object' || options === null) throw invalidArgType('options', 'of type object', options);
  const { delimiter, encoding = 'utf8', maxLineLength = constants.MAX_STRING_LENGTH, overflow = 'error' } = options;
  const { copy = false, end: until, follow: asked, reverse = false, signal } = options;
  const { start, end } = toRange(options.start, until, Infinity);
  checkSignal(signal);
  const follow = isFollowing(asked) ? asked : undefined;
  if (follow !== undefined && (reverse || until !== undefined)) {
    const [name, value] = reverse ? ['reverse', reverse] : ['end', until];
    throw invalidArgValue(`options.${name}`, value, 'cannot be combined with "options.follow"');
  }
  for (const [name, value] of Object.entries({ copy, reverse }))
    if (typeof value !== 'boolean') throw invalidArgType(`options.${name}`, 'of type boolean', value);
  toCount(maxLineLength, 'options.maxLineLength', 1, constants.MAX_STRING_LENGTH);
  if (overflow !== 'error' && overflow !== 'truncate') throw invalidArgValue('options.overflow', overflow);

  const format = new LineFormat({ encoding, delimiter, copy, maxLineLength, truncates: overflow === 'truncate' });
  if (reverse && format.overlapsItself)
    throw invalidArgValue('options.delimiter', delimiter, 'overlaps itself, which has no meaning in reverse');
  return { start, end, reverse, signal, follow, format };
}
