import assert from 'node:assert/strict';

import fc from 'fast-check';

import { MinuteCounter, Slowest } from '../../../examples/log-report/bounded.js';
import { summarise, type Summary } from '../../../examples/log-report/output.js';
import { Counter, Tally } from '../../../examples/log-report/report.js';

/** A line, or the lines of a record, and what it must be counted as. */
interface Sample {
  lines: string[];
  format?: string;
  minute?: string;
  level?: string;
  status?: number;
  milliseconds?: number;
}

const two = (n: number) => String(n).padStart(2, '0');
const MONTHS = 'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'.split(' ');

const minutes = fc.record({
  year: fc.integer({ min: 2001, max: 2099 }),
  month: fc.integer({ min: 1, max: 12 }),
  day: fc.integer({ min: 1, max: 28 }),
  hour: fc.integer({ min: 0, max: 23 }),
  minute: fc.constantFrom(0, 1, 59),
});
type Minute = typeof minutes extends fc.Arbitrary<infer T> ? T : never;
const show = (t: Minute) => `${t.year}-${two(t.month)}-${two(t.day)} ${two(t.hour)}:${two(t.minute)}`;
const levels = fc.constantFrom('fatal', 'error', 'warning', 'info', 'debug');
const PINO: Record<string, number> = { fatal: 60, error: 50, warning: 40, info: 30, debug: 20 };
const SYSLOG: Record<string, number> = { fatal: 2, error: 3, warning: 4, info: 6, debug: 7 };
const words = fc.string({ unit: fc.constantFrom(...'abc xyz'), maxLength: 30 });
const request = fc.record({
  t: minutes,
  status: fc.constantFrom(200, 204, 301, 404, 500, 599),
  milliseconds: fc.integer({ min: 0, max: 100_000 }),
  path: fc.webPath(),
});

const samples: fc.Arbitrary<Sample> = fc.oneof(
  request.map(({ t, status, milliseconds, path }) => ({
    lines: [
      `::1 - - [${two(t.day)}/${MONTHS[t.month - 1]}/${t.year}:${two(t.hour)}:${two(t.minute)}:07 +0200] ` +
        `"GET ${path} HTTP/2" ${status} 12 "-" "agent [x] \\" y" ${(milliseconds / 1000).toFixed(3)}`,
    ],
    format: 'combined',
    minute: show(t),
    status,
    milliseconds,
  })),
  fc.tuple(request, levels).map(([{ t, status, milliseconds, path }, level]) => ({
    lines: [
      JSON.stringify({
        level: PINO[level],
        time: Date.parse(`${show(t).replace(' ', 'T')}:30Z`),
        req: { method: 'GET', url: path },
        res: { statusCode: status },
        responseTime: milliseconds,
      }),
    ],
    format: 'json',
    minute: show(t),
    level,
    status,
    milliseconds,
  })),
  fc.tuple(minutes, levels, words).map(([t, level, text]) => ({
    lines: [`${show(t)}:59,123 [main] ${level.toUpperCase()} ${text}`],
    format: 'timestamped',
    minute: show(t),
    level,
  })),
  fc.tuple(minutes, levels, words).map(([t, level, text]) => ({
    lines: [
      `<${8 * 4 + SYSLOG[level]!}>${MONTHS[t.month - 1]} ${String(t.day).padStart(2)} ${two(t.hour)}:${two(t.minute)}:00 h a: ${text}`,
    ],
    format: 'rfc3164',
    minute: show(t).slice(5),
    level,
  })),
  fc.tuple(minutes, levels, fc.uint8Array({ maxLength: 40 })).map(([t, level, bytes]) => {
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(bytes.length));
    const value = `${length.toString('latin1')}${Buffer.from(bytes).toString('latin1')}`;
    const time = Date.parse(`${show(t).replace(' ', 'T')}:00Z`) * 1000;
    const record = `__CURSOR=a;b\n__REALTIME_TIMESTAMP=${time}\nMESSAGE\n${value}\nPRIORITY=${SYSLOG[level]}\n`;
    return { lines: record.split('\n'), format: 'journal', minute: show(t), level };
  }),
  words.map((text) => ({ lines: [`  ${text}`] })),
);

/** The same counts, in the most naive way. */
function expected(log: readonly Sample[]): Partial<Summary> {
  const tally = (keys: (string | number | undefined)[]): Record<string, number> => {
    const counts: Record<string, number> = {};
    for (const key of keys) if (key !== undefined) counts[key] = (counts[key] ?? 0) + 1;
    return counts;
  };
  const busiest = Object.entries(tally(log.map(({ minute }) => minute))).sort(
    ([m1, n1], [m2, n2]) => n2 - n1 || m1.length - m2.length || (m1 < m2 ? -1 : 1),
  )[0];
  return {
    lines: log.reduce((sum, { lines }) => sum + lines.length, 0),
    entries: log.filter(({ format }) => format !== undefined).length,
    formats: tally(log.flatMap(({ lines, format }) => lines.map(() => format))),
    levels: tally(log.map(({ level }) => level)),
    statuses: tally(log.map(({ status }) => status)),
    ...(busiest && { busiestMinute: { minute: busiest[0], entries: busiest[1], exact: true } }),
  };
}

