/**
 * A line index in a file. Whatever is read from one is taken for hostile: it may have been made by somebody who wants
 * this program to fail, or to overwrite another file.
 *
 * All numbers are little-endian; the table's are IEEE doubles, which are exact up to 2^53.
 *
 * | offset | what                                                                        |
 * | ------ | --------------------------------------------------------------------------- |
 * | 0      | the magic number, 8 bytes                                                   |
 * | 8      | version, u32                                                                |
 * | 12     | bytes of a code unit, u16                                                   |
 * | 14     | bytes of the delimiter, u16                                                 |
 * | 16     | the file's inode number, u64                                                |
 * | 24     | when it was last changed, in nanoseconds since 1970, i64                    |
 * | 32     | bytes of it that are indexed, f64                                           |
 * | 40     | delimiters in them, f64                                                     |
 * | 48     | bytes from one entry to the next, f64                                       |
 * | 56     | entries, f64                                                                |
 * | 64     | SHA-256 of samples of the file                                              |
 * | 96     | the delimiter; the entries, f64 each; SHA-256 of everything before          |
 */
import { createHash, randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, open, rename, rm, stat } from 'node:fs/promises';
import type { FileIdentity } from '../byte-source.js';
import { invalidArgValue, MappedFileError } from '../errors.js';
import { LEAST_INTERVAL, MOST_ENTRIES, MOST_INTERVAL } from './delimiter-table.js';

const MAGIC = Buffer.from('\x89SMLINE\n', 'latin1');
const VERSION = 1;
const HEADER = 96;
const DIGEST = 32;
const LONGEST_DELIMITER = 0xffff;
/** Bytes of the longest file that can be a line index. */
const LONGEST_FILE = HEADER + LONGEST_DELIMITER + 8 * MOST_ENTRIES + DIGEST;

/** What a line index is made of. */
export interface StoredIndex {
  readonly unit: 1 | 2;
  readonly delimiter: Uint8Array;
  readonly inode: bigint;
  readonly modified: bigint;
  /** Bytes of the file that are indexed. */
  readonly covered: number;
  /** Delimiters in them. */
  readonly delimiters: number;
  readonly interval: number;
  readonly entries: Float64Array;
  readonly fingerprint: Uint8Array;
}

/** The bytes of a stored index. */
export function encodeIndex(index: StoredIndex): Buffer {
  const { delimiter, entries } = index;
  const table = HEADER + delimiter.length;
  const bytes = Buffer.alloc(table + 8 * entries.length + DIGEST);
  MAGIC.copy(bytes);
  bytes.writeUInt32LE(VERSION, 8);
  bytes.writeUInt16LE(index.unit, 12);
  bytes.writeUInt16LE(delimiter.length, 14);
  bytes.writeBigUInt64LE(BigInt.asUintN(64, index.inode), 16);
  bytes.writeBigInt64LE(BigInt.asIntN(64, index.modified), 24);
  bytes.writeDoubleLE(index.covered, 32);
  bytes.writeDoubleLE(index.delimiters, 40);
  bytes.writeDoubleLE(index.interval, 48);
  bytes.writeDoubleLE(entries.length, 56);
  bytes.set(index.fingerprint, 64);
  bytes.set(delimiter, HEADER);
  for (let i = 0; i < entries.length; i++) bytes.writeDoubleLE(entries[i]!, table + 8 * i);
  digest(bytes.subarray(0, -DIGEST)).copy(bytes, bytes.length - DIGEST);
  return bytes;
}

