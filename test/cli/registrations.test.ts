/** `countersign registrations`: show, delete, erase. */
import { mkdirSync } from 'node:fs';
import { Readable, Writable } from 'node:stream';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { run } from '../../cli/program.ts';
import { type Platform, startPlatform } from '../../local/platform.ts';
import { Directory, whileWaiting } from './cli.ts';

let platform: Platform;
let nowMs = Date.now();
const directory = new Directory();

beforeAll(async () => {
  platform = await startPlatform({ port: 0, nowMs: () => nowMs });
  directory.announce(platform.info);
  // All of these come before a test that moves the platform's clock further than a client follows it.
  const users = ['ada', 'bob', 'eve', 'kim', 'mae', 'zoe'].map((name) => `${name},${name}@example.com\n`);
  directory.write('users.csv', `user_id,email\n${users.join('')}`);
  expect((await directory.run(['register', 'users.csv'])).code).toBe(0);
});
afterAll(async () => {
  directory.remove();
  await platform?.stop();
});

const registrations = (...args: string[]) => directory.run(['registrations', ...args]);

test('a registration is shown, deleted, and then shown as deleted', async () => {
  const shown = await registrations('show', 'dev', 'ada', '--json');
  expect(shown.json).toMatchObject({ client_id: 'dev', user_id: 'ada', data: { email: 'ada@example.com' } });
  expect((await registrations('show', 'dev', 'ada')).stdout).toContain('"email":"ada@example.com"');
  const { id } = shown.json;
  expect(await registrations('delete', 'dev', 'ada')).toMatchObject({
    code: 0,
    stdout: `ada of dev (${id}) is deleted: local-a, local-b\n`,
  });
  expect((await registrations('delete', 'dev', 'ada')).code).toBe(1);
  const deleted = await registrations('show', 'dev', 'ada');
  expect(deleted.stdout).toMatch(/^deleted_at +\d{4}-/m);
  expect(deleted.stdout).not.toContain('example.com');
  expect(await registrations('show', 'dev', 'nobody')).toMatchObject({ code: 1, stdout: '' });
});

test('erase says when the tombstone can be removed, and removes it then', async () => {
  const first = await registrations('erase', 'dev', 'bob', '--json');
  expect(first.json).toMatchObject({ state: 'deleted', erasable_at: expect.any(String) });
  expect(first.json.existed).toBe(true);
  expect((await registrations('erase', 'dev', 'bob')).stdout).toContain(first.json.erasable_at);
  nowMs = Date.parse(first.json.erasable_at);
  expect((await registrations('erase', 'dev', 'bob', '--json')).json).toEqual({
    id: first.json.id,
    state: 'erased',
    confirmed: ['local-a', 'local-b'],
    failed: [],
  });
});

test('erasing a user who was never registered leaves one tombstone per Region, however often it runs', async () => {
  const [first, again] = [
    await registrations('erase', 'dev', 'abe', '--json'),
    await registrations('erase', 'dev', 'abe', '--json'),
  ];
  expect(first.json).toMatchObject({ state: 'deleted', confirmed: ['local-a', 'local-b'], failed: [] });
  expect(again.json).toEqual(first.json);
  nowMs = Date.parse(first.json.erasable_at);
  expect(await registrations('erase', 'dev', 'abe')).toMatchObject({
    code: 0,
    stdout: `abe of dev (${first.json.id}) is erased; no trace is left: local-a, local-b\n`,
  });
  expect(await registrations('show', 'dev', 'abe')).toMatchObject({ code: 1 });
  expect((await registrations('erase', 'never-made', 'abe')).stdout).toMatch(
    / never existed, nor did its client; /,
  );
});

test('erase does not confirm the deletion of a user who was not there', async () => {
  const sentence = async (user: string) => (await registrations('erase', 'dev', user)).stdout;
  expect(await sentence('zoe')).toMatch(/^zoe of dev \([\w-]{43}\) is deleted; run this again from .*Z on/);
  for (const user of ['zoe', 'zooe', 'zooe'])
    expect(await sentence(user)).toMatch(
      / was not registered: it was deleted before, it never existed, or the name is mistyped; run this again from .*Z on to delete its tombstone: local-a, local-b\n$/,
    );
});

test('the wait for the tombstone can be interrupted, and nothing is lost', async () => {
  const { code, json, stderr } = await directory.run(
    ['registrations', 'erase', 'dev', 'eve', '--wait', '--json'],
    { onReady: whileWaiting() },
  );
  expect(code).toBe(130);
  expect(json.state).toBe('deleted');
  expect(stderr).toMatch(/^deleted; waiting until /);
});

test('on a terminal the wait counts down', async () => {
  let text = '';
  const stderr = new Writable({
    write(chunk, _, done) {
      text += chunk;
      done();
    },
  });
  const onReady = whileWaiting();
  const code = await run(['registrations', 'erase', 'dev', 'mae', '--wait'], {
    stdin: Readable.from([]),
    stdout: new Writable({ write: (_, __, done) => done() }),
    stderr: Object.assign(stderr, { isTTY: true }),
    env: {},
    cwd: directory.path,
    onInterrupt(interrupt) {
      onReady(interrupt);
      return () => {};
    },
  });
  expect(code).toBe(130);
  expect(text).toMatch(/^deleted; waiting until .*\n\r {2}\d+:\d\d \n$/);
});

test('a Region that does not confirm a deletion is named: it may still hold the registration', async () => {
  const elsewhere = new Directory();
  mkdirSync(`${elsewhere.path}/.countersign`);
  const gone = { name: 'gone', url: 'http://127.0.0.1:1' };
  const info = (regions: readonly object[]) => JSON.stringify({ ...platform.info, regions });
  elsewhere.write('.countersign/local.json', info([...platform.info.regions, gone]));
  for (const verb of ['delete', 'erase']) {
    const { code, json, stderr } = await elsewhere.run(['registrations', verb, 'dev', 'kim', '--json']);
    expect(code).toBe(1);
    expect(json).toMatchObject({ confirmed: ['local-a', 'local-b'], failed: [{ region: 'gone' }] });
    expect(stderr).toMatch(/^error: not confirmed by gone: .*\n$/);
  }
  // The message comes at once, not after an hour's wait. The lost answer may be the deletion's.
  const waiting = await elsewhere.run(['registrations', 'erase', 'dev', 'kim', '--wait']);
  expect(waiting).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/^error: not confirmed by gone: /),
  });
  const again = await elsewhere.run(['registrations', 'delete', 'dev', 'kim']);
  expect(again.stdout).toMatch(/^kim of dev \(.*\) is not there any more; whether it existed is unknown: /);
  elsewhere.write('.countersign/local.json', info([gone]));
  expect(await elsewhere.run(['registrations', 'delete', 'dev', 'kim'])).toMatchObject({
    code: 3,
    stdout: '',
  });
  elsewhere.remove();
});
