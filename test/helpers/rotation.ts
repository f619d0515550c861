/** A follower against a writer in another process, and what it got. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { type FollowEvent, MappedFile } from 'sliding-mmap';
import { run } from './child.js';
import { Folder } from './files.js';

export interface Rotation {
  mode: 'one' | 'shift' | 'keep' | 'copy';
  rotations: number;
  milliseconds: number;
  as: 'bytes' | 'lines';
}

export interface Followed {
  /** Records that the writer wrote, and that did not come. */
  written: number;
  lost: number;
  events: FollowEvent[];
  /** Lines that are no record that was written. */
  wrong: string[];
  /** Records that came again, or out of order. */
  repeated: number;
  /** Gaps in the records at which no event told that a file was missed, or truncated. */
  untold: number;
}

/** Follows the log of a {@link Rotation} from its start to its end. */
export async function followRotation({ mode, rotations, milliseconds, as }: Rotation): Promise<Followed> {
  using folder = new Folder();
  const log = folder.file('', 'log');
  await using file = await MappedFile.open(log);
  const events: FollowEvent[] = [];
  const result: Followed = { written: 0, lost: 0, events, wrong: [], repeated: 0, untold: 0 };
  let next = 0;
  let told = 0;
  const take = (line: string): void => {
    const number = /^record (\d+)$/.exec(line)?.[1];
    if (number === undefined) {
      result.wrong.push(line);
      return;
    }
    const gap = Number(number) - next;
    if (gap < 0) result.repeated++;
    else {
      result.lost += gap;
      const excused = events.slice(told).some(({ type, missed }) => type === 'truncated' || (missed ?? 1) > 0);
      // Of a file that was cut before anything of it was read, nobody can tell.
      const unseen = mode === 'copy' && next === 0;
      if (gap > 0 && !excused && !unseen) result.untold++;
      told = events.length;
      next = Number(number) + 1;
    }
  };
  const options = { follow: { onEvent: (event: FollowEvent) => void events.push(event) } };
  const program = new URL('./rotator.program.js', import.meta.url);
  const writer = run(program, [log, mode, String(rotations), String(milliseconds)]);
  if (as === 'lines') {
    for await (const line of file.lines(options)) {
      if (line === 'end') break;
      take(line);
    }
  } else {
    let rest = '';
    for await (const chunk of file.readable(options)) {
      const lines = (rest + Buffer.from(chunk).toString()).split('\n');
      rest = lines.pop()!;
      const last = lines.at(-1) === 'end' ? lines.pop() : undefined;
      lines.forEach(take);
      if (last !== undefined) break;
    }
  }
  const { code, stdout, stderr } = await writer;
  assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
  result.written = Number(stdout);
  result.lost += result.written - next;
  for (const event of events) assert.equal(event.path, path.resolve(log));
  return result;
}
