/** The files that scenarios read. Made once, kept in the system's folder for temporary files, removed by `--clean`. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

export const folder: string = path.join(os.tmpdir(), 'sliding-mmap-bench');

/** A path in the folder for what a contestant writes; nobody else uses it. */
export function scratch(name: string): string {
  fs.mkdirSync(folder, { recursive: true });
  return path.join(folder, `${process.pid}-${name}`);
}

/** `bytes` bytes that depend on their position. */
export function binary(bytes: number): string {
  const piece = Buffer.alloc(2 ** 20);
  return made(`binary-${bytes}`, (fd) => {
    for (let position = 0; position < bytes; position += piece.length) {
      for (let i = 0; i < piece.length; i += 4) piece.writeUInt32LE(hash(position + i), i);
      fs.writeSync(fd, piece, 0, Math.min(piece.length, bytes - position), position);
    }
  });
}

/** A hole of `bytes` bytes. */
export function sparse(bytes: number): string {
  return made(`sparse-${bytes}`, (fd) => fs.ftruncateSync(fd, bytes));
}

/** At least `bytes` bytes of lines of ASCII, of the lengths and the look of a server's log, in the order of time. */
export function log(bytes: number): string {
  const levels = ['DEBUG', 'INFO', 'INFO', 'INFO', 'WARN', 'ERROR'];
  return made(`log-${bytes}`, (fd) => {
    for (let line = 0, written = 0; written < bytes;) {
      let text = '';
      for (const end = line + 10_000; line < end; line++) {
        const number = hash(line);
        const when = new Date(Date.UTC(2024, 0, 1) + line * 40).toISOString();
        const path = `/api/v1/items/${number % 100_000}`;
        text += `${when} ${levels[number % levels.length]} [worker-${number % 16}] GET ${path} ${200 + (number % 5)} in ${number % 997} ms\n`;
        if (number % 50 === 0) text += `    at handler (${path}.js:${number % 1000}:${number % 80})\n`;
      }
      written += fs.writeSync(fd, text);
    }
  });
}

/** A number that looks random and is the same for the same `index` (the finaliser of MurmurHash3). */
export function hash(index: number): number {
  let mixed = index | 0;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}

function made(name: string, write: (fd: number) => void): string {
  fs.mkdirSync(folder, { recursive: true });
  const file = path.join(folder, name);
  if (fs.existsSync(file)) return file;
  const unfinished = scratch(name);
  const fd = fs.openSync(unfinished, 'w');
  try {
    write(fd);
  } finally {
    fs.closeSync(fd);
  }
  fs.renameSync(unfinished, file);
  return file;
}

/** A file that `write` makes by its path. */
export async function input(name: string, write: (file: string) => Promise<void>): Promise<string> {
  const file = path.join(folder, name);
  if (fs.existsSync(file)) return file;
  const unfinished = scratch(name);
  await write(unfinished);
  fs.renameSync(unfinished, file);
  return file;
}
