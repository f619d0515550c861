/** Reading and writing several buffers, one after the other. */
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
