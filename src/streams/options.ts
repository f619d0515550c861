/** Checks of the options that the streams take. */
import { invalidArgType } from '../errors.js';

/** Throws `ERR_INVALID_ARG_TYPE` for anything that is neither `undefined` nor a boolean. */
export function checkBoolean(value: unknown, name: string): void {
  if (value !== undefined && typeof value !== 'boolean') throw invalidArgType(name, 'of type boolean', value);
}

/** Throws `ERR_INVALID_ARG_TYPE` for anything but an object. */
export function checkOptions(options: unknown): void {
  if (typeof options !== 'object' || options === null) throw invalidArgType('options', 'of type object', options);
}
