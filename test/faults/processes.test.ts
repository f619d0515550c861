/** Threads and processes that end, and signals that are not ours. */
import assert from 'node:assert/strict';
import { run } from '../helpers/child.js';
import { Folder } from '../helpers/files.js';
import { describeUnless, onWindows } from '../helpers/systems.js';

const workers = new URL('./workers.program.js', import.meta.url);
const signals = new URL('./signals.program.js', import.meta.url);

describe('workers and processes that end', function () {
  this.timeout(60_000);
  for (const name of [
    'terminated',
    'many at once',
    'process.exit',
    'a view that is handed over',
    'side by side',
    'exit with operations pending',
    'the end without closing',
  ]) {
    it(name, async () => {
      using folder = new Folder();
      const result = await run(workers, [name, folder.join('data')]);
      assert.deepEqual(result, { stdout: 'survived\n', stderr: '', code: 0, signal: null });
    });
  }
});

describeUnless(onWindows('there are no such signals'), 'signals that are not ours', () => {
  for (const name of ['before a file is opened', 'while one is mapped', 'after a page was lost']) {
    it(`SIGBUS, sent ${name}, still kills`, async () => {
      using folder = new Folder();
      const { signal, stdout } = await run(signals, [name, folder.file(100_000)]);
      assert.deepEqual([signal, stdout], ['SIGBUS', 'ready\n']);
    });
  }

  for (const name of ['SIGTERM', 'SIGSEGV'] as const) {
    it(`${name} still kills`, async () => {
      using folder = new Folder();
      const { signal } = await run(signals, [name, folder.file(100_000)]);
      assert.equal(signal, name);
    });
  }

  for (const when of ['early', 'late']) {
    it(`a listener for SIGBUS that comes ${when}, there or gone, takes nothing from the guard`, async () => {
      using folder = new Folder();
      const listener = new URL('./signal-listener.program.js', import.meta.url);
      const { signal, stdout } = await run(listener, [folder.file(100_000), when]);
      const lost = 'ERR_MAPPED_FILE_TRUNCATED\n';
      assert.deepEqual([signal, stdout], ['SIGBUS', `${lost}heard\n${lost}${lost}`]);
    });
  }

  it('nor do listeners that come and go while another thread loses pages', async () => {
    using folder = new Folder();
    const listeners = new URL('./changing-listeners.program.js', import.meta.url);
    const result = await run(listeners, [folder.file(100_000)]);
    assert.deepEqual(result, { stdout: 'survived\n', stderr: '', code: 0, signal: null });
  });
});
