/** A registration run that is stopped or killed resumes where it ended: each user is registered once. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, statSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { CLIENT_CACHE_MS } from '../../lambda/request/client-cache.ts';
import { type Platform, startPlatform } from '../../local/platform.ts';
import { Directory } from './cli.ts';

let platform: Platform;
let directory: Directory;
let batch = 0;
let aheadMs = 0;

beforeAll(async () => {
  platform = await startPlatform({
    ...{ port: 0, strongWriteMs: STRONG_WRITE_MS, nowMs: () => Date.now() + aheadMs },
  });
});
afterAll(() => platform?.stop());
beforeEach(() => {
  directory = new Directory();
  directory.announce(platform.info);
});
afterEach(() => directory.remove());

/** A file of `count` users. Every tenth has an invalid e-mail address. @returns the number of those */
function writeUsers(count: number, name = 'in.jsonl'): number {
  batch += 1;
  const users = Array.from({ length: count }, (_, i) => ({
    user_id: `r${batch}-${i}`,
    email: i % 10 === 9 ? 'nope' : `r${i}@example.com`,
  }));
  directory.write(name, users.map((user) => `${JSON.stringify(user)}\n`).join(''));
  return Math.floor(count / 10);
}

const register = (...args: string[]) => directory.run(['register', 'in.jsonl', '--json', ...args]);
const hasProgress = () => existsSync(`${directory.path}/in.jsonl.progress.json`);
const progress = () => JSON.parse(directory.read('in.jsonl.progress.json'));

/** A registration takes at least this long, so a run of many users takes its time on any machine. */
const STRONG_WRITE_MS = 20;

/** So many that no run is through before it is interrupted, even if four have been. */
const USERS = 200;

/** The pause between two reads of a file that another run writes. */
const pause = () => new Promise((resolve) => setTimeout(resolve, 5));

/** Starts a run, and presses Ctrl-C once it has registered `registered` users. */
async function interruptAfter(registered: number, ...more: string[]) {
  const begun = hasProgress() ? progress().registered : 0;
  return directory.run(['register', 'in.jsonl', '--json', '--concurrency', '4', ...more], {
    onReady: async (interrupt) => {
      while (!hasProgress() || progress().registered < begun + registered) await pause();
      interrupt();
    },
  });
}

/** Every user is registered, and each invalid one is in the failures file once. */
async function expectWhole(count: number, bad: number): Promise<void> {
  const lines = directory.readLines('in.jsonl.failed.jsonl').map(({ line }) => line);
  expect(lines).toHaveLength(bad);
  expect(new Set(lines).size).toBe(bad);
  const { json } = await register('--restart');
  expect(json).toMatchObject({ registered: count - bad, replayed: count - bad, failed: bad });
}

test('Ctrl-C many times: nobody is sent twice, nobody is left out, no failure is listed twice', async () => {
  const bad = writeUsers(USERS);
  let last = await interruptAfter(1);
  let runs = 1;
  for (; last.code === 130; runs++) {
    expect(last.stderr).toContain('; run it again to continue\n');
    expect(statSync(`${directory.path}/in.jsonl.progress.json`).mode & 0o777).toBe(0o600);
    expect(directory.read('in.jsonl.progress.json')).not.toContain('@example');
    last = runs < 4 ? await interruptAfter(1) : await register();
  }
  expect(runs).toBe(5);
  expect(last.stderr).toMatch(/^continuing after line \d+; so far \d+ registered, \d+ failed\n$/);
  expect(last.code).toBe(1);
  expect(last.json).toMatchObject({ registered: USERS - bad, replayed: 0, failed: bad, stopped: null });
  expect(last.json.resumed_after_line).toBeGreaterThan(0);
  expect(hasProgress()).toBe(false);
  await expectWhole(USERS, bad);
});

test('killed many times, the registration still completes', async () => {
  const bad = writeUsers(USERS);
  const main = new URL('../../cli/main.ts', import.meta.url).pathname;
  for (let kill = 1; kill <= 2; kill++) {
    const begun = hasProgress() ? progress().mark : 0;
    const child = spawn(process.execPath, [main, 'register', 'in.jsonl', '--json', '--concurrency', '4'], {
      cwd: directory.path,
      stdio: 'ignore',
    });
    const exited = once(child, 'exit');
    // Each run gets further than the one before.
    while (!hasProgress() || progress().mark < begun + 30) await pause();
    child.kill('SIGKILL');
    await exited;
  }
  const before = progress();
  expect(before.mark).toBeGreaterThanOrEqual(60);
  const last = await register();
  expect(last.json).toMatchObject({ registered: USERS - bad, failed: bad, resumed_after_line: before.line });
  await expectWhole(USERS, bad);
});

