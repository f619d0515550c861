/** Processes and threads that end while they spool. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Fifo } from '../helpers/fifos.js';
import { Folder } from '../helpers/files.js';
import { describeUnless, noFifos } from '../helpers/systems.js';

const program = fileURLToPath(new URL('./spools.program.js', import.meta.url));

describeUnless(noFifos, 'while something is spooled', () => {
  for (const [end, expected] of [
    ['kill', { code: null, signal: 'SIGKILL' }],
    ['exit', { code: 0, signal: null }],
    ['throw', { code: 1, signal: null }],
  ] as const) {
    it(`the process may end by ${end}, and leaves no file behind`, async () => {
      using folder = new Folder();
      const fifo = new Fifo(folder);
      const child = spawn(process.execPath, [program, end, fifo.path], {
        stdio: ['ignore', 'pipe', end === 'throw' ? 'ignore' : 'inherit'],
        env: { ...process.env, TMPDIR: folder.path },
      });
      const over = once(child, 'exit');
      // Opening waits for the reader, so on the thread pool.
      const writer = await fs.promises.open(fifo.path, 'w');
      await writer.write(Buffer.alloc(50_000, 1));
      const [output] = (await once(child.stdout, 'data')) as [Buffer];
      assert.equal(output.toString(), 'spooling\n');
      assert.deepEqual(fs.readdirSync(folder.path), ['fifo']);
      if (end === 'kill') child.kill('SIGKILL');
      const [code, signal] = (await over) as [number | null, string | null];
      assert.deepEqual({ code, signal }, expected);
      await writer.close();
      assert.deepEqual(fs.readdirSync(folder.path), ['fifo']);
    });
  }

  it('a worker may be terminated', async () => {
    using folder = new Folder();
    const fifo = new Fifo(folder);
    const child = spawn(process.execPath, [program, 'worker', fifo.path], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, TMPDIR: folder.path },
    });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
    const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
    assert.deepEqual({ code, signal, output }, { code: 0, signal: null, output: 'alive\n' });
    assert.deepEqual(fs.readdirSync(folder.path), ['fifo']);
  });
});
