/**
 * The time that a line of a log begins with: ISO 8601 (`2024-05-06T07:08:09.123+02:00`, a space for the T, any part from
 * the hour on left out), syslog's (`May  6 07:08:09`, RFC 3164), or that of the Common Log Format
 * (`[06/May/2024:07:08:09 +0200]`), after a `[` or a `<priority>`.
 */

export interface Time {
  /** The clock's reading, as milliseconds since 1970 if it were UTC. */
  clock: number;
  /** Minutes that the clock is ahead of UTC; `undefined` where the text does not say. */
  zone: number | undefined;
  /** Milliseconds of the last unit that is told: 1000 for seconds, 86,400,000 for a day. */
  unit: number;
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const MONTH = MONTHS.join('|');
const DAY = 86_400_000;

// RFC 5424 has a version after the priority.
const ISO =
  /^(?:<\d{1,3}>(?:\d )?)?\[?(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d)(?::(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?)?)? ?(Z|[+-]\d\d:?\d\d)?/;
const SYSLOG = new RegExp(`^(?:<\\d{1,3}>)?(${MONTH}) ([ \\d]\\d)(?: (\\d\\d):(\\d\\d)(?::(\\d\\d))?)?`);
const COMMON = new RegExp(`^[^[]{0,200}\\[(\\d\\d)/(${MONTH})/(\\d{4}):(\\d\\d):(\\d\\d):(\\d\\d) ([+-]\\d{4})\\]`);

/** Reads times; those without a year are within the year that ends at `latest` and a day. */
export class TimeReader {
  readonly #latest: number;

  constructor(latest: Date) {
    this.#latest = Date.UTC(latest.getFullYear(), latest.getMonth(), latest.getDate(), 24 + latest.getHours());
  }

  /** The time at the beginning of the text; `undefined` where there is none. */
  read(text: string): Time | undefined {
    return iso(text) ?? this.#syslog(text) ?? common(text);
  }

  #syslog(text: string): Time | undefined {
    const found = SYSLOG.exec(text);
    if (found === null) return undefined;
    const [, month, day, hour, minute, second] = found as string[];
    const year = new Date(this.#latest).getUTCFullYear();
    const at = (year: number): number =>
      Date.UTC(year, MONTHS.indexOf(month!), Number(day), Number(hour ?? 0), Number(minute ?? 0), Number(second ?? 0));
    const clock = at(year) <= this.#latest ? at(year) : at(year - 1);
    return { clock, zone: undefined, unit: second !== undefined ? 1000 : hour !== undefined ? 60_000 : DAY };
  }
}

function iso(text: string): Time | undefined {
  const found = ISO.exec(text);
  if (found === null) return undefined;
  const [, year, month, day, hour, minute, second, fraction, zone] = found;
  const date = Date.UTC(Number(year), Number(month) - 1, Number(day));
  const time = (Number(hour ?? 0) * 60 + Number(minute ?? 0)) * 60 + Number(second ?? 0);
  const milliseconds = fraction === undefined ? 0 : Number(`0.${fraction}`) * 1000;
  const whole = second !== undefined ? 1000 : minute !== undefined ? 60_000 : hour !== undefined ? 3_600_000 : DAY;
  return {
    clock: date + time * 1000 + milliseconds,
    zone: zoneOf(zone),
    unit: fraction === undefined ? whole : 1000 / 10 ** fraction.length,
  };
}

function common(text: string): Time | undefined {
  const found = COMMON.exec(text);
  if (found === null) return undefined;
  const [, day, month, year, hour, minute, second, zone] = found as string[];
  const clock = Date.UTC(
    Number(year),
    MONTHS.indexOf(month!),
    Number(day),
    Number(hour),
    Number(minute),
    Number(second),
  );
  return { clock, zone: zoneOf(zone), unit: 1000 };
}

function zoneOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (text === 'Z') return 0;
  const minutes = Number(text.slice(1, 3)) * 60 + Number(text.slice(-2));
  return text.startsWith('-') ? -minutes : minutes;
}

/** Below 0 where `a` is earlier: instants where both tell their zone, and what the clocks showed where one does not. */
export function compareTimes(a: Time, b: Time): number {
  if (a.zone === undefined || b.zone === undefined) return a.clock - b.clock;
  return a.clock - a.zone * 60_000 - (b.clock - b.zone * 60_000);
}

/** The time at which the unit ends that `time` tells last. */
export function endOf(time: Time): Time {
  return { ...time, clock: time.clock + time.unit };
}
