import { type Limits } from './options.js';
import type { Region } from './region.js';
import { everybody, sleep, sleepSync, wake } from './sleep.js';

/** Set while somebody may wait; the rest of the word counts. */
const awaited = 1;

/**
 * A word of a region that those wait for who have found nothing to do, and that costs those who make something to do
 * hardly more than a look while nobody waits. It counts up with every wake-up, so that none is missed between looking for
 * something to do and waiting.
 *
 * @internal
 */
export class Event {
  readonly #region: Region;
  readonly #words: Int32Array;
  readonly #index: number;

  constructor(region: Region, index: number) {
    this.#region = region;
    this.#words = region.words;
    this.#index = index;
  }

  /** Says that somebody is about to wait, and gives what {@link wait} takes; look for something to do in between. */
  prepare(): number {
    return Atomics.or(this.#words, this.#index, awaited) | awaited;
  }

  /** False when the time is up. `ready` says whether there is something to do after all. */
  wait(prepared: number, limits: Limits, ready: () => boolean): Promise<boolean> {
    return sleep(this.#region, limits, { index: this.#index, expected: prepared }, ready).promise;
  }

  /** As {@link wait}, blocking. */
  waitSync(prepared: number, limits: Limits, ready: () => boolean): boolean {
    return sleepSync(this.#region, limits, { index: this.#index, expected: prepared }, ready);
  }

  /** Wakes all who wait. To be called after an atomic operation, behind which what there is to do is seen. */
  announce(): void {
    const word = this.#words[this.#index] as number;
    if ((word & awaited) === 0) return;
    // Whoever says so meanwhile has something to find.
    if (Atomics.compareExchange(this.#words, this.#index, word, (word + 1) | 0) === word) {
      wake(this.#region, this.#index, everybody);
    }
  }
}
