import { constants as osConstants } from 'node:os';
import { invalidState } from '../errors.js';
import { FileErrors } from '../file-errors.js';
import type { Inside } from '../mapped-file.js';
import { native } from '../native.js';
import type { WindowCache } from '../window-cache.js';

const { EAGAIN } = osConstants.errno;
const none = 0;
const shared = 1;
const exclusively = 2;

/** Numbers of participants take so many bits; 0 is nobody. */
const idBits = 30;
/** @internal */
export const idMask = 2 ** idBits - 1;
/** Behind every position: no byte of the file is meant. Even numbers only, as there are no others from here on. */
const lockOf = (id: number): number => 2 ** 53 + 2 * id;

/** There are so many numbers that it is not by chance when all of these are taken. */
const mostTried = 64;

/** Whether something that is at a position is owned now. @internal */
export interface Holding {
  held: boolean;
}

/** Those of this thread, by their numbers. One that was collected, with a file that nobody closed, has died. */
const ours = new Map<number, WeakRef<Participant>>();
const participants = new WeakMap<WindowCache, Participant>();

/**
 * One opening of a file, as an owner of what is in it, by a number that nobody else has who lives. Whoever opens the file
 * can ask whether one still does: each has locked a byte of the file, far behind its end, that stands for its number. The
 * kernel gives that lock back when the opening is closed, or the process ends, however it does; and the addon closes the
 * opening when the thread ends.
 *
 * @internal
 */
export class Participant {
  readonly id: number;
  readonly #holdings = new Map<number, Holding>();
  readonly #locker: number;
  readonly #errors: FileErrors;

  private constructor({ cache, descriptor }: Inside) {
    this.#errors = new FileErrors(cache.path);
    this.#locker = descriptor.borrowLocker();
    if (this.#locker < 0) throw this.#errors.system(-this.#locker, 'open');
    try {
      this.id = this.#choose();
    } catch (error) {
      descriptor.giveBackLocker(this.#locker);
      throw error;
    }
    ours.set(this.id, new WeakRef(this));
    const { id } = this;
    cache.retain(() => void ours.delete(id));
  }

  static of(inside: Inside): Participant {
    let participant = participants.get(inside.cache);
    if (participant === undefined) {
      participant = new Participant(inside);
      participants.set(inside.cache, participant);
    }
    return participant;
  }

  /** What its locks at a position say, all of which are one. */
  holding(position: number): Holding {
    let holding = this.#holdings.get(position);
    if (holding === undefined) {
      holding = { held: false };
      this.#holdings.set(position, holding);
    }
    return holding;
  }

  holds(position: number): boolean {
    return this.#holdings.get(position)?.held === true;
  }

  #choose(): number {
    for (let tried = 0; tried < mostTried; tried++) {
      const id = 1 + Math.floor(Math.random() * idMask);
      if (!ours.has(id) && this.#lock(id, exclusively)) return id;
    }
    throw invalidState(
      'Another program has locked the file unto infinity, where the owners of mutexes have their locks',
    );
  }

  /** Whether a lock could be taken, or given back. */
  #lock(id: number, kind: number): boolean {
    const status = native.lock(this.#locker, lockOf(id), 1, kind);
    if (status < 0 && status !== -EAGAIN) throw this.#errors.system(-status, 'fcntl');
    return status === 0;
  }

  /** Whether nobody lives any more who could own what is at a position under this number. */
  isDead(id: number, position: number): boolean {
    const own = ours.get(id)?.deref();
    // Whoever wrote our number there, it was not us.
    if (own !== undefined) return !own.holds(position);
    if (!this.#lock(id, shared)) return false;
    this.#lock(id, none);
    return true;
  }

  /** Whether somebody on this thread owns it. */
  static isOurs(id: number, position: number): boolean {
    return ours.get(id)?.deref()?.holds(position) === true;
  }
}
