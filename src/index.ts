export { MappedFileError, type MappedFileErrorCode, type MappedFileErrorDetails, type SystemError } from './errors.js';
export type { Advice } from './advice.js';
export type { MappedFileHandle } from './handle.js';
export type { FileLock, LockOptions } from './locks.js';
export type { ReadOptions, TransferOptions } from './io-arguments.js';
export { MappedFile } from './mapped-file.js';
export type { MemoryOptions, SharedMemoryOptions } from './memory.js';
export type { OpenFlags, OpenOptions } from './opening.js';
export type { Residency } from './pages.js';
export type { Position } from './ranges.js';
export type { FileBlob } from './streams/blob.js';
export type { Chunks, ChunksOptions } from './streams/chunks.js';
export type { StreamClasses } from './streams/classes.js';
export type { FollowEvent, FollowOptions } from './following/follower.js';
export type { ReadStream, ReadStreamOptions, WriteStream, WriteStreamOptions } from './streams/node.js';
export type { ReadableOptions } from './streams/readable.js';
export type { WritableChunk, WritableOptions } from './streams/writable.js';
export type { BisectOptions, CompareLine } from './text/bisect.js';
export type { LineEncoding } from './text/line-format.js';
export type {
  IndexedLinesOptions,
  LineIndex,
  LineIndexOptions,
  LineIndexProgress,
  LineIndexRefreshOptions,
} from './text/line-index.js';
export type { Lines } from './text/lines.js';
export type { MatchesOptions, Pattern } from './text/match-options.js';
export type { Match, Matches } from './text/matches.js';
export type { LinesOptions, TextEncoding } from './text/options.js';
export type { Needle } from './text/search.js';
export { MappedView, type TypedArrayConstructor } from './views/mapped-view.js';
export type { FileStats } from './window-cache.js';
export { type PoolStats, WindowPool, type WindowPoolOptions } from './window-pool.js';
