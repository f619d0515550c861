/**
 * Thousands of rotations by a writer in another process: nothing is repeated, nothing is wrong, and nothing is lost but
 * files that were deleted before this process got any time to open them, which are counted.
 */
import assert from 'node:assert/strict';
import { followRotation, type Rotation } from '../helpers/rotation.js';
import { budget } from './support.js';

const rotations = budget('TORTURE_ROTATIONS', 1000);

describe('following a log that is rotated', function () {
  for (const mode of ['keep', 'shift', 'one', 'copy'] as const) {
    for (const milliseconds of [0, 2, 20]) {
      for (const as of ['bytes', 'lines'] as const) {
        it(`${mode}, ${milliseconds} ms apart, as ${as}`, async function () {
          const rotation: Rotation = { mode, rotations, milliseconds, as };
          const { written, lost, wrong, repeated, untold, events } = await followRotation(rotation);
          const missed = events.reduce((sum, event) => sum + (event.missed ?? 0), 0);
          this.test!.title += `: of ${written} records ${lost} in ${missed} files that were gone`;
          assert.deepEqual({ wrong, repeated, untold }, { wrong: [], repeated: 0, untold: 0 });
          if (mode === 'copy') return;
          assert.equal(events.length + missed, rotations);
          if (missed === 0) assert.equal(lost, 0);
          if (mode === 'keep') assert.equal(missed, 0);
        });
      }
    }
  }
});
