/**
 * Changes bytes in the middle of a file of any size, in place, and shows what was there and what is:
 * `node out/examples/patch.js FILE POSITION HEX`, or `… FILE POSITION --text STRING`.
 * POSITION is a byte offset, decimal or 0x…. The file never grows.
 */
import { parseArgs } from 'node:util';

import { MappedFile } from 'sliding-mmap';

const USAGE = 'Usage: patch FILE POSITION HEX\n       patch FILE POSITION --text STRING';

class UsageError extends Error {}

interface Request {
  path: string;
  position: number;
  patch: Buffer;
}

function request(): Request {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { text: { type: 'string' } } });
  const [path, place, hex, ...rest] = positionals;
  if (path === undefined || place === undefined || rest.length > 0) throw new UsageError(USAGE);
  if ((hex === undefined) === (values.text === undefined)) throw new UsageError(USAGE);
  const position = Number(place);
  if (place.trim() === '' || !Number.isSafeInteger(position) || position < 0) {
    throw new UsageError(`'${place}' is no byte offset`);
  }
  if (hex !== undefined && !/^(?:[\da-f]{2})+$/i.test(hex))
    throw new UsageError(`'${hex}' is not made of hex digits in pairs`);
  return { path, position, patch: hex === undefined ? Buffer.from(values.text!) : Buffer.from(hex, 'hex') };
}

async function patchFile({ path, position, patch }: Request): Promise<void> {
  await using file = await MappedFile.open(path, 'r+');
  const end = position + patch.length;
  if (end > file.size)
    throw new RangeError(`${path} has ${file.size} bytes: nothing to change at ${position} to ${end}`);
  const show = async (title: string) => console.log(`${title}\n${dump(await file.slice(position, end), position)}`);
  await show('before');
  await file.write(patch, 0, patch.length, position);
  await file.flush(position, end);
  await show('after');
}

/** Sixteen bytes a line: offset, hex, text. */
function dump(bytes: Buffer, position: number): string {
  const lines: string[] = [];
  for (let i = 0; i < bytes.length; i += 16) {
    const row = bytes.subarray(i, i + 16);
    const hex = row.toString('hex').replace(/..(?=.)/g, '$& ');
    const text = row.toString('latin1').replace(/[^ -~]/g, '.');
    lines.push(`  ${(position + i).toString(16).padStart(12, '0')}  ${hex.padEnd(47)}  ${text}`);
  }
  return lines.join('\n');
}

async function main(): Promise<void> {
  await patchFile(request());
}

main().catch((error: Error & { code?: string }) => {
  console.error(error instanceof UsageError ? error.message : `patch: ${error.message}`);
  process.exitCode = error instanceof UsageError || error.code?.startsWith('ERR_PARSE_ARGS') ? 2 : 1;
});
