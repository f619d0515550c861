import { configurations, exercise } from './exerciser.js';
import { budget, seed } from './support.js';

describe('a file-system exerciser', () => {
  const names = Object.keys(configurations);
  const operations = Math.ceil(budget('TORTURE_OPERATIONS', 1_000_000) / names.length);
  for (const [index, configuration] of names.entries()) {
    it(`${configuration}: no difference to the model in ${operations} operations`, async () => {
      console.log(`seed ${seed}`);
      const begun = Date.now();
      const counts = await exercise({ configuration, operations, seed: seed + index, every: 2000 });
      console.log(`${operations} operations in ${(Date.now() - begun) / 1000} s: ${JSON.stringify(counts)}`);
    });
  }
});
