/** A text whose every byte is told by its position and is never zero, and the numbers that a disturber publishes. */
import fs from 'node:fs';

export const lineLength = 64;

/** Size of the file when it is whole: it ends inside a page and inside a line. */
export const wholeSize = 2 * 1024 * 1024 + 777;

/** Line `number`, with its newline. */
function lineOf(number: number): string {
  let line = `${String(number).padStart(12, '0')} `;
  let hash = number + 1;
  while (line.length < lineLength - 1) {
    hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d) + 0x9e3779b1;
    line += String.fromCharCode(33 + ((hash >>> 8) % 94));
  }
  return `${line}\n`;
}

/** The whole file's bytes. */
export const text: Buffer = Buffer.from(
  Array.from({ length: Math.ceil(wholeSize / lineLength) }, (_, number) => lineOf(number)).join(''),
  'latin1',
).subarray(0, wholeSize);

/** What the disturber has done so far. It cuts, and then grows the file again, in turns. */
export interface Progress {
  cutsBegun: number;
  growthsBegun: number;
  growthsEnded: number;
  /** What it cut the file to last, in bytes. */
  cutTo: number;
}

/** The disturber's progress, in a file that is read and written by plain system calls. */
export class ProgressFile {
  readonly #fd: number;
  readonly #words = new Uint32Array(4);

  constructor(path: string, flags: 'r' | 'w+') {
    this.#fd = fs.openSync(path, flags);
    if (flags === 'w+') fs.writeSync(this.#fd, this.#words, 0, 16, 0);
  }

  read(): Progress {
    fs.readSync(this.#fd, this.#words, 0, 16, 0);
    const [cutsBegun, growthsBegun, growthsEnded, cutTo] = this.#words as unknown as [number, number, number, number];
    return { cutsBegun, growthsBegun, growthsEnded, cutTo };
  }

  write(progress: Progress): void {
    this.#words.set([progress.cutsBegun, progress.growthsBegun, progress.growthsEnded, progress.cutTo]);
    fs.writeSync(this.#fd, this.#words, 0, 16, 0);
  }

  close(): void {
    fs.closeSync(this.#fd);
  }
}
