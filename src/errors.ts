/** Errors: the library's own codes, and Node's forms for bad arguments and for the operating system's errors. */
import { constants as osConstants } from 'node:os';
import { getSystemErrorMap, inspect } from 'node:util';

/**
 * Every `code` that a {@link MappedFileError} can carry:
 *
 * | `ERR_MAPPED_FILE_…` | when                                                                                        |
 * | ------------------- | ------------------------------------------------------------------------------------------- |
 * | `CLOSED`            | the file, or what was made from it, is closed or released                                   |
 * | `TRUNCATED`         | the file was cut, so that it has no longer what was asked for, or what a view showed        |
 * | `IO`                | its device failed                                                                           |
 * | `NO_SPACE`          | its device is full, or the memory for it                                                    |
 * | `READ_ONLY`         | it is not open for writing, or {@link MappedFile.protect} forbids it                        |
 * | `NOT_MAPPABLE`      | it cannot be mapped, and was to be; or it cannot be read                                    |
 * | `BUDGET`            | a view is more than its pool has room for                                                   |
 * | `NOT_SEEKABLE`      | it has no positions (a pipe), no known end, or has not arrived so far (a spool)             |
 * | `STALE`             | a handle leads to another file by now, or to none                                           |
 * | `LINE_TOO_LONG`     | a line is longer than `maxLineLength`                                                       |
 * | `INDEX_STALE`       | the file is not the one that the line index was made of                                     |
 * | `INDEX_INVALID`     | a saved line index is none, or is damaged                                                   |
 * | `DEADLOCK`          | who has a mutex asks for it                                                                 |
 * | `TIMED_OUT`         | `timeout` has passed                                                                        |
 * | `SYNC_INVALID`      | what is at the place of a mutex, ring, … is none                                            |
 * | `RING_ENDED`        | a record is pushed into a ring that was ended                                               |
 */
export type MappedFileErrorCode =
  | 'ERR_MAPPED_FILE_CLOSED'
  | 'ERR_MAPPED_FILE_TRUNCATED'
  | 'ERR_MAPPED_FILE_IO'
  | 'ERR_MAPPED_FILE_NO_SPACE'
  | 'ERR_MAPPED_FILE_READ_ONLY'
  | 'ERR_MAPPED_FILE_NOT_MAPPABLE'
  | 'ERR_MAPPED_FILE_BUDGET'
  | 'ERR_MAPPED_FILE_NOT_SEEKABLE'
  | 'ERR_MAPPED_FILE_STALE'
  | 'ERR_MAPPED_FILE_LINE_TOO_LONG'
  | 'ERR_MAPPED_FILE_INDEX_STALE'
  | 'ERR_MAPPED_FILE_INDEX_INVALID'
  | 'ERR_MAPPED_FILE_DEADLOCK'
  | 'ERR_MAPPED_FILE_TIMED_OUT'
  | 'ERR_MAPPED_FILE_SYNC_INVALID'
  | 'ERR_MAPPED_FILE_RING_ENDED';

/** What a {@link MappedFileError} tells beside its message. */
export interface MappedFileErrorDetails {
  /** The system call that failed. */
  syscall?: string | undefined;
  /** The file's path. */
  path?: string | undefined;
  /** Byte offset in the file. */
  position?: number | undefined;
  /** Length in bytes of what was asked for. */
  length?: number | undefined;
  /** The error that led to it. */
  cause?: unknown;
}

/**
 * An error of a mapped file that the operating system has no code for: the file shrank under a mapping, the device
 * failed under one, the file is closed, and so on. Errors of the operating system itself keep Node's form
 * ({@link SystemError}).
 *
 * @example
 * ```ts
 * try {
 *   await using other = await MappedFile.open('access.log');
 *   other.setUint8(0, 1);
 * } catch (error) {
 *   if (!(error instanceof MappedFileError)) throw error;
 *   console.log(error.code, error.path); // → ERR_MAPPED_FILE_READ_ONLY access.log
 * }
 * ```
 */
