/** FIFOs, with this process at the other end. */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { promisify } from 'node:util';
import type { Folder } from './files.js';

const writeAll = promisify(fs.write) as (fd: number, bytes: Uint8Array) => Promise<{ bytesWritten: number }>;

export class Fifo {
  readonly path: string;
  #fd: number | undefined;

  constructor(folder: Folder, name = 'fifo') {
    this.path = folder.join(name);
    execFileSync('mkfifo', [this.path]);
  }

  /** Opens it for writing; it must be open for reading, or this would wait. */
  open(): void {
    this.#fd ??= fs.openSync(this.path, 'w');
  }

  /** Writes on the thread pool, since the reader may be this thread. */
  async write(bytes: Uint8Array | string): Promise<void> {
    this.open();
    for (let rest: Uint8Array = Buffer.from(bytes); rest.length > 0;) {
      const { bytesWritten } = await writeAll(this.#fd as number, rest);
      rest = rest.subarray(bytesWritten);
    }
  }

  /** The reader sees the end. */
  end(): void {
    if (this.#fd !== undefined) fs.closeSync(this.#fd);
    this.#fd = undefined;
  }
}
