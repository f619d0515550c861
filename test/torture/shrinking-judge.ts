/** Tells whether what an operation gave is right, while another process cuts the file and grows it. */
import assert from 'node:assert/strict';
import type { MappedFile } from 'sliding-mmap';
import { type Progress, type ProgressFile, text, wholeSize } from './shrinking-text.js';

const page = 4096;

/** How much of the truth an operation promises (DESIGN: faults). */
export type Promise_ = 'exact' | 'trusting';

/** What was counted. */
export interface Verdicts {
  operations: number;
  bytes: number;
  /** Operations that ended with ERR_MAPPED_FILE_TRUNCATED. */
  truncated: number;
  /** Operations that asked for what was no longer there: ERR_OUT_OF_RANGE. */
  outside: number;
  /** Zeroed rests of a page that scalars and small reads gave, as documented. */
  zeroedRests: number;
  /** Zeros that were given while the file was grown again under the operation: a look at its size cannot tell. */
  regrown: number;
}

export class Judge {
  readonly verdicts: Verdicts = { operations: 0, bytes: 0, truncated: 0, outside: 0, zeroedRests: 0, regrown: 0 };
  readonly #progress: ProgressFile;
  /** Whether bytes that were never written, zeros, are in the file by right. */
  readonly #holes: boolean;
  /** When the operation, and its last step, began. */
  #begun: Progress;
  #before: Progress;

  constructor(progress: ProgressFile, holes: boolean) {
    this.#progress = progress;
    this.#holes = holes;
    this.#begun = this.#before = progress.read();
  }

  /** An operation begins. */
  begin(): Progress {
    this.verdicts.operations++;
    return (this.#begun = this.step());
  }

  /** A step of an operation begins. */
  step(): Progress {
    return (this.#before = this.#progress.read());
  }

  /** Nothing was done to the file since the operation began: it has to succeed. */
  get isQuiet(): boolean {
    const { cutsBegun, growthsEnded } = this.#begun;
    return !this.#holes && cutsBegun === growthsEnded && this.#progress.read().cutsBegun === cutsBegun;
  }

  /** Bytes that an operation gave as those from `position` on. `since` is when it began. */
  check(bytes: Uint8Array, position: number, promise: Promise_, since: Progress = this.#before): void {
    this.verdicts.bytes += bytes.length;
    const expected = text.subarray(position, position + bytes.length);
    if (expected.equals(bytes)) return;
    assert.ok(bytes.length <= expected.length || this.#holes, `${bytes.length} bytes at ${position}: past the end`);
    for (let i = 0; i < bytes.length; i++) {
      if (bytes[i] === expected[i]) continue;
      if (bytes[i] !== 0) assert.fail(`byte ${bytes[i]} instead of ${expected[i]} at ${position + i}`);
      if (this.#holes) continue;
      const now = this.#progress.read();
      if (now.growthsBegun !== since.growthsEnded) {
        this.verdicts.regrown++;
        return;
      }
      const where = `zero at ${position + i} of ${bytes.length} bytes at ${position}; ${JSON.stringify({ since, now })}`;
      assert.equal(promise, 'trusting', where);
      assert.ok(Math.floor((position + i) / page) >= Math.floor(now.cutTo / page), where);
      this.verdicts.zeroedRests++;
      return;
    }
  }

  /** An error that an operation ended with, on a file that has to be usable afterwards. */
  failed(error: unknown, file: MappedFile): void {
    const { code, path, position } = error as { code?: string } & Record<string, unknown>;
    if (code === 'ERR_MAPPED_FILE_TRUNCATED') {
      this.verdicts.truncated++;
      assert.equal(path, file.path);
      assert.equal(typeof position, 'number', `no position: ${String(error)}`);
    } else if (code === 'ERR_OUT_OF_RANGE') {
      this.verdicts.outside++;
    } else {
      throw error;
    }
    assert.ok(!this.isQuiet, `nothing was done to the file, but: ${(error as Error).stack}`);
    this.usable(file);
  }

  /** Reads a page and a number, as whoever goes on after an error does. */
  usable(file: MappedFile): void {
    this.step();
    const size = file.refreshSync();
    assert.ok(size <= wholeSize || this.#holes);
    const bytes = Buffer.alloc(page);
    this.check(bytes.subarray(0, file.readSync(bytes, 0, page, 0)), 0, 'exact');
  }
}
