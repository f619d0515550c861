/** Queues of records in a file; test/faults/sync.test.ts kills those at both ends. */
import fc from 'fast-check';
import assert from 'node:assert/strict';
import { once } from 'node:events';
import fs from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { MappedFile } from 'sliding-mmap';
import { SharedMutex, SharedRing } from 'sliding-mmap/sync';
import { codeOf, rejectionCode } from '../../helpers/errors.js';
import { oracle } from '../../helpers/files.js';
import type { Order } from '../../helpers/sync.worker.js';
import { cannotBeCut, itUnless } from '../../helpers/systems.js';
import { Zeros } from '../../helpers/zeros.js';

const headerLength = 320;

async function read<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const one of stream) all.push(one);
  return all;
}

describe('SharedRing', function () {
  this.timeout(60_000);

  it('is a queue, of records of any length, however it wraps', () => {
    const sizes = fc.oneof(fc.nat(12), fc.nat(70), fc.nat(400));
    fc.assert(
      fc.property(
        fc.integer({ min: 8, max: 400 }),
        fc.array(fc.oneof(sizes, fc.constant('shift' as const)), { minLength: 50, maxLength: 300 }),
        (room, steps) => {
          using zeros = new Zeros(headerLength + room);
          using other = MappedFile.openSync(zeros.data, 'r+');
          const [producer, consumer] = [new SharedRing(zeros.file), new SharedRing(other)];
          const capacity = room & -4;
          assert.deepEqual([producer.capacity, consumer.capacity], [capacity, capacity]);
          const model: Buffer[] = [];
          let used = 0;
          let seed = 0;
          for (const step of steps) {
            if (step === 'shift') {
              const expected = model.shift();
              assert.deepEqual(consumer.tryShift(), expected);
              if (expected !== undefined) used -= 4 + 4 * Math.ceil(expected.length / 4);
            } else {
              const record = oracle(++seed * 1000, step);
              if (step > capacity - 4) {
                assert.equal(
                  codeOf(() => producer.tryPush(record)),
                  'ERR_OUT_OF_RANGE',
                );
                continue;
              }
              const total = 4 + 4 * Math.ceil(step / 4);
              const fits = used + total <= capacity;
              assert.equal(producer.tryPush(record), fits);
              if (fits) used += model.push(record) && total;
            }
            assert.equal(producer.used, used);
          }
          for (const expected of model) assert.deepEqual(consumer.shiftSync(), expected);
          assert.equal(consumer.tryShift(), undefined);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('takes strings, views and empty records, as they are when it is called', async () => {
    using zeros = new Zeros();
    using ring = new SharedRing(zeros.file, 0, { length: headerLength + 64 });
    const bytes = Uint8Array.of(1, 2, 3, 4);
    class Liar extends Uint8Array {
      override get length(): number {
        return 1000;
      }
      override subarray(): never {
        throw new Error('called');
      }
    }
    ring.pushSync('größe');
    ring.pushSync(new DataView(bytes.buffer, 1, 2));
    ring.pushSync('');
    await ring.push(new Liar(bytes));
    assert.equal(ring.tryPush(new Uint16Array([0x4142, 0x4344])), true);
    const late = ring.push(new Liar(Buffer.alloc(40, 'z')));
    const changed = Buffer.alloc(40, 'a');
    const later = ring.push(changed);
    changed.fill('b');
    structuredClone(changed.buffer, { transfer: [changed.buffer] });
    const taken: string[] = [];
    for (let i = 0; i < 7; i++) taken.push((await ring.shift())!.toString('latin1'));
    assert.deepEqual(taken, [
      Buffer.from('größe').toString('latin1'),
      '\x02\x03',
      '',
      '\x01\x02\x03\x04',
      'BADC',
      'z'.repeat(40),
      'a'.repeat(40),
    ]);
    await Promise.all([late, later]);
    for (const nothing of [undefined, null, 5, {}, []]) {
      assert.equal(
        codeOf(() => ring.tryPush(nothing as never)),
        'ERR_INVALID_ARG_TYPE',
      );
      assert.equal(await rejectionCode(ring.push(nothing as never)), 'ERR_INVALID_ARG_TYPE');
    }
  });

  it('waits for room and for records, in the order of asking', async () => {
    using zeros = new Zeros(headerLength + 64);
    using ring = new SharedRing(zeros.file);
    const shifted = [ring.shift(), ring.shift()];
    assert.equal(await rejectionCode(ring.shift({ timeout: 5 })), 'ERR_MAPPED_FILE_TIMED_OUT');
    assert.equal(
      codeOf(() => ring.shiftSync({ timeout: 5 })),
      'ERR_MAPPED_FILE_TIMED_OUT',
    );
    await ring.push('one');
    await ring.push('two');
    assert.deepEqual((await Promise.all(shifted)).map(String), ['one', 'two']);

    const pushed = Array.from({ length: 9 }, (_, i) => ring.push(`record ${i}`.padEnd(28)));
    const controller = new AbortController();
    const aborted = ring.push('never', { signal: controller.signal });
    assert.equal(
      codeOf(() => ring.pushSync('never', { timeout: 5 })),
      'ERR_MAPPED_FILE_TIMED_OUT',
    );
    assert.equal(ring.tryPush('never'), false);
    controller.abort(new Error('enough'));
    await assert.rejects(aborted, { message: 'enough' });
    for (let i = 0; i < 9; i++) assert.equal(String(await ring.shift()).trim(), `record ${i}`);
    await Promise.all(pushed);
    assert.equal(ring.used, 0);
  });

  it('ends: what is in it can be taken still', async () => {
    using zeros = new Zeros();
    using ring = new SharedRing(zeros.file);
    ring.pushSync('last');
    assert.equal(ring.ended, false);
    ring.end();
    ring.end();
    assert.equal(ring.ended, true);
    assert.equal(
      codeOf(() => ring.pushSync('more')),
      'ERR_MAPPED_FILE_RING_ENDED',
    );
    assert.equal(await rejectionCode(ring.push('more')), 'ERR_MAPPED_FILE_RING_ENDED');
    assert.equal(String(await ring.shift()), 'last');
    assert.deepEqual([await ring.shift(), ring.shiftSync(), ring.tryShift()], [undefined, undefined, undefined]);

    using full = new SharedRing(zeros.file, 1024, { length: headerLength + 8 });
    full.pushSync('abcd');
    const waiting = full.push('abcd');
    full.end();
    assert.equal(await rejectionCode(waiting), 'ERR_MAPPED_FILE_RING_ENDED');
    assert.equal(String(full.shiftSync()), 'abcd');
    using empty = new SharedRing(zeros.file, 2048);
    const none = empty.shift();
    empty.end();
    assert.equal(await none, undefined);
  });

  it('gives every record once, to one of many, and each producer’s in their order', async () => {
    using zeros = new Zeros(headerLength + 1000);
    using ring = new SharedRing(zeros.file);
    const order: Order = { action: 'shift', path: zeros.data };
    const url = new URL('../../helpers/sync.worker.js', import.meta.url);
    const consumers = [1, 2, 3].map(() => new Worker(url, { workerData: order }));
    const taken = Promise.all(
      consumers.map(async (consumer) => {
        const ended = once(consumer, 'exit'); // which may come together with the message
        const [records] = (await once(consumer, 'message')) as [string[]];
        await ended;
        return records;
      }),
    );
    const producers = ['a', 'b', 'c'].map(async (name) => {
      for (let i = 0; i < 400; i++) {
        const record = `${name} ${i}`;
        if (i % 3 === 0) ring.pushSync(record);
        else await ring.push(record);
      }
    });
    await Promise.all(producers);
    ring.end();
    const lists = await taken;
    assert.equal(new Set(lists.flat()).size, 1200);
    assert.equal(lists.flat().length, 1200);
    for (const list of lists) {
      for (const name of ['a', 'b', 'c']) {
        const numbers = list.filter((record) => record.startsWith(name)).map((record) => Number(record.slice(2)));
        assert.deepEqual(
          numbers,
          numbers.toSorted((x, y) => x - y),
        );
      }
    }
  });

  it('has the ends of streams, which wait for each other', async () => {
    using zeros = new Zeros(headerLength + 256);
    using ring = new SharedRing(zeros.file);
    const chunks = Array.from({ length: 200 }, (_, i) => `chunk ${i}`);
    const writing = new Blob([]).stream().cancel();
    await writing;
    const source = new ReadableStream<string>({
      pull(controller) {
        const chunk = chunks[sent++];
        if (chunk === undefined) controller.close();
        else controller.enqueue(chunk);
      },
    });
    let sent = 0;
    const piped = source.pipeTo(ring.writable());
    await turn();
    await turn();
    assert.ok(sent < 40, 'there is room for some only');
    assert.deepEqual((await read(ring.readable())).map(String), chunks);
    await piped;
    assert.equal(ring.ended, true);
  });

  it('has ends of streams that can be given up', async () => {
    using zeros = new Zeros(headerLength + 64);
    using ring = new SharedRing(zeros.file);
    const writer = ring.writable({ preventEnd: true }).getWriter();
    await writer.write('a');
    await writer.close();
    assert.equal(ring.ended, false);

    const reader = ring.readable().getReader();
    assert.equal(ring.used, 8); // nothing is taken ahead
    assert.equal(String((await reader.read()).value), 'a');
    const waiting = reader.read();
    await reader.cancel('enough');
    assert.equal((await waiting).done, true);
    await ring.push('b');
    assert.equal(String(ring.tryShift()), 'b');

    const full = ring.writable().getWriter();
    await full.write(new Uint8Array(60));
    const stuck = full.write('c').catch((reason: unknown) => reason);
    await turn();
    await full.abort('enough');
    assert.equal(await stuck, 'enough');

    const controller = new AbortController();
    const { signal } = controller;
    const idle = ring.writable({ signal }).getWriter();
    ring.shiftSync();
    const reading = ring.readable({ signal }).getReader().read();
    controller.abort(new Error('all of it'));
    await assert.rejects(idle.closed, { message: 'all of it' });
    await assert.rejects(reading, { message: 'all of it' });
    assert.equal(
      codeOf(() => ring.readable({ signal: 5 as never })),
      'ERR_INVALID_ARG_TYPE',
    );
    assert.equal(
      codeOf(() => ring.writable({ preventEnd: 5 as never })),
      'ERR_INVALID_ARG_TYPE',
    );
  });

  it('is found again with the length it was made with', () => {
    using zeros = new Zeros(8192);
    const { file } = zeros;
    const ring = new SharedRing(file, 4, { length: 1024 });
    assert.equal(ring.capacity, 1024 - headerLength);
    ring.pushSync('kept');
    ring.dispose();
    assert.equal(
      codeOf(() => ring.tryShift()),
      'ERR_INVALID_STATE',
    );
    using again = new SharedRing(file, 4);
    assert.equal(again.capacity, 1024 - headerLength);
    assert.equal(String(again.tryShift()), 'kept');
    assert.equal(
      codeOf(() => new SharedRing(file, 4, { length: 1028 })),
      'ERR_MAPPED_FILE_SYNC_INVALID',
    );
    assert.equal(
      codeOf(() => new SharedMutex(file, 4)),
      'ERR_MAPPED_FILE_SYNC_INVALID',
    );
    for (const length of [0, 327, 2 ** 31, -1, 0.5]) {
      assert.equal(
        codeOf(() => new SharedRing(file, 0, { length })),
        'ERR_OUT_OF_RANGE',
      );
    }
    assert.equal(
      codeOf(() => new SharedRing(file, 8192 - 324)),
      'ERR_OUT_OF_RANGE',
    );
    assert.equal(
      codeOf(() => new SharedRing(file, 2048, { length: 8000 })),
      'ERR_OUT_OF_RANGE',
    );
  });

  it('withstands whatever is written over it', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(115), fc.oneof(fc.integer(), fc.nat(600), fc.constantFrom(0, -1, 2 ** 31 - 1)))),
        (damages) => {
          using zeros = new Zeros(headerLength + 400);
          using ring = new SharedRing(zeros.file);
          for (let i = 0; i < 9; i++) ring.pushSync(oracle(i, 30));
          const words = zeros.file.view().as(Int32Array);
          for (const [index, value] of damages) words[index] = value;
          const calls = [
            () => ring.tryShift(),
            () => ring.tryPush('abc'),
            () => ring.shiftSync({ timeout: 1 }),
            () => ring.used,
            () => ring.end(),
            () => void new SharedRing(zeros.file).dispose(),
          ];
          for (const call of [...calls, ...calls, ...calls]) {
            const code = codeOf(call);
            const known = [undefined, 'SYNC_INVALID', 'TIMED_OUT', 'RING_ENDED'];
            assert.ok(known.includes((code as string | undefined)?.replace('ERR_MAPPED_FILE_', '')), String(code));
          }
        },
      ),
      { numRuns: 200 },
    );
  });

  it('rejects what waits when the file is closed', async () => {
    using zeros = new Zeros(8192);
    const ring = new SharedRing(zeros.file);
    const waiting = [rejectionCode(ring.shift()), rejectionCode(ring.readable().getReader().read())];
    await turn();
    await zeros.file.close();
    assert.deepEqual(await Promise.all(waiting), Array(2).fill('ERR_MAPPED_FILE_CLOSED'));
    assert.equal(
      codeOf(() => ring.tryPush('a')),
      'ERR_MAPPED_FILE_CLOSED',
    );
  });

  itUnless(cannotBeCut, 'throws when the file is cut', async () => {
    using zeros = new Zeros(8192);
    const cut = new SharedRing(zeros.file);
    const record = Buffer.alloc(1500);
    while (cut.tryPush(record));
    fs.truncateSync(zeros.data, 4096);
    assert.equal(
      codeOf(() => {
        for (;;) cut.shiftSync({ timeout: 0 });
      }),
      'ERR_MAPPED_FILE_TRUNCATED',
    );
    assert.equal(await rejectionCode(cut.shift()), 'ERR_MAPPED_FILE_TRUNCATED');
    assert.equal(await rejectionCode(cut.push(record)), 'ERR_MAPPED_FILE_TRUNCATED');
  });
});
