/** `readFile` and `writeFile` of a FileHandle: at the cursor, in pieces, between which a signal is looked at. */
import { plainBytes } from '../bytes.js';
import { fileTooLarge, invalidArgType, invalidArgValue } from '../errors.js';
import type { MappedFile } from '../mapped-file.js';
import { checkBoolean } from '../streams/options.js';

/** Node's, in bytes. */
const pieceSize = 512 * 1024;
const mostRead = 2 ** 31 - 1;

/** What node:fs takes, as far as it matters once the file is open. */
export interface WholeOptions {
  encoding?: BufferEncoding | null | undefined;
  signal?: AbortSignal | undefined;
  /** Waits until the bytes are on the device. */
  flush?: boolean | undefined;
}

/** The bytes from the cursor to the end of the file, or its text. */
export async function readToEnd(file: MappedFile, options: unknown): Promise<Buffer | string> {
  const { encoding, signal } = optionsOf(options);
  checkAborted(signal);
  // What a spool has now is not all that there will be.
  const size = file.backing === 'spool' ? 0 : file.refreshSync();
  if (size > mostRead) throw fileTooLarge(size);
  let bytes = Buffer.allocUnsafeSlow(size === 0 ? pieceSize : size);
  let done = 0;
  for (;;) {
    const { bytesRead } = await file.read(bytes, done, Math.min(pieceSize, bytes.length - done), null);
    done += bytesRead;
    if (bytesRead === 0 || done === size) break;
    checkAborted(signal);
    if (done === bytes.length) bytes = Buffer.concat([bytes], 2 * bytes.length);
  }
  const whole = bytes.subarray(0, done);
  return encoding ? whole.toString(encoding) : whole;
}

/** Writes a string, a buffer, or each of those that an iterable gives. */
export async function writeAll(file: MappedFile, data: unknown, options: unknown): Promise<void> {
  const { encoding, signal, flush } = optionsOf(options);
  checkBoolean(flush, 'options.flush');
  checkAborted(signal);
  const write = async (chunk: unknown): Promise<void> => {
    const bytes = ArrayBuffer.isView(chunk) ? plainBytes(chunk) : Buffer.from(chunk as string, encoding ?? 'utf8');
    // In one piece where nobody may abort it: it is taken at once, as `MappedFile.write` does, and no other comes between.
    const most = signal === undefined ? Infinity : pieceSize;
    for (let done = 0; done < bytes.length;) {
      checkAborted(signal);
      const { bytesWritten } = await file.write(bytes, done, Math.min(most, bytes.length - done), null);
      done += bytesWritten;
    }
  };
  if (typeof data === 'string' || ArrayBuffer.isView(data)) await write(data);
  else if (isIterable(data)) {
    for await (const chunk of data) await write(chunk);
    checkAborted(signal);
  } else throw invalidArgType('data', 'of type string or an instance of Buffer, TypedArray, or DataView', data);
  if (flush) await file.flush();
}

function optionsOf(options: unknown): WholeOptions {
  if (options === undefined || options === null) return {};
  const given = typeof options === 'string' ? { encoding: options } : options;
  if (typeof given !== 'object') throw invalidArgType('options', 'of type string or an instance of Object', given);
  const { encoding } = given as WholeOptions;
  if (encoding && !Buffer.isEncoding(encoding)) throw invalidArgValue('encoding', encoding, 'is invalid encoding');
  return given;
}

/** In Node's form: the signal's reason is the cause. */
function checkAborted(signal: AbortSignal | undefined): void {
  if (!signal?.aborted) return;
  const error = new Error('The operation was aborted', { cause: signal.reason });
  throw Object.assign(error, { name: 'AbortError', code: 'ABORT_ERR' });
}

function isIterable(value: unknown): value is AsyncIterable<unknown> {
  const { [Symbol.asyncIterator]: async, [Symbol.iterator]: sync } = (value ?? {}) as Partial<
    AsyncIterable<unknown> & Iterable<unknown>
  >;
  return typeof async === 'function' || typeof sync === 'function';
}
