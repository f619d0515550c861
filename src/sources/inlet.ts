/** Where bytes come from one after the other, without positions and without blocking. */
import net from 'node:net';
import { constants as osConstants } from 'node:os';
import type { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import tty from 'node:tty';
import type { FileErrors } from '../file-errors.js';
import { native } from '../native.js';
import type { Kind } from './kind.js';

const { EAGAIN, EIO } = osConstants.errno;
const nothing = new Uint8Array(0);
/** What one job on the thread pool reads, in bytes. */
const pieceSize = 256 * 1024;
/** Pauses, in milliseconds, between two looks at a device that has nothing to give and cannot be waited for. */
const firstPause = 5;
const longestPause = 100;

/** The reading end of something. */
export interface Inlet {
  /** The next bytes, as many as there are, in memory that is the caller's; none at the end. One call at a time. */
  next(): Uint8Array | Promise<Uint8Array>;
  /** Whether waiting here keeps the process alive. */
  keepAlive(on: boolean): void;
  /** A call that is waiting rejects, or gives nothing. */
  close(): void;
}

/** `fd` stays the caller's, and has to stay open. */
export function openInlet(fd: number, kind: Kind, errors: FileErrors): Inlet {
  if (kind === 'stream' || kind === 'tty') return new StreamInlet(fd, kind, errors);
  return new JobInlet(fd, kind === 'sizeless' ? 0 : -1, errors);
}

/**
 * Pipes, sockets and terminals, through Node's own streams. They need a descriptor of their own, which they make
 * non-blocking and close: for a pipe or a terminal it is a new open file, so that nobody else sees that; for a socket or
 * a FIFO a duplicate, whose open file is made blocking again, if it was, when `fd` is closed.
 */
class StreamInlet implements Inlet {
  readonly #stream: net.Socket;
  readonly #errors: FileErrors;
  #failure: Error | undefined;
  #done = false;
  #wake: (() => void) | undefined;

  constructor(fd: number, kind: 'stream' | 'tty', errors: FileErrors) {
    this.#errors = errors;
    const own = errors.succeed(native.reopen(fd, false), 'dup');
    this.#stream = owning(own, () =>
      kind === 'tty' ? new tty.ReadStream(own) : new net.Socket({ fd: own, readable: true, writable: false }),
    );
    this.#stream.unref();
    const stream: Readable = this.#stream;
    const wake = (): void => this.#wake?.();
    stream.on('readable', wake);
    stream.on('end', () => {
      this.#done = true;
      wake();
    });
    stream.on('error', (error: NodeJS.ErrnoException) => {
      this.#failure ??= error;
      wake();
    });
    stream.on('close', () => {
      this.#done = true;
      wake();
    });
  }

  next(): Uint8Array | Promise<Uint8Array> {
    return this.#take() ?? this.#wait();
  }

  async #wait(): Promise<Uint8Array> {
    for (;;) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = undefined;
      const bytes = this.#take();
      if (bytes !== undefined) return bytes;
    }
  }

  #take(): Uint8Array | undefined {
    const chunk = this.#stream.read() as Buffer | null;
    if (chunk !== null) return chunk;
    if (this.#failure === undefined) return this.#done ? nothing : undefined;
    const { errno = -EIO } = this.#failure as NodeJS.ErrnoException;
    throw this.#errors.system(Math.abs(errno), 'read');
  }

  keepAlive(on: boolean): void {
    if (on) this.#stream.ref();
    else this.#stream.unref();
  }

  close(): void {
    this.#stream.destroy();
  }
}

/**
 * Devices that cannot be waited for, which seldom let one wait (`/dev/zero`, `/dev/urandom`), and files, from `position`
 * on: reads on the thread pool.
 */
class JobInlet implements Inlet {
  readonly #fd: number;
  readonly #errors: FileErrors;
  readonly #closing = new AbortController();
  #position: number;

  constructor(fd: number, position: number, errors: FileErrors) {
    this.#fd = fd;
    this.#position = position;
    this.#errors = errors;
  }

  async next(): Promise<Uint8Array> {
    const piece = new Uint8Array(Buffer.allocUnsafeSlow(pieceSize).buffer);
    let done: number;
    for (let pause = firstPause; ; pause = Math.min(2 * pause, longestPause)) {
      done = await native.readAsync(this.#fd, piece, 0, pieceSize, this.#position, true);
      if (done !== -EAGAIN) break;
      await delay(pause, undefined, { signal: this.#closing.signal });
    }
    if (done < 0) throw this.#errors.system(-done, 'read');
    if (this.#position >= 0) this.#position += done;
    return piece.subarray(0, done);
  }

  keepAlive(): void {}

  close(): void {
    this.#closing.abort();
  }
}

/** Closes the descriptor if whoever was to own it could not be made. */
export function owning<T>(fd: number, make: () => T): T {
  try {
    return make();
  } catch (error) {
    native.closeReopened(fd);
    throw error;
  }
}
