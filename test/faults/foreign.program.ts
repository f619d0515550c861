/** What others do with a view's memory after it was released: `node --expose-gc foreign.program.js SCENARIO PATH`. */
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import { promisify } from 'node:util';
import { MappedFile, WindowPool } from 'sliding-mmap';
import { native } from '#src/native.js';
import { collect } from '../helpers/collect.js';
import { byteAt, oracle } from '../helpers/files.js';

const [scenario, path] = process.argv.slice(2) as [string, string];
const MiB = 2 ** 20;
const size = 32 * MiB;
const randomFill = promisify(crypto.randomFill) as (array: Uint8Array) => Promise<unknown>;
const scrypt = promisify(crypto.scrypt) as (password: Uint8Array, salt: Uint8Array, length: number) => Promise<Buffer>;
const read = promisify(fs.read);
const write = promisify(fs.write);

/** What Windows may say of a buffer that is released while its kernel fills it. */
function released(error: NodeJS.ErrnoException): void {
  if (process.platform !== 'win32' || error.code !== 'EACCES') throw error;
}

/** Address space of this process in bytes. */
function addressSpace(): number {
  return Number(/VmSize:\s+(\d+) kB/.exec(fs.readFileSync('/proc/self/status', 'latin1'))?.[1]) * 1024;
}

const scenarios: Record<string, () => Promise<unknown>> = {
  /** Threads of the pool go on reading and writing where the view was; nobody else's memory is there by then. */
  async 'work on the thread pool'() {
    const fd = fs.openSync(path, 'r+');
    await using file = await MappedFile.open(path, 'r+');
    const before = oracle(0, 4096);
    for (const end of ['dispose', 'close'] as const) {
      for (let round = 0; round < 2; round++) {
        await using other = await MappedFile.open(path, 'r+', { backing: scenario.endsWith('copy') ? 'read' : 'auto' });
        const view = other.view(0, size, { access: 'private' });
        const pending = [
          randomFill(view.bytes),
          scrypt(view.bytes.subarray(0, 24 * MiB), view.bytes.subarray(0, 9), 16),
          read(fd, view.bytes, 0, size, 0).catch(released),
          read(fd, view.bytes, 0, size, 0).catch(released),
          randomFill(view.bytes),
          write(fd, view.bytes, 0, 4096, 0).catch(() => {}),
        ];
        await new Promise((resolve) => setTimeout(resolve, 2 * round));
        if (end === 'dispose') view.dispose();
        else other.closeSync();
        assert.equal(view.bytes.length, 0);
        // What is mapped now must not lie where those threads write.
        const views = Array.from({ length: 8 }, (_, i) => file.view(i * MiB + 4096, i * MiB + MiB));
        const arrays = Array.from({ length: 8 }, () => new Uint8Array(MiB));
        await Promise.all(pending);
        for (const { bytes, position } of views) assert.ok(oracle(position, 5000).equals(bytes.subarray(0, 5000)));
        for (const array of arrays) assert.ok(array.every((byte) => byte === 0));
        for (const each of views) each.dispose();
        fs.writeSync(fd, before, 0, 4096, 0);
      }
    }
    fs.closeSync(fd);
  },

  async 'work on the thread pool with a copy'() {
    await scenarios['work on the thread pool']!();
  },

  /** The range of a released view is free when its array was collected, and at once where it is wanted. */
  async 'address space'() {
    await using file = await MappedFile.open(path, 'r');
    const before = addressSpace();
    const hold: Uint8Array[] = [];
    for (let i = 0; i < 1500; i++) {
      const view = file.view();
      assert.equal(view.bytes[i], byteAt(i));
      view.dispose();
      if (i < 50) hold.push(view.bytes);
    }
    assert.equal(native.mappingCount(), 0, 'none is mapped');
    assert.ok(!fs.readFileSync('/proc/self/maps', 'latin1').includes(path));
    assert.ok(addressSpace() < before + 33 * 2 ** 30, 'only so much is kept');
    assert.ok(hold.every((bytes) => bytes.length === 0));
    hold.length = 0;
    await collect();
    assert.ok(addressSpace() < before + 200 * MiB, 'nothing is kept of what was collected');
  },

  /** Many short ones leave no mappings behind. */
  async mappings() {
    await using file = await MappedFile.open(path, 'r', { pool: new WindowPool() });
    let position = 0;
    for (const chunk of file.chunks({ chunkSize: 4096 })) {
      assert.equal(chunk[7], byteAt(position + 7));
      position += chunk.length;
    }
    assert.equal(position, size);
    assert.ok(fs.readFileSync('/proc/self/maps', 'latin1').split('\n').length < 3000);
  },
};

fs.writeFileSync(path, oracle(0, size));
await (scenarios[scenario] as () => Promise<unknown>)();
console.log('survived');
