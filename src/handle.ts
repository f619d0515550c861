/** What one thread tells another of an open file, so that it can open the same one. */
import fs from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import type { Advice } from './advice.js';
import { Descriptor } from './descriptor.js';
import { invalidArgType, invalidArgValue, MappedFileError } from './errors.js';
import { native } from './native.js';
import { toCount } from './ranges.js';

const openDescriptor = promisify(fs.open);
const statPath = promisify(fs.stat);
const { O_RDWR } = fs.constants;

/**
 * An open file as a plain object, made by `MappedFile.handle` and opened by `MappedFile.open`: it can be posted to a
 * worker thread, and sent to another process as JSON. It holds nothing open.
 */
export interface MappedFileHandle {
  /** The form of the description. */
  readonly mappedFile: 1;
  /** The process that made it, and the descriptor there. */
  readonly pid: number;
  readonly fd: number;
  /** An absolute path that led to the file when it was made; missing where none did. */
  readonly path?: string | undefined;
  /** What tells the file from all others, in decimal: its device, its number there, when it was made (ns since 1970). */
  readonly device: string;
  readonly inode: string;
  readonly born: string;
  /** What it was opened for. */
  readonly flags: 'r' | 'r+' | 'a+';
  /** As in {@link OpenOptions}; missing for the default. */
  readonly windowSize?: number | undefined;
  /** As in {@link OpenOptions}. */
  readonly backing: 'auto' | 'mmap' | 'read';
  /** As in {@link OpenOptions}. */
  readonly strict: boolean;
  /** As in {@link OpenOptions}; missing where nothing was told. */
  readonly advice?: Advice | undefined;
  /** Set for shared memory: room is taken for what it is extended by. */
  readonly reserving?: boolean | undefined;
}

/** How a file was opened, as far as a handle carries it. @internal */
export type HandleTraits = Pick<
  MappedFileHandle,
  'flags' | 'windowSize' | 'backing' | 'strict' | 'advice' | 'reserving'
>;

type Identity = Pick<MappedFileHandle, 'device' | 'inode' | 'born'>;

function identityOf({ dev, ino, birthtimeNs }: fs.BigIntStats): Identity {
  return { device: String(dev), inode: String(ino), born: String(birthtimeNs) };
}

function isSame(stats: fs.BigIntStats, { device, inode, born }: Identity): boolean {
  const found = identityOf(stats);
  return found.device === device && found.inode === inode && found.born === born;
}

function isOpenOn(fd: number, identity: Identity): boolean {
  try {
    return isSame(fs.fstatSync(fd, { bigint: true }), identity);
  } catch {
    return false;
  }
}

/** Describes the file of a descriptor that was opened by `given`, if by a path. @internal */
export function describe(fd: number, given: string | undefined, traits: HandleTraits): MappedFileHandle {
  const identity = identityOf(fs.fstatSync(fd, { bigint: true }));
  return { mappedFile: 1, pid: process.pid, fd, path: pathTo(fd, given, identity), ...identity, ...traits };
}

/** A path by which the file can be opened now: where it is, or else where it was. */
function pathTo(fd: number, given: string | undefined, identity: Identity): string | undefined {
  const candidates = [() => fs.readlinkSync(`/proc/self/fd/${fd}`), () => given && path.resolve(given)];
  for (const candidate of candidates) {
    try {
      const found = candidate();
      if (found && isSame(fs.statSync(found, { bigint: true }), identity)) return found;
    } catch {
      // It has been renamed or deleted, or the system tells no names.
    }
  }
  return undefined;
}

