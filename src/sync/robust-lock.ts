import type { Limits } from './options.js';
import { type Holding, idMask, Participant } from './participant.js';
import type { Region } from './region.js';
import { type Awaited, sleep, sleepSync, wake } from './sleep.js';
import { Turns } from './turns.js';

/** Set beside the owner's number while others may wait. */
const contended = idMask + 1;

const ownerOf = (word: number): number => word & idMask;

/** How a lock was got: as somebody gave it back, or as somebody left it who died. @internal */
export type Acquired = 'clean' | 'owner died';

/**
 * A word of a region as a lock. It is 0 while the lock is free, and else holds the number of its owner, so that taking it
 * and saying who has it are one step, at which nobody can die in between.
 *
 * @internal
 */
export class RobustLock {
  readonly #region: Region;
  readonly #words: Int32Array;
  readonly #index: number;
  readonly #owner: Participant;
  readonly #id: number;
  readonly #holding: Holding;
  /** Position of the word. */
  readonly #position: number;
  readonly #turns: Turns;

  constructor(region: Region, index: number) {
    this.#region = region;
    this.#words = region.words;
    this.#index = index;
    this.#turns = new Turns(region);
    this.#owner = Participant.of(region.inside);
    this.#id = this.#owner.id;
    this.#position = region.position + index * Int32Array.BYTES_PER_ELEMENT;
    this.#holding = this.#owner.holding(this.#position);
  }

  /** Takes it if it is free. Whether the owner lives is not looked at. */
  tryTake(): boolean {
    return this.#take(0);
  }

  #take(flag: number): boolean {
    const word = Atomics.compareExchange(this.#words, this.#index, 0, this.#id | flag);
    if (word !== 0) {
      // Flags alone are nobody.
      if (ownerOf(word) !== 0) return false;
      if (Atomics.compareExchange(this.#words, this.#index, word, this.#id | flag) !== word) return false;
    }
    this.#holding.held = true;
    return true;
  }

  /** Takes it from an owner that is dead. */
  #tryInherit(): boolean {
    const word = Atomics.load(this.#words, this.#index);
    if (!this.#isLeft(word)) return false;
    if (Atomics.compareExchange(this.#words, this.#index, word, this.#id | contended) !== word) return false;
    this.#holding.held = true;
    return true;
  }

  #isLeft(word: number): boolean {
    return ownerOf(word) !== 0 && this.#owner.isDead(ownerOf(word), this.#position);
  }

  /** Takes it if that takes no waiting. */
  tryAcquire(): Acquired | undefined {
    if (this.tryTake()) return 'clean';
    return this.#tryInherit() ? 'owner died' : undefined;
  }

  /** As {@link tryAcquire}, for one who has waited: others may wait still. */
  tryAgain(): Acquired | undefined {
    if (this.#take(contended)) return 'clean';
    return this.#tryInherit() ? 'owner died' : undefined;
  }

  /** Says that somebody waits, and what for; `undefined` when there is nothing to wait for. */
  #awaited(): Awaited | undefined {
    for (;;) {
      const word = Atomics.load(this.#words, this.#index);
      if (ownerOf(word) === 0) return undefined;
      const expected = word | contended;
      if (word === expected || Atomics.compareExchange(this.#words, this.#index, word, expected) === word) {
        return { index: this.#index, expected };
      }
    }
  }

  /** Waits until it may be free; false when the time is up. */
  async pause(limits: Limits): Promise<boolean> {
    const awaited = this.#awaited();
    if (awaited === undefined) return true;
    try {
      return await sleep(this.#region, limits, awaited, () => this.#isLeft(awaited.expected)).promise;
    } catch (error) {
      this.#passOn();
      throw error;
    }
  }

  /** As {@link pause}, blocking. Throws when it would be for ever, as this thread has the lock. */
  pauseSync(limits: Limits): boolean {
    const awaited = this.#awaited();
    if (awaited === undefined) return true;
    if (Participant.isOurs(ownerOf(awaited.expected), this.#position)) {
      const message = 'This thread has the lock, and would wait for itself';
      throw this.#region.error('ERR_MAPPED_FILE_DEADLOCK', message);
    }
    return sleepSync(this.#region, limits, awaited, () => this.#isLeft(awaited.expected));
  }

  /** Waits for it; those who do so by this object are served in their order. Rejects when the time is up. */
  acquire(limits: Limits): Promise<Acquired> {
    return this.#turns.take(limits, async () => {
      let acquired = this.tryAcquire();
      while (acquired === undefined) {
        const roused = await this.pause(limits);
        this.#region.check();
        acquired = this.tryAgain();
        if (acquired === undefined && !roused) throw this.#region.timedOut();
      }
      return acquired;
    });
  }

  /** As {@link acquire}, blocking; see {@link pauseSync}. */
  acquireSync(limits: Limits): Acquired {
    let acquired = this.tryAcquire();
    while (acquired === undefined) {
      const roused = this.pauseSync(limits);
      acquired = this.tryAgain();
      if (acquired === undefined && !roused) throw this.#region.timedOut();
    }
    return acquired;
  }

  /** One who gives up may have been the one that was woken. */
  #passOn(): void {
    if (!this.#region.released && ownerOf(Atomics.load(this.#words, this.#index)) === 0) {
      wake(this.#region, this.#index, 1);
    }
  }

  /** Gives it back. Throws when somebody else's number is there. */
  release(): void {
    this.#holding.held = false;
    if (this.#region.released) return;
    let word = this.#id;
    for (;;) {
      const seen = Atomics.compareExchange(this.#words, this.#index, word, 0);
      if (seen === word) break;
      if (ownerOf(seen) !== this.#id) throw this.#region.invalid('The lock was overwritten');
      word = seen;
    }
    if ((word & contended) !== 0) wake(this.#region, this.#index, 1);
  }
}
