import assert from 'node:assert/strict';
import fs from 'node:fs';
import { type FollowEvent, type LinesOptions, MappedFile } from 'sliding-mmap';
import { Folder } from '../../helpers/files.js';

/** Takes lines until `count` have come. */
async function take<T>(lines: AsyncIterator<T>, count: number): Promise<T[]> {
  const taken: T[] = [];
  while (taken.length < count) {
    const step = await lines.next();
    assert.ok(!step.done);
    taken.push(step.value);
  }
  return taken;
}

/** True while a step is still waited for after some turns of the event loop and of the system's events. */
async function waits(step: Promise<unknown>): Promise<boolean> {
  const later = new Promise((resolve) => setTimeout(() => resolve(waits), 50));
  return (await Promise.race([step, later])) === waits;
}

describe('lines({ follow })', () => {
  it('gives a line when its newline has come, and not before', async () => {
    using folder = new Folder();
    const log = folder.file('one\ntw', 'log');
    await using file = await MappedFile.open(log);
    const lines = file.lines({ follow: true });
    const steps = lines[Symbol.asyncIterator]();
    assert.deepEqual(await take(steps, 1), ['one']);
    assert.equal(lines.position, 4);
    const step = steps.next();
    assert.ok(await waits(step));
    fs.appendFileSync(log, 'o');
    assert.ok(await waits(step));
    fs.appendFileSync(log, '\r');
    assert.ok(await waits(step));
    fs.appendFileSync(log, '\nthree\n');
    assert.deepEqual(await step, { done: false, value: 'two' });
    assert.deepEqual(await take(steps, 1), ['three']);
    assert.equal(lines.position, 15);
    await steps.return!();
  });

  it('gives what a file holds whose lines come in any pieces', async () => {
    const texts: Array<[string, LinesOptions]> = [
      ['ab\r\n\r\n€uro ü\nlast one\n', {}],
      ['\ufeffab\ncd\n', {}],
      ['a<>b<>><c<>', { delimiter: '<>' }],
      ['aaabaaaa', { delimiter: 'aa' }],
      ['\ufeffab\nüc\r\n', { encoding: 'utf16le' }],
      ['a very long line that is cut\nshort\nand another one that is\n', { maxLineLength: 6, overflow: 'truncate' }],
    ];
    for (const [text, options] of texts) {
      using folder = new Folder();
      const bytes = Buffer.from(text, options.encoding === 'utf16le' ? 'utf16le' : 'utf8');
      const whole = folder.file(bytes, 'whole');
      await using reference = await MappedFile.open(whole);
      const expected = [...reference.lines(options)];
      for (const step of [1, 2, 3, 7]) {
        const log = folder.file('', 'log');
        await using file = await MappedFile.open(log);
        const lines = file.lines({ ...options, follow: true })[Symbol.asyncIterator]();
        const all = take(lines, expected.length);
        for (let at = 0; at < bytes.length; at += step) {
          fs.appendFileSync(log, bytes.subarray(at, at + step));
          await new Promise((resolve) => setTimeout(resolve, 2));
        }
        assert.deepEqual(await all, expected);
        await lines.return!();
      }
    }
  });

  it('gives lines behind one that is cut, of which half a unit came first', async () => {
    using folder = new Folder();
    const log = folder.file('', 'log');
    const bytes = Buffer.from(`${'x'.repeat(50_000)}\ntwo\nthree\n`, 'utf16le');
    const options = { encoding: 'utf16le', maxLineLength: 8, overflow: 'truncate' } as const;
    await using file = await MappedFile.open(log);
    const lines = file.lines({ ...options, follow: true })[Symbol.asyncIterator]();
    const step = lines.next();
    fs.appendFileSync(log, bytes.subarray(0, 80_001));
    assert.ok(await waits(step));
    fs.appendFileSync(log, bytes.subarray(80_001));
    assert.deepEqual(await step, { done: false, value: 'xxxx' });
    assert.deepEqual(await take(lines, 2), ['two', 'thre']);
    await lines.return!();
  });

  it('gives lines longer than a block, and those after them', async () => {
    using folder = new Folder();
    const log = folder.file('', 'log');
    await using file = await MappedFile.open(log);
    const lines = file.lines({ follow: true })[Symbol.asyncIterator]();
    const all = take(lines, 4);
    const long = 'x'.repeat(200_001);
    for (const piece of [
      'first\n',
      long.slice(0, 70_000),
      long.slice(70_000, 150_000),
      long.slice(150_000),
      '\nsec',
      'ond\nthird\n',
    ]) {
      fs.appendFileSync(log, piece);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    assert.deepEqual(await all, ['first', long, 'second', 'third']);
    await lines.return!();
  });

  it('gives the last line of a file that was replaced, and the first of the next, apart', async () => {
    using folder = new Folder();
    const log = folder.file('one\nunfinished', 'log');
    await using file = await MappedFile.open(log);
    const heard: Array<Partial<FollowEvent> | string> = [];
    const onEvent = ({ type, position }: FollowEvent): void => void heard.push({ type, position });
    const lines = file.lines({ follow: { onEvent, grace: 0 } });
    fs.renameSync(log, folder.join('log.1'));
    fs.writeFileSync(log, '\ufeffnew\n');
    for await (const line of lines) {
      heard.push(line);
      if (line === 'new') break;
    }
    assert.deepEqual(heard, ['one', 'unfinished', { type: 'replaced', position: 14 }, 'new']);
    assert.equal(lines.position, 7);
  });

  it('does not give what came of a line before its file was truncated', async () => {
    using folder = new Folder();
    const log = folder.file('one\nunfin', 'log');
    await using file = await MappedFile.open(log);
    const heard: Array<Partial<FollowEvent> | string> = [];
    const onEvent = ({ type, position }: FollowEvent): void => void heard.push({ type, position });
    const batches = file.lines({ follow: { onEvent } }).batches()[Symbol.asyncIterator]();
    heard.push(...(await take(batches, 1)).flat());
    const next = batches.next();
    assert.ok(await waits(next));
    fs.truncateSync(log);
    fs.appendFileSync(log, 'ished\nnew\n');
    heard.push(...((await next).value as string[]));
    if (heard.at(-1) === 'ished') heard.push(...(await take(batches, 1)).flat());
    assert.deepEqual(heard, ['one', { type: 'truncated', position: 4 }, 'ished', 'new']);
    await batches.return!();
  });

  it('begins where it is told to', async () => {
    using folder = new Folder();
    const log = folder.file('one\ntwo\n', 'log');
    await using file = await MappedFile.open(log);
    const options: LinesOptions<Buffer> = { follow: true, start: 8, encoding: 'buffer' };
    const lines = file.lines(options)[Symbol.asyncIterator]();
    const step = lines.next();
    fs.appendFileSync(log, 'three\n');
    assert.deepEqual((await step).value, Buffer.from('three'));
    await lines.return!();
  });

  it('ends by its signal, by leaving, and by the closing of its file', async () => {
    using folder = new Folder();
    const file = await MappedFile.open(folder.file('a\n', 'log'));
    const stop = new AbortController();
    const steps = (options: LinesOptions): AsyncIterableIterator<string> =>
      file.lines({ ...options, follow: true })[Symbol.asyncIterator]();
    const [aborted, left, closed] = [steps({ signal: stop.signal }), steps({}), steps({})] as const;
    for (const lines of [aborted, left, closed]) assert.deepEqual(await take(lines, 1), ['a']);
    const reason = new Error('enough');
    const ends = Promise.allSettled([aborted.next(), left.next(), closed.next()]);
    stop.abort(reason);
    await left.return!();
    await file.close();
    const [first, second, third] = await ends;
    assert.deepEqual(first, { status: 'rejected', reason });
    assert.deepEqual(second, { status: 'fulfilled', value: { done: true, value: undefined } });
    assert.equal(third.status === 'rejected' && (third.reason as { code: string }).code, 'ERR_MAPPED_FILE_CLOSED');
  });

  it('fails with what its listener throws, and can be ended by it', async () => {
    using folder = new Folder();
    const log = folder.file('a\n', 'log');
    await using file = await MappedFile.open(log);
    const stop = new AbortController();
    const error = new Error('from the listener');
    const end = new Error('ended by the listener');
    const listeners = [
      () => {
        throw error;
      },
      () => stop.abort(end),
    ];
    for (const [i, onEvent] of listeners.entries()) {
      fs.writeFileSync(log, 'a\n');
      const lines = file.lines({ follow: { onEvent }, signal: stop.signal })[Symbol.asyncIterator]();
      await take(lines, 1);
      fs.truncateSync(log);
      await assert.rejects(lines.next(), i === 0 ? error : end);
    }
  });

  it('refuses synchronous iteration, and options that do not go together', async () => {
    using folder = new Folder();
    await using file = await MappedFile.open(folder.file('a\n', 'log'));
    assert.throws(() => [...file.lines({ follow: true })], { code: 'ERR_INVALID_STATE' });
    const value = { code: 'ERR_INVALID_ARG_VALUE' };
    assert.throws(() => file.lines({ follow: true, reverse: true }), value);
    for (const end of [0, 3]) assert.throws(() => file.lines({ follow: true, end }), value);
    assert.throws(() => file.lines({ follow: 1 as never }), { code: 'ERR_INVALID_ARG_TYPE' });
  });
});
