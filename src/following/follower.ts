/**
 * Following a file as it grows, is cut, and is replaced, as `tail -F` does: one machine for bytes and for lines.
 *
 * It reads one file at a time, to its end, and goes on to the next that was at the same path. Those are opened as soon
 * as they are seen, so that they can be read even if they are deleted before their turn comes.
 */
import fs from 'node:fs';
import { realpath, stat } from 'node:fs/promises';
import path from 'node:path';
import type { ByteSource } from '../byte-source.js';
import { invalidArgType } from '../errors.js';
import { toCount } from '../ranges.js';
import { type Generation, type NameEvents, NameTracker } from './name-tracker.js';
import { identity, watch, WatchedFolder } from './watched-folder.js';

/** Something that happened to a followed file. */
export interface FollowEvent {
  /**
   * - `'truncated'`: the file was cut (copytruncate, `> file`). Bytes that were written between the last read and the
   *   cut cannot be had. Reading goes on at byte 0.
   * - `'replaced'`: another file is at the path. The old one was read to its end; reading goes on at byte 0 of the new
   *   one.
   * - `'missing'`: nothing is at the path that could be read. The old file is still read; a new one is waited for.
   */
  readonly type: 'truncated' | 'replaced' | 'missing';
  /** The followed path; `undefined` for a file opened by descriptor. */
  readonly path: string | undefined;
  /**
   * The byte offset in the old file up to which it was read. Of lines: up to which they were given; a line that was cut
   * before its end came is not given, and begins here.
   */
  readonly position: number;
  /**
   * With `'replaced'`: how many files were at the path in between that had come and gone, deleted or moved to another
   * folder, before they could be opened. `undefined` where that is not known: the system does not tell (anything but
   * Linux), or the path came to lead through another folder or to another file by a link.
   */
  readonly missed?: number | undefined;
}

/** How a file is followed. */
export interface FollowOptions {
  /**
   * Called between the last byte, or line, of what was before and the first of what comes next. What it throws fails
   * the stream.
   */
  onEvent?: ((event: FollowEvent) => void) | undefined;
  /**
   * Milliseconds between two looks when the system tells of nothing. Default 1000. Where it tells (local file systems)
   * changes are seen at once, and these looks only make sure; network file systems need them.
   */
  pollInterval?: number | undefined;
  /**
   * How many milliseconds a file that was replaced has to be quiet, once its successor holds bytes, before it is left.
   * Programs of several processes go on writing to the old file for a while. Default 250. A file that has been replaced
   * twice is left at its end without delay.
   */
  grace?: number | undefined;
  /** Whether waiting for more keeps the process alive. Default true. */
  persistent?: boolean | undefined;
}

/** A file whose bytes can be followed. */
export interface FollowedFile {
  readonly source: ByteSource;
  readonly fd: number;
  close(): void;
}

/** What following needs of the file it begins with. */
export interface Followable {
  readonly source: ByteSource;
  readonly fd: number;
  /** Opens a file to be read. Throws as fs.openSync, or when it is no file. */
  open(path: string | Buffer): FollowedFile;
  /** Begins to watch the names in a folder, where the system can. */
  watchNames(folder: string): NameEvents | undefined;
}

/** What {@link Follower.more} found. @internal */
export type FollowChange = Pick<FollowEvent, 'type' | 'missed'>;

/** A file that is read, or waits for its turn. */
interface Member extends FollowedFile {
  /** Unique among all files that are open. */
  readonly identity: string;
  readonly generation: Generation | undefined;
  readonly missed: number | undefined;
}

/** Bytes before the place of reading that are compared, to find out that the file was cut and has grown again. */
const TAIL = 128;
/** Files that wait for their turn are held open, up to so many. Later ones are opened by name when there is room. */
const MOST_OPEN = 64;

/** True for `follow: true` and for options; throws `ERR_INVALID_ARG_TYPE` for what is neither. @internal */
export function isFollowing(follow: unknown): follow is true | FollowOptions {
  if (follow === undefined || follow === false) return false;
  if (follow === true) return true;
  if (typeof follow !== 'object' || follow === null) {
    throw invalidArgType('options.follow', 'of type boolean or object', follow);
  }
  return true;
}

