/** What a client says of its calls: hooks, logs, the response beside a result, and members of errors. */
import { expect, test, vi } from 'vitest';
import {
  type CountersignError,
  InvalidArgumentError,
  type LogFields,
  type RequestEvent,
  type RetryEvent,
  UnavailableError,
  UnexpectedAnswerError,
} from '../../sdk/typescript/index.ts';
import { FakePlatform } from './fake-platform.ts';
import { API_KEY, BASIC_API_KEY } from './keys.ts';

const ada = { user_id: 'ada', email: 'ada@example.com' };
const UUID = /^[\da-f-]{36}$/;

/** The Region `a` cannot serve. */
function withoutA(): FakePlatform {
  const platform = new FakePlatform();
  platform.fault = ({ method, at }) =>
    method === 'POST' && at === 'a' ? platform.problem('unavailable', at) : undefined;
  return platform;
}

function recorder() {
  const entries: (readonly [string, string, LogFields])[] = [];
  const into = (level: string) => (message: string, fields: LogFields) =>
    void entries.push([level, message, fields]);
  return { entries, logger: { debug: into('debug'), info: into('info'), warn: into('warn') } };
}

test('onRequest sees each request of a call, onRetry each further attempt, with the route and no value', async () => {
  const requests: RequestEvent[] = [];
  const retries: RetryEvent[] = [];
  const client = withoutA().client({
    onRequest: (request) => void requests.push(request),
    onRetry: (retry) => void retries.push(retry),
  });
  const { id } = await client.register(ada);
  await client.get(id);
  expect(requests).toEqual([
    { method: 'POST', route: '/v1/register', region: 'a', attempt: 1 },
    { method: 'POST', route: '/v1/register', region: 'b', attempt: 2 },
    { method: 'GET', route: '/v1/registrations/{id}', region: 'b', attempt: 1 },
  ]);
  expect(retries).toEqual([{ error: expect.any(UnavailableError), region: 'a', attempt: 1, waitMs: 0 }]);
});

test('a call waits for its hooks, and throws what they throw; in a batch that ends the batch', async () => {
  const platform = new FakePlatform();
  const fault = new Error('no more');
  let sent = 0;
  const client = platform.client({
    onRequest: async () => {
      await new Promise((resolve) => setImmediate(resolve));
      expect(platform.log.filter((line) => line.startsWith('POST'))).toHaveLength(sent);
      sent += 1;
      if (sent > 2) throw fault;
    },
  });
  await client.register(ada);
  const results: boolean[] = [];
  const batch = async () => {
    for await (const { ok } of client.registerBatch([{ user_id: '1' }, ada, ada], { concurrency: 1 }))
      results.push(ok);
  };
  await expect(batch()).rejects.toBe(fault);
  expect(results).toEqual([true, false]);
});

test('withResponse brings what the platform said, and no nonce', async () => {
  const platform = withoutA();
  const response = await platform.client().register(ada).withResponse();
  expect(response).toEqual({
    data: expect.objectContaining({ user_id: 'ada', replayed: false }),
    status: 201,
    requestId: undefined,
    region: 'b',
    attempts: 2,
    headers: {
      'content-type': expect.any(String),
      date: expect.any(String),
      etag: '"etag"',
    },
  });
});

test('a call that fails rejects its response, and leaves no rejection behind', async () => {
  const left = vi.fn();
  process.on('unhandledRejection', left);
  try {
    const call = new FakePlatform().client().get('x'.repeat(43)).withResponse();
    await expect(call).rejects.toMatchObject({ code: 'not_found' });
    await new Promise((resolve) => setImmediate(resolve));
    expect(left).not.toHaveBeenCalled();
  } finally {
    process.off('unhandledRejection', left);
  }
});

