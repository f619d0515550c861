import assert from 'node:assert/strict';
import { MappedFile } from 'sliding-mmap';
import { Folder, oracle } from '../helpers/files.js';
import { withstandHostileArguments } from '../torture/hostile-arguments.js';

describe('hostile arguments', () => {
  it('get documented errors, and leave the file usable', async function () {
    this.timeout(120_000);
    await withstandHostileArguments(Date.now() % 2 ** 31, 20_000);
  });

  it('does not unmap a view under its array when its fields are written to', () => {
    using folder = new Folder();
    using file = MappedFile.openSync(folder.file(5000), 'r+');
    const view = file.view();
    const { bytes } = view;
    Object.assign(view, { buffer: new ArrayBuffer(8) });
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
