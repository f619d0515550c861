/** Small C programs that show what the machine can do: bench/c/NAME.c, compiled when they are first needed. */
import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { folder } from './inputs.js';

const compiler = process.env['CC'] ?? 'cc';

/** Why C programs cannot take part; undefined when they can. */
export function compilerMissing(): string | undefined {
  return spawnSync(compiler, ['--version']).status === 0 ? undefined : `no C compiler (${compiler})`;
}

/** Compiles bench/c/NAME.c with full optimisation where it is newer than what was compiled, and gives the program's path. */
export function program(name: string): string {
  const source = fileURLToPath(new URL(`../../bench/c/${name}.c`, import.meta.url));
  const compiled = path.join(folder, name);
  if (fs.existsSync(compiled) && fs.statSync(compiled).mtimeMs > fs.statSync(source).mtimeMs) return compiled;
  fs.mkdirSync(folder, { recursive: true });
  const unfinished = `${compiled}-${process.pid}`;
  execFileSync(compiler, ['-O3', '-march=native', '-o', unfinished, source], {
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  fs.renameSync(unfinished, compiled);
  return compiled;
}

/** Runs a program that measures itself and prints its result and its milliseconds: "RESULT MILLISECONDS". */
export function runProgram(name: string, args: readonly (string | number)[]): { result: number; milliseconds: number } {
  const printed = execFileSync(program(name), args.map(String), { encoding: 'utf8' });
  const [result = NaN, milliseconds = NaN] = printed.trim().split(' ').map(Number);
  return { result, milliseconds };
}
