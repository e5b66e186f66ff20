/** `countersign clients` and `keys`, by AWS's protocols against the whole platform. */
import { mkdirSync } from 'node:fs';
import { exportJWK, generateKeyPair } from 'jose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Platform, startPlatform } from '../../local/platform.ts';
import { closedUrl, Directory } from './cli.ts';

let platform: Platform;
const directory = new Directory();

beforeAll(async () => {
  platform = await startPlatform({ port: 0 });
  directory.announce(platform.info);
});
afterAll(async () => {
  directory.remove();
  await platform?.stop();
});

const clients = (...args: string[]) => directory.run(['clients', ...args]);

test('a client is created with an API key that is shown once, and registers with it', async () => {
  const created = await clients('create', 'my-service', '--limit', '600', '--json');
  expect(created.code).toBe(0);
  expect(created.json).toEqual({
    client_id: 'my-service',
    profile: 'strict',
    kid: '1',
    expires_at: expect.any(String),
    api_key: expect.stringMatching(/^csk_my-service_1_/),
  });
  expect(created.stderr).toBe('The API key is shown only once; store it in a safe place.\n');
  const shown = await clients('show', 'my-service', '--json');
  expect(shown.stdout).not.toContain('csk_');
  expect(shown.json).toMatchObject({ client_id: 'my-service', disabled: false, limit: 600 });

  directory.write('key.txt', created.json.api_key);
  directory.write('one.csv', 'user_id\nby-my-service\n');
  const args = ['register', 'one.csv', '--url', platform.info.entry, '--api-key-file', 'key.txt', '--json'];
  expect((await directory.run(args)).json).toMatchObject({ registered: 1 });
});

test('a basic client needs an end date and a name in use is refused, each in one line', async () => {
  const endless = await clients('create', 'basic-one', '--profile', 'basic');
  expect(endless).toMatchObject({ code: 1, stdout: '' });
  expect(endless.stderr).toMatch(/^error: --expires-at: .*\n$/);
  const expires = new Date(Date.now() + 24 * 3600_000).toISOString();
  const created = await clients(
    'create',
    'basic-one',
    '--profile',
    'basic',
    '--expires-at',
    expires,
    '--json',
  );
  expect(created.json.api_key).toMatch(/^csb_/);
  const misnamed = await clients('create', 'No Name');
  expect(misnamed).toMatchObject({ code: 2, stdout: '' });
  expect(misnamed.stderr).toMatch(/^error: .* is 3 to 32 of a-z, .*, e\.g\. my-service\.\n$/);
  const taken = await clients('create', 'dev');
  expect(taken).toMatchObject({ code: 1, stdout: '' });
  expect(taken.stderr).toMatch(/^error: client dev exists.*\n$/);
});

test('a client brings a public key; a private key never leaves this machine', async () => {
  const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true });
  directory.write('public.json', JSON.stringify({ ...(await exportJWK(publicKey)), alg: 'ES256' }));
  directory.write('private.json', JSON.stringify({ ...(await exportJWK(privateKey)), alg: 'ES256' }));
  const created = await clients('create', 'own-key', '--jwk', 'public.json', '--json');
  expect(created.json).toEqual(expect.not.objectContaining({ api_key: expect.anything() }));
  expect(created.stderr).toBe('');
  const refused = await clients('create', 'own-key-2', '--jwk', 'private.json');
  expect(refused.code).toBe(2);
  expect(refused.stderr).toContain('is a private key');
  expect((await clients('show', 'own-key-2')).code).toBe(1);
});

test('a list holds every client, over all pages, one line of JSON each', async () => {
  for (let i = 0; i < 105; i++) await clients('create', `many-${i}`);
  const { stdout } = await clients('list', '--json');
  const ids = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line).client_id);
  expect(ids).toEqual(expect.arrayContaining(['dev', 'dev-basic', 'many-0', 'many-104']));
  expect(new Set(ids).size).toBe(ids.length);
  expect(ids.length).toBeGreaterThanOrEqual(107);
  const table = (await clients('list')).stdout.split('\n');
  expect(table[0]).toMatch(/^client +origin +profile +state +limit +created_at +key_expires_at$/);
  expect(table.find((line) => line.startsWith('dev '))).toMatch(/^dev +operator +strict +enabled +1000000 /);
});

test('disable and enable change every Region, and name the Regions that confirmed', async () => {
  await clients('create', 'switched');
  const disabled = await clients('disable', 'switched', '--json');
  expect(disabled.json).toMatchObject({
    client: { disabled: true },
    confirmed: ['local-a', 'local-b'],
    failed: [],
  });
  expect((await clients('enable', 'switched')).stdout).toBe('switched is enabled: local-a, local-b\n');
});

