/** JSON lines, as pino, bunyan, winston, zap, ECS, GELF, Google Cloud, `journalctl -o json` and many others write them. */
import { ENTRY, NOT_MINE, formatIndex, type Entry, type Outcome, type Parser } from '../entry.js';
import { namedLevel, numberedLevel } from '../levels.js';
import { epochMinute, isoMinute } from '../minutes.js';

const JSON_LINES = formatIndex('json');

type Fields = Record<string, unknown>;

const TIME = [
  'time',
  'timestamp',
  'ts',
  '@timestamp',
  't',
  '@t',
  '@time',
  'datetime',
  'date',
  'asctime',
  '__REALTIME_TIMESTAMP',
];
const LEVEL = [
  'level',
  'severity',
  'lvl',
  'log.level',
  'levelname',
  'loglevel',
  'logLevel',
  '@level',
  '@l',
  'Level',
  'PRIORITY',
];
const STATUS = ['status', 'statusCode', 'status_code', 'http_status', 'httpStatus', 'http.response.status_code'];
/** Objects in which requests and responses are told. */
const NESTED = ['res', 'req', 'response', 'request', 'http', 'httpRequest', 'log', 'meta'];
const METHOD = ['method', 'requestMethod', 'request_method', 'http.request.method'];
const URL = ['url', 'originalUrl', 'requestUrl', 'request_uri', 'uri', 'path', 'url.path'];
const MESSAGE = ['msg', 'message', 'event', '@m', 'short_message', 'MESSAGE'];

/** Key → how many milliseconds one of its units is. */
const DURATION = new Map<string, number>([
  ['responseTime', 1],
  ['response_time', 1],
  ['duration', 1],
  ['elapsed', 1],
  ['latency', 1],
  ['took', 1],
  ['request_time', 1e3],
  ['upstream_response_time', 1e3],
  ['event.duration', 1e-6],
]);
for (const [suffixes, unit] of [
  [['_ms', 'Ms', 'MS', '_millis', 'Millis'], 1],
  [['_s', '_seconds', 'Seconds'], 1e3],
  [['_us', '_micros', 'Micros'], 1e-3],
  [['_ns', 'Ns', '_nanos'], 1e-6],
] as const) {
  for (const name of [
    'duration',
    'elapsed',
    'latency',
    'took',
    'response_time',
    'responseTime',
    'request_time',
    'time',
  ]) {
    for (const suffix of suffixes) DURATION.set(name + suffix, unit);
  }
}
/** What zap and Go's encoders write in seconds where they write `ts` in seconds. */
const BARE = new Set(['duration', 'elapsed', 'latency', 'took']);

const UNITS: Record<string, number> = { ns: 1e-6, us: 1e-3, µs: 1e-3, ms: 1, s: 1e3, m: 6e4, h: 36e5 };

export class JsonParser implements Parser {
  #fields: Fields = {};

  parse(line: string, entry: Entry): Outcome {
    if (line.charCodeAt(0) !== 123) return NOT_MINE;
    let fields: Fields;
    try {
      fields = JSON.parse(line) as Fields;
    } catch {
      return NOT_MINE; // cut short, or only looks like it
    }
    this.#fields = fields;
    entry.format = JSON_LINES;
    const time = first(fields, TIME);
    if (time !== undefined) entry.minute = minuteOf(time);
    const level = first(fields, LEVEL) ?? nested(fields, LEVEL);
    if (level !== undefined) entry.level = levelOf(level);
    const status = Number(first(fields, STATUS) ?? nested(fields, STATUS));
    if (Number.isInteger(status) && status >= 100 && status <= 599) entry.status = status;
    entry.milliseconds = durationOf(fields);
    return ENTRY;
  }

  label(): string {
    const fields = this.#fields;
    const method = first(fields, METHOD) ?? nested(fields, METHOD);
    const url = first(fields, URL) ?? nested(fields, URL);
    if (typeof url === 'string') return typeof method === 'string' ? `${method} ${url}` : url;
    const request = fields['request'] ?? first(fields, MESSAGE);
    return typeof request === 'string' ? request : '';
  }
}

function first(fields: Fields, keys: readonly string[]): unknown {
  for (const key of keys) {
    const value = fields[key];
    if (value !== undefined && value !== null) return value;
  }
  return undefined;
}

function nested(fields: Fields, keys: readonly string[]): unknown {
  for (const key of NESTED) {
    const inner = fields[key];
    if (typeof inner !== 'object' || inner === null) continue;
    const value = first(inner as Fields, keys);
    if (value !== undefined) return value;
  }
  return undefined;
}

function minuteOf(time: unknown): number {
  if (typeof time === 'number') return epochMinute(time);
  if (typeof time !== 'string') return -1;
  const minute = isoMinute(time, 0);
  return minute !== -1 ? minute : epochMinute(Number(time));
}

function levelOf(level: unknown): number {
  if (typeof level === 'number') return numberedLevel(level);
  if (typeof level !== 'string') return -1;
  const named = namedLevel(level);
  return named !== -1 || level === '' ? named : numberedLevel(Number(level));
}

function durationOf(fields: Fields): number {
  for (const key in fields) {
    const unit = DURATION.get(key);
    if (unit === undefined) continue;
    const value = fields[key];
    if (typeof value === 'number') return value * (BARE.has(key) && typeof fields['ts'] === 'number' ? 1e3 : unit);
    if (typeof value !== 'string') continue;
    const number = Number.parseFloat(value);
    if (Number.isNaN(number)) continue;
    const suffix = value.replace(/^[\d.\s]+/, '').replace(/^Â/, ''); // µ is two bytes, and the line is latin1
    return number * (UNITS[suffix] ?? unit);
  }
  return -1;
}
