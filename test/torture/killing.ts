/** Writers that are killed by SIGKILL. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { MappedFile } from 'sliding-mmap';
import { type Told, record, recordLength, records, toldBy, type Way } from './records.js';
import { Program, Random, Scratch } from './support.js';

/** Most records that one call of the writer adds. */
const mostPending = 100;

/** Kills one writer by the way, or mixed ways, at a random moment; gives what it had told. */
export async function killWriter(way: Way | 'mixed', seed: number): Promise<Told> {
  const random = new Random(seed);
  using folder = new Scratch();
  const path = folder.join('data');
  let output = '';
  {
    await using writer = new Program('record-writer', [path, way, seed]);
    writer.child.stdout?.setEncoding('latin1').on('data', (text: string) => (output += text));
    await writer.message();
    await delay(random.below(120));
    assert.equal(writer.child.exitCode, null, 'the writer ended by itself');
    writer.child.kill('SIGKILL');
    const { signal, stderr } = await writer.ended();
    assert.equal(signal, 'SIGKILL', stderr);
  }
  const told = toldBy(output);
  check(path, way, told);
  return told;
}

/** The kill of a process loses nothing that a completed call had written, flushed or not: the page cache stays. */
function check(path: string, way: Way | 'mixed', told: Told): void {
  const content = fs.readFileSync(path);
  const whole = told.written * recordLength;
  const most = told.written + mostPending;
  assert.ok(told.flushed <= told.written);
  assert.ok(content.length >= whole, `${content.length} bytes are left of ${whole} that were written`);
  assert.ok(content.length <= most * recordLength, `${content.length} bytes, more than were written`);
  const expected = records(0, most).subarray(0, content.length);
  assert.ok(expected.subarray(0, whole).equals(content.subarray(0, whole)), 'a record that was written is not there');
  // The call that was under way: a piece of its bytes, from the front; or, where the file was extended first, what was
  // written of it and zeros.
  const rest = content.subarray(whole);
  const isExtendedFirst = way === 'setters' || way === 'view' || way === 'mixed';
  const isRight = isExtendedFirst
    ? rest.every((byte, i) => byte === 0 || byte === expected[whole + i])
    : rest.equals(expected.subarray(whole));
  assert.ok(isRight, 'bytes that nobody wrote');

  // Nothing to repair: the next writer goes on.
  using file = MappedFile.openSync(path, 'r+');
  assert.equal(file.size, content.length);
  file.writeSync(record(most), 0, recordLength, content.length);
  assert.equal(fs.statSync(path).size, content.length + recordLength);
}