test('a Region that does not confirm is named, and the command fails', async () => {
  await clients('create', 'half');
  const elsewhere = new Directory();
  mkdirSync(`${elsewhere.path}/.countersign`);
  const regions = [...platform.info.regions, { name: 'gone', url: 'http://127.0.0.1:1' }];
  elsewhere.write('.countersign/local.json', JSON.stringify({ ...platform.info, regions }));
  const { code, json, stderr } = await elsewhere.run(['clients', 'disable', 'half', '--json']);
  expect(code).toBe(1);
  expect(json).toMatchObject({ confirmed: ['local-a', 'local-b'], failed: [{ region: 'gone' }] });
  expect(stderr).toMatch(/^error: not confirmed by gone: .*\n$/);
  elsewhere.remove();
});

test('a Region that cannot make a client now is named', async () => {
  platform.faults.throttle('local-a', { rate: 1, delayMs: 0 });
  const { code, stderr } = await clients('create', 'not-now');
  platform.faults.throttle('local-a', { rate: 0, delayMs: 0 });
  expect([code, stderr]).toEqual([1, expect.stringMatching(/^error: local-a: .*\(unavailable\)\n$/)]);
  expect((await clients('create', 'not-now')).code).toBe(0);
});

test('a limit is changed in every Region, and reset to the default', async () => {
  await clients('create', 'limited', '--limit', '5');
  const changed = await clients('update', 'limited', '--limit', '50');
  expect(changed.stdout).toBe(
    'the limit of limited is 50 signatures per minute, per Region: local-a, local-b\n',
  );
  await clients('update', 'limited', '--limit', 'default');
  expect((await clients('show', 'limited', '--json')).json.limit).toBeNull();
  expect((await clients('update', 'limited')).code).toBe(2);
  const scoped = await clients('update', 'limited', '--scopes', 'orders:read,registrations:read');
  expect(scoped.stdout).toBe('the scopes of limited are orders:read, registrations:read: local-a, local-b\n');
});

test('an invite is shown once, and says what it is worth until it is used', async () => {
  const invited = await clients('invite', 'invited', '--expires', '30m', '--scopes', 'orders:read', '--json');
  expect(invited.json).toEqual({
    client_id: 'invited',
    initial_access_token: expect.stringMatching(/^csi_invited_1_/),
    expires_at: expect.any(String),
  });
  const leftMs = Date.parse(invited.json.expires_at) - Date.now();
  expect(Math.abs(leftMs - 1_800_000)).toBeLessThan(120_000);
  expect(invited.stderr).toContain('whoever finds it can register as invited');
  const shown = await clients('show', 'invited', '--json');
  expect(shown.json).toMatchObject({ origin: 'invite', scopes: ['orders:read'], keys: [] });
  expect(shown.stdout).not.toContain('csi_');

  const bound = await clients('invite', 'invited', '--thumbprint', 'A'.repeat(43));
  expect(bound.stdout).toMatch(/initial_access_token +csi_invited_2_/);
  expect(bound.stderr).toContain('Only the key with that thumbprint');
  expect(await clients('invite', 'dev')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('client dev exists'),
  });
});

test('a key is rotated with overlap: both keys register, and the new one is shown once', async () => {
  const { api_key: old } = (await clients('create', 'rotated', '--json')).json;
  const rotated = await clients('rotate-key', 'rotated', '--overlap', '24h', '--json');
  expect(rotated.json).toEqual({
    client_id: 'rotated',
    profile: 'strict',
    kid: '2',
    expires_at: expect.any(String),
    api_key: expect.stringMatching(/^csk_rotated_2_/),
    ends: [{ kid: '1', expires_at: expect.any(String) }],
  });
  const endsInMs = Date.parse(rotated.json.ends[0].expires_at) - Date.now();
  expect(Math.round(endsInMs / 3600_000)).toBe(24);
  expect(rotated.stderr).toBe('The API key is shown only once; store it in a safe place.\n');
  for (const [i, key] of [old, rotated.json.api_key].entries()) {
    directory.write('key.txt', key);
    directory.write('one.csv', `user_id\nrotated-${i}\n`);
    const args = ['register', 'one.csv', '--url', platform.info.entry, '--api-key-file', 'key.txt', '--json'];
    expect((await directory.run(args)).json).toMatchObject({ registered: 1 });
  }
  const text = await clients('rotate-key', 'rotated', '--overlap', '0s');
  expect(text.stdout).toMatch(/api_key +csk_rotated_3_/);
  expect(text.stdout).toMatch(/\nold_key +ends_at\n/);
  expect((await clients('rotate-key', 'rotated', '--overlap', 'soon')).code).toBe(2);
});

test('a deleted client is no longer listed', async () => {
  await clients('create', 'short-lived');
  expect((await clients('delete', 'short-lived', '--json')).json).toEqual({
    client_id: 'short-lived',
    confirmed: ['local-a', 'local-b'],
    failed: [],
  });
  const shown = await clients('show', 'short-lived');
  expect(shown).toMatchObject({ code: 1, stderr: 'error: there is no client short-lived (not_found)\n' });
});

