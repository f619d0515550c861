/** The only module that knows the addon. */
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { isMainThread } from 'node:worker_threads';

/** A mapping as the addon gives it: `buffer` is external memory, unmapped by `releaseMapping`. */
export interface NativeMapping {
  readonly id: number;
  readonly buffer: ArrayBuffer;
  /** Where in the buffer the first byte asked for is. */
  readonly byteOffset: number;
}

declare const fileMark: unique symbol;
/** The identity of a file; opaque. */
export interface FileMark {
  readonly [fileMark]: true;
}

declare const pinTag: unique symbol;
/** A mapping that keeps pages in memory; opaque. It ends with its value at the latest. */
export interface NativePin {
  readonly [pinTag]: true;
}

declare const searchTag: unique symbol;
/** Needles as the addon holds them. */
export interface NativeSearch {
  readonly [searchTag]: true;
}

/**
 * The addon's functions. A number is 0 or more for success and a negative errno for a failure. Descriptors are not
 * checked: the caller makes sure that they are open, for as long as a promise is pending.
 */
export interface Native {
  /** What a mapping's file offset must be a multiple of, in bytes. */
  readonly granularity: number;
  readonly pageSize: number;
  /** 4 or 8. */
  readonly pointerSize: number;
  /** One counter of pages lost under any mapping of the process, in element 0. */
  readonly faults: Int32Array;

  /** False where the engine refuses ArrayBuffers over memory that is not its own: nothing can be mapped then. */
  readonly externalBuffers: boolean;

  createWindow(capacity: number): NativeMapping | number | undefined;
  slideWindow(id: number, fd: number, position: number, length: number, writable: boolean): number;
  extendWindow(id: number, fd: number, length: number): number;
  /** Takes the file away and keeps the range, which is not counted; an errno where it has to be released instead. */
  parkWindow(id: number): number;
  createView(
    fd: number,
    position: number,
    length: number,
    writable: boolean,
    isPrivate: boolean,
  ): NativeMapping | number | undefined;
  /** Whether somebody limited it (`ulimit -v`). */
  isAddressSpaceLimited(): boolean;
  /** The id of a copy-on-write mapping that begins at the granule of `position`, for chunks. */
  createPiece(fd: number, position: number, length: number): number;
  /** External memory: `[offset, offset + length)` of a piece. One at a time. */
  createChunk(id: number, offset: number, length: number): ArrayBuffer | number | undefined;
  /** Empties the chunk that is out, if one is. */
  takeBackChunk(id: number): void;
  /** Takes the chunk back, and unmaps; `forgetMapping` has to follow when no chunk of the piece is left. */
  releasePiece(id: number): void;
  releaseMapping(id: number, buffer: ArrayBuffer): boolean;
  forgetMapping(id: number): void;
  mappingFaults(id: number): number;
  firstFault(id: number): number;
  protectMapping(id: number, writable: boolean): number;
  /** `advice` as in os.h: 0 normal, random, sequential, willneed, dontneed, cold, pageout, hugepage, nohugepage. */
  adviseMapping(id: number, offset: number, length: number, advice: number): number;
  /** As `adviseMapping`, for reads and writes by the descriptor; a length of 0 is all from `position` on. */
  adviseFile(fd: number, position: number, length: number, advice: number): number;
  /** Where `needle` stands in `[offset, offset + length)` of `bytes`, counted from `offset`; -1 when it does not. */
  find(bytes: Uint8Array, offset: number, length: number, needle: Uint8Array, last: boolean): number;
  /**
   * Needles, none of them empty, prepared for `scan`; -EINVAL for others. With a delimiter (bytes), `scan` finds at
   * most one match in each line.
   */
  createSearch(needles: Uint8Array[], ignoresCase: boolean, delimiter: Uint8Array | undefined): NativeSearch | number;
  /**
   * Finds what begins in `[from, limit)` of `bytes` and ends inside them, and gives the number of matches. Puts the
   * offset to go on from into `results[0]`, and unless it only counts, an offset and a needle's index for each match
   * behind it; it stops before there is no room for another match of each needle. -1 for bad arguments.
   */
  scan(
    search: NativeSearch,
    bytes: Uint8Array,
    from: number,
    limit: number,
    overlapping: boolean,
    counts: boolean,
    results: Uint32Array,
  ): number;
  /**
   * Puts into `offsets`, which has room for `length`, where the byte stands in `[offset, offset + length)` of `bytes`,
   * counted from `offset`; gives the number of places, -2 less that number where not all of these bytes are ASCII, or -1
   * for bad arguments. Copies them to the beginning of `copy` on the way; what is told is true of the copy, then.
   */
  findEach(
    bytes: Uint8Array,
    offset: number,
    length: number,
    byte: number,
    offsets: Uint32Array,
    copy?: Uint8Array,
  ): number;
  /** How often `needle` stands in `bytes`; a `wide` one is of 2-byte units, and so are its places. */
  count(bytes: Uint8Array, needle: Uint8Array, wide: boolean): number;
  /** Where the n-th of them (from 1) stands; -1 - k when there are only k. */
  findNth(bytes: Uint8Array, needle: Uint8Array, wide: boolean, n: number): number;
  /** Puts the handler for lost pages in place again, where another has replaced it. */
  installGuard(): number;
  /** Whether the engine leaves that handler in place from now on; on the main thread of Node alone. */
  holdGuard(): boolean;
  /** Whether what is not the handler's has a listener; where it is held. */
  setHeard(heard: boolean): number;
  /** Ranges of address space that show files, in the whole process. */
  mappingCount(): number;

