import { Readable } from 'node:stream';
import { expect, test } from 'vitest';
import { readCsv } from '../../cli/register/csv.ts';
import { readJsonLines } from '../../cli/register/json-lines.ts';
import type { InputRecord } from '../../cli/register/record.ts';

type Reader = (input: Readable) => AsyncGenerator<InputRecord>;

/** The input comes at once and byte by byte: the result must not depend on where chunks end. */
async function read(reader: Reader, content: string | Buffer): Promise<InputRecord[]> {
  const bytes = Buffer.from(content as string);
  const whole = await collect(reader(Readable.from([bytes], { objectMode: false })));
  const single = await collect(
    reader(
      Readable.from(
        [...bytes].map((byte) => Buffer.from([byte])),
        { objectMode: false },
      ),
    ),
  );
  expect(single).toEqual(whole);
  return whole;
}

async function collect(records: AsyncGenerator<InputRecord>): Promise<InputRecord[]> {
  const all: InputRecord[] = [];
  for await (const record of records) all.push(record);
  return all;
}

const plain = (records: readonly InputRecord[]) =>
  records.map((record) =>
    'user' in record
      ? [record.line, JSON.parse(JSON.stringify(record.user))]
      : [record.line, record.message, record.text],
  );

test('CSV columns are members, dots make nested members, and empty cells are left out', async () => {
  const csv =
    'user_id,email,display_name,attributes.team,attributes.a.b\n1,a@example.com,"Ada, L.",x,y\n2,,,,\n';
  expect(plain(await read(readCsv, csv))).toEqual([
    [
      2,
      {
        user_id: '1',
        email: 'a@example.com',
        display_name: 'Ada, L.',
        attributes: { team: 'x', a: { b: 'y' } },
      },
    ],
    [3, { user_id: '2' }],
  ]);
});

test('CSV from spreadsheets is read: a byte-order mark, CR LF, empty lines, no line end at the end', async () => {
  expect(plain(await read(readCsv, '\uFEFFuser_id,email\r\n1,é@example.com\r\n\r\n2,b@example.com'))).toEqual(
    [
      [2, { user_id: '1', email: 'é@example.com' }],
      [4, { user_id: '2', email: 'b@example.com' }],
    ],
  );
});

test('an error in CSV names its line, and the lines after it are read', async () => {
  const csv = Buffer.concat([
    Buffer.from('user_id,display_name\n1,"two\nlines"\n2\n3,a,b\n4,"un"quoted\n5,J'),
    Buffer.from([0xe9]),
    Buffer.from('\n6,six\n'),
  ]);
  const records = plain(await read(readCsv, csv)).sort((a, b) => a[0] - b[0]);
  expect(records).toEqual([
    [2, { user_id: '1', display_name: 'two\nlines' }],
    [4, 'has 1 columns, but the first line names 2', '2'],
    [5, 'has 3 columns, but the first line names 2', '3,a,b'],
    [6, 'is not CSV: its quotes do not match', '4,"un"quoted'],
    [7, 'is not UTF-8; save the file in that encoding', '5,J\uFFFD'],
    [8, { user_id: '6', display_name: 'six' }],
  ]);
});

