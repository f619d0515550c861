/**
 * The memory beneath an array that a caller passed in, by the engine's own accessors: a subclass, or a property of the
 * array itself, may say anything, change its mind, or run code in the middle of an operation.
 */
import { isDataView, isUint8Array } from 'node:util/types';

type Getter<T> = (this: unknown) => T;

const typedArray: object = Object.getPrototypeOf(Uint8Array.prototype) as object;
const bufferOfArray = getter<ArrayBuffer>(typedArray, 'buffer');
const offsetOfArray = getter<number>(typedArray, 'byteOffset');
const lengthOfArray = getter<number>(typedArray, 'byteLength');
const bufferOfDataView = getter<ArrayBuffer>(DataView.prototype, 'buffer');
const offsetOfDataView = getter<number>(DataView.prototype, 'byteOffset');
const lengthOfDataView = getter<number>(DataView.prototype, 'byteLength');

function getter<T>(prototype: object, name: string): Getter<T> {
  return Object.getOwnPropertyDescriptor(prototype, name)?.get as Getter<T>;
}

/** Length in bytes; 0 where the buffer is detached, or was shortened so far that the view has left it. */
export function byteLengthOf(view: ArrayBufferView): number {
  if (!isDataView(view)) return lengthOfArray.call(view);
  try {
    return lengthOfDataView.call(view);
  } catch {
    return 0;
  }
}

/** Length in bytes of any value that is a `Uint8Array`; -1 for every other. */
export function bytesIn(value: unknown): number {
  return isUint8Array(value) ? lengthOfArray.call(value) : -1;
}

/** A `Uint8Array` of the class itself over the same memory. */
export function plainBytes(view: ArrayBufferView): Uint8Array {
  const length = byteLengthOf(view);
  if (length === 0) return new Uint8Array(0); // a detached buffer takes no new array
  return isDataView(view)
    ? new Uint8Array(bufferOfDataView.call(view), offsetOfDataView.call(view), length)
    : new Uint8Array(bufferOfArray.call(view), offsetOfArray.call(view), length);
}

/**
 * As {@link plainBytes}, but gives a `Uint8Array` as it is, which costs less: for those who only index it, and hand it
 * to the addon.
 */
export function bytesAsIs(view: ArrayBufferView): Uint8Array {
  return isUint8Array(view) ? view : plainBytes(view);
}
