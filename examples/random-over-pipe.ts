/**
 * Lists the zip archive on standard input, or writes one of its members to standard output:
 * `curl … | node out/examples/random-over-pipe.js [MEMBER]`.
 * The table of contents is at an archive's end, and tells where to go back to. A pipe cannot go back: it is spooled to a
 * temporary file without a name, which is mapped. An archive that is redirected (`< a.zip`) is mapped itself.
 */
import { pipeline } from 'node:stream/promises';
import { createInflateRaw } from 'node:zlib';

import { MappedFile } from 'sliding-mmap';

// APPNOTE.TXT, 4.3: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
const END = 0x06054b50;
const END_LENGTH = 22;
const END64_LOCATOR = 0x07064b50;
const END64_LOCATOR_LENGTH = 20;
const END64 = 0x06064b50;
const MEMBER = 0x02014b50;
const MEMBER_LENGTH = 46;
const LOCAL = 0x04034b50;
const LOCAL_LENGTH = 30;
const ZIP64_EXTRA = 1;
const STORED = 0;
const DEFLATED = 8;

interface Member {
  name: string;
  /** 0 stored, 8 deflated (4.4.5). */
  method: number;
  encrypted: boolean;
  compressed: number;
  size: number;
  /** Where in the archive its local header is. */
  position: number;
}

interface Contents {
  position: number;
  count: number;
}

/** Where the table of contents is. Its record is the last thing in the file but for a comment. */
function findContents(file: MappedFile): Contents {
  const signature = Buffer.from('PK\x05\x06', 'latin1');
  let at = file.size - END_LENGTH;
  for (; at >= 0; at--) {
    at = file.lastIndexOf(signature, at);
    // A comment may have the signature in it; only the record itself ends where the file ends.
    if (at < 0 || at + END_LENGTH + file.getUint16(at + 20, true) === file.size) break;
  }
  if (at < 0 || file.getUint32(at, true) !== END) throw new Error('standard input is no zip archive');
  const locator = at - END64_LOCATOR_LENGTH;
  if (locator < 0 || file.getUint32(locator, true) !== END64_LOCATOR) {
    return { position: file.getUint32(at + 16, true), count: file.getUint16(at + 10, true) };
  }
  const end = integer(file.getBigUint64(locator + 8, true));
  if (file.getUint32(end, true) !== END64) throw new Error('the zip64 record is not where it should be');
  return {
    position: integer(file.getBigUint64(end + 48, true)),
    count: integer(file.getBigUint64(end + 32, true)),
  };
}

function* members(file: MappedFile): Generator<Member> {
  const { position, count } = findContents(file);
  let at = position;
  for (let i = 0; i < count; i++) {
    if (file.getUint32(at, true) !== MEMBER) throw new Error(`no member at ${at}, the archive is damaged`);
    const nameEnd = at + MEMBER_LENGTH + file.getUint16(at + 28, true);
    const extraEnd = nameEnd + file.getUint16(at + 30, true);
    const flags = file.getUint16(at + 8, true);
    const member: Member = {
      // Bit 11: UTF-8. What it is otherwise depends on who made it (4.4.4, appendix D).
      name: file.sliceSync(at + MEMBER_LENGTH, nameEnd).toString((flags & 0x800) === 0 ? 'latin1' : 'utf8'),
      method: file.getUint16(at + 10, true),
      encrypted: (flags & 1) !== 0,
      compressed: file.getUint32(at + 20, true),
      size: file.getUint32(at + 24, true),
      position: file.getUint32(at + 42, true),
    };
    widen(file, member, nameEnd, extraEnd);
    yield member;
    at = extraEnd + file.getUint16(at + 32, true);
  }
}

/** What did not fit 32 bits is in an extra field, in this order (4.5.3). */
function widen(file: MappedFile, member: Member, start: number, end: number): void {
  for (let at = start; at + 4 <= end; at += 4 + file.getUint16(at + 2, true)) {
    if (file.getUint16(at, true) !== ZIP64_EXTRA) continue;
    let field = at + 4;
    for (const key of ['size', 'compressed', 'position'] as const) {
      if (member[key] !== 0xffffffff) continue;
      member[key] = integer(file.getBigUint64(field, true));
      field += 8;
    }
  }
}

function integer(value: bigint): number {
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new RangeError(`${value} is no position in a file`);
  return Number(value);
}

async function extract(file: MappedFile, member: Member): Promise<void> {
  const { encrypted, method, name, position } = member;
  if (encrypted || (method !== STORED && method !== DEFLATED)) {
    throw new Error(`${name} is ${encrypted ? 'encrypted' : `compressed by method ${method}`}: cannot read it`);
  }
  if (file.getUint32(position, true) !== LOCAL) throw new Error(`${name} is not where it should be`);
  const start = position + LOCAL_LENGTH + file.getUint16(position + 26, true) + file.getUint16(position + 28, true);
  const data = file.readable({ start, end: start + member.compressed });
  if (method === STORED) await pipeline(data, process.stdout);
  else await pipeline(data, createInflateRaw(), process.stdout);
}

async function main(wanted: string | undefined): Promise<void> {
  await using file = await MappedFile.open(0, 'r', { backing: 'spool' });
  await file.prefetch(); // until all has arrived
  for (const member of members(file)) {
    if (wanted === undefined) console.log(`${String(member.size).padStart(12)}  ${member.name}`);
    else if (member.name === wanted) return await extract(file, member);
  }
  if (wanted !== undefined) throw new Error(`the archive has no member '${wanted}'`);
}

const [wanted, ...rest] = process.argv.slice(2);
if (rest.length > 0) {
  console.error('Usage: random-over-pipe [MEMBER] < ARCHIVE');
  process.exitCode = 2;
} else {
  main(wanted).catch((error: Error) => {
    console.error(`random-over-pipe: ${error.message}`);
    process.exitCode = 1;
  });
}
