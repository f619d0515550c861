/** Where something stands in a file, as an iterable and an async iterable. */
import { isAscii } from 'node:buffer';
import type { ByteSource } from '../byte-source.js';
import { invalidState } from '../errors.js';
import { native } from '../native.js';
import { nextTurn, turnIsSpent } from '../turn.js';
import { BlockScanner, UnitOffsets } from './blocks.js';
import { ForwardScanner } from './forward-scanner.js';
import { LineCursor } from './line-cursor.js';
import type { LineScanner } from './line-scanner.js';
import { AsyncBatchIterator, AsyncLineIterator, BatchIterator, type Cursor, LineIterator } from './lines.js';
import { type MatchesOptions, type Pattern, type ResolvedSearch, resolveSearch } from './match-options.js';
import type { TextEncoding } from './options.js';

/** Bytes searched at a time: they stay in a processor's cache. Lines are decoded best in smaller blocks. */
const BLOCK_SIZE = 256 * 1024;
const TEXT_BLOCK_SIZE = 64 * 1024;
/** More needles than this take so long that a block is searched in stretches of so many bytes. */
const MANY = 1000;
const STRETCH = 16 * 1024;
/** Matches taken out of a block at a time. */
const BATCH = 512;

/** One place where something stands. */
export interface Match {
  /** Byte offset of its first byte. */
  position: number;
  /** How many bytes it has; 0 for an empty match of a regular expression. */
  length: number;
  /** Which of the needles it is, counted from 0; 0 for a regular expression. */
  needle: number;
  /** What the regular expression captured: `captures[0]` is the match, `captures.input` the line. */
  captures?: RegExpExecArray;
  /** With `line`: the text of the line, without its delimiter. */
  line?: string;
  /** With `line`: the byte offset of its first byte. */
  linePosition?: number;
  /** With `line`: the byte offset after its delimiter, which is where the next line begins. */
  lineEnd?: number;
  /** With `lineNumbers`: the number of the line, the one at `start` being 1. */
  lineNumber?: number;
}

/**
 * The places where needles, or matches of a regular expression, stand in a file, in order: as an iterable and as an
 * async iterable, one by one or in batches, or their number.
 *
 * Of several needles, the match is the first in their list at the leftmost place, as in a regular expression `a|b`; the
 * search goes on behind it (but see `overlapping`). A regular expression is tried on each line, without its delimiter,
 * and finds all matches in it, whatever its flags and its `lastIndex`, which stays as it is: `g` changes nothing, and
 * with `y` the first match must begin the line, and each other one must follow the one before. An assertion (`^`, `\b`,
 * lookaround) sees the line and nothing else.
 *
 * One object is one pass, as {@link Lines} is. Strings in a match do not keep more of the file in memory than the line.
 * Synchronous iteration may block on the device; asynchronous iteration never does, and lets the event loop turn.
 *
 * @example
 * ```ts
 * const errors = file.matches('ERROR', { firstInLine: true });
 * console.log(errors.countSync()); // → 200
 * for (const { position, lineNumber } of file.matches('ERROR', { lineNumbers: true })) {
 *   console.log(position, lineNumber); // → 5444 100
 *   break;
 * }
 * ```
 */
export class Matches implements Iterable<Match>, AsyncIterable<Match> {
  readonly #cursor: MatchCursor;

  /**
   * Reads nothing yet. `blockSize` is the number of bytes searched at a time.
   * Throws `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE` or `ERR_OUT_OF_RANGE` for bad arguments.
   */
  constructor(source: ByteSource, pattern: Pattern, options: MatchesOptions = {}, blockSize?: number) {
    this.#cursor = new MatchCursor(source, resolveSearch(pattern, options), blockSize);
  }

