import { getEventListeners } from 'node:events';
import { expect, test } from 'vitest';
import {
  ClientClosedError,
  ConnectionError,
  InternalServerError,
  InvalidArgumentError,
  InvalidRegistrationError,
  NotFoundError,
  RegistrationConflictError,
  UnavailableError,
  UnexpectedAnswerError,
  type User,
} from '../../sdk/typescript/index.ts';
import { FakePlatform } from './fake-platform.ts';

const ada = { user_id: 'ada', email: 'ada@example.com' };

test('the first registration fetches discovery and a nonce; the next one needs a single request', async () => {
  const platform = new FakePlatform();
  const client = platform.client();
  const registration = await client.register(ada);
  expect(platform.log).toEqual(['GET entry/.well-known/countersign', 'GET a/v1/nonce', 'POST a/v1/register']);
  expect(platform.seen[1]!.query.toString()).toBe('client_id=test');
  expect(registration).toEqual({
    id: expect.stringMatching(/^[\w-]{43}$/),
    client_id: 'test',
    user_id: 'ada',
    created_at: '2026-11-23T12:00:00.000Z',
    data: ada,
    etag: '"etag"',
    replayed: false,
  });
  const again = await client.register(ada);
  expect(again).toEqual({ ...registration, replayed: true });
  expect(platform.log.slice(3)).toEqual(['POST a/v1/register']);
});

test('a nonce from an answer is used for five seconds', async () => {
  const platform = new FakePlatform();
  const client = platform.client();
  await client.register({ user_id: '1' });
  platform.nowMs += 4_999;
  await client.register({ user_id: '2' });
  platform.nowMs += 5_000;
  await client.register({ user_id: '3' });
  expect(platform.log.filter((line) => line === 'GET a/v1/nonce')).toHaveLength(2);
});

test('a registration is read without a nonce and deleted with one', async () => {
  const platform = new FakePlatform();
  const client = platform.client();
  const { replayed: _, ...registration } = await client.register(ada);
  expect(await client.get(registration.id)).toEqual(registration);
  await client.delete(registration.id);
  await expect(client.get(registration.id)).rejects.toThrow(NotFoundError);
  await expect(client.delete(registration.id)).rejects.toThrow(NotFoundError);
  expect(platform.log.filter((line) => line.includes('/v1/nonce'))).toHaveLength(1);
});

test('registering after a deletion waits for Retry-After, and then uses a nonce issued after the wait', async () => {
  const platform = new FakePlatform();
  const client = platform.client();
  const { id } = await client.register(ada);
  await client.delete(id);
  expect(await client.register(ada)).toMatchObject({ id, replayed: false });
  expect(platform.waits).toEqual([5_000]);
  expect(platform.log.slice(-3)).toEqual(['POST a/v1/register', 'GET a/v1/nonce', 'POST a/v1/register']);
});

test('a nonce that another call received during that wait is also too old, and is not used', async () => {
  const platform = new FakePlatform();
  const client = platform.client();
  const { id } = await client.register(ada);
  await client.delete(id);
  platform.onWait = async () => {
    platform.onWait = async () => {};
    platform.nowMs += 1_000;
    await client.register({ user_id: 'other' });
  };
  expect(await client.register(ada)).toMatchObject({ id, replayed: false });
  expect(platform.waits).toEqual([5_000]);
});

test('a refused nonce is replaced once by the nonce of the refusal', async () => {
  const platform = new FakePlatform();
  const client = platform.client();
  let refusals = 1;
  platform.fault = ({ method, at }) =>
    method === 'POST' && refusals-- > 0 ? platform.problem('use_nonce', at) : undefined;
  await client.register(ada);
  expect(platform.log.slice(1)).toEqual(['GET a/v1/nonce', 'POST a/v1/register', 'POST a/v1/register']);

  refusals = 2;
  await expect(client.register(ada)).rejects.toMatchObject({ code: 'use_nonce', status: 401 });
  expect(platform.waits).toEqual([]);
});

test.each([-599, -400, 400, 599])('the answer corrects a clock that is %i s off, once', async (skewS) => {
  const platform = new FakePlatform();
  const client = platform.client({ skewMs: skewS * 1000 });
  await client.register(ada);
  const { length } = platform.seen;
  expect(platform.log.slice(2)).toEqual(['POST a/v1/register', 'POST a/v1/register']);
  await client.register(ada);
  expect(platform.seen).toHaveLength(length + 1);
});

