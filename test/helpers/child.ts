/** Programs that may die are run in a child process. */
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export interface ChildResult {
  stdout: string;
  stderr: string;
  code: number | null;
  signal: NodeJS.Signals | null;
}

export interface ChildOptions {
  /** Options of node itself. */
  node?: readonly string[];
  /** What to put before node on the command line, e.g. `prlimit`. */
  wrapper?: readonly string[];
  /** The working directory. */
  cwd?: string;
  /** What to add to the environment. */
  env?: Readonly<Record<string, string>>;
  /** Milliseconds after which it is ended by SIGTERM. */
  timeout?: number;
  /**
   * A folder for files of its two outputs. Else they are sockets: a program that opens its own descriptors and reads from
   * one of those waits for ever.
   */
  outputs?: string;
}

/** Runs a compiled program, by its URL, and resolves when it has ended. */
export function run(program: URL, args: readonly string[] = [], options: ChildOptions = {}): Promise<ChildResult> {
  const command = [
    ...(options.wrapper ?? []),
    process.execPath,
    ...(options.node ?? []),
    fileURLToPath(program),
    ...args,
  ];
  const files = options.outputs && ['stdout', 'stderr'].map((name) => path.join(options.outputs as string, name));
  return new Promise((resolve, reject) => {
    const fds = files ? files.map((file) => fs.openSync(file, 'a')) : [];
    const child = spawn(command[0] as string, command.slice(1), {
      stdio: files ? ['ignore', ...fds] : ['ignore', 'pipe', 'pipe'],
      ...(options.cwd !== undefined && { cwd: options.cwd }),
      ...(options.timeout !== undefined && { timeout: options.timeout }),
      env: { ...process.env, ...options.env },
    });
    for (const fd of fds) fs.closeSync(fd);
    const texts = ['', ''];
    for (const [i, stream] of [child.stdout, child.stderr].entries())
      stream?.setEncoding('utf8').on('data', (text: string) => (texts[i] += text));
    child.on('error', reject);
    child.on('close', (code, signal) => {
      const [stdout, stderr] = files ? files.map((file) => fs.readFileSync(file, 'utf8')) : texts;
      resolve({ stdout: stdout as string, stderr: stderr as string, code, signal });
    });
  });
}
