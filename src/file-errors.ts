import { constants as osConstants } from 'node:os';
import { MappedFileError, type SystemError, systemError } from './errors.js';

const { EDQUOT, EIO, ENOSPC } = osConstants.errno;

/** Makes the errors of one file, which all name its path. @internal */
export class FileErrors {
  readonly #path: string | undefined;

  constructor(path: string | undefined) {
    this.#path = path;
  }

  closed(): MappedFileError {
    return new MappedFileError('ERR_MAPPED_FILE_CLOSED', 'The file is closed', { path: this.#path });
  }

  readOnly(why: string, position?: number, length?: number): MappedFileError {
    return new MappedFileError('ERR_MAPPED_FILE_READ_ONLY', why, { path: this.#path, position, length });
  }

  /** The file is shorter than it was when the caller's range was inside it. */
  truncated(message: string, position: number, length: number): MappedFileError {
    return new MappedFileError('ERR_MAPPED_FILE_TRUNCATED', message, { path: this.#path, position, length });
  }

  /** Positions that the file does not have, or does not have yet. */
  notSeekable(message: string, position?: number, length?: number): MappedFileError {
    return new MappedFileError('ERR_MAPPED_FILE_NOT_SEEKABLE', message, { path: this.#path, position, length });
  }

  notMappable(message: string, position?: number, length?: number, cause?: unknown): MappedFileError {
    const details = { path: this.#path, position, length, cause };
    return new MappedFileError('ERR_MAPPED_FILE_NOT_MAPPABLE', message, details);
  }

  /** What the system says of a call that users know from node:fs: in Node's form. */
  system(errno: number, syscall: string, position = -1, length?: number): SystemError {
    const error = systemError(errno, syscall, this.#path);
    return Object.assign(error, position < 0 ? {} : { position }, length === undefined ? {} : { length });
  }

  /** What the system says where a user only touched memory, or asked for it to be safe on the device. */
  mapping(errno: number, syscall: string, position?: number, length?: number): MappedFileError | SystemError {
    const cause = systemError(errno, syscall, this.#path);
    const details = { path: this.#path, position, length, syscall, cause };
    if (errno === EIO) return new MappedFileError('ERR_MAPPED_FILE_IO', 'The device failed', details);
    if (errno === ENOSPC || errno === EDQUOT) {
      return new MappedFileError('ERR_MAPPED_FILE_NO_SPACE', 'There is no room left', details);
    }
    return cause;
  }

  /** Passes a result of the addon on, or throws its errno in Node's form. */
  succeed(result: number, syscall: string): number {
    if (result < 0) throw this.system(-result, syscall);
    return result;
  }
}