/** The handle that a source is, checked: whoever sent it may have put anything in. `undefined` for what is none. @internal */
export function handleOf(source: unknown): MappedFileHandle | undefined {
  if (typeof source !== 'object' || source === null) return undefined;
  const { mappedFile } = source as Partial<MappedFileHandle>;
  if (mappedFile === undefined) return undefined;
  if (mappedFile !== 1) throw invalidArgValue('source.mappedFile', mappedFile, 'is not 1');
  const given = source as Record<keyof MappedFileHandle, unknown>;
  const { pid, fd, path, device, inode, born, flags, windowSize, backing, strict, advice, reserving } = given;
  if (path !== undefined && typeof path !== 'string') throw invalidArgType('source.path', 'of type string', path);
  if (flags !== 'r' && flags !== 'r+' && flags !== 'a+') {
    throw invalidArgValue('source.flags', flags, "must be one of: 'r', 'r+', 'a+'");
  }
  if (reserving !== undefined && typeof reserving !== 'boolean') {
    throw invalidArgType('source.reserving', 'of type boolean', reserving);
  }
  return {
    mappedFile,
    pid: toCount(pid, 'source.pid', 1, 2 ** 31 - 1),
    fd: toCount(fd, 'source.fd', 0, 2 ** 31 - 1),
    path,
    device: decimal(device, 'source.device'),
    inode: decimal(inode, 'source.inode'),
    born: decimal(born, 'source.born'),
    flags,
    // Checked with the options, whose defaults they are.
    windowSize: windowSize as number | undefined,
    backing: backing as 'auto',
    strict: strict as boolean,
    advice: advice as 'normal',
    reserving,
  };
}

function decimal(value: unknown, name: string): string {
  if (typeof value !== 'string') throw invalidArgType(name, 'of type string', value);
  if (!/^-?\d{1,20}$/.test(value)) throw invalidArgValue(name, value, 'must be a decimal number');
  return value;
}

/**
 * Where the file may be: the descriptor of whoever made the handle (proc(5)), which leads to it whatever has become of
 * its name, and its path.
 */
function namesOf({ pid, fd, path }: MappedFileHandle): string[] {
  // Elsewhere that is a name like any other.
  const descriptor = process.platform === 'linux' ? [`/proc/${pid}/fd/${fd}`] : [];
  return path === undefined ? descriptor : [...descriptor, path];
}

/**
 * Opens the file that a handle describes, and no other. What it finds is looked at before it is opened, because opening
 * a device may do something, and afterwards, because the name may lead elsewhere by then. @internal
 */
export async function openHandle(handle: MappedFileHandle, flags: number): Promise<Descriptor> {
  let failure: unknown;
  for (const name of namesOf(handle)) {
    try {
      if (!isSame(await statPath(name, { bigint: true }), handle)) {
        failure = undefined;
        continue;
      }
      const descriptor = new Descriptor(await openDescriptor(name, flags), false);
      if (isOpenOn(descriptor.fd, handle)) return descriptor;
      descriptor.closeSync();
    } catch (error) {
      failure = error;
    }
  }
  return shared(handle, flags) ?? fail(handle, failure);
}

/** As {@link openHandle}, blocking. @internal */
export function openHandleSync(handle: MappedFileHandle, flags: number): Descriptor {
  let failure: unknown;
  for (const name of namesOf(handle)) {
    try {
      if (!isSame(fs.statSync(name, { bigint: true }), handle)) {
        failure = undefined;
        continue;
      }
      const descriptor = new Descriptor(fs.openSync(name, flags), false);
      if (isOpenOn(descriptor.fd, handle)) return descriptor;
      descriptor.closeSync();
    } catch (error) {
      failure = error;
    }
  }
  return shared(handle, flags) ?? fail(handle, failure);
}

/** Of the same process: a duplicate, where the system opens nothing by its descriptor, or not again. */
function shared(handle: MappedFileHandle, flags: number): Descriptor | undefined {
  if (handle.pid !== process.pid) return undefined;
  const fd = native.duplicate(handle.fd);
  if (fd < 0) return undefined;
  const wanted = (flags & O_RDWR) === 0 ? 1 : 3;
  if ((native.openMode(fd) & wanted) === wanted && isOpenOn(fd, handle)) return new Descriptor(fd, true);
  native.closeDuplicate(fd);
  return undefined;
}

function fail(handle: MappedFileHandle, failure: unknown): never {
  const code = (failure as NodeJS.ErrnoException | undefined)?.code;
  // The file is there, and something else forbids it.
  if (failure !== undefined && code !== 'ENOENT' && code !== 'ENOTDIR') throw failure as Error;
  const { path } = handle;
  const message =
    path === undefined
      ? 'The file of the handle had no path, and is no longer open where the handle was made'
      : 'The file of the handle is no longer open where that was made, and its path leads elsewhere';
  throw new MappedFileError('ERR_MAPPED_FILE_STALE', message, { path, cause: failure });
}
