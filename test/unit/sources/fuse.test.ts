/** Files that another program serves: the right bytes, whichever way they are reached. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { MappedFile } from 'sliding-mmap';
import { codeOf } from '../../helpers/errors.js';
import { byteAt, Folder, oracle } from '../../helpers/files.js';

const size = 3 * 2 ** 20 + 17;
const border = 2 ** 20;

/** A folder that shows another one: `await using mount = await Mount.of(folder, path, options)`. */
class Mount implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;

  private constructor(child: ChildProcess, ended: Promise<unknown>) {
    this.#child = child;
    this.#ended = ended;
  }

  /** Undefined where nothing can be mounted. */
  static async of(origin: string, path: string, ...options: string[]): Promise<Mount | undefined> {
    const before = fs.statSync(path).dev;
    const child = spawn('bindfs', ['-f', ...options, origin, path], { stdio: 'ignore' });
    const ended = new Promise((resolve) => child.once('exit', resolve).once('error', resolve));
    const over = ended.then(() => true);
    while (!(await Promise.race([over, delay(20, false)]))) {
      if (fs.statSync(path).dev !== before) return new Mount(child, ended);
    }
    return undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // It unmounts before it ends.
    this.#child.kill();
    await this.#ended;
  }
}

describe('a file system in user space', function () {
  this.timeout(60_000);
  // Without the page cache nothing can be shared with it, and so nothing be mapped for writing.
  for (const [title, options] of [
    ['through the page cache', []],
    ['past the page cache', ['-o', 'direct_io']],
  ] as const) {
    for (const backing of ['auto', 'read'] as const) {
      it(`${title}, backing '${backing}'`, async function () {
        using folder = new Folder();
        const [origin, path] = [folder.join('origin'), folder.join('mounted')];
        for (const made of [origin, path]) fs.mkdirSync(made);
        fs.writeFileSync(`${origin}/data`, oracle(0, size));
        await using mount = await Mount.of(origin, path, ...options);
        if (mount === undefined) {
          console.log('      not run, because bindfs is not there, or may not mount');
          return this.skip();
        }
        await using file = await MappedFile.open(`${path}/data`, 'r+', { backing, windowSize: 64 * 1024 });
        assert.equal(file.size, size);
        for (const at of [0, border - 1, border, size - 1]) assert.equal(file.getUint8(at), byteAt(at));
        assert.ok(file.sliceSync(border - 5, border + 5).equals(oracle(border - 5, 10)));
        assert.ok((await file.slice(border - 5, size)).equals(oracle(border - 5, size - border + 5)));
        let streamed = 0;
        for await (const chunk of file.readable()) {
          assert.ok(oracle(streamed, chunk.length).equals(chunk));
          streamed += chunk.length;
        }
        assert.equal(streamed, size);
        let walked = 0;
        for (const chunk of file.chunks({ chunkSize: 100_000 })) {
          assert.ok(oracle(walked, chunk.length).equals(chunk));
          walked += chunk.length;
        }
        assert.equal(walked, size);
        const needle = oracle(size - 100, 50);
        assert.equal(file.indexOf(needle), size - 100);
        assert.equal(file.lastIndexOf(needle), size - 100);
        {
          using view = file.view(border, border + 4096);
          assert.ok(oracle(border, 4096).equals(view.bytes));
          view.bytes[7] = 7;
          await view.flush();
        }
        file.setUint8(border + 8, 8);
        file.writeSync(Buffer.from([9]), 0, 1, border + 9);
        await file.write(Buffer.from('the end'), 0, 7, size);
        await file.flush();
        const expected = Buffer.concat([oracle(0, size), Buffer.from('the end')]);
        expected.set([7, 8, 9], border + 7);
        assert.ok(expected.equals(fs.readFileSync(`${origin}/data`)), 'what is behind it');
        assert.ok(expected.equals(fs.readFileSync(`${path}/data`)), 'what others see through it');
        assert.ok(expected.equals(await file.slice()));
        assert.equal(file.getUint8(size + 6), 'd'.charCodeAt(0));
        assert.equal(
          codeOf(() => file.getUint8(size + 7)),
          'ERR_OUT_OF_RANGE',
        );
        await file.truncate(border);
        assert.deepEqual([file.size, fs.statSync(`${origin}/data`).size], [border, border]);
      });
    }
  }
});
