/**
 * Where the files went that were once at a name. A program that rotates its log several times between two looks leaves
 * files behind that nobody has opened yet; inotify tells what was moved to where, so that they are still found, and
 * nothing is taken for one of them that is not.
 */
import { endianness } from 'node:os';

/** What the system tells of the names in a folder: the structures of inotify(7). */
export interface NameEvents {
  /** Copies whole events into `target`, and returns their length in bytes; 0 or less when there are none. */
  read(target: Uint8Array): number;
  close(): void;
}

/** One file that has been at the followed name. */
export interface Generation {
  /** Its name now, one byte per character; `undefined` when it has been deleted, or moved out of the folder. */
  name: string | undefined;
  /** Whether somebody has opened it, or given it up. */
  taken: boolean;
}

// inotify(7), linux/inotify.h
const IN_MOVED_FROM = 0x40;
const IN_MOVED_TO = 0x80;
const IN_CREATE = 0x100;
const IN_DELETE = 0x200;
const IN_MOVE_SELF = 0x800;
const IN_Q_OVERFLOW = 0x4000;
const IN_IGNORED = 0x8000;
const HEADER = 16;

/** Milliseconds to wait for the second half of a move, which follows the first at once or never. */
const MOVE_MS = 100;

const littleEndian = endianness() === 'LE';

export class NameTracker {
  /** False once the folder is gone, or has another name. */
  alive = true;
  readonly #events: NameEvents;
  readonly #base: string;
  readonly #where = new Map<string, Generation>();
  /** What has left a name, by the number that links the halves of a move, and when that was read. */
  readonly #moving = new Map<number, { generation: Generation; since: number }>();
  /** Those that nobody has opened, in the order in which they came. */
  #waiting: Generation[] = [];
  #lost: number | undefined;
  readonly #buffer = Buffer.alloc(64 * 1024);
  readonly #view = new DataView(this.#buffer.buffer, this.#buffer.byteOffset, this.#buffer.length);

  /**
   * `first` is what is at `base`, if that is known already; `lost`, how many came and went before, `undefined` when that
   * is not known.
   */
  constructor(events: NameEvents, base: string, first: Generation | undefined, lost: number | undefined) {
    this.#events = events;
    this.#base = base;
    this.#lost = lost;
    this.#appear(base, first);
  }

  /** Takes in what has happened. */
  drain(): void {
    for (let length = this.#events.read(this.#buffer); length > 0; length = this.#events.read(this.#buffer)) {
      for (let at = 0; at < length;) at = this.#take(at);
    }
  }

  /** The oldest generation that nobody has opened and that has a name. */
  next(): Generation | undefined {
    for (;;) {
      const [generation] = this.#waiting;
      if (generation === undefined) return undefined;
      if (!generation.taken && generation.name !== undefined) return generation;
      if (!generation.taken) {
        if (this.#isMoving(generation)) return undefined; // those after it wait, too: the order is kept
        if (this.#lost !== undefined) this.#lost++;
      }
      this.#waiting.shift();
    }
  }

  /** What is at the followed name was opened by that name. */
  takeBase(): Generation | undefined {
    const generation = this.#where.get(this.#base);
    if (generation !== undefined) generation.taken = true;
    return generation;
  }

  /** How many generations came and went unseen since this was last asked; `undefined` when that is not known. */
  takeLost(): number | undefined {
    const lost = this.#lost;
    this.#lost = 0;
    return lost;
  }

  close(): void {
    this.#events.close();
  }

  #isMoving(generation: Generation): boolean {
    for (const [cookie, { generation: moving, since }] of this.#moving) {
      if (moving !== generation) continue;
      if (performance.now() - since < MOVE_MS) return true;
      this.#moving.delete(cookie);
    }
    return false;
  }

  /** Takes the event at `at`, and returns where the next one is. */
  #take(at: number): number {
    const mask = this.#view.getUint32(at + 4, littleEndian);
    const cookie = this.#view.getUint32(at + 8, littleEndian);
    const length = this.#view.getUint32(at + 12, littleEndian);
    const padded = this.#buffer.toString('latin1', at + HEADER, at + HEADER + length);
    const zero = padded.indexOf('\0');
    const name = zero < 0 ? padded : padded.slice(0, zero);
    if (mask & IN_Q_OVERFLOW) this.#forget();
    else if (mask & (IN_IGNORED | IN_MOVE_SELF)) this.alive = false;
    else if (mask & IN_CREATE) this.#appear(name, undefined);
    else if (mask & IN_MOVED_TO) {
      const moved = this.#moving.get(cookie)?.generation;
      this.#moving.delete(cookie);
      this.#appear(name, moved);
    } else if (mask & (IN_MOVED_FROM | IN_DELETE)) {
      const generation = this.#where.get(name);
      this.#disappear(name);
      if (generation !== undefined && mask & IN_MOVED_FROM) {
        this.#moving.set(cookie, { generation, since: performance.now() });
      }
    }
    return at + HEADER + length;
  }

  #appear(name: string, moved: Generation | undefined): void {
    this.#disappear(name); // what a move has put something else in the place of
    let generation = moved;
    if (generation === undefined && name === this.#base) {
      generation = { name, taken: false };
      this.#waiting.push(generation);
    }
    if (generation === undefined) return;
    generation.name = name;
    this.#where.set(name, generation);
  }

  #disappear(name: string): void {
    const generation = this.#where.get(name);
    if (generation === undefined) return;
    generation.name = undefined;
    this.#where.delete(name);
  }

  /** Some events were dropped: nothing is known any more of what is where. */
  #forget(): void {
    for (const name of [...this.#where.keys()]) this.#disappear(name);
    this.#moving.clear();
    this.#waiting = [];
    this.#lost = undefined;
  }
}
