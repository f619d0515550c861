/** A progress bar on standard error: only where that is a terminal. */
import { basename } from 'node:path';
import type { WriteStream } from 'node:tty';

import { SingleBar } from 'cli-progress';

import { bytes, titleOf } from './output.js';

export interface Progress {
  /** `position`: bytes read so far of this file. */
  update(position: number): void;
  stop(): void;
}

const SILENT: Progress = { update() {}, stop() {} };
const NAME = 24;

/** `size`: bytes of the file; `undefined` for a pipe, whose end is not known. */
export function showProgress(path: string, size: number | undefined, terminal: WriteStream = process.stderr): Progress {
  if (!terminal.isTTY) return SILENT;
  const name = basename(titleOf(path));
  const started = performance.now();
  let position = 0;
  const bar = new SingleBar({
    stream: terminal,
    format:
      size === undefined ? '{name}  {value}  {rate}' : '{name} {bar} {value} of {total}  {rate}  {eta_formatted} left',
    formatValue: (value, _options, type) => (type === 'value' || type === 'total' ? bytes(value) : String(value)),
    barsize: 16,
    barCompleteChar: '█',
    barIncompleteChar: '░',
    etaBuffer: 100,
    clearOnComplete: true,
    // Nothing that an interrupt would leave behind: the interrupt needs no handler, and always ends the program.
    hideCursor: false,
    linewrap: true,
  });
  bar.start(size ?? 0, 0, {
    name: name.length > NAME ? `${name.slice(0, NAME - 1)}…` : name,
    get rate() {
      return `${bytes((position / Math.max(performance.now() - started, 1)) * 1000)}/s`;
    },
  });
  return {
    update(value) {
      position = value;
      bar.update(value);
    },
    stop: () => bar.stop(),
  };
}
