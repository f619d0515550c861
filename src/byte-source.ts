/**
 * The small interfaces through which streams, text and adapters see a file. They are implemented by
 * `WindowCache` and, in tests, by an in-memory fake.
 */

/** Memory that shows a range of a file until it is released. */
export interface Loan {
  /** Made when it is first asked for. */
  readonly bytes: Uint8Array;
  /** In bytes. */
  readonly length: number;
  /** Whether the device had to be waited for, as far as known. */
  readonly waited?: boolean;
  /** Detaches the array and unmaps it. Throws, afterwards, when some of its bytes were not the file's. Idempotent. */
  release(): void;
}

/** Bytes that can be read by position. Positions are byte offsets from the start; all are safe integers. */
export interface ByteSource {
  /** The path the bytes come from, for messages; `undefined` when only a descriptor is known. */
  readonly path: string | undefined;

  /** Size in bytes as last seen; `Infinity` where only reading tells, by giving 0 bytes. */
  readonly size: number;

  /** Looks at the size again and returns it, in bytes. */
  refreshSync(): number;

  /**
   * Copies up to `target.length` bytes from `position` into `target` and returns how many; 0 at the end.
   * Exact: never returns bytes that were past the end of the file when the copy had finished. May block.
   */
  readIntoSync(target: Uint8Array, position: number): number;

  /**
   * Like `readIntoSync`, but never blocks on a device: completes on the spot (a number) when the bytes are in
   * memory, and otherwise on the thread pool (a promise). `target` must not be touched until it settles.
   */
  readInto(target: Uint8Array, position: number): number | Promise<number>;

  /**
   * Gives up a read into `target` that waits for bytes which may never come: it then gives 0. Not there where no read
   * can wait for so long.
   */
  abandon?(target: Uint8Array): void;

  /**
   * Puts bytes back that were read and not used: they are the next ones. Not there where reading takes nothing away.
   */
  giveBack?(bytes: Uint8Array): void;

  /**
   * Calls `use` once with the bytes from `position` that one window holds without a copy: at least one byte and
   * at most `length`; an empty array at the end of the file. The array is valid only inside the call and is
   * never written. Checks for faults, and for the file's size, after `use` returns, and throws instead of
   * returning its result when some of the bytes were not the file's. May block.
   */
  borrow<T>(position: number, length: number, use: (bytes: Uint8Array) => T): T;

  /**
   * As `borrow`, where that takes neither a copy nor, as far as known, the device; and where all the bytes were the
   * file's. Otherwise `undefined`. Sources without windows leave it out.
   */
  peek?<T>(position: number, length: number, use: (bytes: Uint8Array) => T): T | undefined;

  /** Brings the range into memory without blocking the event loop. Ranges past the end are cut. */
  prefetch(start: number, end: number): Promise<void>;

  /**
   * Position of the first byte at or after `position` that may be other than zero, or the size; `position` itself where
   * nobody knows. Sources without holes leave it out.
   */
  nextData?(position: number): number;

  /**
   * Tells that the range is not needed again soon: its pages leave this process's resident set. Where only reading tells
   * the size, it is not asked for again at all.
   */
  release(start: number, end: number): void;

  /** Keeps the source usable until the returned function is called (once): `close()` waits for it or cancels it. */
  retain(cancel: Cancel): () => void;
}

/**
 * What ends a use of a source or a sink when that is closed. What it still has to write may take until the promise that it
 * gives has resolved, which does not reject.
 */
export type Cancel = (reason: Error) => void | Promise<void>;

/** What the loans of one walk share, so that several of them come out of one mapping. */
export interface Walk {
  /** Byte offset up to which the walk goes on, or `Infinity`. */
  readonly end: number;
  /** The source's; whoever walks calls `letGo` at the end. */
  kept: { letGo(): void } | undefined;
}

/** A source whose bytes can be had as memory. */
export interface LendingSource extends ByteSource {
  /**
   * Maps `[position, position + length)`, inside the file, for the caller, or copies it where it cannot be mapped; the
   * caller's writes stay in the array. Of a walk, one loan's bytes are looked at before the next's.
   * Throws `ERR_MAPPED_FILE_BUDGET`, `ERR_MAPPED_FILE_TRUNCATED`.
   */
  lend(position: number, length: number, walk: Walk): Loan;

  /**
   * As `lend`; resolves when the bytes are in memory. Shorter, down to nothing, where only reading tells the size and
   * they end before.
   */
  lendReady(position: number, length: number, walk: Walk): Promise<Loan>;
}

/** What tells one file, and one state of it, from another; as in `fs.BigIntStats`. */
export interface FileIdentity {
  /** The number of the file system's device, as long as it is mounted. */
  readonly device: bigint;
  /** The file's number in its file system. */
  readonly inode: bigint;
  /** The numeric id of the user it belongs to. */
  readonly owner: number;
  /** When its bytes were last changed, in nanoseconds since 1970. */
  readonly modified: bigint;
  /** Size in bytes. */
  readonly size: number;
}

/** A source that counts without blocking the event loop. */
export interface CountingSource extends ByteSource {
  /**
   * Counts, on the thread pool, how often `needle` begins in each `step` bytes of `[position, position + length)`, and
   * puts that into `counts`, which has room. A needle may end behind the range; `wide` ones begin at even distances
   * from `position`. Two needles cannot overlap. Gives how many of the `length` bytes there are.
   */
  countInto(
    counts: Float64Array,
    needle: Uint8Array,
    wide: boolean,
    position: number,
    length: number,
    step: number,
  ): Promise<number>;

  identify(): Promise<FileIdentity>;
}

/** Bytes that can be written by position. */
export interface ByteSink {
  readonly path: string | undefined;
  /** Size in bytes as last seen. */
  readonly size: number;
  /** True for a file opened for appending: every write goes to the end, wherever it was aimed. */
  readonly appending: boolean;

  /**
   * Writes all of `bytes` at `position`, growing the file when it ends past its end, without blocking the event
   * loop. Resolves with the number of bytes written, which is `bytes.length`; rejects with the system's error.
   * `bytes` may be reused as soon as the call returns; with `kept`, which spares a copy, not before it settles, and
   * until then their buffer must not be transferred either.
   */
  writeFrom(bytes: Uint8Array, position: number, kept?: boolean): Promise<number>;

  /** Reserves disk blocks for the range without changing the file's size. */
  preallocate(start: number, length: number): Promise<void>;

  /** Resolves when everything written so far is on the device; the range limits which mappings are looked at first. */
  flush(start?: number, end?: number): Promise<void>;

  /** As in {@link ByteSource}. */
  retain(cancel: Cancel): () => void;
}
