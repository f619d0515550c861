/**
 * `node:fs/promises`, whole, in which the files that are opened are mapped: see `sliding-mmap/fs`.
 */
import node, { type FileHandle } from 'node:fs/promises';
import { byteLengthOf, bytesIn } from '../bytes.js';
import { invalidArgType, outOfRange } from '../errors.js';
import { settled } from '../turn.js';
import { forget, readHot, remember } from './open-files.js';
import { copyOf } from './own.js';

export * from 'node:fs/promises';

// Taken once: somebody may put these functions in the place of node:fs/promises' own, which then still must be found.
const openHandle = node.open;

/** What the handles opened here inherit from, which inherits from Node's: they are Node's own objects. */
let prototype: object | undefined;

function result(bytesRead: unknown, buffer: unknown): object {
  return { __proto__: null, bytesRead, buffer };
}

/** What one of the forms of `read` asks for. */
interface Asked {
  buffer: unknown;
  offset: unknown;
  length: unknown;
  position: unknown;
  /** The arguments that ask for it again, with this length. */
  again: (length: unknown) => unknown[];
}

/** By its options, whose getters are asked once, or its arguments; undefined for what Node refuses, or has a buffer for. */
function askedBy(first: unknown, second: unknown, third: unknown, fourth: unknown): Asked | undefined {
  const isView = ArrayBuffer.isView(first);
  if (isView && (typeof second !== 'object' || second === null)) {
    const again = (most: unknown): unknown[] => [first, second, most, fourth];
    return { buffer: first, offset: second, length: third, position: fourth, again };
  }
  const options = isView ? second : first;
  if (typeof options !== 'object' || options === null || (!isView && Array.isArray(options))) return undefined;
  const buffer = isView ? first : (options as { buffer: unknown }).buffer;
  const { offset, length, position } = options as Record<'offset' | 'length' | 'position', unknown>;
  const again = (most: unknown): unknown[] =>
    isView ? [buffer, { offset, length: most, position }] : [{ buffer, offset, length: most, position }];
  return { buffer, offset, length, position, again };
}

/** What Node's binding takes for a length: up to Node 22 it ends the process for what is no such integer. */
const longest = 2 ** 31 - 1;

/** What is wrong with a length that Node hands to its binding without a look at it. Of all others Node tells by itself. */
function lengthError({ buffer, offset, length }: Asked): Error | undefined {
  if (length !== undefined && length !== null) {
    if (typeof length !== 'number') return invalidArgType('length', 'of type number', length);
    if (length !== Math.trunc(length)) return outOfRange('length', 'an integer', length); // NaN is not itself
  }
  const from = offset ?? 0;
  const size = ArrayBuffer.isView(buffer) ? byteLengthOf(buffer) : 0;
  if (size <= longest || typeof from !== 'number') return undefined;
  const count = length ?? size - from;
  return count > longest && from + count <= size ? outOfRange('length', `<= ${longest}`, count) : undefined;
}

function prototypeFrom(original: Pick<FileHandle, 'read'>): object {
  const nodeRead = original.read;
  return Object.create(original, {
    read: {
      value: function read(this: FileHandle, buffer: unknown, offset: unknown, length: unknown, position: unknown) {
        if (readHot(this.fd, buffer, offset, length, position)) return settled(result(length, buffer));
        try {
          const asked = askedBy(buffer, offset, length, position);
          if (asked === undefined) return Reflect.apply(nodeRead, this, [buffer, offset, length, position]) as unknown;
          const from = asked.offset ?? 0;
          const count = asked.length ?? (typeof from === 'number' ? bytesIn(asked.buffer) - from : undefined);
          const isNew = from !== offset || count !== length; // and was not tried above
          if (isNew && readHot(this.fd, asked.buffer, from, count, asked.position)) {
            return settled(result(count, asked.buffer));
          }
          const wrong = lengthError(asked);
          if (wrong === undefined) return Reflect.apply(nodeRead, this, asked.again(asked.length)) as unknown;
          // What else is wrong, Node tells first; a read of nothing reaches no binding.
          return (Reflect.apply(nodeRead, this, asked.again(0)) as Promise<unknown>).then(() => {
            throw wrong;
          });
        } catch (error) {
          return Promise.reject(error);
        }
      },
      writable: true,
      configurable: true,
    },
  }) as object;
}

/** `fsPromises.open`: the handle is Node's own `FileHandle`; its reads of bytes in memory skip the thread pool. */
export const open = async function open(path, flags, mode): Promise<FileHandle> {
  const handle = await openHandle(path, flags, mode);
  const { close, fd } = handle;
  remember(fd, flags);
  prototype ??= prototypeFrom(Object.getPrototypeOf(handle) as FileHandle);
  Object.setPrototypeOf(handle, prototype);
  handle.close = () => {
    // The number may be another file's once the handle has let go of it.
    if (handle.fd === fd) forget(fd);
    return Reflect.apply(close, handle, []);
  };
  return handle;
} as typeof node.open;

const module = copyOf(node, { open });

export default module;
export { module as 'module.exports' };
