/**
 * Fairness to the rest of the program. A stream, or an asynchronous iteration, whose bytes are in memory is consumed in
 * microtasks alone, and Node runs no timer and no I/O callback until those are done: a loop over a cached file of many
 * gigabytes would stop everything else. So it is counted how long all of them together have held the present turn of
 * the event loop, and when that is too long, the next chunk waits for the next turn.
 */

/** Milliseconds after which timers and I/O get their turn. A turn costs some microseconds. */
const TURN_MS = 4;

let turnStarted: number | undefined;

/** True when this turn of the event loop was held for long enough: await {@link nextTurn} then. */
export function turnIsSpent(now = performance.now()): boolean {
  if (turnStarted === undefined) {
    turnStarted = now;
    setImmediate(() => {
      turnStarted = undefined;
    });
    return false;
  }
  return now - turnStarted > TURN_MS;
}

/** Resolves after timers and I/O callbacks that were due have had their chance to run. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** The most small steps that pass between two looks at the clock, which costs as much as a step. */
const STEPS_PER_LOOK = 32;
/** Milliseconds between two looks from which on each step is followed by one: the caller works between them. */
const SLOW_MS = 0.5;

let stepsPerLook = 1;
let steps = 0;
let looked = 0;
/** Results that wait for the next turn: later ones wait behind them. */
let waiting = 0;

function mustWait(): boolean {
  if (waiting > 0) return true;
  if (++steps < stepsPerLook) return false;
  steps = 0;
  const now = performance.now();
  stepsPerLook = now - looked < SLOW_MS ? Math.min(2 * stepsPerLook, STEPS_PER_LOOK) : 1;
  looked = now;
  return turnIsSpent(now);
}

/** A promise of what a step of about a microsecond gave: now, or in the next turn when this one is spent. */
export function settled<T>(value: T): Promise<T> {
  if (!mustWait()) return Promise.resolve(value);
  waiting++;
  return new Promise((resolve) => {
    setImmediate(() => {
      waiting--;
      resolve(value);
    });
  });
}

/** As {@link settled}, for a callback of node:fs's form: it is called asynchronously, and in order. */
export function callLater<T>(callback: (error: null, count: number, value: T) => void, count: number, value: T): void {
  if (!mustWait()) {
    process.nextTick(callback, null, count, value);
    return;
  }
  waiting++;
  setImmediate(() => {
    waiting--;
    callback(null, count, value);
  });
}
