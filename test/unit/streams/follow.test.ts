import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import type { ReadableStreamDefaultReader } from 'node:stream/web';
import { setTimeout as delay } from 'node:timers/promises';
import { type FollowEvent, type FollowOptions, MappedFile } from 'sliding-mmap';
import { run } from '../../helpers/child.js';
import { Folder } from '../../helpers/files.js';
import { followRotation } from '../../helpers/rotation.js';
import { configurations } from '../../helpers/sizes.js';
import { implementations } from '../../helpers/stream-classes.js';
import { itUnless, onlyLinuxTells, onWindows } from '../../helpers/systems.js';

type Reader = ReadableStreamDefaultReader<Uint8Array>;

/** Reads until `text` has come, and fails when anything else does. */
async function expect(reader: Reader, text: string): Promise<void> {
  let got = '';
  while (got.length < text.length && text.startsWith(got)) {
    const { value, done } = await reader.read();
    assert.ok(!done);
    got += Buffer.from(value).toString();
  }
  assert.equal(got, text);
}

/** A listener that keeps what it hears, without the path. */
function listener(log: string): { events: Array<Omit<FollowEvent, 'path'>>; onEvent: (event: FollowEvent) => void } {
  const events: Array<Omit<FollowEvent, 'path'>> = [];
  return {
    events,
    onEvent({ path, ...event }) {
      assert.equal(path, log);
      events.push(event);
    },
  };
}

const keepsNames = onWindows('the name of an open file stays taken');
const tellsNoNames = onWindows('names are not told in their order');
/** Only Linux tells. */
const noneMissed = process.platform === 'linux' ? 0 : undefined;

