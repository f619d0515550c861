/** Reading times to the minute: by character codes, since this is done for every line. */

/** `YYYY-MM-DDThh:mm`, also with a space for the T and slashes for the hyphens, at `at`; −1 where there is none. */
export function isoMinute(line: string, at: number): number {
  const hyphen = line.charCodeAt(at + 4);
  if ((hyphen !== 45 && hyphen !== 47) || line.charCodeAt(at + 7) !== hyphen) return -1;
  const t = line.charCodeAt(at + 10);
  if (t !== 84 && t !== 32) return -1;
  const century = digits(line, at);
  const year = digits(line, at + 2);
  if (century < 0 || year < 0) return -1;
  const clock = clockAt(line, at + 11);
  return join(century * 100 + year, digits(line, at + 5), digits(line, at + 8), clock);
}

/** `dd/Mmm/YYYY:hh:mm`, the time of NCSA logs. */
export function ncsaMinute(line: string, at: number): number {
  if (line.charCodeAt(at + 2) !== 47 || line.charCodeAt(at + 6) !== 47 || line.charCodeAt(at + 11) !== 58) return -1;
  const century = digits(line, at + 7);
  const year = digits(line, at + 9);
  if (century < 0 || year < 0) return -1;
  return join(century * 100 + year, monthAt(line, at + 3), digits(line, at), clockAt(line, at + 12));
}

/** `Mmm dd hh:mm:ss`, the time of RFC 3164, whose day may have a space for its first digit. There is no year. */
export function syslogMinute(line: string, at: number): number {
  if (line.charCodeAt(at + 3) !== 32 || line.charCodeAt(at + 6) !== 32 || line.charCodeAt(at + 12) !== 58) return -1;
  const day = line.charCodeAt(at + 4) === 32 ? digit(line, at + 5) : digits(line, at + 4);
  return join(0, monthAt(line, at), day, clockAt(line, at + 7));
}

let lastMinute = -1;
let lastKey = -1;

/** A number since the epoch, in seconds, milliseconds, microseconds or nanoseconds (told by its size), in UTC. */
export function epochMinute(time: number): number {
  let milliseconds = time;
  if (!(time > 0 && time < 1e20)) return -1;
  if (time < 1e11) milliseconds = time * 1e3;
  else if (time >= 1e17) milliseconds = time / 1e6;
  else if (time >= 1e14) milliseconds = time / 1e3;
  const minute = Math.floor(milliseconds / 60_000);
  if (minute !== lastMinute) {
    const date = new Date(minute * 60_000);
    lastMinute = minute;
    lastKey = join(
      date.getUTCFullYear(),
      date.getUTCMonth() + 1,
      date.getUTCDate(),
      date.getUTCHours() * 100 + date.getUTCMinutes(),
    );
  }
  return lastKey;
}

/** The minute as people write it. */
export function showMinute(minute: number): string {
  const text = String(minute).padStart(8, '0');
  const at = text.length - 8;
  const day = `${text.slice(at, at + 2)}-${text.slice(at + 2, at + 4)} ${text.slice(at + 4, at + 6)}:${text.slice(at + 6)}`;
  return hasYear(minute) ? `${text.slice(0, at).padStart(4, '0')}-${day}` : day;
}

export function hasYear(minute: number): boolean {
  return minute >= 1e8;
}

function join(year: number, month: number, day: number, clock: number): number {
  if (clock < 0 || month < 1 || month > 12 || day < 1 || day > 31) return -1;
  return ((year * 100 + month) * 100 + day) * 10_000 + clock;
}

/** `hh:mm` as hhmm. */
function clockAt(line: string, at: number): number {
  if (line.charCodeAt(at + 2) !== 58) return -1;
  const hour = digits(line, at);
  const minute = digits(line, at + 3);
  return hour >= 0 && hour < 24 && minute >= 0 && minute < 60 ? hour * 100 + minute : -1;
}

function monthAt(line: string, at: number): number {
  const b = line.charCodeAt(at + 1);
  const c = line.charCodeAt(at + 2);
  switch (line.charCodeAt(at)) {
    case 74: // Jan Jun Jul
      if (b === 97) return c === 110 ? 1 : -1;
      return b !== 117 ? -1 : c === 110 ? 6 : c === 108 ? 7 : -1;
    case 70:
      return b === 101 && c === 98 ? 2 : -1;
    case 77: // Mar May
      return b !== 97 ? -1 : c === 114 ? 3 : c === 121 ? 5 : -1;
    case 65: // Apr Aug
      if (b === 112) return c === 114 ? 4 : -1;
      return b === 117 && c === 103 ? 8 : -1;
    case 83:
      return b === 101 && c === 112 ? 9 : -1;
    case 79:
      return b === 99 && c === 116 ? 10 : -1;
    case 78:
      return b === 111 && c === 118 ? 11 : -1;
    case 68:
      return b === 101 && c === 99 ? 12 : -1;
    default:
      return -1;
  }
}

/** Two digits as a number; −1 where they are not digits. */
export function digits(line: string, at: number): number {
  const tens = digit(line, at);
  const ones = digit(line, at + 1);
  return tens < 0 || ones < 0 ? -1 : tens * 10 + ones;
}

export function digit(line: string, at: number): number {
  const value = line.charCodeAt(at) - 48;
  return value >= 0 && value <= 9 ? value : -1; // NaN, past the end, fails both
}
