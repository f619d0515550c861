/** Checks that parsers find the same by all ways to a file. */
import assert from 'node:assert/strict';
import { run } from '../helpers/child.js';
import { comparable, type ParserName, parsers } from './cases.js';

/** One parser's file; and whether its reads are such that `sliding-mmap/fs` maps it. */
export interface Input {
  readonly parser: ParserName;
  readonly path: string;
}

/** Makes a test of each way by the adapters. */
export function comparesAdapters(parser: ParserName, path: () => string): void {
  for (const [way, parse] of Object.entries(parsers[parser].ours)) {
    it(`${parser} finds the same by ${way} as by node:fs`, async () => {
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
  mapped: boolean;
}

/** Runs the parsers' own ways in a process of their own, by node:fs or by `sliding-mmap/fs` in its place. */
async function parsedBy(mode: 'plain' | 'mapped', inputs: readonly Input[]): Promise<Parsed[]> {
  const jobs = inputs.flatMap(({ parser, path }) => [parser, path]);
  const { stdout, stderr, code } = await run(new URL('./parse.program.js', import.meta.url), [mode, ...jobs]);
  assert.equal(code, 0, stderr);
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Parsed);
}

/** The same results with `sliding-mmap/fs` in the place of node:fs; gives which parsers' files were mapped. */
export async function compareModules(inputs: readonly Input[]): Promise<ParserName[]> {
  const plain = await parsedBy('plain', inputs);
  const mapped = await parsedBy('mapped', inputs);
  assert.equal(plain.length, inputs.length);
  for (const [i, { name, result }] of mapped.entries()) assert.equal(result, plain[i]?.result, name);
  assert.ok(plain.every((one) => !one.mapped));
  return mapped.filter((one) => one.mapped).map(({ name }) => name);
}
