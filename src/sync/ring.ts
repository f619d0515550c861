import { isArrayBufferView } from 'node:util/types';
import { ReadableStream, WritableStream } from 'node:stream/web';
import { bytesIn, plainBytes } from '../bytes.js';
import { checkSignal, invalidArgType, outOfRange } from '../errors.js';
import { insideOf, type MappedFile } from '../mapped-file.js';
import { type Position, toCount, toPosition } from '../ranges.js';
import { settled } from '../turn.js';
import { Event } from './event.js';
import { type Limits, limitsOf, optionsOf, unlimited, type WaitOptions } from './options.js';
import { Region } from './region.js';
import { RobustLock } from './robust-lock.js';
import { Turns } from './turns.js';

const kind = 0x016e6972; // 'rin', version 1

/** The header, in words: what its producers change, and what its consumers do, on lines of the cache of their own. */
const capacityWord = 1;
const endedWord = 2;
const producersWord = 16;
const tailWord = 17;
const recordsWord = 32;
const consumersWord = 48;
const headWord = 49;
const roomWord = 64;
const headerLength = 80 * Int32Array.BYTES_PER_ELEMENT;

/** A record is its length plus one, so that it is not 0 as what was cut off is, and its bytes, padded to whole words. */
const wordSize = Int32Array.BYTES_PER_ELEMENT;
/** Positions count to twice the capacity, so that a full ring is not taken for an empty one. They fit 31 bits. */
const mostCapacity = 2 ** 30 - wordSize;
const leastLength = headerLength + 2 * wordSize;

/** Tries for a lock that another has, which gives it back in a microsecond if it is running. */
const tries = 100;
/** Looks, before a thread goes to sleep: the other side, if it is running, needs no longer than that to be woken. */
const looks = 500;
/** For how many milliseconds those wait who do not want to wait: another process may stand still in the middle. */
const moment = 10;
/** For a record of this length, or after so many of them, the file's size is looked at. */
const exactFrom = 4096;
const looksAfter = 256;
/** Copies up to this length are loops: a call into the engine costs more. */
const loopUpTo = 64;

/** What an attempt came to, where it was not made. */
type Refusal = 'full' | 'empty' | 'busy' | 'ended';

/** Where a ring is. */
export interface RingOptions {
  /**
   * Length of its range, in bytes: 320 more than it holds, from 328 on, to 1 GiB. Default: to the end of the file, or for
   * a ring that is there already, its own.
   */
  length?: number | undefined;
}

/** How to end the writing stream of a ring. */
export interface RingWritableOptions {
  /** Closing the stream does not end the ring, into which others write, too. Default `false`. */
  preventEnd?: boolean | undefined;
  /** Aborts the stream. */
  signal?: AbortSignal | undefined;
}

/**
 * A bounded queue of byte records in a file, for any number of producers and consumers, in processes and threads that
 * have the file open. It takes a range of the file, whose bytes are zeros before the first use.
 *
 * Records come out in the order in which they went in, each once, and whole: one whose producer died in the middle was
 * never there. A record is taken when `shift` gives it (at most once): what a consumer had not taken when it died is for
 * the next one; what it had taken, and not dealt with, is lost.
 *
 * Bytes are copied by JavaScript, without a system call, unless the other side sleeps. Producers exclude each other while
 * they copy, and so do consumers, by a robust lock as {@link SharedMutex} is. It is memory: nothing is durable before the
 * file's `flush`.
 *
 * The constructor throws as {@link SharedMutex}'s does, and `ERR_MAPPED_FILE_SYNC_INVALID` where something else is in
 * that place. What is found in it is checked: bytes that no ring could have make its calls throw that, too.
 *
 * @example
 * ```ts
 * import { MappedFile } from 'sliding-mmap';
 * import { SharedRing } from 'sliding-mmap/sync';
 *
 * await using file = MappedFile.anonymous(4096); // a file that many have open does as well
 *
 * using queue = new SharedRing(file, 0);
 * await queue.push('a record');
 * await queue.push(new Uint8Array([1, 2, 3]));
 * queue.end();
 * console.log((await queue.shift())?.toString()); // → a record
 * for await (const record of queue.readable()) console.log(record.length); // → 3
 * ```
 */
export class SharedRing implements Disposable {
  readonly #region: Region;
  readonly #words: Int32Array<ArrayBuffer>;
  readonly #bytes: Uint8Array<ArrayBuffer>;
  readonly #capacity: number;
  readonly #producers: RobustLock;
  readonly #consumers: RobustLock;
  readonly #records: Event;
  readonly #room: Event;
  readonly #pushing: Turns;
  readonly #shifting: Turns;
  #steps = 0;

