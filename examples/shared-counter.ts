/**
 * Counts words of text files with several processes, all of which add to one table in a file that they share:
 * `node out/examples/shared-counter.js [--processes N] [--table FILE] FILE…`.
 *
 * The table is memory of all of them. Each word has a place in it, found by its hash, and is counted there by `Atomics`,
 * without a lock; only who finds no place for a new word takes the mutex, to make one. A process that is killed
 * leaves the mutex to the next one, and what it had counted stays.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import { MappedFile } from 'sliding-mmap';
import { SharedMutex } from 'sliding-mmap/sync';

const USAGE = 'Usage: shared-counter [--processes N] [--table FILE] FILE…';

const PLACES = 2 ** 16;
const LONGEST = 56;
/** A place: the count, the word's length, and its bytes. */
const PLACE = 8 + LONGEST;
/** Where the places begin: the mutex is before them. */
const PLACES_AT = 64;
const TABLE = PLACES_AT + PLACES * PLACE;

/** Words and how often they occurred, in a file that others write at the same time. */
class Table {
  readonly #mutex: SharedMutex;
  readonly #bytes: Uint8Array;
  readonly #words: Int32Array;

  constructor(file: MappedFile) {
    this.#mutex = new SharedMutex(file);
    const view = file.view(PLACES_AT);
    this.#bytes = view.bytes;
    this.#words = view.as(Int32Array);
  }

  add(word: Buffer): void {
    let place = this.#find(word);
    if (place === undefined) {
      const guard = this.#mutex.lockSync();
      try {
        // Somebody else may have made it meanwhile.
        place = this.#find(word) ?? this.#make(word);
      } finally {
        guard.release();
      }
    }
    Atomics.add(this.#words, (place * PLACE) / 4, 1);
  }

  *entries(): Generator<[word: string, count: number]> {
    for (let place = 0; place < PLACES; place++) {
      const length = this.#lengthAt(place);
      if (length > 0) yield [this.#wordAt(place, length).toString(), this.#words[(place * PLACE) / 4]!];
    }
  }

  #find(word: Buffer): number | undefined {
    for (let place = hash(word) % PLACES; ; place = (place + 1) % PLACES) {
      const length = this.#lengthAt(place);
      if (length === 0) return undefined;
      if (length === word.length && this.#wordAt(place, length).equals(word)) return place;
    }
  }

  #make(word: Buffer): number {
    let place = hash(word) % PLACES;
    for (let tries = 1; this.#lengthAt(place) !== 0; tries++) {
      if (tries === PLACES - 1) throw new Error(`More than ${tries} words`);
      place = (place + 1) % PLACES;
    }
    this.#bytes.set(word, place * PLACE + 8);
    // The length comes last: who sees it sees the word. Killed before, we have left nothing behind.
    Atomics.store(this.#words, (place * PLACE + 4) / 4, word.length);
    return place;
  }

  #lengthAt(place: number): number {
    return Atomics.load(this.#words, (place * PLACE + 4) / 4);
  }

  #wordAt(place: number, length: number): Buffer {
    const from = this.#bytes.byteOffset + place * PLACE + 8;
    return Buffer.from(this.#bytes.buffer, from, length);
  }
}

function hash(word: Buffer): number {
  let hash = 0x811c9dc5;
  for (const byte of word) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}

/** What a process does: counts the files that it is given, one after the other. */
function work(tablePath: string): void {
  const file = MappedFile.openSync(tablePath, 'r+');
  const table = new Table(file);
  process.on('message', (path: string) => {
    using text = MappedFile.openSync(path);
    for (const line of text.lines()) {
      for (const word of line.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []) {
        table.add(Buffer.from(word).subarray(0, LONGEST));
      }
    }
    process.send!('next');
  });
  process.on('disconnect', () => file.closeSync());
  process.send!('next');
}

async function count(tablePath: string, paths: readonly string[], processes: number): Promise<void> {
  const left = [...paths].reverse();
  const failed: string[] = [];
  const start = async (): Promise<void> => {
    const child: ChildProcess = fork(fileURLToPath(import.meta.url), ['--worker', tablePath]);
    child.on('message', () => {
      const next = left.pop();
      if (next === undefined) child.disconnect();
      else child.send(next);
    });
    const [code, signal] = (await once(child, 'exit')) as [number | null, string | null];
    if (code !== 0) failed.push(signal ?? `code ${code}`);
  };
  await Promise.all(Array.from({ length: Math.min(processes, paths.length) }, start));
  if (failed.length > 0) throw new Error(`A process ended with ${failed.join(', ')}`);
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { processes: { type: 'string' }, table: { type: 'string' }, worker: { type: 'boolean' } },
  });
  if (values.worker) return work(positionals[0]!);
  const processes = Number(values.processes ?? availableParallelism());
  if (positionals.length === 0 || !Number.isInteger(processes) || processes < 1) {
    console.error(USAGE);
    process.exitCode = 2;
    return;
  }
  const folder = mkdtempSync(join(tmpdir(), 'shared-counter-'));
  try {
    const path = values.table ?? join(folder, 'table');
    writeFileSync(path, '');
    using file = MappedFile.openSync(path, 'r+');
    file.truncateSync(TABLE); // a hole: it takes the room of the words that there are
    await count(path, positionals, processes);
    const counts = [...new Table(file).entries()].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
    for (const [word, count] of counts.slice(0, 10)) console.log(`${String(count).padStart(8)} ${word}`);
    console.log(`${counts.reduce((sum, [, count]) => sum + count, 0)} words, ${counts.length} of them different`);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

main().catch((error: Error & { code?: string }) => {
  console.error(`shared-counter: ${error.message}`);
  process.exitCode = error.code?.startsWith('ERR_PARSE_ARGS') ? 2 : 1;
});
