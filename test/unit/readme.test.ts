import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const root = fileURLToPath(new URL('../../../', import.meta.url));

describe('README.md', () => {
  it('has an example that runs as it is pasted', () => {
    const readme = fs.readFileSync(path.join(root, 'README.md'), 'utf8');
    const example = /```ts\n(.*?)```/s.exec(readme)?.[1];
    assert.ok(example);
    const { outputText } = ts.transpileModule(example, {
      compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 },
    });
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'sliding-mmap-readme-'));
    // Inside the package, so that the package's own name leads to it.
    const program = fs.mkdtempSync(path.join(root, 'out/readme-'));
    try {
      fs.writeFileSync(path.join(program, 'example.mjs'), outputText);
      const child = spawnSync(process.execPath, [path.join(program, 'example.mjs')], { cwd: folder, encoding: 'utf8' });
      assert.equal(child.stderr, '');
      assert.equal(child.status, 0);
      assert.match(child.stdout, /^(262144\n){4}2 \[ 'a header' \]\n$/);
      assert.equal(fs.statSync(path.join(folder, 'big.bin')).size, 5 * 2 ** 30);
    } finally {
      fs.rmSync(folder, { recursive: true });
      fs.rmSync(program, { recursive: true });
    }
  });
});