export class MappedFileError extends Error {
  /** One of {@link MappedFileErrorCode}. */
  readonly code: MappedFileErrorCode;
  /** The system call that failed, where there was one. */
  declare readonly syscall?: string;
  /** The file's path, where it is known. */
  declare readonly path?: string;
  /** Byte offset in the file that the error is about. */
  declare readonly position?: number;
  /** Length in bytes of what was asked for. */
  declare readonly length?: number;

  /** `message` is completed by the path and the position, where there are any. */
  constructor(code: MappedFileErrorCode, message: string, details: MappedFileErrorDetails = {}) {
    const { cause, path, position, length, syscall } = details;
    const file = path === undefined ? '' : ` '${path}'`;
    const at = position === undefined ? '' : ` at position ${position}`;
    super(`${message}:${file}${at}`.replace(/:$/, ''), cause === undefined ? undefined : { cause });
    this.code = code;
    // Plain assignments: a descriptor would inherit what somebody has put on Object.prototype.
    if (syscall !== undefined) this.syscall = syscall;
    if (path !== undefined) this.path = path;
    if (position !== undefined) this.position = position;
    if (length !== undefined) this.length = length;
  }
}
Object.defineProperty(MappedFileError.prototype, 'name', {
  value: 'MappedFileError',
  configurable: true,
  writable: true,
});

/** An error in the form that Node's own `fs` throws. */
export interface SystemError extends Error {
  /** The system's number of the error, negative, as libuv has it. */
  errno: number;
  /** Its name, such as `'ENOENT'`. */
  code: string;
  /** What was called, such as `'open'`. */
  syscall: string;
  /** The file's path, where it is known. */
  path?: string;
}

/** Node's number, name and text for an `errno` of `os.constants`. */
function nodeError(errno: number): [number: number, code: string, text: string] {
  const known = getSystemErrorMap().get(-errno);
  if (known !== undefined) return [-errno, ...known];
  // On Windows, libuv has numbers of its own, and one name for what is not supported.
  const [name = ''] = Object.entries(osConstants.errno).find(([, number]) => number === errno) ?? [];
  const code = name === 'EOPNOTSUPP' ? 'ENOTSUP' : name;
  const [number, entry] = [...getSystemErrorMap()].find(([, [other]]) => other === code) ?? [];
  return number === undefined || entry === undefined ? [-errno, `E${errno}`, 'unknown error'] : [number, ...entry];
}

/** Makes Node's error for an `errno` (positive, as `os.constants` has it), e.g. `ENOENT: no such file or directory, open 'x'`. */
export function systemError(errno: number, syscall: string, path?: string): SystemError {
  const [number, code, text] = nodeError(errno);
  const error = new Error(`${code}: ${text}, ${syscall}${path === undefined ? '' : ` '${path}'`}`) as SystemError;
  error.errno = number;
  error.code = code;
  error.syscall = syscall;
  if (path !== undefined) error.path = path;
  return error;
}

/** A `TypeError` with Node's `ERR_INVALID_ARG_TYPE`; `expected` completes "must be …". */
export function invalidArgType(name: string, expected: string, actual: unknown): TypeError {
  return coded(
    TypeError,
    'ERR_INVALID_ARG_TYPE',
    `The ${named(name)} must be ${expected}. Received ${received(actual)}`,
  );
}

/** A `TypeError` with Node's `ERR_INVALID_ARG_VALUE`; `reason` completes "The argument 'x' …". */
export function invalidArgValue(name: string, actual: unknown, reason = 'is invalid'): TypeError {
  let shown = inspected(actual);
  if (shown.length > 128) shown = `${shown.slice(0, 128)}...`;
  const kind = name.includes('.') ? 'property' : 'argument';
  return coded(TypeError, 'ERR_INVALID_ARG_VALUE', `The ${kind} '${name}' ${reason}. Received ${shown}`);
}

