import fs from 'node:fs';
import { promisify } from 'node:util';
import { native } from './native.js';

const closeDescriptor = promisify(fs.close);

/** A descriptor that this library owns: opened by path, or duplicated from one that stays the caller's. @internal */
export class Descriptor {
  readonly fd: number;
  readonly #duplicate: boolean;
  #open = true;

  constructor(fd: number, duplicate: boolean) {
    this.fd = fd;
    this.#duplicate = duplicate;
  }

  closeSync(): void {
    if (!this.#open) return;
    this.#open = false;
    if (this.#duplicate) native.closeDuplicate(this.fd);
    else fs.closeSync(this.fd);
  }

  async close(): Promise<void> {
    if (!this.#open || this.#duplicate) return this.closeSync();
    this.#open = false;
    await closeDescriptor(this.fd);
  }
}
