import assert from 'node:assert/strict';
import { useWhileShrinking } from './shrinking.js';
import { budget, seed } from './support.js';

describe('files that shrink while they are used', () => {
  for (const kind of ['readers', 'writers'] as const) {
    it(`${kind}: right bytes, a short read, or the documented error`, async () => {
      const seconds = budget('TORTURE_SECONDS', 10);
      console.log(`seed ${seed}, ${seconds} s for each scenario`);
      const { counts, cuts } = await useWhileShrinking(kind, seed, seconds * 1000);
      console.log(`${cuts} cuts`);
      console.table(counts);
      for (const [name, { operations }] of Object.entries(counts)) assert.ok(operations > seconds, `${name}: too few`);
    });
  }
});