test('an error has its Region, its attempts and the id of its request', async () => {
  const platform = new FakePlatform(['a']);
  const failed = (call: Promise<unknown>) =>
    call.catch((error: unknown) => error) as Promise<CountersignError>;
  platform.fault = ({ method, at }) => (method === 'POST' ? platform.problem('unavailable', at) : undefined);
  const refused = await failed(platform.client({ maxRetries: 1 }).register(ada));
  expect(refused).toMatchObject({ region: 'a', attempts: 2, requestId: expect.stringMatching(UUID) });

  platform.fault = ({ method }) => (method === 'POST' ? 'refuse' : undefined);
  const lost = await failed(platform.client({ maxRetries: 0 }).register(ada));
  expect(lost).toMatchObject({ code: 'connection_failed', region: 'a', attempts: 1 });
  expect(lost.requestId).toBeUndefined();

  // A successful answer of the wrong form.
  platform.fault = ({ method }) =>
    method === 'POST' ? Response.json({}, { headers: { 'Countersign-Request-Id': 'abc' } }) : undefined;
  const wrong = await failed(platform.client().register(ada));
  expect(wrong).toBeInstanceOf(UnexpectedAnswerError);
  expect(wrong).toMatchObject({ region: 'a', attempts: 1, requestId: 'abc' });

  // No Region was asked yet.
  platform.fault = () => 'refuse';
  const before = await failed(platform.client({ maxRetries: 0 }).register(ada));
  expect(before).toMatchObject({ region: undefined, attempts: 0 });
});

test('a call has limits of its own, which are checked', async () => {
  const platform = new FakePlatform(['a']);
  const client = platform.client({ maxRetries: 3 });
  platform.fault = ({ method, at }) => (method === 'POST' ? platform.problem('unavailable', at) : undefined);
  await expect(client.register(ada, { maxRetries: 1 })).rejects.toMatchObject({ attempts: 2 });
  await expect(client.register(ada, { maxRetries: undefined })).rejects.toMatchObject({ attempts: 4 });
  platform.fault = ({ method }) => (method === 'POST' ? 'hang' : undefined);
  const hangs = client.register(ada, { maxRetries: 0, timeoutMs: 20 });
  await expect(hangs).rejects.toThrow('within 20 ms');

  const { length } = platform.seen;
  for (const options of [{ timeoutMs: 0 }, { maxRetries: '1' }, { timeout: 5 }, null])
    for (const call of [
      client.register(ada, options as object),
      client.get('x'.repeat(43), options as object),
      client.delete('x'.repeat(43), options as object),
    ])
      await expect(call).rejects.toThrow(InvalidArgumentError);
  expect(platform.seen).toHaveLength(length);
});

test('logs each answer and retry on debug, and a failed call on info; on warn, neither', async () => {
  const platform = withoutA();
  const { entries, logger } = recorder();
  const client = platform.client({ logger, logLevel: 'debug' });
  await client.register(ada);
  await client.get('x'.repeat(43)).catch(() => {});
  const request = { method: 'POST', route: '/v1/register' };
  const read = { method: 'GET', route: '/v1/registrations/{id}', region: 'b', attempt: 1, status: 404 };
  const requestId = expect.stringMatching(UUID);
  expect(entries.map(([level, , fields]) => [level, fields])).toEqual([
    ['debug', { ...request, region: 'a', attempt: 1, status: 503, requestId }],
    [
      'debug',
      { ...request, region: 'a', attempt: 1, status: 503, requestId, code: 'unavailable', waitMs: 0 },
    ],
    ['debug', { ...request, region: 'b', attempt: 2, status: 201 }],
    ['debug', { ...read, requestId }],
    ['info', { ...read, requestId, code: 'not_found' }],
  ]);
  expect(entries[2]![1]).toBe(
    'countersign: answer method=POST route=/v1/register region=b attempt=2 status=201',
  );
  for (const logLevel of ['warn', 'off'] as const) {
    const silent = recorder();
    await platform
      .client({ logger: silent.logger, logLevel })
      .get('x'.repeat(43))
      .catch(() => {});
    expect(silent.entries).toEqual([]);
  }
});

