/**
 * The descriptors that were opened through this module, and the mapped files behind them.
 *
 * A descriptor is a number that anybody in the process may close, through node:fs too, and that the system then gives
 * to another file. So nothing is concluded from the number: for each read, one system call tells whether the descriptor
 * is still the mapped file's. Where the system can compare it with a duplicate, that is before a byte is copied; else
 * statx(2) tells it afterwards, and how long the file was then. Only bytes that were inside it are handed out; everything
 * else goes to node:fs.
 */
import fs from 'node:fs';
import { constants as osConstants } from 'node:os';
import { bytesIn } from '../bytes.js';
import { type FileMark, native } from '../native.js';
import { mappingMayStayBehind } from '../sources/kind.js';
import { turnIsSpent } from '../turn.js';
import { WindowCache } from '../window-cache.js';
import { WindowPool } from '../window-pool.js';

const { EOPNOTSUPP } = osConstants.errno;
/** Reads after which a file is mapped: mapping costs as much as several of them. */
const readsBeforeMapping = 4;
/** Longest read that completes on JavaScript's thread when its bytes are in memory; as in {@link WindowCache}. */
const hotLimit = 1024 * 1024;
/** Longer ones do so only while the turn lasts: all that are asked for at once would be copied in one. */
const everHot = 64 * 1024;
/** There nobody can cut, replace or remove a mapped file, which programs do to files that they read by node:fs. */
const mapsNothing = process.platform === 'win32';

/** A file that was opened through this module. */
class OpenFile {
  readonly #fd: number;
  #reads = 0;
  #cache: WindowCache | undefined;
  #mark: FileMark | undefined;
  /**
   * A second descriptor of the same opening, where the system can compare the two, and has a number for it that is out of
   * the program's way; else -1. Nobody else closes it, so that what is mapped by it is the file that was opened.
   */
  #duplicate = -1;

  constructor(fd: number) {
    this.#fd = fd;
  }

