/**
 * `node:fs`, whole, with reads of regular files served out of memory. Descriptors and handles are Node's own. Reads
 * of a plain form (a `Uint8Array`, whole numbers, a position) come out of memory: the blocking ones from a window,
 * the asynchronous ones without a trip to the thread pool. All else is done by node:fs itself, and so by its rules.
 */
import node from 'node:fs';
import { callLater } from '../turn.js';
import { forget, readHot, readNow, remember } from './open-files.js';
import { copyOf, dressed } from './own.js';
import promises from './promises.js';
import { streamsFor } from './streams.js';

export * from 'node:fs';

// Taken once: somebody may put these functions in the place of node:fs's own, which then still must be found.
const nodeOpen = node.open as (...args: unknown[]) => void;
const nodeOpenSync = node.openSync;
const nodeClose = node.close as (...args: unknown[]) => void;
const nodeCloseSync = node.closeSync;
const nodeRead = node.read as (...args: unknown[]) => void;
const nodeReadSync = node.readSync as (...args: unknown[]) => number;

type Callback = (this: unknown, error: Error | null, ...results: unknown[]) => void;

export const open = dressed((...args: unknown[]) => {
  // node:fs takes the last of two or three for the callback, or an early function for it.
  const at = args.length < 3 ? 1 : typeof args[2] === 'function' ? 2 : 3;
  const callback = args[at];
  if (typeof callback === 'function') {
    args[at] = function (this: unknown, ...results: [error: Error | null, fd: number]) {
      if (!results[0]) remember(results[1], at > 1 ? args[1] : 'r');
      Reflect.apply(callback as Callback, this, results);
    };
  }
  nodeOpen(...args);
}, node.open) as typeof node.open;

export const openSync = dressed<typeof node.openSync>((path, flags, mode) => {
  const fd = nodeOpenSync(path, flags, mode);
  remember(fd, flags);
  return fd;
}, node.openSync);

export const close = dressed((...args: unknown[]) => {
  forget(args[0]);
  nodeClose(...args);
}, node.close) as typeof node.close;

export const closeSync = dressed<typeof node.closeSync>((fd) => {
  forget(fd);
  nodeCloseSync(fd);
}, node.closeSync);

export const read = dressed(function read(
  fd: unknown,
  buffer: unknown,
  offsetOrOptions: unknown,
  length: unknown,
  position: unknown,
  callback: unknown,
) {
  if (typeof callback === 'function' && readHot(fd, buffer, offsetOrOptions, length, position)) {
    callLater(callback as Callback, length as number, buffer);
  } else {
    // eslint-disable-next-line prefer-rest-params -- node:fs goes by how many there are
    nodeRead(...arguments);
  }
}, node.read) as unknown as typeof node.read;

export const readSync = dressed(function readSync(
  fd: unknown,
  buffer: unknown,
  offsetOrOptions: unknown,
  length: unknown,
  position: unknown,
): number {
  if (readNow(fd, buffer, offsetOrOptions, length, position)) return length as number;
  // eslint-disable-next-line prefer-rest-params -- as in read
  return nodeReadSync(...arguments);
}, node.readSync) as unknown as typeof node.readSync;

const module = {} as typeof node;
const streams = streamsFor(module);
Object.defineProperties(
  module,
  Object.getOwnPropertyDescriptors(
    copyOf(node, { open, openSync, close, closeSync, read, readSync, promises, ...streams }),
  ),
);

export const { ReadStream, WriteStream, createReadStream, createWriteStream } = streams;
export type ReadStream = node.ReadStream;
export type WriteStream = node.WriteStream;
export { promises };
export default module;
export { module as 'module.exports' };
