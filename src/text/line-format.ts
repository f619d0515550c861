/** What a line is in bytes, and how its bytes become a value: encoding, delimiter and length limit. */
import { toUSVString } from 'node:util';
import { isUint8Array } from 'node:util/types';
import { plainBytes } from '../bytes.js';
import { invalidArgType, invalidArgValue } from '../errors.js';
import { native } from '../native.js';
import { toCount } from '../ranges.js';

/** How the bytes of a line are read; `'buffer'` leaves them as they are. */
export type LineEncoding = 'utf8' | 'utf-8' | 'latin1' | 'utf16le' | 'buffer';

export interface LineFormatOptions {
  encoding: LineEncoding;
  /** `undefined` for `\n`, with one `\r` before it. */
  delimiter: number | string | Uint8Array | undefined;
  copy: boolean;
  maxLineLength: number;
  truncates: boolean;
}

const BYTE_ORDER_MARKS = { utf8: [0xef, 0xbb, 0xbf], utf16le: [0xff, 0xfe], latin1: [], buffer: [] } as const;
/** The most bytes that one UTF-16 code unit of a decoded string can come from. */
const BYTES_PER_UNIT = { utf8: 3, utf16le: 2, latin1: 1, buffer: 1 } as const;

/** Bytes of text that is not ASCII to decode at a time, some lines. */
const PIECE = 4096;

/** Where the delimiters of the text at hand are. */
const places = new Uint32Array(64 * 1024);

export class LineFormat {
  /** Bytes that lines are aligned to, counted from the start of the range. */
  readonly unit: 1 | 2;
  /** Bytes of the delimiter. */
  readonly delimiterLength: number;
  /** True where two occurrences of the delimiter can overlap. */
  readonly overlapsItself: boolean;
  /** The most bytes a line may have, without its delimiter. */
  readonly maxLineLength: number;
  readonly truncates: boolean;
  readonly #encoding: 'utf8' | 'latin1' | 'utf16le' | 'buffer';
  readonly #copy: boolean;
  /** The delimiter as one character by which decoded text can be split, where it is one. */
  readonly #character: string | undefined;
  readonly #delimiter: Buffer;
  /** The delimiter as `indexOf` takes it: it is fastest with a number. */
  readonly #needle: number | Uint8Array;
  readonly #dropsCarriageReturn: boolean;