/** What the bytes of a stored index say. Throws `ERR_MAPPED_FILE_INDEX_INVALID`. */
export function decodeIndex(bytes: Buffer, path: string): StoredIndex {
  const check = (holds: boolean, why: string): void => {
    if (!holds) throw invalid(why, path);
  };
  check(bytes.length >= HEADER + 1 + DIGEST && bytes.subarray(0, 8).equals(MAGIC), 'it does not begin like one');
  check(bytes.readUInt32LE(8) === VERSION, 'its version is unknown');
  const sum = bytes.subarray(-DIGEST);
  check(digest(bytes.subarray(0, -DIGEST)).equals(sum), 'its checksum is wrong');

  const unit = bytes.readUInt16LE(12);
  const delimiterLength = bytes.readUInt16LE(14);
  const [covered, delimiters, interval, length] = [32, 40, 48, 56].map((at) => bytes.readDoubleLE(at)) as [
    number,
    number,
    number,
    number,
  ];
  const isCount = (value: number, most: number): boolean => Number.isInteger(value) && value >= 0 && value <= most;
  check((unit === 1 || unit === 2) && delimiterLength > 0 && delimiterLength % unit === 0, 'its delimiter is none');
  check(isCount(covered, Number.MAX_SAFE_INTEGER) && isCount(delimiters, covered), 'its counts are none');
  // Not by the logarithm alone, which is rounded.
  const isInterval = interval >= LEAST_INTERVAL && interval <= MOST_INTERVAL;
  check(isInterval && interval === 2 ** Math.round(Math.log2(interval)), 'its interval is none');
  check(isCount(length, MOST_ENTRIES - 1), 'its table is too long');
  const table = HEADER + delimiterLength;
  check(bytes.length === table + 8 * length + DIGEST, 'its length is wrong');
  // Where delimiters can begin.
  const places = Math.max(0, covered - delimiterLength + 1);
  check(length === Math.floor(places / interval), 'its table does not fit the file');

  const entries = new Float64Array(length);
  const most = Math.ceil(interval / delimiterLength);
  let last = 0;
  for (let i = 0; i < length; i++) {
    const entry = bytes.readDoubleLE(table + 8 * i);
    check(Number.isInteger(entry) && entry >= last && entry - last <= most, 'its table is not in order');
    last = entries[i] = entry;
  }
  check(delimiters >= last && delimiters - last <= most, 'its table does not fit its counts');
  return {
    unit: unit as 1 | 2,
    delimiter: Uint8Array.prototype.slice.call(bytes, HEADER, table),
    inode: bytes.readBigUInt64LE(16),
    modified: bytes.readBigInt64LE(24),
    covered,
    delimiters,
    interval,
    entries,
    fingerprint: Uint8Array.prototype.slice.call(bytes, 64, HEADER),
  };
}

/**
 * Puts an index where `path` says, at once and whole: it is written to a new file beside it, readable by its owner
 * only, and renamed, which replaces a link instead of following it (rename(2)).
 */
export async function saveIndex(index: StoredIndex, path: string, file: FileIdentity): Promise<void> {
  if (index.delimiter.length > LONGEST_DELIMITER) {
    throw invalidArgValue('options.delimiter', index.delimiter, `is too long to be saved (${LONGEST_DELIMITER} bytes)`);
  }
  const present = await stat(path, { bigint: true }).catch(() => undefined);
  if (present?.ino === file.inode && present.dev === file.device)
    throw invalidArgValue('path', path, 'is the file that is indexed');
  const temporary = `${path}.${randomBytes(8).toString('hex')}.tmp`;
  // 'wx' is O_EXCL: whatever is there already, a link too, makes it fail (open(2)).
  const handle = await open(temporary, 'wx', 0o600);
  try {
    try {
      await handle.writeFile(encodeIndex(index));
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/**
 * Reads an index of `file`. Rejects with the system's errors (`ENOENT` …) and with `ERR_MAPPED_FILE_INDEX_INVALID` for
 * what is no index, is damaged, or belongs to a user who is neither this process's, nor the file's owner, nor root.
 */
export async function loadIndex(path: string, file: FileIdentity): Promise<StoredIndex> {
  const { O_NOFOLLOW = 0, O_NONBLOCK = 0, O_RDONLY } = constants as Partial<typeof constants> & typeof constants;
  // O_NONBLOCK: a pipe put there would hold the open for ever.
  const handle = await open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  try {
    const stats = await handle.stat();
    if (!stats.isFile()) throw invalid('it is not a regular file', path);
    const user = process.geteuid?.();
    if (user !== undefined && ![user, file.owner, 0].includes(stats.uid))
      throw invalid(`it belongs to another user (${stats.uid})`, path);
    if (stats.size > LONGEST_FILE) throw invalid('it is too long', path);
    return decodeIndex(await readWhole(handle, stats.size), path);
  } finally {
    await handle.close();
  }
}

/** Not `readFile`, which would go on for as long as somebody appends. */
async function readWhole(handle: FileHandle, size: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafeSlow(size);
  let done = 0;
  while (done < size) {
    const { bytesRead } = await handle.read(bytes, done, size - done, done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return bytes.subarray(0, done);
}

function invalid(why: string, path: string): MappedFileError {
  return new MappedFileError('ERR_MAPPED_FILE_INDEX_INVALID', `Not a line index, for ${why}`, { path });
}

function digest(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest();
}
