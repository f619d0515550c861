/**
 * Serves files of any size, and byte ranges of them, on this machine only:
 * `node out/examples/serve-ranges.js [--port N] FILE…`, each as http://127.0.0.1:N/NAME.
 *
 * So downloads can be resumed (`curl -C - -O`), and players and archive readers get the pieces they ask for: one range as
 * it is, several as multipart/byteranges, HEAD, and the conditional headers. Whatever the range, a response holds one
 * chunk of 256 KiB; a client that goes away, or reads slowly, costs no more.
 */
import { randomBytes } from 'node:crypto';
import { statSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { basename } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { parseArgs } from 'node:util';

import { MappedFile } from 'sliding-mmap';

import { type Range, requestedRanges } from './serve-ranges/ranges.js';
import { refusal, sameVersion, validatorsOf } from './serve-ranges/validators.js';

const TYPE = 'application/octet-stream';

interface Part extends Range {
  /** What to send before the bytes. */
  head: string;
}

/** The body of an answer with several ranges (RFC 9110, 14.6). */
function multipart(ranges: readonly Range[], size: number, boundary: string): { parts: Part[]; tail: string } {
  const parts = ranges.map((range, i) => ({
    ...range,
    head: `${i === 0 ? '' : '\r\n'}--${boundary}\r\nContent-Type: ${TYPE}\r\nContent-Range: ${contentRange(range, size)}\r\n\r\n`,
  }));
  return { parts, tail: `\r\n--${boundary}--\r\n` };
}

function contentRange({ start, end }: Range, size: number): string {
  return `bytes ${start}-${end - 1}/${size}`;
}

async function* bodyOf(file: MappedFile, parts: readonly Part[], tail: string): AsyncGenerator<Uint8Array | string> {
  for (const { start, end, head } of parts) {
    if (head !== '') yield head;
    yield* file.readable({ start, end });
  }
  if (tail !== '') yield tail;
}

async function serve(path: string, { method, headers }: IncomingMessage, response: ServerResponse): Promise<void> {
  // Opened for each answer: a file that is replaced is served anew, and an answer has its bytes from one file.
  await using file = await MappedFile.open(path);
  const stats = await file.stat();
  const { size } = stats;
  const validators = validatorsOf(stats);
  response.setHeader('Accept-Ranges', 'bytes');
  response.setHeader('ETag', validators.etag);
  response.setHeader('Last-Modified', new Date(validators.lastModified * 1000).toUTCString());

  const refused = refusal(headers, validators);
  if (refused !== undefined) return answer(response, refused);

  // Ranges are for GET alone (14.2).
  const ranges =
    method === 'GET' && sameVersion(headers['if-range'] as string | undefined, validators)
      ? requestedRanges(headers.range, size)
      : undefined;
  let parts: Part[];
  let tail = '';
  if (ranges?.length === 0) {
    response.setHeader('Content-Range', `bytes */${size}`);
    return answer(response, 416);
  }
  if (ranges === undefined || ranges.length === 1) {
    const range = ranges?.[0] ?? { start: 0, end: size };
    parts = [{ ...range, head: '' }];
    response.setHeader('Content-Type', TYPE);
    if (ranges !== undefined) response.setHeader('Content-Range', contentRange(range, size));
  } else {
    const boundary = randomBytes(16).toString('hex');
    ({ parts, tail } = multipart(ranges, size, boundary));
    response.setHeader('Content-Type', `multipart/byteranges; boundary=${boundary}`);
  }
  const length = parts.reduce((sum, { start, end, head }) => sum + head.length + end - start, tail.length);
  response.setHeader('Content-Length', length);
  response.statusCode = ranges === undefined ? 200 : 206;
  if (method === 'HEAD') return void response.end();
  // A file that shrinks meanwhile cannot give what was promised: then the connection is cut, so that the client knows.
  response.strictContentLength = true;
  await pipeline(bodyOf(file, parts, tail), response);
}

function answer(response: ServerResponse, status: number): void {
  response.statusCode = status;
  response.setHeader('Content-Length', 0);
  if (status === 304) response.removeHeader('Content-Length');
  response.end();
}

/** Answers a request; what goes wrong in that is the client's to know, and ends nothing but its connection. */
async function respond(files: ReadonlyMap<string, string>, request: IncomingMessage, response: ServerResponse) {
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('Allow', 'GET, HEAD');
    return answer(response, 405);
  }
  const path = files.get(nameOf(request.url ?? '') ?? '');
  if (path === undefined) return answer(response, 404);
  try {
    await serve(path, request, response);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ERR_STREAM_PREMATURE_CLOSE') return; // the client went away
    console.error(`serve-ranges: ${message}`);
    if (response.headersSent) response.destroy();
    else answer(response, code === 'ENOENT' ? 404 : code === 'EACCES' ? 403 : 500);
  }
}

/** The name that a path asks for, however it is written; `undefined` for what is no path of one name. */
function nameOf(url: string): string | undefined {
  const written = /^\/([^/?]+)(?:\?|$)/.exec(url)?.[1];
  try {
    return written === undefined ? undefined : decodeURIComponent(written);
  } catch {
    return undefined; // no UTF-8
  }
}

/** The files by the names that they are asked for by. */
function filesOf(paths: readonly string[]): Map<string, string> {
  const files = new Map<string, string>();
  for (const path of paths) {
    const name = basename(path);
    if (!statSync(path).isFile()) throw new Error(`'${path}' is no file`);
    if (files.has(name)) throw new Error(`two files are named '${name}'`);
    files.set(name, path);
  }
  return files;
}

try {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { port: { type: 'string', default: '8080' } },
  });
  const port = Number(values.port);
  if (positionals.length === 0 || !(port >= 0 && port < 65536)) throw new Error('Usage: serve-ranges [--port N] FILE…');
  const files = filesOf(positionals);
  const server = createServer((request, response) => void respond(files, request, response));
  server.on('error', (error) => {
    console.error(`serve-ranges: ${error.message}`);
    process.exitCode = 1;
  });
  server.listen(port, '127.0.0.1', () => {
    const { address, port } = server.address() as AddressInfo;
    for (const name of files.keys()) console.log(`http://${address}:${port}/${encodeURIComponent(name)}`);
  });
} catch (error) {
  console.error(`serve-ranges: ${(error as Error).message}`);
  process.exitCode = 2;
}
