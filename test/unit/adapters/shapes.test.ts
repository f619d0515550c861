/** The shapes that give copies of ranges, at every configuration. */
import fc from 'fast-check';
import assert from 'node:assert/strict';
import { constants } from 'node:buffer';
import fs from 'node:fs';
import { MappedFile } from 'sliding-mmap';
import {
  toAsyncBuffer,
  toBlob,
  toFetch,
  toGeoTiffSource,
  toGetter,
  toPMTilesSource,
  toUnzipperSource,
  toZarrStore,
} from 'sliding-mmap/adapters';
import { Fifo } from '../../helpers/fifos.js';
import { Folder, oracle } from '../../helpers/files.js';
import { configurations, granule } from '../../helpers/sizes.js';
import { cannotBeCut, itUnless, noFifos } from '../../helpers/systems.js';

const size = 5 * granule + 123;
const longBuffers = constants.MAX_LENGTH >= 2 ** 40 && 'a Buffer may be that long';
const bytes = oracle(0, size);
const own = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + size) as ArrayBuffer;

/** What a read gives: nothing behind the end. */
const part = (offset: number, length: number): Buffer => bytes.subarray(offset, offset + length);

async function streamed(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

const place = fc.oneof(
  fc.integer({ min: 0, max: size + 50 }),
  fc.constantFrom(0, 1, granule - 1, granule, granule + 1, 2 * granule, size - 1, size, size + 1),
);
const length = fc.oneof(fc.integer({ min: 0, max: 100 }), fc.integer({ min: 0, max: 3 * granule }));

for (const { name, options } of configurations) {
  describe(`adapters: ranges, ${name}`, () => {
    let folder: Folder;
    let file: MappedFile;
    beforeEach(() => {
      folder = new Folder();
      file = MappedFile.openSync(folder.file(size), 'r', options());
    });
    afterEach(async () => {
      await file.close();
      folder[Symbol.dispose]();
    });

    it('AsyncBuffer slices as an ArrayBuffer does, into buffers of its own', async () => {
      const buffer = toAsyncBuffer(file);
      assert.equal(buffer.byteLength, size);
      const position = fc.option(
        fc.oneof(
          place,
          place.map((p) => -p),
        ),
        { nil: undefined },
      );
      await fc.assert(
        fc.asyncProperty(position, position, async (start, end) => {
          const slice = await buffer.slice(start, end);
          assert.ok(slice instanceof ArrayBuffer);
          assert.deepEqual(Buffer.from(slice), Buffer.from(own.slice(start ?? 0, end)));
        }),
        { numRuns: 60 },
      );
    });

    it('getters, sources and stores give what a read gives', async () => {
      const getter = toGetter(file);
      const geotiff = toGeoTiffSource(file);
      const pmtiles = toPMTilesSource(file);
      const store = toZarrStore((key) => (key === '/data' ? file : undefined));
      const unzipper = toUnzipperSource(file);
      await fc.assert(
        fc.asyncProperty(place, length, async (offset, count) => {
          const wanted = part(offset, count);
          assert.deepEqual(Buffer.from(await getter(offset, offset + count)), wanted);
          const [first, second] = await geotiff.fetch([
            { offset, length: count },
            { offset: 0, length: 7 },
          ]);
          assert.deepEqual(Buffer.from(first!), wanted);
          assert.deepEqual(Buffer.from(second!), part(0, 7));
          assert.deepEqual(Buffer.from((await geotiff.fetchSlice({ offset, length: count })).data), wanted);
          const { data } = await pmtiles.getBytes(offset, count);
          assert.ok(data instanceof ArrayBuffer);
          assert.deepEqual(Buffer.from(data), wanted);
          assert.deepEqual(Buffer.from((await store.getRange('/data', { offset, length: count }))!), wanted);
          const suffix = await store.getRange('/data', { suffixLength: count });
          assert.deepEqual(Buffer.from(suffix!), bytes.subarray(size - Math.min(size, count)));
          if (count > 0) assert.deepEqual(await streamed(unzipper.stream(offset, count)), wanted);
        }),
        { numRuns: 40 },
      );
    });

    it('fetch answers with the file and with ranges of it', async () => {
      const fetch = toFetch(file, { type: 'image/tiff' });
      const get = (range?: string) => fetch('http://nowhere/', range === undefined ? {} : { headers: { range } });
      const whole = await get();
      assert.equal(whole.status, 200);
      assert.equal(whole.headers.get('content-type'), 'image/tiff');
      assert.equal(whole.headers.get('content-length'), String(size));
      assert.deepEqual(Buffer.from(await whole.arrayBuffer()), bytes);
      await fc.assert(
        fc.asyncProperty(fc.integer({ min: 0, max: size - 1 }), length, async (offset, count) => {
          const response = await get(`bytes=${offset}-${offset + count}`);
          const wanted = part(offset, count + 1);
          assert.equal(response.status, 206);
          const last = offset + wanted.length - 1;
          assert.equal(response.headers.get('content-range'), `bytes ${offset}-${last}/${size}`);
          assert.equal(response.headers.get('content-length'), String(wanted.length));
          assert.deepEqual(Buffer.from(await response.arrayBuffer()), wanted);
        }),
        { numRuns: 20 },
      );
    });
  });
}

describe('adapters: ranges', () => {
  let folder: Folder;
  let file: MappedFile;
  beforeEach(() => {
    folder = new Folder();
    file = MappedFile.openSync(folder.file(1000), 'r');
  });
  afterEach(async () => {
    await file.close();
    folder[Symbol.dispose]();
  });

  it('a Blob is the file that MappedFile.blob gives', async () => {
    const blob = toBlob(file, 10, 20n, { type: 'Text/Plain' });
    assert.ok(blob instanceof Blob);
    assert.equal(blob.type, 'text/plain');
    assert.deepEqual(Buffer.from(await blob.arrayBuffer()), oracle(10, 10));
  });

  it('fetch: the forms of Range, what is ignored, and what cannot be satisfied', async () => {
    const fetch = toFetch(file);
    const answer = async (range: string, init: RequestInit = {}): Promise<[number, string | null, number]> => {
      const response = await fetch('http://nowhere/', { ...init, headers: { range } });
      return [response.status, response.headers.get('content-range'), (await response.arrayBuffer()).byteLength];
    };
    assert.deepEqual(await answer('bytes=990-'), [206, 'bytes 990-999/1000', 10]);
    assert.deepEqual(await answer('bytes=-5'), [206, 'bytes 995-999/1000', 5]);
    assert.deepEqual(await answer('bytes=-5000'), [206, 'bytes 0-999/1000', 1000]);
    assert.deepEqual(await answer('bytes=999-5000'), [206, 'bytes 999-999/1000', 1]);
    assert.deepEqual(await answer('bytes=1000-'), [416, 'bytes */1000', 0]);
    assert.deepEqual(await answer('bytes=-0'), [416, 'bytes */1000', 0]);
    for (const ignored of ['bytes=5-4', 'bytes=-', 'bytes=1-2,4-5', 'lines=1-2', 'bytes=a-b']) {
      assert.deepEqual(await answer(ignored), [200, null, 1000], ignored);
    }
    assert.deepEqual(await answer('bytes=0-4', { method: 'head' }), [200, null, 0]);
    assert.deepEqual(await answer('bytes=0-4', { method: 'PUT' }), [405, null, 0]);
    const request = new Request('http://nowhere/', { headers: { range: 'bytes=1-2' } });
    assert.deepEqual(Buffer.from(await (await fetch(request)).arrayBuffer()), oracle(1, 2));
    await assert.rejects(fetch('http://nowhere/', { signal: AbortSignal.abort() }), { name: 'AbortError' });
  });

  it('fetch: a range on condition is the whole, for there is no validator', async () => {
    const headers = { range: 'bytes=0-4', 'if-range': '"some"' };
    const response = await toFetch(file)('http://nowhere/', { headers });
    assert.deepEqual([response.status, response.headers.get('content-range')], [200, null]);
    assert.equal((await response.arrayBuffer()).byteLength, 1000);
  });

  it('fetch: a signal counts until the body is read', async () => {
    await using large = await MappedFile.open(folder.file(1024 * 1024, 'large'));
    const fetch = toFetch(large);
    const why = new Error('enough');

    const atOnce = new AbortController();
    const called = fetch('http://nowhere/', { signal: atOnce.signal });
    atOnce.abort();
    await assert.rejects(called, { name: 'AbortError' });

    const before = new AbortController();
    const unread = await fetch(new Request('http://nowhere/', { signal: before.signal }));
    before.abort(why);
    await assert.rejects(unread.arrayBuffer(), why);

    const amid = new AbortController();
    const response = await fetch('http://nowhere/', { signal: amid.signal, headers: { range: 'bytes=5-' } });
    const reader = response.body!.getReader();
    const { value: first } = (await reader.read()) as { value: Uint8Array };
    assert.deepEqual(Buffer.from(first), oracle(5, first.length));
    amid.abort();
    await assert.rejects(reader.read(), { name: 'AbortError' });

    const unused = new AbortController();
    const read = await fetch('http://nowhere/', {
      signal: unused.signal,
    });
    assert.deepEqual(Buffer.from(await read.arrayBuffer()), oracle(0, 1024 * 1024));
    unused.abort();
  });

  it('what takes a signal heeds one that is aborted', async () => {
    const signal = AbortSignal.abort();
    await assert.rejects(toGeoTiffSource(file).fetch([{ offset: 0, length: 1 }], signal), { name: 'AbortError' });
    await assert.rejects(toPMTilesSource(file).getBytes(0, 1, signal), { name: 'AbortError' });
    await assert.rejects(toZarrStore(() => file).get('/a', { signal }), { name: 'AbortError' });
  });

  it('pmtiles: the key is the path, a name of its own without one, or what was given', async () => {
    assert.equal(toPMTilesSource(file).getKey(), file.path);
    assert.equal(toPMTilesSource(file, { key: 'a' }).getKey(), 'a');
    await using byDescriptor = await MappedFile.open(file.fd);
    assert.notEqual(toPMTilesSource(byDescriptor).getKey(), toPMTilesSource(byDescriptor).getKey());
  });

  it('zarrita: a key without a file is undefined', async () => {
    const store = toZarrStore(async (key) => (key === '/there' ? file : undefined));
    assert.deepEqual(Buffer.from((await store.get('/there'))!), oracle(0, 1000));
    assert.equal(await store.get('/not'), undefined);
    assert.equal(await store.getRange('/not', { offset: 0, length: 1 }), undefined);
  });

  it('unzipper: a length of 0, or none, is all that follows', async () => {
    const source = toUnzipperSource(file);
    assert.equal(await source.size(), 1000);
    assert.deepEqual(await streamed(source.stream(990)), oracle(990, 10));
    assert.deepEqual(await streamed(source.stream(990, 0)), oracle(990, 10));
  });

  it('sees what was appended, but an AsyncBuffer keeps its length', async () => {
    const buffer = toAsyncBuffer(file);
    const getter = toGetter(file);
    assert.equal((await getter(990, 1010)).length, 10);
    fs.appendFileSync(file.path!, oracle(1000, 10));
    assert.deepEqual(Buffer.from(await getter(990, 1010)), oracle(990, 20));
    assert.deepEqual(Buffer.from(await getter(990)), oracle(990, 20));
    assert.equal((await buffer.slice(-10)).byteLength, 10);
    assert.deepEqual(Buffer.from(await buffer.slice(-10)), oracle(990, 10));
  });

  itUnless(cannotBeCut, 'a file that shrank is an error for an AsyncBuffer, and shorter for the others', async () => {
    const buffer = toAsyncBuffer(file);
    fs.truncateSync(file.path!, 500);
    await file.refresh();
    await assert.rejects(buffer.slice(400, 600), { code: 'ERR_OUT_OF_RANGE' });
    assert.deepEqual(Buffer.from(await toGetter(file)(400, 600)), oracle(400, 100));
  });

  it('refuses positions that are none, and files that are closed', async () => {
    const getter = toGetter(file);
    await assert.rejects(getter(-1, 5), { code: 'ERR_OUT_OF_RANGE' });
    await assert.rejects(getter(5, 4), { code: 'ERR_OUT_OF_RANGE' });
    await assert.rejects(getter(0.5, 5), { code: 'ERR_OUT_OF_RANGE' });
    await assert.rejects(getter('0' as unknown as number, 5), { code: 'ERR_INVALID_ARG_TYPE' });
    await assert.rejects(toPMTilesSource(file).getBytes(0, NaN), { code: 'ERR_OUT_OF_RANGE' });
    const fetch = toFetch(file);
    const buffer = toAsyncBuffer(file);
    await file.close();
    const closed = { code: 'ERR_MAPPED_FILE_CLOSED' };
    await assert.rejects(getter(0, 5), closed);
    await assert.rejects(buffer.slice(0, 5), closed);
    await assert.rejects(fetch('http://nowhere/'), closed);
    assert.throws(() => toAsyncBuffer(file), closed);
  });

  itUnless(longBuffers, 'what is more than a Buffer can have is refused before it is read', async () => {
    await using huge = await MappedFile.open(folder.sparse(2 ** 40));
    const refused = { code: 'ERR_OUT_OF_RANGE' };
    await assert.rejects(toGetter(huge)(0), refused);
    await assert.rejects(toPMTilesSource(huge).getBytes(0, Infinity), refused);
    await assert.rejects(toGeoTiffSource(huge).fetchSlice({ offset: 0, length: 2 ** 41 }), refused);
    await assert.rejects(toZarrStore(() => huge).getRange('/a', { suffixLength: 2 ** 50 }), refused);
  });

  itUnless(noFifos, 'of a spool, what has not arrived is waited for', async () => {
    const fifo = new Fifo(folder);
    await using spool = await MappedFile.open(fifo.path, 'r', { backing: 'spool' });
    await fifo.write(oracle(0, 500));
    const get = toGetter(spool);
    const across = get(490, 520);
    const past = get(990, 1010);
    const all = get(0);
    await fifo.write(oracle(500, 500));
    assert.deepEqual(Buffer.from(await across), oracle(490, 30));
    fifo.end();
    assert.deepEqual(Buffer.from(await past), oracle(990, 10));
    assert.deepEqual(Buffer.from(await all), oracle(0, 1000));
  });

  it('closing a source closes the file only where that is asked for', async () => {
    await toGeoTiffSource(file).close();
    assert.equal(file.closed, false);
    assert.throws(() => toGeoTiffSource(file, { autoClose: 1 as unknown as boolean }), {
      code: 'ERR_INVALID_ARG_TYPE',
    });
    await toGeoTiffSource(file, { autoClose: true }).close();
    assert.equal(file.closed, true);
  });
});