  fileSize(fd: number): number;
  /** 0 regular, 1 directory, 2 block device, 3 anything else. */
  fileKind(fd: number): number;
  duplicate(fd: number): number;
  /**
   * As `duplicate`, by a high number, so that the program gets the low ones as ever; at most an eighth of those that it
   * may use, -EMFILE for more.
   */
  duplicateAside(fd: number): number;
  /** A descriptor for `nextData`, which moves its cursor; `closeDuplicate` closes it. */
  reopenForHoles(fd: number): number;
  /** Position of the first byte from `position` on that is not in a hole, or the file's size. */
  nextData(fd: number, position: number): number;
  /** Closes what `duplicate`, `duplicateAside`, `openUnlinked`, `createAnonymous` or `createShared` gave. */
  closeDuplicate(fd: number): number;
  /**
   * A descriptor on the same pipe, socket or terminal, for a stream that makes it non-blocking and closes it. Shares the
   * flags of `fd` only where that cannot be helped; closing `fd` by `closeDuplicate`, or the end of the thread, restores them.
   */
  reopen(fd: number, writing: boolean): number;
  /** Closes what `reopen` gave, if no stream has taken it over. */
  closeReopened(fd: number): number;
  /** A new private file without a name in `folder`. */
  openUnlinked(folder: string): number;
  /** A new file of 0 bytes that lies in memory, or else, without a name, in `folder`. */
  createAnonymous(folder: string): number;
  /** A new private file of `size` bytes by the name `name` in `folder`, all room for it taken; -EEXIST. */
  createShared(folder: string, name: string, size: number): number;
  createSharedAsync(folder: string, name: string, size: number): Promise<number>;
  /** Bit 0 readable, bit 1 writable, bit 2 appending. */
  openMode(fd: number): number;
  truncate(fd: number, size: number): number;
  read(fd: number, target: Uint8Array, offset: number, length: number, position: number): number;
  /** As `read`, but without the bytes that were past the end of the file when the copy had finished. */
  readExactly(fd: number, target: Uint8Array, offset: number, length: number, position: number): number;
  /** As `read`, without waiting: -EAGAIN when nothing of it is in memory, -EOPNOTSUPP where that cannot be told. */
  readResident(fd: number, target: Uint8Array, offset: number, length: number, position: number): number;
  /** As `readResident`, without the bytes that `readExactly` leaves out. */
  readResidentExactly(fd: number, target: Uint8Array, offset: number, length: number, position: number): number;
  allocate(fd: number, position: number, length: number): number;
  write(fd: number, source: Uint8Array, offset: number, length: number, position: number): number;
  /** As `write` at a position, but the file does not grow: of what is past its end now nothing is written. May give 0. */
  writeInside(fd: number, source: Uint8Array, offset: number, length: number, position: number): number;
  flush(fd: number, ids: number[]): number;
  /**
   * Begins to watch the names in a folder: a descriptor from which `read` gives the events of inotify(7), -EAGAIN when
   * there are none; `closeDuplicate` closes it. -ENOSYS where the system does not tell what was moved to where.
   */
  watchNames(folder: string): number;

