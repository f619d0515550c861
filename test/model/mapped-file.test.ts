/**
 * A MappedFile and node:fs, each on a file of its own, go through the same commands. Every result, every error and,
 * after every command, every byte of the two files has to be the same.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import fc from 'fast-check';
import { MappedFile, type MappedView, type OpenFlags, type OpenOptions } from 'sliding-mmap';
import { attempt, attemptAsync, codeOf, type Outcome } from '../helpers/errors.js';
import { Folder, oracle } from '../helpers/files.js';
import { type Configuration, configurations, granule } from '../helpers/sizes.js';
import { cannotBeCut } from '../helpers/systems.js';

const longest = 7 * granule;

// Small, at the borders of windows and of what goes through the kernel, or anywhere.
const positions = fc.oneof(
  fc.nat(40),
  fc.nat(longest),
  fc.tuple(fc.nat(6), fc.integer({ min: -9, max: 9 })).map(([n, step]) => Math.max(0, n * granule + step)),
);
const lengths = fc.oneof(fc.nat(20), fc.nat(200), fc.nat(granule + 9), fc.nat(5 * granule));
const places = fc.oneof({ weight: 4, arbitrary: positions }, { weight: 1, arbitrary: fc.constant(null) });
const kinds = fc.constantFrom(
  'Int8',
  'Uint8',
  'Int16',
  'Uint16',
  'Int32',
  'Uint32',
  'BigInt64',
  'BigUint64',
  'Float32',
  'Float64',
);
const which = fc.constantFrom(0, 0, 0, 1);
const seeds = fc.nat(2 ** 30);
const sync = fc.boolean();

const commands = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('read'), which, sync, place: places, offset: fc.nat(9), length: lengths }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('readv'),
      which,
      sync,
      place: places,
      lengths: fc.array(lengths, { minLength: 1, maxLength: 4 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('write'),
      which,
      sync,
      place: places,
      offset: fc.nat(9),
      length: lengths,
      seed: seeds,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('writev'),
      which,
      sync,
      place: places,
      lengths: fc.array(lengths, { maxLength: 4 }),
      seed: seeds,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('text'),
      which,
      sync,
      place: places,
      text: fc.string({ unit: 'binary' }),
      encoding: fc.constantFrom('utf8', 'latin1', 'utf16le', undefined),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('burst'),
      which,
      place: positions,
      lengths: fc.array(fc.integer({ min: 1, max: 9000 }), { minLength: 1, maxLength: 5 }),
      seed: seeds,
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({ do: fc.constant('get'), which, kind: kinds, position: positions, little: fc.boolean() }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('set'),
      which,
      kind: kinds,
      position: positions,
      little: fc.boolean(),
      seed: seeds,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('slice'),
      which,
      sync,
      start: positions,
      end: fc.option(positions, { nil: undefined }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('truncate'), which, sync, size: positions }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('flush'), which, sync }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('refresh'), which, sync }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('view'),
      which,
      start: positions,
      length: lengths,
      isPrivate: fc.boolean(),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('scribble'),
      at: fc.nat(),
      length: fc.nat(50),
      seed: seeds,
      flush: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('dispose') }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('reopen'),
      which,
      sync,
      flags: fc.constantFrom<OpenFlags>('r', 'r+', 'r+', 'r+', 'w+', 'a+', 'a'),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('outsideWrite'), place: positions, length: lengths, seed: seeds }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('outsideTruncate'), size: positions }) },
);
type Command = typeof commands extends fc.Arbitrary<infer C> ? C : never;

function writesNothing(command: Command): boolean {
  if (command.do === 'write') return command.length === 0;
  if (command.do === 'writev') return command.lengths.every((length) => length === 0);
  return command.do === 'text' && command.text === '';
}

interface Pair {
  file: MappedFile;
  fd: number;
  writable: boolean;
  appending: boolean;
}

interface HeldView {
  view: MappedView;
  /** What a private view has to show; undefined for a shared one, which shows the file. */
  own: Buffer | undefined;
}

