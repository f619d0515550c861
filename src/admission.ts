const none = -1;
/** How many misses are remembered. */
const memory = 32;
/** Least and most of the remembered misses that must be in one window before it is worth a slide; most means never. */
const leastDemand = memory / 4;
const mostDemand = memory + 1;
/**
 * So many misses in a row in one window are a scan, at least and at most. The most bounds what a pattern can cost that
 * leaves every window just after it was mapped: a slide, which is about eight reads, for so many reads.
 */
const leastRun = 4;
const mostRun = 4096;
/** So many lookups must a window serve to have been worth its slide. */
const worthwhileUses = 16;
/** So many misses in a row in one window are worth a slide, if they went back and forth in it. */
const certainRun = 32;
/**
 * The longest step of a scan, in bytes, that is cheaper through a window: a page fault maps what is in memory around it
 * (64 KiB on Linux, `fault_around_bytes`), and where each step takes one, it costs twice a read.
 */
const longestStep = 16 * 1024;
/** After so many misses the demand is lowered by one: the pattern may have changed. */
const relaxEvery = 1024;

/**
 * Tells locality from thrashing, when a window must be taken away to map another: a slide costs several reads, so it
 * has to be followed by several. @internal
 */
export class Admission {
  /** Slots of the last misses since a window was mapped; -1 is none. */
  readonly #recent = new Float64Array(memory).fill(none);
  /** How many of them end in each byte: a miss that is one of few need not count them. */
  readonly #ending = new Uint8Array(256);
  #demand = leastDemand;
  #run = 0;
  #runDemand = leastRun;
  #last = none;
  /** Where the last miss was, and how far from the one before. */
  #position = 0;
  #step = 0;
  /** The bytes that all steps of the run have gone together. */
  #distance = 0;
  #admitted = none;
  #misses = 0;

  /** How often an access missed. */
  get misses(): number {
    return this.#misses;
  }

  /** An access at `position` missed window `slot`. */
  missed(slot: number, position: number): void {
    this.#step = Math.abs(position - this.#position);
    this.#position = position;
    const at = this.#misses % memory;
    const leaving = this.#recent[at] as number;
    if (leaving !== none) this.#ending[leaving & 255]!--;
    this.#ending[slot & 255]!++;
    this.#recent[at] = slot;
    if (slot === this.#last) {
      this.#run++;
      this.#distance += this.#step;
    } else {
      this.#run = 1;
      this.#distance = 0;
    }
    this.#last = slot;
    if (Math.abs(slot - this.#admitted) === 1) this.#passedThrough();
    this.#misses++;
    if (this.#misses % relaxEvery === 0) this.#demand = Math.max(leastDemand, this.#demand - 1);
  }

  /** Whether window `slot`, just missed, of so many bytes, is worth a slide at the price of another window. */
  isWorthwhile(slot: number, stride: number): boolean {
    // A scan in steps so long that it has soon left the window is none.
    const isScan = this.#step <= Math.min(longestStep, stride / worthwhileUses);
    const stays = this.#run >= certainRun && this.#distance > stride;
    if ((isScan || stays) && this.#run >= this.#runDemand) return true;
    if ((this.#ending[slot & 255] as number) < this.#demand) return false;
    let inSlot = 0;
    for (let i = 0; i < memory; i++) if (this.#recent[i] === slot) inSlot++;
    return inSlot >= this.#demand;
  }

  /** The window just missed was mapped in another's place. If it is taken away, its misses have to add up anew. */
  admitted(slot: number): void {
    this.#admitted = slot;
    this.#recent.fill(none);
    this.#ending.fill(0);
    this.#run = 0;
  }

  /** A scan has gone on to the next window. Its numbers were no lookups, so that this has to weigh more than those. */
  #passedThrough(): void {
    this.#admitted = none;
    this.#runDemand = Math.max(leastRun, this.#runDemand / 4);
  }

  /** A window was taken away that had served so many lookups. */
  evicted(uses: number): void {
    if (uses < worthwhileUses) {
      this.#demand = Math.min(mostDemand, this.#demand + 8);
      this.#runDemand = Math.min(mostRun, this.#runDemand * 3);
    } else {
      this.#demand = Math.max(leastDemand, this.#demand - 8);
      this.#runDemand = Math.max(leastRun, this.#runDemand / 4);
    }
  }
}