  /** Lets a private view show the file again. */
  discard(id: number, fd: number): number;
  /**
   * Writes back some of what was changed in `[from, to)`, positions in the file, of a private view, lets its pages show
   * the file again, and gives the position to go on from. -EFAULT when a page was lost.
   */
  commit(id: number, fd: number, from: number, to: number): number;
  commitAsync(id: number, fd: number, from: number, to: number): Promise<number>;

  /** A descriptor of its own on the same file, for {@link lock}; `closeDuplicate` closes it. */
  reopenForLocks(fd: number): number;
  /**
   * Takes an advisory lock without waiting, or gives it back: `kind` 0 is none, 1 shared, 2 exclusive; a `length` of 0
   * is all from `start` on. -EAGAIN when another holds one that excludes it.
   */
  lock(fd: number, start: number, length: number, kind: number): number;

  /**
   * Blocks while element `index` of `words`, on a shared mapping, has a value, and nobody wakes it: 0 when it was woken,
   * -EAGAIN when it has another value, -ETIMEDOUT, or -EFAULT when the file has lost its page.
   */
  futexWait(words: Int32Array, index: number, expected: number, milliseconds: number): number;
  /** Wakes up to `count` of those who wait for an element, and gives how many; 0 where they look by themselves. */
  futexWake(words: Int32Array, index: number, count: number): number;
  /**
   * Once for a thread, before `futexAdd`: `roused` is called, with an errno or 0, for whoever need not wait any more. It
   * keeps no process alive. -ENOSYS where the system cannot wait for several words at once.
   */
  futexListen(roused: (id: number, errno: number) => void): number;
  /** Waits as `futexWait`, without blocking, under a number of 32 bits. The array must be neither released nor collected. */
  futexAdd(id: number, words: Int32Array, index: number, expected: number): number;
  /** Ends the waiting; that it was roused may be on its way all the same. */
  futexRemove(id: number): number;

  /** What tells the file that a descriptor is open on from all others, for as long as it is open or mapped. */
  fileMark(fd: number): FileMark | number;
  /** The file's size in bytes; -ESTALE when the descriptor is open on another one. */
  sizeIfSame(fd: number, mark: FileMark): number;
  /** 1 when both descriptors are of the same opening of a file, 0 when not, -EOPNOTSUPP where the system cannot tell. */
  sameOpening(fd: number, other: number): number;
  /** 1 when `readMapped` can know what of the file is in memory. */
  tellsResidency(fd: number): number;
  /** 1 when some of the `length` bytes, a few pages at most, from `from` on of mapping `id` is known not to be in memory. */
  isCold(id: number, from: number, length: number): number;
  /**
   * Copies out of mapping `id`, from `from` on, when that waits for nothing, and gives the size that the file had
   * afterwards; -EAGAIN when some of it is not in memory, -ESTALE as above. A lost page shows in `faults` only.
   */
  readMapped(
    id: number,
    from: number,
    target: Uint8Array,
    offset: number,
    length: number,
    fd: number,
    mark?: FileMark,
  ): number;

