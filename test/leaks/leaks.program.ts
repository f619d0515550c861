/** Does something very often and compares what the process holds at the end with what it held after a while. */
import assert from 'node:assert/strict';
import { constants } from 'node:buffer';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { MappedFile, WindowPool } from 'sliding-mmap';
import { native } from '#src/native.js';
import { attempt } from '../helpers/errors.js';
import { byteAt } from '../helpers/files.js';

const [name, path] = process.argv.slice(2) as [string, string];
const collectGarbage = (globalThis as { gc?: () => void }).gc;
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

async function settle(): Promise<void> {
  for (let i = 0; i < 8; i++) {
    collectGarbage?.();
    await turn();
  }
}

interface Holdings {
  maps: number;
  descriptors: number;
  ranges: number;
  resident: number;
  external: number;
}

async function holdings(): Promise<Holdings> {
  await settle();
  return {
    maps: fs.readFileSync('/proc/self/maps', 'latin1').split('\n').length,
    descriptors: fs.readdirSync('/proc/self/fd').length,
    ranges: native.mappingCount(),
    resident: process.memoryUsage.rss(),
    external: process.memoryUsage().external,
  };
}

const MiB = 2 ** 20;

/** Runs `once` in two halves; the second may not add to what the first left. */
async function flat(times: number, once: (i: number) => unknown, every = 100): Promise<void> {
  const half = async (): Promise<Holdings> => {
    for (let i = 0; i < times / 2; i++) {
      await once(i);
      if (i % every === 0) await turn();
    }
    return holdings();
  };
  const [first, second] = [await half(), await half()];
  assert.equal(second.ranges, 0);
  assert.ok(second.descriptors <= first.descriptors, `descriptors: ${first.descriptors}, then ${second.descriptors}`);
  // The engine's own heap comes and goes; a mapping left in each round would be thousands.
  assert.ok(second.maps <= first.maps + 300, `mappings: ${first.maps}, then ${second.maps}`);
  assert.ok(second.resident <= first.resident + 24 * MiB, `resident: ${first.resident}, then ${second.resident}`);
  assert.ok(
    Math.abs(second.external - first.external) < 4 * MiB,
    `external: ${first.external}, then ${second.external}`,
  );
}

const scenarios: Record<string, () => Promise<void>> = {
  rounds: () =>
    flat(20_000, (i) => {
      const file = MappedFile.openSync(path, 'r+');
      file.setUint8(i % 1000, byteAt(i % 1000));
      assert.equal(file.getUint8((i * 7) % 5000), byteAt((i * 7) % 5000));
      const view = file.view(i % 100, 5000);
      assert.equal(view.bytes[0], byteAt(i % 100));
      if (i % 2 === 0) view.dispose();
      file.closeSync();
    }),

  'asynchronous rounds': () =>
    flat(3000, async (i) => {
      const file = await MappedFile.open(path, 'r+');
      const buffer = Buffer.alloc(100);
      await Promise.all([file.read(buffer, 0, 100, i), file.write(Buffer.from([byteAt(i)]), 0, 1, i)]);
      assert.equal(buffer[0], byteAt(i));
      await file.close();
    }),

  async 'dropped views'() {
    {
      await using file = await MappedFile.open(path, 'r+', { pool: new WindowPool({ maxWindows: 4000 }) });
      for (let i = 0; i < 2000; i++) {
        assert.equal(file.view(i, i + 50_000).bytes[1], byteAt(i + 1));
        if (i % 500 === 0) await turn();
      }
      await settle();
      assert.equal(native.mappingCount(), 0, 'the address space of the views is back');
      assert.equal(file.stats().views, 0);
    }
    await flat(4000, async () => {
      await using file = await MappedFile.open(path, 'r');
      file.view(0, 50_000);
    });
  },

  async 'dropped files'() {
    const before = await holdings();
    for (let i = 0; i < 500; i++) {
      MappedFile.openSync(path, 'r').getUint8(i);
      if (i % 50 === 0) await settle();
    }
    const after = await holdings();
    assert.equal(after.ranges, 0);
    assert.ok(after.descriptors <= before.descriptors + 1);
    assert.deepEqual([WindowPool.default.stats().windows, WindowPool.default.stats().windowBytes], [0, 0]);
  },

  failures: () =>
    flat(20_000, (i) => {
      if (i % 2 === 0) attempt(() => MappedFile.openSync('/dev/null'));
      attempt(() => MappedFile.openSync(`${path}.missing`));
      const file = MappedFile.openSync(path, 'r');
      attempt(() => file.view(0, 2 ** 40));
      attempt(() => file.getUint8(2 ** 40));
      attempt(() => file.writeSync('x'));
      file.closeSync();
    }),

  /** Takes its own address space away: windows of the default size no longer fit. */
  async tight() {
    const status = fs.readFileSync('/proc/self/status', 'latin1');
    const used = Number(/VmSize:\s+(\d+) kB/.exec(status)?.[1]) * 1024;
    const rest = (native.pointerSize === 8 ? 256 : 48) * MiB;
    execFileSync('prlimit', [`--pid=${process.pid}`, `--as=${used + rest}`]);
    using file = MappedFile.openSync(path, 'r+');
    for (const position of [5, 2 ** 35, 2 ** 36 - 100]) {
      for (let i = 0; i < 50; i++) assert.equal(file.getUint8(position + i), byteAt(position + i));
      file.setUint8(position, byteAt(position));
    }
    assert.equal(
      attempt(() => file.view(0, Math.min(2 ** 31, constants.MAX_LENGTH))).error?.code,
      'ERR_MAPPED_FILE_BUDGET',
    );
    using view = file.view(0, 1000);
    assert.equal(view.bytes[5], byteAt(5));
    await file.flush();
    assert.ok(file.stats().refusals > 0);
  },
};

await (scenarios[name] as () => Promise<void>)();
console.log('flat');
