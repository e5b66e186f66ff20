/** What the fake platform does on demand. Its answers are those of the real one: platform.test.ts. */
import { expect, test } from 'vitest';
import { FakePlatform, type Fault, type Seen } from '../../../sdk/typescript/testing/index.ts';

const ada = { user_id: 'ada' };
const posts = ({ requests }: FakePlatform) =>
  requests.filter(({ method }) => method === 'POST').map(({ region }) => region);
/** Fails the first writes, one after the other. */
const first = (...faults: Fault[]) => {
  const left = [...faults];
  return ({ method }: Seen) => (method === 'GET' ? undefined : left.shift());
};

test('a Region that refuses connections is left', async () => {
  const platform = new FakePlatform();
  await using client = platform.client();
  platform.fault = ({ region }) => (region === 'a' ? 'refuse' : undefined);
  expect(await client.register(ada)).toMatchObject({ replayed: false });
  expect(platform.requests.map(({ region }) => region)).toEqual(['entry', 'a', 'b', 'b']);
});

test('a lost answer took effect, and one that does not come in time did not', async () => {
  const platform = new FakePlatform();
  await using client = platform.client();
  platform.fault = first('lose');
  expect(await client.register(ada)).toMatchObject({ replayed: true });
  platform.fault = first('timeout');
  expect(await client.register({ user_id: 'grace' })).toMatchObject({ replayed: false });
  platform.fault = ({ method }) => (method === 'POST' ? 'timeout' : undefined);
  await expect(client.register({ user_id: 'alan' }, { maxRetries: 0 })).rejects.toMatchObject({
    code: 'timeout',
  });
});

test('waits pass at once, for the platform as well', async () => {
  const platform = new FakePlatform({ regions: ['a'], now: () => 1_800_000_000_000 });
  await using client = platform.client();
  platform.fault = first(platform.problem('quota_exceeded', { retryAfterS: 20 }));
  await client.register(ada);
  expect(platform.waits).toEqual([expect.any(Number)]);
  expect(platform.nowMs - 1_800_000_000_000).toBe(Math.ceil(platform.waits[0]!));
  expect(platform.waits[0]).toBeGreaterThanOrEqual(20_000);
  await client.delete((await client.register(ada)).id);
  expect(await client.register(ada)).toMatchObject({ replayed: false });
  expect(posts(platform)).toEqual(['a', 'a', 'a', 'a', 'a']);
});

test('a client over its limit waits for the next window', async () => {
  const platform = new FakePlatform({ regions: ['a'], limit: 2, now: () => 1_800_000_000_000 });
  await using client = platform.client();
  for (const user_id of ['1', '2', '3']) await client.register({ user_id });
  expect(platform.waits).toHaveLength(1);
  expect(platform.nowMs).toBeGreaterThanOrEqual(1_800_000_060_000);
});

test('a wrong clock is corrected', async () => {
  const platform = new FakePlatform();
  await using client = platform.client({ skewMs: 300_000 });
  await client.register(ada);
  expect(posts(platform)).toEqual(['a', 'a']);
});

test('a key ends, is revoked with its line, or its client is disabled', async () => {
  const platform = new FakePlatform();
  const failed = (apiKey: string) =>
    platform
      .client({ apiKey, logLevel: 'off' })
      .register(ada)
      .catch(({ code }) => code);
  const ends = await platform.addClient('ends', { expiresInS: 3_600 });
  const rolls = await platform.addClient('rolls', { expiresInS: 86_400 });
  let next = '';
  await using client = platform.client({
    apiKey: rolls,
    onKeyRotated: ({ credential }) => {
      next = (credential as { apiKey: string }).apiKey;
    },
  });
  await client.register(ada);
  await expect.poll(() => next, { timeout: 30_000 }).toMatch(/^csk_rolls_2_/);
  expect(await failed(next)).toBe('key_expired');
  platform.advance(60_000);
  expect(await failed(next)).toMatchObject({ client_id: 'rolls' });
  platform.revokeKey('rolls', '1');
  expect(await failed(next)).toBe('key_expired');
  platform.advance(3_600_000);
  expect(await failed(ends)).toBe('key_expired');
  platform.disableClient('test');
  expect(await failed(platform.apiKey)).toBe('client_disabled');
  expect(() => platform.disableClient('nobody')).toThrow('there is no client nobody');
  await expect(platform.addClient('pair', { jwk: { kty: 'EC' } })).rejects.toThrow(
    'jwk must be a public key',
  );
});

test('an aborted call reaches no platform', async () => {
  const platform = new FakePlatform();
  await using client = platform.client();
  await client.register(ada);
  const { length } = platform.requests;
  const signal = AbortSignal.abort(new Error('enough'));
  await expect(client.register(ada, { signal })).rejects.toThrow('enough');
  expect(platform.requests).toHaveLength(length);
});
