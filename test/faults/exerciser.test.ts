/** A file-system exerciser against a model; test/torture runs the same for longer. */
import { configurations, exercise } from '../torture/exerciser.js';
import { seed } from '../torture/support.js';

describe('a file-system exerciser', () => {
  for (const [index, configuration] of Object.keys(configurations).entries()) {
    it(`${configuration}: no difference to the model`, async function () {
      this.timeout(60_000);
      await exercise({ configuration, operations: 4000, seed: seed + index, every: 500 });
    });
  }
});
