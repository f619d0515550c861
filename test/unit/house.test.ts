import { ESLint } from 'eslint';
import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import tseslint from 'typescript-eslint';

const root = fileURLToPath(new URL('../../..', import.meta.url));

describe('the house: what may import what', () => {
  const house = ['house/import-direction', 'no-restricted-imports', 'no-restricted-syntax'];
  // Rules of the house need no types; without them a file is linted in milliseconds.
  const eslint = new ESLint({
    cwd: root,
    overrideConfig: [tseslint.configs.disableTypeChecked],
    ruleFilter: ({ ruleId }) => house.includes(ruleId),
  });

  async function complaints(file: string, code: string): Promise<string[]> {
    const [result] = await eslint.lintText(code, { filePath: `${root}/${file}` });
    return (result?.messages ?? []).map(({ ruleId, message }) => ruleId ?? message);
  }

  const direction = 'house/import-direction';
  const cases: Array<[file: string, code: string, rule: string | undefined]> = [
    ['src/window.ts', `import type { NativeMapping } from './native.js';`, undefined],
    ['src/native.ts', `import type { Window } from './window.js';`, direction],
    ['src/errors.ts', `export * from './ranges.js';`, direction],
    ['src/errors.ts', `export { native } from './native.js';`, direction],
    ['src/errors.ts', `export const later = () => import('./native.js');`, direction],
    ['src/errors.ts', `export type Later = import('./native.js').Native;`, direction],
    ['src/byte-source.ts', `import type { Position } from './ranges.js';`, direction],
    ['src/views/mapped-view.ts', `import type { WindowCache } from '../window-cache.js';`, undefined],
    ['src/views/mapped-view.ts', `import { MappedFile } from '../mapped-file.js';`, direction],
    ['src/views/mapped-view.ts', `import './other-view.js';`, undefined],
    ['src/window-cache.ts', `import { MappedView } from './views/mapped-view.js';`, direction],
    ['src/streams/readable.ts', `import type { ByteSource } from '../byte-source.js';`, undefined],
    ['src/streams/readable.ts', `import type { WindowCache } from '../window-cache.js';`, direction],
    ['src/text/lines.ts', `import { Window } from '../window.js';`, direction],
    ['src/text/lines.ts', `import '../streams/cursor.js';`, direction],
    ['src/index.ts', `import '../scripts/start.mjs';`, direction],
    ['src/index.ts', `import '#src/errors.js';`, direction],
    ['src/nowhere.ts', `import './errors.js';`, direction],

    ['src/native.ts', `require('node-gyp-build');`, undefined],
    ['src/mapped-file.ts', `import load from 'node-gyp-build';`, 'no-restricted-syntax'],
    ['src/mapped-file.ts', `require('../build/Release/sliding_mmap.node');`, 'no-restricted-syntax'],
    ['src/mapped-file.ts', `process.dlopen(module, path);`, 'no-restricted-syntax'],

    ['test/unit/any.test.ts', `import { MappedFile } from 'sliding-mmap';`, undefined],
    ['test/unit/any.test.ts', `import { native } from '#src/native.js';`, undefined],
    ['test/unit/any.test.ts', `import '../helpers/files.js';`, undefined],
    ['test/unit/any.test.ts', `import { native } from '../../dist/native.js';`, 'no-restricted-imports'],
    ['examples/any.ts', `import { native } from '../src/native.js';`, 'no-restricted-imports'],
  ];
  for (const [file, code, rule] of cases) {
    it(`${rule === undefined ? 'allows' : 'forbids'} ${code.replace(/;$/, '')} in ${file}`, async () => {
      const found = await complaints(file, code);
      if (rule === undefined) assert.deepEqual(found, []);
      else assert.ok(found.length > 0 && found.every((id) => id === rule), `found ${JSON.stringify(found)}`);
    });
  }
});
