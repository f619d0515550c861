/** Writers that are killed; test/torture kills more of them. */
import { killWriter } from '../torture/killing.js';
import { ways } from '../torture/records.js';
import { seed } from '../torture/support.js';
import { cannotMap, itUnless } from '../helpers/systems.js';

describe('kill -9', () => {
  for (const way of [...ways, 'mixed'] as const) {
    itUnless(way === 'view' && cannotMap, `${way}: loses nothing that was written (seed ${seed})`, async () => {
      await killWriter(way, seed);
    });
  }
});
