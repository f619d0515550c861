import type { CountingSource, FileIdentity } from '#src/byte-source.js';
import { MemoryTextSource } from './memory-text-source.js';

/** Text in memory that counts as a file does, in JavaScript and one place after the other. */
export class CountingTextSource extends MemoryTextSource implements CountingSource {
  /** Length of every count, in order. */
  readonly counted: number[] = [];
  /** Holds up each count. */
  hold: () => Promise<void> = async () => {};
  inode = 7n;
  modified = 1n;

  async countInto(
    counts: Float64Array,
    needle: Uint8Array,
    wide: boolean,
    position: number,
    length: number,
    step: number,
  ): Promise<number> {
    this.counted.push(length);
    await this.hold();
    const wanted = Buffer.from(needle);
    counts.fill(0);
    for (let at = position; at < position + length; at += wide ? 2 : 1)
      if (wanted.equals(this.bytes.subarray(at, at + wanted.length))) counts[Math.floor((at - position) / step)]! += 1;
    return Math.max(0, Math.min(length, this.bytes.length - position));
  }

  async identify(): Promise<FileIdentity> {
    return { device: 1n, inode: this.inode, modified: this.modified, owner: 0, size: this.bytes.length };
  }

  /** As somebody appends. */
  append(bytes: Uint8Array): void {
    this.bytes = Buffer.concat([this.bytes, bytes]);
    if (bytes.length > 0) this.modified++;
  }
}
