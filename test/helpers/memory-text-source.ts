import type { ByteSource } from '#src/byte-source.js';

export interface MemoryTextOptions {
  /** No single call gives bytes from both sides of a multiple of this. */
  windowSize?: number;
  /** Whether the n-th asynchronous read (from 0) has to wait. */
  isCold?: (read: number) => boolean;
  /** Called before each read, with its number, so that a test can change `bytes`. */
  beforeRead?: (read: number) => void;
}

/** Text in memory, behind windows, that counts what is done to it. `bytes` may be replaced at any time. */
export class MemoryTextSource implements ByteSource {
  readonly path = 'memory.txt';
  bytes: Uint8Array;
  /** Every read: its position and how many bytes it gave. */
  readonly reads: Array<{ position: number; length: number }> = [];
  /** Calls of `retain`, and of the functions that it returned. */
  retained = 0;
  released = 0;
  /** Asynchronous reads that have not settled. */
  pending = 0;
  readonly #cancels = new Set<(reason: Error) => void>();
  readonly #windowSize: number;
  readonly #isCold: (read: number) => boolean;
  readonly #beforeRead: (read: number) => void;

  constructor(bytes: Uint8Array, { windowSize = Infinity, isCold, beforeRead }: MemoryTextOptions = {}) {
    this.bytes = bytes;
    this.#windowSize = windowSize;
    this.#isCold = isCold ?? (() => false);
    this.#beforeRead = beforeRead ?? (() => {});
  }

  get size(): number {
    return this.bytes.length;
  }

  refreshSync(): number {
    return this.size;
  }

  readIntoSync(target: Uint8Array, position: number): number {
    this.#beforeRead(this.reads.length);
    const bytes = this.#window(position, target.length);
    target.set(bytes);
    this.reads.push({ position, length: bytes.length });
    return bytes.length;
  }

  readInto(target: Uint8Array, position: number): number | Promise<number> {
    if (!this.#isCold(this.reads.length)) return this.readIntoSync(target, position);
    this.pending++;
    return new Promise((resolve, reject) =>
      setImmediate(() => {
        this.pending--;
        try {
          resolve(this.readIntoSync(target, position));
        } catch (error) {
          reject(error);
        }
      }),
    );
  }

  borrow<T>(position: number, length: number, use: (bytes: Uint8Array) => T): T {
    this.#beforeRead(this.reads.length);
    const lent = Uint8Array.from(this.#window(position, length));
    this.reads.push({ position, length: lent.length });
    const result = use(lent);
    lent.fill(0xee);
    return result;
  }

  /** Where a read would have to wait, the bytes turn out not to be the file's. */
  peek<T>(position: number, length: number, use: (bytes: Uint8Array) => T): T | undefined {
    if (position >= this.size) return undefined;
    if (!this.#isCold(this.reads.length)) return this.borrow(position, length, use);
    use(this.#window(position, length).map(() => 10));
    return undefined;
  }

  async prefetch(): Promise<void> {}

  release(): void {}

  retain(cancel: (reason: Error) => void): () => void {
    this.retained++;
    this.#cancels.add(cancel);
    return () => {
      this.released++;
      this.#cancels.delete(cancel);
    };
  }

  /** What `close()` of a file does to those who retain it. */
  cancelAll(reason: Error): void {
    for (const cancel of this.#cancels) cancel(reason);
  }

  #window(position: number, length: number): Uint8Array {
    const border = (Math.floor(position / this.#windowSize) + 1) * this.#windowSize;
    return this.bytes.subarray(position, Math.min(position + length, border));
  }
}
