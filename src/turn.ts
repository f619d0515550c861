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
export function turnIsSpent(): boolean {
  const now = performance.now();
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