test('if the corrected clock is also refused, the call fails', async () => {
  const platform = new FakePlatform();
  platform.fault = ({ method, at }) => (method === 'POST' ? platform.problem('clock_skew', at) : undefined);
  await expect(platform.client().register(ada)).rejects.toMatchObject({ code: 'clock_skew' });
  expect(platform.log.filter((line) => line.startsWith('POST'))).toHaveLength(2);
});

test('a lost Region costs one failed attempt, and is then not called for half a minute', async () => {
  const platform = new FakePlatform();
  const client = platform.client();
  await client.register({ user_id: '1' });
  platform.fault = ({ at }) => (at === 'a' ? 'refuse' : undefined);
  await client.register({ user_id: '2' });
  expect(platform.log.slice(3)).toEqual(['POST a/v1/register', 'GET b/v1/nonce', 'POST b/v1/register']);
  expect(platform.waits).toEqual([]);

  await client.register({ user_id: '3' });
  platform.nowMs += 30_000;
  platform.fault = () => undefined;
  await client.register({ user_id: '4' });
  const last = platform.log.filter((line) => line.startsWith('POST')).slice(-2);
  expect(last).toEqual(['POST b/v1/register', 'POST a/v1/register']);
});

test('after a 503 the client calls another Region at once, whatever Retry-After says', async () => {
  const platform = new FakePlatform();
  platform.fault = ({ at, method }) =>
    at === 'a' && method === 'POST' ? platform.problem('unavailable', at, { 'Retry-After': '1' }) : undefined;
  await platform.client().register(ada);
  expect(platform.waits).toEqual([]);
  expect(platform.log.at(-1)).toBe('POST b/v1/register');
});

test.each([500, 502, 503, 504])(
  'a Region that answers %i costs one failed attempt, and is then not called for half a minute',
  async (status) => {
    for (const failing of ['/v1/register', '/v1/nonce']) {
      const platform = new FakePlatform();
      const client = platform.client();
      // As API Gateway answers for a function that crashes.
      platform.fault = ({ at, path }) =>
        at === 'a' && path === failing
          ? new Response('{"message":"x"}', { status, headers: { 'Retry-After': '120' } })
          : undefined;
      expect(await client.register(ada)).toMatchObject({ user_id: 'ada' });
      await client.register({ user_id: 'next' });
      const toA = platform.log.filter((line) => line.endsWith(` a${failing}`));
      expect([failing, toA.length, platform.waits]).toEqual([failing, 1, []]);
      expect(platform.log.filter((line) => line === 'POST b/v1/register')).toHaveLength(2);
    }
  },
);

test('a registration that took effect before the Region answered 500 is the one that the other Region returns', async () => {
  const platform = new FakePlatform();
  const { fetch } = platform;
  const crashing = (async (url: string, init: RequestInit) => {
    const answer = await fetch(url, init);
    return url.startsWith('https://a.') && init.method === 'POST'
      ? new Response('', { status: 500 })
      : answer;
  }) as typeof globalThis.fetch;
  const client = platform.client({ fetch: crashing });
  const registered = await client.register(ada);
  expect(registered).toMatchObject({ user_id: 'ada', replayed: true });
  const isPost = ({ method }: { method: string }) => method === 'POST';
  expect(platform.seen.filter(isPost).map(({ at }) => at)).toEqual(['a', 'b']);
  expect(new Set(platform.seen.filter(isPost).map(({ headers }) => headers.get('Authorization'))).size).toBe(
    2,
  );
});

test('if every Region is out, the call backs off between them and then fails', async () => {
  const platform = new FakePlatform();
  platform.fault = ({ at }) => (at === 'entry' ? undefined : 'refuse');
  const client = platform.client({ random: () => 0.5, maxRetries: 3 });
  await expect(client.register(ada)).rejects.toThrow(ConnectionError);
  expect(platform.waits).toEqual([100, 200, 400]);
  expect(platform.log.slice(1).map((line) => line[4])).toEqual(['a', 'b', 'a', 'b', 'a']);
});

