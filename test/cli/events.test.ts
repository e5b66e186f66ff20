/** `countersign events rebuild`. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Platform, startPlatform } from '../../local/platform.ts';
import { Directory } from './cli.ts';

let platform: Platform;
const directory = new Directory();

beforeAll(async () => {
  platform = await startPlatform({ port: 0 });
  directory.announce(platform.info);
  directory.write('users.csv', 'user_id,email\nada,ada@example.com\n');
  expect((await directory.run(['register', 'users.csv'])).code).toBe(0);
});
afterAll(async () => {
  directory.remove();
  await platform?.stop();
});

const SINCE = new Date(Date.now() - 7 * 24 * 3_600_000).toISOString();
const rebuild = (...args: string[]) => directory.run(['events', 'rebuild', '--with-recent', ...args]);

test('goes through every Region, and writes nothing that is there', async () => {
  await expect
    .poll(async () => (await rebuild('--since', SINCE, '--json')).json.regions, { timeout: 30_000 })
    .toEqual([
      { region: 'local-a', looked: expect.any(Number), written: 0, unreadable: [] },
      { region: 'local-b', looked: expect.any(Number), written: 0, unreadable: [] },
    ]);
  expect(await rebuild('--since', SINCE.replace('Z', '+00:00'))).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/^local-a: 0 events written, \d+ items looked at\nlocal-b: 0 events/),
  });
});

test.each([
  [['--with-recent', '--since', '2020-01-01T00:00:00Z'], 'events are kept for 30 days'],
  [['--with-recent', '--since', '2999-01-01T00:00:00Z'], 'must not be in the future'],
  [['--since', '24h'], 'the outbox may still have changes of the last 25 hours'],
])('%j is refused', async (args, why) => {
  const { code, stderr } = await directory.run(['events', 'rebuild', ...args]);
  expect([code, stderr]).toEqual([1, expect.stringContaining(why)]);
});

test('needs a time', async () => {
  expect((await rebuild()).code).toBe(2);
  expect((await rebuild('--since', 'yesterday')).stderr).toContain('e.g. 24h');
  expect(await rebuild('--since', '25h')).toMatchObject({ code: 0 });
});

test('a Region that does not answer is named, and the exit code is 1', async () => {
  await platform.faults.loseRegion('local-b');
  const ran = await rebuild('--since', SINCE);
  expect(ran.code).toBe(1);
  expect(ran.stdout).toMatch(/^local-a: /);
  expect(ran.stderr).toMatch(/^local-b: .*Run the command again/);
});
