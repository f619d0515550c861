/** Whether `flush` has done what it promises before it says so: by a trace of the system calls (strace(1)). */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Scratch } from './support.js';

/** What the traced program prints after a flush. */
export interface Mark {
  readonly number: number;
  readonly kind: string;
  /** Ranges of the file that were written through mappings and must be msync'ed. */
  readonly ranges: ReadonlyArray<readonly [start: number, end: number]>;
  /** Whether the file must be fdatasync'ed, too. */
  readonly file: boolean;
}

/** A system call of the trace: when it began and returned, in lines of the trace. */
interface Call {
  readonly name: string;
  readonly args: string;
  readonly result: string;
  readonly begun: number;
  readonly ended: number;
}

export const canTrace: boolean = spawnSync('strace', ['-o', '/dev/null', 'true']).status === 0;

function parse(trace: string): Call[] {
  const calls: Call[] = [];
  const unfinished = new Map<string, { name: string; args: string; begun: number }>();
  for (const [at, line] of trace.split('\n').entries()) {
    const resumed = /^(\d+) +<\.\.\. (\w+) resumed>(.*)\) += (.*)$/.exec(line);
    if (resumed !== null) {
      const [, thread = '', name = '', rest = '', result = ''] = resumed;
      const { args, begun } = unfinished.get(thread) ?? assert.fail(`no beginning: ${line}`);
      calls.push({ name, args: args + rest, result, begun, ended: at });
      continue;
    }
    const begun = /^(\d+) +(\w+)\((.*) <unfinished \.\.\.>$/.exec(line);
    if (begun !== null) {
      const [, thread = '', name = '', args = ''] = begun;
      unfinished.set(thread, { name, args, begun: at });
      continue;
    }
    const whole = /^(\d+) +(\w+)\((.*)\) += (.*)$/.exec(line);
    if (whole === null) continue;
    const [, , name = '', args = '', result = ''] = whole;
    calls.push({ name, args, result, begun: at, ended: at });
  }
  return calls.sort((a, b) => a.ended - b.ended);
}

/** Where the file is mapped: address, length, and position in the file. */
interface Mapped {
  readonly address: number;
  readonly length: number;
  readonly position: number;
}

export interface Flushes {
  marks: number;
  synced: number;
  byKind: Record<string, number>;
}

/** Traces a program that flushes so many times, and checks the order of its calls. */
export function checkFlushOrder(rounds: number, seed: number): Flushes {
  using folder = new Scratch();
  const path = folder.join('data');
  const traced = folder.join('trace');
  const program = fileURLToPath(new URL('./programs/flusher.js', import.meta.url));
  const trace = 'trace=msync,fdatasync,write,pwrite64,mmap,?mmap2,munmap';
  const command = ['-f', '-y', '-s', '4096', '-e', trace, '-o', traced, process.execPath, program, path];
  const { status, stderr } = spawnSync('strace', [...command, String(rounds), String(seed)], { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  return check(parse(fs.readFileSync(traced, 'utf8')), path);
}

function check(calls: readonly Call[], path: string): Flushes {
  const found: Flushes = { marks: 0, synced: 0, byKind: {} };
  const mappings = new Map<number, Mapped>();
  let synced: Array<{ start: number; end: number }> = [];
  let lastWrite = -1;
  let flushed: Call | undefined;
  for (const call of calls) {
    const args = call.args.split(', ');
    const onFile = call.args.includes(`<${path}>`);
    switch (call.name) {
      case 'mmap':
      case 'mmap2': {
        const address = Number(call.result);
        mappings.delete(address);
        if (!onFile || !call.args.includes('MAP_SHARED')) break;
        mappings.set(address, { address, length: Number(args[1]), position: Number(args[5]) });
        break;
      }
      case 'munmap':
        mappings.delete(Number(args[0]));
        break;
      case 'pwrite64':
        if (onFile) lastWrite = call.ended;
        break;
      case 'msync': {
        assert.equal(args[2], 'MS_SYNC');
        assert.equal(call.result, '0');
        const mapping = mappings.get(Number(args[0])) ?? assert.fail(`msync of what is no mapping: ${call.args}`);
        assert.ok(Number(args[1]) <= mapping.length);
        synced.push({ start: mapping.position, end: mapping.position + Number(args[1]) });
        found.synced++;
        break;
      }
      case 'fdatasync':
        assert.ok(onFile, `fdatasync of another file: ${call.args}`);
        assert.equal(call.result, '0');
        assert.ok(call.begun > lastWrite, 'a write ended after the fdatasync had begun');
        flushed = call;
        break;
      default: {
        const text = /^1<[^>]*>, "(.*)\\n", \d+$/.exec(call.args)?.[1];
        if (text === undefined) break;
        if (text === 'asked') {
          // What was synchronised earlier is not for what was written since.
          synced = [];
          flushed = undefined;
          break;
        }
        const mark = JSON.parse(text.replaceAll('\\"', '"')) as Mark;
        assert.equal(mark.number, found.marks++);
        found.byKind[mark.kind] = (found.byKind[mark.kind] ?? 0) + 1;
        for (const [start, end] of mark.ranges) {
          const isSynced = synced.some((range) => range.start <= start && end <= range.end);
          assert.ok(isSynced, `${mark.kind}: [${start}, ${end}) was not msync'ed before mark ${mark.number}`);
        }
        // After all that was written since the last mark, and ended before this one.
        if (mark.file) assert.ok(flushed !== undefined, `${mark.kind}: no fdatasync before mark ${mark.number}`);
        if (flushed !== undefined) assert.ok(flushed.ended < call.begun && flushed.begun > lastWrite);
        synced = [];
        flushed = undefined;
      }
    }
  }
  return found;
}