test('clients return to a Region at different times, and of one client one call tries it first', async () => {
  const platform = new FakePlatform();
  const clients = [0, 0.5, 0.999].map((random) => platform.client({ random: () => random }));
  const postsTo = (at: string) => platform.log.filter((line) => line === `POST ${at}/v1/register`).length;
  platform.fault = ({ at }) => (at === 'a' ? 'refuse' : undefined);
  for (const client of clients) await client.register({ user_id: 'first' });
  platform.nowMs += 44_999;
  platform.seen.length = 0;
  for (const client of clients) await client.register({ user_id: 'first' });
  expect([platform.log.filter((line) => line.includes(' a/')).length, postsTo('b')]).toEqual([1, 3]);

  // The last one rests for a minute. Then all its calls come at once, and the Region still is gone.
  platform.nowMs += 15_000;
  platform.seen.length = 0;
  const many = () =>
    Promise.all(Array.from({ length: 20 }, (_, i) => clients[2]!.register({ user_id: `${i}` })));
  await many();
  expect([platform.log.filter((line) => line.includes(' a/')).length, postsTo('b')]).toEqual([1, 20]);
  platform.nowMs += 60_000;
  platform.fault = () => undefined;
  platform.seen.length = 0;
  await many();
  expect([postsTo('a'), postsTo('b')]).toEqual([1, 19]);
  await many();
  expect(postsTo('a')).toBe(21);
});

test('an error says how often its call was sent, and whether the retries of the client are used up', async () => {
  const platform = new FakePlatform(['a']);
  const client = platform.client({ retryBudget: 3, maxRetries: 2 });
  platform.fault = ({ method }) => (method === 'POST' ? 'refuse' : undefined);
  const fails = (user_id: string) =>
    client.register({ user_id }).then(
      () => expect.fail('it registered'),
      ({ attempts, message }) => ({ attempts, message }),
    );
  const message = 'no answer from https://a.api.example.com: connection failed';
  expect(await fails('1')).toEqual({ attempts: 3, message });
  const why = ', since the client has used up its retryBudget';
  expect(await fails('2')).toEqual({
    attempts: 2,
    message: `${message}; not tried again after 2 attempts${why}`,
  });
  expect(await fails('3')).toEqual({
    attempts: 1,
    message: `${message}; not tried again after 1 attempt${why}`,
  });

  // The document that names the Regions could not be read: this call made no attempt.
  const unknown = platform.client({ retryBudget: 1, maxRetries: 2 });
  platform.fault = () => 'refuse';
  await expect(unknown.register({ user_id: '4' })).rejects.toMatchObject({
    attempts: 0,
    message: `no answer from https://api.example.com: connection failed; not tried again${why}`,
  });
});

test('an error about a successful answer of the wrong form has the attempts as well', async () => {
  const platform = new FakePlatform(['a']);
  let posts = 0;
  platform.fault = ({ method, path, at }) => {
    if (path.startsWith('/v1/registrations/')) return new Response('<html>');
    if (method !== 'POST') return undefined;
    posts += 1;
    return posts === 1 ? platform.problem('use_nonce', at) : new Response('<html>');
  };
  const client = platform.client();
  const code = 'unexpected_answer';
  await expect(client.register(ada)).rejects.toMatchObject({ code, status: 200, attempts: 2 });
  await expect(client.get('x'.repeat(43))).rejects.toMatchObject({ code, status: 200, attempts: 1 });
});

test('calls that share a failed request for nonces have errors of their own', async () => {
  const platform = new FakePlatform(['a']);
  platform.fault = ({ path }) => (path === '/v1/nonce' ? platform.problem('internal', 'a') : undefined);
  const client = platform.client({ maxRetries: 0 });
  const errors = await Promise.all(
    ['1', '2'].map((user_id) => client.register({ user_id }).catch((error: unknown) => error)),
  );
  expect(errors[0]).not.toBe(errors[1]);
  for (const error of errors) {
    expect(error).toBeInstanceOf(InternalServerError);
    expect(error).toMatchObject({ name: 'InternalServerError', code: 'internal', status: 500, attempts: 0 });
  }
});

test('a registration whose answer was lost is repeated with another nonce and returns the stored one', async () => {
  const platform = new FakePlatform(['a']);
  const client = platform.client();
  let lost = false;
  platform.fault = ({ method }) => {
    if (method !== 'POST' || lost) return undefined;
    lost = true;
    return 'lose';
  };
  expect(await client.register(ada)).toMatchObject({ user_id: 'ada', replayed: true });
  const proofs = platform.seen
    .filter(({ method }) => method === 'POST')
    .map(({ headers }) => headers.get('Authorization'));
  expect(new Set(proofs).size).toBe(2);
});

