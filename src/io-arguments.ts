/** The overloads of node:fs's `read` and `write`, brought into one form, with Node's own errors. */
import { bytesAsIs, byteLengthOf, plainBytes } from './bytes.js';
import { invalidArgType, invalidArgValue, outOfRange } from './errors.js';
import { toCount } from './ranges.js';

/** The descriptor's own cursor, as a position. */
export const cursor = -1;

/** What to move: `length` bytes between a file's `position` (or {@link cursor}) and `offset` of `bytes`. */
export interface Transfer {
  bytes: Uint8Array;
  offset: number;
  length: number;
  position: number;
}

/** Options of `read` and `write`, as node:fs has them. */
export interface TransferOptions {
  /** Where in the buffer to start, in bytes. Default 0. */
  offset?: number | null | undefined;
  /** How many bytes. Default: to the end of the buffer. */
  length?: number | null | undefined;
  /** Byte offset in the file; `null`, `undefined` or -1 for the descriptor's own cursor, which then moves. */
  position?: number | bigint | null | undefined;
}

/** As {@link TransferOptions}, with the buffer. */
export interface ReadOptions<T extends NodeJS.ArrayBufferView = NodeJS.ArrayBufferView> extends TransferOptions {
  /** Default: a new `Buffer` of 16 KiB. */
  buffer?: T | undefined;
}

/** Reads `(buffer, offset, length, position)` or `(buffer, options)` as `fs.readSync` does. */
export function readTransfer(buffer: unknown, offsetOrOptions: unknown, length: unknown, position: unknown): Transfer {
  if (!ArrayBuffer.isView(buffer)) throw invalidArgType('buffer', bufferKinds, buffer);
  let offset: unknown = offsetOrOptions;
  if (typeof offset === 'object' && offset !== null) {
    ({ offset = 0, length, position = null } = offset as TransferOptions);
  }
  const from = offset === undefined || offset === null ? 0 : integer(offset, 'offset', 0);
  const wanted = length === undefined || length === null ? undefined : readLength(length);
  const size = byteLengthOf(buffer);
  const count = wanted ?? size - from;
  if (count === 0) return { bytes: bytesAsIs(buffer), offset: from, length: 0, position: cursor };
  if (size === 0) throw invalidArgValue('buffer', buffer, 'is empty and cannot be written');
  if (count < 0) throw outOfRange('length', '>= 0', count);
  if (from + count > size) throw outOfRange('length', `<= ${size - from}`, count);
  return { bytes: bytesAsIs(buffer), offset: from, length: count, position: readPosition(position) };
}

/**
 * Reads `(buffer, offset, length, position)`, `(buffer, options)` or `(string, position, encoding)` as `fs.writeSync`
 * does. One difference: a position that is no integer, which node:fs takes for the cursor, is an error.
 */
export function writeTransfer(
  data: unknown,
  offsetOrOptions: unknown,
  lengthOrEncoding: unknown,
  position: unknown,
): Transfer {
  if (typeof data === 'string') {
    const bytes = Buffer.from(data, encodingOf(lengthOrEncoding, data));
    return { bytes, offset: 0, length: bytes.length, position: writePosition(offsetOrOptions) };
  }
  if (!ArrayBuffer.isView(data)) throw invalidArgType('buffer', `of type string or ${bufferKinds}`, data);
  let offset: unknown = offsetOrOptions;
  let length: unknown = lengthOrEncoding;
  if (typeof offset === 'object' && offset !== null) {
    ({ offset = 0, length, position = null } = offset as TransferOptions);
  }
  const from = offset === undefined || offset === null ? 0 : integer(offset, 'offset', 0);
  const size = byteLengthOf(data);
  const count = typeof length === 'number' ? length : size - from;
  if (from > size) throw outOfRange('offset', `<= ${size}`, from);
  if (count > size - from) throw outOfRange('length', `<= ${size - from}`, count);
  if (count < 0) throw outOfRange('length', '>= 0', count);
  integer(count, 'length', 0);
  return { bytes: bytesAsIs(data), offset: from, length: count, position: writePosition(position) };
}

/** Checks an array of buffers as `fs.readv` does. */
export function bufferList(buffers: unknown): Uint8Array[] {
  if (!isArray(buffers)) throw invalidArgType('buffers', 'an ArrayBufferView[]', buffers);
  const list: Uint8Array[] = [];
  const count = toCount(buffers.length, 'buffers.length', 0); // a proxy may say anything
  for (let i = 0; i < count; i++) {
    const buffer = buffers[i];
    if (!ArrayBuffer.isView(buffer)) throw invalidArgType('buffers', 'an ArrayBufferView[]', buffers);
    list.push(plainBytes(buffer));
  }
  return list;
}

const bufferKinds = 'an instance of Buffer, TypedArray, or DataView';

function integer(value: unknown, name: string, least: number): number {
  if (typeof value !== 'number') throw invalidArgType(name, 'of type number', value);
  if (!Number.isInteger(value)) throw outOfRange(name, 'an integer', value);
  if (value < least || value > Number.MAX_SAFE_INTEGER) {
    throw outOfRange(name, `>= ${least} && <= ${Number.MAX_SAFE_INTEGER}`, value);
  }
  return value;
}

function isArray(value: unknown): value is unknown[] {
  try {
    return Array.isArray(value);
  } catch {
    return false; // a proxy that was revoked
  }
}

// As node:fs, which cuts fractions off; but what no buffer can hold is out of range, and does not wrap.
function readLength(length: unknown): number {
  return typeof length === 'number' && Math.abs(length) >= 2 ** 31 ? length : (length as number) | 0;
}

function readPosition(position: unknown): number {
  if (position === undefined || position === null) return cursor;
  if (typeof position === 'bigint') return bigPosition(position);
  if (typeof position !== 'number') {
    throw invalidArgType('position', 'of type bigint or integer', position);
  }
  return integer(position, 'position', -1);
}

/** The position of a write, or of a vector of buffers: {@link cursor} for whatever is no number or bigint. */
export function writePosition(position: unknown): number {
  if (typeof position === 'bigint') return bigPosition(position);
  return typeof position === 'number' ? integer(position, 'position', -1) : cursor;
}

function bigPosition(position: bigint): number {
  if (position < -1n || position > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw outOfRange('position', `>= -1 && <= ${Number.MAX_SAFE_INTEGER}`, position);
  }
  return Number(position);
}

function encodingOf(encoding: unknown, text: string): BufferEncoding {
  if (typeof encoding !== 'string' || !Buffer.isEncoding(encoding)) return 'utf8';
  if (encoding.toLowerCase() === 'hex' && text.length % 2 !== 0) {
    throw invalidArgValue('encoding', encoding, `is invalid for data of length ${text.length}`);
  }
  return encoding;
}
