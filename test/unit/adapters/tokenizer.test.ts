/** The tokenizer against strtok3's own, by drawn programs. */
import fc from 'fast-check';
import assert from 'node:assert/strict';
import fs from 'node:fs';
import * as strtok3 from 'strtok3';
import { MappedFile } from 'sliding-mmap';
import { toTokenizer } from 'sliding-mmap/adapters';
import * as token from 'token-types';
import { Folder } from '../../helpers/files.js';
import { configurations, granule } from '../../helpers/sizes.js';

const { EndOfStreamError } = strtok3;
const size = 3 * granule + 77;
const tokens = [token.UINT8, token.UINT16_LE, token.UINT24_BE, token.INT32_BE, token.Float64_LE];

type Step = (tokenizer: strtok3.IRandomAccessTokenizer) => Promise<unknown>;

const place = fc.oneof(fc.integer({ min: 0, max: size + 20 }), fc.constantFrom(granule - 1, granule, size - 4, size));
const anyToken = fc.constantFrom(...tokens);
const options = fc.record({ length: fc.nat(70), position: place, mayBeLess: fc.boolean() }, { requiredKeys: [] });
async function filled(read: (buffer: Uint8Array) => Promise<number>): Promise<unknown> {
  const buffer = new Uint8Array(64);
  return [await read(buffer), Buffer.from(buffer).toString('hex')];
}
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.tuple(anyToken, fc.option(place, { nil: undefined })).map(
    ([one, at]): Step =>
      (t) =>
        t.readToken<number>(one, at),
  ),
  fc.tuple(anyToken, fc.option(place, { nil: null })).map(
    ([one, at]): Step =>
      (t) =>
        t.peekToken<number>(one, at),
  ),
  anyToken.map(
    (one): Step =>
      (t) =>
        t.readNumber(one),
  ),
  anyToken.map(
    (one): Step =>
      (t) =>
        t.peekNumber(one),
  ),
  options.map(
    (how): Step =>
      (t) =>
        filled((buffer) => t.readBuffer(buffer, how)),
  ),
  options.map(
    (how): Step =>
      (t) =>
        filled((buffer) => t.peekBuffer(buffer, how)),
  ),
  fc.nat(2 * granule).map(
    (length): Step =>
      (t) =>
        t.ignore(length),
  ),
  place.map(
    (at): Step =>
      async (t) =>
        t.setPosition(at),
  ),
);

async function outcome(run: () => Promise<unknown>): Promise<unknown> {
  try {
    return await run();
  } catch (error) {
    return error instanceof EndOfStreamError ? 'end' : error instanceof RangeError ? 'range' : error;
  }
}

for (const { name, options: open } of configurations) {
  describe(`adapters: toTokenizer, ${name}`, () => {
    it('does what strtok3 does by node:fs', async () => {
      using folder = new Folder();
      const path = folder.file(size);
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
          const theirs = await strtok3.fromFile(path);
          const file = MappedFile.openSync(path, 'r', open());
          const ours = toTokenizer(file, { EndOfStreamError, autoClose: true });
          try {
            assert.deepEqual(ours.fileInfo, theirs.fileInfo);
            for (const one of steps) {
              const [wanted, got] = [await outcome(() => one(theirs)), await outcome(() => one(ours))];
              assert.deepEqual(got, wanted);
              // Where theirs stands after it has failed is where the failed read was to begin, or behind it.
              if (wanted === 'end') for (const t of [ours, theirs]) t.setPosition(0);
              assert.equal(ours.position, theirs.position);
            }
          } finally {
            await Promise.all([ours.close(), theirs.close()]);
          }
          assert.equal(file.closed, true);
        }),
        { numRuns: 25 },
      );
    });
  });
}

describe('adapters: toTokenizer', () => {
  it('has an error of its own for the end of the file, and leaves the file open', async () => {
    using folder = new Folder();
    await using file = await MappedFile.open(folder.file(3));
    const tokenizer = toTokenizer(file, { fileInfo: { mimeType: 'audio/mpeg' } });
    assert.deepEqual(tokenizer.fileInfo, { mimeType: 'audio/mpeg', path: file.path, size: 3 });
    assert.equal(tokenizer.supportsRandomAccess(), true);
    await assert.rejects(tokenizer.readToken(token.UINT32_BE), { name: 'EndOfStreamError' });
    await tokenizer.abort();
    await tokenizer.close();
    assert.equal(file.closed, false);
    assert.throws(() => toTokenizer(file, { EndOfStreamError: 5 as never }), { code: 'ERR_INVALID_ARG_TYPE' });
  });

  it('a token longer than the file asks for no memory', async () => {
    using folder = new Folder();
    await using file = await MappedFile.open(folder.file(3));
    const tokenizer = toTokenizer(file, { EndOfStreamError });
    const huge = { len: Number.MAX_SAFE_INTEGER, get: () => assert.fail() };
    await assert.rejects(tokenizer.readToken(huge), EndOfStreamError);
    assert.equal(fs.statSync(file.path!).size, 3);
  });
});
