/** Reading and writing several buffers, one after the other. */
import { invalidState } from './errors.js';
import { cursor } from './io-arguments.js';

/**
 * Moves buffer after buffer until one comes out short. An error after the first bytes ends it, too: as with the system's
 * own call, what was moved is the result, and the next call tells why.
 */
export function vectorSync(
  list: Uint8Array[],
  position: number,
  move: (bytes: Uint8Array, at: number) => number,
): number {
  let moved = 0;
  for (const bytes of list) {
    if (bytes.length === 0) continue;
    try {
      const done = move(bytes, position === cursor ? cursor : position + moved);
      moved += done;
      if (done < bytes.length) break;
    } catch (error) {
      if (moved === 0) throw error;
      break;
    }
  }
  return moved;
}

/** Most that one system call moves (read(2)), in bytes. */
const mostAtOnce = 0x7ffff000;

/**
 * Reads for all buffers by one call, as far as one reaches, and shares out what came: at the cursor others may read
 * between two calls. Gives what the call gave.
 */
export async function together(
  list: readonly Uint8Array[],
  read: (bytes: Uint8Array) => number | Promise<number>,
): Promise<number> {
  const lengths = list.map(({ length }) => length);
  const all = new Uint8Array(
    Math.min(
      mostAtOnce,
      lengths.reduce((sum, length) => sum + length, 0),
    ),
  );
  const moved = all.length === 0 ? 0 : await read(all);
  if (list.some(({ length }, i) => length < lengths[i]!)) {
    throw invalidState('A buffer was detached while it was read into');
  }
  let at = 0;
  for (const bytes of list) {
    bytes.set(all.subarray(at, Math.min(moved, at + bytes.length)));
    at = Math.min(moved, at + bytes.length);
  }
  return moved;
}

/** As {@link vectorSync}, for moves that may take their time. */
export async function vector(
  list: Uint8Array[],
  position: number,
  move: (bytes: Uint8Array, at: number) => number | Promise<number>,
): Promise<number> {
  let moved = 0;
  for (const bytes of list) {
    if (bytes.length === 0) continue;
    try {
      const done = await move(bytes, position === cursor ? cursor : position + moved);
      moved += done;
      if (done < bytes.length) break;
    } catch (error) {
      if (moved === 0) throw error;
      break;
    }
  }
  return moved;
}
