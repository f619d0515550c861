import assert from 'node:assert/strict';

import {
  ENTRY,
  FORMATS,
  LEVELS,
  MAX_LINE,
  NOT_MINE,
  PART,
  clearEntry,
  emptyEntry,
} from '../../../examples/log-report/entry.js';
import { Recogniser } from '../../../examples/log-report/formats.js';
import { findLevel, namedLevel, numberedLevel } from '../../../examples/log-report/levels.js';
import { epochMinute, isoMinute, ncsaMinute, showMinute, syslogMinute } from '../../../examples/log-report/minutes.js';

/** What one line says, with names for numbers; fields that it does not have are left out. */
function read(line: string, recogniser = new Recogniser()): Record<string, unknown> | undefined {
  const entry = clearEntry(emptyEntry());
  const outcome = recogniser.parse(Buffer.from(line).toString('latin1'), entry);
  if (outcome === NOT_MINE) return undefined;
  return {
    format: FORMATS[entry.format],
    ...(outcome === PART && { part: true }),
    ...(entry.minute !== -1 && { minute: showMinute(entry.minute) }),
    ...(entry.level !== -1 && { level: LEVELS[entry.level] }),
    ...(entry.status !== -1 && { status: entry.status }),
    ...(entry.milliseconds !== -1 && { milliseconds: Math.round(entry.milliseconds * 1e6) / 1e6 }),
    ...(entry.action !== undefined && { action: entry.action, times: entry.times }),
  };
}

function label(line: string): string {
  const recogniser = new Recogniser();
  assert.equal(recogniser.parse(line, clearEntry(emptyEntry())), ENTRY);
  return recogniser.label(line);
}

