/** Finding lines by their numbers, and numbers by positions. */
import { createHash } from 'node:crypto';
import { constants } from 'node:buffer';
import type { CountingSource, FileIdentity } from '../byte-source.js';
import { checkSignal, invalidArgType, invalidArgValue, MappedFileError } from '../errors.js';
import { native } from '../native.js';
import { pathOfURL } from '../paths.js';
import { type Position, toCount, toPosition } from '../ranges.js';
import { DelimiterTable, LEAST_INTERVAL, MOST_INTERVAL } from './delimiter-table.js';
import type { LineFormat } from './line-format.js';
import { loadIndex, saveIndex, type StoredIndex } from './line-index-file.js';
import { Lines } from './lines.js';
import { type LinesOptions, resolveOptions, type TextEncoding } from './options.js';
import { fill, readAsync, readSync, type Reading } from './reading.js';

/** Bytes from one entry to the next, at first: so many are read at most to find a line or a number. */
const INTERVAL = 256 * 1024;
/** Bytes that one job on the thread pool counts: some milliseconds when they are in memory. */
const JOB = 16 * 1024 * 1024;
/** Jobs under way at a time: while one waits for the device, or has its turn on another processor. */
const JOBS = 2;
/** Bytes copied at a time to look for a line. */
const PIECE = 64 * 1024;
const LEAST_PIECE = 4096;
/** A file is known again by so many samples of so many bytes, evenly spread, the first and the last bytes among them. */
const SAMPLES = 16;
const SAMPLE = 4096;

/** How far an index is; see {@link LineIndexOptions.onProgress}. */
export interface LineIndexProgress {
  /** Byte offset up to which lines have been counted. */
  position: number;
  /** Byte offset up to which they are to be counted. */
  end: number;
  /** Delimiters found so far. */
  lines: number;
}

/** Options of a step that counts lines. */
export interface LineIndexRefreshOptions {
  /** Called after every 16 MiB or so. What it throws ends the step. */
  onProgress?: ((progress: LineIndexProgress) => void) | undefined;
  /** Ends the step with the signal's reason. */
  signal?: AbortSignal | undefined;
}

/** Options of `MappedFile.lineIndex`; the encoding belongs to the type of the lines. */
export interface LineIndexOptions<T extends string | Buffer = string> extends LineIndexRefreshOptions {
  /** As in `LinesOptions`: default `'utf8'`. */
  encoding?: (T extends string ? TextEncoding : 'buffer') | undefined;
  /** As in `LinesOptions`, but it must not overlap itself (as `'\n\n'` does). */
  delimiter?: number | string | Uint8Array | undefined;
  /**
   * Bytes of the file from one entry of the index to the next, rounded up to a power of two; default 256 KiB, at least
   * 4 KiB. An entry takes 8 bytes, and a lookup reads at most so many bytes. It doubles whenever there would be more
   * than 2^20 entries.
   */
  interval?: number | undefined;
  /**
   * Loads the index from where `save` has put it, `true` for its default place, and extends it if the file has grown
   * since. Rejects with `ERR_MAPPED_FILE_INDEX_STALE` when the file is not what was indexed, with
   * `ERR_MAPPED_FILE_INDEX_INVALID` when there is no sound index of such lines, and with the system's errors.
   */
  from?: string | URL | true | undefined;
}

/**
 * A sparse index of a file's lines: how many there are before each multiple of some bytes. Lines are the ones that
 * `lines()` gives with the same encoding and delimiter, and their numbers begin at 1, as in editors and in `grep -n`.
 *
 * The index tells of the file as it was when it was made or last {@link refresh}ed. It does not watch the file: a line
 * that has been changed in place since is given as it is now, and numbers may be wrong then. Where a lookup meets the
 * end of the file too early it throws `ERR_MAPPED_FILE_TRUNCATED`.
 *
 * It holds nothing but memory, {@link byteLength} bytes, and belongs to the file that made it.
 *
 * @example
 * ```ts
 * const index = await file.lineIndex();
 * console.log(index.lineCount, await index.positionOf(2)); // → 20000 52
 * fs.appendFileSync('access.log', 'one more\n');
 * await index.refresh();
 * console.log(await index.line(20_001)); // → one more
 * ```
 */
