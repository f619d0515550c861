import fs from 'node:fs';
import { promisify } from 'node:util';
import { native } from './native.js';

const closeDescriptor = promisify(fs.close);

/** A descriptor that this library owns: opened by path, or duplicated from one that stays the caller's. @internal */
export class Descriptor {
  readonly fd: number;
  readonly #duplicate: boolean;
  #open = true;
  /** For {@link nextData}: 0 is none yet, a negative errno none at all. */
  #seeker = 0;
  readonly #lockers: number[] = [];
  readonly #idleLockers: number[] = [];

  constructor(fd: number, duplicate: boolean) {
    this.fd = fd;
    this.#duplicate = duplicate;
  }

  /**
   * Position of the first byte from `position` on that is not in a hole, or the file's size; `position` itself where
   * the system does not tell. Asked on a descriptor of its own: it moves the cursor, which others share. That one stays
   * open as long as the file, because closing any of a file's descriptors drops the process's record locks (fcntl(2)).
   */
  nextData(position: number): number {
    if (this.#seeker === 0) this.#seeker = native.reopenForHoles(this.fd);
    return this.#seeker < 0 ? position : Math.max(position, native.nextData(this.#seeker, position));
  }

  /**
   * A descriptor for a lock, on an opening of its own; or a negative errno. Given back, it is for the next lock: it stays
   * open as long as the file, as the one above does.
   */
  borrowLocker(): number {
    const idle = this.#idleLockers.pop();
    if (idle !== undefined) return idle;
    const locker = native.reopenForLocks(this.fd);
    if (locker >= 0) this.#lockers.push(locker);
    return locker;
  }

  giveBackLocker(locker: number): void {
    if (this.#open) this.#idleLockers.push(locker);
  }

  get isOpen(): boolean {
    return this.#open;
  }

  #closeOthers(): void {
    if (this.#seeker > 0) native.closeDuplicate(this.#seeker);
    for (const locker of this.#lockers) native.closeDuplicate(locker);
  }

  closeSync(): void {
    if (!this.#open) return;
    this.#closeOthers();
    this.#open = false;
    if (this.#duplicate) native.closeDuplicate(this.fd);
    else fs.closeSync(this.fd);
  }

  async close(): Promise<void> {
    if (!this.#open || this.#duplicate) return this.closeSync();
    this.#closeOthers();
    this.#open = false;
    await closeDescriptor(this.fd);
  }
}