/** @internal */
export class Follower {
  readonly #path: string | undefined;
  readonly #base: string | undefined;
  readonly #open: Followable['open'];
  readonly #watchNames: Followable['watchNames'];
  readonly #onEvent: ((event: FollowEvent) => void) | undefined;
  readonly #pollInterval: number;
  readonly #grace: number;
  readonly #persistent: boolean;

  #current: Member;
  #next: Member[] = [];
  /** The bytes that end at `#tailEnd`, up to where the current file has been read. */
  #tail: Uint8Array = new Uint8Array(0);
  #tailEnd = 0;
  readonly #scratch = Buffer.alloc(TAIL);
  /** Under way until the first tail is known, where reading does not begin at 0. */
  #beginning: Promise<void> | undefined;
  /** Found by comparing: the file was cut. */
  #cut = false;
  /** Since when the current file is at its end while its successor has bytes. */
  #quietSince: number | undefined;
  #missing = false;

  /** The last folder that was found at the path's folder, and where its files went. */
  #folder: WatchedFolder | undefined;
  #tracker: NameTracker | undefined;
  /** What the path leads to, and the folder that this is in. */
  #target: string | undefined;
  /** The name there, when the path is a link. */
  #targetName: string | undefined;
  /** Tells of what the path leads to in another folder, or of the file of a descriptor. */
  #elsewhere: fs.FSWatcher | undefined;
  /** Tells of a new folder in the place of the one that is gone. */
  #above: fs.FSWatcher | undefined;
  /** Whether the current file may be written by a name that nothing is known of. */
  #hasLinks = false;
  /** Whether what is at the path has to be looked at. */
  #suspicious = true;
  /** Whether anything may have happened since the last look. */
  #dirty = false;
  #resume: (() => void) | undefined;
  #stopped = false;

  /** Holds no file of its own yet; `stop` must be called. Throws `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE`. */
  constructor(file: Followable, follow: true | FollowOptions) {
    const options = follow === true ? {} : follow;
    const { grace = 250, onEvent, persistent = true, pollInterval = 1000 } = options;
    if (onEvent !== undefined && typeof onEvent !== 'function') {
      throw invalidArgType('options.follow.onEvent', 'of type function', onEvent);
    }
    if (typeof persistent !== 'boolean') {
      throw invalidArgType('options.follow.persistent', 'of type boolean', persistent);
    }
    // setTimeout's largest delay
    this.#pollInterval = toCount(pollInterval, 'options.follow.pollInterval', 1, 2 ** 31 - 1);
    this.#grace = toCount(grace, 'options.follow.grace', 0, 2 ** 31 - 1);
    this.#persistent = persistent;
    this.#onEvent = onEvent;
    const { source } = file;
    this.#path = source.path === undefined ? undefined : path.resolve(source.path);
    this.#base = this.#path === undefined ? undefined : latin1(path.basename(this.#path));
    this.#open = (name) => file.open(name);
    this.#watchNames = (folder) => file.watchNames(folder);
    const generation = { name: this.#base, taken: true };
    // The first file stays its owner's.
    this.#current = {
      source,
      fd: file.fd,
      close: () => {},
      identity: identityOf(file.fd),
      generation,
      missed: undefined,
    };
  }

  /** Begins to watch. To be called once, when the stream has taken hold of its file, with the place where it begins. */
  begin(start: number): void {
    this.#watch();
    if (start > 0) this.#beginning = this.#takeDown(start);
  }

  /** How many bytes of the current file there are from `position` on, as far as known; looked at again when none. */
  available(position: number): number {
    const { source } = this.#current;
    return Math.max(0, (source.size > position ? source.size : source.refreshSync()) - position);
  }

