/**
 * `node:fs/promises`, whole, in which the files that are opened are mapped: see `sliding-mmap/fs`.
 */
import node, { type FileHandle } from 'node:fs/promises';
import { bytesIn } from '../bytes.js';
import { outOfRange } from '../errors.js';
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

interface Range {
  offset: number | undefined;
  length: number | undefined;
  position: unknown;
}

/** Of `(options)` and `(buffer, options)`, whose getters are asked once: the buffer, the range, and how to ask again. */
function optionsOf(first: unknown, second: unknown): [buffer?: unknown, range?: Range, asked?: unknown[]] {
  const isView = ArrayBuffer.isView(first);
  const options = isView ? second : first;
  if (typeof options !== 'object' || options === null || Array.isArray(options)) return [];
  const buffer = isView ? first : (options as { buffer: unknown }).buffer;
  const { offset, length, position } = options as Range;
  const range: Range = { offset, length, position };
  return [buffer, range, isView ? [buffer, range] : [{ buffer, ...range }]];
}

function prototypeFrom(original: Pick<FileHandle, 'read'>): object {
  const nodeRead = original.read;
  return Object.create(original, {
    read: {
      value: function read(this: FileHandle, buffer: unknown, offset: unknown, length: unknown, position: unknown) {
        if (readHot(this.fd, buffer, offset, length, position)) return settled(result(length, buffer));
        try {
          const [data, range, asked] = optionsOf(buffer, offset);
          if (range !== undefined) {
            const from = range.offset ?? 0;
            const count = range.length ?? bytesIn(data) - from;
            if (readHot(this.fd, data, from, count, range.position)) return settled(result(count, data));
          }
          const most = range === undefined ? length : range.length;
          // The engine ends the process for what is no 32-bit integer.
          if (typeof most === 'number' && most >= 0 && (most | 0) !== most) {
            throw outOfRange('length', `an integer >= 0 && <= ${2 ** 31 - 1}`, most);
          }
          return Reflect.apply(nodeRead, this, asked ?? [buffer, offset, length, position]) as unknown;
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
