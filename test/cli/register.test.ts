/** `countersign register` against the whole platform. */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, statSync, symlinkSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { PassThrough, Readable } from 'node:stream';
import type { CountersignError } from '@countersign/sdk';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { fixOf } from '../../cli/fixes.ts';
import type { Access } from '../../cli/register/access.ts';
import { type Platform, startPlatform } from '../../local/platform.ts';
import { deriveApiKey } from '../../protocol/api-key.ts';
import { closedUrl, Directory } from './cli.ts';

let platform: Platform;
let directory: Directory;

beforeAll(async () => {
  platform = await startPlatform({ port: 0, strongWriteMs: 0 });
});
afterAll(() => platform?.stop());
beforeEach(() => {
  directory = new Directory();
  directory.announce(platform.info);
});
afterEach(() => directory.remove());

const example = (name: string) => new URL(`../../examples/${name}`, import.meta.url);

test('the 1,000 users of the examples are registered from CSV; repeating some from JSON Lines changes nothing', async () => {
  directory.write('users.csv', await readFile(example('users.csv')));
  const csv = await directory.run(['register', 'users.csv', '--json']);
  expect(csv).toMatchObject({ code: 0, stderr: '' });
  expect(csv.json).toMatchObject({ registered: 1000, replayed: 0, failed: 0, failures: null, stopped: null });
  const lines = (await readFile(example('users.jsonl'), 'utf8')).split('\n').filter((_, i) => i % 10 === 0);
  directory.write('some.jsonl', `${lines.join('\n')}\n`);
  const jsonl = await directory.run(['register', 'some.jsonl', '--json']);
  expect(jsonl.json).toMatchObject({ registered: 100, replayed: 100, failed: 0 });
});

test('the examples are 1,000 users who do not exist', async () => {
  const lines = (await readFile(example('users.jsonl'), 'utf8'))
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(new Set(lines.map(({ user_id }) => user_id)).size).toBe(1000);
  expect(new Set(lines.map(({ email }) => email)).size).toBe(1000);
  for (const { email } of lines) expect(email).toMatch(/@example\.(com|org|net)$/);
});

test('the most frequent reason of failures is printed with its count, over all lines and users', async () => {
  const good = Array.from({ length: 3 }, (_, i) => `{"user_id":"m${i}"}\n`).join('');
  const bad = Array.from({ length: 2 }, (_, i) => `{"user_id":"n${i}","email":"nope${i}"}\n`).join('');
  directory.write('reasons.jsonl', `${good}${bad}no\nno\nno\n`);
  const { stdout } = await directory.run(['register', 'reasons.jsonl']);
  expect(stdout).toMatch(/\nMost frequent reason \(3 of 5\): the line is not JSON\n$/);
  directory.write('one.jsonl', bad.split('\n')[0]!);
  const one = await directory.run(['register', 'one.jsonl']);
  expect(one.stdout).toMatch(/\nReason: .*\/email: .*\n$/);
  directory.write('good.jsonl', good);
  expect((await directory.run(['register', 'good.jsonl'])).stdout).not.toContain('eason');
});

test('a user_id with outer white space or a control character is registered unchanged, with one warning', async () => {
  const ids = [' w1', 'w1 ', 'w\u0000', 'w 1', 'w1'];
  directory.write('odd.jsonl', ids.map((user_id) => JSON.stringify({ user_id })).join('\n'));
  const { stdout, stderr } = await directory.run(['register', 'odd.jsonl']);
  expect(stdout).toMatch(/^[345] registered, /);
  expect(stderr).toBe(
    'warning: 3 user_ids have white space at an end, or a control character: without it they name other users\n',
  );
  directory.write('even.csv', 'user_id , email\nw2,w2@example.com\n');
  expect(await directory.run(['register', 'even.csv'])).toMatchObject({ code: 0, stderr: '' });
});

test('a failure is written with its line; once fixed in the failures file, it registers from there', async () => {
  directory.write('in.jsonl', '{"user_id":"f1"}\n{"user_id":"f2","email":"nope"}\n{bad\n{"user_id":"f4"}\n');
  const first = await directory.run(['register', 'in.jsonl']);
  expect(first.code).toBe(1);
  expect(first.stdout).toMatch(
    /^2 registered, 2 failed, in [\d.]+ s\nFailures: in\.jsonl\.failed\.jsonl\nMost frequent reason \(1 of 2\): .*\n$/,
  );
  const failures = directory.readLines('in.jsonl.failed.jsonl').sort((a, b) => a.line - b.line);
  expect(failures).toEqual([
    {
      line: 2,
      user: { user_id: 'f2', email: 'nope' },
      error: {
        code: 'invalid_registration',
        message: expect.any(String),
        errors: [{ pointer: '/email', message: expect.any(String) }],
      },
    },
    { line: 3, text: '{bad', error: { code: 'unreadable_line', message: 'line 3 is not JSON' } },
  ]);
  expect(statSync(`${directory.path}/in.jsonl.failed.jsonl`).mode & 0o777).toBe(0o600);

  const fixed = directory
    .read('in.jsonl.failed.jsonl')
    .replace('"nope"', '"f2@example.com"')
    .replace('{bad', '{\\"user_id\\":\\"f3\\"}');
  directory.write('in.jsonl.failed.jsonl', fixed);
  const second = await directory.run(['register', 'in.jsonl.failed.jsonl', '--json']);
  expect(second.json).toMatchObject({ registered: 2, replayed: 0, failed: 0 });
  expect(second.code).toBe(0);
});

