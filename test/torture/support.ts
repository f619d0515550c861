/** What the long tests share: seeds, budgets, child processes. */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** A repeatable source of numbers (mulberry32). */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** A number from 0 to 2^32 − 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  }

  /** An integer from 0 to `limit` − 1. */
  below(limit: number): number {
    return Math.floor((this.next() / 2 ** 32) * limit);
  }

  /** An integer from `least` to `most`. */
  between(least: number, most: number): number {
    return least + this.below(most - least + 1);
  }

  chance(probability: number): boolean {
    return this.next() < probability * 2 ** 32;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T;
  }
}

/** The seed of this run: the environment's `SEED`, or the time. Tests print it. */
export const seed: number = Number(process.env['SEED'] ?? Date.now() % 2 ** 31);

/** A number of the environment, such as `TORTURE_SECONDS`, or its default. */
export function budget(name: string, standard: number): number {
  const value = Number(process.env[name] ?? standard);
  if (!(value > 0)) throw new RangeError(`${name} must be a positive number`);
  return value;
}

/** A fresh folder that is removed again: `using folder = new Scratch()`. */
export class Scratch implements Disposable {
  readonly path: string = fs.mkdtempSync(path.join(os.tmpdir(), 'sliding-mmap-test-'));

  join(name: string): string {
    return path.join(this.path, name);
  }

  [Symbol.dispose](): void {
    fs.rmSync(this.path, { recursive: true, force: true });
  }
}

/** A program of `programs/` in a process of its own, with a channel for messages. */
export class Program implements AsyncDisposable {
  readonly child: ChildProcess;
  readonly #ended: Promise<unknown[]>;
  #stderr = '';

  constructor(name: string, args: readonly (string | number)[]) {
    const file = fileURLToPath(new URL(`./programs/${name}.js`, import.meta.url));
    this.child = fork(file, args.map(String), { stdio: ['ignore', 'pipe', 'pipe', 'ipc'], execArgv: [] });
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.#stderr += text));
    this.#ended = once(this.child, 'close');
  }

  /** The next message; rejects when the program ends before. */
  async message<T>(): Promise<T> {
    const controller = new AbortController();
    const ended = this.#ended.then(() => {
      throw new Error(`The program ended: ${this.#how()}`);
    });
    ended.catch(() => {});
    try {
      const [message] = (await Promise.race([once(this.child, 'message', { signal: controller.signal }), ended])) as [
        T,
      ];
      return message;
    } finally {
      controller.abort();
    }
  }

  /** Sends a message and waits for the answer. */
  async ask<T>(message: object): Promise<T> {
    const answer = this.message<T>();
    this.child.send(message);
    return answer;
  }

  /** Resolves when it has ended, with how. */
  async ended(): Promise<{ code: number | null; signal: NodeJS.Signals | null; stderr: string }> {
    await this.#ended;
    return { code: this.child.exitCode, signal: this.child.signalCode, stderr: this.#stderr };
  }

  #how(): string {
    return `code ${this.child.exitCode}, signal ${this.child.signalCode}\n${this.#stderr}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.child.kill('SIGKILL');
    await this.#ended;
  }
}