  constructor(file: MappedFile, position: Position = 0, options?: RingOptions) {
    const { length } = optionsOf(options) as RingOptions;
    this.#region = new Region(file, position, rangeLength(file, position, length));
    this.#words = this.#region.words;
    this.#bytes = this.#region.bytes;
    try {
      this.#producers = new RobustLock(this.#region, producersWord);
      this.#consumers = new RobustLock(this.#region, consumersWord);
      this.#records = new Event(this.#region, recordsWord);
      this.#room = new Event(this.#region, roomWord);
      this.#pushing = new Turns(this.#region);
      this.#shifting = new Turns(this.#region);
      this.#capacity = this.#claim(length !== undefined);
    } catch (error) {
      this.#region.release();
      throw error;
    }
  }

  /** Makes the ring, or finds it made; gives its capacity. */
  #claim(exact: boolean): number {
    const room = (this.#bytes.length - headerLength) & -wordSize;
    if (Atomics.load(this.#words, 0) === 0) {
      // Two who find nothing there make it one after the other.
      this.#producers.acquireSync(unlimited);
      try {
        if (Atomics.load(this.#words, 0) === 0) {
          Atomics.store(this.#words, capacityWord, room);
          for (const word of [endedWord, tailWord, headWord]) Atomics.store(this.#words, word, 0);
        }
        this.#region.claim(kind);
      } finally {
        this.#producers.release();
      }
    }
    this.#region.claim(kind);
    const capacity = Atomics.load(this.#words, capacityWord);
    if (capacity < 2 * wordSize || capacity % wordSize !== 0 || (exact ? capacity !== room : capacity > room)) {
      throw this.#region.invalid(`The ring there has a capacity of ${capacity} bytes, not of ${room}`);
    }
    return capacity;
  }

  /** How many bytes there is room for, records with 4 to 7 bytes each beside their own. */
  get capacity(): number {
    return this.#capacity;
  }

  /** How many of them are taken now. */
  get used(): number {
    this.#region.check();
    for (;;) {
      const head = Atomics.load(this.#words, headWord);
      const tail = Atomics.load(this.#words, tailWord);
      // Of the same moment only if nothing was taken in between.
      if (Atomics.load(this.#words, headWord) === head) return this.#used(head, tail);
    }
  }

  /** Whether {@link end} was called: what is in it can still be taken. */
  get ended(): boolean {
    this.#region.check();
    return Atomics.load(this.#words, endedWord) !== 0;
  }

  // --- producers -------------------------------------------------------------------------------------------------

  /**
   * Puts a record in, as soon as there is room; a string as UTF-8. The bytes are taken when it is called: the array may be
   * reused at once. Those who wait on one thread are served in their order.
   *
   * Rejects with `ERR_OUT_OF_RANGE` for a record that is longer than the capacity less 4, `ERR_MAPPED_FILE_RING_ENDED`
   * after {@link end}, `ERR_MAPPED_FILE_TIMED_OUT` after `options.timeout`, and as {@link wait}. Then it is not in.
   */
  push(record: NodeJS.ArrayBufferView | string, options?: WaitOptions): Promise<void> {
    try {
      const limits = limitsOf(options);
      const bytes = this.#bytesOf(record);
      limits.signal?.throwIfAborted();
      if (this.#pushing.idle && this.#tryPush(bytes) === undefined) return settled(undefined);
      const kept = plainBytes(bytes).slice();
      return this.#pushing.take(limits, () => this.#push(kept, limits));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  async #push(bytes: Uint8Array, limits: Limits): Promise<void> {
    for (;;) {
      const prepared = this.#room.prepare();
      const refusal = this.#tryPush(bytes);
      if (refusal === undefined) return;
      const ready = (): boolean => this.#hasRoom(bytesIn(bytes)) || Atomics.load(this.#words, endedWord) !== 0;
      const waiting = refusal === 'busy' ? this.#producers.pause(limits) : this.#room.wait(prepared, limits, ready);
      if (!(await waiting)) throw this.#region.timedOut();
      this.#region.check();
    }
  }

  /** As {@link push}, blocking the thread. */
  pushSync(record: NodeJS.ArrayBufferView | string, options?: Omit<WaitOptions, 'signal'>): void {
    const limits = limitsOf(options);
    const bytes = this.#bytesOf(record);
    while (this.#tryPush(bytes) !== undefined) {
      for (let i = 0; i < looks && !this.#hasRoom(bytesIn(bytes)); i++);
      const prepared = this.#room.prepare();
      const refusal = this.#tryPush(bytes);
      if (refusal === undefined) return;
      const roused =
        refusal === 'busy'
          ? this.#producers.pauseSync(limits)
          : this.#room.waitSync(prepared, limits, () => this.#hasRoom(bytesIn(bytes)));
      if (!roused) throw this.#region.timedOut();
    }
  }

  /**
   * Puts a record in if there is room; false when there is not, or when another process stands still in the middle of its
   * push for 10 ms. Throws as {@link push}.
   */
  tryPush(record: NodeJS.ArrayBufferView | string): boolean {
    const bytes = this.#bytesOf(record);
    const refusal = this.#tryPush(bytes);
    if (refusal !== 'busy') return refusal === undefined;
    this.#producers.pauseSync({ deadline: performance.now() + moment, signal: undefined });
    return this.#tryPush(bytes) === undefined;
  }

  /**
   * Says that there will be no more records: pushing throws from now on, and `shift` gives `undefined` when what is in it
   * has been taken. For all processes; what a push has begun is in before. Idempotent. May block for as long as another
   * process stands still in the middle of its push.
   */
  end(): void {
    this.#region.check();
    this.#producers.acquireSync(unlimited);
    try {
      Atomics.store(this.#words, endedWord, 1);
    } finally {
      this.#producers.release();
    }
    this.#records.announce();
    this.#room.announce();
  }

  /** `undefined` when the record is in. */
  #tryPush(record: Uint8Array): Refusal | undefined {
    this.#step();
    if (!this.#lock(this.#producers)) return 'busy';
    try {
      // What only producers change is as the last one left it when he gave the lock back: plain reads will do.
      const words = this.#words;
      if (words[endedWord] !== 0) throw this.#region.error('ERR_MAPPED_FILE_RING_ENDED', 'The ring has ended');
      const tail = words[tailWord] as number;
      const length = bytesIn(record);
      const total = lengthInRing(length);
      if (this.#used(Atomics.load(words, headWord), tail) + total > this.#capacity) return 'full';
      const at = this.#wrapped(tail);
      words[(headerLength + at) / wordSize] = length + 1;
      this.#copyIn(record, length, this.#wrapped(at + wordSize));
      // From here on it is there.
      Atomics.store(words, tailWord, this.#advanced(tail, total));
    } finally {
      this.#producers.release();
    }
    this.#records.announce();
    this.#region.enter();
    return undefined;
  }

  /** Whether there may be room. Both positions move meanwhile: what makes no sense is to be looked at under the lock. */
  #hasRoom(length: number): boolean {
    const [head, tail] = [Atomics.load(this.#words, headWord), Atomics.load(this.#words, tailWord)];
    const used = tail >= head ? tail - head : tail - head + 2 * this.#capacity;
    return used > this.#capacity || used + lengthInRing(length) <= this.#capacity;
  }

  // --- consumers -------------------------------------------------------------------------------------------------

  /**
   * Takes the oldest record, as soon as there is one: a copy, the caller's own. `undefined` when the ring has ended, and
   * nothing is left. Those who wait on one thread are served in their order.
   *
   * Rejects with `ERR_MAPPED_FILE_TIMED_OUT` after `options.timeout`, and as {@link wait}. Then nothing was taken.
   */
  shift(options?: WaitOptions): Promise<Buffer | undefined> {
    try {
      const limits = limitsOf(options);
      limits.signal?.throwIfAborted();
      if (this.#shifting.idle) {
        const taken = this.#tryShift();
        if (typeof taken === 'object') return settled(taken);
      }
      return this.#shifting.take(limits, () => this.#shift(limits));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  async #shift(limits: Limits): Promise<Buffer | undefined> {
    for (;;) {
      const prepared = this.#records.prepare();
      const taken = this.#tryShift();
      if (typeof taken === 'object') return taken;
      if (taken === 'ended') return undefined;
      const waiting =
        taken === 'busy' ? this.#consumers.pause(limits) : this.#records.wait(prepared, limits, () => this.#isReadable);
      if (!(await waiting)) throw this.#region.timedOut();
      this.#region.check();
    }
  }

  /** As {@link shift}, blocking the thread. */
  shiftSync(options?: Omit<WaitOptions, 'signal'>): Buffer | undefined {
    const limits = limitsOf(options);
    let taken = this.#tryShift();
    while (typeof taken !== 'object' && taken !== 'ended') {
      for (let i = 0; i < looks && !this.#isReadable; i++);
      const prepared = this.#records.prepare();
      taken = this.#tryShift();
      if (taken !== 'busy' && taken !== 'empty') break;
      const roused =
        taken === 'busy'
          ? this.#consumers.pauseSync(limits)
          : this.#records.waitSync(prepared, limits, () => this.#isReadable);
      if (!roused) throw this.#region.timedOut();
      taken = this.#tryShift();
    }
    return typeof taken === 'object' ? taken : undefined;
  }

  /**
   * Takes the oldest record; `undefined` when there is none, whether or not there will be ({@link ended}), or when another
   * process stands still in the middle of taking one for 10 ms.
   */
  tryShift(): Buffer | undefined {
    let taken = this.#tryShift();
    if (taken === 'busy') {
      this.#consumers.pauseSync({ deadline: performance.now() + moment, signal: undefined });
      taken = this.#tryShift();
    }
    return typeof taken === 'object' ? taken : undefined;
  }

  #tryShift(): Buffer | Refusal {
    this.#step();
    if (!this.#lock(this.#consumers)) return 'busy';
    const words = this.#words;
    let record: Buffer;
    let used: number;
    try {
      const head = words[headWord] as number;
      used = this.#used(head, Atomics.load(words, tailWord));
      if (used === 0) {
        if (Atomics.load(words, endedWord) === 0) return 'empty';
        // The end comes after the last record.
        used = this.#used(head, Atomics.load(words, tailWord));
        if (used === 0) return 'ended';
      }
      const at = this.#wrapped(head);
      const length = (words[(headerLength + at) / wordSize] as number) - 1;
      const total = length < 0 || length >= used ? Infinity : lengthInRing(length);
      if (total > used) throw this.#region.invalid('The ring was overwritten');
      record = Buffer.allocUnsafe(length);
      this.#copyOut(record, length, this.#wrapped(at + wordSize));
      if (length < exactFrom) this.#region.enter();
      else this.#region.check();
      used -= total;
      Atomics.store(words, headWord, this.#advanced(head, total));
    } finally {
      this.#consumers.release();
    }
    // Not for every record: who waits for room is to find some.
    if (used <= this.#capacity / 2) this.#room.announce();
    return record;
  }

  get #isReadable(): boolean {
    const words = this.#words;
    return Atomics.load(words, headWord) !== Atomics.load(words, tailWord) || Atomics.load(words, endedWord) !== 0;
  }

  // --- streams ---------------------------------------------------------------------------------------------------

  /**
   * A stream of the records. It takes one when it is read, and none ahead; it closes when the ring has ended. Others may
   * take records beside it. Cancelling it leaves the ring as it is.
   */
  readable(options?: { signal?: AbortSignal | undefined }): ReadableStream<Buffer> {
    const { signal } = optionsOf(options) as { signal?: AbortSignal };
    this.#region.check();
    const ending = new Ending(signal);
    return new ReadableStream<Buffer>(
      {
        pull: async (controller) => {
          try {
            const record = await this.shift({ signal: ending.signal });
            if (record !== undefined) return controller.enqueue(record);
            controller.close();
          } catch (error) {
            controller.error(error);
          }
          ending.forget();
        },
        cancel: (reason) => ending.end(reason),
      },
      { highWaterMark: 0 },
    );
  }

  /**
   * A stream whose chunks become records; it is ready for the next one when the last is in. Closing it ends the ring, unless
   * `preventEnd`; aborting it does not.
   */
  writable(options?: RingWritableOptions): WritableStream<NodeJS.ArrayBufferView | string> {
    const { preventEnd, signal } = optionsOf(options) as RingWritableOptions;
    if (preventEnd !== undefined && typeof preventEnd !== 'boolean') {
      throw invalidArgType('options.preventEnd', 'of type boolean', preventEnd);
    }
    this.#region.check();
    const ending = new Ending(signal);
    return new WritableStream<NodeJS.ArrayBufferView | string>({
      start: (controller) => {
        // The sink's abort is only called when its write has settled; the types lack the controller's signal.
        const { signal } = controller as { signal?: AbortSignal };
        signal?.addEventListener('abort', () => ending.end(signal.reason), { once: true });
        ending.whenTheirs((reason) => controller.error(reason));
      },
      write: (chunk) => this.push(chunk, { signal: ending.signal }),
      close: () => {
        ending.forget();
        if (preventEnd !== true) this.end();
      },
    });
  }

  // --- the end ---------------------------------------------------------------------------------------------------

  /** Ends the use of this object: what waits rejects with `ERR_INVALID_STATE`. The ring stays. Idempotent. */
  dispose(): void {
    this.#region.release();
  }

  /** As {@link dispose}: `using ring = new SharedRing(file)`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  // --- inside ----------------------------------------------------------------------------------------------------

  #step(): void {
    this.#region.enter();
    if (++this.#steps % looksAfter === 0) this.#region.check();
  }

  /** Takes a lock, if it is free within a moment, or its owner is dead. */
  #lock(lock: RobustLock): boolean {
    if (lock.tryTake()) return true;
    for (let i = 0; i < tries; i++) if (lock.tryTake()) return true;
    return lock.tryAgain() !== undefined;
  }

  /** Bytes between two positions, neither of which is trusted. */
  #used(head: number, tail: number): number {
    const capacity = this.#capacity;
    const used = tail >= head ? tail - head : tail - head + 2 * capacity;
    if (
      Math.min(head, tail) < 0 ||
      Math.max(head, tail) >= 2 * capacity ||
      used > capacity ||
      (head | tail) % wordSize !== 0
    ) {
      throw this.#region.invalid('The ring was overwritten');
    }
    return used;
  }

  #advanced(position: number, length: number): number {
    const next = position + length;
    return next >= 2 * this.#capacity ? next - 2 * this.#capacity : next;
  }

  /** Where in the data a position is. */
  #wrapped(position: number): number {
    return position >= this.#capacity ? position - this.#capacity : position;
  }

  #copyIn(record: Uint8Array, length: number, at: number): void {
    const first = Math.min(length, this.#capacity - at);
    copy(record, 0, this.#bytes, headerLength + at, first);
    if (first < length) copy(record, first, this.#bytes, headerLength, length - first);
  }

  #copyOut(record: Uint8Array, length: number, at: number): void {
    const first = Math.min(length, this.#capacity - at);
    copy(this.#bytes, headerLength + at, record, 0, first);
    if (first < length) copy(this.#bytes, headerLength, record, first, length - first);
  }

  /** A record's bytes. A short one is only indexed, and taken as it is; its `length` is not to be trusted. */
  #bytesOf(record: unknown): Uint8Array {
    const length = bytesIn(record);
    if (length >= 0 && length <= loopUpTo && length <= this.#capacity - wordSize) return record as Uint8Array;
    let bytes: Uint8Array;
    if (typeof record === 'string') bytes = Buffer.from(record);
    else if (isArrayBufferView(record)) bytes = plainBytes(record);
    else throw invalidArgType('record', 'of type string or an instance of Buffer, TypedArray, or DataView', record);
    const most = this.#capacity - wordSize;
    if (bytes.length > most) throw outOfRange('record.byteLength', `<= ${most}`, bytes.length);
    return bytes;
  }
}

function lengthInRing(length: number): number {
  return wordSize + ((length + wordSize - 1) & -wordSize);
}

function copy(source: Uint8Array, from: number, target: Uint8Array, to: number, length: number): void {
  if (length <= loopUpTo) {
    for (let i = 0; i < length; i++) target[to + i] = source[from + i] as number;
  } else target.set(source.subarray(from, from + length), to);
}

function rangeLength(file: MappedFile, position: Position, length: unknown): number {
  if (length !== undefined) return toCount(length, 'options.length', leastLength, headerLength + mostCapacity);
  const rest = (insideOf(file)?.cache.refreshSync() ?? 0) - toPosition(position);
  return Math.max(leastLength, Math.min(rest, headerLength + mostCapacity));
}

/** What ends a stream: itself, or the caller's signal. */
class Ending {
  readonly #controller = new AbortController();
  readonly #theirs: AbortSignal | undefined;
  #tell: (reason: unknown) => void = () => {};

  constructor(theirs: AbortSignal | undefined) {
    checkSignal(theirs);
    this.#theirs = theirs;
    if (theirs?.aborted === true) this.#controller.abort(theirs.reason);
    else theirs?.addEventListener('abort', this.#follow, { once: true });
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  readonly #follow = (): void => {
    this.#controller.abort(this.#theirs?.reason);
    this.#tell(this.#theirs?.reason);
  };

  /** Tells when it was the caller's signal. */
  whenTheirs(tell: (reason: unknown) => void): void {
    if (this.signal.aborted) tell(this.signal.reason);
    else this.#tell = tell;
  }

  end(reason: unknown): void {
    this.forget();
    this.#controller.abort(reason);
  }

  forget(): void {
    this.#theirs?.removeEventListener('abort', this.#follow);
  }
}
