import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { fileURLToPath } from 'node:url';

import { compareTimes, TimeReader } from '../../../examples/between/times.js';
import { Folder } from '../../helpers/files.js';
import { itUnless, noPosixPrograms } from '../../helpers/systems.js';

const PROGRAM = fileURLToPath(new URL('../../../examples/between.js', import.meta.url));

function between(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [PROGRAM, ...args], { encoding: 'utf8' });
  return { status, stdout, stderr };
}

function awk(program: string, file: string, variables: Record<string, string>): string {
  const set = Object.entries(variables).flatMap(([name, value]) => ['-v', `${name}=${value}`]);
  const { stdout, status, stderr } = spawnSync('awk', [...set, program, file], { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  return stdout;
}

/** A log of an application: times that repeat and skip, stack traces, empty lines, and no newline at its end. */
function applicationLog(): string {
  const lines: string[] = ['a head without a time'];
  let time = Date.UTC(2024, 1, 28, 23, 50);
  for (let i = 0; i < 6000; i++) {
    time += [0, 0, 1000, 250, 3000][i % 5]!;
    if (i === 3000) time += 7_200_000;
    lines.push(`${new Date(time).toISOString().slice(0, 19)} ${i % 97 === 0 ? 'ERROR' : 'INFO'} request ${i} – ok`);
    if (i % 97 === 0) lines.push('Error: it failed', '    at first (file.js:1:2)', '', '    at second (file.js:3:4)');
  }
  return lines.join('\n');
}

describe('between', function () {
  this.timeout(60_000); // processes are started
  let folder: Folder;
  let app: string;
  before(() => {
    folder = new Folder();
    app = folder.file(applicationLog(), 'app.log');
  });
  after(() => folder[Symbol.dispose]());

  itUnless(noPosixPrograms, 'prints what awk prints, continuation lines too', () => {
    const program = '/^2/ { inside = substr($0, 1, 19) >= first && substr($0, 1, 19) <= last } inside';
    const cases: Array<[from: string, to: string]> = [
      ['2024-02-28T23:55:00', '2024-02-28T23:55:59'],
      ['2024-02-28T23:50:04', '2024-02-28T23:50:04'],
      ['2000-01-01T00:00:00', '2024-02-28T23:50:05'],
      ['2024-02-29T01:00:00', '2099-01-01T00:00:00'],
      ['2024-02-28T23:59:58', '2024-02-29T00:00:03'],
      ['2000-01-01T00:00:00', '2099-01-01T00:00:00'],
    ];
    for (const [first, last] of cases) {
      // Awk adds the newline that the last line lacks.
      const expected = awk(program, app, { first, last });
      const { status, stdout, stderr } = between(first, last, app);
      assert.equal(stderr, '');
      assert.equal(stdout.replace(/\n?$/, '\n'), expected, `${first} to ${last}`);
      assert.notEqual(stdout, '');
      assert.equal(status, 0);
    }
  });

  it('prints what sed prints of dpkg.log', function () {
    const log = '/var/log/dpkg.log';
    const text = fs.existsSync(log) ? fs.readFileSync(log, 'utf8') : '';
    const times = text.match(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/gm) ?? [];
    if (times.length === 0) this.skip();
    const minute = times[times.length >> 1]!.slice(0, 16);
    const { stdout: expected } = spawnSync('sed', ['-n', `/^${minute}/p`, log], { encoding: 'utf8' });
    assert.equal(between(minute, minute, log).stdout, expected);
  });

  it('takes a day, an hour or a minute for all of it, and fractions as they are', () => {
    const all = fs.readFileSync(app, 'utf8');
    const from = (time: string): number => all.indexOf(`\n${time}`) + 1;
    assert.equal(between('2024-02-28', '2024-02-28', app).stdout, all.slice(from('2024-02-28'), from('2024-02-29')));
    assert.equal(between('2024-02-29 00', '2024-02-29T00', app).stdout.length > 0, true);
    assert.equal(between('2024-02-29', '2030-01', app).status, 2, 'a month is no time');
    const exact = folder.file('2024-01-01T00:00:00.100Z a\n2024-01-01T00:00:00.200Z b\n', 'exact.log');
    assert.equal(
      between('2024-01-01T00:00:00.2', '2024-01-01T00:00:00.2', exact).stdout,
      '2024-01-01T00:00:00.200Z b\n',
    );
    assert.equal(between('2024-01-01T01:00:00.150+01:00', '2024-01-02', exact).stdout, '2024-01-01T00:00:00.200Z b\n');
  });

  itUnless(noPosixPrograms, 'knows the times of syslog, over the turn of the year', () => {
    const lines: string[] = [];
    for (let time = Date.UTC(2023, 11, 31, 23, 58); time < Date.UTC(2024, 0, 1, 0, 3); time += 500) {
      const [month, day, year, clock] = syslogParts(new Date(time));
      lines.push(`${month} ${day!.padStart(2)} ${clock} host app[${year}]: message ${time}`);
    }
    const log = folder.file(lines.map((line) => `${line}\n`).join(''), 'syslog');
    fs.utimesSync(log, new Date(2024, 0, 1, 0, 4), new Date(2024, 0, 1, 0, 4));
    const expected = awk('$1 == "Dec" && $3 >= "23:59:30" || $1 == "Jan" && $3 <= "00:01:09"', log, {});
    assert.equal(between('Dec 31 23:59:30', 'Jan  1 00:01:09', log).stdout, expected);
    assert.equal(between('2023-12-31T23:59:30', '2024-01-01T00:01:09', log).stdout, expected);
    assert.ok(expected.split('\n').length > 100);
  });

  it('knows the times of web servers, and compares them across zones', () => {
    const line = (clock: string, zone: string): string =>
      `::1 - - [10/Oct/2000:${clock} ${zone}] "GET /${clock} HTTP/1.0" 200 1\n`;
    const log = folder.file(
      line('13:55:36', '-0700') + line('13:55:37', '-0700') + line('20:55:38', '+0000') + line('13:55:39', '-0700'),
      'access.log',
    );
    const { stdout } = between('2000-10-10T20:55:37Z', '2000-10-10T20:55:38Z', log);
    assert.equal(stdout, line('13:55:37', '-0700') + line('20:55:38', '+0000'));
  });

  it('has the exit status of grep', () => {
    assert.deepEqual(between('2030-01-01', '2030-01-02', app), { status: 1, stdout: '', stderr: '' });
    assert.equal(between('2030-01-01', app).status, 2);
    assert.match(between('yesterday', '2030-01-01', app).stderr, /'yesterday' is no time/);
    assert.match(between('2030-01-01', '2029-01-01', app).stderr, /is after/);
    const missing = between('2030-01-01', '2030-01-01', folder.join('none'));
    assert.equal(missing.status, 2);
    assert.match(missing.stderr, /^between: ENOENT/);
  });
});

function syslogParts(time: Date): string[] {
  const [, day, month, year, clock] = time.toUTCString().split(' ');
  return [month!, String(Number(day)), year!, clock!];
}

describe('between: times', () => {
  const times = new TimeReader(new Date(2024, 4, 6));
  it('have the precision that they are written with', () => {
    const units: Array<[string, number]> = [
      ['2024-05-06', 86_400_000],
      ['2024-05-06 07', 3_600_000],
      ['[2024-05-06T07:08Z]', 60_000],
      ['<34>1 2024-05-06T07:08:09+0200 host', 1000],
      ['2024-05-06T07:08:09,12', 10],
      ['May  6 07:08:09', 1000],
      ['May 16', 86_400_000],
    ];
    for (const [text, unit] of units) assert.equal(times.read(text)?.unit, unit, text);
    for (const text of ['', '  at frame', '20240506', 'Mayor', '12:13:14']) assert.equal(times.read(text), undefined);
  });

  it('are compared as instants where both tell their zone', () => {
    const compare = (a: string, b: string): number => Math.sign(compareTimes(times.read(a)!, times.read(b)!));
    assert.equal(compare('2024-05-06T09:00+02:00', '2024-05-06T07:00Z'), 0);
    assert.equal(compare('2024-05-06T06:59:59-00:30', '2024-05-06T07:00Z'), 1);
    assert.equal(compare('2024-05-06T09:00', '2024-05-06T07:00Z'), 1);
  });
});
