/** Temporary folders, and files whose bytes depend on their position. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

/** What the names of all temporary folders begin with; the hook after every test looks for it. */
export const folderPrefix = path.join(os.tmpdir(), 'sliding-mmap-test-');

/** The byte that every file made here has at a position. Neighbours, pages and windows all differ. */
export function byteAt(position: number): number {
  const low = position % 2 ** 32;
  const high = Math.floor(position / 2 ** 32);
  let hash = Math.imul(low, 0x9e3779b1) ^ Math.imul(high + 1, 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  return (hash ^ (hash >>> 13)) & 0xff;
}

/** The bytes of `[position, position + length)`. */
export function oracle(position: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let i = 0; i < length; i++) bytes[i] = byteAt(position + i);
  return bytes;
}

/** Windows keeps the name of a file until it is closed, which may be a job under way. */
const leftOver: string[] = [];
process.once('exit', () => leftOver.forEach(removed));

function removed(path: string): boolean {
  try {
    fs.rmSync(path, { recursive: true, force: true });
    return true;
  } catch (error) {
    if (process.platform !== 'win32') throw error;
    return false;
  }
}

/** A folder for one test: `using folder = new Folder()`. */
export class Folder implements Disposable {
  readonly path: string = fs.mkdtempSync(folderPrefix);

  /** The path of a file that need not exist. */
  join(name: string): string {
    return path.join(this.path, name);
  }

  /** Makes a file of `size` bytes of the oracle, or of these bytes. */
  file(content: number | string | Uint8Array, name = 'data'): string {
    const file = this.join(name);
    fs.writeFileSync(file, typeof content === 'number' ? oracle(0, content) : content);
    return file;
  }

  /** Makes a file of `size` bytes that takes no room, but for the oracle's bytes around each of `positions`. */
  sparse(size: number, positions: readonly number[] = [], name = 'sparse'): string {
    const file = this.join(name);
    const fd = fs.openSync(file, 'w');
    fs.ftruncateSync(fd, size);
    for (const position of positions) {
      const start = Math.max(0, position - 64);
      const length = Math.min(size, position + 64) - start;
      fs.writeSync(fd, oracle(start, length), 0, length, start);
    }
    fs.closeSync(fd);
    return file;
  }

  [Symbol.dispose](): void {
    if (!removed(this.path)) leftOver.push(this.path);
  }
}
