/** Files that others cut off while they are mapped. Each scenario runs in a process of its own: it may be killed. */
import assert from 'node:assert/strict';
import { run } from '../helpers/child.js';
import { Folder } from '../helpers/files.js';
import { configurations } from '../helpers/sizes.js';
import { scenarios } from './scenarios.js';
import { cannotBeCut, describeUnless } from '../helpers/systems.js';

const program = new URL('./program.js', import.meta.url);

describeUnless(cannotBeCut, 'a file that shrinks under its mappings', () => {
  for (const configuration of configurations) {
    for (const name of Object.keys(scenarios)) {
      // Views and workers take the default windows.
      if (/view|worker/.test(name) && configuration !== configurations[0]) continue;
      it(`${name}, ${configuration.name}`, async () => {
        using folder = new Folder();
        const result = await run(program, [name, folder.join('data'), configuration.name]);
        assert.deepEqual(result, { stdout: 'survived\n', stderr: '', code: 0, signal: null });
      });
    }
  }
});
