/** Runs one scenario: `node program.js NAME PATH CONFIGURATION`. Ends with code 0 and says that it survived. */
import fs from 'node:fs';
import { oracle } from '../helpers/files.js';
import { type Configuration, configurations } from '../helpers/sizes.js';
import { type Place, scenarios, size } from './scenarios.js';

const [scenario, path, name] = process.argv.slice(2) as [string, string, string];
const configuration = configurations.find((one) => one.name === name) as Configuration;
fs.writeFileSync(path, oracle(0, size));
await (scenarios[scenario] as (place: Place) => unknown)({ path, options: configuration.options() });
console.log('survived');
