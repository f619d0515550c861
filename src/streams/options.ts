/** Checks of the arguments that the streams take. */
import { invalidArgType, outOfRange } from '../errors.js';

/** A byte offset from the start of a file: a safe integer, 0 … 2^53−1, or a bigint in that range. */
export type Position = number | bigint;

/** Returns `value` as a number. Throws `ERR_INVALID_ARG_TYPE` or `ERR_OUT_OF_RANGE`, naming it `name`. */
export function toPosition(value: Position, name: string): number {
  if (typeof value !== 'number' && typeof value !== 'bigint')
    throw invalidArgType(name, 'of type number or bigint', value);
  if (typeof value === 'number' && !Number.isInteger(value)) throw outOfRange(name, 'an integer', value);
  if (value < 0 || value > Number.MAX_SAFE_INTEGER)
    throw outOfRange(name, `>= 0 && <= ${Number.MAX_SAFE_INTEGER}`, value);
  return Number(value);
}

/** Returns `value` where it is a whole number of bytes, at least `least`. Throws as {@link toPosition} does. */
export function toByteCount(value: number, name: string, least: number): number {
  if (typeof value !== 'number') throw invalidArgType(name, 'of type number', value);
  if (!Number.isInteger(value)) throw outOfRange(name, 'an integer', value);
  if (value < least || value > Number.MAX_SAFE_INTEGER)
    throw outOfRange(name, `>= ${least} && <= ${Number.MAX_SAFE_INTEGER}`, value);
  return value;
}

/** Throws `ERR_INVALID_ARG_TYPE` for anything that is neither `undefined` nor an `AbortSignal`. */
export function checkSignal(signal: unknown): void {
  if (signal === undefined) return;
  if (typeof signal !== 'object' || signal === null || !('aborted' in signal))
    throw invalidArgType('options.signal', 'an instance of AbortSignal', signal);
}

/** Throws `ERR_INVALID_ARG_TYPE` for anything that is neither `undefined` nor a boolean. */
export function checkBoolean(value: unknown, name: string): void {
  if (value !== undefined && typeof value !== 'boolean') throw invalidArgType(name, 'of type boolean', value);
}

/** Throws `ERR_INVALID_ARG_TYPE` for anything but an object. */
export function checkOptions(options: unknown): void {
  if (typeof options !== 'object' || options === null) throw invalidArgType('options', 'of type object', options);
}
