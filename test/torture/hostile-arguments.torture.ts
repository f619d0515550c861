import { budget, seed } from './support.js';
import { withstandHostileArguments } from './hostile-arguments.js';

const rounds = 5;

describe('hostile arguments', () => {
  const calls = Math.ceil(budget('TORTURE_CALLS', 250_000) / rounds);
  for (let i = 0; i < rounds; i++) {
    it(`${calls} calls, SEED=${seed + i}`, async () => {
      const { complaints, ...figures } = await withstandHostileArguments(seed + i, calls);
      console.log('     ', JSON.stringify(figures), complaints.length);
    });
  }
});
