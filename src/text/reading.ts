/**
 * Work that reads a little here and a little there. It never reads itself: it yields what it wants and is given the
 * number of bytes that came, 0 at the end of the file, so that calls that may block and calls that do not share it.
 */
import type { ByteSource } from '../byte-source.js';
import { nextTurn, turnIsSpent } from '../turn.js';
import type { BlockRequest } from './line-scanner.js';

export type Reading<T> = Generator<BlockRequest, T, number>;

/** May block. */
export function readSync<T>(source: ByteSource, reading: Reading<T>): T {
  let step = reading.next();
  while (step.done !== true) step = reading.next(source.readIntoSync(step.value.target, step.value.position));
  return step.value;
}

/** Does not block, and lets the event loop turn now and then. */
export async function readAsync<T>(source: ByteSource, reading: Reading<T>, signal?: AbortSignal): Promise<T> {
  let step = reading.next();
  while (step.done !== true) {
    if (turnIsSpent()) await nextTurn();
    if (signal?.aborted) throw signal.reason;
    const read = source.readInto(step.value.target, step.value.position);
    step = reading.next(typeof read === 'number' ? read : await read);
  }
  return step.value;
}

/** Fills `target` from `position` and gives how many bytes there are: fewer only where the file ends. */
export function* fill(target: Uint8Array, position: number): Reading<number> {
  let done = 0;
  while (done < target.length) {
    const bytes = yield { target: target.subarray(done), position: position + done };
    if (bytes === 0) break;
    done += bytes;
  }
  return done;
}