test('a deletion whose answer was lost has succeeded if the second attempt finds nothing', async () => {
  const platform = new FakePlatform(['a']);
  const client = platform.client();
  const { id } = await client.register(ada);
  let lost = false;
  platform.fault = ({ method }) => {
    if (method !== 'DELETE' || lost) return undefined;
    lost = true;
    return 'lose';
  };
  await client.delete(id);
  expect(lost).toBe(true);
});

test('a deletion that finds nothing is not_found, even if only fetching its nonce took retries', async () => {
  const platform = new FakePlatform(['a']);
  let refused = false;
  platform.fault = ({ path }) => {
    if (path !== '/v1/nonce' || refused) return undefined;
    refused = true;
    return 'refuse';
  };
  await expect(platform.client().delete('x'.repeat(43))).rejects.toThrow(NotFoundError);
});

test('a deletion that finds nothing is not_found, even if its first nonce was refused', async () => {
  const platform = new FakePlatform(['a']);
  let refused = false;
  platform.fault = ({ method, at }) => {
    if (method !== 'DELETE' || refused) return undefined;
    refused = true;
    return platform.problem('use_nonce', at);
  };
  await expect(platform.client().delete('x'.repeat(43))).rejects.toMatchObject({
    code: 'not_found',
    attempts: 2,
  });
});

test('the client waits for Retry-After plus jitter', async () => {
  const platform = new FakePlatform(['a']);
  let refusals = 2;
  platform.fault = ({ method, at }) =>
    method === 'POST' && refusals-- > 0
      ? platform.problem('quota_exceeded', at, { 'Retry-After': '7' })
      : undefined;
  await platform.client({ random: () => 0.25 }).register(ada);
  expect(platform.waits).toEqual([7_050, 7_100]);
});

test('a batch over its quota continues in the next window, with as few requests as possible', async () => {
  const platform = new FakePlatform(['a']);
  const accepted = new Map<number, number>();
  let refused = 0;
  platform.fault = ({ method, at }) => {
    if (method !== 'POST') return undefined;
    const window = Math.floor(platform.nowMs / 60_000);
    const count = accepted.get(window) ?? 0;
    if (count < 5) {
      accepted.set(window, count + 1);
      return undefined;
    }
    refused += 1;
    const left = Math.ceil(((window + 1) * 60_000 - platform.nowMs) / 1000);
    return platform.problem('quota_exceeded', at, { 'Retry-After': String(left) });
  };
  const users = Array.from({ length: 50 }, (_, i) => ({ user_id: `u${i}` }));
  let registered = 0;
  const told: number[] = [];
  const client = platform.client({ onQuotaWait: (ms) => told.push(ms) });
  for await (const { ok } of client.registerBatch(users, { concurrency: 8 })) registered += Number(ok);
  expect(registered).toBe(50);
  // Once per window, however many calls wait for it.
  expect(told).toHaveLength(9);
  expect(Math.max(...told)).toBeLessThan(61_000);
  // In each of ten windows: the requests under way when the quota ran out, and no others.
  expect(refused).toBeLessThanOrEqual(10 * 8);
  expect(platform.waits.length).toBeGreaterThan(0);
});

test('a call respects the Retry-After of an earlier call: it waits before its first request', async () => {
  const platform = new FakePlatform(['a']);
  const client = platform.client({ maxRetries: 0 });
  await client.register({ user_id: 'first' });
  let told = false;
  platform.fault = ({ method, at }) => {
    if (method !== 'POST' || told) return undefined;
    told = true;
    return platform.problem('quota_exceeded', at, { 'Retry-After': '30' });
  };
  let second: Promise<unknown> | undefined;
  platform.onWait = async () => {
    if (second) return;
    // While one waits, another begins: it waits as well, and sends no request that counts.
    const before = platform.seen.length;
    second = client.register({ user_id: 'second' });
    while (platform.waits.length < 2 && platform.seen.length === before)
      await new Promise((resolve) => setImmediate(resolve));
    expect(platform.log.slice(before)).toEqual([]);
  };
  await client.register({ user_id: 'third' });
  await second;
  expect(platform.waits).toEqual([30_000, 30_000]);
});

