/** Positions, ranges and the geometry of windows: arithmetic only. */
import { invalidArgType, outOfRange } from './errors.js';

/** A byte offset from the start of a file: a safe integer, or a bigint of the same range (0 … 2^53 − 1). */
export type Position = number | bigint;

/** Checks a position and gives it as a number. Throws `ERR_INVALID_ARG_TYPE` or `ERR_OUT_OF_RANGE`. */
export function toPosition(position: unknown, name = 'position'): number {
  if (typeof position === 'number') {
    if (!Number.isInteger(position)) throw outOfRange(name, 'an integer', position);
  } else if (typeof position !== 'bigint') {
    throw invalidArgType(name, 'of type number or bigint', position);
  }
  if (position < 0 || position > Number.MAX_SAFE_INTEGER) {
    throw outOfRange(name, `>= 0 && <= ${Number.MAX_SAFE_INTEGER}`, position);
  }
  return Number(position);
}

/** Checks a count of bytes or of things: an integer from `least` to `most`. */
export function toCount(value: unknown, name: string, least: number, most: number = Number.MAX_SAFE_INTEGER): number {
  if (typeof value !== 'number') throw invalidArgType(name, 'of type number', value);
  if (!Number.isInteger(value)) throw outOfRange(name, 'an integer', value);
  if (value < least || value > most) throw outOfRange(name, `>= ${least} && <= ${most}`, value);
  return value;
}

/**
 * Checks a half-open range `[start, end)`; `end` defaults to `size`, and `start` to 0. Nothing is cut: an `end` past
 * `size` is for the caller to judge.
 */
export function toRange(start: unknown, end: unknown, size: number): { start: number; end: number } {
  const from = start === undefined ? 0 : toPosition(start, 'start');
  const to = end === undefined ? Math.max(from, size) : toPosition(end, 'end');
  if (from > to) throw outOfRange('start', `<= end (${to})`, from);
  return { start: from, end: to };
}

/** `value` rounded up to a multiple of `granule`, both in bytes. */
export function roundUp(value: number, granule: number): number {
  return Math.ceil(value / granule) * granule;
}

/**
 * How a file is cut into windows. Window `slot` starts at `slot * stride` and is one granule longer than the stride,
 * so that whatever starts inside a stride and is no longer than a granule lies in one window.
 */
export class Geometry {
  /** Distance between the starts of neighbouring windows, in bytes; a multiple of the granularity. */
  readonly stride: number;
  /** How much longer than the stride a window is, in bytes. */
  readonly overlap: number;

  constructor(windowSize: number, granularity: number) {
    this.stride = Math.max(granularity, roundUp(windowSize, granularity));
    this.overlap = granularity;
  }

  /** Length of a whole window, in bytes. */
  get capacity(): number {
    return this.stride + this.overlap;
  }

  slotOf(position: number): number {
    const slot = Math.floor(position / this.stride);
    // The quotient is rounded: just below a multiple of the stride it may come out as the multiple.
    return slot * this.stride > position ? slot - 1 : slot;
  }

  startOf(slot: number): number {
    return slot * this.stride;
  }

  /** How many bytes of a file of `size` bytes window `slot` covers. */
  lengthOf(slot: number, size: number): number {
    return Math.max(0, Math.min(this.capacity, size - this.startOf(slot)));
  }
}
