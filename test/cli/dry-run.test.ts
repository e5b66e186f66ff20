/** `countersign register --dry-run` beside a run on the same file, against the whole platform. */
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { createServer } from 'node:http';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Platform, startPlatform } from '../../local/platform.ts';
import { closedUrl, Directory, environmentFor } from './cli.ts';

let platform: Platform;
const directory = new Directory();
beforeAll(async () => {
  platform = await startPlatform({ port: 0, strongWriteMs: 0 });
  directory.announce(platform.info);
});
afterAll(async () => {
  directory.remove();
  await platform?.stop();
});

const deep = `${'['.repeat(40)}${']'.repeat(40)}`;
const USERS = [
  '{"user_id":"d1"}',
  '{"user_id":"d2","email":"nope"}',
  '{bad',
  '{"email":"d4@example.com","unknown":1}',
  '{"user_id":"d5","attributes":{"deep":"x"}}',
  `{"user_id":"d6","attributes":{"deep":${deep}}}`,
  `{"user_id":"d7","attributes":{"long":"${'x'.repeat(17_000)}"}}`,
  '{"user_id":"d8","user_id":"d9"}',
  '{"user_id":""}',
];

test('it refuses the users that a run refuses, for the same reasons, and registers nobody', async () => {
  directory.write('in.jsonl', `${USERS.join('\n')}\n`);
  const tried = await directory.run(['register', 'in.jsonl', '--dry-run', '--json']);
  const told = tried.stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  const summary = told.pop();
  expect(readdirSync(directory.path).sort()).toEqual(['.countersign', 'in.jsonl']);

  const run = await directory.run(['register', 'in.jsonl', '--json']);
  // Nobody was registered before.
  expect(run.json).toMatchObject({ registered: summary.valid, replayed: 0, failed: summary.refused });
  expect(summary).toMatchObject({ file: 'in.jsonl', dry_run: true, valid: 2, last_line: 9, stopped: null });
  expect([tried.code, tried.stderr]).toEqual([run.code, run.stderr]);
  const reasons = (lines: readonly { line: number; error: { code: string; errors?: unknown } }[]) =>
    lines
      .map(({ line, error: { code, errors } }) => ({ line, code, errors }))
      .toSorted((a, b) => a.line - b.line);
  expect(reasons(told)).toEqual(reasons(directory.readLines('in.jsonl.failed.jsonl')));
});

test('for a person it prints a line for each user who would be refused', async () => {
  directory.write('people.csv', 'user_id,email\np1,p1@example.com\np2,nope\n"p3\n');
  const { code, stdout, stderr } = await directory.run(['register', 'people.csv', '--dry-run']);
  expect(code).toBe(1);
  expect(stdout).toMatch(
    /^line 3: \/email: .+\nline 4: line 4 has a quote that is not closed.*\n1 would be registered, 2 would be refused; nothing was sent\n$/,
  );
  expect(stderr).toBe('');
  directory.write('good.csv', 'user_id\np1\n');
  expect(await directory.run(['register', 'good.csv', '--dry-run'])).toEqual(
    expect.objectContaining({
      ...{ code: 0, stderr: '' },
      stdout: '1 would be registered, 0 would be refused; nothing was sent\n',
    }),
  );
});

test('without the schema the lines are only read, and it says so', async () => {
  const [client] = platform.info.clients;
  const env = { COUNTERSIGN_URL: await closedUrl(), COUNTERSIGN_API_KEY: client!.api_key };
  directory.write('unread.jsonl', '{"user_id":"u1","email":"nope"}\n{bad\n');
  const { code, stdout, stderr } = await directory.run(['register', 'unread.jsonl', '--dry-run'], { env });
  expect(code).toBe(3);
  expect(stdout).toMatch(/\n1 can be read, 1 would be refused; nothing was sent\n$/);
  expect(stderr).toMatch(/^error: not every user was checked: http:.* no answer \(ECONNREFUSED\)\n$/);
});

test('only the discovery document is asked for', async () => {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    response.end('{}');
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  directory.write('asked.jsonl', '{"user_id":"u1"}\n');
  const env = environmentFor(server);
  const { code, stderr } = await directory.run(['register', 'asked.jsonl', '--dry-run'], { env });
  server.close();
  expect(asked).toEqual(['GET /.well-known/countersign']);
  expect([code, stderr]).toEqual([3, expect.stringContaining('without the document of a platform')]);
});

test('--failures is wrong usage: a dry run writes no file', async () => {
  directory.write('f.jsonl', '{"user_id":"u1"}\n');
  const { code, stderr } = await directory.run(['register', 'f.jsonl', '--dry-run', '--failures', 'x.jsonl']);
  expect([code, stderr]).toEqual([2, expect.stringContaining('--failures cannot be combined')]);
});