  /** Match by match; blocks while bytes are read from the device. */
  [Symbol.iterator](): IterableIterator<Match> {
    return new LineIterator(this.#cursor);
  }

  /** Match by match; what is not in memory is read on the thread pool. */
  [Symbol.asyncIterator](): AsyncIterableIterator<Match> {
    return new AsyncLineIterator(this.#cursor);
  }

  /** The matches in arrays of up to some hundred; never an empty one. */
  batches(): Iterable<Match[]> & AsyncIterable<Match[]> {
    const cursor = this.#cursor;
    return {
      [Symbol.iterator]: () => new BatchIterator(cursor),
      [Symbol.asyncIterator]: () => new AsyncBatchIterator(cursor),
    };
  }

  /**
   * The number of matches that have not been given yet, and ends the pass; much faster than to have each of them.
   * Rejects with `ERR_INVALID_STATE` while another asynchronous step is under way.
   */
  count(): Promise<number> {
    return this.#cursor.count();
  }

  /** As {@link count}, which it throws as well; may block. */
  countSync(): number {
    return this.#cursor.countSync();
  }
}

/** A line in which matches of the regular expression are being looked for. */
interface CurrentLine {
  readonly text: string;
  /** Offset in the block of its first byte, and in the file of the next line's. */
  readonly begin: number;
  readonly end: number;
  readonly number: number;
  /** Gives the offset in the line of a code unit. */
  readonly offsetOf: (unit: number) => number;
}

class MatchCursor implements Cursor<Match> {
  /** Matches at hand, and how many of them have been given. */
  lines: readonly Match[] = [];
  index = 0;
  readonly #search: ResolvedSearch;
  readonly #cursor: LineCursor<Buffer>;
  readonly #results: Uint32Array;
  #scanner: LineScanner | undefined;
  /** Matches that may still be found. */
  #left: number;
  /** The block at hand, where it begins in the file, and where what follows it does. */
  #block: Buffer | undefined;
  #base = 0;
  #blockEnd = 0;
  /** How far the block has been searched for needles. */
  #searched = 0;
  /** Where the text ends of the line that is searched by itself. */
  #textEnd = -1;
  /** The number of the line that begins at offset `#counted` of the block. */
  #lineNumber = 1;
  #counted = 0;
  /** The line last decoded: its offset in the block, its text, and where the next begins in the file. */
  #decoded: { begin: number; string: string; end: number } | undefined;
  /** Regular expressions: the block's lines, their ends when first needed, and how many have been searched. */
  #texts: readonly string[] | undefined;
  #ends: readonly number[] | undefined;
  #searchedTexts = 0;
  #current: CurrentLine | undefined;
  /** Whether an asynchronous step is under way. */
  #busy = false;

  constructor(source: ByteSource, search: ResolvedSearch, blockSize?: number) {
    const size = blockSize ?? (search.regExp === undefined ? BLOCK_SIZE : TEXT_BLOCK_SIZE);
    const { end, format, start } = search;
    this.#search = search;
    this.#left = search.limit;
    this.#results = new Uint32Array(1 + 2 * (BATCH + search.lengths.length));
    const scanner = (): LineScanner =>
      (this.#scanner = search.byLine
        ? new ForwardScanner(format, start, end, size, source.path)
        : new BlockScanner(format, start, end, Math.max(size, 4 * search.longest), source.path));
    const hooks = { scanner, closed: () => this.#drop() };
    this.#cursor = new LineCursor<Buffer>(source, search, size, { hooks });
  }

  fillSync(): boolean {
    this.#checkIdle();
    while (!this.#take()) if (this.#block === undefined && !this.#advanceSync()) return false;
    return true;
  }

  fill(): Promise<boolean> {
    return this.#alone(async () => {
      while (!this.#take()) {
        if (turnIsSpent()) await nextTurn();
        if (this.#block === undefined && !(await this.#advance())) return false;
      }
      return true;
    });
  }

  countSync(): number {
    this.#checkIdle();
    let count = this.#countAtHand();
    while (this.#left > 0 && (this.#block !== undefined || this.#advanceSync())) count += this.#countSome();
    this.close();
    return count;
  }

  count(): Promise<number> {
    return this.#alone(async () => {
      let count = this.#countAtHand();
      while (this.#left > 0 && (this.#block !== undefined || (await this.#advance()))) {
        count += this.#countSome();
        if (turnIsSpent()) await nextTurn();
      }
      this.close();
      return count;
    });
  }

  takeBatch(): Match[] {
    const batch = this.lines.slice(this.index);
    this.index = this.lines.length;
    return batch;
  }

  close(): void {
    this.#cursor.close();
  }

  async settled(): Promise<void> {
    await this.#cursor.settled();
  }

  #checkIdle(): void {
    if (this.#busy) throw invalidState('another asynchronous step over these matches is under way');
  }

  /** Steps that take turns would take the same matches, each from the other. */
  async #alone<Value>(step: () => Promise<Value>): Promise<Value> {
    this.#checkIdle();
    this.#busy = true;
    try {
      return await step();
    } finally {
      this.#busy = false;
    }
  }

  /** The pass is over: what is at hand is not given any more. */
  #drop(): void {
    this.lines = [];
    this.index = 0;
    this.#block = undefined;
  }

  /** Goes on to the next block, reading where there is none; false at the end. */
  #advanceSync(): boolean {
    while (!this.#nextBlock()) if (!this.#cursor.fillSync()) return false;
    return true;
  }

  async #advance(): Promise<boolean> {
    // Looked at again after the wait: the pass may have been closed since the block came, and then the next step tells.
    while (!this.#nextBlock()) if (!(await this.#cursor.fill())) return false;
    return true;
  }

