import type { Limits } from './options.js';
import type { Region } from './region.js';
import { type Sleeper, sleep } from './sleep.js';

/** Lets one task after the other wait for a word, in the order in which they came. @internal */
export class Turns {
  readonly #region: Region;
  readonly #queue: Sleeper[] = [];
  #taken = false;

  constructor(region: Region) {
    this.#region = region;
  }

  /** Whether nobody waits. */
  get idle(): boolean {
    return !this.#taken;
  }

  /** Runs the task when those before it have ended. Rejects when the time is up before. */
  async take<T>(limits: Limits, task: () => Promise<T>): Promise<T> {
    limits.signal?.throwIfAborted();
    if (this.#taken) await this.#queueUp(limits);
    else this.#taken = true;
    try {
      this.#region.check();
      return await task();
    } finally {
      // Who has given up meanwhile is not roused.
      let next: Sleeper | undefined;
      do next = this.#queue.shift();
      while (next !== undefined && !next.rouse());
      this.#taken = next !== undefined;
    }
  }

  async #queueUp(limits: Limits): Promise<void> {
    const sleeper = sleep(this.#region, limits);
    this.#queue.push(sleeper);
    try {
      if (!(await sleeper.promise)) throw this.#region.timedOut();
    } finally {
      const index = this.#queue.indexOf(sleeper);
      if (index !== -1) this.#queue.splice(index, 1);
    }
  }
}
