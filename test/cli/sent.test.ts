/**
 * Which users several runs over an interrupted file send. A server that answers like the platform counts
 * them.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createServer } from 'node:http';
import { text } from 'node:stream/consumers';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { Directory, environmentFor } from './cli.ts';

const PROGRESS = 'in.jsonl.progress.json';
const main = new URL('../../cli/main.ts', import.meta.url).pathname;

/** How often each user was sent. */
const sent = new Map<string, number>();
/** Runs before each answer; a test replaces it. */
let answers: () => boolean | Promise<boolean>;
let directory: Directory;
let env: Record<string, string>;

const server = createServer(async (request, response) => {
  const url = `http://${request.headers.host}`;
  if (request.method !== 'POST')
    return response.end(
      JSON.stringify({ issuer: url, regions: [{ name: 'a', url }], nonce: 'n', expires_in: 300 }),
    );
  const data = JSON.parse(await text(request));
  sent.set(data.user_id, (sent.get(data.user_id) ?? 0) + 1);
  if (!(await answers())) return response.destroy();
  response.writeHead(201, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ id: 'i', client_id: 'dev', user_id: data.user_id, created_at: 't', data }));
});

beforeAll(async () => {
  await once(server.listen(0, '127.0.0.1'), 'listening');
  env = environmentFor(server);
});
afterAll(() => server.close());
beforeEach(() => {
  sent.clear();
  answers = () => true;
  directory = new Directory();
});
afterEach(() => directory.remove());

function writeUsers(count: number): string[] {
  const users = Array.from({ length: count }, (_, i) => `u${i}`);
  directory.write('in.jsonl', users.map((user_id) => `${JSON.stringify({ user_id })}\n`).join(''));
  return users;
}

const register = (...args: string[]) => directory.run(['register', 'in.jsonl', '--json', ...args], { env });

interface Progress {
  readonly mark: number;
  readonly beyond: readonly number[];
}
const progress = (): Progress =>
  existsSync(`${directory.path}/${PROGRESS}`)
    ? JSON.parse(directory.read(PROGRESS))
    : { mark: 0, beyond: [] };

function recorded(): number {
  const { mark, beyond } = progress();
  return mark + beyond.length;
}

test('killed at any point, a run never resends a user recorded as done, and leaves nobody out', async () => {
  const users = writeUsers(200);
  for (let kill = 1; kill <= 2; kill++) {
    const { promise: arrived, resolve: arrive } = Promise.withResolvers<void>();
    // One of them never gets an answer: the users after it are done, with gaps.
    let stuck = 0;
    const goal = sent.size + 37 * kill;
    answers = () => {
      if (sent.size >= goal) arrive();
      return stuck++ === 5 ? new Promise<boolean>(() => {}) : true;
    };
    const child = spawn(process.execPath, [main, 'register', 'in.jsonl', '--json'], {
      cwd: directory.path,
      env: { ...process.env, ...env },
      stdio: 'ignore',
    });
    const exited = once(child, 'exit');
    await arrived;
    // On a busy machine the file is written later than the users arrive.
    await expect.poll(recorded, { timeout: 30_000 }).toBeGreaterThan(20 * kill);
    child.kill('SIGKILL');
    await exited;
  }
  answers = () => true;
  const { mark, beyond } = progress();
  expect(recorded()).toBeGreaterThan(40);
  const done = users.filter((_, i) => i < mark || beyond.includes(i));
  const before = new Map(sent);
  const { json } = await register();
  expect(json).toMatchObject({ registered: 200, failed: 0, this_run: { registered: 200 - done.length } });
  for (const user of done) expect(sent.get(user), user).toBe(before.get(user));
  expect([...sent.keys()].sort()).toEqual([...users].sort());
});

test('losing the platform stops the run, and the next run resumes with the users that got no answer', async () => {
  writeUsers(60);
  let up = 20;
  answers = () => up-- > 0;
  const stopped = await register();
  expect(stopped.code).toBe(3);
  expect(stopped.json).toMatchObject({ registered: 20, failed: 0, failures: null });
  expect(stopped.stderr).toMatch(
    /^error: no answer from .*; stopped at line \d+: \d+ users .*; then run it again to continue\n$/,
  );
  expect(sent.size).toBeLessThan(60);

  answers = () => true;
  expect((await register()).json).toMatchObject({ registered: 60, failed: 0, this_run: { registered: 40 } });
});

test('one user who gets no answer is a failure, and the others are registered', async () => {
  const users = writeUsers(30);
  answers = () => (sent.get('u7') ?? 0) === 0 || [...sent.keys()].at(-1) !== 'u7';
  const { code, json } = await register('--concurrency', '1');
  expect(code).toBe(1);
  expect(json).toMatchObject({ registered: users.length - 1, failed: 1, stopped: null });
  expect(directory.readLines('in.jsonl.failed.jsonl')).toMatchObject([
    { line: 8, error: { code: 'connection_failed' } },
  ]);
});
