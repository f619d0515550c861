/** What is reported on where no file is named: logs of this machine or, where there are none, one that is made up. */
import {
  accessSync,
  closeSync,
  constants,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const FOLDERS = ['.', 'apt', 'nginx', 'apache2', 'httpd'];
const SIGNALS = ['SIGINT', 'SIGTERM'] as const;
const IS_LOG = /\.log$|^(?:syslog|messages|(?:access|error)_log)$/;

/** Readable logs below `root`, that are not empty. */
export function findLogs(root = '/var/log'): string[] {
  return FOLDERS.flatMap((folder) => namesIn(join(root, folder))).filter(isReadable);
}

function namesIn(folder: string): string[] {
  try {
    const names = readdirSync(folder).filter((name) => IS_LOG.test(name));
    return names.sort().map((name) => join(folder, name));
  } catch {
    return []; // not there, or not for us
  }
}

function isReadable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK);
    const stats = statSync(path);
    return stats.isFile() && stats.size > 0;
  } catch {
    return false;
  }
}

/**
 * Writes a Combined Log with request times, always the same, into a new folder of its own. `remove` deletes it, and
 * so does an interrupt.
 */
export function writeSampleLog(size = 20_000_000): { path: string; remove: () => void } {
  const folder = mkdtempSync(join(tmpdir(), 'log-report-'));
  const interrupted = (signal: NodeJS.Signals) => {
    remove();
    process.kill(process.pid, signal);
  };
  const remove = () => {
    for (const signal of SIGNALS) process.removeListener(signal, interrupted);
    rmSync(folder, { recursive: true, force: true });
  };
  for (const signal of SIGNALS) process.on(signal, interrupted);
  const path = join(folder, 'access.log');
  try {
    const fd = openSync(path, 'wx');
    for (let written = 0, requests = sampleRequests(); written < size;) {
      let block = '';
      while (block.length < 1 << 16) block += requests.next().value;
      written += writeSync(fd, block);
    }
    closeSync(fd);
  } catch (error) {
    remove();
    throw error;
  }
  return { path, remove };
}

function* sampleRequests(): Generator<string, never> {
  let seed = 20;
  const random = () => (seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0) / 2 ** 32;
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() ** 2 * from.length)]!;
  const paths = [
    '/',
    '/index.html',
    '/style.css',
    '/app.js',
    '/api/items',
    '/api/items/42',
    '/search?q=mmap',
    '/login',
    '/feed.xml',
  ];
  const statuses = [200, 200, 200, 200, 200, 304, 301, 404, 403, 500, 502];
  const agents = [
    'Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0',
    'curl/8.5.0',
    'feedreader/1.2',
  ];
  for (let time = Date.UTC(2025, 0, 6, 8); ; time += random() ** 3 * 4000) {
    const [, day, month, year, clock] = new Date(time).toUTCString().split(/,? /);
    const host = `192.0.2.${Math.floor(random() * 254) + 1}`;
    const method = random() < 0.9 ? 'GET' : 'POST';
    const seconds = 0.002 + random() ** 12 * 9;
    yield (
      `${host} - - [${day}/${month}/${year}:${clock} +0000] "${method} ${pick(paths)} HTTP/1.1" ${pick(statuses)} ` +
      `${Math.floor(random() ** 4 * 500_000)} "-" "${pick(agents)}" ${seconds.toFixed(3)}\n`
    );
  }
}