export class LineIndex<T extends string | Buffer = string> {
  readonly #source: CountingSource;
  readonly #options: Pick<LinesOptions<T>, 'delimiter' | 'encoding'>;
  readonly #format: LineFormat;
  #table: DelimiterTable;
  #covered = 0;
  /** Delimiters in what is covered. */
  #delimiters = 0;
  /** Whether what is covered ends where a line ends. */
  #ended = true;
  #identity: FileIdentity;
  #fingerprint: Uint8Array = new Uint8Array(0);
  #stale: MappedFileError | undefined;
  /** Memory for lookups, while none uses it. */
  #spare: Buffer | undefined;
  #last: Promise<unknown> = Promise.resolve();

  private constructor(
    source: CountingSource,
    options: Pick<LinesOptions<T>, 'delimiter' | 'encoding'>,
    format: LineFormat,
    identity: FileIdentity,
    table: DelimiterTable,
  ) {
    this.#source = source;
    this.#options = options;
    this.#format = format;
    this.#identity = identity;
    this.#table = table;
  }

  /**
   * Makes an index, or loads one.
   *
   * @hidden
   */
  static async create<T extends string | Buffer>(
    source: CountingSource,
    options: LineIndexOptions<T> = {},
    /** Entries at most, a power of two. */
    mostEntries?: number,
  ): Promise<LineIndex<T>> {
    if (typeof options !== 'object' || options === null) throw invalidArgType('options', 'of type object', options);
    const { delimiter, encoding, from, interval = INTERVAL } = options;
    const step = refreshOptions(options);
    const { format } = resolveOptions({ delimiter, encoding });
    if (format.overlapsItself)
      throw invalidArgValue(
        'options.delimiter',
        delimiter,
        'overlaps itself, so that lines depend on where one begins',
      );
    toCount(interval, 'options.interval', 1, MOST_INTERVAL);
    const path = from === undefined ? undefined : indexPath(source, from === true ? undefined : from, 'options.from');
    if (step.signal?.aborted) throw step.signal.reason;

    const identity = await source.identify();
    const rounded = 2 ** Math.ceil(Math.log2(Math.max(interval, LEAST_INTERVAL)));
    // Tests with little room for entries also want short intervals.
    const table = new DelimiterTable(mostEntries === undefined ? rounded : interval, mostEntries);
    const index = new LineIndex<T>(source, { delimiter, encoding }, format, identity, table);
    if (path === undefined) await index.#extend(identity, step);
    else await index.#restore(await loadIndex(path, identity), path, step);
    return index;
  }

  /** How many lines there are. The last one needs no delimiter, and one that is empty then does not count. */
  get lineCount(): number {
    this.#check();
    return this.#delimiters + (this.#ended ? 0 : 1);
  }

  /** Bytes of the file that are indexed: its size when the index was made or last refreshed. */
  get size(): number {
    return this.#covered;
  }

  /** Bytes of memory that the index takes: never more than 8 MiB and a little. */
  get byteLength(): number {
    return this.#table.byteLength;
  }

  /** Bytes of the file from one entry to the next now. */
  get interval(): number {
    return this.#table.interval;
  }

