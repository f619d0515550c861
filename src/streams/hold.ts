/** What a stream holds while it lives: the file, and a listener on the caller's signal. */
import type { ByteSink, ByteSource } from '../byte-source.js';

/** Takes hold at construction; lets go of everything exactly once, and not before an operation under way is done. */
export class Hold {
  readonly #letGo: () => void;
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort: () => void;
  #underWay: Promise<unknown> | undefined;
  #released: Promise<void> | true | undefined;

  /**
   * `stop` is called, at most once and only while held, when the file closes (with the reason that the file gives)
   * or the signal is aborted (with the signal's reason): it ends the stream and sees to it that `release` is called. A
   * file that closes waits for the promise that it gives.
   * Throws what `retain` throws, when the file is closed already.
   */
  constructor(
    file: ByteSource | ByteSink,
    signal: AbortSignal | undefined,
    stop: (reason: unknown) => void | Promise<void>,
  ) {
    let stopped = false;
    const stopOnce = (reason: unknown): void | Promise<void> => {
      if (stopped || this.released) return;
      stopped = true;
      return stop(reason);
    };
    this.#letGo = file.retain(stopOnce);
    this.#signal = signal;
    this.#onAbort = () => void stopOnce(signal?.reason);
    signal?.addEventListener('abort', this.#onAbort, { once: true });
  }

  /** True as soon as `release` has been called. */
  get released(): boolean {
    return this.#released !== undefined;
  }

  /** Makes `release` wait for `operation`, which uses memory or the file. One at a time. */
  track<T>(operation: Promise<T>): Promise<T> {
    const tracked = operation.finally(() => {
      this.#underWay = undefined;
    });
    this.#underWay = tracked;
    return tracked;
  }

  /** Lets go: now when nothing is under way, and otherwise when that has settled; later calls wait with the first. */
  release(): void | Promise<void> {
    if (this.#released === undefined) {
      this.#signal?.removeEventListener('abort', this.#onAbort);
      if (this.#underWay === undefined) {
        this.#released = true;
        this.#letGo();
      } else {
        this.#released = this.#underWay.then(this.#letGo, this.#letGo);
      }
    }
    if (this.#released !== true) return this.#released;
  }
}
