/** Every line of a file is registered or reported exactly once, whatever the file holds. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import { readCsv } from '../../cli/register/csv.ts';
import { readJsonLines } from '../../cli/register/json-lines.ts';
import type { InputRecord } from '../../cli/register/record.ts';
import { MAX_RECORD_BYTES, splitRecords } from '../../cli/register/split.ts';
import { Directory, environmentFor } from './cli.ts';

/** The text in chunks of this size, as reading a file yields it. */
function* chunks(content: Buffer, size: number): Generator<Buffer> {
  for (let at = 0; at < content.length; at += size) yield content.subarray(at, at + size);
}
const reading = (content: Buffer, size = 65_536) =>
  Readable.from(chunks(content, size), { objectMode: false });

async function collect<T>(records: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const record of records) all.push(record);
  return all;
}

/** Characters that break parsers, in large numbers. */
const pieces = fc.constantFrom(
  ...['\n', '\r\n', '\r', '"', '""', ',', ',,', '\0', ' ', '\uFEFF', 'é', '\u2028', '\uFFFD', '…'],
  ...['user_id', '"user_id":', '{', '}', '[', ']', '{}', '"a"', 'a', '1', '\\', '\\ud800', 'null'],
  ...['{"user_id":"u"}', '{"line":1,"text":{},"error":{}}', '{"line":1,"user":7,"error":{}}'],
  ...['{"line":1,"user":[],"error":{"code":"a","message":"b"}}', '{"__proto__":{"user_id":"p"}}'],
  ...['{"user_id":"a","user_id":"b"}', '{"n":1e400}', '"two\nlines"', 'x,"y"z', '__proto__'],
);
const bytes = fc.oneof(
  { weight: 9, arbitrary: pieces.map((piece) => Buffer.from(piece)) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 3 }).map((piece) => Buffer.from(piece)) },
);
const content = fc.array(bytes, { maxLength: 60 }).map((parts) => Buffer.concat(parts));

/** First bytes for which the whole file is refused. */
const isText = (file: Buffer) =>
  !file.subarray(0, 2).equals(Buffer.from([0xff, 0xfe])) &&
  !file.subarray(0, 2).equals(Buffer.from([0xfe, 0xff])) &&
  !file.subarray(0, 2).equals(Buffer.from([0x1f, 0x8b]));

/** A JSON array is refused as a whole, too. */
const isLines = (file: Buffer) => isText(file) && !/^(\uFEFF)?[ \t\r\n]*\[/.test(file.toString());

const linesOf = (file: Buffer): number => {
  const ends = file.filter((byte) => byte === 10).length;
  return file.length === 0 || file.at(-1) === 10 ? ends : ends + 1;
};

describe('records', () => {
  it.each(['csv', 'jsonl'] as const)('of %s contain every line once, in order', (format) =>
    fc.assert(
      fc.asyncProperty(content.filter(isText), fc.integer({ min: 1, max: 50 }), async (file, size) => {
        const records = await collect(splitRecords(reading(file, size), format));
        let next = 1;
        let endByte = 0;
        for (const record of records) {
          expect(record.line).toBe(next);
          expect(record.lastLine).toBeGreaterThanOrEqual(record.line);
          expect(record.endByte).toBeGreaterThan(endByte);
          if (format === 'jsonl') expect(record.lastLine).toBe(record.line);
          next = record.lastLine + 1;
          endByte = record.endByte;
        }
        expect(next - 1).toBe(linesOf(file));
        expect(endByte).toBe(file.length);
        expect(records.slice(0, -1).some(({ isOpen }) => isOpen)).toBe(false);
      }),
    ),
  );

  it('of CSV come back as they were written, wherever the chunks end', () => {
    const cell = fc.oneof(
      fc.constantFrom('', 'a', '"', '""', 'a"b', ',', '\n', '\r\n', 'é', '\0', '…'),
      fc.string({ unit: 'binary' }),
    );
    const written = (value: string) =>
      value === '' || !/[",\r\n]/.test(value) ? value : `"${value.replaceAll('"', '""')}"`;
    const end = fc.constantFrom('\n', '\r\n');
    return fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(cell, cell, end), { maxLength: 8 }),
        fc.integer({ min: 1, max: 50 }),
        async (rows, size) => {
          const file = Buffer.from(
            `user_id,b\n${rows.map(([a, b, end]) => `${written(a)},${written(b)}${end}`).join('')}`,
          );
          const records = await collect(readCsv(reading(file, size)));
          expect(records.map((record) => ('user' in record ? { ...record.user } : record))).toEqual(
            rows.map(([a, b]) => ({ ...(a !== '' && { user_id: a }), ...(b !== '' && { b }) })),
          );
        },
      ),
    );
  });
});

