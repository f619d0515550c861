/**
 * The public surface as a type checker sees it: `tsc -b` is the test, and nothing here is run.
 */
import fs from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import {
  type FileStats,
  type LineIndex,
  type Lines,
  MappedFile,
  MappedFileError,
  type MappedFileErrorCode,
  type MappedFileHandle,
  type MappedView,
  type OpenFlags,
  type OpenOptions,
  type PoolStats,
  type Position,
  type Residency,
  WindowPool,
} from 'sliding-mmap';

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
/** Compiles only where the type of `value` is exactly `T`. */
function exact<T>() {
  return <V>(value: V, same: Equal<V, T>): void => void [value, same];
}

export async function opening(handle: FileHandle): Promise<void> {
  exact<Promise<MappedFile>>()(MappedFile.open('a'), true);
  exact<MappedFile>()(MappedFile.openSync(Buffer.from('a'), 'r+', { windowSize: 1, strict: true }), true);
  await MappedFile.open(new URL('file:///a'), 'wx+', { signal: AbortSignal.timeout(1), mode: 0o600, backing: 'mmap' });
  await MappedFile.open(handle);
  await MappedFile.open(5, undefined, { pool: new WindowPool({ limit: 1, maxWindows: 1 }) });
  // @ts-expect-error a FileHandle can only be taken asynchronously: its closing is
  MappedFile.openSync(handle);
  // @ts-expect-error unknown flags
  MappedFile.openSync('a', 'rw');
  // @ts-expect-error unknown options
  MappedFile.openSync('a', 'r', { windowsize: 5 });
  // @ts-expect-error the constructor is not public
  new MappedFile();
  exact<'r' | 'r+' | 'w' | 'w+' | 'wx' | 'wx+' | 'a' | 'a+'>()({} as OpenFlags, true);
  exact<'auto' | 'mmap' | 'read' | 'spool' | undefined>()(({} as OpenOptions).backing, true);
}

export function properties(file: MappedFile): void {
  exact<number>()(file.fd, true);
  exact<string | undefined>()(file.path, true);
  exact<'mmap' | 'read' | 'spool'>()(file.backing, true);
  exact<number>()(file.size, true);
  exact<boolean>()(file.isWritable, true);
  exact<boolean>()(file.closed, true);
  // @ts-expect-error read-only
  file.size = 5;
  // @ts-expect-error no internals
  void file.cache;
}

export function scalars(file: MappedFile): void {
  exact<number | bigint>()({} as Position, true);
  exact<number>()(file.getInt8(0), true);
  exact<number>()(file.getUint8(0n), true);
  exact<number>()(file.getFloat64(0, true), true);
  exact<bigint>()(file.getBigInt64(0), true);
  exact<bigint>()(file.getBigUint64(0, false), true);
  exact<void>()(file.setInt32(0, 5, true), true);
  exact<void>()(file.setBigUint64(0, 5n), true);
  // @ts-expect-error a bigint is asked for
  file.setBigInt64(0, 5);
  // @ts-expect-error a number is asked for
  file.setUint32(0, 5n);
  // @ts-expect-error a single byte has no order
  file.getUint8(0, true);
  // @ts-expect-error a position is asked for
  file.getUint8('0');
}

export async function reading(file: MappedFile): Promise<void> {
  exact<{ bytesRead: number; buffer: Float64Array<ArrayBuffer> }>()(
    await file.read(new Float64Array(3), 0, 24, 0n),
    true,
  );
  exact<{ bytesRead: number; buffer: DataView<ArrayBuffer> }>()(
    await file.read(new DataView(new ArrayBuffer(3)), { offset: 1, position: null }),
    true,
  );
  exact<{ bytesRead: number; buffer: Buffer }>()(await file.read(), true);
  exact<{ bytesRead: number; buffer: Uint8Array<ArrayBuffer> }>()(await file.read({ buffer: new Uint8Array(3) }), true);
  exact<number>()(file.readSync(Buffer.alloc(1), null, undefined, null), true);
  exact<number>()(file.readSync(Buffer.alloc(1), { position: 5n }), true);
  exact<number>()(file.readvSync([Buffer.alloc(1), new Int16Array(1)], 5), true);
  const buffers = [new Uint8Array(1)];
  exact<{ bytesRead: number; buffers: Array<Uint8Array<ArrayBuffer>> }>()(await file.readv(buffers), true);
  exact<Buffer>()(file.sliceSync(0, 5n), true);
  exact<Promise<Buffer>>()(file.slice(), true);
  // @ts-expect-error no strings are read into
  file.readSync('text');
  // @ts-expect-error an ArrayBuffer is no view
  await file.read(new ArrayBuffer(5));
}

