/**
 * The journal's export format (systemd, "Journal Export Formats"): records of `KEY=value` lines, ended by an empty
 * line. A value that is not plain text stands in binary: `KEY`, a newline, its length as 64-bit little-endian, the
 * bytes, a newline. Since characters are bytes here, skipping it is counting; nothing of it is kept.
 */
import { ENTRY, MAX_LINE, NOT_MINE, PART, formatIndex, type Entry, type Outcome, type Parser } from '../entry.js';
import { syslogLevel } from '../levels.js';
import { digit, epochMinute } from '../minutes.js';

const JOURNAL = formatIndex('journal');
const CURSOR = '__CURSOR=';
const REALTIME = '__REALTIME_TIMESTAMP=';
const PRIORITY = 'PRIORITY=';

export class JournalParser implements Parser {
  #open = false;
  #minute = -1;
  #level = -1;
  /** The start of a binary value, until its eight bytes of length are there. */
  #header: string | undefined;
  /** Bytes of a binary value, and its newline, still to come; Infinity where a cut line made them uncountable. */
  #skip = 0;

  parse(line: string, entry: Entry): Outcome {
    entry.format = JOURNAL;
    if (this.#skip > 0 && !(this.#skip === Infinity && line.startsWith(CURSOR)))
      return this.#skipped(line.length + 1, line);
    if (this.#header !== undefined) return this.#binary(line);
    if (line === '') return this.end(entry);
    const c = line.charCodeAt(0);
    if (c !== 95 /* _ */ && !this.#open) return NOT_MINE;

    if (line.startsWith(CURSOR)) {
      const outcome = this.end(entry);
      this.#open = true;
      return outcome === NOT_MINE ? PART : outcome;
    }
    if (line.startsWith(REALTIME)) {
      this.#open = true;
      this.#minute = epochMinute(Number(line.slice(REALTIME.length)));
      return PART;
    }
    if (!this.#open) return NOT_MINE;
    if (line.startsWith(PRIORITY)) this.#level = syslogLevel(digit(line, PRIORITY.length));
    else if (isName(line)) this.#header = '';
    else if (!line.includes('=')) return NOT_MINE;
    return PART;
  }

  end(entry: Entry): Outcome {
    if (!this.#open) return NOT_MINE;
    entry.format = JOURNAL;
    entry.minute = this.#minute;
    entry.level = this.#level;
    this.#minute = this.#level = -1;
    this.#open = false;
    this.#header = undefined;
    this.#skip = 0;
    return ENTRY;
  }

  /** Collects the length, which may itself hold newlines, and starts to skip. */
  #binary(line: string): Outcome {
    this.#header = `${this.#header}${line.slice(0, 8)}\n`;
    if (this.#header.length <= 8 && line.length < 8) return PART;
    let length = 0;
    for (let i = 7; i >= 0; i--) length = length * 256 + this.#header.charCodeAt(i);
    const before = this.#header.length - 1 - Math.min(line.length, 8);
    this.#header = undefined;
    this.#skip = 8 + length + 1;
    return this.#skipped(before + line.length + 1, line);
  }

  #skipped(bytes: number, line: string): Outcome {
    this.#skip = line.length < MAX_LINE ? this.#skip - bytes : Infinity;
    if (this.#skip < 0) this.#skip = 0;
    return PART;
  }
}

/** A field's name alone on its line: capitals, digits and underscores. */
function isName(line: string): boolean {
  if (line.length > 64) return false; // the journal's own limit
  for (let i = 0; i < line.length; i++) {
    const c = line.charCodeAt(i);
    if (!((c >= 65 && c <= 90) || c === 95 || (c >= 48 && c <= 57))) return false;
  }
  return true;
}
