/** Lines from the back to the front. */
import { MappedFileError } from '../errors.js';
import type { LineFormat } from './line-format.js';
import { LineScanner, type BlockRequest } from './line-scanner.js';

/** More than the longest byte-order mark: a block begins either with the range or after any such mark. */
const MARK_ROOM = 4;

export class ReverseScanner extends LineScanner {
  readonly #store: Buffer;
  /** Byte offsets that the lines from the batch on end at, and those after the batch. */
  #position: number;
  #next: number;
  /** Bytes at the front of the block that are wanted, and how many of them have come. */
  #wanted = 0;
  #came = 0;
  /** A line that is too long is first sought back to its beginning, and then its text is read. */
  #state: 'lines' | 'seek' | 'cut' = 'lines';

  /** `end` should not lie past the end of the file. */
  constructor(format: LineFormat, start: number, end: number, blockSize: number, path: string | undefined) {
    super(format, start, end, blockSize, path);
    this.#store = Buffer.allocUnsafeSlow(this.blockSize + MARK_ROOM);
    this.#position = this.#next = end;
  }

  override next(): BlockRequest | undefined {
    if (this.#came === this.#wanted && this.#state === 'lines') {
      this.#position = this.#next;
      if (this.#position <= this.start) return undefined;
      this.setBatch([], 0, 0);
      this.#want(this.#position);
    }
    return { target: this.block.subarray(this.#came, this.#wanted), position: this.base + this.#came };
  }

  override accept(bytes: number): boolean {
    this.#came += bytes;
    if (this.#came < this.#wanted) {
      if (bytes > 0) return false;
      const details = { path: this.path, position: this.base + this.#came };
      throw new MappedFileError('ERR_MAPPED_FILE_TRUNCATED', 'The file became shorter while read backwards', details);
    }
    if (this.#state === 'seek') return this.#seek();
    if (this.#state === 'cut') return this.#takeCut();

    const { block, format } = this;
    if (this.base === this.start) return this.#takeLines(this.textStart(block));
    const terminal = block.length - format.delimiterLength;
    // A block that has grown holds one line that outgrew it, whose beginning is in what came last.
    const grown = this.#wanted < block.length;
    const searched = Math.min(terminal, this.#wanted + format.delimiterLength - format.unit);
    const at = grown ? format.findLast(block, searched) : format.find(block, 0);
    if (at >= 0 && at < terminal) return this.#takeLines(at + format.delimiterLength);
    if (block.length < this.longestBlock) return this.#grow();
    this.checkTruncates(this.#position);
    return this.#seekBefore(this.base);
  }

  override positionAfter(count: number): number {
    if (count === 0) return this.#position;
    if (count === this.count) return this.#next;
    return this.base + this.lineEnd(this.count - count);
  }

  /** Makes a batch of the lines from `from` on; where lines that are too long are an error, of those behind the last such. */
  #takeLines(from: number): boolean {
    const { block, format } = this;
    const to = block.length;
    // Before the first line there may be a byte-order mark, which is no line.
    this.#next = this.base === this.start ? this.start : this.base + from;
    if (from >= to) return this.setBatch([], from, to);
    const lines = format.split(block, from, to);
    if (lines !== undefined) return this.setBatch(lines.reverse(), from, to);
    const ends = format.lineEnds(block, from, to);
    const begin = (i: number): number => (i > 0 ? ends[i - 1]! : from);
    const long = format.truncates ? -1 : ends.findLastIndex((end, i) => this.isTooLong(block, begin(i), end));
    const first = long + 1;
    if (first === ends.length) throw this.lineTooLong(this.#position);
    if (first > 0) this.#next = this.base + begin(first);
    const each = format.decodeEach(block, from, ends, first, ends.length);
    return this.setBatch(each.reverse(), begin(first), to, ends.slice(first));
  }

  /** Asks for the block that ends at `end`. */
  #want(end: number): false {
    let base = Math.max(this.start, end - this.blockSize);
    if (base - this.start < MARK_ROOM) base = this.start;
    else base += (base - this.start) % this.format.unit;
    this.base = base;
    this.block = this.#store.subarray(0, end - base);
    this.#wanted = this.block.length;
    this.#came = 0;
    return false;
  }

  /** Asks for the bytes before a block that is too small for its line. */
  #grow(): false {
    const old = this.block;
    const end = this.base + old.length;
    let base = Math.max(this.start, end - Math.min(old.length * 2, this.longestBlock));
    if (base - this.start < MARK_ROOM) base = this.start;
    else base -= (base - this.start) % this.format.unit;
    this.#wanted = this.base - base;
    this.#came = 0;
    this.base = base;
    this.block = Buffer.allocUnsafeSlow(end - base);
    this.block.set(old, this.#wanted);
    return false;
  }

  #seekBefore(position: number): false {
    this.#state = 'seek';
    // A delimiter may lie across the border.
    return this.#want(position + this.format.delimiterLength - this.format.unit);
  }

  #seek(): false {
    const { format } = this;
    const at = format.findLast(this.block, this.block.length);
    if (this.base > this.start && at < 0) return this.#seekBefore(this.base);
    const found = at >= 0 && (this.base > this.start || at >= this.textStart(this.block));
    return this.#wantCut(found ? this.base + at + format.delimiterLength : this.start);
  }

  /** Asks for the beginning of the line that begins at `position` and is too long. */
  #wantCut(position: number): false {
    this.#state = 'cut';
    this.#next = this.base = position;
    const length = Math.min(this.format.maxLineLength + MARK_ROOM, this.#position - position);
    this.block = Buffer.allocUnsafeSlow(length);
    this.#wanted = length;
    this.#came = 0;
    return false;
  }

  #takeCut(): true {
    this.#state = 'lines';
    const from = this.base === this.start ? this.textStart(this.block) : 0;
    return this.setBatch([this.format.decodeCut(this.block, from, from + this.format.maxLineLength)], 0, 0);
  }
}
