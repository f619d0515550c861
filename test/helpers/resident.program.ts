/**
 * Walks over a file in one way and prints how many bytes passed, and by how much its resident set, in bytes, was above
 * that of the idle process at most: node --expose-gc resident.program.js PATH WALK.
 */
import fs from 'node:fs';
import { MappedFile } from 'sliding-mmap';

const lineLimit = { maxLineLength: 64 * 1024, overflow: 'truncate' } as const;

/** Touches every page, and gives the length. */
function touch(bytes: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 4096) sum += bytes[i]!;
  return Number.isNaN(sum) ? 0 : bytes.length;
}

async function each(chunks: AsyncIterable<Uint8Array>): Promise<number> {
  let total = 0;
  for await (const chunk of chunks) total += touch(chunk);
  return total;
}

const walks: Record<string, (file: MappedFile) => number | Promise<number>> = {
  'default reader': (file) => each(file.readable()),
  async 'BYOB reader'(file) {
    const reader = file.readable().getReader({ mode: 'byob' });
    let total = 0;
    for (let buffer = new ArrayBuffer(2 ** 20); ;) {
      const { done, value } = await reader.read(new Uint8Array(buffer));
      if (done) return total;
      total += touch(value);
      buffer = value.buffer;
    }
  },
  'borrowing reader': (file) => each(file.readable({ borrow: true })),
  'Node stream': (file) => each(file.createReadStream() as AsyncIterable<Uint8Array>),
  'chunks()'(file) {
    let total = 0;
    for (const chunk of file.chunks()) total += touch(chunk);
    return total;
  },
  'chunks(), awaited': (file) => each(file.chunks()),
  'lines()'(file) {
    const lines = file.lines(lineLimit);
    for (const line of lines) if (line === 'no such line') return 0;
    return lines.position;
  },
  'lines(), pass by pass'(file) {
    let start = 0;
    while (start < file.size) {
      const lines = file.lines({ ...lineLimit, start });
      for (const batch of lines.batches()) if (batch.length === 0 || lines.position > start + 20 * 2 ** 20) break;
      start = lines.position;
    }
    return start;
  },
  async 'lines(), awaited'(file) {
    const lines = file.lines(lineLimit);
    for await (const line of lines) if (line === 'no such line') return 0;
    return lines.position;
  },
  'indexOf()': (file) => (file.indexOf('no such bytes') === -1 ? file.size : 0),
  'lastIndexOf()': (file) => (file.lastIndexOf('no such bytes') === -1 ? file.size : 0),
  'matches()': (file) => (file.matches('no such bytes').countSync() === 0 ? file.size : 0),
};

/** A line of /proc/self/status that is in kB (proc(5)), in bytes. */
function status(key: string): number {
  return Number(new RegExp(`^${key}:\\s+(\\d+) kB`, 'm').exec(fs.readFileSync('/proc/self/status', 'utf8'))![1]) * 1024;
}

const [, self = '', path = '', name = ''] = process.argv;
const walk = walks[name]!;
// A first walk, so that code is no part of what is measured.
const first = MappedFile.openSync(self);
await walk(first);
first.closeSync();
const file = MappedFile.openSync(path);
globalThis.gc!();
const idle = status('VmRSS');
fs.writeFileSync('/proc/self/clear_refs', '5'); // begins a new peak (proc(5))
const bytes = await walk(file);
console.log(JSON.stringify({ bytes, over: Math.max(0, status('VmHWM') - idle) }));
file.closeSync();
