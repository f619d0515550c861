/** Checks that parsers find the same by all ways to a file. */
import assert from 'node:assert/strict';
import { run } from '../helpers/child.js';
import { itUnless } from '../helpers/systems.js';
import { comparable, type ParserName, parsers } from './cases.js';

/** One parser's file. */
export interface Input {
  readonly parser: ParserName;
  readonly path: string;
}

/** Makes a test of each way by the adapters, unless there is a reason not to. */
export function comparesAdapters(parser: ParserName, path: () => string, reason: string | false = false): void {
  for (const [way, parse] of Object.entries(parsers[parser].ours)) {
    itUnless(reason, `${parser} finds the same by ${way} as by node:fs`, async () => {
      const wanted = comparable(await parsers[parser].own(path()));
      assert.ok(wanted.length > 20, wanted);
      assert.equal(comparable(await parse(path())), wanted);
    });
  }
}

interface Parsed {
  name: ParserName;
  path: string;
  result: string;
  byModule: boolean;
}

/** Runs the parsers' own ways in a process of their own, by node:fs or by `sliding-mmap/fs` in its place. */
async function parsedBy(mode: 'plain' | 'module', inputs: readonly Input[]): Promise<Parsed[]> {
  const jobs = inputs.flatMap(({ parser, path }) => [parser, path]);
  const { stdout, stderr, code } = await run(new URL('./parse.program.js', import.meta.url), [mode, ...jobs]);
  assert.equal(code, 0, stderr);
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Parsed);
}

/** The same results with `sliding-mmap/fs` in the place of node:fs; gives the parsers that called its `read`. */
export async function compareModules(inputs: readonly Input[]): Promise<ParserName[]> {
  const plain = await parsedBy('plain', inputs);
  const others = await parsedBy('module', inputs);
  assert.equal(plain.length, inputs.length);
  for (const [i, { name, result }] of others.entries()) assert.equal(result, plain[i]?.result, name);
  assert.ok(plain.every((one) => !one.byModule));
  return others.filter((one) => one.byModule).map(({ name }) => name);
}