class Run implements Disposable {
  readonly folder = new Folder();
  readonly ours: string;
  readonly theirs: string;
  readonly options: OpenOptions;
  readonly pairs: Pair[];
  readonly #views: HeldView[] = [];
  /** How many commands were compared. */
  static steps = 0;

  constructor(configuration: Configuration, size: number) {
    this.ours = this.folder.file(size, 'ours');
    this.theirs = this.folder.file(size, 'theirs');
    this.options = configuration.options();
    this.pairs = [this.#open('r+'), this.#open('r+')];
  }

  #open(flags: OpenFlags): Pair {
    return {
      file: MappedFile.openSync(this.ours, flags, this.options),
      // To append and to read, as a MappedFile does.
      fd: fs.openSync(this.theirs, flags === 'a' ? 'a+' : flags),
      writable: flags !== 'r',
      appending: flags.startsWith('a'),
    };
  }

  get size(): number {
    return fs.statSync(this.theirs).size;
  }

  async step(command: Command): Promise<void> {
    Run.steps++;
    await this.#do(command);
    // Copies show what others wrote when the file is refreshed.
    for (const { file } of this.pairs) if (file.backing === 'read' && this.#views.length > 0) file.refreshSync();
    const [ours, theirs] = [fs.readFileSync(this.ours), fs.readFileSync(this.theirs)];
    assert.equal(ours.length, theirs.length, 'the sizes on disk differ');
    if (!ours.equals(theirs)) {
      const at = ours.findIndex((byte, i) => byte !== theirs[i]);
      assert.fail(`the files differ at ${at} of ${ours.length}: ${ours[at]}, not ${theirs[at]}`);
    }
    for (const { view, own } of this.#views) {
      const expected = own ?? theirs.subarray(view.position, view.position + view.length);
      assert.ok(Buffer.from(view.bytes).equals(expected), `the view at ${view.position} shows other bytes`);
    }
  }

  async #do(command: Command): Promise<void> {
    const pair = this.pairs['which' in command ? command.which : 0] as Pair;
    const { file, fd } = pair;
    // Another file or node:fs cut the file off, and this one has not looked since: what is small and synchronous may
    // then see zeros, as its documentation tells.
    const { size } = this;
    const known = file.size;
    const isStale = known > size && this.options.strict !== true;
    // On Windows node:fs moves the cursor of a file that is appended to, though nothing is written.
    if (process.platform === 'win32' && pair.appending && writesNothing(command)) return;
    switch (command.do) {
      case 'read': {
        const [a, b] = [Buffer.alloc(command.length + 9, 0xaa), Buffer.alloc(command.length + 9, 0xaa)];
        const args = [command.offset, command.length, command.place] as const;
        const theirs = { result: fs.readSync(fd, b, ...args) };
        const ours = command.sync
          ? attempt(() => file.readSync(a, ...args))
          : await attemptAsync(async () => (await file.read(a, ...args)).bytesRead);
        if (isStale && command.sync && theirs.result < command.length && (ours.result as number) > theirs.result) {
          const end = command.offset + (ours.result as number);
          assert.ok(a.subarray(command.offset + theirs.result, end).every((byte) => byte === 0));
          a.copy(b, command.offset + theirs.result, command.offset + theirs.result, end);
          theirs.result = ours.result as number;
        }
        assert.deepEqual(ours, theirs);
        // What lies between the bytes read and those asked for may be touched when a file shrinks meanwhile.
        if (known > size)
          b.copy(a, command.offset + theirs.result, command.offset + theirs.result, command.offset + command.length);
        return assert.ok(a.equals(b), 'other bytes were read');
      }
      case 'readv': {
        const [a, b] = [command.lengths.map((n) => Buffer.alloc(n)), command.lengths.map((n) => Buffer.alloc(n))];
        const theirs = fs.readvSync(fd, b, command.place as number);
        const ours = command.sync ? file.readvSync(a, command.place) : (await file.readv(a, command.place)).bytesRead;
        if (!(isStale && command.sync && ours > theirs)) assert.equal(ours, theirs);
        const read = (list: Buffer[]): Buffer => Buffer.concat(list).subarray(0, known > size ? theirs : undefined);
        return assert.ok(read(a).equals(read(b)), 'other bytes were read');
      }
      case 'write': {
        const bytes = oracle(command.seed, command.length + 9);
        const args = [command.offset, command.length, command.place] as const;
        return this.#compareWrite(
          pair,
          command.sync
            ? attempt(() => file.writeSync(bytes, ...args))
            : await attemptAsync(async () => (await file.write(bytes, ...args)).bytesWritten),
          attempt(() => fs.writeSync(fd, bytes, ...args)),
          command.length,
        );
      }
      case 'writev': {
        const list = command.lengths.map((length, n) => oracle(command.seed + n, length));
        return this.#compareWrite(
          pair,
          command.sync
            ? attempt(() => file.writevSync(list, command.place))
            : await attemptAsync(async () => (await file.writev(list, command.place)).bytesWritten),
          attempt(() => fs.writevSync(fd, list, command.place as number)),
          Buffer.concat(list).length,
        );
      }
      case 'text': {
        const args = [command.place, command.encoding as BufferEncoding] as const;
        return this.#compareWrite(
          pair,
          command.sync
            ? attempt(() => file.writeSync(command.text, ...args))
            : await attemptAsync(async () => (await file.write(command.text, ...args)).bytesWritten),
          attempt(() => fs.writeSync(fd, command.text, ...args)),
          command.text.length,
        );
      }
      case 'burst': {
        // At once, side by side; appended they may come in any order.
        if (!pair.writable || pair.appending) return;
        let at = command.place;
        const writes = command.lengths.map((length, n) => {
          const bytes = oracle(command.seed + n, length);
          const position = at;
          at += length;
          fs.writeSync(fd, bytes, 0, length, position);
          return file.write(bytes, 0, length, position);
        });
        const all = await Promise.all(writes);
        assert.deepEqual(
          all.map(({ bytesWritten }) => bytesWritten),
          command.lengths,
        );
        return assert.ok(file.size >= at);
      }
      case 'get': {
        const { kind, position, little } = command;
        const memory = new DataView(new ArrayBuffer(8));
        const length = bytesOf(kind);
        const done = fs.readSync(fd, memory, 0, length, position);
        const ours = attempt(() => getter(file, kind)(position, little));
        if (done === length) return assert.deepEqual(ours, { result: getter(memory, kind)(0, little) });
        if (isStale && ours.error === undefined) {
          // The bytes that are left, and zeros.
          return assert.deepEqual(ours, { result: getter(memory, kind)(0, little) });
        }
        const wasSeen = position + length <= known;
        return this.#assertCode(ours, [wasSeen ? 'ERR_MAPPED_FILE_TRUNCATED' : 'ERR_OUT_OF_RANGE']);
      }
      case 'set': {
        const { kind, position, little } = command;
        const memory = new DataView(new ArrayBuffer(8));
        const length = bytesOf(kind);
        const value = kind.startsWith('Big') ? BigInt(command.seed) * 0x123456789n : command.seed - 2 ** 29;
        setter(memory, kind)(0, value, little);
        const wasSeen = position + length <= known;
        const ours = attempt(() => setter(file, kind)(position, value, little));
        if (!pair.writable || pair.appending) return this.#assertCode(ours, ['ERR_MAPPED_FILE_READ_ONLY']);
        if (position + length <= size) {
          fs.writeSync(fd, memory, 0, length, position);
          return assert.deepEqual(ours, { result: undefined });
        }
        if (isStale && wasSeen) {
          // Part of it may lie inside the file, and may or may not have been written.
          if (ours.error !== undefined) this.#assertCode(ours, ['ERR_MAPPED_FILE_TRUNCATED']);
          const left = Math.max(0, size - position);
          const now = fs.readFileSync(this.ours);
          if (left > 0) fs.writeSync(fd, now, position, left, position);
          // What was set past the end stays in the page until someone looks at the size.
          for (const other of this.pairs) other.file.refreshSync();
          return;
        }
        return this.#assertCode(ours, [wasSeen ? 'ERR_MAPPED_FILE_TRUNCATED' : 'ERR_OUT_OF_RANGE']);
      }
      case 'slice': {
        const { start, end } = command;
        const ours = command.sync
          ? attempt(() => file.sliceSync(start, end))
          : await attemptAsync(() => file.slice(start, end));
        const to = end ?? size;
        if (start === to && to <= known && ours.error === undefined) {
          // Nothing, of a place that was inside.
          assert.equal((ours.result as Buffer).length, 0);
        } else if (start <= to && to <= size) {
          assert.ok((ours.result as Buffer).equals(fs.readFileSync(this.theirs).subarray(start, to)));
        } else if (isStale && command.sync && ours.error === undefined) {
          const expected = Buffer.alloc(to - start);
          fs.readFileSync(this.theirs).subarray(start, to).copy(expected);
          assert.ok((ours.result as Buffer).equals(expected), 'what was cut off is not zeros');
        } else {
          this.#assertCode(
            ours,
            known > size ? ['ERR_OUT_OF_RANGE', 'ERR_MAPPED_FILE_TRUNCATED'] : ['ERR_OUT_OF_RANGE'],
          );
        }
        return;
      }
      case 'truncate': {
        this.#releaseViewsPast(cannotBeCut === false ? command.size : 0);
        const ours = command.sync
          ? attempt(() => file.truncateSync(command.size))
          : await attemptAsync(() => file.truncate(command.size));
        if (!pair.writable) return this.#assertCode(ours, ['ERR_MAPPED_FILE_READ_ONLY']);
        fs.ftruncateSync(fd, command.size);
        assert.deepEqual(ours, { result: undefined });
        return assert.equal(file.size, command.size);
      }
      case 'flush':
        return command.sync ? file.flushSync() : file.flush();
      case 'refresh':
        assert.equal(command.sync ? file.refreshSync() : await file.refresh(), size);
        assert.equal(file.size, size);
        assert.equal((await file.stat()).size, size);
        return;
      case 'view': {
        if (this.#views.length >= 3) return;
        const end = command.start + command.length;
        const access = command.isPrivate ? 'private' : 'shared';
        let view: MappedView;
        try {
          view = file.view(command.start, end, { access });
        } catch (error) {
          const { code } = error as { code: string };
          if (end > size || command.length === 0) {
            return assert.ok(
              code === 'ERR_OUT_OF_RANGE' ||
                (isStale && code === 'ERR_MAPPED_FILE_TRUNCATED') ||
                code === 'ERR_MAPPED_FILE_BUDGET' ||
                code === 'ERR_MAPPED_FILE_TRUNCATED',
              code,
            );
          }
          assert.equal(code, 'ERR_MAPPED_FILE_BUDGET');
          return assert.ok((this.options.pool?.limit ?? Infinity) <= 64 * granule);
        }
        assert.ok(end <= size && command.length > 0);
        const isShared = !command.isPrivate && pair.writable && !pair.appending;
        if (isShared) this.#views.push({ view, own: undefined });
        // What a private view shows of pages it has not yet written is not told (mmap(2)): write them all at once.
        else {
          const own = oracle(command.start + 1, command.length);
          view.bytes.set(own);
          this.#views.push({ view, own });
        }
        return;
      }
      case 'scribble': {
        const held = this.#views[command.at % this.#views.length];
        if (held === undefined) return;
        const { view, own } = held;
        const from = command.at % view.length;
        const bytes = oracle(command.seed, Math.min(command.length, view.length - from));
        view.bytes.set(bytes, from);
        if (own !== undefined) own.set(bytes, from);
        else this.#outside('theirs', (id) => fs.writeSync(id, bytes, 0, bytes.length, view.position + from));
        // Copies, with which there is no mapping, are written back when they are flushed.
        if (command.flush || file.backing === 'read') await view.flush();
        return;
      }
      case 'dispose':
        return this.#views.shift()?.view.dispose();
      case 'reopen': {
        // Its views go with it.
        this.#releaseViewsPast(0);
        if (command.sync) file.closeSync();
        else await file.close();
        assert.equal(
          codeOf(() => file.getUint8(0)),
          'ERR_MAPPED_FILE_CLOSED',
        );
        fs.closeSync(fd);
        // The other file may be mapped.
        this.pairs[command.which] = this.#open(command.flags === 'w+' && cannotBeCut !== false ? 'r+' : command.flags);
        return;
      }
      case 'outsideWrite': {
        const bytes = oracle(command.seed, command.length);
        for (const name of ['ours', 'theirs'] as const) {
          this.#outside(name, (id) => fs.writeSync(id, bytes, 0, bytes.length, command.place));
        }
        return;
      }
      case 'outsideTruncate': {
        const to = cannotBeCut === false ? command.size : Math.max(size, command.size);
        this.#releaseViewsPast(to);
        for (const name of ['ours', 'theirs'] as const) fs.truncateSync(this[name], to);
        return;
      }
    }
  }

  #outside(name: 'ours' | 'theirs', use: (fd: number) => void): void {
    const fd = fs.openSync(this[name], 'r+');
    use(fd);
    fs.closeSync(fd);
  }

  #compareWrite(pair: Pair, ours: Outcome, theirs: Outcome, length: number): void {
    if (pair.writable) {
      assert.deepEqual(ours, theirs);
      if (length > 0) assert.ok(pair.file.size <= this.size || pair.file.size > 0);
    } else {
      this.#assertCode(ours, ['ERR_MAPPED_FILE_READ_ONLY']);
    }
  }

  #assertCode({ result, error }: Outcome, codes: readonly string[]): void {
    assert.ok(error !== undefined, `${String(result)} instead of ${codes.join(' or ')}`);
    assert.ok(codes.includes(error.code as string), `${error.message} instead of ${codes.join(' or ')}`);
  }

  /** What views show of pages that are lost is for other tests. */
  #releaseViewsPast(size: number): void {
    for (let i = this.#views.length - 1; i >= 0; i--) {
      const { view } = this.#views[i] as HeldView;
      if (view.position + view.length <= size) continue;
      view.dispose();
      this.#views.splice(i, 1);
    }
  }

  [Symbol.dispose](): void {
    for (const { view } of this.#views) view.dispose();
    for (const { file, fd } of this.pairs) {
      file.closeSync();
      fs.closeSync(fd);
    }
    this.folder[Symbol.dispose]();
  }
}

function bytesOf(kind: string): number {
  return Number(/\d+$/.exec(kind)?.[0]) / 8;
}

type Getter = (position: number, little: boolean) => number | bigint;
function getter(target: object, kind: string): Getter {
  const methods = target as Record<string, Getter>;
  return (...args) => (methods[`get${kind}`] as Getter).apply(target, args);
}

type Setter = (position: number, value: number | bigint, little: boolean) => void;
function setter(target: object, kind: string): Setter {
  const methods = target as Record<string, Setter>;
  return (...args) => (methods[`set${kind}`] as Setter).apply(target, args);
}

describe('a MappedFile and node:fs, through the same commands', () => {
  for (const configuration of configurations) {
    it(configuration.name, async function () {
      this.timeout(0);
      Run.steps = 0;
      await fc.assert(
        fc.asyncProperty(
          fc.integer({ min: 0, max: longest }),
          fc.array(commands, { minLength: 1, maxLength: 150, size: 'max' }),
          async (size, list) => {
            using run = new Run(configuration, size);
            for (const command of list) await run.step(command);
          },
        ),
        { numRuns: Number(process.env['MODEL_RUNS'] ?? 150) },
      );
      assert.ok(Run.steps > 5000, `only ${Run.steps} commands`);
    });
  }
});