  /**
   * Reads the current file from `position`, which may be before what was read, but not after it. 0 when there is
   * nothing, or nothing that follows on what was read before: {@link more} then tells. One call at a time.
   */
  read(target: Uint8Array, position: number): number | Promise<number> {
    if (this.#beginning !== undefined) return this.#readFirst(target, position);
    const read = this.#current.source.readInto(target, position);
    if (typeof read === 'number') return this.#verified(target, position, read);
    return read.then((bytes) => this.#verified(target, position, bytes));
  }

  async #readFirst(target: Uint8Array, position: number): Promise<number> {
    await this.#beginning;
    return this.#stopped ? 0 : this.read(target, position);
  }

  /** Takes down what is before the place where reading begins, if the file reaches as far. */
  async #takeDown(start: number): Promise<void> {
    const tail = new Uint8Array(Math.min(TAIL, start));
    try {
      const read = await this.#current.source.readInto(tail, start - tail.length);
      if (read === tail.length) this.#setTail(tail, start);
    } catch {
      // The next read tells.
    }
    this.#beginning = undefined;
  }

  /**
   * To be called when there is nothing to read at `position`. Resolves with `undefined` when there may be more now, or
   * {@link stop} was called, and otherwise with what happened: the current file is then another, or has been cut, and
   * reading goes on at 0; after `'missing'` it goes on as before.
   */
  async more(position: number): Promise<FollowChange | undefined> {
    await this.#beginning;
    for (;;) {
      if (this.#stopped) return undefined;
      const { source } = this.#current;
      const size = source.refreshSync();
      if (this.#cut || size < this.#tailEnd || !this.#isUnchanged()) {
        this.#rewind();
        return { type: 'truncated' };
      }
      if (size > position) return undefined;
      const wasMissing = this.#missing;
      await this.#look();
      if (this.#stopped) return undefined;
      if (this.#missing && !wasMissing) return { type: 'missing' };
      // Looked at once more, now that the successor is known to have bytes.
      if (this.#mayLeave() && source.refreshSync() <= position) return this.#advance();
      if (source.size <= position) await this.#wait();
    }
  }

  /** Tells the caller's listener what happened. `position` is how far the old file was read. */
  report({ type, missed }: FollowChange, position: number): void {
    const event = { type, path: this.#path, position };
    this.#onEvent?.(type === 'replaced' ? { ...event, missed } : event);
  }

  /** Ends it: lets go of all files but the first, and of everything that could keep the process alive. Idempotent. */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#unwatch();
    for (const file of [this.#current, ...this.#next.splice(0)]) file.close();
    this.#resume?.();
  }

  // --- what was read ---------------------------------------------------------------------------------------------

  /**
   * A file that was cut and has grown past the place of reading again looks like one that has only grown. So the bytes
   * before that place are compared, after the read: what was read then follows on what was read before.
   */
  #verified(target: Uint8Array, position: number, bytes: number): number {
    if (bytes === 0 || this.#stopped) return 0;
    if (!this.#isUnchanged()) {
      this.#cut = true;
      return 0;
    }
    const end = position + bytes;
    if (end > this.#tailEnd) {
      let tail = target.subarray(Math.max(0, bytes - TAIL), bytes);
      const before = this.#tail;
      const start = end - tail.length;
      if (tail.length < TAIL && this.#tailEnd >= start) {
        const kept = before.subarray(0, Math.max(0, before.length - (this.#tailEnd - start)));
        tail = Buffer.concat([kept, tail]).subarray(-TAIL);
      }
      this.#setTail(Uint8Array.from(tail), end);
    }
    this.#quietSince = undefined;
    return bytes;
  }

  #isUnchanged(): boolean {
    const tail = this.#tail;
    if (tail.length === 0) return true;
    const { length } = tail;
    // By the kernel and not through a window: exact, however the file changes.
    const read = fs.readSync(this.#current.fd, this.#scratch, 0, length, this.#tailEnd - length);
    return read === length && this.#scratch.subarray(0, length).equals(tail);
  }

  #setTail(tail: Uint8Array, end: number): void {
    this.#tail = tail;
    this.#tailEnd = end;
  }

  #rewind(): void {
    this.#cut = false;
    this.#quietSince = undefined;
    this.#setTail(new Uint8Array(0), 0);
  }

  // --- what comes next -------------------------------------------------------------------------------------------

  /** Whether nobody will write to the current file any more, as far as can be told. */
  #mayLeave(): boolean {
    const [next, later] = this.#next;
    if (next === undefined) return false;
    if (later !== undefined) return true;
    // Nothing is gained by leaving for an empty file.
    if (next.source.refreshSync() === 0) return false;
    const now = performance.now();
    this.#quietSince ??= now;
    return now - this.#quietSince >= this.#grace;
  }

  #advance(): FollowChange {
    const left = this.#current;
    this.#current = this.#next.shift()!;
    left.close();
    this.#rewind();
    this.#hasLinks = fs.fstatSync(this.#current.fd).nlink > 1;
    this.#collect();
    return { type: 'replaced', missed: this.#current.missed };
  }

  /** Finds out what has been at the path since the last time. */
  async #look(): Promise<void> {
    this.#dirty = false;
    this.#collect();
    if (!this.#suspicious || this.#path === undefined || this.#next.length >= MOST_OPEN) return;
    this.#suspicious = false;
    await this.#renewWatches(this.#path);
    if (this.#stopped) return;
    let found: string | undefined;
    try {
      found = identity(await stat(this.#path, { bigint: true }));
    } catch {
      // Not there, or not to be reached.
    }
    if (this.#stopped) return;
    // What the system has told meanwhile comes before what is at the path now.
    this.#collect();
    if (found === undefined) this.#missing = this.#next.length === 0;
    else this.#missing = !this.#isKnown(found) && !this.#adopt(this.#path);
  }

  /** Opens the files that were at the path and that the tracker knows the names of, in their order. */
  #collect(): void {
    const tracker = this.#tracker;
    if (tracker === undefined || this.#stopped) return;
    tracker.drain();
    while (this.#next.length < MOST_OPEN) {
      const generation = tracker.next();
      if (generation === undefined) return;
      const { name } = generation;
      let file: FollowedFile | undefined;
      let code: string | undefined;
      try {
        // At once: the name was in use a moment ago, so that nothing has to be waited for.
        file = this.#open(this.#folder!.pathOf(name!));
      } catch (error) {
        ({ code } = error as NodeJS.ErrnoException);
      }
      tracker.drain();
      // Moved on just now, so that the event is still to come; or there will be descriptors later.
      if (generation.name === name && (code === 'ENOENT' || code === 'EMFILE' || code === 'ENFILE')) return;
      // Renamed meanwhile, it may be another file that was opened.
      if (generation.name !== name) file?.close();
      else {
        generation.taken = true;
        if (file !== undefined) this.#push(file, generation, tracker.takeLost());
      }
    }
  }

  /** Opens what is at the path, if it is a file. */
  #adopt(name: string): boolean {
    let file: FollowedFile;
    try {
      file = this.#open(name);
    } catch {
      return false;
    }
    const generation = this.#tracker?.takeBase();
    const missed = this.#tracker?.takeLost();
    // The name is still that of a file that was opened: it is a link, and what it leads to was replaced, nobody knows how
    // often.
    const isLink = generation !== undefined && (this.#next.at(-1) ?? this.#current).generation === generation;
    this.#push(file, generation, isLink ? undefined : missed);
    return true;
  }

  #push(file: FollowedFile, generation: Generation | undefined, missed: number | undefined): void {
    const identity = identityOf(file.fd);
    if (this.#isKnown(identity)) file.close();
    else this.#next.push({ ...file, identity, generation, missed });
  }

  /** Whether the file is one of those that are open: no other file can have its number then. */
  #isKnown(identity: string): boolean {
    return this.#current.identity === identity || this.#next.some((file) => file.identity === identity);
  }

  // --- waiting ---------------------------------------------------------------------------------------------------

  /** Waits until something may have happened. */
  #wait(): Promise<void> | undefined {
    if (this.#dirty || this.#stopped) return undefined;
    const quiet = this.#quietSince;
    const left = quiet === undefined ? Infinity : Math.max(1, Math.ceil(quiet + this.#grace - performance.now()));
    return new Promise((resolve) => {
      const timer = setTimeout(
        () => {
          this.#suspicious = true;
          this.#resume?.();
        },
        Math.min(this.#pollInterval, left),
      );
      if (!this.#persistent) timer.unref();
      this.#resume = () => {
        clearTimeout(timer);
        this.#resume = undefined;
        resolve();
      };
    });
  }

  #watch(): void {
    if (this.#path === undefined) {
      // Linux watches the file that the link leads to.
      this.#elsewhere = watch(`/proc/self/fd/${this.#current.fd}`, () => this.#heard('change', null));
    } else this.#watchFolder(this.#path);
  }

  /** Watches the folder that is at the path now, if any. */
  #watchFolder(name: string): void {
    const isFirst = this.#folder === undefined;
    let folder: WatchedFolder;
    try {
      folder = new WatchedFolder(
        path.dirname(name),
        this.#watchNames,
        // Only with a tracker are the names certain.
        (type, name) => this.#heard(type, this.#tracker === undefined ? null : name),
      );
    } catch {
      return; // gone, or not to be reached
    }
    this.#unwatch();
    this.#folder = folder;
    if (folder.events === undefined) return;
    let found: string | undefined;
    try {
      found = identity(fs.statSync(name, { bigint: true }));
    } catch {
      // Not there, or not to be reached.
    }
    const newest = this.#next.at(-1) ?? this.#current;
    const same = found === newest.identity;
    // What came and went before, nobody has seen.
    const lost = isFirst && same ? 0 : undefined;
    this.#tracker = new NameTracker(folder.events, this.#base!, same ? newest.generation : undefined, lost);
  }

  /** Watches what the path leads through and to now. */
  async #renewWatches(name: string): Promise<void> {
    const folder = path.dirname(name);
    const [there, target] = await Promise.all([
      stat(folder, { bigint: true }).then(identity, () => undefined),
      realpath(name).catch(() => undefined),
    ]);
    if (this.#stopped) return;
    this.#hasLinks = fs.fstatSync(this.#current.fd).nlink > 1;
    if (there === undefined) {
      // The old one goes on telling of the old file.
      if (this.#above === undefined) this.#watchAbove(path.dirname(folder));
    } else if (there !== this.#folder?.identity || this.#tracker?.alive === false) {
      this.#collect();
      this.#watchFolder(name);
      this.#dirty = true;
    } else this.#folder.watch();
    if (target !== undefined) await this.#watchTarget(target);
  }

  #watchAbove(folder: string): void {
    this.#above = watch(folder, () => this.#heard('change', null));
    // What came before is looked for once more.
    if (this.#above !== undefined) this.#suspicious = this.#dirty = true;
  }

  /** A link to a file: the folder of that tells of its growth, by the name that it has there. */
  async #watchTarget(target: string): Promise<void> {
    const folder = path.dirname(target);
    const there = await stat(folder, { bigint: true }).then(identity, () => undefined);
    if (this.#stopped || there === undefined) return;
    const found = `${there} ${target}`;
    if (found === this.#target) return;
    this.#target = found;
    const isHere = there === this.#folder?.identity;
    const name = latin1(path.basename(target));
    this.#targetName = isHere && name === this.#base ? undefined : name;
    this.#elsewhere?.close();
    this.#elsewhere = isHere ? undefined : watch(folder, () => this.#heard('change', null));
    // What was written before is looked for once more.
    this.#dirty = true;
  }

  #unwatch(): void {
    this.#tracker?.close();
    this.#tracker = undefined;
    this.#folder?.close();
    for (const watcher of [this.#elsewhere, this.#above]) watcher?.close();
    this.#elsewhere = this.#above = undefined;
    this.#target = undefined;
  }

  /** `name` is `null` when it says nothing: a link's folder, or a system that does not tell of names reliably. */
  #heard(type: string, name: string | null): void {
    if (this.#stopped) return;
    const isPath = name === this.#base || name === this.#targetName;
    if (name === null) this.#suspicious = true;
    else if (type === 'rename') {
      this.#collect();
      // Of a link the tracker does not know where it leads; of a file there is nothing that it does not know.
      if ((isPath && this.#targetName !== undefined) || this.#tracker?.alive === false) this.#suspicious = true;
    } else if (!isPath && !this.#hasLinks && name !== this.#current.generation?.name) return; // another file's change
    this.#dirty = true;
    this.#resume?.();
  }
}

function identityOf(fd: number): string {
  return identity(fs.fstatSync(fd, { bigint: true }));
}

/** The bytes of a name, one per character. */
function latin1(name: string): string {
  return Buffer.from(name).toString('latin1');
}