  /** Goes on to the next block of those that were read. */
  #nextBlock(): boolean {
    const cursor = this.#cursor;
    const scanner = this.#scanner;
    if (scanner === undefined || cursor.index >= cursor.lines.length) return false;
    this.#block = cursor.lines[cursor.index]!;
    this.#base = scanner.positionAfter(cursor.index);
    if (this.#base === this.#search.start && this.#search.byLine) this.#base += scanner.markLength;
    this.#blockEnd = scanner.positionAfter(++cursor.index);
    this.#searched = this.#counted = this.#searchedTexts = 0;
    this.#textEnd = -1;
    this.#texts = this.#ends = this.#decoded = undefined;
    return true;
  }

  /** Searches on in the block at hand, if there is one: to its end, mostly. True when there are matches. */
  #take(): boolean {
    this.lines = [];
    this.index = 0;
    if (this.#left === 0) this.close();
    if (this.#block === undefined) return false;
    const found = this.#search.regExp === undefined ? this.#needles(this.#block) : this.#texted(this.#block);
    if (found.length > this.#left) found.length = this.#left;
    this.#left -= found.length;
    this.lines = found;
    return found.length > 0;
  }

  #countAtHand(): number {
    const count = this.lines.length - this.index;
    this.lines = [];
    this.index = 0;
    return count;
  }

  /** As {@link #take}, but gives how many there are. */
  #countSome(): number {
    const block = this.#block;
    if (block === undefined) return 0;
    let found: number;
    if (this.#search.regExp !== undefined) found = this.#texted(block).length;
    else {
      found = this.#scan(block, true);
      this.#passed(block);
    }
    found = Math.min(found, this.#left);
    this.#left -= found;
    return found;
  }

  // --- needles ---------------------------------------------------------------------------------------------------

  #needles(block: Buffer): Match[] {
    const { lengths, line, lineNumbers } = this.#search;
    const found = this.#scan(block, false);
    const matches: Match[] = [];
    for (let i = 0; i < found; i++) {
      const offset = this.#results[1 + 2 * i]!;
      const needle = this.#results[2 + 2 * i]!;
      const match: Match = { position: this.#base + offset, length: lengths[needle]!, needle };
      if (line || lineNumbers) this.#addLine(match, block, offset);
      matches.push(match);
    }
    this.#passed(block);
    return matches;
  }

  /**
   * How many begin before the limit of the block, or of the line, from where the search stands; unless it only counts,
   * the results tell.
   */
  #scan(block: Buffer, counts: boolean): number {
    const { eachLine, lengths, overlapping, search, text } = this.#search;
    const limit = eachLine ? this.#lineLimit(block) : this.#limit(block);
    const until = lengths.length > MANY ? Math.min(limit, this.#searched + STRETCH) : limit;
    const bytes = eachLine ? block.subarray(0, limit) : block;
    const found = native.scan(search!, bytes, this.#searched, until, overlapping, counts, this.#results);
    this.#searched = this.#results[0]!;
    if (eachLine && this.#searched >= limit) this.#searched = Math.min(limit + text.delimiterLength, block.length);
    return found;
  }

  /** As {@link #limit}, of the line at hand. */
  #lineLimit(block: Buffer): number {
    if (this.#textEnd < this.#searched) {
      const at = this.#search.text.find(block, this.#searched);
      this.#textEnd = at < 0 ? block.length : at;
    }
    return this.#textEnd;
  }

  /** Where a needle may begin in the block at the latest: one that it has only in part is found in the next. */
  #limit(block: Buffer): number {
    const scanner = this.#scanner!;
    const whole = !(scanner instanceof BlockScanner) || scanner.final;
    return whole ? block.length : block.length - this.#search.longest + 1;
  }

  /** Lets go of a block that has been searched. */
  #passed(block: Buffer): void {
    if (this.#searched < this.#limit(block)) return;
    const scanner = this.#scanner!;
    if (scanner instanceof BlockScanner) scanner.resume = this.#base + this.#searched;
    else if (this.#search.lineNumbers) {
      this.#goToLine(block, block.length);
      if (this.#counted < block.length || block.length === 0) this.#lineNumber++;
    }
    this.#block = undefined;
  }

  #addLine(match: Match, block: Buffer, offset: number): void {
    const { line, lineNumbers, text } = this.#search;
    this.#goToLine(block, offset);
    const begin = this.#counted;
    if (lineNumbers) match.lineNumber = this.#lineNumber;
    if (!line) return;
    // Several matches of a line share its text.
    if (this.#decoded?.begin !== begin) {
      const at = text.find(block, Math.max(begin, offset - text.delimiterLength + 1));
      const end = at < 0 ? block.length : at + text.delimiterLength;
      const string = text.decode(block, begin, text.textEnd(block, begin, end)) as string;
      this.#decoded = { begin, end: at < 0 ? this.#blockEnd : this.#base + end, string };
    }
    match.line = this.#decoded.string;
    match.linePosition = this.#base + begin;
    match.lineEnd = this.#decoded.end;
  }

  /** Moves to the line that has the byte at `offset`, and with the block's length as the offset to the one behind it. */
  #goToLine(block: Buffer, offset: number): void {
    const { delimiter, delimiterLength } = this.#search.text;
    const from = this.#counted;
    if (delimiterLength > 1) {
      for (let at = 0; at >= 0 && this.#counted < offset;) {
        at = this.#search.text.find(block, this.#counted);
        if (at < 0 || at + delimiterLength > offset) break;
        this.#counted = at + delimiterLength;
        this.#lineNumber++;
      }
      return;
    }
    const last = block.subarray(from, offset).lastIndexOf(delimiter[0]!);
    if (last < 0) return;
    this.#counted = from + last + 1;
    if (this.#search.lineNumbers)
      this.#lineNumber += native.count(block.subarray(from, this.#counted), delimiter, false);
  }

  // --- regular expressions ---------------------------------------------------------------------------------------

  /** The next matches in the block at hand; lets go of it when there are no more. */
  #texted(block: Buffer): Match[] {
    const { firstInLine, line, lineNumbers } = this.#search;
    const regExp = this.#search.regExp!;
    const matches: Match[] = [];
    while (matches.length < BATCH) {
      const current = (this.#current ??= this.#nextLine(block));
      if (current === undefined) {
        this.#block = undefined;
        break;
      }
      const captures = execute.call(regExp, current.text);
      if (captures === null) {
        this.#current = undefined;
        continue;
      }
      const from = current.offsetOf(captures.index);
      const to = current.offsetOf(captures.index + captures[0].length);
      const position = this.#base + current.begin + from;
      const match: Match = { position, length: to - from, needle: 0, captures };
      if (line) {
        match.line = current.text;
        match.linePosition = this.#base + current.begin;
        match.lineEnd = current.end;
      }
      if (lineNumbers) match.lineNumber = current.number;
      matches.push(match);
      if (firstInLine) this.#current = undefined;
      else if (captures[0] === '') regExp.lastIndex = afterUnit(current.text, regExp);
    }
    return matches;
  }

  /** The next line of the block in which there is a match. */
  #nextLine(block: Buffer): CurrentLine | undefined {
    const { encoding, text } = this.#search;
    const regExp = this.#search.regExp!;
    const texts = (this.#texts ??= this.#textsOf(block));
    while (this.#searchedTexts < texts.length) {
      const index = this.#searchedTexts++;
      regExp.lastIndex = 0;
      if (!test.call(regExp, texts[index]!)) continue;
      regExp.lastIndex = 0;
      const ends = (this.#ends ??= text.lineEnds(block, 0, block.length));
      const begin = index > 0 ? ends[index - 1]! : 0;
      const end = ends[index] ?? block.length;
      // Decoded again by itself: what was cut out of the block's text would keep all of that in memory.
      const bytes = block.subarray(begin, text.textEnd(block, begin, end));
      const own = text.decode(bytes, 0, bytes.length) as string;
      return {
        text: own,
        begin,
        end: index === texts.length - 1 ? this.#blockEnd : this.#base + end,
        number: this.#lineNumber + index,
        offsetOf: offsets(encoding, bytes),
      };
    }
    this.#lineNumber += texts.length;
    return undefined;
  }

  #textsOf(block: Buffer): readonly string[] {
    const { text } = this.#search;
    if (block.length === 0) return [''];
    const texts = text.split(block, 0, block.length);
    if (texts !== undefined) return texts as string[];
    const ends = text.lineEnds(block, 0, block.length);
    return text.decodeEach(block, 0, ends, 0, ends.length) as string[];
  }
}

const { exec: execute, test } = RegExp.prototype;

/** How to get from a code unit of a decoded line to its first byte; units are asked for in order. */
function offsets(encoding: TextEncoding, bytes: Buffer): (unit: number) => number {
  if (encoding === 'utf16le') return (unit) => Math.min(2 * unit, bytes.length);
  if (encoding === 'latin1' || isAscii(bytes)) return (unit) => unit;
  const units = new UnitOffsets(bytes);
  return (unit) => units.at(unit);
}

/** Where to go on after an empty match: one code unit, or with `u` or `v` one character (ECMA-262, AdvanceStringIndex). */
function afterUnit(text: string, { lastIndex, unicode, flags }: RegExp): number {
  const whole = unicode || flags.includes('v');
  return lastIndex + (whole && (text.codePointAt(lastIndex) ?? 0) > 0xffff ? 2 : 1);
}
