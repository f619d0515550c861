/** Web Streams: a followed file as a byte stream. */
import type { ReadableByteStreamController, ReadableStream, UnderlyingByteSource } from 'node:stream/web';
import { checkSignal, invalidArgValue } from '../errors.js';
import { toCount, toPosition } from '../ranges.js';
import { nextTurn, turnIsSpent } from '../turn.js';
import { type StreamClasses, webStreams } from './classes.js';
import { type Followable, Follower, type FollowOptions } from '../following/follower.js';
import { Hold } from './hold.js';
import { checkOptions } from './options.js';
import { allocate, type ByobRequest, CHUNK_SIZE, type ReadableOptions, within } from './readable.js';

/**
 * Makes a `ReadableStream`, of type `'bytes'`, of what a file has from `start` on and of what is added to it, and to
 * those that take its place, until it is cancelled, aborted or its file closed. A chunk never has bytes of two files.
 *
 * @throws As `createReadable`, and TypeError `ERR_INVALID_ARG_VALUE` for an `end`.
 */
export function createFollowing(
  file: Followable,
  options: ReadableOptions,
  follow: true | FollowOptions,
  classes?: StreamClasses,
): ReadableStream<Uint8Array> {
  checkOptions(options);
  const { ReadableStream } = webStreams(classes);
  const { signal, chunkSize = CHUNK_SIZE, end } = options;
  checkSignal(signal);
  if (end !== undefined) throw invalidArgValue('options.end', end, 'cannot be combined with "options.follow"');
  const start = toPosition(options.start ?? 0, 'options.start');
  toCount(chunkSize, 'options.chunkSize', 1);
  const bytes = new FollowedBytes(file, new Follower(file, follow), start, chunkSize, signal);
  return new ReadableStream(bytes, { highWaterMark: 0 });
}

class FollowedBytes implements UnderlyingByteSource {
  readonly type = 'bytes';
  readonly #file: Followable;
  readonly #follower: Follower;
  readonly #chunkSize: number;
  readonly #signal: AbortSignal | undefined;
  #position: number;
  #hold!: Hold; // from start() on, which the constructor of the stream calls

  constructor(file: Followable, follower: Follower, start: number, chunkSize: number, signal: AbortSignal | undefined) {
    this.#file = file;
    this.#follower = follower;
    this.#position = start;
    this.#chunkSize = chunkSize;
    this.#signal = signal;
  }

  start(controller: ReadableByteStreamController): void {
    const stop = (reason: unknown): void => {
      controller.error(reason);
      void this.#letGo();
    };
    this.#hold = new Hold(this.#file.source, this.#signal, stop);
    if (this.#signal?.aborted) stop(this.#signal.reason);
    else this.#follower.begin(this.#position);
  }

  async pull(controller: ReadableByteStreamController): Promise<void> {
    try {
      if (turnIsSpent()) await nextTurn();
      while (!this.#hold.released && !(await this.#deliver(controller))) {
        if (this.#hold.released) return;
        const change = await this.#follower.more(this.#position);
        if (this.#hold.released) return;
        if (change === undefined) continue;
        this.#follower.report(change, this.#position);
        if (change.type !== 'missing') this.#position = 0;
      }
    } catch (error) {
      void this.#letGo();
      throw error;
    }
  }

  cancel(): void | Promise<void> {
    return this.#letGo();
  }

  /** Gives the reader what there is; false when there is nothing. */
  async #deliver(controller: ReadableByteStreamController): Promise<boolean> {
    const available = this.#follower.available(this.#position);
    if (available === 0) return false;
    const request = controller.byobRequest as ByobRequest | null;
    const target = request === null ? allocate(Math.min(this.#chunkSize, available)) : within(request.view, available);
    const read = this.#follower.read(target, this.#position);
    const bytes = typeof read === 'number' ? read : await this.#hold.track(read);
    if (bytes === 0 || this.#hold.released) return false;
    this.#position += bytes;
    if (request !== null) request.respond(bytes);
    // A copy where less came than there was room for: the rest of the buffer was never written, see allocate().
    else controller.enqueue(bytes === target.length ? target : target.slice(0, bytes));
    return true;
  }

  #letGo(): void | Promise<void> {
    this.#follower.stop();
    return this.#hold.release();
  }
}
