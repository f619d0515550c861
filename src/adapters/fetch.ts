import type { MappedFile } from '../mapped-file.js';
import { FileBlob, mediaType } from '../streams/blob.js';
import { checkOptions } from '../streams/options.js';

/**
 * `file` as a `fetch` function, for what reads ranges of a file by HTTP: `gguf(url, { fetch: toFetch(file) })` of
 * `@huggingface/gguf`, safetensors readers, zarrita's `FetchStore`. Whatever the URL, GET and HEAD answer with the file,
 * and with a range of it where one is asked for (RFC 9110, section 14); of several ranges in one request, and of one on
 * condition (`If-Range`: there is no validator), all of the file is the answer, as a server may. `type` is the media type.
 *
 * A `signal` that is aborted makes the call reject, or what reads the body then, with its reason.
 *
 * @example
 * ```ts
 * import { MappedFile } from 'sliding-mmap';
 * import { toFetch } from 'sliding-mmap/adapters';
 *
 * await using file = await MappedFile.open('access.log');
 * const fetch = toFetch(file);
 * const response = await fetch('https://example.org/access.log', { headers: { range: 'bytes=0-9' } });
 * console.log(response.status, await response.text()); // → 206 2024-05-01
 * ```
 */
export function toFetch(file: MappedFile, options: { type?: string | undefined } = {}): typeof fetch {
  checkOptions(options);
  const type = mediaType(options.type ?? 'application/octet-stream');
  return async (input, init) => {
    const request = typeof input === 'object' && 'headers' in input ? input : undefined;
    const signal = init?.signal === undefined ? request?.signal : init.signal;
    signal?.throwIfAborted();
    const method = (init?.method ?? request?.method ?? 'GET').toUpperCase();
    if (method !== 'GET' && method !== 'HEAD') {
      return new Response(null, { status: 405, headers: { allow: 'GET, HEAD' } });
    }
    const size = file.refreshSync();
    const asked = new Headers(init?.headers ?? request?.headers);
    const range = method === 'GET' && !asked.has('if-range') ? byteRange(asked.get('range'), size) : undefined;
    if (range === 'unsatisfiable') {
      return new Response(null, { status: 416, headers: { 'content-range': `bytes */${size}` } });
    }
    const { start, end } = range ?? { start: 0, end: size };
    const headers = {
      'accept-ranges': 'bytes',
      'content-length': String(end - start),
      'content-type': type,
      ...(range && { 'content-range': `bytes ${start}-${end - 1}/${size}` }),
    };
    const body = method === 'HEAD' ? null : abortable(file.blob(start, end), signal);
    const response = new Response(body, { status: range ? 206 : 200, headers });
    // For whoever aborts it straight after the call.
    await Promise.resolve();
    signal?.throwIfAborted();
    return response;
  };
}

/** `blob`, whose pieces cannot be read any more once the signal is aborted: nobody has to listen to it for that. */
function abortable(blob: FileBlob, signal: AbortSignal | null | undefined): FileBlob {
  if (!signal) return blob;
  const slice = async (start: number, end: number): Promise<Buffer> => {
    signal.throwIfAborted();
    const bytes = await blob.slice(start, end).arrayBuffer();
    signal.throwIfAborted();
    return Buffer.from(bytes);
  };
  return new FileBlob(slice, 0, blob.size, blob.type);
}

/** Reads a Range header; `undefined` for one that is ignored. */
function byteRange(header: string | null, size: number): { start: number; end: number } | 'unsatisfiable' | undefined {
  const [, first, last] = /^bytes=[ \t]*(\d*)-(\d*)[ \t]*$/i.exec(header ?? '') ?? [];
  if (first === undefined || last === undefined || (first === '' && last === '')) return undefined;
  if (first === '') return suffix(Number(last), size);
  const start = Number(first);
  if (last !== '' && Number(last) < start) return undefined;
  if (start >= size) return 'unsatisfiable';
  return { start, end: last === '' ? size : Math.min(size, Number(last) + 1) };
}

function suffix(length: number, size: number): { start: number; end: number } | 'unsatisfiable' {
  return length === 0 || size === 0 ? 'unsatisfiable' : { start: Math.max(0, size - length), end: size };
}