  constructor({ encoding, delimiter, copy, maxLineLength, truncates }: LineFormatOptions) {
    this.#encoding = encoding === 'utf-8' ? 'utf8' : encoding;
    if (typeof encoding !== 'string' || !Object.hasOwn(BYTE_ORDER_MARKS, this.#encoding))
      throw invalidArgValue('options.encoding', encoding);
    this.unit = this.#encoding === 'utf16le' ? 2 : 1;
    this.#copy = copy;
    this.maxLineLength = maxLineLength;
    this.truncates = truncates;
    const bytes = this.#encoded(delimiter ?? '\n');
    this.#delimiter = bytes;
    this.delimiterLength = bytes.length;
    this.overlapsItself = isBordered(bytes, this.unit);
    this.#needle = bytes.length === 1 ? bytes[0]! : bytes;
    this.#dropsCarriageReturn = delimiter === undefined;
    // Splitting the decoded text equals splitting the bytes where one code unit is always the same character.
    if (bytes.length === this.unit && !copy) {
      const code = this.unit === 2 ? bytes.readUInt16LE() : bytes[0]!;
      const splits = { utf8: code < 0x80, latin1: true, utf16le: code < 0xd800 || code > 0xdfff, buffer: false };
      // U+FFFD also stands for what could not be decoded.
      if (splits[this.#encoding] && code !== 0xfffd) this.#character = String.fromCharCode(code);
    }
  }

  /** The bytes that end a line. */
  get delimiter(): Uint8Array {
    return this.#delimiter;
  }

  /** The offset of the first delimiter at `from` or after it, or −1. */
  find(bytes: Buffer, from: number): number {
    return this.unit === 2
      ? wholeUnits(bytes).indexOf(this.#needle, from, 'utf16le')
      : bytes.indexOf(this.#needle, from);
  }

  /** The offset of the last delimiter that ends at `end` or before it, or −1. */
  findLast(bytes: Buffer, end: number): number {
    const from = end - this.delimiterLength;
    if (from < 0) return -1;
    return this.unit === 2
      ? wholeUnits(bytes).lastIndexOf(this.#needle, from, 'utf16le')
      : bytes.lastIndexOf(this.#needle, from);
  }

  /** The end of the last line of `bytes` from `from` that is ended by a delimiter, as found from the front; −1 for none. */
  lastLineEnd(bytes: Buffer, from: number): number {
    if (this.overlapsItself) return this.lineEnds(bytes, from, bytes.length, false).at(-1) ?? -1;
    const last = this.findLast(bytes, bytes.length);
    return last < from ? -1 : last + this.delimiterLength;
  }

  /** The length of the byte-order mark that `bytes` begin with, or 0. */
  markLength(bytes: Uint8Array): number {
    const mark = BYTE_ORDER_MARKS[this.#encoding];
    return mark.every((byte, i) => bytes[i] === byte) ? mark.length : 0;
  }

  /** Where each line of `[from, to)` ends, its delimiter included; what follows the last delimiter is a line too if `rest`. */
  lineEnds(bytes: Buffer, from: number, to: number, rest = true): number[] {
    const ends: number[] = [];
    const searched = bytes.length === to ? bytes : bytes.subarray(0, to);
    let end = from;
    for (let at = this.find(searched, from); at >= 0; at = end < to ? this.find(searched, end) : -1)
      ends.push((end = at + this.delimiterLength));
    if (rest && end < to) ends.push(to);
    return ends;
  }

  /** The end of the text of the line `[from, to)`: without its delimiter, if it has one. */
  textEnd(bytes: Buffer, from: number, to: number): number {
    const end = to - this.delimiterLength;
    if (end < from || (end - from) % this.unit !== 0) return to;
    for (let i = 0; i < this.delimiterLength; i++) if (bytes[end + i] !== this.#delimiter[i]) return to;
    const before = end - this.unit;
    const drops = this.#dropsCarriageReturn && before >= from && bytes[before] === 13;
    return drops && (this.unit === 1 || bytes[before + 1] === 0) ? before : end;
  }

  /** Whether lines in a block of `length` bytes can be split where `copy` has found their ends. */
  findsPlacesIn(length: number): boolean {
    return this.#character !== undefined && this.unit === 1 && length <= places.length;
  }

  /** Copies bytes to the beginning of a block. What it gives, `split` of that block takes, and nothing comes between. */
  copy(bytes: Uint8Array, block: Uint8Array): number {
    return this.#places(bytes, 0, bytes.length, block);
  }

  /**
   * The lines of `[from, to)`, which ends where a line ends, by splitting the decoded text; `undefined` where that is
   * not possible, or where one of them may be longer than allowed. `found` is what `copy` gave for all of `bytes`.
   */
  split(bytes: Buffer, from: number, to: number, found?: number): Array<string | Buffer> | undefined {
    if (this.#character === undefined) return undefined;
    const lines = this.#splitText(bytes, from, to, found);
    if (this.maxLineLength < to - from) {
      const safe = this.maxLineLength / BYTES_PER_UNIT[this.#encoding];
      if (lines.some((line) => line.length > safe)) return undefined;
    }
    return lines;
  }

  /**
   * The lines with numbers `[first, last)` of those that end at `ends`, the first of which begins at `from`; those that
   * are too long are cut.
   */
  decodeEach(
    bytes: Buffer,
    from: number,
    ends: readonly number[],
    first: number,
    last: number,
  ): Array<string | Buffer> {
    const begin = first > 0 ? ends[first - 1]! : from;
    // Never Buffer's shared pool: a consumer that transfers a line's ArrayBuffer would detach other people's bytes.
    const shared = this.#encoding === 'buffer' && !this.#copy;
    const own = shared ? ownCopy(bytes.subarray(begin, last > 0 ? ends[last - 1] : from)) : undefined;
    const lines: Array<string | Buffer> = [];
    let at = begin;
    for (let i = first; i < last; i++) {
      const next = ends[i]!;
      const textEnd = this.textEnd(bytes, at, next);
      const end = Math.min(textEnd, at + this.maxLineLength);
      if (own !== undefined) lines.push(own.subarray(at - begin, end - begin));
      else lines.push(end < textEnd ? this.decodeCut(bytes, at, end) : this.decode(bytes, at, end));
      at = next;
    }
    return lines;
  }

  /** One line's value. */
  decode(bytes: Buffer, from: number, to: number): string | Buffer {
    return this.#encoding === 'buffer'
      ? ownCopy(bytes.subarray(from, to))
      : this.#text(this.#encoding, bytes, from, to);
  }

  /** The characters that lie whole within `[from, to)`, where a longer line was cut at `to`. */
  decodeCut(bytes: Buffer, from: number, to: number): string | Buffer {
    // What ends with ASCII is not cut within a character; a decoder costs more than most lines.
    if (this.unit === 1 && (this.#encoding !== 'utf8' || bytes[to - 1]! < 0x80)) return this.decode(bytes, from, to);
    const decoder = new TextDecoder(this.#encoding === 'utf8' ? 'utf-8' : 'utf-16le', { ignoreBOM: true });
    return decoder.decode(bytes.subarray(from, to), { stream: true });
  }

  /**
   * ASCII is decoded faster as Latin-1. Among other text, one wide character would make a whole block slow to decode and
   * its string twice as large, so that is decoded in pieces.
   */
  #splitText(bytes: Buffer, from: number, to: number, found?: number): string[] {
    const lines = this.#cut(bytes, from, to, found);
    if (lines !== undefined) return lines;
    if (this.#encoding !== 'utf8') return this.#splitDecoded(bytes, from, to);
    const all: string[] = [];
    for (let begin = from, end: number; begin < to; begin = end) {
      const at = this.find(bytes, begin + PIECE);
      end = at < 0 || at >= to ? to : at + this.delimiterLength;
      for (const line of this.#cut(bytes, begin, end) ?? this.#splitDecoded(bytes, begin, end)) all.push(line);
    }
    return all;
  }

  #splitDecoded(bytes: Buffer, from: number, to: number): string[] {
    const lines = this.#text(this.#encoding, bytes, from, to).split(this.#character!);
    // What follows the last delimiter is a line only if it is not empty.
    const ended = lines.length - 1;
    if (lines[ended] === '') lines.pop();
    if (this.#dropsCarriageReturn && bytes.subarray(from, to).includes(13))
      for (let i = 0; i < ended; i++) {
        const line = lines[i]!;
        if (line.charCodeAt(line.length - 1) === 13) lines[i] = line.slice(0, -1);
      }
    return lines;
  }

  /**
   * As `#splitDecoded`, for text whose characters are bytes, which V8's `split` takes three times as long to cut;
   * `undefined` for any other.
   */
  #cut(bytes: Buffer, from: number, to: number, found?: number): string[] | undefined {
    if (this.unit > 1 || to - from > places.length) return undefined;
    // Before the text there may be a byte-order mark only, and then `found` tells that not all of it is ASCII.
    const looked = from === 0 && found !== undefined ? found : this.#places(bytes, from, to);
    if (looked < 0 && this.#encoding !== 'latin1') return undefined;
    const text = bytes.toString('latin1', from, to);
    const drops = this.#dropsCarriageReturn;
    const count = looked < 0 ? -2 - looked : looked;
    const lines = new Array<string>(count);
    let begin = 0;
    for (let i = 0; i < count; i++) {
      const end = places[i]!;
      const dropped = drops && end > begin && bytes[from + end - 1] === 13 ? 1 : 0;
      lines[i] = text.substring(begin, end - dropped);
      begin = end + 1;
    }
    if (begin < text.length) lines.push(text.substring(begin));
    return lines;
  }

  #places(bytes: Uint8Array, from: number, to: number, copy?: Uint8Array): number {
    return native.findEach(bytes, from, to - from, this.#delimiter[0]!, places, copy);
  }

  #text(encoding: LineEncoding, bytes: Buffer, from: number, to: number): string {
    if (encoding !== 'utf16le') return bytes.toString(encoding as BufferEncoding, from, to);
    if ((to - from) % 2 === 0) return toUSVString(bytes.toString('utf16le', from, to));
    return new TextDecoder('utf-16le', { ignoreBOM: true }).decode(bytes.subarray(from, to));
  }

  #encoded(delimiter: unknown): Buffer {
    const name = 'options.delimiter';
    if (typeof delimiter === 'number') {
      toCount(delimiter, name, 0, this.unit === 2 ? 0xffff : 0xff);
      return Buffer.from(this.unit === 2 ? [delimiter & 0xff, delimiter >> 8] : [delimiter]);
    }
    if (isUint8Array(delimiter)) {
      const bytes = Buffer.from(plainBytes(delimiter));
      if (bytes.length === 0) throw invalidArgValue(name, delimiter, 'must not be empty');
      if (bytes.length % this.unit !== 0)
        throw invalidArgValue(name, delimiter, 'must be whole code units of two bytes');
      return bytes;
    }
    if (typeof delimiter !== 'string')
      throw invalidArgType(name, 'of type number or string or an instance of Uint8Array', delimiter);
    if (delimiter.length === 0) throw invalidArgValue(name, delimiter, 'must not be empty');
    const encoding = this.#encoding === 'buffer' ? 'utf8' : this.#encoding;
    const bytes = Buffer.from(delimiter, encoding);
    if (bytes.toString(encoding) !== delimiter)
      throw invalidArgValue(name, delimiter, `cannot be encoded as ${encoding}`);
    return bytes;
  }
}

/** Node 20 takes the end of an odd number of bytes for a match in UTF-16, so the odd byte is left out. */
function wholeUnits(bytes: Buffer): Buffer {
  return bytes.length % 2 === 0 ? bytes : bytes.subarray(0, -1);
}

function ownCopy(bytes: Uint8Array): Buffer {
  const copy = Buffer.allocUnsafeSlow(bytes.length);
  copy.set(bytes);
  return copy;
}

/** True where some beginning of the bytes is also an end of them. */
function isBordered(bytes: Buffer, unit: number): boolean {
  const units = unit === 2 ? new Uint16Array(new Uint8Array(bytes).buffer) : bytes;
  // As of Knuth, Morris and Pratt: of each beginning, how long its longest end is that is a beginning, too.
  const borders = new Uint32Array(units.length);
  for (let i = 1, matched = 0; i < units.length; i++) {
    while (matched > 0 && units[matched] !== units[i]) matched = borders[matched - 1]!;
    if (units[matched] === units[i]) matched++;
    borders[i] = matched;
  }
  return borders.at(-1)! > 0;
}