/** A `RangeError` with Node's `ERR_OUT_OF_RANGE`; `range` completes "It must be …". */
export function outOfRange(name: string, range: string, actual: unknown): RangeError {
  let shown: string;
  if (typeof actual === 'bigint')
    shown = `${Math.abs(Number(actual)) > 2 ** 32 ? separated(String(actual)) : String(actual)}n`;
  else if (typeof actual === 'number' && Number.isInteger(actual) && Math.abs(actual) > 2 ** 32)
    shown = separated(String(actual));
  else shown = inspected(actual);
  return coded(
    RangeError,
    'ERR_OUT_OF_RANGE',
    `The value of "${name}" is out of range. It must be ${range}. Received ${shown}`,
  );
}

/** Throws `ERR_INVALID_ARG_TYPE` for anything that is neither `undefined` nor an `AbortSignal`. */
export function checkSignal(signal: unknown): void {
  if (signal === undefined) return;
  // Not by its class: a signal may come from another realm, or from a polyfill.
  const { aborted, addEventListener, removeEventListener } = (signal ?? {}) as Partial<AbortSignal>;
  if (
    typeof aborted !== 'boolean' ||
    typeof addEventListener !== 'function' ||
    typeof removeEventListener !== 'function'
  ) {
    throw invalidArgType('options.signal', 'an instance of AbortSignal', signal);
  }
}

/** Throws `ERR_INVALID_ARG_TYPE` for anything that `new` cannot be used on; calls nothing of it. */
export function checkConstructor(value: unknown, name: string, expected: string): void {
  try {
    Reflect.construct(Object, [], value as new () => object); // as the class that is made, not as what makes it
  } catch {
    throw invalidArgType(name, expected, value);
  }
}

/** An `Error` with Node's `ERR_INVALID_STATE`. */
export function invalidState(message: string): Error {
  return coded(Error, 'ERR_INVALID_STATE', `Invalid state: ${message}`);
}

/** A `RangeError` with Node's `ERR_FS_FILE_TOO_LARGE`; `size` in bytes. */
export function fileTooLarge(size: number): RangeError {
  return coded(RangeError, 'ERR_FS_FILE_TOO_LARGE', `File size (${size}) is greater than 2 GiB`);
}

function coded<E extends Error>(ctor: new (message: string) => E, code: string, message: string): E {
  const error: E & { code?: string } = new ctor(message);
  error.code = code;
  // Node shows the code in the stack only; the name stays TypeError or RangeError.
  const { name } = error;
  if (error.stack !== undefined) error.stack = error.stack.replace(name, `${name} [${code}]`);
  return error;
}

function named(name: string): string {
  if (name.endsWith(' argument')) return name;
  return `"${name}" ${name.includes('.') ? 'property' : 'argument'}`;
}

/** What a value looks like. Some cannot be looked at: a DataView over a detached buffer, a proxy that throws. */
function inspected(value: unknown, depth = 2): string {
  try {
    return inspect(value, { depth });
  } catch {
    return `[${typeof value}]`;
  }
}

function separated(digits: string): string {
  return digits.replace(/\B(?=(\d{3})+$)/g, '_');
}

/** Node's wording of what an argument was (`determineSpecificType` in its lib/internal/errors.js). */
function received(value: unknown): string {
  try {
    return described(value);
  } catch {
    return inspected(value); // a getter that throws, a proxy that was revoked: the error to tell is ours
  }
}

function described(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  switch (typeof value) {
    case 'function': {
      // Read once: a property of the caller's may be another thing the next time.
      const name: unknown = value.name;
      return typeof name === 'string' ? `function ${name}` : inspected(value, -1);
    }
    case 'object': {
      const { constructor } = value as { constructor?: unknown };
      const name: unknown = typeof constructor === 'function' ? constructor.name : undefined;
      return typeof name === 'string' ? `an instance of ${name}` : inspected(value, -1);
    }
    case 'string': {
      const shown = value.length > 28 ? `${value.slice(0, 25)}...` : value;
      return `type string (${shown.includes("'") ? JSON.stringify(shown) : `'${shown}'`})`;
    }
    case 'bigint':
      return `type bigint (${value}n)`;
    case 'number':
      return `type number (${Object.is(value, -0) ? '-0' : value})`;
    default:
      return `type ${typeof value} (${inspected(value)})`;
  }
}