test('a platform that does not answer is reported', async () => {
  const elsewhere = new Directory();
  mkdirSync(`${elsewhere.path}/.countersign`);
  elsewhere.write(
    '.countersign/local.json',
    JSON.stringify({ ...platform.info, awsEndpoint: await closedUrl() }),
  );
  const { code, stderr } = await elsewhere.run(['clients', 'list']);
  expect(code).toBe(3);
  expect(stderr).toMatch(
    /^error: countersign-local-admin-read in local-a: the connection was refused; .*\n$/,
  );
  elsewhere.remove();
});

test.each([
  [['clients', 'list', '--stage', 'dev'], '--stage needs --region'],
  [['clients', 'list', '--region', 'eu-west-1'], '--region needs --stage'],
  [
    ['clients', 'list', '--stage', 'dev', '--region', 'eu-west-1,Frankfurt'],
    '"Frankfurt" is not the name of an AWS Region',
  ],
  [['clients', 'create', 'x-service', '--limit', '0'], 'whole number of at least 1'],
  [['clients', 'update', 'dev', '--limit', '99999999999'], 'and of at most 9 digits'],
  [['clients', 'create', 'x-service', '--profile', 'other'], 'Allowed choices are strict, basic'],
  [['clients', 'create', 'x-service', '--jwk', 'none.json'], 'cannot read'],
  [['clients', 'create', 'x-service', '--scopes', 'a b'], 'names of scopes'],
  [['clients', 'invite', 'x-service', '--expires', 'soon'], 'e.g. 24h'],
  [['clients', 'invite', 'x-service', '--thumbprint', 'short'], '43 characters'],
])('%j is wrong usage: %s', async (args, message) => {
  const { code, stderr, stdout } = await directory.run(args);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toContain(message);
});

test.each([
  ['register'],
  ['clients', 'create'],
  ['clients', 'invite'],
  ['clients', 'show'],
  ['clients', 'list'],
  ['clients', 'disable'],
  ['clients', 'enable'],
  ['clients', 'delete'],
  ['clients', 'update'],
  ['clients', 'rotate-key'],
  ['revoke', 'proof'],
  ['revoke', 'client'],
  ['revoke', 'key'],
  ['registrations', 'show'],
  ['registrations', 'delete'],
  ['registrations', 'erase'],
  ['keys', 'init'],
])('countersign %s %s has help with an example, --json and the exit codes', async (...command) => {
  const { code, stdout } = await directory.run([...command.filter(Boolean), '--help']);
  expect(code).toBe(0);
  expect(stdout).toMatch(/\n {2}\$ (.* )?countersign /);
  expect(stdout).toContain('--json');
  expect(stdout).toContain('Exit codes:');
});

test('on a terminal that is too narrow for the rows, each client is a block, and no line wraps', async () => {
  const { stdout } = await directory.run(['clients', 'list'], { columns: 60 });
  expect(stdout).toMatch(/^dev\n {4}origin {10}operator\n {4}profile {9}strict\n {4}state {11}enabled\n/m);
  for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(60);
  const wide = await directory.run(['clients', 'list'], { columns: 200 });
  expect(wide.stdout).toBe((await directory.run(['clients', 'list'])).stdout);
});

test.each([
  [['clients', 'create', 'Ab'], 'e.g. my-service'],
  ...['show', 'rotate-key', 'disable', 'enable', 'delete'].map((verb) => [
    ['clients', verb, 'a b'],
    'e.g. my-service',
  ]),
  [['clients', 'update', 'x', '--limit', '1'], 'e.g. my-service'],
  [['revoke', 'client', 'Ab'], 'e.g. my-service'],
  [['revoke', 'key', 'Ab', '1'], 'e.g. my-service'],
  ...['show', 'delete', 'erase'].map((verb) => [['registrations', verb, 'Ab', 'ada'], 'e.g. my-service']),
  [['clients', 'create', 'ended', '--expires-at', 'tomorrow'], 'e.g. 2027-01-31T00:00:00Z'],
  [['clients', 'rotate-key', 'ended', '--expires-at', '2027-01-31'], 'e.g. 2027-01-31T00:00:00Z'],
] as [string[], string][])('%j is wrong usage, and nobody is asked', async (args, example) => {
  const elsewhere = new Directory();
  const { code, stderr, stdout } = await elsewhere.run(args);
  elsewhere.remove();
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toContain(example);
});

test.each([
  ['clients', 'disable'],
  ['clients', 'delete'],
  ['revoke', 'client'],
])('%s %s of a mistyped name fails, and says so once', async (...verb) => {
  expect(await directory.run([...verb, 'nobody'])).toEqual(
    expect.objectContaining({
      code: 1,
      stdout: '',
      stderr: 'error: there is no client nobody (not_found)\n',
    }),
  );
});
