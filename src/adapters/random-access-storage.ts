import { unlink } from 'node:fs/promises';
import type { Stats } from 'node:fs';
import { checkConstructor } from '../errors.js';
import type { MappedFile } from '../mapped-file.js';
import { type Callback, callBack } from './bytes.js';
import { type AdapterOptions, closesFile } from './options.js';

/** What random-access-storage's constructor is given. */
export interface StorageImplementation {
  /** Opens the file. */
  open(request: { callback: Callback<void> }): void;
  /** Copies `size` bytes from `offset` on. */
  read(request: { offset: number; size: number; callback: Callback<Buffer> }): void;
  /** Writes `data` at `offset`. */
  write(request: { offset: number; data: Uint8Array; callback: Callback<void> }): void;
  /** Cuts the end off where the range reaches it. */
  del(request: { offset: number; size: number; callback: Callback<void> }): void;
  /** Cuts or extends the file to `offset` bytes. */
  truncate(request: { offset: number; callback: Callback<void> }): void;
  /** Gives the file's `fs.Stats`. */
  stat(request: { callback: Callback<Stats> }): void;
  /** Closes the file until it is used again. */
  suspend(request: { callback: Callback<void> }): void;
  /** Closes the file. */
  close(request: { callback: Callback<void> }): void;
  /** Removes the file. */
  unlink(request: { callback: Callback<void> }): void;
}

/** The class that random-access-storage exports. */
export type StorageConstructor<T> = new (implementation: StorageImplementation) => T;

/**
 * A storage of hypercore over a file, of the class that is given, so that the order of calls is its own:
 * `toRandomAccessStorage(file, RandomAccessStorage)`.
 *
 * `source` is an open file, or a function that opens one when the storage is first used (`writing` tells whether to
 * write) and again after it was suspended; what it opens is closed when the storage is. `autoClose` does so for a file
 * that was given open. Reads that reach past the end fail with `ERR_OUT_OF_RANGE`. `del` gives room back only at the
 * end of the file, which it cuts off; elsewhere it leaves the bytes. `unlink` removes the file by its path.
 *
 * @example
 * ```ts
 * import RandomAccessStorage from 'random-access-storage';
 * import { MappedFile } from 'sliding-mmap';
 * import { toRandomAccessStorage } from 'sliding-mmap/adapters';
 *
 * const open = (writable: boolean) => MappedFile.open('access.log', writable ? 'r+' : 'r');
 * const storage = toRandomAccessStorage(open, RandomAccessStorage);
 * storage.read(0, 10, (_error, bytes) => {
 *   console.log(String(bytes)); // → 2024-05-01
 *   storage.close();
 * });
 * ```
 */
export function toRandomAccessStorage<T extends { readonly writing: boolean }>(
  source: MappedFile | ((writing: boolean) => MappedFile | Promise<MappedFile>),
  RandomAccessStorage: StorageConstructor<T>,
  options: AdapterOptions = {},
): T {
  checkConstructor(RandomAccessStorage, 'RandomAccessStorage', "random-access-storage's class");
  const opens = typeof source === 'function';
  const closes = closesFile(options) || opens;
  let file = opens ? undefined : source;
  // It is open here: the storage sees to that.
  const opened = (): MappedFile => file as MappedFile;
  let path = file?.path;

  async function open(): Promise<void> {
    if (opens) file = await source(storage.writing);
    path = opened().path;
  }
  async function del(offset: number, size: number): Promise<void> {
    const end = opened().refreshSync();
    if (offset < end && offset + size >= end) await opened().truncate(offset);
  }
  const settle = <T>(promise: Promise<T>, request: { callback: Callback<T> }): void =>
    callBack(promise, (error, value) => request.callback(error, value));
  const storage = new RandomAccessStorage({
    open: (request) => settle(open(), request),
    read: (request) => settle(opened().slice(request.offset, request.offset + request.size), request),
    write: (request) => settle(writeAll(opened(), request.offset, request.data), request),
    del: (request) => settle(del(request.offset, request.size), request),
    truncate: (request) => settle(opened().truncate(request.offset), request),
    stat: (request) => settle(opened().stat(), request),
    suspend: (request) => settle(opens ? opened().close() : Promise.resolve(), request),
    close: (request) => settle(closes ? opened().close() : Promise.resolve(), request),
    unlink: (request) => settle(remove(path), request),
  });
  return storage;
}

async function writeAll(file: MappedFile, position: number, data: Uint8Array): Promise<void> {
  for (let done = 0; done < data.length;) {
    done += (await file.write(data, done, data.length - done, position + done)).bytesWritten;
  }
}

async function remove(path: string | undefined): Promise<void> {
  if (path === undefined) return;
  await unlink(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
  });
}
