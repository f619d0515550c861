/** Programs that may die are run in a child process. */
import { spawn } from 'node:child_process';
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
  return new Promise((resolve, reject) => {
    const child = spawn(command[0] as string, command.slice(1), {
      stdio: ['ignore', 'pipe', 'pipe'],
      ...(options.cwd !== undefined && { cwd: options.cwd }),
      ...(options.timeout !== undefined && { timeout: options.timeout }),
      env: { ...process.env, ...options.env },
    });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ stdout, stderr, code, signal }));
  });
}
