/** Files that are closed, dropped, or left by an exception or a dying thread, at any moment. */
import assert from 'node:assert/strict';
import { MappedFile } from 'sliding-mmap';
import { attemptAsync } from '../helpers/errors.js';
import { run } from '../helpers/child.js';
import { Folder } from '../helpers/files.js';
import { budget, seed } from '../torture/support.js';

const program = new URL('./lifetime.program.js', import.meta.url);

describe('lifetime', function () {
  this.timeout(0);
  const rounds = { 'close while pending': 300, collections: 300, exceptions: 300, workers: 6 };
  for (const [name, few] of Object.entries(rounds)) {
    const times = Math.ceil(few * budget('TORTURE_FACTOR', 1));
    it(`${name}, ${times} times, SEED=${seed}`, async () => {
      using folder = new Folder();
      const args = [name, folder.join('data'), String(times), String(seed)];
      const result = await run(program, args, { node: ['--expose-gc'] });
      assert.deepEqual(result, { stdout: 'survived\n', stderr: '', code: 0, signal: null }, `SEED=${seed}`);
    });
  }

  it('a step of lines that is overtaken by the close gives a line or an error, never undefined', async () => {
    using folder = new Folder();
    const path = folder.file('one\ntwo\n');
    for (let microtasks = 0; microtasks < 10; microtasks++) {
      for (const batches of [false, true]) {
        const file = MappedFile.openSync(path);
        const lines = file.lines();
        const iterator = (batches ? lines.batches() : lines)[Symbol.asyncIterator]();
        const step = attemptAsync(() => iterator.next());
        for (let i = 0; i < microtasks; i++) await Promise.resolve();
        file.closeSync();
        const { result, error } = await step;
        const given = (result as { value?: unknown } | undefined)?.value;
        if (error === undefined) assert.deepEqual(given, batches ? ['one', 'two'] : 'one');
        else assert.equal(error.code, 'ERR_MAPPED_FILE_CLOSED');
      }
    }
  });
});
