import { checkConstructor } from '../errors.js';
import type { MappedFile } from '../mapped-file.js';
import { toCount, toPosition } from '../ranges.js';
import { checkOptions } from '../streams/options.js';
import { type AdapterOptions, closesFile } from './options.js';

/** A value of `len` bytes, as `token-types` has them. */
export interface Token<T> {
  /** How many bytes it takes. */
  readonly len: number;
  /** Reads the value at `offset` of `bytes`. */
  get(bytes: Uint8Array, offset: number): T;
}

/** How {@link Tokenizer.readBuffer} and {@link Tokenizer.peekBuffer} read. */
export interface TokenizerReadOptions {
  /** How many bytes. Default: the length of the buffer. */
  length?: number;
  /** Byte offset in the file. Default: the tokenizer's position. */
  position?: number;
  /** Whether fewer bytes at the end of the file are no error. Default false. */
  mayBeLess?: boolean;
}

/** Options of {@link toTokenizer}. */
export interface TokenizerOptions extends AdapterOptions {
  /**
   * What is thrown at the end of the file. music-metadata tells it by its class: give it strtok3's `EndOfStreamError`.
   * Default: an Error of that name.
   */
  EndOfStreamError?: (new () => Error) | undefined;
  /** What is said about the file besides its size and path. */
  fileInfo?: { mimeType?: string; url?: string } | undefined;
}

class EndOfStreamError extends Error {
  override readonly name = 'EndOfStreamError';
  constructor() {
    super('End-Of-Stream');
  }
}

/** strtok3's ITokenizer with random access, over a file. */
export class Tokenizer {
  /** Size in bytes as it was when this was made, path, and what was given. */
  readonly fileInfo: { size: number; path?: string; mimeType?: string; url?: string };
  /** Byte offset of the next read. */
  position = 0;
  readonly #file: MappedFile;
  readonly #closes: boolean;
  readonly #EndOfStreamError: new () => Error;

  /** @internal */
  constructor(file: MappedFile, options: TokenizerOptions) {
    this.#closes = closesFile(options);
    if (options.EndOfStreamError !== undefined) {
      checkConstructor(options.EndOfStreamError, 'options.EndOfStreamError', 'a class of errors');
    }
    this.#EndOfStreamError = options.EndOfStreamError ?? EndOfStreamError;
    const { path } = file;
    this.fileInfo = { ...options.fileInfo, ...(path !== undefined && { path }), size: file.refreshSync() };
    this.#file = file;
  }

  /** Whether positions may go back: they may. */
  supportsRandomAccess(): boolean {
    return true;
  }

  /** Reads into `buffer` and moves the position; gives the count of bytes. */
  async readBuffer(buffer: Uint8Array, options?: TokenizerReadOptions): Promise<number> {
    const [position, length] = this.#where(buffer, options);
    this.position = position;
    const bytes = await this.#read(buffer, position, length, options?.mayBeLess);
    this.position = position + bytes;
    return bytes;
  }

  /** As {@link readBuffer}, without moving the position. */
  async peekBuffer(buffer: Uint8Array, options?: TokenizerReadOptions): Promise<number> {
    const [position, length] = this.#where(buffer, options);
    return this.#read(buffer, position, length, options?.mayBeLess);
  }

  /** Reads a value and moves the position behind it. */
  async readToken<T>(token: Token<T>, position: number = this.position): Promise<T> {
    const value = await this.peekToken(token, position);
    this.position = position + token.len;
    return value;
  }

  /** As {@link readToken}, without moving the position. */
  async peekToken<T>(token: Token<T>, position?: number | null): Promise<T> {
    const at = toPosition(position ?? this.position);
    // Before there is a buffer of a length that a damaged file may ask for.
    if (token.len > this.fileInfo.size - at) throw new this.#EndOfStreamError();
    const bytes = new Uint8Array(token.len);
    await this.#read(bytes, at, token.len);
    return token.get(bytes, 0);
  }

  /** As {@link readToken}. */
  readNumber(token: Token<number>): Promise<number> {
    return this.readToken(token);
  }

  /** As {@link peekToken}. */
  peekNumber(token: Token<number>): Promise<number> {
    return this.peekToken(token);
  }

  /** Moves the position by `length` bytes, not past the end; gives how many it were. */
  async ignore(length: number): Promise<number> {
    const bytes = Math.min(toCount(length, 'length', 0), Math.max(0, this.fileInfo.size - this.position));
    this.position += bytes;
    return bytes;
  }

  /** Puts the position anywhere. */
  setPosition(position: number): void {
    this.position = toPosition(position);
  }

  /** Closes the file where that was asked for. */
  async close(): Promise<void> {
    if (this.#closes) await this.#file.close();
  }

  /** Does nothing: reads are short. */
  async abort(): Promise<void> {}

  #where(buffer: Uint8Array, options: TokenizerReadOptions | undefined): [position: number, length: number] {
    const position = toPosition(options?.position ?? this.position, 'options.position');
    return [position, toCount(options?.length ?? buffer.length, 'options.length', 0, buffer.length)];
  }

  async #read(buffer: Uint8Array, position: number, length: number, mayBeLess = false): Promise<number> {
    let done = 0;
    for (let moved = -1; done < length && moved !== 0; done += moved) {
      moved = (await this.#file.read(buffer, done, length - done, position + done)).bytesRead;
    }
    if (done < length && !mayBeLess) throw new this.#EndOfStreamError();
    return done;
  }
}

/**
 * `file` as a tokenizer of strtok3, which music-metadata and file-type read from:
 * `parseFromTokenizer(toTokenizer(file, { EndOfStreamError }))`.
 *
 * @example
 * ```ts
 * import { MappedFile } from 'sliding-mmap';
 * import { toTokenizer } from 'sliding-mmap/adapters';
 * import { EndOfStreamError } from 'strtok3';
 * import { UINT32_LE } from 'token-types';
 *
 * await using file = await MappedFile.open('data.bin');
 * const tokenizer = toTokenizer(file, { EndOfStreamError });
 * await tokenizer.ignore(4096);
 * console.log(await tokenizer.readNumber(UINT32_LE)); // → 4096
 * ```
 */
export function toTokenizer(file: MappedFile, options: TokenizerOptions = {}): Tokenizer {
  checkOptions(options);
  return new Tokenizer(file, options);
}
