/** apt's history.log and term.log, and alternatives.log. (dpkg.log begins with a time: see timestamped.ts.) */
import { ENTRY, LEVELS, NOT_MINE, PART, formatIndex, type Entry, type Outcome, type Parser } from '../entry.js';
import { isoMinute } from '../minutes.js';

const HISTORY = formatIndex('apt-history');
const TERM = formatIndex('apt-term');
const ALTERNATIVES = formatIndex('alternatives');
const ERROR = LEVELS.indexOf('error');
const WARNING = LEVELS.indexOf('warning');

const ACTIONS = new Set(['Install', 'Reinstall', 'Upgrade', 'Downgrade', 'Remove', 'Purge']);
const FIELDS = new Set(['Commandline', 'Requested-By', 'Comment']);
/** How lines of term.log begin, by their first word. */
const TERM_WORDS = new Set([
  'Selecting',
  'Preparing',
  'Unpacking',
  'Setting',
  'Processing',
  'Removing',
  'Purging',
  '(Reading',
]);

export class DebianParser implements Parser {
  /** Inside a session of term.log: its words are common ones, and mean something only there. */
  #terminal = false;

  parse(line: string, entry: Entry): Outcome {
    const colon = line.indexOf(': ');
    if (colon > 0 && colon <= 12) {
      const key = line.slice(0, colon);
      if (key === 'Start-Date' || key === 'End-Date')
        return dated(line, colon + 2, key === 'Start-Date', HISTORY, entry);
      if (key === 'Log started' || key === 'Log ended') {
        const outcome = dated(line, colon + 2, key === 'Log started', TERM, entry);
        if (outcome !== NOT_MINE) this.#terminal = key === 'Log started';
        return outcome;
      }
      if (ACTIONS.has(key)) return history(entry, key.toLowerCase(), packagesIn(line));
      if (FIELDS.has(key)) return history(entry, undefined, 0);
      if (key === 'Error') {
        entry.level = ERROR;
        return history(entry, undefined, 0);
      }
    }
    if (line.startsWith('update-alternatives ')) {
      entry.minute = isoMinute(line, 20);
      if (entry.minute === -1) return NOT_MINE;
      entry.format = ALTERNATIVES;
      return ENTRY;
    }
    if (!this.#terminal) return NOT_MINE;
    if (line.startsWith('dpkg: error') || line.startsWith('E: ')) entry.level = ERROR;
    else if (line.startsWith('dpkg: warning') || line.startsWith('W: ')) entry.level = WARNING;
    else if (!TERM_WORDS.has(line.slice(0, line.indexOf(' ')))) return NOT_MINE;
    entry.format = TERM;
    return PART;
  }
}

/** apt writes two spaces between the date and the time. */
function dated(line: string, at: number, opens: boolean, format: number, entry: Entry): Outcome {
  const minute = isoMinute(line.slice(at, at + 20).replace('  ', ' '), 0);
  if (minute === -1) return NOT_MINE;
  entry.format = format;
  if (!opens) return PART;
  entry.minute = minute;
  return ENTRY;
}

function history(entry: Entry, action: string | undefined, packages: number): Outcome {
  entry.format = HISTORY;
  entry.action = action;
  entry.times = packages;
  return PART;
}

/** `name:arch (version), name:arch (version, automatic)`. */
function packagesIn(line: string): number {
  let count = 0;
  for (let i = line.indexOf(')'); i !== -1; i = line.indexOf(')', i + 1)) count++;
  return count;
}
