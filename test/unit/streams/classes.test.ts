import assert from 'node:assert/strict';
import * as own from 'node:stream/web';
import * as polyfill from 'web-streams-polyfill';
import { choose, webStreams, type StreamClasses, type WebStreams } from '#src/streams/classes.js';

describe('which stream classes are used', () => {
  const theirs = polyfill as unknown as WebStreams;
  const never = (): never => assert.fail('the polyfill was loaded without need');

  it("the runtime's own by default", () => {
    const { ReadableStream, WritableStream } = webStreams();
    assert.equal(ReadableStream, own.ReadableStream);
    assert.equal(WritableStream, own.WritableStream);
    assert.equal(ReadableStream, globalThis.ReadableStream);
  });

  it("the caller's when given", () => {
    const { ReadableStream, WritableStream } = webStreams(polyfill);
    assert.equal(ReadableStream, polyfill.ReadableStream);
    assert.equal(WritableStream, polyfill.WritableStream);
  });

  it('not half of them', () => {
    for (const given of [null, {}, { ReadableStream: own.ReadableStream }, { ReadableStream: 1, WritableStream: 2 }])
      assert.throws(() => webStreams(given as unknown as StreamClasses), { code: 'ERR_INVALID_ARG_TYPE' });
  });

  it('leaves the polyfill alone where the runtime has byte streams with `min`', () => {
    assert.equal(
      choose(() => own, never),
      own,
    );
    assert.equal(
      choose(() => theirs, never),
      theirs,
      'the polyfill has what it takes',
    );
  });

  it('takes the polyfill where the runtime lacks streams, byte streams, BYOB readers or `min`', () => {
    class NoByteStreams {
      constructor(source: { type?: string }) {
        if (source.type === 'bytes') throw new TypeError('not supported');
      }
    }
    class NoByobReaders {
      getReader(): never {
        throw new TypeError('not supported');
      }
    }
    class NoMin {
      getReader() {
        return { read: () => Promise.resolve(), cancel: () => Promise.resolve() };
      }
    }
    const { WritableStream } = own;
    const lacking = [
      {},
      undefined,
      { ReadableStream: own.ReadableStream },
      { ReadableStream: NoByteStreams, WritableStream },
      { ReadableStream: NoByobReaders, WritableStream },
      { ReadableStream: NoMin, WritableStream },
    ];
    for (const runtime of lacking)
      assert.equal(
        choose(
          () => runtime as unknown as WebStreams,
          () => theirs,
        ),
        theirs,
      );
    const absent = (): never => {
      throw new Error("Cannot find module 'node:stream/web'");
    };
    assert.equal(
      choose(absent, () => theirs),
      theirs,
    );
  });
});
