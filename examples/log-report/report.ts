/** The report: what is counted, for one file or for several together. */
import { MinuteCounter, Slowest } from './bounded.js';
import { ENTRY, FORMATS, LEVELS, NOT_MINE, clearEntry, emptyEntry, type Entry } from './entry.js';
import { Recogniser } from './formats.js';
import { hasYear } from './minutes.js';

/** How much of a request is shown, in characters. */
const LABEL = 200;

export class Tally {
  bytes = 0;
  lines = 0;
  /** Entries: lines that are one, or records of several lines. */
  entries = 0;
  /** Lines by index of {@link FORMATS}. */
  readonly formats = new Float64Array(FORMATS.length);
  /** Entries by index of {@link LEVELS}. */
  readonly levels = new Float64Array(LEVELS.length);
  /** Entries by HTTP status code. */
  readonly statuses = new Float64Array(600);
  /** What package managers did; the words are the parsers', not the log's. */
  readonly actions = new Map<string, number>();
  readonly minutes = new MinuteCounter();
  readonly slowest = new Slowest();
  /** First and last minute, where the log writes the year. */
  first = Infinity;
  last = -Infinity;
  #minute = -1;

  add(entry: Entry, complete: boolean): void {
    if (entry.level >= 0) this.levels[entry.level]!++;
    if (entry.action !== undefined) {
      this.actions.set(entry.action, (this.actions.get(entry.action) ?? 0) + entry.times);
    }
    if (!complete) return;
    this.entries++;
    if (entry.status >= 0) this.statuses[entry.status]!++;
    const { minute } = entry;
    if (minute === -1) return;
    this.minutes.add(minute);
    if (minute === this.#minute) return;
    this.#minute = minute;
    if (!hasYear(minute)) return;
    if (minute < this.first) this.first = minute;
    if (minute > this.last) this.last = minute;
  }

  /** Adds what another file has. */
  merge(other: Tally): void {
    this.bytes += other.bytes;
    this.lines += other.lines;
    this.entries += other.entries;
    for (const key of ['formats', 'levels', 'statuses'] as const) {
      for (const [index, count] of other[key].entries()) this[key][index]! += count;
    }
    for (const [action, count] of other.actions) this.actions.set(action, (this.actions.get(action) ?? 0) + count);
    this.minutes.merge(other.minutes);
    for (const item of other.slowest.items) this.slowest.add(item);
    this.first = Math.min(this.first, other.first);
    this.last = Math.max(this.last, other.last);
  }
}

/** Feeds lines to a tally. Characters are bytes (latin1): what is shown is decoded, what is only counted is not. */
export class Counter {
  readonly tally = new Tally();
  readonly #entry = emptyEntry();
  readonly #recogniser = new Recogniser();
  #isLog = false;
  #first = true;

  /** Takes the next lines of the file. */
  add(lines: readonly string[]): void {
    this.tally.lines += lines.length;
    this.#isLog ||= looksLikeLog(lines, this.#first ? lines.length : 8);
    this.#first = false;
    if (!this.#isLog) return;
    for (let i = 0; i < lines.length; i++) this.#line(lines[i]!);
  }

  end(): Tally {
    if (this.#recogniser.end(this.#entry) === ENTRY) this.tally.add(this.#entry, true);
    return this.tally;
  }

  #line(line: string): void {
    const { tally } = this;
    const entry = clearEntry(this.#entry);
    const outcome = this.#recogniser.parse(line, entry);
    if (outcome === NOT_MINE) return;
    tally.formats[entry.format]!++;
    tally.add(entry, outcome === ENTRY);
    if (entry.milliseconds > tally.slowest.threshold) {
      const label = Buffer.from(this.#recogniser.label(line).slice(0, LABEL), 'latin1').toString();
      tally.slowest.add({ milliseconds: entry.milliseconds, label });
    }
  }
}

/**
 * Whether some of the lines are of a known format. Until one is, lines are counted and nothing else, and of each
 * batch only a few lines, evenly spread, are looked at.
 */
function looksLikeLog(lines: readonly string[], samples: number): boolean {
  const recogniser = new Recogniser();
  const entry = emptyEntry();
  const step = Math.max(1, lines.length / samples);
  for (let i = 0; i < lines.length; i += step) {
    const line = lines[Math.floor(i)]!;
    if (recogniser.parse(line, clearEntry(entry)) !== NOT_MINE) return true;
  }
  return false;
}
