/**
 * Fairness to the rest of the program. A stream whose bytes are in memory is consumed in microtasks alone, and Node
 * runs no timer and no I/O callback until those are done: a loop over a cached file of many gigabytes would stop
 * everything else. So streams count how long they have held the present turn of the event loop, all of them
 * together, and when that is too long, the next chunk waits for the next turn.
 */

/** Milliseconds of streaming after which timers and I/O get their turn. A turn costs some microseconds. */
const TURN_MS = 4;

let turnStarted: number | undefined;

/** True when streams have held this turn of the event loop for long enough: await {@link nextTurn} then. */
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
