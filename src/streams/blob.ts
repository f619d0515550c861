/** A range of a file as a Blob that is read when it is asked for. */
import { Blob } from 'node:buffer';
import type { ReadableByteStreamController } from 'node:stream/web';
import { webStreams } from './classes.js';
import { checkOptions } from './options.js';

/** Copies a range of the file; rejects when it is not inside the file any more. @internal */
export type Slice = (start: number, end: number) => Promise<Buffer>;

/** Bytes that a stream reads at a time, as `readable()` does. */
const CHUNK_SIZE = 256 * 1024;

/**
 * A range of a file with the methods of a `Blob`; `instanceof Blob`, and a body for `new Response(blob)`. Nothing is
 * read before it is asked for, and the file has to stay open until then.
 *
 * The engine's own code cannot see into it: `new Blob([blob])`, `new File([blob], name)`, `FormData`, `structuredClone`
 * and `URL.createObjectURL` take it for an empty one. Pass them `new Blob([await blob.arrayBuffer()])`.
 *
 * @example
 * ```ts
 * const blob = file.blob();
 * console.log(blob.size === file.size, await blob.slice(0, 10).text()); // → true 2024-05-01
 * ```
 */
export class FileBlob extends Blob {
  /** Length in bytes: of the range, as it was when the blob was made. */
  override readonly size: number;
  /** The media type, in lower case; empty when there is none. */
  override readonly type: string;
  readonly #slice: Slice;
  readonly #start: number;
  readonly #end: number;

  /** @internal */
  constructor(slice: Slice, start: number, end: number, type: string) {
    super([]);
    this.#slice = slice;
    this.#start = start;
    this.#end = end;
    this.size = end - start;
    this.type = type;
  }

  /**
   * A part of it, as `Blob.prototype.slice` makes it: positions from the start of the blob, negative ones from its end,
   * cut to its size.
   */
  override slice(start?: number, end?: number, type?: string): FileBlob {
    const from = clamped(start ?? 0, this.size);
    const to = Math.max(from, clamped(end ?? this.size, this.size));
    return new FileBlob(this.#slice, this.#start + from, this.#start + to, mediaType(type ?? ''));
  }

  /** The bytes as a byte stream, in chunks of 256 KiB; it is errored as {@link arrayBuffer} rejects. */
  override stream(): ReturnType<Blob['stream']> {
    const { ReadableStream } = webStreams();
    let position = this.#start;
    return new ReadableStream(
      {
        type: 'bytes',
        pull: async (controller: ReadableByteStreamController) => {
          const end = Math.min(this.#end, position + CHUNK_SIZE);
          if (position < end) controller.enqueue(ownBytes(await this.#slice(position, end)));
          position = end;
          if (position < this.#end) return;
          controller.close();
          (controller.byobRequest as { respond(bytes: number): void } | null)?.respond(0);
        },
      },
      { highWaterMark: 0 },
    );
  }

  /**
   * A copy of the bytes. Rejects with `ERR_MAPPED_FILE_TRUNCATED` or `ERR_OUT_OF_RANGE` when the file is shorter by now,
   * with `ERR_MAPPED_FILE_CLOSED` when it is closed, and with `ERR_OUT_OF_RANGE` when there are more bytes than one
   * `Buffer` can have.
   */
  override async arrayBuffer(): Promise<ArrayBuffer> {
    return ownBytes(await this.#slice(this.#start, this.#end)).buffer;
  }

  /** As {@link arrayBuffer}, in a `Uint8Array`. */
  override async bytes(): Promise<Uint8Array<ArrayBuffer>> {
    return ownBytes(await this.#slice(this.#start, this.#end));
  }

  /** The bytes decoded as UTF-8; what is invalid becomes U+FFFD. */
  override async text(): Promise<string> {
    return new TextDecoder().decode(await this.#slice(this.#start, this.#end));
  }
}

/** As the File API has it (section 3.3.1): no media type where there is any character that is not printable ASCII. */
export function mediaType(type: unknown): string {
  const text = String(type);
  return /^[ -~]*$/.test(text) ? text.toLowerCase() : '';
}

/** Reads the `type` of a call's options. @internal */
export function blobType(options: { type?: string | undefined }): string {
  checkOptions(options);
  return mediaType(options.type ?? '');
}

/** The slice's memory is its own, so that it can be transferred. */
function ownBytes(slice: Buffer): Uint8Array<ArrayBuffer> {
  return new Uint8Array(slice.buffer as ArrayBuffer, slice.byteOffset, slice.length);
}

/** A position as `slice` of Blob and ArrayBuffer takes it: from the end where it is negative, cut to `size`. */
export function clamped(position: number, size: number): number {
  const whole = Math.trunc(Number(position)) || 0;
  return whole < 0 ? Math.max(0, size + whole) : Math.min(whole, size);
}
