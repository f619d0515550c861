/**
 * Finds lines block by block. A scanner never reads: it tells what it wants and is told what came, so that synchronous
 * and asynchronous iteration share it.
 */
import { MappedFileError } from '../errors.js';
import type { LineFormat } from './line-format.js';

/** Bytes wanted next: `target` is to be filled from `position`. */
export interface BlockRequest {
  readonly target: Uint8Array;
  /** Byte offset in the file. */
  readonly position: number;
  /** Byte offset before which nothing is asked for again; not where a scanner goes backwards. */
  readonly from?: number;
}

/** What both directions have in common: the block at hand and the batch of lines cut from it. */
export abstract class LineScanner {
  /** The batch at hand, in the order of iteration. */
  lines: Array<string | Buffer> = [];
  /** Bytes of the byte-order mark that the range was found to begin with. */
  markLength = 0;
  protected readonly format: LineFormat;
  /** Byte offset that the range starts at. */
  protected readonly start: number;
  protected readonly blockSize: number;
  protected readonly path: string | undefined;
  protected block: Buffer;
  /** Byte offset of `block[0]` in the file. */
  protected base: number;
  /** Lines in the batch. The array is handed out, so its length says nothing. */
  protected count = 0;
  /** Offsets in the block of the batch's first line and of the end of its last one, in the file's order. */
  protected from = 0;
  protected to = 0;
  /** Where the batch's lines end in the block, in the file's order; found when first asked for. */
  #ends: number[] | undefined;

  constructor(format: LineFormat, start: number, base: number, blockSize: number, path: string | undefined) {
    this.format = format;
    this.start = start;
    this.base = base;
    // Room for a byte-order mark, and for a step forward where a delimiter may lie across the border.
    this.blockSize = Math.max(4, 2 * format.delimiterLength, blockSize - (blockSize % format.unit));
    this.path = path;
    this.block = Buffer.allocUnsafeSlow(this.blockSize);
  }

  /** What to read next, or `undefined` where no line is left. The batch at hand is gone, and its block is written over. */
  abstract next(): BlockRequest | undefined;

  /**
   * Takes the number of bytes that came, 0 for the end of the file. True when a batch is at hand, which may be empty.
   * `isSlow`: more may not come soon, so that lines which are whole are not kept back. `places`: what
   * {@link LineFormat.copy} gave, by which the bytes came.
   */
  abstract accept(bytes: number, isSlow?: boolean, places?: number): boolean;

  /** Byte offset at which the iteration stands after the first `count` lines of the batch. */
  abstract positionAfter(count: number): number;

  /** Offset in the block of the end of the batch's first `count` lines, in the file's order. */
  protected lineEnd(count: number): number {
    if (count === 0) return this.from;
    if (count === this.count) return this.to;
    this.#ends ??= this.format.lineEnds(this.block, this.from, this.to);
    return this.#ends[count - 1]!;
  }

  protected setBatch(lines: Array<string | Buffer>, from: number, to: number, ends?: number[]): true {
    this.lines = lines;
    this.count = lines.length;
    this.from = from;
    this.to = to;
    this.#ends = ends;
    return true;
  }

  /** Where text begins in a block that begins with the range: after the byte-order mark, if the range is the file. */
  protected textStart(block: Buffer): number {
    return (this.markLength = this.start === 0 ? this.format.markLength(block) : 0);
  }

  /** The length of a block that can hold any line with its delimiter, and what may look like a part of another. */
  protected get longestBlock(): number {
    const { delimiterLength, maxLineLength, unit } = this.format;
    return maxLineLength + (maxLineLength % unit) + 2 * delimiterLength + unit;
  }

  /** True where the line `[from, to)`, delimiter included, is longer than allowed. */
  protected isTooLong(block: Buffer, from: number, to: number): boolean {
    const { format } = this;
    return to - from > format.maxLineLength && format.textEnd(block, from, to) - from > format.maxLineLength;
  }

  /** Throws unless lines that are too long are to be truncated. */
  protected checkTruncates(position: number): void {
    if (!this.format.truncates) throw this.lineTooLong(position);
  }

  protected lineTooLong(position: number): MappedFileError {
    const { maxLineLength } = this.format;
    const message = `A line is longer than the ${maxLineLength} bytes that options.maxLineLength allows`;
    const { path } = this;
    return new MappedFileError('ERR_MAPPED_FILE_LINE_TOO_LONG', message, { path, position, length: maxLineLength });
  }
}
