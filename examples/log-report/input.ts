/** Where lines come from: files, through windows that slide over them; pipes and standard input, in blocks. */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { Readable } from 'node:stream';

import { MappedFile, type Lines } from 'sliding-mmap';

import { MAX_LINE } from './entry.js';

/**
 * Lines of a file in batches. Characters are bytes (latin1), a carriage return stays on its line, and a line longer
 * than {@link MAX_LINE} is cut there.
 */
export interface Input {
  /** Size in bytes; `undefined` for a pipe. */
  readonly size: number | undefined;
  /** Bytes taken so far. */
  readonly position: number;
  batches(): AsyncIterable<string[]>;
  close(): Promise<void>;
}

/** Opens a file by its path, or standard input by `-`. */
export async function openInput(path: string): Promise<Input> {
  if (path === '-') return new PipeInput(process.stdin);
  const stats = await stat(path);
  // A FIFO, as `<(zcat old.gz)` is, or a terminal; and files whose size is not told, as in /proc.
  if (!stats.isFile() || stats.size === 0) return new PipeInput(createReadStream(path));
  return new FileInput(await MappedFile.open(path));
}

class FileInput implements Input {
  readonly #file: MappedFile;
  readonly #lines: Lines;

  constructor(file: MappedFile) {
    this.#file = file;
    this.#lines = file.lines({ encoding: 'latin1', delimiter: '\n', maxLineLength: MAX_LINE, overflow: 'truncate' });
  }

  get size(): number {
    return this.#file.size;
  }

  get position(): number {
    return this.#lines.position;
  }

  batches(): AsyncIterable<string[]> {
    return this.#lines.batches();
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}

class PipeInput implements Input {
  readonly size = undefined;
  readonly #stream: Readable;
  #position = 0;

  constructor(stream: Readable) {
    this.#stream = stream;
  }

  get position(): number {
    return this.#position;
  }

  async *batches(): AsyncGenerator<string[]> {
    let rest = '';
    for await (const block of this.#stream as AsyncIterable<Buffer>) {
      this.#position += block.length;
      const lines = block.toString('latin1').split('\n');
      lines[0] = (rest + lines[0]!).slice(0, MAX_LINE);
      rest = lines.pop()!;
      yield lines;
    }
    if (rest !== '') yield [rest];
  }

  async close(): Promise<void> {
    this.#stream.destroy();
  }
}
