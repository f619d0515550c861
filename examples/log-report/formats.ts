/**
 * Finds out, line by line, what a log is made of. The parser that took the last line is asked first, so that a log
 * of one format costs one parser, and a mixed one is still read right.
 */
import { NOT_MINE, clearEntry, type Entry, type Outcome, type Parser } from './entry.js';
import { AccessParser } from './formats/access.js';
import { DebianParser } from './formats/debian.js';
import { JournalParser } from './formats/journal.js';
import { JsonParser } from './formats/json.js';
import { TimestampedParser } from './formats/timestamped.js';

export class Recogniser {
  readonly #parsers: readonly Parser[] = [
    new JsonParser(),
    new TimestampedParser(),
    new JournalParser(),
    new AccessParser(),
    new DebianParser(),
  ];
  #current = this.#parsers[0]!;

  /** Fills `entry`, which must be clear. */
  parse(line: string, entry: Entry): Outcome {
    const outcome = this.#current.parse(line, entry);
    if (outcome !== NOT_MINE) return outcome;
    for (const parser of this.#parsers) {
      if (parser === this.#current) continue;
      const other = parser.parse(line, clearEntry(entry));
      if (other === NOT_MINE) continue;
      this.#current = parser;
      return other;
    }
    return NOT_MINE;
  }

  /** Names the request of the line just parsed. */
  label(line: string): string {
    return this.#current.label?.(line) ?? '';
  }

  /** The entry that the end of the file completes. */
  end(entry: Entry): Outcome {
    for (const parser of this.#parsers) {
      const outcome = parser.end?.(clearEntry(entry)) ?? NOT_MINE;
      if (outcome !== NOT_MINE) return outcome;
    }
    return NOT_MINE;
  }
}