describe('log report: formats', () => {
  const NCSA = '127.0.0.1 - frank [10/Oct/2000:13:55:36 -0700] "GET /apache_pb.gif HTTP/1.0" 200 2326';
  const REST = ' "http://www.example.com/start.html" "Mozilla/4.08 [en] (Win98; I ;Nav)"';
  const ncsa = { minute: '2000-10-10 13:55', status: 200 };

  const samples: [name: string, line: string, expected: Record<string, unknown> | undefined][] = [
    ['Common Log', NCSA, { format: 'common', ...ncsa }],
    ['Common Log, no bytes', NCSA.replace('2326', '-'), { format: 'common', ...ncsa }],
    ['Common Log with a time', `${NCSA} 1500`, { format: 'common', ...ncsa, milliseconds: 1.5 }],
    ['Common Log with a carriage return', `${NCSA}\r`, { format: 'common', ...ncsa }],
    ['Combined Log', NCSA + REST, { format: 'combined', ...ncsa }],
    ['Combined Log with a virtual host', `www.example.com:80 ${NCSA}${REST}`, { format: 'combined', ...ncsa }],
    ['Combined Log, nginx time', `${NCSA}${REST} 0.250`, { format: 'combined', ...ncsa, milliseconds: 250 }],
    ['Combined Log, named time', `${NCSA}${REST} rt=1.5 up=0.9`, { format: 'combined', ...ncsa, milliseconds: 1500 }],
    ['Combined Log, Apache time', `${NCSA}${REST} 2326`, { format: 'combined', ...ncsa, milliseconds: 2.326 }],
    [
      'Combined Log, ingress',
      `${NCSA}${REST} 416 0.005 [default-web-80] [] 10.0.0.7:8080 612 0.004 200 abc`,
      { format: 'combined', ...ncsa, milliseconds: 5 },
    ],
    [
      'Combined Log, quotes in the request',
      String.raw`::1 - - [01/Feb/2024:00:00:59 +0000] "GET /a\"b\" HTTP/1.1" 404 0 "-" "x \" y"`,
      { format: 'combined', minute: '2024-02-01 00:00', status: 404 },
    ],
    [
      'Combined Log, garbage for a request',
      String.raw`1.2.3.4 - - [31/Dec/2024:23:59:59 +0100] "\x16\x03" 400 0 "-" "-"`,
      { format: 'combined', minute: '2024-12-31 23:59', status: 400 },
    ],
    ['no such month', NCSA.replace('Oct', 'Okt'), undefined],
    ['no such hour', NCSA.replace(':13:', ':24:'), undefined],
    ['no such status', NCSA.replace('" 200', '" 900'), undefined],

    ['RFC 3164', 'Oct 11 22:14:15 mymachine su[231]: failed for lonvick', { format: 'rfc3164', minute: '10-11 22:14' }],
    ['RFC 3164, short day', 'Jan  1 00:00:00 h p: x', { format: 'rfc3164', minute: '01-01 00:00' }],
    [
      'RFC 3164 as sent',
      "<34>Oct 11 22:14:15 m su: 'su root' failed",
      { format: 'rfc3164', minute: '10-11 22:14', level: 'fatal' },
    ],
    [
      'RFC 3164, level in words',
      'Aug  3 01:02:03 h app[9]: WARN: low',
      { format: 'rfc3164', minute: '08-03 01:02', level: 'warning' },
    ],
    [
      'RFC 3164, a word that is no level',
      'Aug  3 01:02:03 h app[9]: an error here',
      { format: 'rfc3164', minute: '08-03 01:02' },
    ],
    [
      'RFC 5424',
      "<165>1 2003-08-24T05:14:15.000003-07:00 192.0.2.1 myproc 8710 - - %% It's time",
      { format: 'rfc5424', minute: '2003-08-24 05:14', level: 'notice' },
    ],
    ['RFC 5424 without a time', '<11>1 - - - - - -', { format: 'rfc5424', level: 'error' }],
    ['RFC 5424, priority too high', '<192>1 2003-08-24T05:14:15Z h p - - - x', undefined],
    [
      'rsyslog file',
      '2024-03-01T10:11:12.123456+01:00 host kernel: error: disk',
      { format: 'timestamped', minute: '2024-03-01 10:11', level: 'error' },
    ],
    [
      'application log',
      '[2024-03-01 10:11:12,123] [main] INFO com.example.App - started',
      { format: 'timestamped', minute: '2024-03-01 10:11', level: 'info' },
    ],
    [
      'nginx error log',
      '2024/03/01 10:11:12 [error] 12#0: *1 open()',
      { format: 'timestamped', minute: '2024-03-01 10:11', level: 'error' },
    ],
    ['a date that is none', '2024-13-01 10:11:12 x', undefined],
    ['a date alone', '2024-03-01', undefined],

    [
      'dpkg.log',
      '2025-06-24 14:36:25 status half-configured libsystemd0:amd64 252.36-1~deb12u1',
      { format: 'dpkg', minute: '2025-06-24 14:36', action: 'status', times: 1 },
    ],
    [
      'dpkg.log, installing',
      '2025-06-24 14:36:30 install less:amd64 <none> 590-2.1',
      { format: 'dpkg', minute: '2025-06-24 14:36', action: 'install', times: 1 },
    ],
    ['history.log, start', 'Start-Date: 2025-06-24  14:36:25', { format: 'apt-history', minute: '2025-06-24 14:36' }],
    [
      'history.log, packages',
      'Install: less:amd64 (590-2.1), git:amd64 (1:2.39.5, automatic)',
      { format: 'apt-history', part: true, action: 'install', times: 2 },
    ],
    ['history.log, command', 'Commandline: apt-get -qqy upgrade', { format: 'apt-history', part: true }],
    ['history.log, end', 'End-Date: 2025-06-24  14:36:25', { format: 'apt-history', part: true }],
    ['term.log', 'Log started: 2025-06-24  14:36:25', { format: 'apt-term', minute: '2025-06-24 14:36' }],
    ['a word of term.log elsewhere', 'Unpacking the boxes', undefined],
    [
      'alternatives.log',
      'update-alternatives 2025-06-24 14:36:53: run with --quiet',
      { format: 'alternatives', minute: '2025-06-24 14:36' },
    ],

    [
      'pino-http',
      '{"level":30,"time":1700000000000,"pid":1,"req":{"method":"GET","url":"/a"},"res":{"statusCode":200},"responseTime":12,"msg":"done"}',
      { format: 'json', minute: '2023-11-14 22:13', level: 'info', status: 200, milliseconds: 12 },
    ],
    [
      'bunyan',
      '{"name":"app","hostname":"h","pid":1,"level":50,"msg":"x","time":"2012-02-03T19:02:57.534Z","v":0}',
      { format: 'json', minute: '2012-02-03 19:02', level: 'error' },
    ],
    [
      'winston',
      '{"level":"warn","message":"x","timestamp":"2024-03-01T10:11:12.000Z","durationMs":"7"}',
      { format: 'json', minute: '2024-03-01 10:11', level: 'warning', milliseconds: 7 },
    ],
    [
      'zap',
      '{"level":"info","ts":1700000000.25,"caller":"a/b.go:1","msg":"x","status":503,"latency":0.5}',
      { format: 'json', minute: '2023-11-14 22:13', level: 'info', status: 503, milliseconds: 500 },
    ],
    [
      'Go slog with a duration in words',
      '{"time":"2024-03-01T10:11:12.1+01:00","level":"DEBUG","msg":"x","duration":"250µs"}',
      { format: 'json', minute: '2024-03-01 10:11', level: 'debug', milliseconds: 0.25 },
    ],
    [
      'ECS',
      '{"@timestamp":"2024-03-01T10:11:12.000Z","log.level":"ERROR","http":{"response":{"status_code":1}},"event.duration":5000000}',
      { format: 'json', minute: '2024-03-01 10:11', level: 'error', milliseconds: 5 },
    ],
    [
      'Google Cloud',
      '{"severity":"CRITICAL","timestamp":"2024-03-01T10:11:12Z","httpRequest":{"status":404,"requestMethod":"GET","requestUrl":"/x"}}',
      { format: 'json', minute: '2024-03-01 10:11', level: 'fatal', status: 404 },
    ],
    [
      'GELF',
      '{"version":"1.1","short_message":"x","timestamp":1700000000.1,"level":4}',
      { format: 'json', minute: '2023-11-14 22:13', level: 'warning' },
    ],
    [
      'nginx JSON',
      '{"time":"2024-03-01T10:11:12+00:00","status":"499","request":"GET / HTTP/1.1","request_time":"1.250"}',
      { format: 'json', minute: '2024-03-01 10:11', status: 499, milliseconds: 1250 },
    ],
    [
      'journalctl -o json',
      '{"__REALTIME_TIMESTAMP":"1700000000000000","PRIORITY":"6","MESSAGE":"x"}',
      { format: 'json', minute: '2023-11-14 22:13', level: 'info' },
    ],
    ['JSON of nothing known', '{}', { format: 'json' }],
    [
      'JSON with odd values',
      '{"level":{},"time":[],"status":"x","duration":null,"responseTime":"fast"}',
      { format: 'json' },
    ],
    ['broken JSON', '{"level":30', undefined],

    ['an empty line', '', undefined],
    ['a binary length with nothing before', '\x05\0\0\0\0\0\0\0hello', undefined],
    ['plain text', 'bin/ash                       shells/ash', undefined],
    ['capitals and equals signs', 'PATH=/usr/bin', undefined],
  ];
  for (const [name, line, expected] of samples) {
    it(`reads ${name}`, () => assert.deepEqual(read(line), expected));
  }

  it('reads every sample the same, whatever stood before it', () => {
    const recogniser = new Recogniser();
    for (let step = 1; step < samples.length; step += 7) {
      for (let i = 0; i < samples.length; i++) {
        const [name, line, expected] = samples[(i * step) % samples.length]!;
        // Inside a session of term.log its words do mean something.
        if (name === 'a word of term.log elsewhere') continue;
        assert.deepEqual(read(line, recogniser), expected, name);
      }
    }
  });

  it('names requests', () => {
    assert.equal(label(NCSA), 'GET /apache_pb.gif');
    assert.equal(label('{"req":{"method":"PUT","url":"/a"},"responseTime":1}'), 'PUT /a');
    assert.equal(label('{"path":"/a","responseTime":1}'), '/a');
    assert.equal(label('{"request":"GET / HTTP/1.1"}'), 'GET / HTTP/1.1');
    assert.equal(label('{"msg":"slow query"}'), 'slow query');
    assert.equal(label('{}'), '');
  });

  it('reads a session of term.log', () => {
    const recogniser = new Recogniser();
    const outcomes = [
      'Log started: 2025-06-24  14:36:25',
      'Setting up libsystemd0:amd64 (252.38-1~deb12u1) ...',
      'dpkg: error processing package x (--configure):',
      'W: Download is performed unsandboxed',
      'something else',
      'Log ended: 2025-06-24  14:36:29',
      'Setting up the tent',
    ].map((line) => read(line, recogniser));
    const term = { format: 'apt-term', part: true };
    assert.deepEqual(outcomes, [
      { format: 'apt-term', minute: '2025-06-24 14:36' },
      term,
      { ...term, level: 'error' },
      { ...term, level: 'warning' },
      undefined,
      term,
      undefined,
    ]);
  });

  describe('journal export', () => {
    const field = (name: string, value: string) => {
      const length = Buffer.alloc(8);
      length.writeBigUInt64LE(BigInt(value.length));
      return `${name}\n${length.toString('latin1')}${value}\n`;
    };
    /** The entries of a journal: minute and level of each. */
    function entries(bytes: string): string[] {
      const recogniser = new Recogniser();
      const entry = emptyEntry();
      const found: string[] = [];
      const note = (outcome: number) => {
        if (outcome === ENTRY) found.push(`${showMinute(entry.minute)} ${LEVELS[entry.level]}`);
      };
      const lines = bytes.split('\n');
      if (lines.at(-1) === '') lines.pop();
      for (const line of lines) {
        note(recogniser.parse(line.slice(0, MAX_LINE), clearEntry(entry)));
        assert.equal(entry.format, FORMATS.indexOf('journal'), JSON.stringify(line.slice(0, 80)));
      }
      note(recogniser.end(entry));
      return found;
    }
    const record = (n: number, message: string) =>
      `__CURSOR=s=${n};i=1\n__REALTIME_TIMESTAMP=${1_700_000_000_000_000 + n * 60_000_000}\n${message}PRIORITY=${n}\n_PID=1\n`;

    for (const [name, message] of [
      ['text', 'MESSAGE=a=b\n'],
      ['an empty binary value', field('MESSAGE', '')],
      ['several lines', field('MESSAGE', 'one\ntwo\r\n\nthree\n')],
      ['only newlines, as many as a newline is worth', field('MESSAGE', '\n'.repeat(10))],
      ['newlines in the length', field('MESSAGE', 'x'.repeat(0x0a0a))],
      ['what looks like records', field('MESSAGE', '\n\n__CURSOR=x\n__REALTIME_TIMESTAMP=1\nPRIORITY=0\n\n')],
      ['every byte', field('COREDUMP', Buffer.from(Array.from({ length: 256 }, (_, i) => i)).toString('latin1'))],
      ['two binary fields', field('A', '\n') + field('B_1', 'a\0\n')],
    ] as const) {
      it(`skips values: ${name}`, () => {
        const expected = ['2023-11-14 22:14 fatal', '2023-11-14 22:17 warning'];
        assert.deepEqual(entries(`${record(1, message)}\n${record(4, message)}\n`), expected);
        assert.deepEqual(entries(`${record(1, message)}\n${record(4, message)}`), expected, 'cut after the last field');
      });
    }

    it('finds the next record after a value too long to count', () => {
      const long = field('COREDUMP', `${'x'.repeat(MAX_LINE + 5)}\n\nPRIORITY=0\n`);
      const minutes = entries(`${record(1, long)}\n${record(4, '')}\n`).map((entry) => entry.slice(0, 16));
      assert.deepEqual(minutes, ['2023-11-14 22:14', '2023-11-14 22:17']);
    });
  });
});

