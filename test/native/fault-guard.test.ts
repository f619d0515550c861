/** The signal handler by itself, in a C++ program that is compiled here. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Folder } from '../helpers/files.js';
import { describeUnless, onWindows } from '../helpers/systems.js';

const root = fileURLToPath(new URL('../../..', import.meta.url));

describeUnless(onWindows('there are no signals'), 'the fault guard without Node', function () {
  this.timeout(120_000);
  let folder: Folder;
  let program: string;

  before(function () {
    folder = new Folder();
    program = folder.join('fault_guard_test');
    const sources = ['fault_guard', 'fault_handler_posix', 'injection', 'mapping', 'os_posix'].map(
      (name) => `addon/core/${name}.cc`,
    );
    const { status, stderr, error } = spawnSync(
      process.env['CXX'] ?? 'c++',
      ['-std=c++17', '-O1', '-Iaddon', '-D_GNU_SOURCE', '-D_FILE_OFFSET_BITS=64', '-o', program]
        .concat('test/native/fault_guard_test.cc', sources)
        .concat('-pthread'),
      { cwd: root, encoding: 'utf8' },
    );
    if ((error as NodeJS.ErrnoException | undefined)?.code === 'ENOENT') {
      console.log('      not run, because there is no C++ compiler');
      this.skip();
    }
    assert.equal(status, 0, stderr);
  });

  after(() => folder[Symbol.dispose]());

  const endings: Array<[name: string, signal: NodeJS.Signals | null]> = [
    ['absorbs', null],
    ['absorbs on threads', null],
    ['absorbs in many ranges', null],
    ['loses pages one by one', null],
    ['keeps what is left', null],
    ['tells ranges apart that come and go', null],
    ['retires a range under a thread', null],
    ['chains to a handler with information', null],
    ['chains to a plain handler', null],
    ['passes on what is passed back', null],
    ['blocks what the handler wants blocked', null],
    ['leaves a handler out', null],
    ['stays ignored when sent', null],
    ['a foreign fault', 'SIGBUS'],
    ['a fault in a range that was released', 'SIGBUS'],
    ['a signal that was sent', 'SIGBUS'],
    ['a signal that nobody is left for', 'SIGBUS'],
    ['a signal that goes in a circle', 'SIGBUS'],
  ];
  for (const [name, signal] of endings) {
    it(signal === null ? name : `${name} kills`, () => {
      const result = spawnSync(program, [name, folder.path], { encoding: 'utf8' });
      assert.deepEqual(
        { stderr: result.stderr, status: result.status, signal: result.signal },
        { stderr: '', status: signal === null ? 0 : null, signal },
      );
    });
  }
});