function actual(tally: Tally): Partial<Summary> {
  const { lines, entries, formats, levels, statuses, busiestMinute } = summarise(tally);
  return { lines, entries, formats, levels, statuses, ...(busiestMinute && { busiestMinute }) };
}

function count(lines: readonly string[], batch = 700): Tally {
  const counter = new Counter();
  for (let i = 0; i < lines.length; i += batch) counter.add(lines.slice(i, i + batch));
  return counter.end();
}

const slowest = (log: readonly Sample[]) =>
  log
    .flatMap(({ milliseconds }) => (milliseconds === undefined ? [] : [milliseconds]))
    .sort((a, b) => b - a)
    .slice(0, 10);

describe('log report: counting', () => {
  it('counts any mixture of formats as a naive count does, in batches of any size', () => {
    fc.assert(
      fc.property(fc.array(samples, { maxLength: 60 }), fc.integer({ min: 1, max: 8 }), (log, batch) => {
        const tally = count(
          log.flatMap(({ lines }) => lines),
          batch,
        );
        assert.deepEqual(actual(tally), expected(log));
        assert.deepEqual(
          tally.slowest.items.map(({ milliseconds }) => Math.round(milliseconds)),
          slowest(log),
        );
      }),
      { numRuns: 500 },
    );
  });

  it('adds files up to what they are together', () => {
    fc.assert(
      fc.property(fc.array(fc.array(samples, { maxLength: 20 }), { maxLength: 4 }), (logs) => {
        const total = new Tally();
        for (const log of logs) total.merge(count(log.flatMap(({ lines }) => lines)));
        const whole = logs.flat();
        assert.deepEqual(actual(total), expected(whole));
        assert.deepEqual(
          total.slowest.items.map(({ milliseconds }) => Math.round(milliseconds)),
          slowest(whole),
        );
      }),
    );
  });

  it('looks at a few lines of every batch, until one is of a log', () => {
    const plain = Array.from({ length: 700 }, (_, i) => `line ${i}`);
    const log = Array.from({ length: 700 }, () => 'Oct 11 22:14:15 h su[231]: hello');
    const tally = count([...plain, ...plain, ...log, ...plain]);
    assert.equal(tally.lines, 2800);
    assert.deepEqual(summarise(tally).formats, { rfc3164: 700 });
  });

  it('finds one line of a log anywhere in the first batch', () => {
    const plain = Array.from({ length: 700 }, (_, i) => `line ${i}`);
    plain[123] = 'Oct 11 22:14:15 h su[231]: hello';
    assert.equal(count(plain).entries, 1);
  });

  it('decodes what it shows', () => {
    const line = '{"method":"GET","url":"/größe/µ/日本","responseTime":5}';
    const tally = count([Buffer.from(line).toString('latin1')]);
    assert.deepEqual(summarise(tally).slowest, [{ milliseconds: 5, request: 'GET /größe/µ/日本' }]);
  });

  it('says nothing of what a log does not have', () => {
    assert.deepEqual(summarise(count(['a', 'b'])), {
      bytes: 0,
      lines: 2,
      entries: 0,
      formats: {},
      levels: {},
      statuses: {},
      actions: {},
      slowest: [],
    });
  });
});

describe('log report: bounded counters', () => {
  it('keeps the busiest minute exactly in a log in order, however long', () => {
    const counter = new MinuteCounter(100);
    for (let minute = 0; minute < 100_000; minute++) {
      const times = minute === 31_337 ? 9 : 1 + (minute % 8);
      for (let i = 0; i < times; i++) counter.add(minute);
      if (minute % 1000 === 0) assert.ok(counter.size <= 100);
    }
    assert.deepEqual(counter.busiest(), { minute: 31_337, count: 9, exact: true });
  });

  it('says so where minutes came back after they had been dropped', () => {
    const counter = new MinuteCounter(10);
    for (let round = 0; round < 2; round++) for (let minute = 0; minute < 100; minute++) counter.add(minute);
    assert.equal(counter.busiest()?.exact, false);
    const total = new MinuteCounter();
    total.merge(counter);
    assert.equal(total.busiest()?.exact, false);
  });

  it('is exact within its capacity, in any order', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1 }), (list) => {
        const counter = new MinuteCounter(20);
        const counts = new Map<number, number>();
        for (const minute of list) {
          counter.add(minute);
          counts.set(minute, (counts.get(minute) ?? 0) + 1);
        }
        const [minute, n] = [...counts].sort(([m1, n1], [m2, n2]) => n2 - n1 || m1 - m2)[0]!;
        assert.deepEqual(counter.busiest(), { minute, count: n, exact: true });
      }),
    );
  });

  it('keeps the slowest, in order', () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 50 })), fc.integer({ min: 1, max: 5 }), (list, capacity) => {
        const slowest = new Slowest(capacity);
        for (const milliseconds of list) slowest.add({ milliseconds, label: '' });
        assert.deepEqual(
          slowest.items.map(({ milliseconds }) => milliseconds),
          [...list].sort((a, b) => b - a).slice(0, capacity),
        );
      }),
    );
  });
});
