import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { MappedFile } from 'sliding-mmap';
import { run } from '../helpers/child.js';
import { Folder, oracle } from '../helpers/files.js';
import { withstandHostileArguments } from '../torture/hostile-arguments.js';
import { entries } from '../torture/surface.js';

describe('hostile arguments', () => {
  it('get documented errors, and leave the file usable', async function () {
    this.timeout(120_000);
    await withstandHostileArguments(Date.now() % 2 ** 31, 20_000);
  });

  it('survives functions of the language that somebody replaced', async () => {
    using folder = new Folder();
    const result = await run(new URL('./replaced.program.js', import.meta.url), [folder.path]);
    assert.deepEqual(result, { stdout: 'survived\n', stderr: '', code: 0, signal: null });
  });

  it('know every way into the package', () => {
    const { exports } = createRequire(import.meta.url)('sliding-mmap/package.json') as { exports: object };
    assert.deepEqual(Object.keys(exports), entries);
  });

  it('a view lets nobody put another array in place of its own', () => {
    using folder = new Folder();
    using file = MappedFile.openSync(folder.file(5000), 'r+');
    const view = file.view();
    const { bytes } = view;
    for (const key of ['bytes', 'buffer', 'byteOffset', 'position', 'length'])
      assert.throws(() => Object.assign(view, { [key]: new ArrayBuffer(8) }), TypeError);
    assert.equal(view.bytes, bytes);
    view.dispose();
    assert.equal(bytes.length, 0);
  });

  it('writes what a subclass holds, whatever it says of itself', async () => {
    class Liar extends Uint8Array {
      override subarray(): Uint8Array<ArrayBuffer> {
        throw new Error('asked');
      }
      override get length(): number {
        return 3;
      }
      override get byteLength(): number {
        return 2 ** 40;
      }
    }
    using folder = new Folder();
    using file = MappedFile.openSync(folder.join('data'), 'w');
    const content = oracle(0, 5 * 2 ** 20);
    const { bytesWritten } = await file.write(new Liar(content), 0, content.length, 0);
    assert.equal(bytesWritten, content.length);
    assert.ok(file.sliceSync().equals(content));
    const target = new Liar(content.length);
    assert.equal(file.readvSync([target], 0), content.length);
    assert.ok(Buffer.from(target.buffer).equals(content));
  });
});
