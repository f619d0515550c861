import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import { getSystemErrorMap } from 'node:util';
import fc from 'fast-check';
import { MappedFileError } from 'sliding-mmap';
import { invalidArgType, invalidArgValue, invalidState, outOfRange, systemError } from '#src/errors.js';
import { attempt, failure } from '../helpers/errors.js';
import { itUnless, onWindows } from '../helpers/systems.js';

const hostile: readonly unknown[] = [
  undefined,
  null,
  true,
  0,
  -0,
  1.5,
  NaN,
  Infinity,
  2 ** 40,
  -(2 ** 40),
  1n,
  -(2n ** 70n),
  '',
  'short',
  "with 'quotes'",
  'a text that is longer than twenty-eight characters',
  Symbol('s'),
  {},
  [],
  Object.create(null),
  new Map(),
  new (class Mine {})(),
  class Mine {},
  () => {},
  function named() {},
  new Date(0),
  /x/,
];

describe('errors', () => {
  describe('in Node’s form', () => {
    for (const value of hostile) {
      const shown =
        typeof value === 'symbol' ? String(value) : JSON.stringify(attempt(() => typeof value + ` ${String(value)}`));
      // An undefined length is node:fs's default of 0.
      if (typeof value !== 'number' && value !== undefined) {
        it(`ERR_INVALID_ARG_TYPE for ${shown}`, () => {
          const theirs = attempt(() => fs.ftruncateSync(1, value as number));
          assert.deepEqual(failure(invalidArgType('len', 'of type number', value)), theirs);
        });
      }
    }

    for (const value of [1.5, NaN, Infinity, -Infinity, 2 ** 53, -(2 ** 53), 2 ** 60]) {
      it(`ERR_OUT_OF_RANGE for ${value}`, () => {
        const range = Number.isInteger(value)
          ? `>= ${Number.MIN_SAFE_INTEGER} && <= ${Number.MAX_SAFE_INTEGER}`
          : 'an integer';
        const theirs = attempt(() => fs.ftruncateSync(1, value));
        assert.deepEqual(failure(outOfRange('len', range, value)), theirs);
      });
    }

    for (const value of [2n ** 63n, 2n ** 70n]) {
      it(`ERR_OUT_OF_RANGE for ${value}n`, () => {
        const theirs = attempt(() => fs.readSync(0, Buffer.alloc(4), 0, 4, value));
        const range = /must be (.*)\. Received/.exec(theirs.error?.message ?? '')?.[1] as string;
        assert.deepEqual(failure(outOfRange('position', range, value)), theirs);
      });
    }

    it('ERR_INVALID_ARG_VALUE', () => {
      const theirs = attempt(() => fs.readSync(0, new Uint8Array(0), 0, 4, 0));
      const ours = failure(invalidArgValue('buffer', new Uint8Array(0), 'is empty and cannot be written'));
      assert.deepEqual(ours, theirs);
    });

    it('ERR_INVALID_STATE, with the code in the stack and not in the name', () => {
      const error = invalidState('closed');
      assert.equal(error.message, 'Invalid state: closed');
      assert.equal(error.name, 'Error');
      assert.match(error.stack as string, /^Error \[ERR_INVALID_STATE\]: Invalid state: closed\n/);
    });

    for (const [code, syscall, run] of [
      ['ENOENT', 'open', () => fs.openSync('/nowhere/at/all', 'r')],
      ['ENOTDIR', 'open', () => fs.openSync('/dev/null/x', 'r')],
      ['EBADF', 'fstat', () => fs.fstatSync(2 ** 31 - 1)],
      ['EISDIR', 'read', () => readFolder()],
    ] as const) {
      const reason = code === 'ENOTDIR' && onWindows('what is below a file is not there');
      itUnless(reason, `${code} of the system`, () => {
        let theirs: NodeJS.ErrnoException | undefined;
        try {
          run();
        } catch (error) {
          theirs = error as NodeJS.ErrnoException;
        }
        assert.ok(theirs);
        const ours = systemError(os.constants.errno[code], syscall, theirs.path);
        assert.deepEqual({ ...ours }, { ...theirs });
        assert.equal(ours.message, theirs.message);
        assert.equal(ours.name, theirs.name);
      });
    }

    it('knows every errno of the system', () => {
      for (const [code, errno] of Object.entries(os.constants.errno)) {
        if (code === 'EWOULDBLOCK' || code === 'EOPNOTSUPP') continue;
        const error = systemError(errno, 'read');
        // libuv's own number there.
        if (process.platform !== 'win32') assert.equal(error.errno, -errno);
        else if (getSystemErrorMap().has(error.errno)) assert.equal(error.code, code);
        assert.match(error.message, /^E\w+: .+, read$/);
      }
    });
  });

  describe('MappedFileError', () => {
    it('names path and position in message and properties, and nothing that is not known', () => {
      const cause = new Error('why');
      const error = new MappedFileError('ERR_MAPPED_FILE_IO', 'The device failed', {
        path: '/a',
        position: 5,
        length: 7,
        syscall: 'read',
        cause,
      });
      assert.equal(error.message, "The device failed: '/a' at position 5");
      assert.equal(error.name, 'MappedFileError');
      assert.deepEqual(
        { ...error },
        { code: 'ERR_MAPPED_FILE_IO', syscall: 'read', path: '/a', position: 5, length: 7 },
      );
      assert.equal(error.cause, cause);
      assert.ok(error instanceof Error);
      const bare = new MappedFileError('ERR_MAPPED_FILE_CLOSED', 'The file is closed');
      assert.deepEqual({ ...bare }, { code: 'ERR_MAPPED_FILE_CLOSED' });
      assert.equal(bare.message, 'The file is closed');
      assert.equal('cause' in bare, false);
    });

    it('keeps any path in its message', () => {
      fc.assert(
        fc.property(fc.string(), fc.nat(), (path, position) => {
          const { message } = new MappedFileError('ERR_MAPPED_FILE_CLOSED', 'Closed', { path, position });
          assert.equal(message, `Closed: '${path}' at position ${position}`);
        }),
      );
    });
  });
});

function readFolder(): void {
  const fd = fs.openSync(os.tmpdir(), 'r');
  try {
    fs.readSync(fd, Buffer.alloc(1));
  } finally {
    fs.closeSync(fd);
  }
}
