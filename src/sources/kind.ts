/** What a descriptor leads to, as far as it matters for reading it. */
import fs from 'node:fs';
import tty from 'node:tty';
import { native } from '../native.js';

/**
 * `'sized'`: a file, or a block device. `'sizeless'`: a file that has positions but does not tell its size. `'stream'`: a
 * pipe, a FIFO or a socket. `'tty'`: a terminal. `'device'`: another character device. `'directory'`.
 */
export type Kind = 'sized' | 'sizeless' | 'stream' | 'tty' | 'device' | 'directory';

/**
 * File systems whose files are made while they are read (statfs(2), linux/magic.h): procfs, sysfs, debugfs, tracefs,
 * cgroup, cgroup2, securityfs. They say 0, or a whole page.
 */
const generated = new Set([0x9fa0, 0x62656572, 0x64626720, 0x74726163, 0x27e0eb, 0x63677270, 0x73636673]);
const overlay = 0x794c7630;
/**
 * File systems that know: ext4, XFS, btrfs, tmpfs, overlay. There, a size that another process changes between two looks
 * must not make a file one of the above.
 */
const exact = new Set([0xef53, 0x58465342, 0x9123683e, 0x01021994, overlay]);
/** No file that is longer than this says so wrongly. */
const mostWrong = 64 * 1024;

/** The types of files in `mode`, and that of pipes (inode(7)): on Windows, Node's `isFIFO` says no to all. */
const typeMask = 0o170000;
const pipeType = 0o010000;

/** What the addon says of a regular file. */
const regular = 0;
/** What the addon says of a descriptor that is open for writing. */
const writableMode = 2;

/** The kind and, of what tells it, the size in bytes. Throws Node's own error for a descriptor that is none. */
export function look(fd: number): { kind: Kind; size?: number } {
  // Most files are these, and the object that Node makes of a file's status costs several times what asking does.
  if (native.fileKind(fd) === regular) {
    const size = native.fileSize(fd);
    if (size > mostWrong) return { kind: 'sized', size };
  }
  return { kind: kindOf(fd) };
}

function kindOf(fd: number): Kind {
  const stats = fs.fstatSync(fd);
  if (stats.isDirectory()) return 'directory';
  if ((stats.mode & typeMask) === pipeType || stats.isSocket()) return 'stream';
  if (stats.isCharacterDevice()) return tty.isatty(fd) ? 'tty' : 'device';
  const hides = stats.isFile() && stats.size <= mostWrong && stats.blocks === 0 && !tellsItsSize(fd, stats.size);
  // Looked at again: somebody may just have written it, or cut it.
  return hides && fs.fstatSync(fd).size === stats.size ? 'sizeless' : 'sized';
}

function tellsItsSize(fd: number, size: number): boolean {
  const system = fileSystemOf(fd);
  if (system !== undefined && exact.has(system)) return true;
  const byte = new Uint8Array(1);
  // A file system in user space may not know either. Nothing is taken from a file by looking at it like this.
  if (size > 0) return native.read(fd, byte, 0, 1, size - 1) !== 0;
  // Here it is: some of these give a message once only.
  return !(system !== undefined && generated.has(system)) && native.read(fd, byte, 0, 1, 0) <= 0;
}

/**
 * Whether what is mapped of the file may stay as it is when somebody writes the file, while reads of the descriptor show
 * it: overlayfs copies a file of a lower layer when it is opened for writing, and mappings that were made by read-only
 * descriptors stay on the old one (Documentation/filesystems/overlayfs.rst, "Non-standard behavior").
 */
export function mappingMayStayBehind(fd: number): boolean {
  return (native.openMode(fd) & writableMode) === 0 && fileSystemOf(fd) === overlay;
}

/** The number of its kind of file system (statfs(2)); `undefined` where the system does not tell. */
function fileSystemOf(fd: number): number | undefined {
  try {
    return fs.statfsSync(`/proc/self/fd/${fd}`).type;
  } catch {
    return undefined;
  }
}
