import { EventEmitter } from 'node:events';
import { Readable } from 'node:stream';
import { invalidArgType } from '../errors.js';
import type { MappedFile } from '../mapped-file.js';
import { toPosition } from '../ranges.js';
import { type Callback, callBack } from './bytes.js';
import { type AdapterOptions, closesFile } from './options.js';

/**
 * What `yauzl.fromRandomAccessReader` takes: the members of yauzl's RandomAccessReader and of fd-slicer, over a file.
 * It counts its users, and emits `'close'` when the last has gone.
 */
export class RandomAccessReader extends EventEmitter {
  readonly #file: MappedFile;
  readonly #closes: boolean;
  #users = 0;

  /** @internal */
  constructor(file: MappedFile, options: AdapterOptions) {
    super();
    this.#closes = closesFile(options);
    this.#file = file;
  }

  /** Reads up to `length` bytes from `position` of the file to `offset` of `buffer`, as `fs.read` without descriptor. */
  read(
    buffer: Buffer,
    offset: number,
    length: number,
    position: number,
    callback: (error: Error | null, bytesRead?: number, buffer?: Buffer) => void,
  ): void {
    if (typeof callback !== 'function') throw invalidArgType('callback', 'of type function', callback);
    callBack(this.#file.read(buffer, offset, length, position), (error, done) => {
      if (error) callback(error);
      else callback(null, done?.bytesRead, done?.buffer);
    });
  }

  /** The bytes of `[start, end)`, `end` being **exclusive**, unlike in node:fs; to the end of the file without it. */
  createReadStream(options: { start?: number | undefined; end?: number | undefined } = {}): Readable {
    const stream = this._readStreamForRange(options.start ?? 0, options.end ?? Infinity);
    this.ref();
    stream.once('close', () => this.unref());
    return stream;
  }

  /** As {@link createReadStream}, uncounted: what a subclass of yauzl's class has to have. */
  _readStreamForRange(start: number, end: number): Readable {
    const last = end === Infinity ? end : toPosition(end, 'end') - 1;
    if (last < toPosition(start, 'start')) return Readable.from([], { objectMode: false });
    return this.#file.createReadStream({ start, end: last });
  }

  /** Counts a user. */
  ref(): void {
    this.#users++;
  }

  /** Discounts a user; with the last, closes. */
  unref(): void {
    if (this.#users === 0) throw new Error('invalid unref');
    if (--this.#users > 0) return;
    this.close((error) => {
      if (error) this.emit('error', error);
      else this.emit('close');
    });
  }

  /** Closes the file where that was asked for, and calls back. */
  close(callback: Callback<void> = () => {}): void {
    callBack(this.#closes ? this.#file.close() : Promise.resolve(), callback);
  }
}

/**
 * `file` as a reader of yauzl: `yauzl.fromRandomAccessReader(toRandomAccessReader(file), file.size, …)`.
 *
 * @example
 * ```ts
 * import { once } from 'node:events';
 * import { MappedFile } from 'sliding-mmap';
 * import { toRandomAccessReader } from 'sliding-mmap/adapters';
 * import yauzl from 'yauzl';
 *
 * await using file = await MappedFile.open('archive.zip');
 * yauzl.fromRandomAccessReader(toRandomAccessReader(file), file.size, {}, (error, zip) => {
 *   if (error) throw error;
 *   zip.on('entry', ({ fileName }: yauzl.Entry) => console.log(fileName)); // → folder-0/member-0.txt
 * });
 * await once(process, 'beforeExit');
 * ```
 */
export function toRandomAccessReader(file: MappedFile, options: AdapterOptions = {}): RandomAccessReader {
  return new RandomAccessReader(file, options);
}
