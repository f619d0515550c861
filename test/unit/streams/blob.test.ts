import assert from 'node:assert/strict';
import fs from 'node:fs';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { MappedFile } from 'sliding-mmap';
import { Folder, oracle } from '../../helpers/files.js';

const size = 700_001;

describe('blob', () => {
  it('has the bytes of its range, however they are asked for', async () => {
    using folder = new Folder();
    await using file = await MappedFile.open(folder.file(size));
    for (const [start, end] of [
      [0, size],
      [1, 300_000],
      [5, 5],
      [size, size],
    ] as const) {
      const blob = file.blob(start, end, { type: 'Text/Plain' });
      const bytes = oracle(start, end - start);
      assert.ok(blob instanceof Blob);
      assert.deepEqual([blob.size, blob.type], [end - start, 'text/plain']);
      assert.deepEqual(Buffer.from(await blob.arrayBuffer()), bytes);
      assert.deepEqual(Buffer.from(await blob.bytes()), bytes);
      assert.equal(await blob.text(), new TextDecoder().decode(bytes));
      assert.deepEqual(await buffer(blob.stream()), bytes);
    }
    assert.equal(file.blob(1n).size, size - 1);
    assert.equal(file.blob(0, 1, { type: 'café' }).type, '');
  });

  it('lets timers run while it is streamed', async () => {
    using folder = new Folder();
    await using file = await MappedFile.open(folder.sparse(2 ** 28));
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    for await (const chunk of file.blob().stream() as AsyncIterable<Uint8Array>) assert.equal(chunk[0], 0);
    clearInterval(timer);
    assert.ok(turns > 0);
  });

  it('is cut as the standard cuts a Blob', async () => {
    using folder = new Folder();
    await using file = await MappedFile.open(folder.file(size));
    const reference = new Blob([oracle(10, 1000)]);
    const blob = file.blob(10, 1010);
    for (const range of [[], [5], [-5], [5, 900], [5, -5], [900, 5], [-2000, 2000]]) {
      const [mine, real] = [blob.slice(...range), reference.slice(...range)];
      assert.equal(mine.size, real.size);
      assert.deepEqual(await mine.arrayBuffer(), await real.arrayBuffer());
    }
    // Node's own Blob takes the process down here.
    assert.equal(await blob.slice(1.9, 3.1).text(), await reference.slice(1, 3).text());
    assert.equal(blob.slice(0, 1, 'A/B').type, 'a/b');
    assert.equal(await blob.slice(100).slice(10, 20).text(), await reference.slice(110, 120).text());
  });

  it('streams to default and BYOB readers, and is a body of a Response', async () => {
    using folder = new Folder();
    await using file = await MappedFile.open(folder.file(size));
    const response = new Response(file.blob(7, undefined, { type: 'image/x-test' }) as Blob);
    assert.equal(response.headers.get('content-type'), 'image/x-test');
    assert.deepEqual(Buffer.from(await response.arrayBuffer()), oracle(7, size - 7));
    assert.deepEqual(Buffer.from(await new Response(file.readable()).arrayBuffer()), oracle(0, size));
    assert.deepEqual(await buffer(Readable.from(file.readable())), oracle(0, size));

    const reader = file.blob(0, 10).stream().getReader({ mode: 'byob' });
    const first = await reader.read(new Uint8Array(4));
    assert.deepEqual(Buffer.from(first.value!), oracle(0, 4));
    const second = await reader.read(new Uint8Array(100));
    assert.deepEqual(Buffer.from(second.value!), oracle(4, 6));
    assert.equal((await reader.read(new Uint8Array(1))).done, true);
  });

  it('gives nothing when the file is shorter or closed by then', async () => {
    using folder = new Folder();
    const name = folder.file(size);
    const file = await MappedFile.open(name);
    const blob = file.blob();
    fs.truncateSync(name, 300_000);
    const shorter = { code: /^ERR_(MAPPED_FILE_TRUNCATED|OUT_OF_RANGE)$/ };
    await assert.rejects(blob.arrayBuffer(), shorter);
    await assert.rejects(blob.text(), shorter);
    await assert.rejects(buffer(blob.stream()), shorter);
    assert.deepEqual(Buffer.from(await blob.slice(0, 300_000).arrayBuffer()), oracle(0, 300_000));
    await file.close();
    await assert.rejects(blob.bytes(), { code: 'ERR_MAPPED_FILE_CLOSED' });
    assert.throws(() => file.blob(), { code: 'ERR_MAPPED_FILE_CLOSED' });
  });

  it('refuses arguments that are wrong', async () => {
    using folder = new Folder();
    await using file = await MappedFile.open(folder.file(10));
    assert.throws(() => file.blob(0, 11), { code: 'ERR_OUT_OF_RANGE' });
    assert.throws(() => file.blob(5, 4), { code: 'ERR_OUT_OF_RANGE' });
    assert.throws(() => file.blob('0' as never), { code: 'ERR_INVALID_ARG_TYPE' });
    assert.throws(() => file.blob(0, 1, null as never), { code: 'ERR_INVALID_ARG_TYPE' });
  });
});