test('a user registered with other data is a failure, in the file that --failures names', async () => {
  directory.write('a.csv', 'user_id,display_name\nc1,One\n');
  directory.write('b.csv', 'user_id,display_name\nc1,Another\n');
  await directory.run(['register', 'a.csv']);
  const { code, json } = await directory.run([
    'register',
    'b.csv',
    '--failures',
    'conflicts.jsonl',
    '--json',
  ]);
  expect(code).toBe(1);
  expect(json).toMatchObject({ failed: 1, failures: 'conflicts.jsonl' });
  expect(directory.readLines('conflicts.jsonl')).toMatchObject([
    { line: 2, error: { code: 'registration_conflict' } },
  ]);
});

test('standard input is registered while it arrives', async () => {
  const stdin = new PassThrough();
  const running = directory.run(['register', '-', '--format', 'jsonl', '--json'], { stdin });
  stdin.write('{"user_id":"s1"}\n');
  stdin.end('{"user_id":"s2"}\n');
  expect((await running).json).toMatchObject({ file: '-', registered: 2 });
});

test('Ctrl-C lets requests under way finish, and the output says how far the run got', async () => {
  const stdin = new PassThrough();
  let interrupt = () => {};
  const running = directory.run(['register', '-', '--format', 'jsonl', '--json'], {
    stdin,
    onReady: (given) => {
      interrupt = given;
    },
  });
  stdin.write('{"user_id":"i1"}\n{"user_id":"i2"}\n');
  await registered('i1', 'i2');
  interrupt();
  const { code, json, stderr } = await running;
  expect(code).toBe(130);
  expect(json).toMatchObject({ registered: 2, failed: 0, last_line: 2, stopped: 'interrupted' });
  expect(stderr).toBe('error: interrupted; stopped after line 2\n');
});

/** Resolves once the platform has these users: registering them again is a repetition. */
async function registered(...users: string[]): Promise<void> {
  const lines = users.map((user_id) => `${JSON.stringify({ user_id })}\n`).join('');
  for (;;) {
    const { json } = await directory.run(['register', '-', '--format', 'jsonl', '--json'], { stdin: lines });
    if (json.replayed === users.length) return;
  }
}

test('URL and key come from the environment, and options override it', async () => {
  directory.write('in.csv', 'user_id\ne1\n');
  const [dev, basic] = platform.info.clients;
  const env = { COUNTERSIGN_URL: platform.info.regions[1]!.url, COUNTERSIGN_API_KEY: dev!.api_key };
  const elsewhere = new Directory();
  elsewhere.write('in.csv', 'user_id\ne1\n');
  elsewhere.write('key.txt', `${basic!.api_key}\n`);
  const plain = await elsewhere.run(['register', 'in.csv', '--json'], { env });
  expect(plain.json).toMatchObject({ registered: 1 });
  const again = await elsewhere.run(['register', 'in.csv', '--json', '--api-key-file', 'key.txt'], { env });
  // A user of the same name, of another client.
  expect(again.json).toMatchObject({ registered: 1, replayed: 0 });
  elsewhere.remove();
});

