/** Which implementation of Web Streams is used: the caller's, the runtime's own or, at last, web-streams-polyfill's. */
import { createRequire } from 'node:module';
import type { ReadableStream, WritableStream } from 'node:stream/web';
import { checkConstructor } from '../errors.js';

/**
 * The constructors that streams are made with. Anything with the Streams Standard's behaviour will do, such as the
 * classes of `web-streams-polyfill`; the streams made are then instances of these, whatever their declared type.
 */
export interface StreamClasses {
  /** What `readable` makes. */
  readonly ReadableStream: new (...args: never[]) => object;
  /** What `writable` makes. */
  readonly WritableStream: new (...args: never[]) => object;
}

/** The same, typed as what they are used for. */
export interface WebStreams {
  readonly ReadableStream: typeof ReadableStream;
  readonly WritableStream: typeof WritableStream;
}

const require = createRequire(import.meta.url);
let chosen: WebStreams | undefined;

/**
 * The classes to make streams with: `given` where the caller has some, and otherwise the runtime's own if they have
 * all that the library promises, and web-streams-polyfill's if not. Both classes come from one implementation,
 * since streams of two do not pipe into each other. Loaded at the first stream: a program without any pays nothing.
 *
 * @throws TypeError `ERR_INVALID_ARG_TYPE` when `given` lacks one of the constructors.
 */
export function webStreams(given?: StreamClasses | null): WebStreams {
  if (given !== undefined) {
    for (const name of ['ReadableStream', 'WritableStream'] as const) {
      checkConstructor(given?.[name], `streams.${name}`, 'a class');
    }
    return given as unknown as WebStreams;
  }
  chosen ??= choose(
    () => require('node:stream/web') as WebStreams,
    () => require('web-streams-polyfill') as WebStreams,
  );
  return chosen;
}

/** Loads the runtime's classes and, only where those do not do, the polyfill's. */
export function choose(loadOwn: () => WebStreams, loadPolyfill: () => WebStreams): WebStreams {
  let own: WebStreams;
  try {
    own = loadOwn();
  } catch {
    return loadPolyfill(); // a runtime without node:stream/web
  }
  return hasByteStreams(own) ? own : loadPolyfill();
}

/**
 * Whether the classes have byte streams with BYOB readers whose `read` knows `min`. Found by using them, for some
 * runtimes have the names without the behaviour; everything looked at happens before the calls return.
 */
function hasByteStreams(classes: WebStreams): boolean {
  if (typeof classes?.ReadableStream !== 'function' || typeof classes.WritableStream !== 'function') return false;
  let asksForMin = false;
  try {
    const reader = new classes.ReadableStream({ type: 'bytes' }).getReader({ mode: 'byob' });
    const options = {
      get min() {
        asksForMin = true;
        return 1;
      },
    };
    // The declared type of `read` in Node 20 does not know the options yet.
    const read = reader.read as (view: Uint8Array, options: object) => Promise<unknown>;
    read.call(reader, new Uint8Array(1), options).catch(() => {});
    reader.cancel().catch(() => {});
  } catch {
    return false;
  }
  return asksForMin;
}