describe('log report: words and times', () => {
  it('knows levels by name and number', () => {
    const name = (level: number) => LEVELS[level];
    assert.deepEqual(['ERR', 'warn', 'Notice', 'CRITICAL', 'silly'].map(namedLevel).map(name), [
      'error',
      'warning',
      'notice',
      'fatal',
      'trace',
    ]);
    assert.deepEqual([10, 20, 30, 40, 50, 60, 70].map(numberedLevel).map(name), [
      'trace',
      'debug',
      'info',
      'warning',
      'error',
      'fatal',
      'fatal',
    ]);
    assert.deepEqual([0, 3, 4, 5, 6, 7].map(numberedLevel).map(name), [
      'fatal',
      'error',
      'warning',
      'notice',
      'info',
      'debug',
    ]);
    assert.deepEqual([-1, Number.NaN, 8, 9, 3.5].map(numberedLevel), [-1, -1, -1, -1, -1]);
    assert.equal(namedLevel('constructor'), -1);
  });

  it('finds a level only where it is marked as one', () => {
    for (const line of ['ERROR x', 'a [error] x', 'x error: y', 'level=error', '- - ERR']) {
      assert.equal(LEVELS[findLevel(line, 0, 4)], 'error', line);
    }
    for (const line of ['', 'an error', 'errors: 3', 'a b c d ERROR', 'ERRORS', '[', 'E']) {
      assert.equal(findLevel(line, 0, 4), -1, line);
    }
  });

  it('refuses what is no time', () => {
    for (const bad of [
      '',
      '2024',
      '2024-03-01',
      '2024-03-01T1',
      '2024-00-01 10:11',
      '2024-03-32 10:11',
      '2024-03-01 10:60',
      '2024-03/01 10:11',
    ]) {
      assert.equal(isoMinute(bad, 0), -1, bad);
    }
    for (const bad of ['', 'Oct 11', 'Okt 11 22:14:15', 'Oct 11 22:14', 'Oct 00 22:14:15'])
      assert.equal(syslogMinute(bad, 0), -1, bad);
    for (const bad of ['', '10/Oct/2000', '10/Oct/2000:13', '1a/Oct/2000:13:55'])
      assert.equal(ncsaMinute(bad, 0), -1, bad);
    for (const bad of [Number.NaN, 0, -5, Infinity, 1e300]) assert.equal(epochMinute(bad), -1, String(bad));
  });

  it('agrees with Date on every month and unit', () => {
    for (let month = 0; month < 12; month++) {
      const date = new Date(Date.UTC(2023, month, 28, month * 2, 59 - month, 31));
      const iso = date.toISOString();
      const shown = iso.slice(0, 16).replace('T', ' ');
      const [, day, name, year, clock] = date.toUTCString().split(/,? /);
      assert.equal(showMinute(isoMinute(iso, 0)), shown);
      assert.equal(showMinute(ncsaMinute(`${day}/${name}/${year}:${clock}`, 0)), shown);
      assert.equal(showMinute(syslogMinute(`${name} ${day} ${clock}`, 0)), shown.slice(5));
      for (const unit of [1e-3, 1, 1e3, 1e6]) assert.equal(showMinute(epochMinute(date.getTime() * unit)), shown);
    }
  });
});
