/**
 * A file-system exerciser in the manner of fsx: random operations by every path on one file, against a model in memory.
 * The file is used by two `MappedFile`s and by plain node:fs at once, and looked at by two other processes.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { finished } from 'node:stream/promises';
import { MappedFile, type MappedView, type OpenOptions, WindowPool } from 'sliding-mmap';
import { native } from '#src/native.js';
import { cannotBeCut } from '../helpers/systems.js';
import { Program, Random, Scratch } from './support.js';

const { granularity } = native;

/** The configurations to run at. A pool of one window has no room for views of more than its two granules. */
export const configurations: Readonly<Record<string, () => OpenOptions>> = {
  'default windows': () => ({}),
  'windows of one granule': () => ({ windowSize: 1, pool: new WindowPool({ limit: 512 * granularity }) }),
  'one window of one granule': () => ({
    windowSize: 1,
    pool: new WindowPool({ limit: 2 * granularity, maxWindows: 1 }),
  }),
  'no mapping': () => ({ backing: 'read' }),
  strict: () => ({ strict: true, windowSize: 1, pool: new WindowPool({ limit: 512 * granularity }) }),
};

const mostBytes = 320 * 1024;
const scalars = [
  ['Int8', 1],
  ['Uint8', 1],
  ['Int16', 2],
  ['Uint16', 2],
  ['Int32', 4],
  ['Uint32', 4],
  ['BigInt64', 8],
  ['BigUint64', 8],
  ['Float32', 4],
  ['Float64', 8],
] as const;

interface Held {
  readonly view: MappedView;
  readonly start: number;
  readonly end: number;
}

interface Options {
  readonly configuration: string;
  readonly operations: number;
  readonly seed: number;
  /** Operations between two looks of the other processes. */
  readonly every: number;
}

class Exerciser {
  readonly #random: Random;
  readonly #path: string;
  readonly #options: OpenOptions;
  /** Whether views of any length have room. */
  readonly #views: boolean;
  /** Bytes to write: what is written is a random piece of it. */
  readonly #noise: Buffer;
  readonly #model = Buffer.alloc(mostBytes);
  #size = 0;
  #file: MappedFile;
  /** Bytes before the file's own cursor. */
  #cursor = 0;
  readonly #other: MappedFile;
  readonly #otherIsStrict: boolean;
  readonly #plain: number;
  readonly #held: Held[] = [];
  readonly #log: string[] = [];
  readonly counts: Record<string, number> = {};

