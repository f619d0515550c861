/**
 * The types of `sliding-mmap/fs` are node:fs's own: `tsc -b` is the test, and nothing here is run.
 */
import type node from 'node:fs';
import type nodePromises from 'node:fs/promises';
import fs, {
  constants,
  createReadStream,
  open,
  promises,
  read,
  ReadStream,
  readSync,
  type Stats,
} from 'sliding-mmap/fs';
import fsPromises, { type FileHandle, open as openHandle, readFile } from 'sliding-mmap/fs/promises';

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
/** Compiles only where the type of `value` is exactly `T`. */
function exact<T>() {
  return <V>(value: V, same: Equal<V, T>): void => void [value, same];
}

exact<typeof node>()(fs, true);
exact<typeof nodePromises>()(fsPromises, true);
exact<typeof nodePromises>()(promises, true);
exact<typeof node.read>()(read, true);
exact<typeof node.readSync>()(readSync, true);
exact<typeof node.open>()(open, true);
exact<typeof node.constants>()(constants, true);
exact<typeof node.ReadStream>()(ReadStream, true);
exact<typeof nodePromises.readFile>()(readFile, true);

export async function use(stats: Stats): Promise<ReadStream> {
  const handle: FileHandle = await openHandle('a');
  const { bytesRead, buffer } = await handle.read(Buffer.alloc(stats.size), 0, 1, 0);
  exact<number>()(bytesRead, true);
  exact<number>()(buffer.length, true);
  // @ts-expect-error a position is no string
  await handle.read(Buffer.alloc(1), 0, 1, '0');
  return createReadStream('a', { start: 1 });
}
