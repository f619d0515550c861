import { checkSignal, invalidArgType, outOfRange } from '../errors.js';

/** How long to wait at the most. */
export interface WaitOptions {
  /** In milliseconds, from 0 on; default `Infinity`. */
  timeout?: number | undefined;
  /** Ends the waiting: the promise rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
}

/** When the waiting ends, whatever happens. @internal */
export interface Limits {
  /** As `performance.now()` tells it. */
  readonly deadline: number;
  readonly signal: AbortSignal | undefined;
}

/** @internal */
export const unlimited: Limits = { deadline: Infinity, signal: undefined };

/** Checks options, and starts the clock. Throws `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE`. @internal */
export function limitsOf(options: unknown): Limits {
  if (options === undefined) return unlimited;
  const { timeout = Infinity, signal } = optionsOf(options) as WaitOptions;
  if (typeof timeout !== 'number') throw invalidArgType('options.timeout', 'of type number', timeout);
  if (!(timeout >= 0)) throw outOfRange('options.timeout', '>= 0', timeout);
  checkSignal(signal);
  // The clock costs more than what need not wait.
  return { deadline: timeout === Infinity ? timeout : performance.now() + timeout, signal };
}

/** Throws `ERR_INVALID_ARG_TYPE` for what is no object. @internal */
export function optionsOf(options: unknown): object {
  if (options === undefined) return {};
  if (typeof options !== 'object' || options === null) throw invalidArgType('options', 'of type object', options);
  return options;
}
