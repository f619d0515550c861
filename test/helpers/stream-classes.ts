/** The implementations of Web Streams that every test of streams runs with. */
import { ReadableStream, TransformStream, WritableStream } from 'node:stream/web';
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