test('a quote that is not closed is one failure, after the records before it', async () => {
  const csv = `user_id,display_name\n1,a\n2,"b\n${'3,c\n'.repeat(100_000)}`;
  const records = await collect(readCsv(Readable.from([Buffer.from(csv)])));
  expect(plain(records)).toEqual([
    [2, { user_id: '1', display_name: 'a' }],
    [3, expect.stringContaining('has a quote that is not closed'), expect.stringMatching(/^2,"b\n3,c\n/)],
  ]);
  expect(plain(await read(readCsv, 'user_id,b\n1,a\n2,"b\n'))).toHaveLength(2);
});

test('a record whose quotes end within a later line is one failure, with all its lines', async () => {
  const csv = 'user_id,b\n1,"a\n2,"b"\n3,c\n';
  expect(plain(await read(readCsv, csv))).toEqual([
    [2, 'is not CSV: its quotes do not match; the record spans the lines up to 3', '1,"a\n2,"b"'],
    [4, { user_id: '3', b: 'c' }],
  ]);
});

test('a bare carriage return is allowed within quotes only', async () => {
  expect(plain(await read(readCsv, 'user_id,b\n1,"a\rb"\n2,a\rb\n3,\n'))).toEqual([
    [2, { user_id: '1', b: 'a\rb' }],
    [3, 'is not CSV: its quotes do not match', '2,a\rb'],
    [4, { user_id: '3' }],
  ]);
});

test('zero bytes and replacement characters in the file are kept', async () => {
  expect(plain(await read(readCsv, 'user_id\na\0\n\uFFFD\n'))).toEqual([
    [2, { user_id: 'a\0' }],
    [3, { user_id: '\uFFFD' }],
  ]);
});

test('a byte-order mark before a quoted header is not part of the first name; later in the file it is text', async () => {
  expect(plain(await read(readCsv, '\uFEFF"user_id","b\nc"\n\uFEFF1,\n'))).toEqual([
    [3, { user_id: '\uFEFF1' }],
  ]);
});

test('a column named __proto__ is a member like any other', async () => {
  const [record] = await read(readCsv, 'user_id,__proto__.admin\n1,yes\n');
  expect(JSON.stringify((record as { user: object }).user)).toBe(
    '{"user_id":"1","__proto__":{"admin":"yes"}}',
  );
});

test.each([
  ['', 'is empty'],
  ['user_id;email\n1;a\n', 'no column user_id'],
  ['1,a@example.com\n', 'no column user_id'],
  ['user_id,email,email\n', 'names the column email twice'],
  ['user_id,\n', 'column 2 of the CSV file has no name'],
  ['user_id,attributes,attributes.x\n', 'both columns attributes and attributes.x'],
  ['user_id,a.b.c,a\n', 'both columns a and a.b.c'],
  ['user_id,__proto__,__proto__\n', 'names the column __proto__ twice'],
  [`user_id,${'a.'.repeat(50)}a\n`, 'column 2 of the CSV file has more than 40 parts'],
  ['user_id,"b\n1,a\n', 'the first line of the CSV file has a quote that is not closed'],
  [`user_id,${'b'.repeat(1024 * 1024)}\n`, 'the first line of the CSV file is longer than 1048576 bytes'],
  ['user_id,b\r1,a\r', 'a carriage return without a line feed'],
  ['\uFEFF\n\n', 'is empty'],
  ['u\0s\0e\0r\0_\0i\0d\0', 'zero bytes, as UTF-16 does'],
  ['u\0s\0e\0r\0_\0i\0d\0\r\0\n\x001\0\r\0\n\0', 'zero bytes, as UTF-16 does'],
  ['User_ID,Email\n', 'no column user_id; rename the column User_ID to user_id'],
  ['email, User ID\n', 'rename the column User ID to user_id'],
  ['sep=,\nuser_id\n', 'it is sep=, for a spreadsheet: remove that line'],
  ['sep=;\n', 'it is sep=;, for a spreadsheet: remove that line'],
  ['user_id;email\n', 'separate the columns with commas'],
  ['id,email\n', 'its columns are id, email: name the one that identifies a user user_id'],
  [`${Array.from({ length: 99 }, (_, i) => `c${i}`)}\n`, 'c8, c9, …: name the one'],
])('the CSV %j is refused as a whole: %s', async (csv, message) => {
  await expect(collect(readCsv(Readable.from([Buffer.from(csv)])))).rejects.toThrow(message);
});

test('the time for many columns grows in proportion to their number', async () => {
  const names = Array.from({ length: 120_000 }, (_, i) => `c${i}`);
  const csv = `user_id,${names.join()}\n1,${'a,'.repeat(names.length - 1)}a\n`;
  const [record] = await collect(readCsv(Readable.from([Buffer.from(csv)])));
  expect(Object.keys((record as { user: object }).user)).toHaveLength(120_001);
});

test.each([
  [Buffer.from([0x1f, 0x8b, 8, 0, 10]), 'is compressed: gunzip -c'],
  [Buffer.from('PK\x03\x04\n'), 'a spreadsheet'],
  [Buffer.from('\uFEFFuser_id\n', 'utf16le'), 'is in UTF-16'],
  [Buffer.from('\uFEFFuser_id\n', 'utf16le').swap16(), 'is in UTF-16'],
])('%j is no text: %s', async (bytes, message) => {
  for (const reader of [readCsv, readJsonLines])
    await expect(collect(reader(Readable.from([bytes])))).rejects.toThrow(message);
});

test('JSON Lines hold one user per line; blank lines, CR LF and a byte-order mark are skipped', async () => {
  const lines =
    '\uFEFF{"user_id":"1"}\r\n\n{"user_id":"2","attributes":{"n":1.5}}\n  \n{"user_id":"\u2028é"}';
  expect(plain(await read(readJsonLines, lines))).toEqual([
    [1, { user_id: '1' }],
    [3, { user_id: '2', attributes: { n: 1.5 } }],
    [5, { user_id: '\u2028é' }],
  ]);
});

test.each(['\u00a0', '\ufeff', '\u2028', '\u3000'])(
  'a line of nothing but %j is no blank line',
  async (blank) => {
    const lines = `{"user_id":"1"}\n${blank}\n{"user_id":"3"}\n`;
    expect(plain(await read(readJsonLines, lines))).toEqual([
      [1, { user_id: '1' }],
      [2, 'is not JSON', blank],
      [3, { user_id: '3' }],
    ]);
  },
);

test.each(['[\n{"user_id":"1"},\n{"user_id":"2"}\n]\n', '\n [{"user_id":"1"}]', '[1]\n{"user_id":"2"}'])(
  'a JSON array is refused before anything is read: %j',
  async (text) => {
    const read = collect(readJsonLines(Readable.from([Buffer.from(text)])));
    await expect(read).rejects.toMatchObject({
      message: expect.stringContaining('the file is a JSON array'),
      exitCode: 2,
    });
  },
);

test('an error in JSON Lines names its line, and the lines after it are read', async () => {
  const lines = Buffer.concat([
    Buffer.from('{"user_id":\n[1]\nnull\n"x"\n{"user_id":"J'),
    Buffer.from([0xe9]),
    Buffer.from('"}\n{"user_id":"6"}\n'),
  ]);
  expect(plain(await read(readJsonLines, lines))).toEqual([
    [1, 'is not JSON', '{"user_id":'],
    [2, 'is not a JSON object', '[1]'],
    [3, 'is not a JSON object', 'null'],
    [4, 'is not a JSON object', '"x"'],
    [5, 'is not UTF-8; save the file in that encoding', '{"user_id":"J\uFFFD"}'],
    [6, { user_id: '6' }],
  ]);
});

test.each([
  '{"user_id":"a","user_id":"b"}',
  '{"user_id":"a","attributes":{"n":1e400}}',
  '{"user_id":"\\ud800"}',
  `{"user_id":"a","attributes":${'['.repeat(100_000)}${']'.repeat(100_000)}}`,
])('JSON that two parties could read as two things is a failure', async (line) => {
  expect(plain(await collect(readJsonLines(Readable.from([Buffer.from(`${line}\n{"a":1}`)]))))).toEqual([
    [1, expect.stringMatching(/^is ambiguous JSON: /), line],
    [2, { a: 1 }],
  ]);
});

test('a failures file is read as input: each line yields its user', async () => {
  const error = { code: 'x', message: 'y' };
  const lines = [
    { line: 7, user: { user_id: '7' }, error },
    { line: 8, text: '{"user_id":"8"}', error },
    { line: 9, text: '9,', error },
    // An operator's own schema may have members with these names.
    { user_id: '10', user: {}, error },
    { line: 1, text: {}, error: {} },
    { line: 1, user: 'ada', error },
    { line: 1, user: [], error },
    { line: '1', user: {}, error },
    { line: 1, user: {}, text: '', error },
    // Text that could not be decoded at the first run must not be registered with the replacement characters.
    { line: 10, text: '{"user_id":"\uFFFD"}', error },
  ];
  expect(plain(await read(readJsonLines, lines.map((line) => JSON.stringify(line)).join('\n')))).toEqual([
    [1, { user_id: '7' }],
    [2, { user_id: '8' }],
    [3, expect.stringMatching(/^has a "text" that is not JSON: .* of a CSV file$/), '9,'],
    [4, { user_id: '10', user: {}, error }],
    [5, { line: 1, text: {}, error: {} }],
    [6, { line: 1, user: 'ada', error }],
    [7, { line: 1, user: [], error }],
    [8, { line: '1', user: {}, error }],
    [9, { line: 1, user: {}, text: '', error }],
    [10, 'is not UTF-8; save the file in that encoding', '{"user_id":"\uFFFD"}'],
  ]);
});

test('input is read on demand: the first record of an endless input comes at once', async () => {
  let given = 0;
  async function* endless() {
    for (;;) yield Buffer.from(`{"user_id":"${given++}"}\n`);
  }
  const records = readJsonLines(Readable.from(endless(), { objectMode: false, highWaterMark: 64 }));
  await records.next();
  await records.return();
  expect(given).toBeLessThan(100);
});

test('each record says at which byte of the input it ends', async () => {
  const csv = 'user_id\né\nb\n';
  const json = '{"user_id":"é"}\n{"user_id":"b"}\n';
  expect((await read(readCsv, csv)).at(-1)!.endByte).toBe(Buffer.byteLength(csv));
  expect((await read(readJsonLines, json)).at(-1)!.endByte).toBe(Buffer.byteLength(json));
});
