/** Which pages of a file are in memory, which are to stay there, and which to go. */
import { constants as bufferConstants } from 'node:buffer';
import { constants as osConstants } from 'node:os';
import { MappedFileError, outOfRange, systemError } from './errors.js';
import { FileErrors } from './file-errors.js';
import { native, type NativePin } from './native.js';
import { roundUp, toRange } from './ranges.js';
import type { WindowCache } from './window-cache.js';
import type { WindowPool } from './window-pool.js';

const { EAGAIN, ENODEV, ENOMEM, EPERM } = osConstants.errno;
const { granularity, pageSize } = native;

/** Which pages of a range are in memory, as `MappedFile.residency` gives it. */
export interface Residency {
  /** Bytes of a page. */
  pageSize: number;
  /** How many pages the range touches. */
  pages: number;
  /** How many of them are in memory. */
  resident: number;
  /** One byte for each, from the one that `start` is in: 1 when it is in memory, or 0. */
  map: Uint8Array;
}

interface Pin {
  readonly start: number;
  readonly end: number;
  /** Address space in bytes, as the pool counts it. */
  readonly reserved: number;
  readonly hold: NativePin;
}

interface Abandoned {
  pins: Set<Pin>;
  pool: WindowPool;
}

const abandoned = new FinalizationRegistry(releaseAll);

function releaseAll({ pins, pool }: Abandoned): void {
  for (const pin of pins) release(pin, pool);
  pins.clear();
}

function release({ hold, reserved }: Pick<Pin, 'hold' | 'reserved'>, pool: WindowPool): void {
  native.releasePin(hold);
  pool.viewReleased(reserved);
}

/** The pages of one file. @internal */
export class Pages {
  readonly #cache: WindowCache;
  readonly #pool: WindowPool;
  readonly #errors: FileErrors;
  readonly #pins = new Set<Pin>();

  constructor(cache: WindowCache, pool: WindowPool) {
    this.#cache = cache;
    this.#pool = pool;
    this.#errors = new FileErrors(cache.path);
  }

  /** How many ranges are pinned, and their bytes. */
  get pinned(): { pins: number; bytesPinned: number } {
    let bytesPinned = 0;
    for (const { start, end } of this.#pins) bytesPinned += end - start;
    return { pins: this.#pins.size, bytesPinned };
  }

  residency(start: unknown, end: unknown): Residency {
    const { fd, path } = this.#cache;
    const size = this.#size();
    const range = toRange(start, end, size);
    const last = Math.min(range.end, size);
    const first = Math.floor(range.start / pageSize);
    const pages = last <= range.start ? 0 : Math.ceil(last / pageSize) - first;
    const most = bufferConstants.MAX_LENGTH;
    if (pages > most)
      throw outOfRange('end - start', `<= ${most * pageSize}: one byte for each page`, pages * pageSize);
    // It would claim all of them (mincore(2)).
    if (native.tellsResidency(fd) !== 1) throw systemError(EPERM, 'mincore', path);
    const map = this.#array(pages);
    const resident = pages === 0 ? 0 : native.residency(fd, first * pageSize, map);
    if (resident === -ENODEV) throw this.#notMappable(resident);
    return { pageSize, pages, resident: this.#errors.succeed(resident, 'mincore'), map };
  }

  #array(length: number): Uint8Array {
    try {
      return new Uint8Array(length);
    } catch (cause) {
      const message = `There is no memory for ${length} bytes, one for each page`;
      throw new MappedFileError('ERR_MAPPED_FILE_BUDGET', message, { path: this.#cache.path, length, cause });
    }
  }

  #size(): number {
    this.#cache.requireEnd();
    return this.#cache.refreshSync();
  }

  async pin(start: unknown, end: unknown): Promise<void> {
    const size = this.#size();
    const range = toRange(start, end, size);
    if (range.end > size) throw outOfRange('end', `<= ${size}, the file's size`, range.end);
    const length = range.end - range.start;
    if (length === 0) return;
    const from = Math.floor(range.start / granularity) * granularity;
    const pinned = range.end - from;
    const reserved = roundUp(pinned, granularity);
    this.#pool.admitView(reserved, this.#cache.path, range.start);
    let hold = native.createPin(this.#cache.fd, from, pinned);
    while (hold === -ENOMEM && this.#pool.shrink()) hold = native.createPin(this.#cache.fd, from, pinned);
    if (typeof hold === 'number') {
      this.#pool.viewReleased(reserved);
      if (hold !== -ENOMEM) throw this.#notMappable(hold);
      const cause = systemError(ENOMEM, 'mmap', this.#cache.path);
      throw this.#budget('The address space has no room to pin so much', range.start, length, cause);
    }
    const pin: Pin = { ...range, reserved, hold };
    const status = await this.#cache.track(native.lockPin(hold));
    if (status === 0 && !this.#cache.closed) {
      if (this.#pins.size === 0) abandoned.register(this, { pins: this.#pins, pool: this.#pool }, this);
      this.#pins.add(pin);
      return;
    }
    release(pin, this.#pool);
    if (this.#cache.closed) throw this.#errors.closed();
    throw this.#whyNot(-status, range.start, length);
  }

  #notMappable(status: number): MappedFileError {
    const cause = systemError(-status, 'mmap', this.#cache.path);
    return this.#errors.notMappable('The file cannot be mapped', undefined, undefined, cause);
  }

  #budget(message: string, position: number, length: number, cause: unknown): MappedFileError {
    return new MappedFileError('ERR_MAPPED_FILE_BUDGET', message, {
      ...{ path: this.#cache.path, position, length },
      ...{ syscall: 'mlock', cause },
    });
  }

  #whyNot(errno: number, position: number, length: number): Error {
    const size = this.#cache.refreshSync();
    if (position + length > size) {
      return this.#errors.truncated(`The file shrank to ${size} bytes while it was pinned`, position, length);
    }
    const most = native.mostLocked();
    if (most < 0 || (errno !== ENOMEM && errno !== EPERM && errno !== EAGAIN)) {
      return this.#errors.mapping(errno, 'mlock', position, length);
    }
    const message =
      `${length} bytes cannot be pinned: this process may keep ${most} bytes in memory in all ` +
      `(RLIMIT_MEMLOCK, ulimit -l)`;
    return this.#budget(message, position, length, systemError(errno, 'mlock', this.#cache.path));
  }

  unpin(start: unknown, end: unknown): void {
    this.#cache.enter();
    const range = toRange(start, end, Infinity);
    for (const pin of this.#pins) {
      if (pin.start < range.start || pin.end > range.end) continue;
      this.#pins.delete(pin);
      release(pin, this.#pool);
    }
    if (this.#pins.size === 0) abandoned.unregister(this);
  }

  async dropCache(start: unknown, end: unknown): Promise<void> {
    this.#cache.requireEnd();
    const range = toRange(start, end, Infinity);
    // Dirty pages, and those that somebody has mapped, stay.
    await this.#cache.flush(range.start, range.end);
    this.#cache.advise('dontneed', range.start, range.end);
    const length = range.end === Infinity ? 0 : range.end - range.start;
    if (range.end === range.start) return;
    const status = await this.#cache.track(native.dropCacheAsync(this.#cache.fd, range.start, length));
    this.#errors.succeed(status, 'posix_fadvise');
  }

  /** Releases all that is pinned. */
  close(): void {
    abandoned.unregister(this);
    releaseAll({ pins: this.#pins, pool: this.#pool });
  }
}