const COUNT = 5_000;
const users = Array.from({ length: COUNT }, (_, i) => `u${i}`);
const lineOf = (record: InputRecord) => record.line;

describe('a record that is too long', () => {
  it.each([0, 1, 2])('is one failure between rows that are read (%i lines in quotes)', async (breaks) => {
    const long = `"${'x'.repeat(MAX_RECORD_BYTES)}${'\n'.repeat(breaks)}"`;
    const csv = Buffer.from(`user_id,b\nlong,${long}\n${users.map((user) => `${user},b\n`).join('')}`);
    const records = await collect(readCsv(reading(csv)));
    expect(records).toHaveLength(COUNT + 1);
    expect(records[0]).toMatchObject({
      line: 2,
      lastLine: 2 + breaks,
      message: expect.stringContaining('is longer than 1048576 bytes'),
    });
    expect((records[0] as { text: string }).text).toHaveLength(1001);
    expect(records.slice(1).map(lineOf)).toEqual(users.map((_, i) => i + 3 + breaks));
  });

  it('is not a failure below the limit: the platform refuses a cell of 300,000 characters', async () => {
    const csv = Buffer.from(`user_id\n${'x'.repeat(300_000)}\n${users.join('\n')}\n`);
    expect((await collect(readCsv(reading(csv)))).filter((record) => 'user' in record)).toHaveLength(
      COUNT + 1,
    );
  });

  it('takes no memory: a line of 100 MB of JSON Lines, in one pass', async () => {
    let most = 0;
    function* endless() {
      const part = Buffer.alloc(65_536, 'x');
      for (let i = 0; i < 1_600; i++) {
        most = Math.max(most, process.memoryUsage().arrayBuffers);
        yield part;
      }
      yield Buffer.from('\n{"user_id":"after"}');
    }
    const before = process.memoryUsage().arrayBuffers;
    const records = await collect(readJsonLines(Readable.from(endless(), { objectMode: false })));
    expect(records).toMatchObject([{ line: 1, text: `${'x'.repeat(1000)}…` }, { line: 2 }]);
    expect(most - before).toBeLessThan(30 * MAX_RECORD_BYTES);
  });

  it('is reported so that the cut-off text cannot pass for the whole', async () => {
    const cut = `{"user_id":"a"}${' '.repeat(MAX_RECORD_BYTES)}x`;
    const [record] = await collect(readJsonLines(reading(Buffer.from(cut))));
    const line = { line: 1, text: (record as { text: string }).text, error: { code: 'a', message: 'b' } };
    const again = await collect(readJsonLines(reading(Buffer.from(JSON.stringify(line)))));
    expect(again).toMatchObject([{ message: expect.stringContaining('is not JSON') }]);
  });

  it('is no problem if it consists of quotes only', async () => {
    const csv = Buffer.from(`user_id\n"${'""'.repeat(500_000)}"\n"${'""'.repeat(500_000)}x\nlast\n`);
    const records = await collect(readCsv(reading(csv)));
    expect(records[0]).toMatchObject({ line: 2, user: { user_id: '"'.repeat(500_000) } });
    expect(records.slice(1)).toMatchObject([
      {
        line: 3,
        lastLine: 4,
        message: 'has a quote that is not closed; the record spans the lines up to 4',
      },
    ]);
  });
});

