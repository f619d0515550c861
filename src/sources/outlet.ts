/** Where bytes go one after the other, without positions and without blocking. */
import net from 'node:net';
import { constants as osConstants } from 'node:os';
import tty from 'node:tty';
import type { FileErrors } from '../file-errors.js';
import { native } from '../native.js';
import { owning } from './inlet.js';
import type { Kind } from './kind.js';

const { EIO } = osConstants.errno;

/** The writing end of something. */
export interface Outlet {
  /** Resolves when all of `bytes`, which may be reused at once, have been taken by the system. */
  write(bytes: Uint8Array): Promise<void>;
  close(): void;
}

/** `fd` stays the caller's, and has to stay open. */
export function openOutlet(fd: number, kind: Kind, errors: FileErrors): Outlet {
  return kind === 'device' ? new JobOutlet(fd, errors) : new StreamOutlet(fd, kind, errors);
}

/** As `StreamInlet`, for writing. */
class StreamOutlet implements Outlet {
  readonly #stream: net.Socket;
  readonly #errors: FileErrors;
  #underWay = 0;

  constructor(fd: number, kind: Kind, errors: FileErrors) {
    this.#errors = errors;
    const own = errors.succeed(native.reopen(fd, true), 'dup');
    this.#stream = owning(own, () =>
      kind === 'tty' ? new tty.WriteStream(own) : new net.Socket({ fd: own, readable: false, writable: true }),
    );
    this.#stream.unref();
    // Whoever writes is told.
    this.#stream.on('error', () => {});
  }

  write(bytes: Uint8Array): Promise<void> {
    if (this.#underWay++ === 0) this.#stream.ref();
    return new Promise((resolve, reject) => {
      this.#stream.write(Buffer.from(bytes), (error?: NodeJS.ErrnoException | null) => {
        if (--this.#underWay === 0) this.#stream.unref();
        if (error) reject(this.#errors.system(Math.abs(error.errno ?? EIO), 'write', -1, bytes.length));
        else resolve();
      });
    });
  }

  close(): void {
    this.#stream.destroy();
  }
}

class JobOutlet implements Outlet {
  readonly #fd: number;
  readonly #errors: FileErrors;

  constructor(fd: number, errors: FileErrors) {
    this.#fd = fd;
    this.#errors = errors;
  }

  async write(bytes: Uint8Array): Promise<void> {
    for (let rest = new Uint8Array(bytes); rest.length > 0;) {
      const done = await native.writeAsync(this.#fd, rest, 0, rest.length, -1, true);
      if (done <= 0) throw this.#errors.system(done < 0 ? -done : EIO, 'write', -1, bytes.length);
      rest = rest.subarray(done);
    }
  }

  close(): void {}
}