describe('readable({ follow })', function () {
  this.timeout(30_000);

  for (const [name, streams] of implementations) {
    it(`gives what is added, to default and to BYOB readers (${name})`, async () => {
      using folder = new Folder();
      const log = folder.file('one ', 'log');
      await using file = await MappedFile.open(log, 'r', { streams });
      const stream = file.readable({ follow: true, start: 1 });
      const reader = stream.getReader();
      await expect(reader, 'ne ');
      const waiting = reader.read();
      fs.appendFileSync(log, 'two ');
      assert.equal(Buffer.from((await waiting).value!).toString(), 'two ');
      reader.releaseLock();
      const byob = stream.getReader({ mode: 'byob' });
      const filled = byob.read(new Uint8Array(100));
      fs.appendFileSync(log, 'three');
      assert.equal(Buffer.from((await filled).value!).toString(), 'three');
      const cancelled = byob.read(new Uint8Array(100));
      await byob.cancel();
      assert.equal((await cancelled).done, true);
    });
  }

  for (const { name, options } of configurations) {
    it(`reads a large file to its end, and on (${name})`, async () => {
      using folder = new Folder();
      const log = folder.file(3_000_001, 'log');
      await using file = await MappedFile.open(log, 'r', options());
      let read = 0;
      for await (const chunk of file.readable({ follow: true, chunkSize: 100_000 })) {
        assert.deepEqual(Buffer.from(chunk), await file.slice(read, read + chunk.length));
        read += chunk.length;
        if (read === 3_000_001) fs.appendFileSync(log, 'more');
        if (read > 3_000_001) break;
      }
      assert.equal(read, 3_000_005);
    });
  }

  it('begins past the end when the file has grown to there', async () => {
    using folder = new Folder();
    const log = folder.file('12345', 'log');
    await using file = await MappedFile.open(log);
    const reader = file.readable({ follow: true, start: 8 }).getReader();
    const read = reader.read();
    fs.appendFileSync(log, '678');
    fs.appendFileSync(log, '9abc');
    assert.equal(Buffer.from((await read).value!).toString(), '9abc');
    await reader.cancel();
  });

  it('ends by its signal, by cancelling, and by the closing of its file, whatever it waits for', async () => {
    using folder = new Folder();
    const file = await MappedFile.open(folder.file('x', 'log'));
    const stop = new AbortController();
    const aborted = file.readable({ follow: true, signal: stop.signal }).getReader();
    const cancelled = file.readable({ follow: true }).getReader();
    const closed = file.readable({ follow: true }).getReader();
    const unread = file.readable({ follow: true }).getReader();
    for (const reader of [aborted, cancelled, closed]) await expect(reader, 'x');
    const ends = Promise.allSettled([aborted.read(), cancelled.read(), closed.read(), unread.closed]);
    const reason = new Error('enough');
    stop.abort(reason);
    await cancelled.cancel();
    await file.close();
    const [first, second, third, fourth] = await ends;
    assert.deepEqual(first, { status: 'rejected', reason });
    assert.deepEqual(second, { status: 'fulfilled', value: { done: true, value: undefined } });
    for (const end of [third, fourth])
      assert.equal(end.status === 'rejected' && (end.reason as { code: string }).code, 'ERR_MAPPED_FILE_CLOSED');
    assert.throws(() => file.readable({ follow: true }), { code: 'ERR_MAPPED_FILE_CLOSED' });
  });

  it('starts over when the file was truncated, and tells how far it had come', async () => {
    using folder = new Folder();
    const log = folder.file('before', 'log');
    const { events, onEvent } = listener(log);
    await using file = await MappedFile.open(log);
    const reader = file.readable({ follow: { onEvent } }).getReader();
    await expect(reader, 'before');
    const read = reader.read();
    fs.truncateSync(log);
    fs.appendFileSync(log, 'after');
    assert.equal(Buffer.from((await read).value!).toString(), 'after');
    assert.deepEqual(events, [{ type: 'truncated', position: 6 }]);
    await reader.cancel();
  });

  itUnless(keepsNames, 'takes for missing what is at its path and no file', async () => {
    using folder = new Folder();
    const log = folder.file('before', 'log');
    const { events, onEvent } = listener(log);
    await using file = await MappedFile.open(log);
    const reader = file.readable({ follow: { onEvent, grace: 0, pollInterval: 10 } }).getReader();
    await expect(reader, 'before');
    const read = reader.read();
    fs.rmSync(log);
    execFileSync('mkfifo', [log]);
    while (events.length === 0) await delay(5);
    assert.deepEqual(events, [{ type: 'missing', position: 6 }]);
    // Nobody has it open for reading.
    const { O_WRONLY, O_NONBLOCK } = fs.constants;
    assert.throws(() => fs.openSync(log, O_WRONLY | O_NONBLOCK), { code: 'ENXIO' });
    fs.rmSync(log);
    folder.file('after', 'log');
    assert.equal(Buffer.from((await read).value!).toString(), 'after');
    await reader.cancel();
  });

  it('recognises a file that was truncated and has grown again, to the same size or further', async () => {
    for (const content of ['BEFORE', 'longer than before', 'before truncated']) {
      using folder = new Folder();
      const log = folder.file('before', 'log');
      const { events, onEvent } = listener(log);
      await using file = await MappedFile.open(log);
      const reader = file.readable({ follow: { onEvent } }).getReader();
      await expect(reader, 'before');
      fs.writeFileSync(log, content); // truncates, and writes, between two looks
      if (content.startsWith('before')) {
        // What nobody can know.
        await expect(reader, ' truncated');
        assert.deepEqual(events, []);
      } else {
        await expect(reader, content);
        assert.deepEqual(events, [{ type: 'truncated', position: 6 }]);
      }
      await reader.cancel();
    }
  });

  it('compares from where it began, and over many small pieces', async () => {
    using folder = new Folder();
    const log = folder.file('0123456789', 'log');
    const { events, onEvent } = listener(log);
    await using file = await MappedFile.open(log);
    const reader = file.readable({ follow: { onEvent }, start: 10 }).getReader();
    let written = '0123456789';
    for (let i = 0; i < 300; i++) {
      const piece = String(i % 10);
      written += piece;
      fs.appendFileSync(log, piece);
      await expect(reader, piece);
    }
    // All the same but for one byte, before what was given last.
    fs.writeFileSync(log, `${written.slice(0, -100)}!${written.slice(-99)}and more`);
    await expect(reader, `${written.slice(0, -100)}!${written.slice(-99)}and more`);
    assert.deepEqual(events, [{ type: 'truncated', position: 310 }]);
    await reader.cancel();
  });

  it('reads the old file to its end when it was replaced, also what is written late', async () => {
    using folder = new Folder();
    const log = folder.file('a', 'log');
    const { events, onEvent } = listener(log);
    await using file = await MappedFile.open(log);
    const reader = file.readable({ follow: { onEvent, grace: 300 } }).getReader();
    await expect(reader, 'a');
    fs.renameSync(log, folder.join('log.1'));
    fs.appendFileSync(folder.join('log.1'), 'b');
    await expect(reader, 'b');
    fs.writeFileSync(log, 'new');
    const next = expect(reader, 'cnew');
    await delay(20);
    fs.appendFileSync(folder.join('log.1'), 'c');
    await next;
    assert.deepEqual(events, [{ type: 'replaced', position: 3, missed: noneMissed }]);
    await reader.cancel();
  });

  it('stays with the old file while the new one is empty', async () => {
    using folder = new Folder();
    const log = folder.file('a', 'log');
    await using file = await MappedFile.open(log);
    const reader = file.readable({ follow: { grace: 0 } }).getReader();
    await expect(reader, 'a');
    fs.renameSync(log, folder.join('log.1'));
    fs.writeFileSync(log, '');
    const next = expect(reader, 'bc');
    await delay(100);
    fs.appendFileSync(folder.join('log.1'), 'b');
    await delay(100);
    fs.appendFileSync(log, 'c');
    await next;
    await reader.cancel();
  });

  itUnless(keepsNames, 'waits for a file that was deleted to be made again', async () => {
    using folder = new Folder();
    const log = folder.file('a', 'log');
    const { events, onEvent } = listener(log);
    await using file = await MappedFile.open(log);
    const reader = file.readable({ follow: { onEvent, grace: 0, pollInterval: 20 } }).getReader();
    await expect(reader, 'a');
    const next = expect(reader, 'b');
    fs.unlinkSync(log);
    while (events.length === 0) await delay(5);
    fs.writeFileSync(log, 'b');
    await next;
    assert.deepEqual(events, [
      { type: 'missing', position: 1 },
      { type: 'replaced', position: 1, missed: noneMissed },
    ]);
    await reader.cancel();
  });

  itUnless(
    keepsNames,
    'notices a file that was put in its place by a rename, and a link that leads elsewhere',
    async () => {
      using folder = new Folder();
      fs.mkdirSync(folder.join('elsewhere'));
      const log = folder.join('log');
      fs.symlinkSync(folder.file('a', 'elsewhere/a'), log);
      await using file = await MappedFile.open(log);
      const reader = file.readable({ follow: { grace: 0 } }).getReader();
      await expect(reader, 'a');
      let next = expect(reader, 'A');
      await delay(30);
      fs.appendFileSync(folder.join('elsewhere/a'), 'A');
      await next;
      next = expect(reader, 'b');
      fs.symlinkSync(folder.file('b', 'elsewhere/b'), folder.join('link'));
      fs.renameSync(folder.join('link'), log);
      await next;
      next = expect(reader, 'c');
      fs.renameSync(folder.file('c', 'c'), log);
      await next;
      await reader.cancel();
    },
  );

  itUnless(
    onWindows('names are not told in their order'),
    'finds the files that came and went between two looks, in their order, and no others',
    async () => {
      using folder = new Folder();
      const log = folder.file('0', 'log');
      const { events, onEvent } = listener(log);
      await using file = await MappedFile.open(log);
      const reader = file.readable({ follow: { onEvent } }).getReader();
      await expect(reader, '0');
      for (let i = 1; i <= 5; i++) {
        for (let n = i; n > 1; n--) fs.renameSync(folder.join(`log.${n - 1}`), folder.join(`log.${n}`));
        fs.renameSync(log, folder.join('log.1'));
        fs.writeFileSync(log, String(i));
        fs.writeFileSync(folder.join(`log.lock${i}`), 'not this');
        if (i === 3) fs.copyFileSync(folder.join('log.1'), folder.join('log.1.gz'));
      }
      fs.unlinkSync(folder.join('log.3')); // '2'
      await expect(reader, '1345');
      assert.deepEqual(
        events.map(({ type, missed }) => [type, missed]),
        [0, 1, 0, 0].map((missed) => ['replaced', missed]),
      );
      await reader.cancel();
    },
  );

  itUnless(keepsNames, 'holds files that wait for their turn, so that they may be deleted', async () => {
    using folder = new Folder();
    const log = folder.file('0', 'log');
    await using file = await MappedFile.open(log);
    const reader = file.readable({ follow: { grace: 0 } }).getReader();
    await expect(reader, '0');
    for (let i = 1; i <= 3; i++) {
      fs.renameSync(log, folder.join('log.1'));
      fs.writeFileSync(log, String(i));
      await delay(50); // the system's events come, and nobody reads
    }
    fs.unlinkSync(folder.join('log.1'));
    fs.unlinkSync(log);
    await expect(reader, '123');
    await reader.cancel();
  });

  itUnless(tellsNoNames, 'loses and repeats nothing over rotations by a writer in another process', async () => {
    for (const [mode, as] of [
      ['keep', 'bytes'],
      ['keep', 'lines'],
      ['shift', 'bytes'],
    ] as const) {
      const milliseconds = mode === 'keep' ? 0 : 1;
      const { written, lost, wrong, repeated, untold, events } = await followRotation({
        mode,
        rotations: 100,
        milliseconds,
        as,
      });
      assert.ok(written > 1000);
      assert.deepEqual({ wrong, repeated, untold }, { wrong: [], repeated: 0, untold: 0 });
      // Of `shift`, files are deleted in the end: a process that gets no time meanwhile cannot have them.
      const missed = events.reduce((sum, event) => sum + (event.missed ?? 0), 0);
      if (mode === 'keep') assert.deepEqual({ lost, missed }, { lost: 0, missed: 0 });
      assert.equal(events.length + missed, 100);
    }
  });

  it('gives nothing wrong and repeats nothing over copies and truncations', async () => {
    const { wrong, repeated, untold, events } = await followRotation({
      mode: 'copy',
      rotations: 50,
      milliseconds: 2,
      as: 'lines',
    });
    assert.deepEqual({ wrong, repeated, untold }, { wrong: [], repeated: 0, untold: 0 });
    assert.ok(events.length > 0 && events.every(({ type }) => type === 'truncated'));
  });

  it('polls where the system tells of nothing', async () => {
    using folder = new Folder();
    const log = folder.file('a', 'log');
    await using file = await MappedFile.open(log);
    const { watch } = fs;
    fs.watch = () => {
      throw new Error('no more watches');
    };
    try {
      const reader = file.readable({ follow: { pollInterval: 10, grace: 0 } }).getReader();
      await expect(reader, 'a');
      let next = expect(reader, 'b');
      await delay(30);
      fs.appendFileSync(log, 'b');
      await next;
      next = expect(reader, 'c');
      await delay(30);
      fs.renameSync(log, folder.join('log.1'));
      await delay(30);
      fs.writeFileSync(log, 'c');
      await next;
      await reader.cancel();
    } finally {
      fs.watch = watch;
    }
  });

  itUnless(keepsNames, 'goes on when the folder was deleted and made again', async () => {
    using folder = new Folder();
    fs.mkdirSync(folder.join('logs'));
    const log = folder.file('a', 'logs/log');
    await using file = await MappedFile.open(log);
    const reader = file.readable({ follow: { pollInterval: 10, grace: 0 } }).getReader();
    await expect(reader, 'a');
    for (const content of ['b', 'c']) {
      const next = expect(reader, content);
      fs.rmSync(folder.join('logs'), { recursive: true });
      await delay(40);
      fs.mkdirSync(folder.join('logs'));
      fs.writeFileSync(log, content);
      await next;
    }
    await reader.cancel();
  });

  describe('a folder in the place of another', () => {
    const replacements: Array<[title: string, folder: string, replace: (folder: Folder) => void]> = [
      [
        'that was moved away',
        'logs',
        (folder) => {
          fs.renameSync(folder.join('logs'), folder.join('logs.old'));
          fs.mkdirSync(folder.join('logs'));
        },
      ],
      [
        'by a link that leads elsewhere',
        'link',
        (folder) => {
          fs.mkdirSync(folder.join('others'));
          fs.symlinkSync(folder.join('others'), folder.join('link.new'));
          fs.renameSync(folder.join('link.new'), folder.join('link'));
        },
      ],
    ];
    for (const [title, name, replace] of replacements) {
      itUnless(onlyLinuxTells, `is watched, ${title}; what came before is not known`, async () => {
        using folder = new Folder();
        fs.mkdirSync(folder.join('logs'));
        if (name === 'link') fs.symlinkSync(folder.join('logs'), folder.join('link'));
        const log = folder.file('a', `${name}/log`);
        const { events, onEvent } = listener(log);
        await using file = await MappedFile.open(log);
        const reader = file.readable({ follow: { onEvent, grace: 0, pollInterval: 50 } }).getReader();
        await expect(reader, 'a');
        const next = expect(reader, 'b');
        await delay(30); // it waits
        replace(folder);
        fs.writeFileSync(log, 'b');
        await next;
        // Nobody looks while these come and go.
        for (const [i, content] of ['c', 'd', 'e', 'f'].entries()) {
          fs.renameSync(log, folder.join(`${name}/log.${i}`));
          fs.writeFileSync(log, content);
        }
        await expect(reader, 'cdef');
        assert.deepEqual(
          events.filter(({ type }) => type !== 'missing').map(({ missed }) => missed),
          [undefined, 0, 0, 0, 0],
        );
        await reader.cancel();
      });
    }

    itUnless(onlyLinuxTells, 'is noticed at once, and so is what comes to be in it', async () => {
      using folder = new Folder();
      fs.mkdirSync(folder.join('logs'));
      const log = folder.file('a', 'logs/log');
      const { events, onEvent } = listener(log);
      await using file = await MappedFile.open(log);
      // Longer than the test may take.
      const reader = file.readable({ follow: { onEvent, grace: 0, pollInterval: 10 ** 8 } }).getReader();
      await expect(reader, 'a');
      const next = expect(reader, 'bc');
      await delay(50); // it waits
      fs.renameSync(folder.join('logs'), folder.join('logs.old'));
      while (events.length === 0) await delay(5);
      fs.appendFileSync(folder.join('logs.old/log'), 'b');
      fs.mkdirSync(folder.join('logs'));
      fs.writeFileSync(log, 'c');
      await next;
      await reader.cancel();
    });
  });

  itUnless(onlyLinuxTells, 'notices at once what is written by another name', async () => {
    for (const name of ['link', 'name']) {
      using folder = new Folder();
      folder.file('', 'target');
      if (name === 'link') fs.symlinkSync('target', folder.join('link'));
      else fs.linkSync(folder.join('target'), folder.join('name'));
      await using file = await MappedFile.open(folder.join(name));
      // Longer than the test may take.
      const reader = file.readable({ follow: { pollInterval: 10 ** 8 } }).getReader();
      const next = expect(reader, name);
      await delay(50); // it waits
      fs.appendFileSync(folder.join('target'), name);
      await next;
      await reader.cancel();
    }
  });

  itUnless(onlyLinuxTells, 'does not know what a link led to in between', async () => {
    using folder = new Folder();
    const log = folder.join('log');
    fs.symlinkSync(folder.file('a', 'target'), log);
    const { events, onEvent } = listener(log);
    await using file = await MappedFile.open(log);
    const reader = file.readable({ follow: { onEvent, grace: 0, pollInterval: 10 ** 8 } }).getReader();
    await expect(reader, 'a');
    const next = expect(reader, 'c');
    await delay(50); // it waits
    for (const content of ['b', 'c']) {
      folder.file(content, 'new');
      fs.renameSync(folder.join('new'), folder.join('target'));
    }
    await next;
    assert.deepEqual(events, [{ type: 'replaced', position: 1, missed: undefined }]);
    await reader.cancel();
  });

  it('follows the growth of a file known by its descriptor', async () => {
    using folder = new Folder();
    const log = folder.file('a', 'log');
    const fd = fs.openSync(log, 'r');
    try {
      await using file = await MappedFile.open(fd);
      const events: FollowEvent[] = [];
      const onEvent = (event: FollowEvent): void => void events.push(event);
      const reader = file.readable({ follow: { pollInterval: 20, onEvent } }).getReader();
      await expect(reader, 'a');
      fs.renameSync(log, folder.join('log.1'));
      fs.writeFileSync(log, 'another');
      fs.appendFileSync(folder.join('log.1'), 'b');
      await expect(reader, 'b');
      const next = expect(reader, 'c');
      fs.truncateSync(folder.join('log.1'));
      fs.appendFileSync(folder.join('log.1'), 'c');
      await next;
      assert.deepEqual(events, [{ type: 'truncated', path: undefined, position: 2 }]);
      await reader.cancel();
    } finally {
      fs.closeSync(fd);
    }
  });

  it('fails with what its listener throws', async () => {
    using folder = new Folder();
    const log = folder.file('a', 'log');
    await using file = await MappedFile.open(log);
    const error = new Error('from the listener');
    const onEvent = (): never => {
      throw error;
    };
    const reader = file.readable({ follow: { onEvent } }).getReader();
    await expect(reader, 'a');
    fs.truncateSync(log);
    await assert.rejects(reader.read(), error);
  });

  it('may be ended by its listener', async () => {
    using folder = new Folder();
    const log = folder.file('a', 'log');
    const file = await MappedFile.open(log);
    const closing: Array<Promise<void>> = [];
    const reader = file.readable({ follow: { onEvent: () => void closing.push(file.close()) } }).getReader();
    await expect(reader, 'a');
    fs.truncateSync(log);
    await assert.rejects(reader.read(), { code: 'ERR_MAPPED_FILE_CLOSED' });
    await Promise.all(closing);
  });

  it('keeps the process alive while it waits, unless it is not to', async () => {
    using folder = new Folder();
    const log = folder.file('a', 'log');
    const program = new URL('../../helpers/follower.program.js', import.meta.url);
    const result = (await run(program, [log, 'false'])).stdout;
    assert.equal(result, 'a');
    const waiting = run(program, [log, 'true']);
    await delay(500);
    fs.appendFileSync(log, '.');
    assert.equal((await waiting).stdout, 'a.');
  });

  it('refuses options that are wrong', async () => {
    using folder = new Folder();
    await using file = await MappedFile.open(folder.file('a', 'log'));
    const type = { code: 'ERR_INVALID_ARG_TYPE' };
    const value = { code: 'ERR_INVALID_ARG_VALUE' };
    const range = { code: 'ERR_OUT_OF_RANGE' };
    for (const follow of [1, 'yes', null]) assert.throws(() => file.readable({ follow: follow as never }), type);
    for (const [options, error] of [
      [{ onEvent: 1 }, type],
      [{ persistent: 1 }, type],
      [{ pollInterval: '1' }, type],
      [{ pollInterval: 0 }, range],
      [{ grace: -1 }, range],
    ] as const) {
      assert.throws(() => file.readable({ follow: options as unknown as FollowOptions }), error);
    }
    assert.throws(() => file.readable({ follow: true, borrow: true }), value);
    assert.throws(() => file.readable({ follow: true, end: 3 }), value);
    assert.throws(() => file.readable({ follow: true, chunkSize: 0 }), range);
    await file.readable({ follow: false }).cancel();
  });
});