test('a second run beside one at work is refused; the number of an ended process blocks nobody', async () => {
  const bad = writeUsers(USERS);
  let refused: Awaited<ReturnType<typeof register>> | undefined;
  const first = await directory.run(['register', 'in.jsonl', '--json'], {
    onReady: async () => {
      refused = await register();
    },
  });
  expect(first.json).toMatchObject({ failed: bad, stopped: null });
  expect(refused).toMatchObject({ code: 2, stdout: '' });
  expect(refused!.stderr).toContain(`process ${process.pid} is registering this file`);

  await interruptAfter(1);
  const child = spawn(process.execPath, ['-e', '']);
  await once(child, 'exit');
  directory.write('in.jsonl.progress.json', JSON.stringify({ ...progress(), pid: child.pid }));
  expect((await register()).json).toMatchObject({ failed: bad, stopped: null });
});

test('lines added at the end are registered; a change in the part already done is refused, and --restart starts over', async () => {
  const bad = writeUsers(USERS);
  const registered = USERS - bad + 1;
  await interruptAfter(20);
  const text = directory.read('in.jsonl');
  directory.write('in.jsonl', `{"user_id":"another"}\n${text}`);
  const changed = await register();
  expect(changed).toMatchObject({ code: 2, stdout: '' });
  expect(changed.stderr).toMatch(
    /^continuing .*\nerror: the file has changed since the last run, at or before line \d+: .*--restart/,
  );
  directory.write('in.jsonl', text.split('\n').slice(0, 3).join('\n'));
  expect((await register()).stderr).toContain('--restart');

  directory.write('in.jsonl', `${text}{"user_id":"added-${batch}"}\n`);
  const went = await register();
  expect(went.json).toMatchObject({ registered, replayed: 0, failed: bad });
  expect((await register()).json).toMatchObject({
    registered,
    replayed: registered,
    resumed_after_line: null,
  });
});

test('another client or another platform starts from the first line', async () => {
  writeUsers(USERS);
  await interruptAfter(5);
  directory.write('key.txt', platform.info.clients[0]!.api_key);
  const elsewhere = await register('--url', platform.info.regions[1]!.url, '--api-key-file', 'key.txt');
  expect(elsewhere).toMatchObject({ code: 2, stdout: '' });
  expect(elsewhere.stderr).toMatch(/an earlier run of this file used url .*--restart/);
  directory.write(
    '.countersign/local.json',
    JSON.stringify({
      ...platform.info,
      clients: [
        {
          ...platform.info.clients[0],
          api_key: 'csk_other_1_0000000000000000000000000000000000000000000_000000',
        },
      ],
    }),
  );
  const { stderr, code } = await register();
  expect(code).toBe(2);
  expect(stderr).not.toContain('continuing');
});

test('an error that stops the run is not a failure of a user: all are registered once it is fixed', async () => {
  const bad = writeUsers(USERS);
  await interruptAfter(5);
  await directory.run(['clients', 'disable', 'dev']);
  // Instances cache a client's record for this long.
  aheadMs += CLIENT_CACHE_MS;
  const stopped = await register();
  expect(stopped.code).toBe(1);
  expect(stopped.stderr).toMatch(
    /error: Client disabled: .*; an operator disabled .*; then run it again to continue\n$/,
  );
  await directory.run(['clients', 'enable', 'dev']);
  aheadMs += CLIENT_CACHE_MS;
  expect((await register()).json).toMatchObject({ registered: USERS - bad, replayed: 0, failed: bad });
  // The first user who was refused may be one with an invalid address, and so fail all the same.
  expect(directory.read('in.jsonl.failed.jsonl')).not.toContain('disabled');
  await expectWhole(USERS, bad);
});

test('a broken progress file is reported', async () => {
  writeUsers(10);
  directory.write('in.jsonl.progress.json', '{"pid":');
  const { code, stderr } = await register();
  expect(code).toBe(2);
  expect(stderr).toContain('in.jsonl.progress.json is broken: start again with --restart');
  expect((await register('--restart')).json).toMatchObject({ registered: 9, failed: 1 });
});

test('another spelling of the URL means the same platform', async () => {
  writeUsers(USERS);
  const { entry, clients } = platform.info;
  const { port } = new URL(entry);
  directory.write('key.txt', clients[0]!.api_key);
  const at = (url: string) => ['--url', url, '--api-key-file', 'key.txt'];
  expect((await interruptAfter(20, ...at(`http://127.0.0.1:${port}`))).code).toBe(130);
  const { code, json, stderr } = await register(...at(`HTTP://127.1:${port}/`));
  expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining('continuing after line') });
  expect(json).toMatchObject({ registered: USERS - USERS / 10, failed: USERS / 10 });
});