test('a failure that every user would meet stops the run in one line', async () => {
  directory.write('in.csv', `user_id\n${Array.from({ length: 500 }, (_, i) => `u${i}`).join('\n')}\n`);
  const unreachable = {
    COUNTERSIGN_URL: await closedUrl(),
    COUNTERSIGN_API_KEY: platform.info.clients[0]!.api_key,
  };
  const down = await directory.run(['register', 'in.csv', '--json', '--concurrency', '1'], {
    env: unreachable,
  });
  expect(down.code).toBe(3);
  expect(down.json).toMatchObject({ registered: 0, failed: 0, last_line: expect.any(Number) });
  expect(down.stderr).toMatch(
    /^error: no answer from http:\/\/127\.0\.0\.1:\d+: ECONNREFUSED; stopped at line 3: 2 users up to there are unfinished \(neither registered nor failed\), no later line was tried; `countersign doctor` says why; then run it again\n$/,
  );
  expect(down.json).toMatchObject({ unfinished: 2, last_line: 3, failures: null });
  const wrong = {
    COUNTERSIGN_URL: platform.info.awsEndpoint,
    COUNTERSIGN_API_KEY: platform.info.clients[0]!.api_key,
  };
  const other = await directory.run(['register', 'in.csv', '--json'], { env: wrong });
  expect(other.code).toBe(3);
  expect(other.stderr).toMatch(/not Countersign's; stopped at .*without \/v1, .*; then run it again\n$/);
  expect(existsSync(`${directory.path}/in.csv.progress.json`)).toBe(false);
});

test('an input that ends with an error ends the run, and the users already done are counted', async () => {
  async function* broken() {
    yield Buffer.from('{"user_id":"b1"}\n{bad\n');
    await registered('b1');
    throw Object.assign(new Error('broken'), { code: 'EIO', syscall: 'read' });
  }
  const { code, json, stderr } = await directory.run(['register', '-', '--format', 'jsonl', '--json'], {
    stdin: Readable.from(broken(), { objectMode: false }),
  });
  expect(code).toBe(1);
  expect(json).toMatchObject({ registered: 1, failed: 1, unfinished: 0, stopped: expect.any(String) });
  expect(stderr).toBe('error: the input cannot be read on: EIO; stopped after line 2\n');
});

test('the run ends if failures cannot be written, and the users already done are counted', async () => {
  symlinkSync('/dev/null', `${directory.path}/failed`);
  const { code, json, stderr } = await directory.run(
    ['register', '-', '--format', 'jsonl', '--json', '--failures', 'failed', '--concurrency', '1'],
    { stdin: '{"user_id":"w1"}\n{"user_id":"w2","email":"nope"}\n' },
  );
  expect(code).toBe(1);
  expect(json).toMatchObject({ registered: 1, failed: 0, unfinished: 1, failures: null });
  expect(stderr).toMatch(
    /^error: cannot write .*failed: it is a symbolic link; .*; stopped at line 2: 1 user up/,
  );
});

test('a pipe is registered, and no progress file is left', async () => {
  execFileSync('mkfifo', [`${directory.path}/pipe.jsonl`]);
  const running = directory.run(['register', 'pipe.jsonl', '--json']);
  await writeFile(`${directory.path}/pipe.jsonl`, '{"user_id":"p1"}\n{"user_id":"p2"}\n');
  expect((await running).json).toMatchObject({ registered: 2, failed: 0, resumed_after_line: null });
  expect(existsSync(`${directory.path}/pipe.jsonl.progress.json`)).toBe(false);
});

test('failures are never written to the input file, under whatever name', async () => {
  directory.write('in.csv', 'user_id,email\nz1,nope\n');
  symlinkSync('in.csv', `${directory.path}/link.csv`);
  const { code, stderr } = await directory.run(['register', 'link.csv', '--failures', 'in.csv']);
  expect(code).toBe(2);
  expect(stderr).toContain('--failures must not be the same file as FILE');
  expect(directory.read('in.csv')).toContain('z1,nope');
});

test('a wrong key stops the run with the remedy, and no user is reported as registered', async () => {
  directory.write('in.csv', 'user_id\nk1\nk2\n');
  const key = deriveApiKey({
    ...{ root: Buffer.alloc(32), salt: Buffer.alloc(16) },
    ...{ clientId: 'dev', generation: 1, profile: 'strict' },
  });
  const env = { COUNTERSIGN_URL: platform.info.entry, COUNTERSIGN_API_KEY: key };
  const { code, json, stderr } = await directory.run(['register', 'in.csv', '--json'], { env });
  expect(code).toBe(1);
  expect(json).toMatchObject({ registered: 0, failed: 0, unfinished: 2 });
  expect(stderr).toMatch(
    /; stopped at line 3: 2 users up to there are unfinished \(neither .*; check that the API key is complete .*; then run it again\n$/,
  );
});

test('a URL that ends in /v1 is reported as the error', async () => {
  directory.write('in.csv', 'user_id\nv1\n');
  const env = { COUNTERSIGN_API_KEY: platform.info.clients[0]!.api_key };
  const { code, stderr } = await directory.run(['register', 'in.csv', '--url', `${platform.info.entry}/v1`], {
    env,
  });
  expect(code).toBe(3);
  expect(stderr).toMatch(/; use the base URL only, without \/v1, .*; then run it again\n$/);
});

test('a cell of 300,000 characters is one failure, and the rows after it are registered', async () => {
  const rows = Array.from({ length: 50 }, (_, i) => `long${i},b\n`).join('');
  directory.write('in.csv', `user_id,display_name\nlong,${'x'.repeat(300_000)}\n${rows}`);
  const { code, json } = await directory.run(['register', 'in.csv', '--json']);
  expect(code).toBe(1);
  expect(json).toMatchObject({ registered: 50, failed: 1, stopped: null });
  expect(directory.readLines('in.csv.failed.jsonl')).toMatchObject([
    { line: 2, error: { code: 'body_too_large' } },
  ]);
});

test('if the platform is lost during a run, the remaining users go to the failures file', async () => {
  directory.write('in.csv', 'user_id\nl1\nl2\nl3\n');
  let posts = 0;
  const server = createServer((request, response) => {
    const url = `http://${request.headers.host}`;
    const registration = { id: 'i', client_id: 'dev', user_id: 'l1', created_at: 't', data: {} };
    const document = { issuer: url, regions: [{ name: 'a', url }] };
    if (request.method === 'POST' && ++posts > 1) return response.destroy();
    const nonce = 'n';
    response.end(JSON.stringify({ ...document, ...registration, nonce }));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const env = {
    COUNTERSIGN_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    COUNTERSIGN_API_KEY: platform.info.clients[0]!.api_key,
  };
  const { code, json } = await directory.run(['register', 'in.csv', '--json', '--concurrency', '1'], { env });
  server.close();
  expect(code).toBe(1);
  expect(json).toMatchObject({ registered: 1, failed: 2, stopped: null });
  const error = { code: 'connection_failed' };
  expect(directory.readLines('in.csv.failed.jsonl')).toMatchObject([
    { line: 3, error },
    { line: 4, error },
  ]);
});

test.each([
  [['register', 'nothing.csv'], 'there is no file nothing.csv'],
  [['register', 'in.txt'], 'cannot see the format of in.txt from its name: add --format csv'],
  [['register', '.', '--format', 'csv'], '. is a directory'],
  [['register', '-'], 'cannot see the format of - from its name: add --format csv'],
  [['register', 'in.csv', '--failures', './in.csv'], '--failures must not be the same file as FILE'],
  [['register', 'in.csv', '--concurrency', '0'], 'whole number from 1 to 100'],
  [['register', 'in.csv', '--url', 'https://api.example.com'], 'the API key is missing'],
  [
    ['register', 'in.csv', '--url', 'http://api.example.com', '--api-key-file', 'in.csv'],
    '--url must be a base URL',
  ],
  [
    ['register', 'in.csv', '--url', 'https://api.example.com', '--api-key-file', 'in.csv'],
    'error: --api-key-file: ',
  ],
  [
    ['register', 'in.csv', '--url', 'https://api.example.com', '--api-key-file', 'in.csv'],
    'this is not an API key of Countersign',
  ],
  [
    [
      'register',
      'in.csv',
      '--url',
      'https://api.example.com',
      '--regions',
      'foo',
      '--api-key-file',
      'in.csv',
    ],
    '--regions: the URL must begin with https://',
  ],
  [['register', 'in.csv', '--api-key-file', 'none.txt'], 'cannot read'],
  [['register'], "missing required argument 'file'"],
  [['register', 'in.csv', '--api-key', 'csk_x'], "unknown option '--api-key'"],
])('%j is wrong usage: %s', async (args, message) => {
  directory.write('in.csv', 'user_id\n1\n');
  directory.write('in.txt', 'user_id\n1\n');
  const { code, stderr, stdout } = await directory.run(args);
  expect(stderr).toContain(message);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toMatch(/^error: .*\n(\(Did you mean .*\)\n)?$/);
});

test('without a platform the message says how to start one', async () => {
  const elsewhere = new Directory();
  elsewhere.write('in.csv', 'user_id\n1\n');
  const { code, stderr } = await elsewhere.run(['register', 'in.csv']);
  expect(code).toBe(3);
  expect(stderr).toContain('`npm start`');
  mkdirSync(`${elsewhere.path}/.countersign`);
  for (const text of ['{', 'null', '{}', '{"entry":"","awsEndpoint":"","regions":[],"clients":[null]}']) {
    elsewhere.write('.countersign/local.json', text);
    const broken = await elsewhere.run(['register', 'in.csv']);
    expect(broken.code).toBe(3);
    expect(broken.stderr).toContain('local.json is broken: start the platform again');
  }
  elsewhere.remove();
});

test('the message for an invalid proof says that the client root may have been revoked, which a client cannot see', () => {
  const error = { code: 'invalid_proof' } as CountersignError;
  expect(fixOf(error, { source: 'of key.txt' } as Access)).toMatch(
    /client root was revoked, .*\(clients rotate-key\)/,
  );
});
