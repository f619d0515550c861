/** How many misses are remembered. */
const memory = 32;
/** So many misses in a row in one window are a scan. */
const scanLength = 4;
/** Least and most of the remembered misses that must be in one window before it is worth a slide; most means never. */
const leastDemand = memory / 4;
const mostDemand = memory + 1;
/** So many lookups must a window serve to have been worth its slide, which costs about eight reads. */
const worthwhileUses = 16;
/** After so many misses the demand is lowered by one: the pattern may have changed. */
const relaxEvery = 1024;

/**
 * Tells locality from thrashing, when a window must be taken away to map another: a slide costs several reads, so it
 * has to be followed by several. @internal
 */
export class Admission {
  readonly #recent: number[] = [];
  #demand = leastDemand;
  #misses = 0;

  /** How often an access missed. */
  get misses(): number {
    return this.#misses;
  }

  /** An access missed window `slot`. */
  missed(slot: number): void {
    this.#recent[this.#misses % memory] = slot;
    this.#misses++;
    if (this.#misses % relaxEvery === 0) this.#demand = Math.max(leastDemand, this.#demand - 1);
  }

  /** Whether window `slot`, just missed, is worth a slide at the price of another window. */
  isWorthwhile(slot: number): boolean {
    let inSlot = 0;
    for (const missed of this.#recent) if (missed === slot) inSlot++;
    return inSlot >= this.#demand || this.#isScan(slot);
  }

  /** A window was taken away that had served so many lookups. */
  evicted(uses: number): void {
    this.#demand =
      uses < worthwhileUses ? Math.min(mostDemand, this.#demand + 4) : Math.max(leastDemand, this.#demand - 4);
  }

  #isScan(slot: number): boolean {
    for (let back = 1; back <= scanLength; back++) {
      if (this.#recent[(this.#misses - back + memory) % memory] !== slot) return false;
    }
    return true;
  }
}
