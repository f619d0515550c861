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
/** Most that one job on the thread pool reads. */
const jobLimit = 1024 * 1024;
/** Pauses, in milliseconds, between two looks at a device that has nothing to give and cannot be waited for. */
const firstPause = 5;
const longestPause = 100;

/** The reading end of something. One call of `read` at a time. */
export interface Inlet {
  /** Fills `target` with up to so many of the next bytes and gives the count; 0 at the end. */
  read(target: Uint8Array): number | Promise<number>;
  /** Whether waiting here keeps the process alive. */
  keepAlive(on: boolean): void;
  /** A read that is waiting rejects, or gives 0. */
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
  #rest: Uint8Array | undefined;
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

  read(target: Uint8Array): number | Promise<number> {
    const bytes = this.#take(target);
    return bytes ?? this.#wait(target);
  }

  async #wait(target: Uint8Array): Promise<number> {
    for (;;) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = undefined;
      const bytes = this.#take(target);
      if (bytes !== undefined) return bytes;
    }
  }

  #take(target: Uint8Array): number | undefined {
    const chunk = this.#rest ?? (this.#stream.read() as Buffer | null);
    if (chunk === null) {
      if (this.#failure !== undefined) {
        const { errno = -EIO } = this.#failure as NodeJS.ErrnoException;
        throw this.#errors.system(Math.abs(errno), 'read');
      }
      return this.#done ? 0 : undefined;
    }
    const length = Math.min(chunk.length, target.length);
    target.set(chunk.subarray(0, length));
    this.#rest = length < chunk.length ? chunk.subarray(length) : undefined;
    return length;
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

  async read(target: Uint8Array): Promise<number> {
    let done: number;
    for (let pause = firstPause; ; pause = Math.min(2 * pause, longestPause)) {
      const length = Math.min(target.length, jobLimit);
      done = await native.readAsync(this.#fd, target, 0, length, this.#position, true);
      if (done !== -EAGAIN) break;
      await delay(pause, undefined, { signal: this.#closing.signal });
    }
    if (done < 0) throw this.#errors.system(-done, 'read');
    if (this.#position >= 0) this.#position += done;
    return done;
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
