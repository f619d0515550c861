/**
 * NCSA Common and Combined Log, with or without a virtual host before and a request time behind:
 * `host ident user [10/Oct/2000:13:55:36 -0700] "GET /a HTTP/1.1" 200 2326 "referer" "agent" 0.123`
 */
import { ENTRY, NOT_MINE, formatIndex, type Entry, type Outcome, type Parser } from '../entry.js';
import { digit, ncsaMinute } from '../minutes.js';

const COMMON = formatIndex('common');
const COMBINED = formatIndex('combined');

/** Where the opening bracket of the time must be found: host names and users are not longer. */
const FAR = 1024;

export class AccessParser implements Parser {
  #request = 0;
  #requestEnd = 0;

  parse(line: string, entry: Entry): Outcome {
    let open = line.indexOf(' [');
    while (open !== -1 && open < FAR) {
      const minute = ncsaMinute(line, open + 2);
      if (minute !== -1) return this.#rest(line, open + 2, minute, entry);
      open = line.indexOf(' [', open + 1);
    }
    return NOT_MINE;
  }

  #rest(line: string, time: number, minute: number, entry: Entry): Outcome {
    const close = line.indexOf('] "', time + 20);
    if (close === -1) return NOT_MINE;
    // A request may hold quotes (escaped by most servers, raw by some): the right one is followed by a status.
    for (let quote = line.indexOf('" ', close + 3); quote !== -1; quote = line.indexOf('" ', quote + 1)) {
      const status = statusAt(line, quote + 2);
      if (status === -1) continue;
      this.#request = close + 3;
      this.#requestEnd = quote;
      entry.minute = minute;
      entry.status = status;
      const referer = line.indexOf('"', quote + 6);
      const last = referer === -1 ? -1 : line.lastIndexOf('"');
      // `-`, or the number of bytes sent, stands between the status and what follows.
      const tail = last > referer ? last + 1 : line.indexOf(' ', quote + 6);
      entry.format = last > referer ? COMBINED : COMMON;
      if (tail !== -1 && tail < line.length - 1) entry.milliseconds = requestTime(line, tail);
      return ENTRY;
    }
    return NOT_MINE;
  }

  label(line: string): string {
    return line.slice(this.#request, this.#requestEnd).replace(/ HTTP\/[\d.]+$/, '');
  }
}

function statusAt(line: string, at: number): number {
  const hundreds = digit(line, at);
  const tens = digit(line, at + 1);
  const ones = digit(line, at + 2);
  const end = line.charCodeAt(at + 3);
  if (hundreds < 1 || hundreds > 5 || tens < 0 || ones < 0 || !(end === 32 || at + 3 === line.length)) return -1;
  return hundreds * 100 + tens * 10 + ones;
}

/**
 * The request time behind the last quote, in milliseconds: the first number with a fraction, which is in seconds
 * (nginx's `$request_time`, also as `rt=0.123`), or else a number that stands alone, in microseconds (Apache's `%D`).
 */
function requestTime(line: string, at: number): number {
  let whole = -1;
  let count = 0;
  for (let i = at; i < line.length; i++) {
    if (digit(line, i) < 0) continue;
    let value = 0;
    let d: number;
    for (; (d = digit(line, i)) >= 0; i++) value = value * 10 + d;
    let end = line.charCodeAt(i);
    if (end === 46 /* . */) {
      let scale = 1;
      for (i++; (d = digit(line, i)) >= 0; i++) {
        value = value * 10 + d;
        scale *= 10;
      }
      end = line.charCodeAt(i);
      if (scale > 1 && (end === 32 || i >= line.length)) return (value / scale) * 1e3;
    } else if (end === 32 || i >= line.length) whole = value;
    count++;
    while (i < line.length && line.charCodeAt(i) !== 32) i++;
  }
  return count === 1 && whole !== -1 ? whole / 1e3 : -1;
}
