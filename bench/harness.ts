/**
 * What a scenario of the benchmark is. Every contestant runs in a process of its own, so that nobody shares compiled
 * code, garbage or a crash with another; the rounds interleave (A B C, A B C, …), so that all see the same machine;
 * and the results are compared before a time counts. Only ratios within one scenario mean anything.
 */

/** One way to do a scenario's job. */
export interface Contestant {
  readonly name: string;
  /** Whether it is this library that does the job. */
  readonly ours?: boolean;
  /** Says why it cannot run here (a package that is not installed, a system that lacks something). */
  unavailable?(): string | undefined | Promise<string | undefined>;
  /** Gets ready, outside of the measured time: opens files, loads packages, compiles programs. */
  prepare(): Job | Promise<Job>;
}

/** What is measured, as a contestant prepared it. */
export interface Job {
  /** Called before each round, outside of the measured time: drops caches, removes what the last round wrote. */
  before?(): void | Promise<void>;
  /**
   * The measured work. Gives its result, which must be the same (as JSON) for all contestants of the scenario; or a
   * {@link Measured}, where the time is not that of the call.
   */
  run(): unknown;
  close?(): void | Promise<void>;
}

/** A result with figures of its own. */
export class Measured {
  readonly result: unknown;
  /** Instead of the time of the call, e.g. where a program measures itself. */
  readonly milliseconds: number | undefined;
  /** Further figures by name (with its unit, e.g. `'largest delay, ms'`); the table shows their medians. */
  readonly figures: Readonly<Record<string, number>>;

  constructor(result: unknown, figures: Record<string, number> = {}, milliseconds?: number) {
    this.result = result;
    this.figures = figures;
    this.milliseconds = milliseconds;
  }
}

/** A bound on the ratio of two contestants' median times. */
export interface Target {
  readonly contestant: string;
  readonly against: string;
  /** The time of `contestant` divided by that of `against` is at most this. */
  readonly atMost: number;
}

/** A bound on a figure of one contestant. */
export interface FigureTarget {
  readonly contestant: string;
  readonly figure: string;
  readonly atMost: number;
}

/** A job, and all who can do it. */
export interface Scenario {
  /** Short and unique, by subject: `lines/sync`. */
  readonly name: string;
  /** One line that says what the job is. */
  readonly title: string;
  /** How much work one round is, for the rate. May depend on the input, which exists by then. */
  readonly work: () => { amount: number; unit: 'B' | 'op' | 'line' | 'message' };
  /** Rounds where the default is too many, e.g. for slow jobs. */
  readonly rounds?: number;
  /** Makes the input, once, before any contestant is prepared. */
  setUp?(): void | Promise<void>;
  readonly contestants: readonly Contestant[];
  /** Nobody takes part but this library and Node: no package has to be installed first. */
  readonly alone?: boolean;
  readonly targets?: readonly (Target | FigureTarget)[];
}

/** The first value, or the second where the benchmark was asked to be quick. */
export function sized<T>(whole: T, small: T): T {
  return process.env['BENCH_QUICK'] === '1' ? small : whole;
}

/** The middle value; of an even number, the higher of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? NaN;
}
