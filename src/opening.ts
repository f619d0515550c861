/** What a file is opened from and with, checked. */
import fs, { type PathLike } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { constants as osConstants } from 'node:os';
import { isUint8Array } from 'node:util/types';
import { type Advice, toAdvice } from './advice.js';
import { plainBytes } from './bytes.js';
import { invalidArgType, invalidArgValue, systemError } from './errors.js';
import { handleOf, type MappedFileHandle } from './handle.js';
import { pathOfURL } from './paths.js';
import { toCount } from './ranges.js';
import { type StreamClasses, webStreams } from './streams/classes.js';
import { WindowPool } from './window-pool.js';

const { O_APPEND, O_CREAT, O_EXCL, O_NONBLOCK = 0, O_RDONLY, O_RDWR, O_TRUNC } = fs.constants;
const { EBADF } = osConstants.errno;

/** node:fs's flags. Files opened with `'w'` and `'a'` can be read, too: a shared mapping needs it. */
export type OpenFlags = 'r' | 'r+' | 'w' | 'w+' | 'wx' | 'wx+' | 'a' | 'a+';

const openFlags: Record<OpenFlags, number> = {
  r: O_RDONLY,
  'r+': O_RDWR,
  w: O_RDWR | O_CREAT | O_TRUNC,
  'w+': O_RDWR | O_CREAT | O_TRUNC,
  wx: O_RDWR | O_CREAT | O_TRUNC | O_EXCL,
  'wx+': O_RDWR | O_CREAT | O_TRUNC | O_EXCL,
  a: O_RDWR | O_CREAT | O_APPEND,
  'a+': O_RDWR | O_CREAT | O_APPEND,
};

/** How a file is opened. */
export interface OpenOptions {
  /**
   * Bytes of the file that one window covers; rounded up to the granularity (the page size), and cut to what the pool
   * can hold. Default: 1 GiB (32 MiB on 32-bit systems), or an eighth of a smaller pool.
   */
  windowSize?: number | undefined;
  /** The budget that the file's windows and views live under. Default: `WindowPool.default`. */
  pool?: WindowPool | undefined;
  /**
   * How the bytes are reached.
   *
   * - `'auto'`, the default, maps what can be mapped, and falls back to `'read'`. What has no positions (a pipe, a FIFO,
   *   a socket, a terminal, another character device) is read and written in order only: by the streams, by `lines`, and
   *   by `read` and `write` without a position. Its `size` is 0; calls with a position throw
   *   `ERR_MAPPED_FILE_NOT_SEEKABLE`.
   * - `'mmap'` throws `ERR_MAPPED_FILE_NOT_MAPPABLE` when it cannot be mapped.
   * - `'read'` maps nothing: every access is a system call, and views are copies, which are written back on `flush`,
   *   `dispose` and `close`, and before the file itself is read or written where they lie.
   * - `'spool'` copies what has no positions, as it arrives, into a temporary file that has no name, which is mapped and
   *   read-only. Asynchronous calls wait for what has not arrived, synchronous ones throw
   *   `ERR_MAPPED_FILE_NOT_SEEKABLE`; `prefetch()` resolves when all has arrived. What has positions is opened as by
   *   `'auto'`.
   */
  backing?: 'auto' | 'mmap' | 'read' | 'spool' | undefined;
  /**
   * How the file will be used: every window and view is told so when it is mapped, and reads by the descriptor are (see
   * `MappedFile.advise`). Default: nothing is told.
   */
  advice?: Advice | undefined;
  /** Mode of a file that is created, before the umask. Default 0o666. */
  mode?: number | undefined;
  /** Aborts an `open` that is under way: it rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
  /** Look at the file's size at every access, scalars included: exact under shrinking files, at a system call each. */
  strict?: boolean | undefined;
  /** The classes of this file's Web Streams, such as those of `web-streams-polyfill`. Default: the runtime's own. */
  streams?: StreamClasses | undefined;
}