  /** Reads all of the range out of a window; false where node:fs is to do it. May block. */
  readSync(target: Uint8Array, offset: number, length: number, position: number): boolean {
    const cache = this.#openCache();
    if (cache === undefined) return false;
    // What ends with a zero is left to node:fs: to ask for the size before and after costs as much.
    const copied = cache.copyOut(target, offset, length, position, true);
    if (copied && this.#duplicate >= 0) return true;
    return this.#stillIs(cache) && copied && position + length <= cache.size;
  }

  /** As {@link readSync}, but without waiting for a device. */
  readResident(target: Uint8Array, offset: number, length: number, position: number): boolean {
    // On the descriptor itself: whatever it is open on by now, this is right.
    const moved = native.readResident(this.#fd, target, offset, length, position);
    if (moved !== -EOPNOTSUPP) return moved === length;
    const cache = this.#openCache();
    if (cache === undefined) return false;
    const compared = this.#duplicate >= 0;
    const mark = compared ? undefined : this.#mark;
    const copied = cache.copyOutResident(target, offset, length, position, mark) === true;
    if (copied && (compared || isReadable(this.#fd))) return true;
    this.#stillIs(cache);
    return false;
  }

  /**
   * The windows; none where the descriptor is known to be another opening's by now. Without a duplicate, `#stillIs` tells
   * that after the copy, whose bytes then stay in the buffer behind what node:fs reads: to ask before it as well would be
   * a second call for each read, and the size has to be asked for afterwards.
   */
  #openCache(): WindowCache | undefined {
    const cache = this.#cache ?? this.#map();
    if (cache === undefined || this.#duplicate < 0) return cache;
    if (native.sameOpening(this.#fd, this.#duplicate) === 1) return cache;
    forget(this.#fd);
    return undefined;
  }

  /**
   * Looks whether the descriptor is still open on the file that the cache has windows of, for reading, and how long that
   * is. Comes after whatever may have mapped a window: a file that is not the cache's leaves none behind.
   */
  #stillIs(cache: WindowCache): boolean {
    const size = native.sizeIfSame(this.#fd, this.#mark as FileMark);
    const same = size >= 0 && isReadable(this.#fd);
    if (same) cache.sizeIs(size);
    else forget(this.#fd);
    return same;
  }

  close(): void {
    this.#cache?.close();
    this.#cache = undefined;
    this.#mark = undefined;
    if (this.#duplicate >= 0) native.closeDuplicate(this.#duplicate);
    this.#duplicate = -1;
  }

  #map(): WindowCache | undefined {
    if (++this.#reads < readsBeforeMapping) return undefined;
    const duplicate = native.duplicateAside(this.#fd);
    if (duplicate >= 0 && native.sameOpening(this.#fd, duplicate) === 1) this.#duplicate = duplicate;
    else if (duplicate >= 0) native.closeDuplicate(duplicate);
    const fd = this.#duplicate >= 0 ? this.#duplicate : this.#fd;
    const mark = native.fileMark(fd);
    if (!isReadable(fd) || native.fileKind(fd) !== 0 || typeof mark === 'number' || mappingMayStayBehind(fd)) {
      forget(this.#fd);
      return undefined;
    }
    this.#mark = mark;
    this.#cache = new WindowCache({
      fd,
      path: undefined,
      writable: false,
      appending: false,
      strict: false,
      windowSize: undefined,
      pool: WindowPool.default,
      backing: 'mmap',
      mustMap: false,
      reserving: false,
      advice: undefined,
      extent: 'sized',
      closeDescriptor: () => undefined,
      nextData: (position) => position,
    });
    return this.#cache;
  }
}

function isReadable(fd: number): boolean {
  const mode = native.openMode(fd);
  return mode >= 0 && (mode & 1) !== 0;
}

const files: Array<OpenFile | undefined> = [];

/** A file was opened through this module. */
export function remember(fd: number, flags: unknown): void {
  if (mapsNothing) return;
  forget(fd);
  // What bypasses the page cache has rules of its own for buffers and positions.
  if (typeof flags === 'number' && (flags & (fs.constants.O_DIRECT ?? 0)) !== 0) return;
  files[fd] = new OpenFile(fd);
}

/** A descriptor is about to be closed, or was found to be another file's. Anything else is ignored. */
export function forget(fd: unknown): void {
  if (typeof fd !== 'number') return;
  const file = files[fd];
  if (file === undefined) return;
  files[fd] = undefined;
  file.close();
}

/**
 * Whether `buffer`, `offset`, `length` and `position` ask for bytes at a position in the plainest way. All other
 * ways, right and wrong, are node:fs's to understand.
 */
function isPlain(buffer: unknown, offset: unknown, length: unknown, position: unknown): buffer is Uint8Array {
  return (
    typeof offset === 'number' &&
    typeof length === 'number' &&
    typeof position === 'number' &&
    Number.isSafeInteger(position) &&
    offset >>> 0 === offset &&
    length >>> 0 === length &&
    length > 0 &&
    length <= hotLimit &&
    position >= 0 &&
    offset + length <= bytesIn(buffer)
  );
}

/** True when the read was served: all that was asked for is in the buffer. Never throws. May block. */
export function readNow(fd: unknown, buffer: unknown, offset: unknown, length: unknown, position: unknown): boolean {
  const file = typeof fd === 'number' ? files[fd] : undefined;
  if (file === undefined || !isPlain(buffer, offset, length, position)) return false;
  try {
    return file.readSync(buffer, offset as number, length as number, position as number);
  } catch {
    // The descriptor was closed behind our back in the middle of it: node:fs says so.
    forget(fd);
    return false;
  }
}

/** As {@link readNow}, when the bytes are in memory, and few, or the turn is not yet spent. Does not block. */
export function readHot(fd: unknown, buffer: unknown, offset: unknown, length: unknown, position: unknown): boolean {
  const file = typeof fd === 'number' ? files[fd] : undefined;
  if (file === undefined || !isPlain(buffer, offset, length, position)) return false;
  if ((length as number) > everHot && turnIsSpent()) return false;
  try {
    return file.readResident(buffer, offset as number, length as number, position as number);
  } catch {
    forget(fd); // as above
    return false;
  }
}
