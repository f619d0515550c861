/** Lines from the front to the back. */
import type { LineFormat } from './line-format.js';
import { LineScanner, type BlockRequest } from './line-scanner.js';

export class ForwardScanner extends LineScanner {
  readonly #end: number;
  /** Bytes of the block that have come. */
  #filled = 0;
  /** How far the block has been searched for a delimiter, without one. */
  #searched = 0;
  /** The beginning of a line that is too long, while its end is looked for. */
  #cut: string | Buffer | undefined;
  /** Byte offset of the batch's first line. */
  #position: number;
  #ended = false;

  /** `end` may be `Infinity`. */
  constructor(format: LineFormat, start: number, end: number, blockSize: number, path: string | undefined) {
    super(format, start, start, blockSize, path);
    this.#end = end;
    this.#position = start;
  }

  override next(): BlockRequest | undefined {
    if (this.count > 0) {
      // What follows the last whole line is read again: less than a line, and no bytes have to be kept in step.
      this.#position = this.base + this.to;
      this.setBatch([], 0, 0);
      this.#restart(this.#position);
    }
    if (this.#ended) return undefined;
    const target = this.block.subarray(this.#filled, Math.min(this.block.length, this.#end - this.base));
    return { target, position: this.base + this.#filled, from: this.base };
  }

  override accept(bytes: number, isSlow = false, places?: number): boolean {
    this.#filled += bytes;
    const ended = bytes === 0 || this.base + this.#filled >= this.#end;
    const partial = !ended && this.#filled < this.block.length;
    if (partial && !isSlow) return false;
    const block = this.block.subarray(0, this.#filled);
    if (this.#cut !== undefined) return this.#skip(block, 0, ended);

    const from = this.base === this.start ? this.textStart(block) : 0;
    if (block.length === from && ended) return this.#finish(from, from, []);
    const grown = this.block.length > this.blockSize;
    let to = ended && !grown ? block.length : this.#findEnd(block, from);
    if (to < 0 && ended) to = block.length;
    if (to >= 0) return this.#cutBatch(block, from, to, ended, places);
    if (partial) return false;

    if (block.length - from >= this.longestBlock) return this.#overflow(block, from, ended);
    const grownBlock = Buffer.allocUnsafeSlow(Math.min(this.block.length * 2, from + this.longestBlock));
    grownBlock.set(block);
    this.block = grownBlock;
    return false;
  }

  /**
   * To be called when nothing more has come for now: makes a batch of the whole lines there are. False when there is
   * none; what there is of a line stays.
   */
  pause(): boolean {
    const block = this.block.subarray(0, this.#filled);
    if (this.#cut !== undefined) return this.#skip(block, 0, false);
    const from = this.base === this.start ? this.textStart(block) : 0;
    const to = this.#findEnd(block, from);
    return to >= 0 && this.#cutBatch(block, from, to, false);
  }

  override positionAfter(count: number): number {
    return count === 0 ? this.#position : this.base + this.lineEnd(count);
  }

  /** Up to where there are whole lines in the block; -1 where there is none, which need not be looked at again. */
  #findEnd(block: Buffer, from: number): number {
    const { format } = this;
    let to: number;
    if (this.block.length > this.blockSize) {
      // One line that outgrew the block; those after it are for blocks of the usual size.
      const at = format.find(block, Math.max(from, this.#searched));
      to = at < 0 ? -1 : at + format.delimiterLength;
    } else to = format.lastLineEnd(block, from);
    if (to < 0) this.#searched = Math.max(from, block.length - format.delimiterLength + format.unit);
    return to;
  }

  /** Makes a batch of the whole lines in `[from, to)`: as far as none of them is too long, where that is an error. */
  #cutBatch(block: Buffer, from: number, to: number, ended: boolean, places?: number): boolean {
    const { format } = this;
    const lines = format.split(block, from, to, places);
    if (lines !== undefined)
      return ended && to === block.length ? this.#finish(from, to, lines) : this.setBatch(lines, from, to);
    const ends = format.lineEnds(block, from, to);
    const tooLong = (end: number, i: number): boolean => this.isTooLong(block, i > 0 ? ends[i - 1]! : from, end);
    const long = format.truncates ? -1 : ends.findIndex(tooLong);
    if (long === 0) throw this.lineTooLong(this.base + from);
    const count = long < 0 ? ends.length : long;
    const each = format.decodeEach(block, from, ends, 0, count);
    const batchEnd = ends[count - 1]!;
    if (ended && batchEnd === block.length) return this.#finish(from, batchEnd, each, ends);
    return this.setBatch(each, from, batchEnd, ends);
  }

  #overflow(block: Buffer, from: number, ended: boolean): boolean {
    this.checkTruncates(this.base + from);
    this.#cut = this.format.decodeCut(block, from, from + this.format.maxLineLength);
    return this.#skip(block, from, ended);
  }

  /** Looks for the end of the line that is too long. */
  #skip(block: Buffer, from: number, ended: boolean): boolean {
    const { format } = this;
    const at = format.find(block, from);
    if (at < 0 && !ended) {
      // A delimiter may lie across the border, and so may a unit.
      const searched = block.length - (block.length % format.unit) - format.delimiterLength + format.unit;
      if (searched > 0) this.#restart(this.base + searched);
      return false;
    }
    const lines = [this.#cut!];
    this.#cut = undefined;
    const to = at < 0 ? block.length : at + format.delimiterLength;
    return ended && to === block.length ? this.#finish(from, to, lines) : this.setBatch(lines, from, to);
  }

  #finish(from: number, to: number, lines: Array<string | Buffer>, ends?: number[]): true {
    this.#ended = true;
    if (lines.length === 0) this.#position = this.base + to;
    return this.setBatch(lines, from, to, ends);
  }

  #restart(base: number): void {
    this.base = base;
    this.#filled = 0;
    this.#searched = 0;
    if (this.block.length > this.blockSize) this.block = Buffer.allocUnsafeSlow(this.blockSize);
  }
}