/** A call to open a file, in one form. @internal */
export interface OpenRequest {
  source: PathLike | number;
  /** Leads to the file instead of the source. */
  handle: MappedFileHandle | undefined;
  path: string | undefined;
  flags: number;
  /** Whether the caller named flags. */
  explicit: boolean;
  mode: number;
  writable: boolean;
  appending: boolean;
  strict: boolean;
  windowSize: number | undefined;
  pool: WindowPool;
  backing: 'mmap' | 'read';
  mustMap: boolean;
  reserving: boolean;
  advice: Advice | undefined;
  spool: boolean;
  readable: boolean;
  signal: AbortSignal | undefined;
  streams: StreamClasses | undefined;
}

/** Throws `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE` and `ERR_OUT_OF_RANGE`. @internal */
export function openRequest(source: unknown, flags: unknown, options: OpenOptions): OpenRequest {
  if (flags !== undefined && (typeof flags !== 'string' || !Object.hasOwn(openFlags, flags))) {
    throw invalidArgValue('flags', flags, `must be one of: ${Object.keys(openFlags).join(', ')}`);
  }
  if (typeof options !== 'object' || options === null) throw invalidArgType('options', 'of type object', options);
  const handle = handleOf(source);
  const {
    advice = handle?.advice,
    backing = handle?.backing ?? 'auto',
    mode = 0o666,
    pool = WindowPool.default,
    signal,
    strict = handle?.strict ?? false,
    streams,
    windowSize = handle?.windowSize,
  } = options;
  if (streams !== undefined) webStreams(streams);
  if (backing !== 'auto' && backing !== 'mmap' && backing !== 'read' && backing !== 'spool') {
    throw invalidArgValue('options.backing', backing, "must be one of: 'auto', 'mmap', 'read', 'spool'");
  }
  if (!(pool instanceof WindowPool)) throw invalidArgType('options.pool', 'an instance of WindowPool', pool);
  if (typeof strict !== 'boolean') throw invalidArgType('options.strict', 'of type boolean', strict);
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw invalidArgType('options.signal', 'an instance of AbortSignal', signal);
  }
  const given = openFlags[(flags as OpenFlags | undefined) ?? handle?.flags ?? 'r'];
  if (handle !== undefined && (given & O_TRUNC) !== 0) {
    throw invalidArgValue('flags', flags, "must be one of: 'r', 'r+', 'a', 'a+' for what is open already");
  }
  const numeric = handle === undefined ? given : given & ~O_CREAT;
  const from = handle === undefined ? sourceOf(source) : { source: '', path: handle.path };
  return {
    source: from.source,
    path: from.path,
    handle,
    // A FIFO without a writer must not make open(2) wait; a regular file does not know the flag.
    flags: numeric | O_NONBLOCK,
    explicit: flags !== undefined,
    mode: toCount(mode, 'options.mode', 0, 0o7777),
    writable: (numeric & O_RDWR) !== 0,
    appending: (numeric & O_APPEND) !== 0,
    strict,
    windowSize: windowSize === undefined ? undefined : toCount(windowSize, 'options.windowSize', 1),
    pool,
    backing: backing === 'read' ? 'read' : 'mmap',
    mustMap: backing === 'mmap',
    reserving: handle?.reserving === true,
    advice: advice === undefined ? undefined : toAdvice(advice, 'options.advice'),
    spool: backing === 'spool',
    readable: true,
    signal,
    streams,
  };
}

function sourceOf(source: unknown): { source: PathLike | number; path: string | undefined } {
  if (typeof source === 'number') return { source: toCount(source, 'fd', 0, 2 ** 31 - 1), path: undefined };
  if (typeof source === 'string') return { source, path: source };
  const path = pathOfURL(source);
  if (path !== undefined) return { source: path, path };
  if (isUint8Array(source)) {
    const bytes = Buffer.from(plainBytes(source));
    return { source: bytes, path: bytes.toString() };
  }
  if (typeof source === 'object' && source !== null && typeof (source as FileHandle).fd === 'number') {
    const { fd } = source as FileHandle;
    if (fd < 0) throw systemError(EBADF, 'open');
    return { source: toCount(fd, 'fd', 0, 2 ** 31 - 1), path: undefined };
  }
  throw invalidArgType('source', 'of type string or number or an instance of Buffer, URL, or FileHandle', source);
}
