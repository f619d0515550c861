import assert from 'node:assert/strict';
import { killWriter } from './killing.js';
import { ways } from './records.js';
import { budget, seed } from './support.js';

describe('kill -9', () => {
  const kinds = [...ways, 'mixed'] as const;
  const kills = Math.ceil(budget('TORTURE_KILLS', 240) / kinds.length);
  for (const way of kinds) {
    it(`${way}: ${kills} kills lose nothing that was written`, async () => {
      console.log(`seed ${seed}`);
      const total = { written: 0, flushed: 0 };
      for (let i = 0; i < kills; i++) {
        const { written, flushed } = await killWriter(way, seed + i);
        total.written += written;
        total.flushed += flushed;
      }
      console.log(`${total.written} records written before a kill, ${total.flushed} of them flushed`);
      assert.ok(total.flushed > 0);
    });
  }
});
