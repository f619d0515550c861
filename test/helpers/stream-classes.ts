/** The implementations of Web Streams that every test of streams runs with. */
import {
  ReadableStream,
  type ReadableStreamBYOBReader,
  type ReadableStreamReadResult,
  TransformStream,
  WritableStream,
} from 'node:stream/web';
import * as polyfill from 'web-streams-polyfill';

export interface StreamImplementation {
  readonly ReadableStream: typeof ReadableStream;
  readonly WritableStream: typeof WritableStream;
  readonly TransformStream: typeof TransformStream;
}

export const implementations: ReadonlyArray<[name: string, classes: StreamImplementation]> = [
  ['native', { ReadableStream, WritableStream, TransformStream }],
  ['web-streams-polyfill', polyfill as unknown as StreamImplementation],
];

/** `read` with its options, which the types of Node 20 do not know. */
export function readInto<T extends ArrayBufferView>(
  reader: ReadableStreamBYOBReader,
  view: T,
  options?: { min?: number },
): Promise<ReadableStreamReadResult<T>> {
  return reader.read.call(reader, view, options) as Promise<ReadableStreamReadResult<T>>;
}
