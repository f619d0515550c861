import assert from 'node:assert/strict';
import { run } from '../helpers/child.js';
import { Folder } from '../helpers/files.js';

interface Report {
  calls: number;
  methods: number;
  rejected: number;
  seconds: number;
  complaints: string[];
}

/** Calls every public method with hostile values, so many times in all, in a process that may die of it. */
export async function withstandHostileArguments(seed: number, calls: number): Promise<Report> {
  using folder = new Folder();
  using outputs = new Folder();
  const program = new URL('./programs/hostile-arguments.js', import.meta.url);
  const args = [String(seed), String(calls)];
  const { stdout, stderr, code, signal } = await run(program, args, {
    node: ['--expose-gc'],
    cwd: folder.path,
    outputs: outputs.path,
    timeout: 5 * calls,
  });
  assert.deepEqual({ code, signal }, { code: 0, signal: null }, `seed ${seed}\n${stderr}`);
  const report = JSON.parse(stdout.trimEnd().split('\n').at(-1) as string) as Report;
  assert.deepEqual(report.complaints, [], `seed ${seed}`);
  assert.ok(report.calls >= calls && report.methods > 60);
  return report;
}