test('no log on any level has a key, proof, nonce, id or user, even if the server repeats them', async () => {
  const platform = new FakePlatform(['a']);
  const { entries, logger } = recorder();
  const client = platform.client({ logger, logLevel: 'debug', maxRetries: 1 });
  const { id } = await client.register(ada);
  const secrets = [API_KEY, API_KEY.slice(9, 40), 'ada', id];
  platform.fault = ({ at, headers }) => {
    const proof = headers.get('Authorization') ?? '';
    secrets.push(proof.slice(4));
    const echo = { 'Countersign-Request-Id': proof };
    return platform.problem('internal', at, echo, { code: `internal ${API_KEY}`, detail: proof });
  };
  await client.register(ada).catch(() => {});
  await client.get(id).catch(() => {});
  expect(entries.length).toBeGreaterThan(5);
  const text = JSON.stringify(entries);
  for (const secret of secrets.filter(Boolean)) expect(text).not.toContain(secret);
});

test('a logger that throws fails no call', async () => {
  const throws = () => {
    throw new Error('the disk is full');
  };
  const logger = { debug: throws, info: throws, warn: throws };
  const client = new FakePlatform().client({ logger, logLevel: 'debug' });
  expect(await client.register(ada)).toMatchObject({ user_id: 'ada' });
});

test('warns once that the key ends, where nobody keeps the next one', async () => {
  const platform = new FakePlatform();
  const expires = new Date(platform.nowMs + 86_400_000).toUTCString();
  platform.fault = ({ method, at }) =>
    method === 'POST'
      ? platform.problem('registration_conflict', at, { 'Countersign-Key-Expires': expires })
      : undefined;
  const warned = async (options: object) => {
    const { entries, logger } = recorder();
    const client = platform.client({ logger, ...options });
    for (let i = 0; i < 3; i++) await client.register(ada).catch(() => {});
    return entries.filter(([, message]) => message.includes('the key ends'));
  };
  expect(await warned({})).toEqual([
    [
      'warn',
      'countersign: the key ends; set onKeyRotated to keep the next one expiresAt=2026-11-24T12:00:00.000Z',
      { expiresAt: '2026-11-24T12:00:00.000Z' },
    ],
  ]);
  expect(await warned({ onKeyRotated: () => {} })).toEqual([]);
  const basic = await warned({ apiKey: BASIC_API_KEY });
  expect(basic).toMatchObject([['warn', expect.stringContaining('an operator makes the next one'), {}]]);
});

test('what was read before is asked for by its entity tag; each caller gets objects of its own', async () => {
  const platform = new FakePlatform(['a']);
  const asked: (string | null)[] = [];
  platform.fault = ({ method, headers }) => {
    if (method !== 'GET' || !headers.has('Authorization')) return undefined;
    const tag = headers.get('If-None-Match');
    asked.push(tag);
    return tag === '"etag"' ? new Response(null, { status: 304, headers: { ETag: tag } }) : undefined;
  };
  const client = platform.client();
  const { id } = await client.register({ user_id: 'ada', attributes: { a: 1 } });
  const first = await client.get(id);
  (first.data.attributes as { a: number }).a = 2;
  const second = await client.get(id).withResponse();
  expect(second).toMatchObject({ status: 304, data: { id, etag: '"etag"', data: { attributes: { a: 1 } } } });
  expect(asked).toEqual([null, '"etag"']);
  // Another client has read nothing.
  await platform.client().get(id);
  expect(asked.at(-1)).toBeNull();
  await client.delete(id);
  await client.get(id).catch(() => {});
  expect(asked.at(-1)).toBeNull();
});

test('at most 256 registrations are remembered, those that were read last', async () => {
  const platform = new FakePlatform(['a']);
  platform.fault = ({ headers }) => {
    const tag = headers.get('If-None-Match');
    return tag === null ? undefined : new Response(null, { status: 304, headers: { ETag: tag } });
  };
  const client = platform.client();
  const ids: string[] = [];
  for (let i = 0; i < 257; i++) ids.push((await client.register({ user_id: `u${i}` })).id);
  const [oldest, second, ...others] = ids as [string, string, ...string[]];
  await client.get(oldest);
  await client.get(second);
  for (const id of others.slice(0, -1)) await client.get(id);
  await client.get(oldest);
  await client.get(others.at(-1)!);
  const tag = async (id: string) => {
    platform.seen.length = 0;
    await client.get(id);
    return platform.seen[0]!.headers.get('If-None-Match');
  };
  expect(await tag(oldest)).toBe('"etag"');
  expect(await tag(second)).toBeNull();
});