describe('a whole run', () => {
  let directory: Directory;
  let env: Record<string, string>;
  const registered: string[] = [];
  /** Registers every user whose user_id is a string. */
  const server = createServer(async (request, response) => {
    const url = `http://${request.headers.host}`;
    if (request.method !== 'POST')
      return response.end(
        JSON.stringify({ issuer: url, regions: [{ name: 'a', url }], nonce: 'n', expires_in: 300 }),
      );
    const data = JSON.parse(await text(request));
    if (typeof data.user_id !== 'string') {
      response.writeHead(422, { 'content-type': 'application/problem+json' });
      return response.end(JSON.stringify({ code: 'invalid_registration', title: 'No', errors: [] }));
    }
    registered.push(data.user_id);
    response.writeHead(201, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ id: 'i', client_id: 'dev', user_id: data.user_id, created_at: 't', data }));
  });

  beforeAll(async () => {
    await once(server.listen(0, '127.0.0.1'), 'listening');
    directory = new Directory();
    env = environmentFor(server);
  });
  afterAll(() => {
    directory?.remove();
    server.close();
    server.closeAllConnections();
  });

  it.each(['csv', 'jsonl'] as const)('over %s accounts for every record', (format) =>
    fc.assert(
      fc.asyncProperty(content.filter(format === 'csv' ? isText : isLines), async (lines) => {
        const head = Buffer.from(format === 'csv' ? 'user_id,b\n' : '');
        const file = Buffer.concat([head, lines]);
        directory.write(`in.${format}`, file);
        directory.write(`in.${format}.failed.jsonl`, '');
        registered.length = 0;
        const { code, json } = await directory.run(['register', `in.${format}`, '--json'], { env });
        const read = await collect((format === 'csv' ? readCsv : readJsonLines)(reading(file)));
        const failures = json.failed === 0 ? [] : directory.readLines(`in.${format}.failed.jsonl`);
        expect(json).toMatchObject({ stopped: null, unfinished: 0, registered: registered.length });
        expect(json.failed).toBe(failures.length);
        expect(json.registered + json.failed).toBe(read.length);
        const failed = failures.map(({ line }) => line);
        const isRegistered = (record: InputRecord) =>
          'user' in record && typeof (record.user as { user_id?: unknown }).user_id === 'string';
        expect(failed.toSorted((a, b) => a - b)).toEqual(
          read.filter((record) => !isRegistered(record)).map(lineOf),
        );
        expect(code).toBe(failures.length > 0 ? 1 : 0);
        // Each failure is read again as the same record.
        if (failures.length === 0) return;
        const again = await collect(
          readJsonLines(reading(Buffer.from(directory.read(`in.${format}.failed.jsonl`)))),
        );
        expect(again.map(lineOf)).toEqual(failures.map((_, i) => i + 1));
      }),
      { numRuns: 60 },
    ),
  );

  test('an unclosed quote is an error that names its first line', async () => {
    const rest = users.map((user) => `${user},b\n`).join('');
    directory.write('open.csv', `user_id,b\nfirst,a\nsecond,"b\n${rest}`);
    const { code, stderr, stdout } = await directory.run(['register', 'open.csv'], { env });
    expect(code).toBe(1);
    expect(stdout).toMatch(/^1 registered, 1 failed, /);
    expect(stderr).toBe(
      'error: 5,001 lines were not read as users, beginning with line 3: look there for a quote that is not closed\n',
    );
    expect(directory.readLines('open.csv.failed.jsonl')).toMatchObject([
      {
        line: 3,
        error: {
          message: 'line 3 has a quote that is not closed; the record spans the lines up to 5003',
        },
      },
    ]);
  });
});
