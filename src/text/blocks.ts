/** Blocks of bytes to search in, read by the same machinery as lines: as they come, or of whole lines. */
import { LineFormat, type LineFormatOptions } from './line-format.js';
import { LineScanner, type BlockRequest } from './line-scanner.js';

/** Gives blocks as long as they are to be had. Each begins where the search of the one before says. */
export class BlockScanner extends LineScanner {
  /** Byte offset that the next block begins at; 0 to stay. Set by whoever has searched the block at hand. */
  resume: number;
  /** Whether no bytes come after this block. */
  final = false;
  readonly #end: number;
  #filled = 0;

  /** `end` may be `Infinity`. */
  constructor(format: LineFormat, start: number, end: number, blockSize: number, path: string | undefined) {
    super(format, start, start, blockSize, path);
    this.#end = end;
    this.resume = start;
  }

  override next(): BlockRequest | undefined {
    if (this.count > 0) {
      this.setBatch([], 0, 0);
      this.base = this.resume;
      this.#filled = 0;
    }
    if (this.final || this.base >= this.#end) return undefined;
    const target = this.block.subarray(this.#filled, Math.min(this.block.length, this.#end - this.base));
    return { target, position: this.base + this.#filled };
  }

  override accept(bytes: number): boolean {
    this.#filled += bytes;
    this.final = bytes === 0 || this.base + this.#filled >= this.#end;
    if (!this.final && this.#filled < this.block.length) return false;
    if (this.#filled === 0) return true;
    return this.setBatch([this.block.subarray(0, this.#filled)], 0, this.#filled);
  }

  override positionAfter(count: number): number {
    return count === 0 ? this.base : this.resume;
  }
}

/**
 * Takes all the lines of a block for one, which is not copied: the next block is written over it. Only where some line
 * may be too long are there more than one, or a copy of the beginning of that line.
 */
export class WholeLines extends LineFormat {
  readonly #utf8: boolean;

  constructor(options: LineFormatOptions) {
    super(options);
    this.#utf8 = options.encoding === 'utf8' || options.encoding === 'utf-8';
  }

  override findsPlacesIn(): boolean {
    return false;
  }

  override split(bytes: Buffer, from: number, to: number): Buffer[] | undefined {
    return this.maxLineLength < to - from ? undefined : [bytes.subarray(from, to)];
  }

  override decodeEach(bytes: Buffer, from: number, ends: readonly number[], first: number, last: number): Buffer[] {
    const lines: Buffer[] = [];
    for (let i = first; i < last; i++) {
      const [at, next] = [i > 0 ? ends[i - 1]! : from, ends[i]!];
      const cut = at + this.maxLineLength;
      lines.push(cut < this.textEnd(bytes, at, next) ? this.decodeCut(bytes, at, cut) : bytes.subarray(at, next));
    }
    return lines;
  }

  override decodeCut(bytes: Buffer, from: number, to: number): Buffer {
    let end = Math.min(to, bytes.length);
    if (this.unit === 2) {
      end -= (end - from) % 2;
      if (end > from && (bytes[end - 1]! & 0xfc) === 0xd8) end -= 2; // half of a character
    }
    if (this.#utf8) end = wholeCharacters(bytes, from, end);
    // The line is read on over the block.
    return Buffer.from(bytes.subarray(from, end));
  }
}

/** `end`, or where the character begins that is cut there. */
function wholeCharacters(bytes: Uint8Array, from: number, end: number): number {
  for (let at = end - 1; at >= Math.max(from, end - 3); at--) {
    const byte = bytes[at]!;
    if (byte < 0x80) break;
    if (byte >= 0xc0) return end - at < sequenceLength(byte) && at + partLength(bytes, at, end) === end ? at : end;
  }
  return end;
}

/** How many bytes from `at` on, up to `end`, may be of one UTF-8 sequence. */
function partLength(bytes: Uint8Array, at: number, end: number): number {
  const lead = bytes[at]!;
  const most = Math.min(sequenceLength(lead), end - at);
  for (let length = 1; length < most; length++) {
    const byte = bytes[at + length]!;
    const [least, greatest] = length === 1 ? secondByte(lead) : [0x80, 0xbf];
    if (byte < least || byte > greatest) return length;
  }
  return most;
}

/** How many bytes the UTF-8 sequence has that begins with `lead`; 1 for what begins none. */
function sequenceLength(lead: number): number {
  if (lead >= 0xc2 && lead <= 0xdf) return 2;
  if (lead >= 0xe0 && lead <= 0xef) return 3;
  return lead >= 0xf0 && lead <= 0xf4 ? 4 : 1;
}

/**
 * Moves along UTF-8 by code units of the string that it decodes to, invalid bytes included: each maximal part of a
 * sequence is one U+FFFD (WHATWG Encoding Standard, section 8.1.1).
 */
export class UnitOffsets {
  readonly #bytes: Uint8Array;
  #unit = 0;
  #offset = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /**
   * The offset of the byte at which code unit `unit` begins, which is not before the one last asked for; for the second
   * half of a surrogate pair, that of the character's end.
   */
  at(unit: number): number {
    const bytes = this.#bytes;
    while (this.#unit < unit && this.#offset < bytes.length) {
      const length = partLength(bytes, this.#offset, bytes.length);
      this.#unit += length === 4 ? 2 : 1;
      this.#offset += length;
    }
    return this.#offset;
  }
}

/** The least and the most that may follow a first byte: no overlong forms, no surrogates, nothing past U+10FFFF. */
function secondByte(lead: number): [number, number] {
  if (lead === 0xe0) return [0xa0, 0xbf];
  if (lead === 0xed) return [0x80, 0x9f];
  if (lead === 0xf0) return [0x90, 0xbf];
  return lead === 0xf4 ? [0x80, 0x8f] : [0x80, 0xbf];
}
