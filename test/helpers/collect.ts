/** Runs the garbage collector, and what it triggers, which takes a few turns of the event loop. */
import { setImmediate as turn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc') as () => void;

export async function collect(rounds = 5): Promise<void> {
  for (let i = 0; i < rounds; i++) {
    await turn();
    gc();
  }
  await turn();
}
