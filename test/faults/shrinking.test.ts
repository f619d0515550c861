/** Files that others cut while they are used; test/torture runs the same for longer. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { MappedFile } from 'sliding-mmap';
import { useWhileShrinking } from '../torture/shrinking.js';
import { Scratch, seed } from '../torture/support.js';
import { cannotBeCut, describeUnless } from '../helpers/systems.js';

describeUnless(cannotBeCut, 'files that shrink while they are used', () => {
  for (const kind of ['readers', 'writers'] as const) {
    it(`${kind}: right bytes, a short read, or the documented error`, async function () {
      this.timeout(60_000);
      await useWhileShrinking(kind, seed, 250);
    });
  }

  it('a view tells of a cut inside its last page, where nothing is lost that could be noticed', () => {
    using folder = new Scratch();
    const path = folder.join('data');
    fs.writeFileSync(path, Buffer.alloc(5000, 1));
    using file = MappedFile.openSync(path);
    using view = file.view(4096, 5000);
    view.check();
    fs.truncateSync(path, 4500);
    assert.equal(view.bytes[900], 0);
    assert.throws(() => view.check(), { code: 'ERR_MAPPED_FILE_TRUNCATED', path, position: 4096, length: 904 });
    fs.writeFileSync(path, Buffer.alloc(5000, 2), { flag: 'r+' });
    view.check();
    assert.equal(view.bytes[900], 2);
  });

  for (const access of ['shared', 'private'] as const) {
    for (const hole of [false, true]) {
      it(`a ${access} view that lost a page says that the file shrank, though it has grown again${hole ? ', by a hole' : ''}`, () => {
        using folder = new Scratch();
        const path = folder.join('data');
        fs.writeFileSync(path, Buffer.alloc(20_000, 1));
        using file = MappedFile.openSync(path, 'r+');
        using view = file.view(0, 20_000, { access });
        fs.truncateSync(path, 100);
        assert.equal(view.bytes[10_000], 0);
        if (hole) fs.truncateSync(path, 20_000);
        else fs.writeFileSync(path, Buffer.alloc(20_000, 1));
        assert.throws(() => view.check(), {
          code: 'ERR_MAPPED_FILE_TRUNCATED',
          path,
          position: 10_000,
          length: 20_000,
        });
      });
    }
  }
});
