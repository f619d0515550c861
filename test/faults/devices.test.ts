/** Devices that fail, disks that are full, and layers: file systems in files, where this process may mount them. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { promisify } from 'node:util';
import type { Context } from 'mocha';
import { MappedFile, WindowPool } from 'sliding-mmap';
import { run } from '../helpers/child.js';
import { Folder, oracle } from '../helpers/files.js';
import { mountImage, mountOverlay, mountTmpfs, NotPermitted } from '../helpers/mounts.js';
import { butOnLinux, cannotMap, describeUnless, onWindows } from '../helpers/systems.js';

const program = new URL('./devices.program.js', import.meta.url);
const MiB = 2 ** 20;

async function survives(scenario: string, path: string): Promise<void> {
  const result = await run(program, [scenario, path]);
  assert.deepEqual(result, { stdout: 'survived\n', stderr: '', code: 0, signal: null });
}

/** The first `length` bytes of a file are the oracle's, on the device. */
function prepare(path: string, length: number, size = length): void {
  const fd = fs.openSync(path, 'w');
  fs.writeSync(fd, oracle(0, length));
  fs.ftruncateSync(fd, size);
  fs.fsyncSync(fd);
  fs.closeSync(fd);
}

async function whereMounted(test: Context, run: (folder: Folder) => Promise<void>): Promise<void> {
  using folder = new Folder();
  try {
    await run(folder);
  } catch (error) {
    if (!(error instanceof NotPermitted)) throw error;
    console.log(`      not run, because no file system can be mounted: ${error.message.trim()}`);
    test.skip();
  }
}

describeUnless(onWindows('there is no mount(8)'), 'a failing device', function () {
  this.timeout(60_000);

  it('that gives nothing back is an error of every way to read', function () {
    return whereMounted(this, async (folder) => {
      const [image, path] = [folder.join('image'), folder.join('disk')];
      {
        using disk = mountImage(path, image, 32 * MiB);
        prepare(`${disk.path}/data`, 16 * MiB);
      }
      using disk = mountImage(path, image, 32 * MiB, ',ro');
      fs.readFileSync(`${disk.path}/data`); // what tells where its bytes are is then in memory
      fs.truncateSync(image, 3 * MiB);
      fs.writeFileSync('/proc/sys/vm/drop_caches', '3');
      await survives('unreadable', `${disk.path}/data`);
    });
  });

  it('that takes nothing more is told once, by whatever flushes', function () {
    return whereMounted(this, async (folder) => {
      using memory = mountTmpfs(folder.join('memory'), '6m');
      using disk = mountImage(folder.join('disk'), `${memory.path}/image`, 16 * MiB);
      prepare(`${disk.path}/data`, MiB);
      const filler = fs.openSync(`${memory.path}/filler`, 'w');
      const piece = Buffer.alloc(4096);
      assert.throws(
        () => {
          for (;;) fs.writeSync(filler, piece);
        },
        { code: 'ENOSPC' },
      );
      fs.closeSync(filler);
      await survives('unwritable', `${disk.path}/data`);
    });
  });
});

describeUnless(onWindows('there is no mount(8)'), 'a full disk, in every way to write', function () {
  this.timeout(60_000);

  it('tmpfs', function () {
    return whereMounted(this, async (folder) => {
      using disk = mountTmpfs(folder.join('disk'), '4m');
      prepare(`${disk.path}/data`, MiB, 4 * MiB);
      await survives('full', `${disk.path}/data`);
    });
  });

  it('ext4', function () {
    return whereMounted(this, async (folder) => {
      using disk = mountImage(folder.join('disk'), folder.join('image'), 8 * MiB);
      prepare(`${disk.path}/data`, MiB, 4 * MiB);
      await survives('full', `${disk.path}/data`);
    });
  });
});

describeUnless(butOnLinux('there is no overlayfs') || cannotMap, 'a file of a lower layer that somebody writes', () => {
  const length = 8192;
  const newBytes = Buffer.from('new bytes');
  const at = 16;

  function whereLayered(test: Context, run: (path: string) => Promise<void>): Promise<void> {
    return whereMounted(test, async (folder) => {
      using memory = mountTmpfs(folder.join('memory'), '4m');
      fs.mkdirSync(`${memory.path}/lower`);
      prepare(`${memory.path}/lower/data`, length);
      using overlay = mountOverlay(folder.join('overlay'), memory.path);
      await run(`${overlay.path}/data`);
    });
  }

  function write(path: string): void {
    const fd = fs.openSync(path, 'r+');
    fs.writeSync(fd, newBytes, 0, newBytes.length, at);
    fs.closeSync(fd);
  }

  for (const [flags, windows] of [
    ['r', 0],
    ['r+', 1],
  ] as const) {
    it(`shows the new bytes through the module that stands for node:fs, opened '${flags}'`, function () {
      return whereLayered(this, async (path) => {
        // Not with this file: it has what node:fs has when it is loaded, and others that are tested add to that.
        const { default: mapped } = await import('sliding-mmap/fs');
        const before = WindowPool.default.stats().windows;
        const fd = mapped.openSync(path, flags);
        const buffer = Buffer.alloc(newBytes.length);
        for (let i = 0; i < 10; i++) {
          mapped.readSync(fd, buffer, 0, buffer.length, at);
          assert.deepEqual(buffer, oracle(at, buffer.length));
        }
        assert.equal(WindowPool.default.stats().windows, before + windows);
        write(path);
        mapped.readSync(fd, buffer, 0, buffer.length, at);
        assert.deepEqual(buffer, newBytes);
        buffer.fill(0);
        await promisify(mapped.read)(fd, buffer, 0, buffer.length, at);
        assert.deepEqual(buffer, newBytes);
        mapped.closeSync(fd);
      });
    });
  }

  for (const [flags, backing] of [
    ['r', 'read'],
    ['r+', 'mmap'],
  ] as const) {
    it(`shows the new bytes through a MappedFile with backing '${backing}', opened '${flags}'`, function () {
      return whereLayered(this, async (path) => {
        await using file = await MappedFile.open(path, flags, { backing });
        const buffer = Buffer.alloc(newBytes.length);
        file.readSync(buffer, 0, buffer.length, at);
        assert.equal(file.getUint8(at), buffer[0]);
        write(path);
        file.readSync(buffer, 0, buffer.length, at);
        assert.deepEqual(buffer, newBytes);
        assert.equal(file.getUint8(at), newBytes[0]);
        assert.deepEqual(await file.slice(at, at + newBytes.length), newBytes);
      });
    });
  }
});
