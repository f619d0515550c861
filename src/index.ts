export { MappedFileError, type MappedFileErrorCode, type MappedFileErrorDetails, type SystemError } from './errors.js';
export type { ReadOptions, TransferOptions } from './io-arguments.js';
export { MappedFile, type OpenFlags, type OpenOptions } from './mapped-file.js';
export type { Position } from './ranges.js';
export { MappedView, type TypedArrayConstructor } from './views/mapped-view.js';
export type { FileStats } from './window-cache.js';
export { type PoolStats, WindowPool, type WindowPoolOptions } from './window-pool.js';
