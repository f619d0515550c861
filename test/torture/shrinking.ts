/** Files that shrink while they are used. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import type { Verdicts } from './shrinking-judge.js';
import { ProgressFile, text } from './shrinking-text.js';
import { Program, Scratch } from './support.js';

type Message = { begun: string } | { name: string; verdicts: Verdicts };

/** Runs all scenarios of a kind, each for so long; gives what was counted, by scenario. */
export async function useWhileShrinking(
  kind: 'readers' | 'writers',
  seed: number,
  milliseconds: number,
): Promise<{ counts: Record<string, Verdicts>; cuts: number }> {
  using folder = new Scratch();
  const path = folder.join('data');
  fs.writeFileSync(path, text);
  await using disturber = new Program('disturber', [path, folder.join('progress'), seed]);
  await disturber.message();
  await using user = new Program('shrinking-user', [path, folder.join('progress'), seed, milliseconds, kind]);
  const counts: Record<string, Verdicts> = {};
  let last = 'nothing';
  user.child.on('message', (message: Message) => {
    if ('begun' in message) last = message.begun;
    else counts[message.name] = message.verdicts;
  });
  const { code, signal, stderr } = await user.ended();
  assert.deepEqual({ code, signal }, { code: 0, signal: null }, `seed ${seed}, during '${last}':\n${stderr}`);
  assert.equal(disturber.child.exitCode, null, 'the disturber ended');
  const progress = new ProgressFile(folder.join('progress'), 'r');
  const cuts = progress.read().cutsBegun;
  progress.close();
  return { counts, cuts };
}