  /**
   * Puts into `map`, which is all zeros, which of the pages from `position` on, one for each byte, are in memory, and gives
   * their number. The position is a multiple of the page size.
   */
  residency(fd: number, position: number, map: Uint8Array): number;
  /** Maps a range for `lockPin`, which keeps its pages in memory until `releasePin`. The position is a whole granule. */
  createPin(fd: number, position: number, length: number): NativePin | number;
  lockPin(pin: NativePin): Promise<number>;
  releasePin(pin: NativePin): void;
  /** How many bytes an unprivileged process may keep in memory; -1 where there is no limit. */
  mostLocked(): number;
  dropCacheAsync(fd: number, position: number, length: number): Promise<number>;

  /** As `readExactly`, or with `sizeless` as `read`. */
  readAsync(
    fd: number,
    target: Uint8Array,
    offset: number,
    length: number,
    position: number,
    sizeless: boolean,
  ): Promise<number>;
  /** Copies the bytes first, unless they are `kept`: left alone, and transferred to nobody, until it resolves. */
  writeAsync(
    fd: number,
    source: Uint8Array,
    offset: number,
    length: number,
    position: number,
    kept: boolean,
  ): Promise<number>;
  flushAsync(fd: number, ids: number[]): Promise<number>;
  /** 1 when the device had to be waited for, else 0. */
  populateAsync(id: number, fd: number, offset: number, length: number): Promise<number>;
  truncateAsync(fd: number, size: number): Promise<number>;
  warmAsync(fd: number, position: number, length: number): Promise<number>;
  /** As `CountingSource.countInto`. */
  countAsync(
    fd: number,
    position: number,
    length: number,
    step: number,
    needle: Uint8Array,
    wide: boolean,
    counts: Float64Array,
  ): Promise<number>;
  allocateAsync(fd: number, position: number, length: number): Promise<number>;

  /** Tests only: lets `after` more calls of a kind through, then makes `times` of them fail with `errno`. */
  injectFailure(call: number, after: number, times: number, errno: number): number;
}

function load(): Native {
  const require = createRequire(import.meta.url);
  const root = fileURLToPath(new URL('..', import.meta.url));
  const find = require('node-gyp-build') as { path(root: string): string };
  const system = `${process.platform}-${process.arch}`;
  const remedy = 'Install a C++ compiler, make and Python 3, then run: npm rebuild sliding-mmap';
  let path: string;
  try {
    path = find.path(root);
  } catch (cause) {
    throw new Error(
      `sliding-mmap has no addon for ${system}: there is no prebuilt one, and it was not compiled when the package was ` +
        `installed. ${remedy}`,
      { cause },
    );
  }
  try {
    return require(path) as Native;
  } catch (cause) {
    // Most often the C or C++ library is older than those that it was linked with, or another one.
    const [why] = (cause instanceof Error ? cause.message : String(cause)).split(/\r?\n/, 1);
    throw new Error(`sliding-mmap cannot load its addon for ${system}, ${path}: ${why}. ${remedy}`, { cause });
  }
}

export const native: Native = load();

// A listener for SIGBUS makes the engine replace the handler by one that returns without having mended anything (the
// thread would then fault for ever), and its removal leaves none. Node can be kept from it: the handler then has to know
// whether there is a listener. Elsewhere it is put back; the engine's own listeners of these events come first.
const isNode = process.versions['bun'] === undefined && process.versions['deno'] === undefined;
const held = isNode && isMainThread && native.holdGuard();
const isHeard = (): boolean => process.listenerCount('SIGBUS') > 0;
for (const event of ['newListener', 'removeListener']) {
  process.on(event, (name: unknown) => {
    if (name !== 'SIGBUS') return;
    if (held) native.setHeard(event === 'newListener' || isHeard());
    else native.installGuard();
  });
}
if (held) native.setHeard(isHeard());