test('a read over its limit waits by itself: no write is delayed', async () => {
  const platform = new FakePlatform(['a']);
  const client = platform.client();
  const { id } = await client.register(ada);
  let refused = false;
  platform.fault = ({ method, path, at }) => {
    if (method !== 'GET' || !path.startsWith('/v1/registrations/') || refused) return undefined;
    refused = true;
    return platform.problem('quota_exceeded', at, { 'Retry-After': '30' });
  };
  let written = 0;
  platform.onWait = async () => {
    if (written === 0) await client.register({ user_id: 'meanwhile' });
    written += 1;
  };
  await client.get(id);
  expect([platform.waits, written]).toEqual([[30_000], 1]);
});

test('a Retry-After of more than a minute is returned to the caller instead', async () => {
  const platform = new FakePlatform(['a']);
  platform.fault = ({ method, at }) =>
    method === 'POST' ? platform.problem('quota_exceeded', at, { 'Retry-After': '61' }) : undefined;
  await expect(platform.client().register(ada)).rejects.toMatchObject({
    code: 'quota_exceeded',
    retryAfterMs: 61_000,
  });
  expect(platform.waits).toEqual([]);
});

test.each([
  'malformed_request',
  'malformed_proof',
  'invalid_proof',
  'key_expired',
  'token_revoked',
  'client_disabled',
  'not_allowed',
  'registration_conflict',
  'body_too_large',
  'unsupported_media_type',
  'invalid_registration',
] as const)('%s is never retried', async (code) => {
  const platform = new FakePlatform();
  platform.fault = ({ method, at }) => (method === 'POST' ? platform.problem(code, at) : undefined);
  await expect(platform.client().register(ada)).rejects.toMatchObject({
    code,
    requestId: expect.any(String),
  });
  expect(platform.log.filter((line) => line.startsWith('POST'))).toHaveLength(1);
});

test('all calls of a client share one retry budget', async () => {
  const platform = new FakePlatform(['a']);
  const client = platform.client();
  await client.register(ada);
  platform.fault = ({ method, at }) => (method === 'POST' ? platform.problem('unavailable', at) : undefined);
  const before = platform.log.filter((line) => line.startsWith('POST')).length;
  for (let i = 0; i < 100; i++)
    await expect(client.register({ user_id: `${i}` })).rejects.toThrow(UnavailableError);
  const posts = platform.log.filter((line) => line.startsWith('POST')).length - before;
  expect(posts).toBe(100 + 50);

  platform.fault = () => undefined;
  for (let i = 0; i < 20; i++) await client.register(ada);
  platform.fault = ({ method, at }) => (method === 'POST' ? platform.problem('unavailable', at) : undefined);
  const { length } = platform.log;
  await expect(client.register(ada)).rejects.toThrow(UnavailableError);
  // Two permits were earned.
  expect(platform.log.slice(length).filter((line) => line.startsWith('POST'))).toHaveLength(3);
});

test("each meaning of an error has a class, and the error carries the problem's details", async () => {
  const platform = new FakePlatform();
  const client = platform.client();
  await client.register(ada);
  await expect(client.register({ ...ada, email: 'other@example.com' })).rejects.toThrow(
    RegistrationConflictError,
  );
  const invalid = await client.register({ user_id: 5 } as object as User).catch((error: unknown) => error);
  expect(invalid).toBeInstanceOf(InvalidRegistrationError);
  expect(invalid).toMatchObject({
    name: 'InvalidRegistrationError',
    code: 'invalid_registration',
    status: 422,
    errors: [{ pointer: '/user_id', message: 'is needed' }],
  });
});

test("an answer that is not Countersign's is reported as such, and retried if its status is transient", async () => {
  const platform = new FakePlatform(['a']);
  platform.fault = ({ path }) =>
    path.startsWith('/.well-known') ? new Response('<html>', { status: 200 }) : undefined;
  await expect(platform.client().register(ada)).rejects.toThrow(UnexpectedAnswerError);
  expect(platform.seen).toHaveLength(1);

  let faults = 1;
  platform.fault = ({ method }) =>
    method === 'POST' && faults-- > 0 ? new Response('', { status: 502 }) : undefined;
  await platform.client({ random: () => 0.5 }).register(ada);
  expect(platform.waits).toEqual([100]);
});