  readonly #operations: ReadonlyArray<[weight: number, name: string, run: () => void | Promise<void>]> = [
    [10, 'readSync', () => this.#readSync()],
    [6, 'read', () => this.#read()],
    [2, 'readv', () => this.#readv()],
    [14, 'get', () => this.#get()],
    [4, 'slice', () => this.#slice()],
    [2, 'view', () => this.#view()],
    [2, 'held view', () => this.#holdView()],
    [1, 'chunks', () => this.#chunks()],
    [1, 'readable', () => this.#readable()],
    [1, 'createReadStream', () => this.#nodeReadable()],
    [1, 'lines', () => this.#lines()],
    [3, 'indexOf', () => this.#indexOf()],
    [14, 'set', () => this.#set()],
    [10, 'writeSync', () => this.#writeSync()],
    [6, 'write', () => this.#write()],
    [2, 'writes at once', () => this.#writesAtOnce()],
    [2, 'writev', () => this.#writev()],
    [2, 'write a view', () => this.#writeView()],
    [1, 'writable', () => this.#writable()],
    [1, 'createWriteStream', () => this.#nodeWritable()],
    [3, 'truncate', () => this.#truncate()],
    [0.1, 'flush', () => this.#flush()],
    [2, 'refresh', () => this.#refresh()],
    [0.3, 'prefetch', () => this.#file.prefetch()],
    [1, 'reopen', () => this.#reopen()],
    [3, 'plain read', () => this.#plainRead()],
    [3, 'plain write', () => this.#plainWrite()],
    [1, 'plain truncate', () => this.#plainTruncate()],
  ];

  constructor(path: string, configuration: string, seed: number) {
    this.#random = new Random(seed);
    this.#path = path;
    this.#options = (configurations[configuration] as () => OpenOptions)();
    this.#views = this.#options.pool === undefined || this.#options.pool.maxWindows > 1;
    this.#noise = Buffer.alloc(2 * mostBytes);
    // Never zero, so that a gap shows.
    for (let i = 0; i < this.#noise.length; i++) this.#noise[i] = 1 + this.#random.below(255);
    this.#file = MappedFile.openSync(path, 'w+', this.#options);
    // The other one has room for any view.
    const other = this.#random.pick(['default windows', 'windows of one granule', 'no mapping', 'strict']);
    this.#other = MappedFile.openSync(path, 'r+', configurations[other]?.());
    this.#otherIsStrict = other === 'strict';
    this.#plain = fs.openSync(path, 'r+');
  }

  async run(operations: number, every: number, look: (expected: Buffer) => Promise<void>): Promise<void> {
    const total = this.#operations.reduce((sum, [weight]) => sum + weight, 0);
    for (let done = 0; done < operations; done++) {
      let at = (this.#random.next() / 2 ** 32) * total;
      const [, name, run] = this.#operations.find(([weight]) => (at -= weight) < 0) ?? this.#operations[0]!;
      this.counts[name] = (this.counts[name] ?? 0) + 1;
      this.#log.push(`${done} ${name}`);
      if (this.#log.length > 40) this.#log.shift();
      try {
        const pending = run();
        if (pending !== undefined) await pending;
        if ((done + 1) % every === 0) {
          this.#note('checkpoint');
          const content = fs.readFileSync(this.#path);
          this.#same(content, 0, this.#size);
          await look(content);
        }
      } catch (error) {
        throw new Error(`operation ${done}; the last were:\n${this.#log.join('\n')}`, { cause: error });
      }
    }
  }

  close(): void {
    for (const { view } of this.#held) view.dispose();
    this.#file.closeSync();
    this.#other.closeSync();
    fs.closeSync(this.#plain);
  }

  // --- the model -------------------------------------------------------------------------------------------------

  #note(what: string): void {
    this.#log[this.#log.length - 1] += ` ${what}`;
  }

  #same(bytes: Uint8Array, start: number, end: number): void {
    const expected = this.#model.subarray(start, end);
    if (expected.equals(bytes)) return;
    const at = expected.findIndex((byte, i) => bytes[i] !== byte);
    assert.fail(
      `${bytes.length} bytes at ${start}, of ${expected.length}; the first that differs is at ${start + at}: ` +
        `${bytes[at]} instead of ${expected[at]}; the size is ${this.#size}`,
    );
  }

  /** What was written is in the model, too. */
  #wrote(bytes: Uint8Array, position: number): void {
    if (position > this.#size) this.#model.fill(0, this.#size, position);
    this.#model.set(bytes, position);
    this.#size = Math.max(this.#size, position + bytes.length);
  }

  #resize(size: number): void {
    if (size > this.#size) this.#model.fill(0, this.#size, size);
    this.#size = size;
    for (const held of this.#held.filter(({ end }) => end > size)) this.#letGo(held);
  }

  // --- choices ---------------------------------------------------------------------------------------------------

  /** One of the two files; told to look at the size where it may trust one that is too large. */
  #either(trusts: boolean): MappedFile {
    const isOther = this.#random.chance(0.15);
    const file = isOther ? this.#other : this.#file;
    if (isOther) this.#note('by the other');
    const isStrict = isOther ? this.#otherIsStrict : this.#options.strict === true;
    if (trusts && file.size > this.#size && !isStrict) file.refreshSync();
    return file;
  }

  #length(most = mostBytes): number {
    const random = this.#random;
    const longest = random.pick([64, 64, 64, 9000, 9000, 70_000]);
    const length = random.between(1, longest);
    return Math.min(length, most);
  }

  /** Any position, with a liking for the borders of pages. */
  #position(limit: number): number {
    const position = this.#random.below(limit + 1);
    if (this.#random.chance(0.6)) return position;
    const border = Math.round(position / granularity) * granularity + this.#random.between(-9, 9);
    return Math.max(0, Math.min(limit, border));
  }

  /** A range inside the file, not empty; undefined for an empty file. */
  #range(most = mostBytes): { start: number; end: number } | undefined {
    if (this.#size === 0) return undefined;
    const start = this.#position(this.#size - 1);
    const end = Math.min(this.#size, start + this.#length(most));
    this.#note(`[${start}, ${end})`);
    return { start, end };
  }

  /** Bytes to write, and where: mostly inside the file, at its end, and at times past it. */
  #toWrite(): { bytes: Buffer; position: number } {
    const length = this.#length();
    const past = this.#random.chance(0.1);
    const position = past
      ? Math.min(mostBytes - length, this.#size + this.#random.below(20_000))
      : Math.min(mostBytes - length, this.#position(this.#size));
    const from = this.#random.below(mostBytes);
    this.#note(`${length} at ${position}`);
    return { bytes: this.#noise.subarray(from, from + length), position };
  }

  // --- reading ---------------------------------------------------------------------------------------------------

  #readSync(): void {
    const length = this.#length();
    const byCursor = this.#random.chance(0.1);
    const file = byCursor ? this.#file : this.#either(length < 4096);
    const position = byCursor ? this.#cursor : this.#position(mostBytes);
    const target = Buffer.alloc(length + 3);
    this.#note(`${length} at ${byCursor ? 'the cursor, ' : ''}${position}`);
    const done = file.readSync(target, 2, length, byCursor ? null : position);
    this.#moved(target, 2, done, length, position, byCursor);
  }

  async #read(): Promise<void> {
    const length = this.#length();
    const byCursor = this.#random.chance(0.1);
    const file = byCursor ? this.#file : this.#either(false);
    const position = byCursor ? this.#cursor : this.#position(mostBytes);
    const target = Buffer.alloc(length + 3);
    this.#note(`${length} at ${byCursor ? 'the cursor, ' : ''}${position}`);
    const { bytesRead } = await file.read(target, 2, length, byCursor ? null : BigInt(position));
    this.#moved(target, 2, bytesRead, length, position, byCursor);
  }

  #moved(target: Buffer, offset: number, done: number, length: number, position: number, byCursor: boolean): void {
    assert.equal(done, Math.max(0, Math.min(length, this.#size - position)));
    this.#same(target.subarray(offset, offset + done), position, position + done);
    for (let i = 0; i < offset; i++) assert.equal(target[i], 0);
    for (let i = offset + done; i < target.length; i++) assert.equal(target[i], 0);
    if (byCursor) this.#cursor += done;
  }

  async #readv(): Promise<void> {
    const position = this.#position(mostBytes);
    const buffers = [this.#length(), this.#length(), 1].map((length) => Buffer.alloc(length));
    this.#note(`at ${position}`);
    const file = this.#either(true);
    const done = this.#random.chance(0.5)
      ? file.readvSync(buffers, position)
      : (await file.readv(buffers, position)).bytesRead;
    const all = Buffer.concat(buffers);
    assert.equal(done, Math.max(0, Math.min(all.length, this.#size - position)));
    this.#same(all.subarray(0, done), position, position + done);
  }

  #get(): void {
    const file = this.#either(true);
    const [kind, length] = this.#random.pick(scalars);
    const position = this.#position(mostBytes);
    const littleEndian = this.#random.chance(0.5);
    this.#note(`${kind} at ${position}`);
    if (position + length > this.#size) {
      assert.throws(() => file[`get${kind}`](position, littleEndian), {
        code: /^ERR_(OUT_OF_RANGE|MAPPED_FILE_TRUNCATED)$/,
      });
      return;
    }
    const view = new DataView(this.#model.buffer, this.#model.byteOffset, this.#size);
    assert.ok(Object.is(file[`get${kind}`](position, littleEndian), view[`get${kind}`](position, littleEndian)));
  }

  async #slice(): Promise<void> {
    const range = this.#range();
    const file = this.#either(true);
    if (range === undefined) return assert.equal(file.sliceSync().length, 0);
    const { start, end } = range;
    this.#same(this.#random.chance(0.7) ? file.sliceSync(start, end) : await file.slice(start, end), start, end);
  }

  #viewed(most?: number): { file: MappedFile; start: number; end: number } | undefined {
    const file = this.#either(true);
    // A pool of one window has room for two granules.
    const range = this.#range(this.#views ? most : 1);
    return range === undefined ? undefined : { file, ...range };
  }

  #view(): void {
    const range = this.#viewed();
    if (range === undefined) return;
    const { file, start, end } = range;
    const view = file.view(start, end, { access: this.#random.chance(0.5) ? 'shared' : 'private' });
    this.#same(view.bytes, start, end);
    view.check();
    view.dispose();
    assert.equal(view.bytes.length, 0);
  }

  /** Views that live on for a while show what is written by whatever path. */
  #holdView(): void {
    // Where nothing is mapped they are copies, which show what others wrote when the file is refreshed.
    if (this.#file.backing === 'read') this.#file.refreshSync();
    for (const { view, start, end } of this.#held) this.#same(view.bytes, start, end);
    if (this.#held.length >= 3) return this.#letGo(this.#random.pick(this.#held));
    const range = this.#views ? this.#viewed(40_000) : undefined;
    // They are the first file's: the other one may have no room, and reopening lets them go.
    if (range === undefined || range.file !== this.#file) return;
    this.#held.push({ view: range.file.view(range.start, range.end), start: range.start, end: range.end });
  }

  #letGo(held: Held): void {
    this.#held.splice(this.#held.indexOf(held), 1);
    held.view.dispose();
  }

  async #chunks(): Promise<void> {
    const range = this.#viewed();
    if (range === undefined || !this.#views) return;
    const { file, start, end } = range;
    let position = start;
    const pass = file.chunks({ start, end, chunkSize: this.#random.between(500, 50_000) });
    const step = (chunk: Uint8Array): void => {
      this.#same(chunk, position, position + chunk.length);
      position += chunk.length;
    };
    if (this.#random.chance(0.5)) for (const chunk of pass) step(chunk);
    else for await (const chunk of pass) step(chunk);
    assert.equal(position, end);
  }

  async #readable(): Promise<void> {
    const start = this.#position(mostBytes);
    const end = this.#random.chance(0.5) ? undefined : start + this.#length();
    const borrow = this.#views && this.#random.chance(0.3);
    this.#note(`[${start}, ${end})${borrow ? ' borrowing' : ''}`);
    // What is borrowed is known to be there, or an error.
    if (borrow) this.#file.refreshSync();
    const stream = this.#file.readable({ start, end, borrow, chunkSize: this.#random.between(500, 50_000) });
    let position = start;
    const step = (chunk: Uint8Array): void => {
      this.#same(chunk, position, position + chunk.length);
      position += chunk.length;
    };
    if (borrow || this.#random.chance(0.5)) {
      for await (const chunk of stream) step(chunk);
    } else {
      const reader = stream.getReader({ mode: 'byob' });
      for (;;) {
        const { value, done } = await reader.read(new Uint8Array(this.#random.between(1, 30_000)));
        if (done) break;
        step(value);
      }
    }
    assert.equal(position, Math.max(start, Math.min(end ?? Infinity, this.#size)));
  }

  async #nodeReadable(): Promise<void> {
    const range = this.#range();
    if (range === undefined) return;
    const { start, end } = range;
    const stream = this.#file.createReadStream({
      start,
      end: end - 1,
      highWaterMark: this.#random.between(100, 50_000),
    });
    const chunks: Buffer[] = [];
    for await (const chunk of stream as AsyncIterable<Buffer>) chunks.push(chunk);
    this.#same(Buffer.concat(chunks), start, end);
  }

  async #lines(): Promise<void> {
    const range = this.#range(30_000);
    if (range === undefined) return;
    const expected = this.#model.toString('latin1', range.start, range.end).split('\n');
    if (expected.at(-1) === '') expected.pop();
    const reverse = this.#random.chance(0.5);
    if (reverse) expected.reverse();
    const pass = this.#either(false).lines({ ...range, encoding: 'latin1', delimiter: '\n', reverse });
    const lines: string[] = [];
    if (this.#random.chance(0.5)) for (const line of pass) lines.push(line);
    else for await (const batch of pass.batches()) lines.push(...batch);
    assert.deepEqual(lines, expected);
  }

  #indexOf(): void {
    const model = this.#model.subarray(0, this.#size);
    const start = this.#position(this.#size);
    const needle = this.#random.chance(0.7)
      ? Buffer.from(model.subarray(start, start + this.#random.between(1, 40)))
      : this.#noise.subarray(start, start + this.#random.between(1, 3));
    const from = this.#position(mostBytes);
    this.#note(`${needle.length} bytes from ${from}`);
    const file = this.#either(false);
    if (needle.length === 0) return;
    assert.equal(file.indexOf(needle, from), model.indexOf(needle, from));
    assert.equal(file.lastIndexOf(needle, from), model.lastIndexOf(needle, from));
  }

  // --- writing ---------------------------------------------------------------------------------------------------

  #set(): void {
    const file = this.#either(true);
    const [kind, length] = this.#random.pick(scalars);
    const littleEndian = this.#random.chance(0.5);
    const position = this.#position(mostBytes);
    const from = this.#random.below(mostBytes);
    const noise = new DataView(this.#noise.buffer, this.#noise.byteOffset);
    this.#note(`${kind} at ${position}`);
    const set = (target: MappedFile | DataView): void => {
      // The kinds of numbers differ, but each getter's is its setter's.
      (target[`set${kind}`] as (at: number, value: number | bigint, littleEndian: boolean) => void)(
        position,
        noise[`get${kind}`](from, littleEndian),
        littleEndian,
      );
    };
    if (position + length > this.#size) {
      assert.throws(() => set(file), { code: /^ERR_(OUT_OF_RANGE|MAPPED_FILE_TRUNCATED)$/ });
      return;
    }
    set(file);
    set(new DataView(this.#model.buffer, this.#model.byteOffset, this.#size));
  }

  #writeSync(): void {
    const { bytes, position } = this.#toWrite();
    if (this.#random.chance(0.1) && this.#cursor + bytes.length <= mostBytes) {
      this.#note(`at the cursor, ${this.#cursor}`);
      assert.equal(this.#file.writeSync(bytes), bytes.length);
      this.#wrote(bytes, this.#cursor);
      this.#cursor += bytes.length;
      return;
    }
    assert.equal(this.#either(false).writeSync(bytes, 0, bytes.length, position), bytes.length);
    this.#wrote(bytes, position);
  }

  async #write(): Promise<void> {
    const { bytes, position } = this.#toWrite();
    if (this.#random.chance(0.2)) {
      const string = bytes.toString('latin1');
      const { bytesWritten } = await this.#either(false).write(string, position, 'latin1');
      assert.equal(bytesWritten, bytes.length);
    } else {
      const { bytesWritten } = await this.#either(false).write(bytes, 0, bytes.length, position);
      assert.equal(bytesWritten, bytes.length);
    }
    this.#wrote(bytes, position);
  }

  /** Several that do not touch one another, none waited for before the next begins. */
  async #writesAtOnce(): Promise<void> {
    const { bytes, position } = this.#toWrite();
    const third = Math.ceil(bytes.length / 3);
    const writes: Array<Promise<unknown>> = [];
    for (let from = 0; from < bytes.length; from += third) {
      const piece = Buffer.from(bytes.subarray(from, from + third));
      writes.push(this.#either(false).write(piece, 0, piece.length, position + from));
      // Taken when it is called.
      piece.fill(0);
    }
    await Promise.all(writes);
    this.#wrote(bytes, position);
  }

  async #writev(): Promise<void> {
    const { bytes, position } = this.#toWrite();
    const cut = this.#random.below(bytes.length + 1);
    const pieces = [bytes.subarray(0, cut), bytes.subarray(cut)];
    const file = this.#either(false);
    const done = this.#random.chance(0.5)
      ? file.writevSync(pieces, position)
      : (await file.writev(pieces, position)).bytesWritten;
    assert.equal(done, bytes.length);
    this.#wrote(bytes, position);
  }

  async #writeView(): Promise<void> {
    const range = this.#viewed();
    if (range === undefined) return;
    const { file, start, end } = range;
    const from = this.#random.below(mostBytes);
    const bytes = this.#noise.subarray(from, from + end - start);
    const access = this.#random.chance(0.8) ? 'shared' : 'private';
    this.#note(access);
    const view = file.view(start, end, { access });
    view.bytes.set(bytes);
    if (this.#random.chance(0.05)) await view.flush();
    view.dispose();
    if (access === 'shared') this.#wrote(bytes, start);
  }

  async #writable(): Promise<void> {
    const { bytes, position } = this.#toWrite();
    const writer = this.#file.writable({ start: position }).getWriter();
    const step = this.#random.between(1000, 70_000);
    for (let from = 0; from < bytes.length; from += step) void writer.write(bytes.subarray(from, from + step));
    await writer.close();
    this.#wrote(bytes, position);
  }

  async #nodeWritable(): Promise<void> {
    const { bytes, position } = this.#toWrite();
    const stream = this.#file.createWriteStream({ start: position });
    const step = this.#random.between(1000, 70_000);
    for (let from = 0; from < bytes.length; from += step) stream.write(bytes.subarray(from, from + step));
    stream.end();
    await finished(stream);
    this.#wrote(bytes, position);
  }

  // --- size ------------------------------------------------------------------------------------------------------

  #newSize(): number {
    const any = this.#random.chance(0.1) ? this.#random.below(10) : this.#position(mostBytes);
    // There is always somebody else who maps the file.
    const size = cannotBeCut === false ? any : Math.max(any, this.#size);
    this.#note(`to ${size}`);
    return size;
  }

  async #truncate(): Promise<void> {
    const size = this.#newSize();
    const file = this.#either(false);
    this.#resize(size);
    if (this.#random.chance(0.5)) file.truncateSync(size);
    else await file.truncate(size);
  }

  async #flush(): Promise<void> {
    const range = this.#random.chance(0.5) ? undefined : this.#range();
    const file = this.#either(false);
    if (this.#random.chance(0.5)) file.flushSync(range?.start, range?.end);
    else await file.flush(range?.start, range?.end);
  }

  #refresh(): void {
    assert.equal(this.#either(false).refreshSync(), this.#size);
  }

  async #reopen(): Promise<void> {
    for (const held of [...this.#held]) this.#letGo(held);
    if (this.#random.chance(0.5)) this.#file.closeSync();
    else await this.#file.close();
    const options = this.#options;
    this.#file = this.#random.chance(0.5)
      ? MappedFile.openSync(this.#path, 'r+', options)
      : await MappedFile.open(this.#path, 'r+', options);
    assert.equal(this.#file.size, this.#size);
    this.#cursor = 0;
  }

  // --- others ----------------------------------------------------------------------------------------------------

  #plainRead(): void {
    const length = this.#length();
    const position = this.#position(mostBytes);
    const bytes = Buffer.alloc(length);
    this.#note(`${length} at ${position}`);
    const done = fs.readSync(this.#plain, bytes, 0, length, position);
    assert.equal(done, Math.max(0, Math.min(length, this.#size - position)));
    this.#same(bytes.subarray(0, done), position, position + done);
  }

  #plainWrite(): void {
    const { bytes, position } = this.#toWrite();
    fs.writeSync(this.#plain, bytes, 0, bytes.length, position);
    this.#wrote(bytes, position);
  }

  #plainTruncate(): void {
    const size = this.#newSize();
    this.#resize(size);
    fs.ftruncateSync(this.#plain, size);
  }
}

/** What another process saw. */
interface Seen {
  size: number;
  hash: string;
}

/** Runs so many operations; gives how many there were of each kind. Throws at the first difference. */
export async function exercise(options: Options): Promise<Record<string, number>> {
  const { configuration, operations, seed, every } = options;
  using folder = new Scratch();
  const path = folder.join('data');
  const exerciser = new Exerciser(path, configuration, seed);
  try {
    await using plain = new Program('exerciser-reader', [path, 'plain', seed]);
    await using mapped = new Program('exerciser-reader', [path, 'mapped', seed]);
    await Promise.all([plain.message(), mapped.message()]);
    await exerciser.run(operations, every, async (expected) => {
      const hash = createHash('sha1').update(expected).digest('hex');
      const seen = await Promise.all([plain.ask<Seen>({}), mapped.ask<Seen>({})]);
      for (const each of seen)
        assert.deepEqual(each, { size: expected.length, hash }, 'another process saw other bytes');
    });
    return exerciser.counts;
  } catch (error) {
    throw new Error(`seed ${seed}, ${configuration}`, { cause: error });
  } finally {
    exerciser.close();
  }
}
