/**
 * A file of 1 TiB, sparse, in a temporary folder: values are written at places scattered all over it and read back,
 * through windows that share 256 MiB of address space. `node out/examples/bigger-than-memory.js [--limit MIB]`
 *
 * With `--limit`, the process itself may take no more than so many MiB of address space beyond what it has when it
 * starts (prlimit(1), of util-linux): as few as 64 do, the library then makes do with what it gets.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { MappedFile, WindowPool } from 'sliding-mmap';

const MiB = 2 ** 20;
const TiB = 2 ** 40;
const PLACES = 10_000;

/** Where the n-th value is. Multiples of an odd number, modulo a power of two, meet no slot of eight bytes twice. */
function place(n: number): number {
  return Number(BigInt.asUintN(37, BigInt(n) * 0x9e3779b97f4a7c15n)) * 8;
}

/** What it is: its own position, scrambled, so that another place's bytes would show. */
function value(position: number): bigint {
  return BigInt.asUintN(64, (BigInt(position) + 1n) * 0xd1342543de82ef95n);
}

function memory(title: string, pool: WindowPool): void {
  const mib = (bytes: number) => `${(bytes / MiB).toFixed(0).padStart(5)} MiB`;
  const { refusals, windowBytes, windows } = pool.stats();
  console.log(
    `${title.padEnd(10)} windows ${mib(windowBytes)} in ${windows}, resident ${mib(process.memoryUsage.rss())}` +
      `, address space of the process ${mib(addressSpace())}` +
      (refusals === 0 ? '' : `; refused ${refusals} times`),
  );
}

/** Of the whole process, in bytes (proc(5), VmSize); V8 itself reserves much of it. NaN where the system does not tell. */
function addressSpace(): number {
  try {
    return Number(/^VmSize:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'latin1'))?.[1]) * 1024;
  } catch {
    return NaN;
  }
}

/** Lets this process have `mib` MiB of address space beyond what it has now. */
function limitAddressSpace(mib: number): void {
  const bytes = addressSpace() + mib * MiB;
  if (Number.isNaN(bytes)) throw new Error('--limit needs Linux');
  execFileSync('prlimit', [`--pid=${process.pid}`, `--as=${bytes}`]);
  console.log(`limited to ${(bytes / MiB).toFixed(0)} MiB of address space, ${mib} more than it has`);
}

async function main(folder: string, limit: number | undefined): Promise<void> {
  const pool = new WindowPool({ limit: 256 * MiB });
  await using file = await MappedFile.open(join(folder, 'sparse'), 'w+', { pool });
  await file.truncate(TiB);
  if (limit !== undefined) limitAddressSpace(limit);
  memory('at first', pool);
  for (let n = 0; n < PLACES; n++) file.setBigUint64(place(n), value(place(n)));
  memory('written', pool);
  await file.flush();
  for (let n = 0; n < PLACES; n++) {
    const position = place(n);
    if (file.getBigUint64(position) !== value(position)) throw new Error(`a wrong value at ${position}`);
  }
  memory('read', pool);
  const { blocks } = await file.stat();
  console.log(
    `${PLACES} values of a file of ${file.size / TiB} TiB (${((blocks * 512) / MiB).toFixed(0)} MiB on disk) are right`,
  );
}

function limitOf(args: string[]): number | undefined {
  const { limit } = parseArgs({ args, options: { limit: { type: 'string' } } }).values;
  if (limit === undefined) return undefined;
  const mib = Number(limit);
  if (!Number.isInteger(mib) || mib < 1) throw new Error('--limit takes a number of MiB');
  return mib;
}

let limit: number | undefined;
try {
  limit = limitOf(process.argv.slice(2));
} catch (error) {
  console.error(`bigger-than-memory: ${(error as Error).message}`);
  process.exit(2);
}

const folder = mkdtempSync(join(tmpdir(), 'bigger-than-memory-'));
main(folder, limit)
  .catch((error: Error) => {
    console.error(`bigger-than-memory: ${error.message}`);
    process.exitCode = 1;
  })
  .finally(() => rmSync(folder, { recursive: true }));