test('stale discovery is fetched again; until that succeeds, the old copy is used', async () => {
  const platform = new FakePlatform();
  const client = platform.client();
  const discoveries = () => platform.log.filter((line) => line.includes('well-known')).length;
  await client.register({ user_id: '1' });
  platform.nowMs += 59_999;
  await client.register({ user_id: '2' });
  expect(discoveries()).toBe(1);
  platform.nowMs += 1;
  platform.fault = ({ at }) => (at === 'entry' ? 'refuse' : undefined);
  await client.register({ user_id: '3' });
  await client.register({ user_id: '4' });
  expect(discoveries()).toBe(2);
  platform.nowMs += 60_000;
  await client.register({ user_id: '5' });
  expect(discoveries()).toBe(3);
});

test('a long-lived signal keeps no listener after the calls that used it', async () => {
  const platform = new FakePlatform();
  const client = platform.client();
  const { signal } = new AbortController();
  await client.register(ada, { signal });
  await client.register({ user_id: 5 } as object as User, { signal }).catch(() => {});
  for await (const _ of client.registerBatch([ada, ada], { signal }));
  expect(getEventListeners(signal, 'abort')).toEqual([]);
});

test("a signal ends a call that waits for an answer, and the call throws the signal's reason", async () => {
  const platform = new FakePlatform();
  const reason = new Error('enough');
  const controller = new AbortController();
  platform.fault = ({ method }) => {
    if (method !== 'POST') return undefined;
    queueMicrotask(() => controller.abort(reason));
    return 'hang';
  };
  const client = platform.client();
  await expect(client.register(ada, { signal: controller.signal })).rejects.toBe(reason);
  const { length } = platform.seen;
  await expect(client.register(ada, { signal: controller.signal })).rejects.toBe(reason);
  expect(platform.seen).toHaveLength(length);
});

test('close ends requests under way and refuses later calls', async () => {
  const platform = new FakePlatform();
  const client = platform.client();
  platform.fault = ({ method }) => {
    if (method !== 'POST') return undefined;
    queueMicrotask(() => void client.close());
    return 'hang';
  };
  await expect(client.register(ada)).rejects.toThrow(ClientClosedError);
  const { length } = platform.seen;
  await expect(client.register(ada)).rejects.toThrow(ClientClosedError);
  expect(platform.seen).toHaveLength(length);
});

test('invalid arguments are refused before any request', async () => {
  const platform = new FakePlatform();
  const client = platform.client();
  const circular: Record<string, unknown> = { user_id: 'x' };
  circular.self = circular;
  for (const user of [undefined, null, 'ada', circular, { id: 1n }])
    await expect(client.register(user as object as User)).rejects.toThrow(InvalidArgumentError);
  for (const id of ['', '../nonce', 'x'.repeat(44), undefined])
    await expect(client.get(id as string)).rejects.toThrow(InvalidArgumentError);
  expect(platform.seen).toEqual([]);
});

test.each([
  [[{ pointer: '/email', message: 'is no address' }], 'T: D. /email: is no address'],
  [
    [
      { pointer: '', message: 'must have user_id' },
      { pointer: '/a', message: 'x' },
      { pointer: '/b', message: 'y' },
    ],
    'T: D. the user: must have user_id (and 2 more)',
  ],
  [[], 'T: D.'],
])('the message of a refused user says what is wrong with it first: %j', async (errors, message) => {
  const platform = new FakePlatform();
  platform.fault = ({ path }) =>
    path === '/v1/register'
      ? Response.json(
          { code: 'invalid_registration', title: 'T', detail: 'D.', errors },
          { status: 422, headers: { 'Content-Type': 'application/problem+json' } },
        )
      : undefined;
  await expect(platform.client().register(ada)).rejects.toMatchObject({ message, errors });
});

test('an answer of another server is reported with the requested URL, without its query', async () => {
  const platform = new FakePlatform();
  platform.fault = ({ path }) => (path.startsWith('/v1/nonce') ? new Response('hello') : undefined);
  await expect(platform.client().register(ada)).rejects.toThrow(/^https?:\/\/[^/]+\/v1\/nonce answered 200 /);
});
