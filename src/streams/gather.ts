/** Writing on from a position, with small pieces gathered into few writes. */
import type { ByteSink } from '../byte-source.js';
import { invalidState } from '../errors.js';

/**
 * Pieces of at least this many bytes are written by themselves, straight from where they are: a trip to the thread pool
 * costs little beside so many, and the kernel takes fewer and larger folios for them than for a quarter.
 */
const GATHER_BYTES = 1024 * 1024;

/**
 * Writes pieces one after the other. One write is under way at a time, so that after a failure the file has a prefix
 * of what was to be written and no gaps; meanwhile the next small pieces are gathered.
 */
export class GatheringWriter {
  readonly #sink: ByteSink;
  readonly #onFailure: (error: unknown) => void;
  #position: number;
  /** Where small pieces are gathered, and where those are that are being written. Nobody else gets either. */
  #gather: Uint8Array | undefined;
  #writing: Uint8Array | undefined;
  #gathered = 0;
  #underWay: Promise<void> | undefined;
  #failure: { error: unknown } | undefined;
  #written = 0;

  /** `onFailure` is called once, at the first write that fails; no further one is made. */
  constructor(sink: ByteSink, start: number, onFailure: (error: unknown) => void = () => {}) {
    this.#sink = sink;
    this.#position = start;
    this.#onFailure = onFailure;
  }

  /** How many bytes the file has got. */
  get written(): number {
    return this.#written;
  }

  /**
   * Takes `bytes`, which must stay as they are until this is done. With `more`, the caller promises another call and
   * small pieces may wait for it; without, it is done when everything taken so far has been written. One call at a
   * time. Throws, or rejects with, the error of the first write that failed.
   */
  write(bytes: Uint8Array, more: boolean): void | Promise<void> {
    this.#check();
    if (!more || this.#gathered + bytes.length >= GATHER_BYTES) return this.#writeOut(bytes, more);
    this.#keep(bytes);
  }

  /** Done when everything taken so far has been written. Starts at once if no write is under way. */
  async drain(): Promise<void> {
    this.#check();
    while (this.#underWay !== undefined || this.#gathered > 0) {
      if (this.#underWay === undefined) void this.#handGathered();
      await this.#underWay;
      this.#check();
    }
  }

  async #writeOut(bytes: Uint8Array, more: boolean): Promise<void> {
    const { length } = bytes;
    if (this.#gathered === 0 || length >= GATHER_BYTES) {
      await this.drain();
      if (bytes.length < length) throw detachedInQueue();
      await this.#hand(bytes); // spares the copy
    } else {
      if (this.#gathered + length > GATHER_BYTES) {
        await this.#underWay;
        this.#check();
        if (bytes.length < length) throw detachedInQueue();
        void this.#handGathered();
      }
      this.#keep(bytes);
      if (!more) await this.drain();
    }
    this.#check();
  }

  #keep(bytes: Uint8Array): void {
    this.#gather ??= new Uint8Array(GATHER_BYTES);
    this.#gather.set(bytes, this.#gathered);
    this.#gathered += bytes.length;
  }

  #handGathered(): Promise<void> {
    const length = this.#gathered;
    this.#gathered = 0;
    const gathered = this.#gather as Uint8Array;
    this.#gather = this.#writing;
    this.#writing = gathered;
    return this.#hand(gathered.subarray(0, length), true);
  }

  /** Gives `bytes` to the sink, which has taken them when this returns unless `kept`. Never rejects: `#check` tells. */
  #hand(bytes: Uint8Array, kept = false): Promise<void> {
    if (bytes.length === 0) return Promise.resolve();
    const position = this.#position;
    this.#position += bytes.length;
    const write = async (): Promise<void> => {
      try {
        this.#written += await this.#sink.writeFrom(bytes, position, kept);
      } catch (error) {
        this.#failure = { error: withPosition(error, position) };
        this.#onFailure(this.#failure.error);
      }
    };
    this.#underWay = write().then(() => {
      this.#underWay = undefined;
    });
    return this.#underWay;
  }

  #check(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }
}

/** What was given away, or released, after it was given to be written. */
export function detachedInQueue(): Error {
  return invalidState('The chunk was detached while it waited to be written');
}

/** Tells where in the file a write failed, in Node's own errors too. */
function withPosition(error: unknown, position: number): unknown {
  if (error instanceof Error && !('position' in error) && Object.isExtensible(error))
    Object.defineProperty(error, 'position', { value: position, enumerable: true, configurable: true, writable: true });
  return error;
}
