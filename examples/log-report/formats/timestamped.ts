/**
 * Lines that begin with a time: syslog by RFC 3164 and RFC 5424 (with `<PRI>` as sent, or without, as in files),
 * ISO times with anything behind (rsyslog's own template, application logs), and dpkg.log.
 */
import { ENTRY, NOT_MINE, formatIndex, type Entry, type Outcome, type Parser } from '../entry.js';
import { findLevel, syslogLevel } from '../levels.js';
import { digit, isoMinute, syslogMinute } from '../minutes.js';

const RFC3164 = formatIndex('rfc3164');
const RFC5424 = formatIndex('rfc5424');
const TIMESTAMPED = formatIndex('timestamped');
const DPKG = formatIndex('dpkg');

/** dpkg(1), "FILES": what a line of dpkg.log can say. */
const DPKG_ACTIONS = new Set([
  'startup',
  'status',
  'install',
  'upgrade',
  'configure',
  'trigproc',
  'disappear',
  'remove',
  'purge',
  'conffile',
]);

export class TimestampedParser implements Parser {
  parse(line: string, entry: Entry): Outcome {
    const c = line.charCodeAt(0);
    let at = 0;
    if (c === 60 /* < */) {
      at = line.indexOf('>');
      if (at < 2 || at > 4) return NOT_MINE;
      let priority = 0;
      for (let i = 1; i < at; i++) {
        const d = digit(line, i);
        if (d < 0) return NOT_MINE;
        priority = priority * 10 + d;
      }
      if (priority > 191) return NOT_MINE;
      at++;
      entry.level = syslogLevel(priority & 7);
      if (digit(line, at) > 0 && line.charCodeAt(at + 1) === 32 /* version 1 */) {
        const dash = line.charCodeAt(at + 2) === 45 && line.charCodeAt(at + 3) === 32; // no time known
        entry.minute = isoMinute(line, at + 2);
        if (entry.minute === -1 && !dash) return NOT_MINE;
        entry.format = RFC5424;
        return ENTRY;
      }
    } else if (c === 91 /* [ */) at = 1;

    if (digit(line, at) >= 0) {
      entry.minute = isoMinute(line, at);
      if (entry.minute === -1) return NOT_MINE;
      const dpkg = line.charCodeAt(19) === 32 ? line.indexOf(' ', 20) : -1;
      if (dpkg !== -1 && dpkg <= 30 && line.charCodeAt(20) >= 97) {
        const action = line.slice(20, dpkg);
        if (DPKG_ACTIONS.has(action)) {
          entry.format = DPKG;
          entry.action = action;
          entry.times = 1;
          return ENTRY;
        }
      }
      entry.format = TIMESTAMPED;
      if (entry.level === -1) entry.level = findLevel(line, at + 16, 8);
      return ENTRY;
    }

    entry.minute = syslogMinute(line, at);
    if (entry.minute === -1) return NOT_MINE;
    entry.format = RFC3164;
    if (entry.level === -1) {
      // "host tag[pid]: message": the level, if any, is said at the start of the message.
      const message = line.indexOf(': ', at + 16);
      if (message !== -1) entry.level = findLevel(line, message + 2, 3);
    }
    return ENTRY;
  }
}
