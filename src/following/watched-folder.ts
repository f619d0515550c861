/**
 * A folder that is watched, whatever becomes of its name: it is held open where the system has paths for what is
 * (Linux), so that what it tells of is opened in it, and not in another that has taken its place.
 */
import fs from 'node:fs';
import type { NameEvents } from './name-tracker.js';

export class WatchedFolder {
  /** Unlike its path, the same for as long as it is watched. */
  readonly identity: string;
  /** Its caller's, who closes them. */
  readonly events: NameEvents | undefined;
  readonly #fd: number | undefined;
  readonly #path: string;
  readonly #heard: (type: string, name: string | null) => void;
  #watcher: fs.FSWatcher | undefined;

  /** Throws as fs.statSync when nothing is at the path. `heard` is what is called for each event of `fs.watch`. */
  constructor(
    folder: string,
    watchNames: (folder: string) => NameEvents | undefined,
    heard: (type: string, name: string | null) => void,
  ) {
    // Before it is watched: if the path leads elsewhere in between, the next comparison tells.
    this.identity = identity(fs.statSync(folder, { bigint: true }));
    this.#fd = openFolder(folder, this.identity);
    this.#path = this.#fd === undefined ? folder : `/proc/self/fd/${this.#fd}`;
    this.#heard = heard;
    this.events = watchNames(this.#path);
    this.watch();
  }

  /** The path of a file in it, whose name is given by one character for each byte. */
  pathOf(name: string): Buffer {
    return Buffer.concat([Buffer.from(`${this.#path}/`), Buffer.from(name, 'latin1')]);
  }

  /** Tries again if the system refused to watch. */
  watch(): void {
    this.#watcher ??= watch(this.#path, this.#heard);
  }

  close(): void {
    this.#watcher?.close();
    if (this.#fd !== undefined) fs.closeSync(this.#fd);
  }
}

/** `undefined` when the system refuses: too many watches, or a file system without; looking now and then does. */
export function watch(path: string, heard: (type: string, name: string | null) => void): fs.FSWatcher | undefined {
  let watcher: fs.FSWatcher;
  try {
    watcher = fs.watch(path, { persistent: false, encoding: 'latin1' as BufferEncoding });
  } catch {
    return undefined;
  }
  watcher.on('change', (type, name) => heard(type, name as string | null));
  watcher.on('error', () => watcher.close());
  return watcher;
}

export function identity({ dev, ino }: { dev: bigint; ino: bigint }): string {
  return `${dev}:${ino}`;
}

/** A descriptor of the folder that has this identity, if there is a path by which it can be used. */
function openFolder(folder: string, expected: string): number | undefined {
  if (process.platform !== 'linux') return undefined;
  let fd: number | undefined;
  try {
    fd = fs.openSync(folder, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY);
    if (identity(fs.statSync(`/proc/self/fd/${fd}`, { bigint: true })) === expected) return fd;
  } catch {
    // Not to be listed, or no /proc, or no descriptor left.
  }
  if (fd !== undefined) fs.closeSync(fd);
  return undefined;
}
