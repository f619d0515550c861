/** Numbered, checksummed records: what a writer that may be killed at any moment leaves behind. */
import { createHash } from 'node:crypto';

/** Bytes of a record; no divisor of a page, so that records lie across the borders of windows. */
export const recordLength = 120;

/** Record `number`: its number, bytes that depend on it and are never zero, and a hash of both. */
export function record(number: number): Buffer {
  const bytes = Buffer.alloc(recordLength);
  bytes.write(`${String(number).padStart(11, '0')}:`, 'latin1');
  let hash = number + 1;
  for (let i = 12; i < recordLength - 20; i++) {
    hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d) + 0x9e3779b1;
    bytes[i] = 1 + ((hash >>> 8) % 255);
  }
  // Of twenty hash bytes none may be zero either: a zero is what was not written.
  const sum = createHash('sha1')
    .update(bytes.subarray(0, recordLength - 20))
    .digest();
  bytes.set(
    sum.map((byte) => byte || 1),
    recordLength - 20,
  );
  return bytes;
}

/** The records `[from, to)`, one after the other. */
export function records(from: number, to: number): Buffer {
  return Buffer.concat(Array.from({ length: to - from }, (_, i) => record(from + i)));
}

/** The ways to write; `mixed` takes one after the other. */
export const ways = ['writeSync', 'write', 'writev', 'writable', 'createWriteStream', 'setters', 'view'] as const;
export type Way = (typeof ways)[number];

/** What the writer tells: how many records are written, and how many are flushed. */
export interface Told {
  written: number;
  flushed: number;
}

/** Reads what the writer printed: a line for each call that completed; the last one may be cut. */
export function toldBy(output: string): Told {
  const told = { written: 0, flushed: 0 };
  for (const line of output.split('\n').slice(0, -1)) {
    const [what, count] = line.split(' ');
    if (what === 'written') told.written = Number(count);
    else if (what === 'flushed') told.flushed = Number(count);
    else throw new Error(`What is '${line}'?`);
  }
  return told;
}