export async function writing(file: MappedFile): Promise<void> {
  exact<{ bytesWritten: number; buffer: Uint8Array<ArrayBuffer> }>()(
    await file.write(new Uint8Array(3), 0, 3, 0),
    true,
  );
  exact<{ bytesWritten: number; buffer: string }>()(await file.write('text', 0n, 'latin1'), true);
  exact<number>()(file.writeSync('text', null, 'hex'), true);
  exact<number>()(file.writeSync(new Int8Array(1), { length: 1 }), true);
  exact<number>()(file.writevSync([Buffer.alloc(1)]), true);
  exact<Promise<void>>()(file.truncate(), true);
  exact<void>()(file.truncateSync(5), true);
  exact<Promise<void>>()(file.flush(0, 5n), true);
  exact<void>()(file.flushSync(), true);
  // @ts-expect-error unknown encodings
  file.writeSync('text', 0, 'latin2');
  // @ts-expect-error lengths are numbers
  file.truncateSync(5n);
}

export async function views(file: MappedFile): Promise<void> {
  const view = file.view(0, 8n, { access: 'private' });
  exact<MappedView>()(view, true);
  exact<Uint8Array<ArrayBuffer>>()(view.bytes, true);
  exact<ArrayBuffer>()(view.buffer, true);
  exact<Float64Array<ArrayBuffer>>()(view.as(Float64Array), true);
  exact<BigUint64Array<ArrayBuffer>>()(view.as(BigUint64Array), true);
  exact<void>()(view.check(), true);
  exact<Promise<void>>()(view.flush(), true);
  // @ts-expect-error a DataView is no typed array
  view.as(DataView);
  // @ts-expect-error unknown access
  file.view(0, 8, { access: 'rw' });
  exact<Disposable>()(view satisfies Disposable as Disposable, true);
  exact<AsyncDisposable & Disposable>()(file as AsyncDisposable & Disposable, true);
}

export async function numberedLines(file: MappedFile): Promise<void> {
  const index = await file.lineIndex({ from: true, onProgress: ({ position, end }) => void (position / end) });
  exact<LineIndex>()(index, true);
  exact<string>()(await index.line(1), true);
  exact<Promise<number>>()(index.lineAt(5n), true);
  exact<Lines>()(await index.lines(1, 3, { reverse: true }), true);
  const bytes = await file.lineIndex({ encoding: 'buffer' });
  exact<Buffer>()(bytes.lineSync(1), true);
  exact<number>()(await file.bisect((line, position) => line.length - position), true);
  exact<number>()(
    file.bisectSync((line: Buffer) => line[0], { encoding: 'buffer' }),
    true,
  );
  // @ts-expect-error lines are found by number
  void index.line('1');
  // @ts-expect-error a line is not less by being a string
  void file.bisect((line) => line);
}

export async function rest(file: MappedFile, error: unknown): Promise<void> {
  exact<FileStats>()(file.stats(), true);
  exact<PoolStats>()(WindowPool.default.stats(), true);
  exact<fs.Stats>()(await file.stat(), true);
  exact<number>()(await file.refresh(), true);
  exact<number>()(file.refreshSync(), true);
  exact<Promise<void>>()(file.prefetch(), true);
  exact<MappedFileHandle>()(file.handle(), true);
  exact<Promise<MappedFile>>()(MappedFile.open(file.handle(), 'r'), true);
  exact<MappedFile>()(MappedFile.openSync(file.handle()), true);
  exact<MappedFile>()(MappedFile.anonymous(2n ** 40n, { advice: 'random' }), true);
  exact<Promise<MappedFile>>()(MappedFile.shared('a', 5), true);
  exact<MappedFile>()(MappedFile.sharedSync('a', undefined, { flags: 'r' }), true);
  exact<Promise<void>>()(MappedFile.unlinkShared('a'), true);
  // @ts-expect-error shared memory has one user, and so one mode
  MappedFile.sharedSync('a', 5, { mode: 0o600 });
  exact<void>()(file.advise('hugepage', 0n, 5), true);
  // @ts-expect-error no such advice
  file.advise('free');
  exact<Residency>()(file.residency(0, 5n), true);
  exact<Promise<void>>()(file.pin(), true);
  exact<void>()(file.unpin(0n), true);
  exact<Promise<void>>()(file.dropCache(5), true);
  exact<void>()(file.protect('read'), true);
  exact<Promise<void>>()(file.close(), true);
  exact<void>()(file.closeSync(), true);
  // @ts-expect-error there is one default pool
  WindowPool.default = new WindowPool();
  if (error instanceof MappedFileError) {
    exact<MappedFileErrorCode>()(error.code, true);
    exact<number | undefined>()(error.position, true);
    exact<string | undefined>()(error.path, true);
    // @ts-expect-error not one of the codes
    void (error.code === 'ENOENT');
  }
}
