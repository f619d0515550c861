import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { type IncomingMessage, request } from 'node:http';
import { createInterface } from 'node:readline';
import { buffer } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import fc from 'fast-check';
import { MOST_RANGES, requestedRanges } from '../../../examples/serve-ranges/ranges.js';
import { Folder, oracle } from '../../helpers/files.js';
import { cannotBeCut, itUnless, onlyLinuxTells } from '../../helpers/systems.js';

const program = fileURLToPath(new URL('../../../examples/serve-ranges.js', import.meta.url));
// What is preloaded for this process's sake, such as a sanitizer's runtime, is not for other programs.
const env = { ...process.env, LD_PRELOAD: '' };
const hasCurl = spawnSync('curl', ['--version'], { env }).status === 0;
const GiB = 2 ** 30;

interface Answer {
  status: number | undefined;
  headers: IncomingMessage['headers'];
  body: Buffer;
}

describe('examples/serve-ranges', function () {
  this.timeout(60_000); // processes are started

  let folder: Folder;
  let server: ChildProcess;
  let stderr: string;
  let urls: Record<string, string>;
  /** Positions around which the sparse file has bytes, one of them beyond what 32 bits can tell. */
  const marks = [0, 4 * GiB, 5 * GiB + 1234];
  const size = 5 * GiB + 1234;

  before(async () => {
    folder = new Folder();
    const files = [
      folder.sparse(size, marks, 'sparse'),
      folder.file(1000, 'small'),
      folder.file(0, 'empty'),
      folder.file(1_000_000, 'a b#c%'),
      folder.file(700, 'a+b.txt'),
      folder.file(300, 'ä'),
    ];
    for (const file of files) fs.utimesSync(file, 1e9, 1e9);
    server = spawn(process.execPath, [program, '--port', '0', ...files], { stdio: ['ignore', 'pipe', 'pipe'] });
    stderr = '';
    server.stderr!.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    urls = {};
    for await (const line of createInterface({ input: server.stdout! })) {
      urls[decodeURIComponent(line.slice(line.lastIndexOf('/') + 1))] = line;
      if (Object.keys(urls).length === files.length) break;
    }
  });

  after(async () => {
    server.kill();
    if (server.exitCode === null && server.signalCode === null) await once(server, 'exit');
    folder[Symbol.dispose]();
  });

  async function ask(
    name: string,
    headers: Record<string, string> = {},
    method = 'GET',
  ): Promise<{ response: IncomingMessage; url: string }> {
    const url = urls[name]!;
    const sent = request(url, { method, headers, agent: false });
    sent.end();
    const [response] = (await once(sent, 'response')) as [IncomingMessage];
    return { response, url };
  }

  async function get(name: string, headers?: Record<string, string>, method?: string): Promise<Answer> {
    const { response } = await ask(name, headers, method);
    return { status: response.statusCode, headers: response.headers, body: await buffer(response) };
  }

  /** Paths of the folder's files that the server has open. */
  function held(): string[] {
    const found: string[] = [];
    for (const fd of fs.readdirSync(`/proc/${server.pid}/fd`)) {
      try {
        const target = fs.readlinkSync(`/proc/${server.pid}/fd/${fd}`);
        if (target.startsWith(folder.path)) found.push(target);
      } catch {
        // Closed since.
      }
    }
    return found;
  }

  async function letsGo(): Promise<void> {
    for (let i = 0; i < 400 && held().length > 0; i++) await delay(25);
    assert.deepEqual(held(), []);
  }

  it('sends a whole file, of any name', async () => {
    for (const [name, length] of [
      ['small', 1000],
      ['empty', 0],
      ['a b#c%', 1_000_000],
    ] as const) {
      const { status, headers, body } = await get(name);
      assert.equal(status, 200);
      assert.equal(headers['content-length'], `${length}`);
      assert.equal(headers['accept-ranges'], 'bytes');
      assert.equal(headers['content-range'], undefined);
      assert.equal(headers['last-modified'], 'Sun, 09 Sep 2001 01:46:40 GMT');
      assert.match(headers.etag!, /^"[^"]+"$/);
      assert.deepEqual(body, oracle(0, length));
    }
  });

  it('sends single ranges, from the start, the end, and beyond 4 GiB', async () => {
    const cases: Array<[range: string, start: number, end: number]> = [
      ['bytes=0-0', 0, 1],
      ['bytes=10-63', 10, 64],
      [`bytes=${size - 10}-`, size - 10, size],
      ['bytes=-1', size - 1, size],
      ['bytes=-64', size - 64, size],
      [`bytes=${4 * GiB - 64}-${4 * GiB + 63}`, 4 * GiB - 64, 4 * GiB + 64],
      [`bytes=${size - 1}-99999999999999999999999`, size - 1, size],
      ['BYTES= ,5-6 ,,', 5, 7],
      ['bytes=20-30,10-25,31-40', 10, 41], // which is one
    ];
    for (const [range, start, end] of cases) {
      const { status, headers, body } = await get('sparse', { Range: range });
      assert.deepEqual(
        { range, status, length: headers['content-length'], contentRange: headers['content-range'] },
        { range, status: 206, length: `${end - start}`, contentRange: `bytes ${start}-${end - 1}/${size}` },
      );
      assert.deepEqual(body, oracle(start, end - start));
    }
    const { body } = await get('small', { Range: 'bytes=-5000' });
    assert.deepEqual(body, oracle(0, 1000));
  });

  it('sends several ranges as multipart/byteranges, in the order asked for', async () => {
    const ranges = [
      [size - 7, size],
      [0, 1],
      [4 * GiB - 1, 4 * GiB + 60],
      [3, 64],
    ] as const;
    const { status, headers, body } = await get('sparse', {
      Range: `bytes=-7,0-0,${4 * GiB - 1}-${4 * GiB + 59},3-63,${size}-${size + 5}`,
    });
    assert.equal(status, 206);
    assert.equal(headers['content-range'], undefined);
    assert.equal(headers['content-length'], `${body.length}`);
    const boundary = /^multipart\/byteranges; boundary=(\w+)$/.exec(headers['content-type']!)?.[1];
    const expected = ranges.map(([start, end], i) =>
      Buffer.concat([
        Buffer.from(
          `${i === 0 ? '' : '\r\n'}--${boundary}\r\nContent-Type: application/octet-stream\r\n` +
            `Content-Range: bytes ${start}-${end - 1}/${size}\r\n\r\n`,
        ),
        oracle(start, end - start),
      ]),
    );
    assert.deepEqual(body, Buffer.concat([...expected, Buffer.from(`\r\n--${boundary}--\r\n`)]));
  });

  it('refuses ranges that are not in the file, and too many', async () => {
    const many = Array.from({ length: MOST_RANGES + 1 }, (_, i) => `${i * 2}-${i * 2}`).join();
    for (const [name, range, length] of [
      ['small', 'bytes=1000-', 1000],
      ['small', 'bytes=1000-1001,-0,5000-', 1000],
      ['small', `bytes=${many}`, 1000],
      ['empty', 'bytes=0-', 0],
    ] as const) {
      const { status, headers, body } = await get(name, { Range: range });
      assert.equal(status, 416, range);
      assert.equal(headers['content-range'], `bytes */${length}`);
      assert.equal(body.length, 0);
    }
  });

  it('ignores what it does not understand', async () => {
    for (const range of [
      'bytes=',
      'bytes=-',
      'bytes=9-5',
      'bytes=x-9',
      'bytes=0-1,-',
      'lines=1-2',
      'bytes 0-1',
      '0x1-2',
    ]) {
      const { status, headers, body } = await get('small', { Range: range });
      assert.deepEqual({ range, status, length: body.length }, { range, status: 200, length: 1000 });
      assert.equal(headers['content-range'], undefined);
    }
    assert.equal((await get('empty', { Range: 'bytes=-5' })).status, 200);
  });

  it('answers HEAD with the headers of the whole', async () => {
    const { status, headers, body } = await get('sparse', { Range: 'bytes=0-1' }, 'HEAD');
    assert.equal(status, 200);
    assert.equal(headers['content-length'], `${size}`);
    assert.equal(headers['content-range'], undefined);
    assert.equal(body.length, 0);
  });

  it('knows a name however it is written', async () => {
    for (const [path, length] of [
      ['/%73mall', 1000],
      ['/a+b.txt', 700],
      ['/a%2Bb.txt', 700],
      ['/a%2bb.txt', 700],
      ['/%c3%a4', 300],
      ['/%C3%A4?%', 300],
      ['/a%20b%23c%25', 1_000_000],
    ] as const) {
      urls.other = new URL(urls.small!).origin + path;
      const { status, body } = await get('other');
      assert.deepEqual({ path, status, length: body.length }, { path, status: 200, length });
    }
  });

  it('has no other methods, and no other paths', async () => {
    const { status, headers } = await get('small', {}, 'POST');
    assert.equal(status, 405);
    assert.equal(headers.allow, 'GET, HEAD');
    for (const path of [
      '/',
      '/missing',
      '/..%2fsmall',
      '//small',
      '/small/',
      '/%',
      '/%ff',
      '/%2fsmall',
      `/${folder.path}/small`,
    ]) {
      urls.other = new URL(urls.small!).origin + path;
      assert.equal((await get('other')).status, 404, path);
    }
    urls.query = `${urls.small}?some=query`;
    assert.equal((await get('query')).status, 200);
  });

  describe('conditions', () => {
    const same = 'Sun, 09 Sep 2001 01:46:40 GMT';
    const before = 'Sun, 09 Sep 2001 01:46:39 GMT';
    const after = 'Sun, 09 Sep 2001 01:46:41 GMT';

    it('in their order', async () => {
      const { etag } = (await get('small')).headers as { etag: string };
      const cases: Array<[Record<string, string>, number]> = [
        [{ 'If-None-Match': etag }, 304],
        [{ 'If-None-Match': `"a", W/${etag}` }, 304],
        [{ 'If-None-Match': '*' }, 304],
        [{ 'If-None-Match': '"other"' }, 200],
        [{ 'If-None-Match': '"other"', 'If-Modified-Since': same }, 200],
        [{ 'If-Modified-Since': same }, 304],
        [{ 'If-Modified-Since': after }, 304],
        [{ 'If-Modified-Since': before }, 200],
        [{ 'If-Modified-Since': 'Sunday, 09-Sep-01 01:46:40 GMT' }, 304],
        [{ 'If-Modified-Since': 'Sun Sep  9 01:46:40 2001 GMT' }, 304],
        [{ 'If-Modified-Since': '2030' }, 200],
        [{ 'If-Match': etag }, 200],
        [{ 'If-Match': '*' }, 200],
        [{ 'If-Match': `W/${etag}, "other"` }, 412],
        [{ 'If-Match': `"other", ${etag}`, 'If-Unmodified-Since': before }, 200],
        [{ 'If-Match': etag, 'If-None-Match': etag }, 304],
        [{ 'If-Unmodified-Since': same }, 200],
        [{ 'If-Unmodified-Since': before }, 412],
        [{ 'If-Unmodified-Since': 'never' }, 200],
      ];
      for (const [headers, expected] of cases) {
        for (const method of ['GET', 'HEAD']) {
          const { status, body, headers: got } = await get('small', headers, method);
          assert.deepEqual({ headers, status }, { headers, status: expected });
          assert.equal(body.length, expected === 200 && method === 'GET' ? 1000 : 0);
          assert.equal(got.etag, etag);
        }
        // A range changes nothing in that, but the answer that passes.
        const { status } = await get('small', { ...headers, Range: 'bytes=0-9' });
        assert.deepEqual({ headers, status }, { headers, status: expected === 200 ? 206 : expected });
      }
    });

    it('of a range', async () => {
      const { etag } = (await get('small')).headers as { etag: string };
      for (const [condition, expected] of [
        [etag, 206],
        [same, 206],
        [`W/${etag}`, 200],
        ['"other"', 200],
        [before, 200],
        [after, 200],
        ['*', 200],
      ] as const) {
        const { status, body } = await get('small', { 'If-Range': condition, Range: 'bytes=0-9' });
        assert.deepEqual(
          { condition, status, length: body.length },
          { condition, status: expected, length: expected === 206 ? 10 : 1000 },
        );
      }
      // Not in the file, but that is asked only of the version that the client has.
      assert.equal((await get('small', { 'If-Range': '"other"', Range: 'bytes=5000-' })).status, 200);
    });

    it('of a file that was changed just now, whose next version may look the same', async () => {
      const path = folder.join('small');
      try {
        fs.utimesSync(path, new Date(), new Date());
        const { etag, 'last-modified': lastModified, date } = (await get('small')).headers as Record<string, string>;
        assert.match(etag!, /^W\/"/);
        assert.ok(Date.parse(lastModified!) <= Date.parse(date!));
        for (const condition of [etag!, lastModified!]) {
          assert.equal((await get('small', { 'If-Range': condition, Range: 'bytes=0-9' })).status, 200);
        }
        assert.equal((await get('small', { 'If-Match': etag! })).status, 412);
        assert.equal((await get('small', { 'If-None-Match': etag! })).status, 304);
      } finally {
        fs.utimesSync(path, 1e9, 1e9);
      }
    });

    it('of a file that is another', async () => {
      const { etag } = (await get('small')).headers as { etag: string };
      const path = folder.join('small');
      try {
        fs.writeFileSync(path, oracle(0, 999));
        fs.utimesSync(path, 1e9, 1e9);
        const { status, headers, body } = await get('small', { 'If-Range': etag, Range: 'bytes=990-' });
        assert.notEqual(headers.etag, etag);
        assert.deepEqual([status, body.length], [200, 999]);
        fs.rmSync(path);
        assert.equal((await get('small')).status, 404);
      } finally {
        folder.file(1000, 'small');
        fs.utimesSync(path, 1e9, 1e9);
      }
    });
  });

  itUnless(
    onlyLinuxTells,
    'sends a long range in bounded memory, however slowly it is taken, and lets go of the file',
    async () => {
      // What belongs to the process alone: pages of the file are the system's.
      const own = (): number =>
        Number(/RssAnon:\s+(\d+) kB/.exec(fs.readFileSync(`/proc/${server.pid}/status`, 'latin1'))?.[1]) * 1024;
      await get('sparse', { Range: `bytes=0-${2 ** 26}` }); // what the first answer costs, code and all
      const before = own();
      const [start, end] = [4 * GiB - GiB / 8, 4 * GiB + GiB / 8];
      const { response } = await ask('sparse', { Range: `bytes=${start}-${end - 1}` });
      let most = 0;
      let at = start;
      let chunks = 0;
      for await (const chunk of response as AsyncIterable<Buffer>) {
        if (chunks++ % 200 === 0) {
          await delay(5);
          most = Math.max(most, own());
        }
        for (const mark of marks) {
          const [from, to] = [Math.max(at, mark - 64), Math.min(at + chunk.length, mark + 64)];
          if (from < to) assert.deepEqual(chunk.subarray(from - at, to - at), oracle(from, to - from));
        }
        at += chunk.length;
      }
      assert.equal(at, end);
      assert.ok(most - before < 2 ** 26, `${most - before} bytes more than before`);
      await letsGo();
    },
  );

  itUnless(onlyLinuxTells, 'lets go of the file when clients go away, and serves on', async () => {
    const responses: IncomingMessage[] = [];
    for (const range of ['bytes=0-', 'bytes=1-', `bytes=0-9,100-${4 * GiB},${5 * GiB}-`]) {
      responses.push((await ask('sparse', { Range: range })).response);
    }
    for (const response of responses) await once(response, 'readable');
    assert.equal(held().length, 3);
    for (const response of responses) response.destroy();
    await letsGo();
    assert.deepEqual((await get('small')).body, oracle(0, 1000));
    assert.equal(stderr, '');
  });

  itUnless(cannotBeCut, 'cuts the connection when the file shrinks', async () => {
    const path = folder.join('sparse');
    try {
      const { response } = await ask('sparse', { Range: 'bytes=0-' });
      assert.equal(response.statusCode, 206);
      await once(response, 'readable');
      fs.truncateSync(path, 10);
      await assert.rejects(buffer(response), { code: 'ECONNRESET' });
      for (let i = 0; i < 400 && stderr === ''; i++) await delay(25);
      assert.match(stderr, /^serve-ranges: .+\n$/);
      stderr = '';
      assert.equal((await get('sparse')).body.length, 10);
    } finally {
      folder.sparse(size, marks, 'sparse');
      fs.utimesSync(path, 1e9, 1e9);
    }
  });

  it('serves curl: a range, several, a download that is resumed, and one that is up to date', async function () {
    if (!hasCurl) this.skip();
    const curl = async (...args: string[]): Promise<Buffer> => {
      const options = { encoding: 'buffer', cwd: folder.path, maxBuffer: 2 ** 26, env } as const;
      return (await promisify(execFile)('curl', ['--silent', '--show-error', '--fail', ...args], options)).stdout;
    };
    assert.deepEqual(await curl('-r', '-64', urls.sparse!), oracle(size - 64, 64));
    const several = await curl('-r', `0-9,${4 * GiB}-${4 * GiB + 9}`, urls.sparse!);
    assert.ok(several.includes(oracle(4 * GiB, 10)));
    assert.equal(several.toString('latin1').match(/Content-Range: /g)?.length, 2);
    assert.match((await curl('-I', urls.sparse!)).toString(), new RegExp(`\r\nContent-Length: ${size}\r\n`));

    fs.writeFileSync(folder.join('part'), oracle(0, 333_333));
    await curl('-C', '-', '-o', 'part', urls['a b#c%']!);
    assert.deepEqual(fs.readFileSync(folder.join('part')), oracle(0, 1_000_000));

    const etag = ['--etag-save', 'etag', '--etag-compare', 'etag'];
    fs.writeFileSync(folder.join('etag'), '');
    await curl(...etag, '-o', 'whole', urls.small!);
    assert.deepEqual(fs.readFileSync(folder.join('whole')), oracle(0, 1000));
    assert.equal((await curl(...etag, '-o', 'whole', '-w', '%{http_code}', urls.small!)).toString(), '304');
    assert.equal((await curl('-z', 'whole', '-w', '%{http_code}', urls.small!)).toString(), '304');
  });

  it('tells how to use it', () => {
    for (const args of [[], ['--port', 'x', 'file'], ['--what'], ['.'], [folder.join('missing')], [program, program]]) {
      const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...args], {
        encoding: 'utf8',
        cwd: folder.path,
      });
      assert.deepEqual({ args, status, stdout }, { args, status: 2, stdout: '' });
      assert.match(stderr, /^serve-ranges: /);
    }
  });

  it('understands any list of ranges as a set of bytes does', () => {
    const aRange = fc.oneof(
      fc.tuple(fc.nat({ max: 60 }), fc.nat({ max: 20 })).map(([first, more]) => `${first}-${first + more}`),
      fc.nat({ max: 60 }).map((first) => `${first}-`),
      fc.nat({ max: 60 }).map((last) => `-${last}`),
    );
    fc.assert(
      fc.property(fc.array(aRange, { minLength: 1, maxLength: 8 }), fc.integer({ min: 1, max: 50 }), (parts, size) => {
        const wanted = new Set<number>();
        for (const part of parts) {
          const [first, last] = part.split('-') as [string, string];
          for (let at = 0; at < size; at++) {
            const inside =
              first === '' ? at >= size - Number(last) : at >= Number(first) && (last === '' || at <= Number(last));
            if (inside) wanted.add(at);
          }
        }
        const ranges = requestedRanges(`bytes=${parts.join(', ')}`, size);
        assert.ok(ranges !== undefined);
        const got: number[] = [];
        for (const { start, end } of ranges) for (let at = start; at < end; at++) got.push(at);
        assert.equal(new Set(got).size, got.length, 'a byte twice');
        assert.deepEqual(new Set(got), wanted);
        // Apart from each other, and the first one has the first byte asked for.
        for (const range of ranges) for (const other of ranges) assert.notEqual(range.end, other.start);
      }),
    );
  });
});
