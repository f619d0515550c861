/** node:fs's streams, made to use another module's `open`, `read`, `write` and `close`. */
import node from 'node:fs';

type Streams = Pick<typeof node, 'ReadStream' | 'WriteStream' | 'createReadStream' | 'createWriteStream'> & {
  FileReadStream: unknown;
  FileWriteStream: unknown;
};

interface Constructor {
  new (path: unknown, options: unknown): object;
  prototype: object;
}

const isInstance = Function.prototype[Symbol.hasInstance] as (this: unknown, value: unknown) => boolean;

/**
 * A class as Node's `Original`, callable without `new`, too, whose streams call the functions that `operations` has at
 * that time, unless their options bring others. Streams that Node makes, of a handle or for standard input, are its instances, too.
 */
function derive(name: string, Original: Constructor, operations: object): Constructor {
  const Derived = {
    [name]: function (this: object, path: unknown, options: unknown): object | undefined {
      if (!isInstance.call(Derived, this)) return new Derived(path, options);
      // The old kind of class, in every version of Node so far: it may be called.
      Reflect.apply(Original as never, this, [path, withOperations(options, operations)]);
      return undefined;
    },
  }[name] as unknown as Constructor;
  Object.setPrototypeOf(Derived, Original);
  Derived.prototype = Object.create(Original.prototype, {
    constructor: { value: Derived, writable: true, configurable: true },
  }) as object;
  Object.defineProperty(Derived, Symbol.hasInstance, {
    value(this: unknown, value: unknown): boolean {
      return isInstance.call(this === Derived ? Original : this, value); // `this` may be a class of somebody's own
    },
    configurable: true,
  });
  return Derived;
}

function withOperations(options: unknown, operations: object): unknown {
  if (options === undefined || options === null || typeof options === 'function') return { fs: operations };
  if (typeof options === 'string') return { encoding: options, fs: operations };
  if (typeof options !== 'object') return options;
  const own: Record<string, unknown> = {};
  // Inherited ones, too.
  for (const key in options) own[key] = (options as Record<string, unknown>)[key];
  // A FileHandle brings its own operations, and takes no others.
  if (typeof own['fd'] !== 'object' || own['fd'] === null) own['fs'] ||= operations;
  return own;
}

/** The classes and functions for `operations`, which they become properties of. */
export function streamsFor(operations: Partial<typeof node>): Streams {
  const ReadStream = derive('ReadStream', node.ReadStream as never, operations) as never;
  const WriteStream = derive('WriteStream', node.WriteStream as never, operations) as never;
  return {
    ReadStream,
    WriteStream,
    FileReadStream: ReadStream,
    FileWriteStream: WriteStream,
    // By the class that is there when it is called: users put others in its place. No methods: node:fs's may be called
    // with `new`.
    createReadStream: function createReadStream(path, options) {
      return new (operations.ReadStream as never as Constructor)(path, options) as node.ReadStream;
    },
    createWriteStream: function createWriteStream(path, options) {
      return new (operations.WriteStream as never as Constructor)(path, options) as node.WriteStream;
    },
  };
}
