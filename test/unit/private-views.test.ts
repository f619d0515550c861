/** Views whose changes stay here until they are dropped or written back. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { constants as osConstants } from 'node:os';
import { setImmediate, setTimeout } from 'node:timers/promises';
import * as fc from 'fast-check';
import { MappedFile, type OpenOptions } from 'sliding-mmap';
import { codeOf } from '../helpers/errors.js';
import { Folder, oracle } from '../helpers/files.js';
import { configurations, granule } from '../helpers/sizes.js';
import { cannotBeCut, itUnless } from '../helpers/systems.js';
import { native } from '#src/native.js';

const size = 9 * granule + 123;
/** The call that is made to fail. */
const write = 5;

function truncateAnew(path: string): void {
  using file = MappedFile.openSync(path, 'r+');
  file.truncateSync(100);
}

for (const { name, options } of configurations) {
  describe(`private views: ${name}`, () => {
    // The views are larger than the smallest pool.
    const opened = (): OpenOptions => ({ ...options(), pool: undefined });
    const isCopy = (file: MappedFile): boolean => file.backing === 'read';

    it('change nothing until they are written back', async () => {
      using folder = new Folder();
      const path = folder.file(size);
      using file = MappedFile.openSync(path, 'r+', opened());
      using view = file.view(granule - 5, 3 * granule, { access: 'private' });
      using other = file.view(0, size);
      view.bytes.set([1, 2, 3], 3);
      view.bytes[view.length - 1]! ^= 0xff;
      const expected = oracle(0, size);
      assert.ok(fs.readFileSync(path).equals(expected));
      assert.ok(expected.equals(other.bytes));
      await view.flush();
      assert.ok(file.sliceSync().equals(expected));

      await view.commit();
      expected.set([1, 2, 3], granule - 2);
      expected[3 * granule - 1]! ^= 0xff;
      assert.ok(fs.readFileSync(path).equals(expected));
      assert.ok(expected.equals(other.bytes));
      assert.ok(file.sliceSync().equals(expected));
      assert.equal(file.getUint8(granule - 2), 1);
    });

    it('drop what was written', () => {
      using folder = new Folder();
      const path = folder.file(size);
      using file = MappedFile.openSync(path, 'r+', opened());
      using view = file.view(100, size - 100, { access: 'private' });
      view.bytes.fill(7);
      view.discard();
      assert.ok(oracle(100, size - 200).equals(view.bytes));
      view.commitSync();
      assert.ok(fs.readFileSync(path).equals(oracle(0, size)));
      file.setUint8(200, 1);
      view.discard();
      assert.equal(view.bytes[100], 1, 'shows what others wrote');
    });

    it('never write over what others wrote to other pages', async () => {
      using folder = new Folder();
      const path = folder.file(size);
      using file = MappedFile.openSync(path, 'r+', opened());
      using view = file.view(0, size, { access: 'private' });
      const expected = oracle(0, size);
      const fd = fs.openSync(path, 'r+');
      const write = (byte: number, position: number): void => {
        fs.writeSync(fd, Buffer.of(byte), 0, 1, position);
        expected[position] = byte;
      };
      view.bytes[0] = expected[0] = 1;
      view.bytes[5 * granule] = expected[5 * granule] = 2;
      write(3, granule + 7);
      write(4, 6 * granule);
      await view.commit();
      assert.ok(fs.readFileSync(path).equals(expected));
      // Of a page that was written back, too, once another has written it since.
      write(5, 9);
      write(6, 5 * granule + 1);
      view.bytes[2 * granule] = expected[2 * granule] = 7;
      view.commitSync();
      assert.ok(fs.readFileSync(path).equals(expected));
      if (!isCopy(file)) assert.ok(expected.equals(view.bytes));
      fs.closeSync(fd);
    });

    it('write back any changes, as often as is asked, and only those', async () => {
      const change = fc.record({
        position: fc.nat(size - 1),
        bytes: fc.uint8Array({ minLength: 1, maxLength: 2 * granule }),
        then: fc.constantFrom('nothing', 'commit', 'commitSync', 'discard'),
      });
      await fc.assert(
        fc.asyncProperty(fc.nat(size - 1), fc.array(change, { maxLength: 12 }), async (start, changes) => {
          using folder = new Folder();
          const path = folder.file(size);
          using file = MappedFile.openSync(path, 'r+', opened());
          using view = file.view(start, size, { access: 'private' });
          let written = oracle(0, size);
          let shown = oracle(0, size);
          for (const { position, bytes, then } of changes) {
            if (position < start) continue;
            const piece = bytes.subarray(0, size - position);
            view.bytes.set(piece, position - start);
            shown.set(piece, position);
            if (then === 'commit') await view.commit();
            if (then === 'commitSync') view.commitSync();
            if (then === 'discard') {
              view.discard();
              shown = Buffer.from(written);
            } else if (then !== 'nothing') {
              written = Buffer.from(shown);
            }
            assert.ok(fs.readFileSync(path).equals(written));
            assert.ok(shown.subarray(start).equals(view.bytes));
          }
        }),
        { numRuns: 15 },
      );
    });

    it('keep what is changed while it is written back', async () => {
      using folder = new Folder();
      const path = folder.file(size);
      using file = MappedFile.openSync(path, 'r+', opened());
      using view = file.view(0, size, { access: 'private' });
      view.bytes[10] = 1;
      const commit = view.commit();
      view.bytes[11] = 2;
      await commit;
      assert.equal(view.bytes[11], 2);
      await view.commit();
      assert.deepEqual([...fs.readFileSync(path).subarray(10, 12)], [1, 2]);
    });

    it('are written back in the order of the calls', async () => {
      using folder = new Folder();
      const path = folder.file(new Uint8Array(size));
      using file = MappedFile.openSync(path, 'r+', opened());
      using first = file.view(0, size, { access: 'private' });
      using second = file.view(0, size, { access: 'private' });
      const { commitAsync } = native;
      let running = 0;
      native.commitAsync = async (...args) => {
        running++;
        await setImmediate();
        const reached = await commitAsync(...args);
        assert.equal(running--, 1, 'one at a time');
        return reached;
      };
      try {
        for (let byte = 1; byte < 9; byte += 3) {
          first.bytes.fill(byte);
          const pending = [first.commit()];
          first.bytes.fill(byte + 1);
          pending.push(first.commit());
          second.bytes.fill(byte + 2);
          if (byte === 1) pending.push(second.commit());
          else second.commitSync();
          await Promise.all(pending);
          assert.ok(fs.readFileSync(path).equals(Buffer.alloc(size, byte + 2)));
          first.discard();
        }
      } finally {
        native.commitAsync = commitAsync;
      }
    });

    it('keep the newest of what is written back by overlapping calls', async () => {
      using folder = new Folder();
      const large = 2 ** 20;
      for (const next of ['commit', 'commitSync', 'commit'] as const) {
        for (let round = 0; round < 5; round++) {
          const path = folder.file(randomBytes(large));
          using file = MappedFile.openSync(path, 'r+', opened());
          using view = file.view(0, large, { access: 'private' });
          view.bytes.fill(7);
          const first = view.commit();
          await setTimeout(round);
          view.bytes.fill(8);
          await Promise.all([first, view[next]()]);
          await view.commit();
          const expected = Buffer.alloc(large, 8);
          assert.ok(expected.equals(view.bytes));
          assert.ok(fs.readFileSync(path).equals(expected));
        }
      }
    });

    it('keep what is written after another call has dropped the pages of one under way', async () => {
      using folder = new Folder();
      const path = folder.file(size);
      using file = MappedFile.openSync(path, 'r+', opened());
      using view = file.view(0, size, { access: 'private' });
      view.bytes.fill(7);
      const commit = view.commit();
      // It has written all, and is not told of before this thread has its turn.
      while (!fs.readFileSync(path).equals(Buffer.alloc(size, 7)));
      view.bytes.fill(8);
      view.commitSync();
      view.bytes.fill(7);
      await commit;
      assert.ok(Buffer.alloc(size, 7).equals(view.bytes));
      await view.commit();
      assert.ok(fs.readFileSync(path).equals(Buffer.alloc(size, 7)));
    });

    it('write back scattered changes of neighbouring pages by one call, and nothing of other pages', () => {
      using folder = new Folder();
      const path = folder.file(size);
      using file = MappedFile.openSync(path, 'r+', opened());
      if (isCopy(file)) return; // the grain is the byte
      using view = file.view(3, size, { access: 'private' });
      const expected = oracle(0, size);
      for (let i = granule + 5; i < 5 * granule; i += 2) expected[i] = view.bytes[i - 3]! ^= 0xff;
      native.injectFailure(write, 1, 1, osConstants.errno.EIO);
      try {
        view.commitSync();
      } finally {
        native.injectFailure(write, 0, 0, 0);
      }
      assert.ok(fs.readFileSync(path).equals(expected));
      // Pages that differ apart from each other, in their first and last bytes.
      for (const at of [granule, 2 * granule - 1, 2 * granule, 5 * granule - 1, size - 1]) {
        expected[at] = view.bytes[at - 3]! ^= 0xff;
      }
      view.commitSync();
      assert.ok(fs.readFileSync(path).equals(expected));
    });

    it('write back what is more than one piece', async () => {
      using folder = new Folder();
      const large = 2 ** 20 + 3 * granule + 5;
      const path = folder.file(new Uint8Array(large));
      using file = MappedFile.openSync(path, 'r+', opened());
      using view = file.view(1, large, { access: 'private' });
      view.bytes.set(oracle(1, large - 1));
      await view.commit();
      const expected = oracle(0, large);
      expected[0] = 0;
      assert.ok(fs.readFileSync(path).equals(expected));
    });

    it('say that they were released when a page is lost meanwhile', async () => {
      using folder = new Folder();
      using file = MappedFile.openSync(folder.file(size), 'r+', opened());
      if (isCopy(file)) return;
      const { commitAsync } = native;
      const view = file.view(0, size, { access: 'private' });
      native.commitAsync = () => Promise.resolve(-osConstants.errno.EFAULT);
      try {
        const commit = view.commit();
        view.dispose();
        await assert.rejects(commit, { code: 'ERR_INVALID_STATE' });
        using kept = file.view(0, size, { access: 'private' });
        await assert.rejects(kept.commit(), { code: 'ERR_MAPPED_FILE_TRUNCATED' });
      } finally {
        native.commitAsync = commitAsync;
      }
    });

    it('are refused where nothing can be dropped or written', async () => {
      using folder = new Folder();
      const path = folder.file(size);
      using reader = MappedFile.openSync(path, 'r', opened());
      const view = reader.view(0, 100);
      view.bytes[0]! ^= 1;
      assert.equal(
        codeOf(() => view.commitSync()),
        'ERR_MAPPED_FILE_READ_ONLY',
      );
      await assert.rejects(view.commit(), { code: 'ERR_MAPPED_FILE_READ_ONLY' });
      view.discard();
      assert.ok(oracle(0, 100).equals(view.bytes));
      view.dispose();

      using file = MappedFile.openSync(path, 'r+', opened());
      const shared = file.view(0, 100);
      shared.bytes[0] = 7;
      assert.equal(
        codeOf(() => shared.discard()),
        'ERR_INVALID_STATE',
      );
      await shared.commit();
      shared.commitSync();
      shared.dispose();
      const own = file.view(0, 100, { access: 'private' });
      own.dispose();
      own.discard();
      await assert.rejects(own.commit(), { code: 'ERR_INVALID_STATE' });
      assert.equal(
        codeOf(() => own.commitSync()),
        'ERR_INVALID_STATE',
      );

      using log = MappedFile.openSync(path, 'a', opened());
      using end = log.view(0, 100, { access: 'private' });
      await assert.rejects(end.commit(), { code: 'ERR_MAPPED_FILE_READ_ONLY' });
    });

    itUnless(cannotBeCut, 'do not make a file grow that was cut', async () => {
      using folder = new Folder();
      const path = folder.file(size);
      using file = MappedFile.openSync(path, 'r+', opened());
      const view = file.view(0, size, { access: 'private' });
      view.bytes.fill(1);
      fs.truncateSync(path, 10);
      await assert.rejects(view.commit(), { code: 'ERR_MAPPED_FILE_TRUNCATED' });
      assert.equal(
        codeOf(() => view.discard()),
        'ERR_MAPPED_FILE_TRUNCATED',
      );
      assert.ok(fs.readFileSync(path).equals(oracle(0, 10)));
      try {
        view.dispose();
      } catch {
        // Tells of it, or has done so.
      }
    });

    for (const [how, cut] of [
      ['at once', (file: MappedFile) => file.truncateSync(100)],
      ['on the thread pool', (file: MappedFile) => file.truncate(100)],
      ['by another opening', (file: MappedFile) => truncateAnew(file.path as string)],
    ] as const) {
      itUnless(cannotBeCut, `do not make a file grow that is cut ${how} while they are written back`, async () => {
        using folder = new Folder();
        const large = 2 ** 20;
        for (let round = 0; round < 12; round++) {
          // Every byte in between stays as it is: that takes longest. For copies it would take too long.
          const path = folder.file(randomBytes(large));
          using file = MappedFile.openSync(path, 'r+', opened());
          const view = file.view(0, large, { access: 'private' });
          for (let i = 0; i < large; i += isCopy(file) ? 101 : 2) view.bytes[i]! ^= 1;
          const commit = view.commit().catch((error: unknown) => error);
          await setTimeout(round);
          await cut(file);
          await commit;
          assert.equal(fs.statSync(path).size, 100);
          try {
            view.dispose();
          } catch {
            // Tells of what was cut.
          }
        }
      });
    }

    it('are written back to their end by a close, or say that they are not', async () => {
      using folder = new Folder();
      const path = folder.file(size);
      const file = MappedFile.openSync(path, 'r+', opened());
      const view = file.view(0, size, { access: 'private' });
      view.bytes.fill(1);
      const commit = view.commit().then(
        () => 'all',
        (error: { code: string }) => error.code,
      );
      await file.close();
      const outcome = await commit;
      if (outcome === 'all') assert.ok(fs.readFileSync(path).equals(Buffer.alloc(size, 1)));
      else assert.equal(outcome, 'ERR_MAPPED_FILE_CLOSED');
    });
  });
}
