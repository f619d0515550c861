/** The only module that knows the addon. */
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

/** A mapping as the addon gives it: `buffer` is external memory, unmapped by `releaseMapping`. */
export interface NativeMapping {
  readonly id: number;
  readonly buffer: ArrayBuffer;
  /** Where in the buffer the first byte asked for is. */
  readonly byteOffset: number;
}

/**
 * The addon's functions. A number is 0 or more for success and a negative errno for a failure. Descriptors are not
 * checked: the caller makes sure that they are open, for as long as a promise is pending.
 */
export interface Native {
  /** What a mapping's file offset must be a multiple of, in bytes. */
  readonly granularity: number;
  readonly pageSize: number;
  /** 4 or 8. */
  readonly pointerSize: number;
  /** One counter of pages lost under any mapping of the process, in element 0. */
  readonly faults: Int32Array;

  createWindow(capacity: number): NativeMapping | number | undefined;
  slideWindow(id: number, fd: number, position: number, length: number, writable: boolean): number;
  extendWindow(id: number, fd: number, length: number): number;
  resetWindow(id: number): number;
  createView(
    fd: number,
    position: number,
    length: number,
    writable: boolean,
    isPrivate: boolean,
  ): NativeMapping | number | undefined;
  releaseMapping(id: number, buffer: ArrayBuffer): boolean;
  forgetMapping(id: number): void;
  mappingFaults(id: number): number;
  firstFault(id: number): number;
  protectMapping(id: number, writable: boolean): number;
  adviseMapping(id: number, offset: number, length: number, advice: number): number;
  /** Where `needle` stands in `[offset, offset + length)` of `bytes`, counted from `offset`; -1 when it does not. */
  find(bytes: Uint8Array, offset: number, length: number, needle: Uint8Array, last: boolean): number;
  /** Puts the handler for lost pages in place again, where another has replaced it. */
  installGuard(): number;
  /** Ranges of address space that the whole process holds. */
  mappingCount(): number;

  fileSize(fd: number): number;
  /** 0 regular, 1 directory, 2 block device, 3 anything else. */
  fileKind(fd: number): number;
  duplicate(fd: number): number;
  closeDuplicate(fd: number): number;
  /** Bit 0 readable, bit 1 writable, bit 2 appending. */
  openMode(fd: number): number;
  truncate(fd: number, size: number): number;
  read(fd: number, target: Uint8Array, offset: number, length: number, position: number): number;
  /** As `read`, but without the bytes that were past the end of the file when the copy had finished. */
  readExactly(fd: number, target: Uint8Array, offset: number, length: number, position: number): number;
  readResident(fd: number, target: Uint8Array, offset: number, length: number, position: number): number;
  allocate(fd: number, position: number, length: number): number;
  write(fd: number, source: Uint8Array, offset: number, length: number, position: number): number;
  flush(fd: number, ids: number[]): number;
  /**
   * Begins to watch the names in a folder: a descriptor from which `read` gives the events of inotify(7), -EAGAIN when
   * there are none; `closeDuplicate` closes it. -ENOSYS where the system does not tell what was moved to where.
   */
  watchNames(folder: string): number;

  readAsync(fd: number, target: Uint8Array, offset: number, length: number, position: number): Promise<number>;
  writeAsync(fd: number, source: Uint8Array, offset: number, length: number, position: number): Promise<number>;
  flushAsync(fd: number, ids: number[]): Promise<number>;
  populateAsync(id: number): Promise<number>;
  truncateAsync(fd: number, size: number): Promise<number>;
  warmAsync(fd: number, position: number, length: number): Promise<number>;
  allocateAsync(fd: number, position: number, length: number): Promise<number>;

  /** Tests only: lets `after` more calls of a kind through, then makes `times` of them fail with `errno`. */
  injectFailure(call: number, after: number, times: number, errno: number): number;
}

function load(): Native {
  const require = createRequire(import.meta.url);
  const root = fileURLToPath(new URL('..', import.meta.url));
  const find = require('node-gyp-build') as (root: string) => unknown;
  try {
    return find(root) as Native;
  } catch (cause) {
    throw new Error(
      `sliding-mmap has no addon for ${process.platform}-${process.arch}: there is no prebuilt one, and it was not ` +
        `compiled when the package was installed. Install a C++ compiler and make, then run: npm rebuild sliding-mmap`,
      { cause },
    );
  }
}

export const native: Native = load();

// A listener for SIGBUS makes the engine replace the handler by one that returns without having mended anything (the
// thread would then fault for ever), and its removal leaves none. The engine's own listeners of these events come first.
for (const event of ['newListener', 'removeListener']) {
  process.on(event, (name: unknown) => {
    if (name === 'SIGBUS') native.installGuard();
  });
}