  /**
   * Byte offset at which line `n` begins: 1 to `lineCount`, or `lineCount + 1` for where the last one ends. Rejects with
   * `ERR_OUT_OF_RANGE` for any other.
   */
  async positionOf(n: number): Promise<number> {
    this.#checkLine(n, 1);
    return readAsync(this.#source, this.#locate(n));
  }

  /** As {@link positionOf}; may block. */
  positionOfSync(n: number): number {
    this.#checkLine(n, 1);
    return readSync(this.#source, this.#locate(n));
  }

  /**
   * Number of the line that the byte at `position` belongs to; a delimiter belongs to the line it ends. At the end of
   * the file it is the line that an appended byte would belong to. Rejects with `ERR_OUT_OF_RANGE` behind that.
   */
  async lineAt(position: Position): Promise<number> {
    const at = this.#checkPosition(position);
    return readAsync(this.#source, this.#numberAt(at));
  }

  /** As {@link lineAt}; may block. */
  lineAtSync(position: Position): number {
    const at = this.#checkPosition(position);
    return readSync(this.#source, this.#numberAt(at));
  }

  /**
   * Line `n`, 1 to `lineCount`, without its delimiter. Rejects with `ERR_OUT_OF_RANGE`, and with
   * `ERR_MAPPED_FILE_LINE_TOO_LONG` for one that is longer than `buffer.constants.MAX_STRING_LENGTH` bytes.
   */
  async line(n: number): Promise<T> {
    this.#checkLine(n, 0);
    return readAsync(this.#source, this.#text(n));
  }

  /** As {@link line}; may block. */
  lineSync(n: number): T {
    this.#checkLine(n, 0);
    return readSync(this.#source, this.#text(n));
  }

  /**
   * The lines from number `from` (default 1) up to, and without, number `to` (default: to the end), as `lines()` gives
   * them and with its other options.
   */
  async lines(from?: number, to?: number, options?: IndexedLinesOptions<T>): Promise<Lines<T>> {
    const [first, end] = this.#checkRange(from, to);
    const start = await readAsync(this.#source, this.#locate(first));
    return this.#lines(start, await readAsync(this.#source, this.#locate(end)), options);
  }

  /** As {@link lines}; may block. */
  linesSync(from?: number, to?: number, options?: IndexedLinesOptions<T>): Lines<T> {
    const [first, end] = this.#checkRange(from, to);
    const start = readSync(this.#source, this.#locate(first));
    return this.#lines(start, readSync(this.#source, this.#locate(end)), options);
  }

  /**
   * Looks at the file again, indexes what has been appended, and gives the number of lines. A last line that had no end
   * yet keeps its number. Rejects with `ERR_MAPPED_FILE_INDEX_STALE` when the file is not what was indexed: it is
   * shorter, was changed without growing, or differs in the samples that the index keeps of it. Then every call does
   * so: make another index. Refreshing twice at a time, one waits for the other; lookups meanwhile tell of what was
   * there before.
   */
  refresh(options: LineIndexRefreshOptions = {}): Promise<number> {
    const refreshed = this.#last.then(async () => {
      const step = refreshOptions(options);
      this.#check();
      if (step.signal?.aborted) throw step.signal.reason;
      const identity = await this.#source.identify();
      if (!isSame(identity, this.#identity)) {
        await this.#judge(identity);
        await this.#extend(identity, step);
      }
      return this.lineCount;
    });
    this.#last = refreshed.catch(() => undefined);
    return refreshed;
  }

  /**
   * Saves the index, by default beside the file as `<path>.lines`, and gives that path. The file is replaced as a whole
   * and can be read by its owner only. Load it by `file.lineIndex({ from })`.
   */
  async save(path?: string | URL): Promise<string> {
    this.#check();
    const to = indexPath(this.#source, path, 'path');
    // A copy: the table may grow while it is written.
    const { entries, interval } = this.#table;
    const places = this.#places(this.#covered);
    const stored: StoredIndex = {
      unit: this.#format.unit,
      delimiter: this.#format.delimiter,
      inode: this.#identity.inode,
      modified: this.#identity.modified,
      covered: this.#covered,
      delimiters: this.#delimiters,
      interval,
      entries: entries.slice(0, Math.floor(places / interval)),
      fingerprint: this.#fingerprint,
    };
    await saveIndex(stored, to, this.#identity);
    return to;
  }

  // --- looking up ------------------------------------------------------------------------------------------------

  /** Where line `n` begins: behind the delimiter before it. */
  *#locate(n: number): Reading<number> {
    const count = n - 1;
    if (count === 0) return 0;
    if (count > this.#delimiters) return this.#covered;
    const { delimiter, unit } = this.#format;
    const wide = unit === 2;
    const entry = this.#table.search(count);
    let position = entry * this.#table.interval;
    const end = this.#places(Math.min(this.#covered, position + this.#table.interval + delimiter.length - 1));
    let left = count - this.#table.at(entry);
    const piece = this.#take();
    while (position < end) {
      const bytes = yield* this.#read(piece, position, end);
      const at = native.findNth(bytes, delimiter, wide, left);
      if (at >= 0) {
        this.#spare = piece;
        return position + at + delimiter.length;
      }
      left -= -1 - at;
      position += bytes.length - delimiter.length + 1;
    }
    throw this.#changed('has fewer delimiters than it had');
  }

  *#numberAt(position: number): Reading<number> {
    const { delimiter, unit } = this.#format;
    // Delimiters that end at the position or before it.
    const end = this.#places(position);
    const entry = this.#table.before(end);
    let at = entry * this.#table.interval;
    let count = this.#table.at(entry);
    const piece = this.#take();
    while (at < end) {
      const bytes = yield* this.#read(piece, at, end);
      count += native.count(bytes, delimiter, unit === 2);
      at += bytes.length - delimiter.length + 1;
    }
    this.#spare = piece;
    return count + 1;
  }

  *#text(n: number): Reading<T> {
    const format = this.#format;
    const from = yield* this.#locate(n);
    const to = yield* this.#lineEnd(from);
    const most = constants.MAX_STRING_LENGTH;
    if (to - from > most) {
      const details = { path: this.#source.path, position: from, length: to - from };
      throw new MappedFileError('ERR_MAPPED_FILE_LINE_TOO_LONG', `The line is longer than ${most} bytes`, details);
    }
    const bytes = Buffer.allocUnsafeSlow(to - from);
    if ((yield* fill(bytes, from)) < bytes.length) throw this.#truncated(from, bytes.length);
    const begin = from === 0 ? format.markLength(bytes) : 0;
    return format.decode(bytes, begin, format.textEnd(bytes, begin, bytes.length)) as T;
  }

  /** Where the line that begins at `position` ends, its delimiter included. */
  *#lineEnd(position: number): Reading<number> {
    const { delimiter, unit } = this.#format;
    const covered = this.#covered;
    const end = this.#places(covered);
    const piece = this.#take();
    // Most lines are short.
    let length = LEAST_PIECE;
    for (let at = position; at < end;) {
      const bytes = yield* this.#read(piece.subarray(0, length + delimiter.length), at, end);
      const found = native.findNth(bytes, delimiter, unit === 2, 1);
      if (found >= 0) {
        this.#spare = piece;
        return at + found + delimiter.length;
      }
      at += bytes.length - delimiter.length + 1;
      length = Math.min(PIECE, 2 * length);
    }
    this.#spare = piece;
    return covered;
  }

  /** The bytes from `position` of delimiters that begin before `end`, as many as fit. Whole units, from a whole one. */
  *#read(piece: Buffer, position: number, end: number): Reading<Buffer> {
    const { delimiterLength, unit } = this.#format;
    const beyond = delimiterLength - 1;
    let begins = Math.min(piece.length - beyond, end - position);
    if (begins < end - position) begins -= begins % unit;
    const bytes = piece.subarray(0, begins + beyond);
    if ((yield* fill(bytes, position)) < bytes.length) throw this.#truncated(position, bytes.length);
    return bytes;
  }

  #take(): Buffer {
    const piece = this.#spare ?? Buffer.allocUnsafeSlow(PIECE + this.#format.delimiterLength);
    this.#spare = undefined;
    return piece;
  }

  #lines(start: number, end: number, options: IndexedLinesOptions<T> = {}): Lines<T> {
    return new Lines<T>(this.#source, { ...options, ...this.#options, start, end });
  }

  // --- making ----------------------------------------------------------------------------------------------------

  /** Counts on from the last entry to the size that `identity` tells. After an error the index is as it was. */
  async #extend(identity: FileIdentity, { onProgress, signal }: LineIndexRefreshOptions): Promise<void> {
    const table = this.#table;
    const { size } = identity;
    const end = this.#places(size);
    const start = table.length * table.interval;
    let position = start;
    let delimiters = table.at(table.length);
    try {
      for await (const { counts, length, step } of countAll(this.#source, this.#format, start, end, table, signal)) {
        for (let i = 0, left = length; left > 0; i++, left -= step) {
          position += Math.min(step, left);
          delimiters += counts[i]!;
          // A table that was halved meanwhile has entries farther apart.
          if (position === (table.length + 1) * table.interval) table.push(delimiters);
        }
        onProgress?.({ position, end: size, lines: delimiters });
      }
      const ended = await readAsync(this.#source, this.#isEndOfLine(size, delimiters), signal);
      const fingerprint = await this.#sample(size);
      if (signal?.aborted) throw signal.reason;
      this.#covered = size;
      this.#delimiters = delimiters;
      this.#ended = ended;
      this.#identity = identity;
      this.#fingerprint = fingerprint;
    } catch (error) {
      table.cutAt(this.#places(this.#covered));
      throw error;
    }
  }

  /** Takes over a stored index, if it is of this file and of these lines. */
  async #restore(stored: StoredIndex, path: string, step: LineIndexRefreshOptions): Promise<void> {
    const identity = this.#identity;
    const { delimiter, unit } = this.#format;
    if (stored.unit !== unit || Buffer.compare(stored.delimiter, delimiter) !== 0) {
      const message = 'The line index is of lines with another delimiter or encoding';
      throw new MappedFileError('ERR_MAPPED_FILE_INDEX_INVALID', message, { path });
    }
    this.#table = DelimiterTable.of(stored.interval, stored.entries);
    this.#covered = stored.covered;
    this.#delimiters = stored.delimiters;
    this.#fingerprint = stored.fingerprint;
    const { inode, modified, covered: size } = stored;
    this.#identity = { ...identity, inode, modified, size };
    await this.#judge(identity);
    await this.#extend(identity, step);
    if (size === this.#covered && stored.delimiters !== this.#delimiters)
      throw this.#changed('has another number of delimiters than it had');
  }

  /** Throws unless the file has only been appended to. */
  async #judge(now: FileIdentity): Promise<void> {
    const before = this.#identity;
    if (BigInt.asUintN(64, now.inode) !== BigInt.asUintN(64, before.inode)) throw this.#changed('is another one');
    if (now.size < before.size) throw this.#changed(`has ${now.size} bytes of the ${before.size} that it had`);
    if (now.size === before.size && now.modified !== before.modified) throw this.#changed('was changed');
    const fingerprint = await this.#sample(before.size);
    if (Buffer.compare(fingerprint, this.#fingerprint) !== 0) throw this.#changed('has other bytes');
  }

  /** SHA-256 of samples of the first `size` bytes. */
  async #sample(size: number): Promise<Uint8Array> {
    const hash = createHash('sha256');
    const whole = size <= SAMPLES * SAMPLE;
    const samples = whole ? 1 : SAMPLES;
    const bytes = Buffer.allocUnsafeSlow(whole ? size : SAMPLE);
    for (let i = 0; i < samples && size > 0; i++) {
      const position = whole ? 0 : Math.floor((i / (samples - 1)) * (size - SAMPLE));
      if ((await readAsync(this.#source, fill(bytes, position))) < bytes.length)
        throw this.#truncated(position, bytes.length);
      hash.update(bytes);
    }
    return hash.digest();
  }

  /** Whether no line is left open at `size`: there a delimiter ends, or no text has begun. */
  *#isEndOfLine(size: number, delimiters: number): Reading<boolean> {
    const { delimiter, unit } = this.#format;
    if (delimiters === 0) {
      const head = Buffer.alloc(Math.min(size, 4));
      if ((yield* fill(head, 0)) < head.length) throw this.#truncated(0, head.length);
      return size === this.#format.markLength(head);
    }
    const position = size - delimiter.length;
    if (position < 0 || position % unit !== 0) return false;
    const tail = Buffer.alloc(delimiter.length);
    if ((yield* fill(tail, position)) < tail.length) throw this.#truncated(position, tail.length);
    return tail.equals(delimiter);
  }

  /** Byte offsets, from 0, at which a delimiter can begin that ends at `position` or before it. */
  #places(position: number): number {
    return Math.max(0, position - this.#format.delimiterLength + 1);
  }

  // --- checks ----------------------------------------------------------------------------------------------------

  #check(): void {
    if (this.#stale !== undefined) throw this.#stale;
  }

  #checkLine(n: number, beyond: 0 | 1): void {
    toCount(n, 'n', 1, this.lineCount + beyond);
  }

  #checkRange(from: number | undefined, to: number | undefined): [from: number, to: number] {
    const end = this.lineCount + 1;
    const last = to === undefined ? end : toCount(to, 'to', 1, end);
    return [from === undefined ? 1 : toCount(from, 'from', 1, last), last];
  }

  #checkPosition(position: Position): number {
    this.#check();
    return toCount(toPosition(position), 'position', 0, this.#covered);
  }

  #changed(how: string): MappedFileError {
    const details = { path: this.#source.path };
    const error = new MappedFileError('ERR_MAPPED_FILE_INDEX_STALE', `The file is not as indexed: it ${how}`, details);
    this.#stale = error;
    return error;
  }

  #truncated(position: number, length: number): MappedFileError {
    const details = { path: this.#source.path, position, length };
    return new MappedFileError('ERR_MAPPED_FILE_TRUNCATED', 'The file shrank below what is indexed', details);
  }
}

/** Options of {@link LineIndex.lines}. */
export type IndexedLinesOptions<T extends string | Buffer = string> = Omit<
  LinesOptions<T>,
  'delimiter' | 'encoding' | 'end' | 'follow' | 'start'
>;

interface Counted {
  counts: Float64Array;
  length: number;
  step: number;
}

/** Counts `[start, end)` in some jobs at a time, and gives their results in order. Ended early, it leaves none behind. */
async function* countAll(
  source: CountingSource,
  format: LineFormat,
  start: number,
  end: number,
  table: DelimiterTable,
  signal: AbortSignal | undefined,
): AsyncGenerator<Counted, void> {
  let stop!: (reason: unknown) => void;
  const stopped = new Promise<never>((_, reject) => (stop = reject));
  stopped.catch(() => {});
  const onAbort = (): void => stop(signal!.reason);
  const release = source.retain(stop);
  const jobs: Array<Promise<Counted>> = [];
  let position = start;
  try {
    signal?.addEventListener('abort', onAbort, { once: true });
    while (position < end || jobs.length > 0) {
      while (position < end && jobs.length < JOBS) {
        // Since this job was asked for, or while it runs, the table may be halved: its steps then are parts of the new
        // interval, and never lie across the end of one.
        let step = table.interval;
        while (position % step !== 0) step /= 2;
        const length = Math.min(Math.ceil(JOB / step) * step, end - position);
        const job = countPiece(source, format, position, length, step);
        job.catch(() => {});
        jobs.push(job);
        position += length;
      }
      yield await Promise.race([jobs[0]!, stopped]);
      void jobs.shift();
    }
  } finally {
    void Promise.allSettled(jobs).then(release);
    signal?.removeEventListener('abort', onAbort);
  }
}

async function countPiece(
  source: CountingSource,
  format: LineFormat,
  position: number,
  length: number,
  step: number,
): Promise<Counted> {
  const counts = new Float64Array(Math.ceil(length / step));
  const done = await source.countInto(counts, format.delimiter, format.unit === 2, position, length, step);
  if (done < length) {
    const details = { path: source.path, position, length };
    throw new MappedFileError('ERR_MAPPED_FILE_TRUNCATED', 'The file shrank while its lines were counted', details);
  }
  return { counts, length, step };
}

function isSame(a: FileIdentity, b: FileIdentity): boolean {
  return a.inode === b.inode && a.modified === b.modified && a.size === b.size;
}

function refreshOptions(options: LineIndexRefreshOptions): LineIndexRefreshOptions {
  if (typeof options !== 'object' || options === null) throw invalidArgType('options', 'of type object', options);
  const { onProgress, signal } = options;
  checkSignal(signal);
  if (onProgress !== undefined && typeof onProgress !== 'function')
    throw invalidArgType('options.onProgress', 'of type function', onProgress);
  return { onProgress, signal };
}

/** Where an index is, or is to be. */
function indexPath(source: CountingSource, path: unknown, name: string): string {
  if (path === undefined) {
    if (source.path !== undefined) return `${source.path}.lines`;
    throw invalidArgValue(name, path, 'must be given for a file that was opened by its descriptor');
  }
  const named = typeof path === 'string' ? path : pathOfURL(path);
  if (named === undefined) throw invalidArgType(name, 'of type string or an instance of URL', path);
  return named;
}
