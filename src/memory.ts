/** Memory that is no file of a disk: what it is opened from, checked, and how. */
import fs from 'node:fs';
import { constants as osConstants, tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { Descriptor } from './descriptor.js';
import { invalidArgType, invalidArgValue, MappedFileError, systemError } from './errors.js';
import { native } from './native.js';
import { type OpenOptions, openRequest, type OpenRequest } from './opening.js';
import { type Position, toPosition } from './ranges.js';

const { O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_RDWR } = fs.constants;
const { EACCES, EDQUOT, ENOMEM, ENOSPC } = osConstants.errno;
const openDescriptor = promisify(fs.open);
const unlink = promisify(fs.unlink);

/** On Linux shm_open(3) has its names there. Elsewhere such objects can be neither read nor written, only mapped. */
const place = process.platform === 'linux' ? { folder: '/dev/shm', prefix: '' } : { folder: tmpdir(), prefix: 'shm-' };
/** Longest name of a file, in bytes (NAME_MAX). */
const longestName = 255;

/** How anonymous memory is opened. */
export type MemoryOptions = Omit<OpenOptions, 'mode' | 'signal'>;

/** How shared memory is opened. */
export interface SharedMemoryOptions extends MemoryOptions {
  /**
   * As node:fs's. `'wx+'`, the default with a size, makes it, and fails where there is one by that name; `'r+'`, the
   * default without a size, and `'r'` open what is there.
   */
  flags?: 'r' | 'r+' | 'wx+' | undefined;
}

/** A call to open shared memory, in one form. @internal */
export interface SharedRequest {
  request: OpenRequest;
  name: string;
  path: string;
  /** In bytes, to make it. */
  size: number | undefined;
}

/** Makes anonymous memory. @internal */
export function createAnonymous(size: Position, options: MemoryOptions): { request: OpenRequest; fd: Descriptor } {
  const bytes = toPosition(size, 'size');
  const request = { ...openRequest('', 'r+', options), path: undefined };
  const made = native.createAnonymous(place.folder);
  if (made < 0) throw systemError(-made, 'memfd_create');
  const fd = new Descriptor(made, true);
  const status = native.truncate(fd.fd, bytes);
  if (status === 0) return { request, fd };
  fd.closeSync();
  throw systemError(-status, 'ftruncate');
}

/**
 * What no name has. Windows takes a name with a colon for a part of another file, drops dots and spaces at its end, and
 * knows some characters as patterns (learn.microsoft.com, "Naming Files, Paths, and Namespaces").
 */
// eslint-disable-next-line no-control-regex
const unfit = process.platform === 'win32' ? /[\0-\x1f<>:"/\\|?*]|[. ]$/ : /[/\\\0]/;

/** Where the memory of a name is. Throws `ERR_INVALID_ARG_TYPE` and `ERR_INVALID_ARG_VALUE`. @internal */
export function sharedPath(name: unknown): string {
  if (typeof name !== 'string') throw invalidArgType('name', 'of type string', name);
  const file = place.prefix + name;
  const isName = name !== '' && name !== '.' && name !== '..' && !unfit.test(name);
  if (!isName || Buffer.byteLength(file) > longestName) {
    throw invalidArgValue('name', name, `must be a file name of 1 to ${longestName} bytes`);
  }
  return path.join(place.folder, file);
}

/** Checks the arguments. @internal */
export function sharedRequest(name: unknown, size: unknown, options: SharedMemoryOptions): SharedRequest {
  const found = sharedPath(name);
  const bytes = size === undefined ? undefined : toPosition(size, 'size');
  if (typeof options !== 'object' || options === null) throw invalidArgType('options', 'of type object', options);
  const { flags = bytes === undefined ? 'r+' : 'wx+' } = options;
  const allowed: readonly unknown[] = bytes === undefined ? ['r', 'r+'] : ['wx+'];
  if (!allowed.includes(flags)) {
    const list = bytes === undefined ? "'r', 'r+' without a size" : "'wx+' with a size";
    throw invalidArgValue('options.flags', flags, `must be one of: ${list}`);
  }
  const request = { ...openRequest(found, flags === 'r' ? 'r' : 'r+', options), reserving: true };
  return { request, name: path.basename(found), path: found, size: bytes };
}

/** Makes it, or opens what is there. @internal */
export async function openShared({ request, name, path, size }: SharedRequest): Promise<Descriptor> {
  if (size !== undefined) return created(await native.createSharedAsync(place.folder, name, size), path, size);
  return own(new Descriptor(await openDescriptor(path, flagsOf(request)), false), path);
}

/** As {@link openShared}, blocking. @internal */
export function openSharedSync({ request, name, path, size }: SharedRequest): Descriptor {
  if (size !== undefined) return created(native.createShared(place.folder, name, size), path, size);
  return own(new Descriptor(fs.openSync(path, flagsOf(request)), false), path);
}

function flagsOf({ writable }: OpenRequest): number {
  return (writable ? O_RDWR : O_RDONLY) | O_NOFOLLOW | O_NONBLOCK;
}

function created(fd: number, path: string, length: number): Descriptor {
  if (fd >= 0) return new Descriptor(fd, true);
  const cause = systemError(-fd, 'open', path);
  if (fd !== -ENOSPC && fd !== -EDQUOT && fd !== -ENOMEM) throw cause;
  const message = `There is no room for ${length} bytes of shared memory`;
  throw new MappedFileError('ERR_MAPPED_FILE_NO_SPACE', message, { path, length, syscall: 'fallocate', cause });
}

/** Everybody may put things into that folder: only what this user has made for himself is opened. */
function own(descriptor: Descriptor, path: string): Descriptor {
  const stats = fs.fstatSync(descriptor.fd);
  const isOurs = process.geteuid === undefined || (stats.uid === process.geteuid() && (stats.mode & 0o077) === 0);
  if (stats.isFile() && isOurs && stats.nlink <= 1) return descriptor;
  descriptor.closeSync();
  throw systemError(EACCES, 'open', path);
}

/** @internal */
export function unlinkShared(name: unknown): Promise<void> {
  return unlink(sharedPath(name));
}

/** @internal */
export function unlinkSharedSync(name: unknown): void {
  fs.unlinkSync(sharedPath(name));
}
