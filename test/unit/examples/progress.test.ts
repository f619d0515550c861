import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import type { WriteStream } from 'node:tty';

import { showProgress } from '../../../examples/log-report/progress.js';

/** What a progress bar draws on a terminal, or on a pipe, without the codes that move the cursor. */
function draw(isTTY: boolean, path: string, size: number | undefined, positions: number[]): string {
  const output = new PassThrough();
  const terminal = Object.assign(output, { isTTY, columns: 100 }) as unknown as WriteStream;
  const progress = showProgress(path, size, terminal);
  try {
    for (const position of positions) progress.update(position);
  } finally {
    progress.stop();
  }
  let drawn = '';
  // Node 26 gives the pieces that were written one by one.
  for (let piece = output.read() as Buffer | null; piece !== null; piece = output.read() as Buffer | null)
    drawn += piece.toString();
  // eslint-disable-next-line no-control-regex
  return drawn.replace(/\x1b[78]|\x1b\[[?\d;]*[A-Za-z]/g, '\n');
}

describe('log report: progress', () => {
  it('draws a bar, sizes and throughput on a terminal', () => {
    const drawn = draw(true, '/var/log/access.log', 4_000_000, [1_000_000, 2_000_000]);
    assert.match(drawn, /access\.log ░{16} 0 B of 4\.0 MB {2}0 B\/s/);
    assert.match(drawn, /access\.log █{8}░{8} 2\.0 MB of 4\.0 MB {2}[\d.]+ [kMG]?B\/s {2}\S+ left/);
  });

  it('draws no bar for a pipe, whose end is not known', () => {
    assert.match(draw(true, '-', undefined, [2_000_000]), /standard input {2}2\.0 MB {2}[\d.]+ [kMG]?B\/s/);
  });

  it('keeps to one line, and leaves it clean', () => {
    const output = draw(true, `/tmp/${'long'.repeat(50)}.log`, 10, [5]);
    for (const line of output.split('\n')) assert.ok(line.length <= 100, line);
    assert.match(output, /\n$/);
  });

  it('draws nothing where there is no terminal', () => {
    assert.equal(draw(false, '/var/log/access.log', 4_000_000, [1_000_000]), '');
  });
});
