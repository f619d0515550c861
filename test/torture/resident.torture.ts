/** The resident set of walks over a file of 1 GiB, and over a hole of 8 GiB. */
import { testResidentSets } from '../helpers/resident.js';

describe('the resident set', () => testResidentSets(2 ** 30, 2 ** 33));
