/** The resident set of a walk is bounded; over more bytes in test/torture. */
import { testResidentSets } from '../helpers/resident.js';

describe('the resident set', function () {
  this.timeout(60_000);
  testResidentSets(128 * 2 ** 20, 256 * 2 ** 20);
});
