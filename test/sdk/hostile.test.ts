/** A hostile server in place of the platform: the limits on what its answers can make a client do. */
import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { decodeJwt } from 'jose';
import { afterEach, expect, test } from 'vitest';
import { isBaseUrl, isWithin } from '../../protocol/base-url.ts';
import {
  ClockSkewError,
  CountersignClient,
  ForeignRegionsError,
  InvalidArgumentError,
  UnexpectedAnswerError,
} from '../../sdk/typescript/index.ts';
import { Regions } from '../../sdk/typescript/regions.ts';
import { ENTRY, FakePlatform, type Seen } from './fake-platform.ts';
import { API_KEY } from './keys.ts';

const ada = { user_id: 'ada' };
const MIB = 1_048_576;
const discovery = (more: object = {}, headers: Record<string, string> = { 'Cache-Control': 'max-age=60' }) =>
  Response.json(
    {
      issuer: ENTRY,
      regions: [{ name: 'a', url: 'https://a.api.example.com' }],
      proof_max_life: 300,
      max_nonce_count: 100,
      ...more,
    },
    { headers },
  );
const isDiscovery = ({ path }: Seen) => path === '/.well-known/countersign';

let server: Server | undefined;
afterEach(() => {
  server?.closeAllConnections();
  server?.close();
  server = undefined;
});

/** Answers every request this way. @returns its URL */
async function serve(answer: (response: ServerResponse) => void): Promise<string> {
  server = createServer((_, response) => answer(response));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test.each<[string, number, string | undefined]>([
  ['200', 200, undefined],
  ['a problem', 401, undefined],
  ['gzip', 200, 'gzip'],
  ['brotli', 200, 'br'],
])('an endless answer (%s) is aborted once it is longer than any honest one', async (_, status, encoding) => {
  const chunk = Buffer.alloc(MIB / 4, ' ');
  // Each member of a gzip stream, and each brotli stream's first part, unpacks a few bytes to a mebibyte.
  const packed =
    encoding === 'br' ? brotliCompressSync(Buffer.alloc(64 * MIB, ' ')) : gzipSync(Buffer.alloc(MIB, ' '));
  let left = 256;
  const closed = Promise.withResolvers<void>();
  const url = await serve((response) => {
    response.on('close', closed.resolve);
    response.writeHead(status, { ...(encoding && { 'Content-Encoding': encoding }) });
    const more = () => {
      while (left-- > 0) if (!response.write(encoding ? packed : chunk)) return;
      response.end();
    };
    response.on('drain', more);
    more();
  });
  await using client = new CountersignClient({ url, apiKey: API_KEY, maxRetries: 0 });
  const error = await client.register(ada).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(UnexpectedAnswerError);
  expect(error).toMatchObject({ code: 'unexpected_answer', status });
  expect((error as Error).message).toContain('1048576 bytes');
  // The client closes the connection long before the end.
  await closed.promise;
  if (encoding === undefined) expect(left).toBeGreaterThan(128);
});

test('an answer of the maximum length is read whole; one byte more is refused', async () => {
  const padded = (size: number) => {
    const text = '{"code":"not_found"}';
    return `${text}${' '.repeat(size - text.length)}`;
  };
  const platform = new FakePlatform();
  let size = MIB;
  platform.fault = ({ path }) =>
    path.startsWith('/v1/registrations/') ? new Response(padded(size), { status: 404 }) : undefined;
  const client = platform.client();
  await expect(client.get('x'.repeat(43))).rejects.toMatchObject({ code: 'not_found' });
  size += 1;
  await expect(client.get('x'.repeat(43))).rejects.toMatchObject({ code: 'unexpected_answer' });
});

test('a character split between two chunks of the body is decoded correctly', async () => {
  const bytes = Buffer.from(JSON.stringify({ code: 'not_found', title: 'Zoë 🙂' }));
  const platform = new FakePlatform();
  platform.fault = ({ path }) =>
    path.startsWith('/v1/registrations/')
      ? new Response(
          new ReadableStream({
            start(controller) {
              for (const byte of bytes) controller.enqueue(new Uint8Array([byte]));
              controller.close();
            },
          }),
          { status: 404 },
        )
      : undefined;
  await expect(platform.client().get('x'.repeat(43))).rejects.toThrow('Zoë 🙂');
});

test.each([60 * 86_400, 601, -601, -60 * 86_400])(
  'a Date that is %i s off is ignored: no proof is made for that time, and the error has both times',
  async (offsetS) => {
    const platform = new FakePlatform();
    const theirs = new Date(platform.nowMs + offsetS * 1000);
    const made: number[] = [];
    platform.fault = ({ method, at, headers }) => {
      if (method !== 'POST') return undefined;
      made.push(decodeJwt(headers.get('Authorization')!.slice(4)).iat!);
      return platform.problem('clock_skew', at, { Date: theirs.toUTCString() });
    };
    const client = platform.client();
    for (let i = 0; i < 2; i++) {
      const error = await client.register(ada).catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(ClockSkewError);
      expect(error).toMatchObject({ code: 'clock_skew', status: 401 });
      expect((error as Error).message).toContain(theirs.toISOString());
      expect((error as Error).message).toContain(new Date(platform.nowMs).toISOString());
    }
    expect(made).toEqual([platform.nowMs / 1000, platform.nowMs / 1000]);
  },
);

test.each([1e9, Number.MAX_VALUE, '1e999'])(
  'with a proof_max_life of %s, no proof lives longer than 300 s',
  async (life) => {
    const platform = new FakePlatform(['a']);
    let lifeS = Number.NaN;
    platform.fault = (request) => {
      if (isDiscovery(request))
        return new Response(
          `{"issuer":"${ENTRY}","regions":[{"name":"a","url":"https://a.api.example.com"}],"proof_max_life":${life}}`,
        );
      if (request.method === 'POST') {
        const { iat, exp } = decodeJwt(request.headers.get('Authorization')!.slice(4));
        lifeS = exp! - iat!;
      }
      return undefined;
    };
    await platform.client().register(ada);
    expect(lifeS).toBe(300);
  },
);

test.each([
  ['another domain', 'https://evil.example'],
  ['a host that only ends alike', 'https://evilapi.example.com'],
  ["the entry's parent", 'https://example.com'],
  ["the entry's sibling", 'https://b.example.com'],
  ['another port', 'https://a.api.example.com:8443'],
  ['this machine', 'http://127.0.0.1:4101'],
])('a Region on %s is ignored, and the others are used', async (_, url) => {
  const platform = new FakePlatform();
  const hosts = new Set<string>();
  const regions = [
    { name: 'x', url },
    { name: 'a', url: 'https://a.api.example.com' },
  ];
  platform.fault = (request) => (isDiscovery(request) ? discovery({ regions }) : undefined);
  const watched: typeof fetch = (target, init) => {
    hosts.add(new URL(target as string).host);
    return platform.fetch(target, init);
  };
  await platform.client({ fetch: watched }).register(ada);
  expect([...hosts]).toEqual(['api.example.com', 'a.api.example.com']);
});

test('if every Region is on another host, nothing is signed, and the error says what to list', async () => {
  const platform = new FakePlatform();
  const urls = ['https://one.example.net/prod', 'https://two.example.net'];
  platform.fault = (request) =>
    isDiscovery(request) ? discovery({ regions: urls.map((url) => ({ name: 'a', url })) }) : undefined;
  const error = await platform
    .client()
    .register(ada)
    .catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(ForeignRegionsError);
  expect(error).toMatchObject({
    code: 'foreign_regions',
    origins: ['https://one.example.net', 'https://two.example.net'],
  });
  expect(platform.log).toEqual(['GET entry/.well-known/countersign']);

  const listed = platform.client({ regions: ['https://two.example.net/'] });
  await listed.register(ada).catch(() => {});
  expect(platform.log[2]).toBe('GET two/v1/nonce');
});

test.each<[string, string, boolean]>([
  ['https://api.example.com', 'https://api.example.com/prod', true],
  ['https://api.example.com', 'https://eu-west-1.api.example.com', true],
  // A Region's own URL: the entry is the part after the Region's name.
  ['https://eu-west-1.api.example.com', 'https://eu-central-1.api.example.com', true],
  ['https://eu-west-1.api.example.com', 'https://api.example.com', true],
  ['https://eu-west-1.api.example.com', 'https://b.example.com', false],
  ['https://eu-west-1.com', 'https://eu-central-1.com', false],
  // A label that only resembles a Region's name is part of the host. Sibling names must be Regions.
  ['https://my-app-1.example.net', 'https://evil.example.net', false],
  ['https://id-api-1.example.com', 'https://blog.example.com', false],
  ['https://my-app-1.example.net', 'https://id-app-2.example.net', false],
  ['https://eu-west-1.co.uk', 'https://evil.co.uk', false],
  ['https://eu-west-1.api.example.com', 'https://x.eu-central-1.api.example.com', false],
  ['https://us-gov-west-1.api.example.com', 'https://us-gov-east-1.api.example.com', true],
  [
    'https://abcdefghij.execute-api.eu-west-1.amazonaws.com/prod',
    'https://klmnopqrst.execute-api.eu-west-1.amazonaws.com/prod',
    false,
  ],
  ['https://api.example.com', 'https://eu-west-1.api.example.com.', false],
  ['http://127.0.0.1:4100', 'http://127.0.0.1:4101', true],
  ['http://localhost:4100', 'http://127.0.0.1:4101', true],
  ['http://127.0.0.1:4100', 'https://api.example.com', false],
  ['https://10.0.0.1', 'https://10.0.0.2', false],
])('for a client of %s, %s is trusted: %s', (entry, region, expected) => {
  expect(isWithin(entry, region)).toBe(expected);
});

test.each([
  'http://api.example.com',
  'https://user:password@api.example.com',
  'https://api.example.com?',
  'https://api.example.com#',
  'https://api.example.com\\x',
  'https://api.example.com\n',
  'https://api.example.com\u202e',
  'ftp://api.example.com',
  `https://api.example.com/${'x'.repeat(2048)}`,
])('%j is not a base URL', (url) => {
  expect(isBaseUrl(url)).toBe(false);
  expect(() => new CountersignClient({ url: ENTRY, regions: [url], apiKey: API_KEY })).toThrow(
    InvalidArgumentError,
  );
});

test('a timeout too large for a timer is refused', () => {
  for (const timeoutMs of [2 ** 31, Number.POSITIVE_INFINITY, Number.NaN, 0])
    expect(() => new CountersignClient({ url: ENTRY, apiKey: API_KEY, timeoutMs })).toThrow(
      InvalidArgumentError,
    );
});

test.each<[string, object]>([
  [
    '33 Regions',
    { regions: Array.from({ length: 33 }, () => ({ name: 'a', url: 'https://a.api.example.com' })) },
  ],
  ['no Region', { regions: [] }],
  ['Regions that are no list', { regions: { length: 1 } }],
  ['a Region without a URL', { regions: [{ name: 'a' }] }],
  ['a user in a URL', { regions: [{ name: 'a', url: 'https://a.api.example.com@evil.example' }] }],
  ['a backslash in a URL', { regions: [{ name: 'a', url: 'https://evil.example\\.api.example.com' }] }],
  ['no issuer', { issuer: 5 }],
  ['an issuer of 3,000 characters', { issuer: 'x'.repeat(3_000) }],
])('a document with %s is not accepted as a platform', async (_, more) => {
  const platform = new FakePlatform();
  platform.fault = (request) => (isDiscovery(request) ? discovery(more) : undefined);
  await expect(platform.client().register(ada)).rejects.toThrow(UnexpectedAnswerError);
  expect(platform.seen).toHaveLength(1);
});

test.each<[string, number]>([
  ['max-age=99999999999', 3_600_000],
  [`max-age=${'9'.repeat(400)}`, 3_600_000],
  ['max-age=120', 120_000],
  ['max-age=0', 60_000],
  ['no-store', 60_000],
  ['max-age=-5', 60_000],
])('with Cache-Control: %s discovery is kept for %i ms', async (cacheControl, keptMs) => {
  const platform = new FakePlatform();
  platform.fault = (request) =>
    isDiscovery(request) ? discovery({}, { 'Cache-Control': cacheControl }) : undefined;
  const client = platform.client();
  const asked = async () => {
    await client.register(ada);
    return platform.log.filter((line) => line.includes('well-known')).length;
  };
  expect(await asked()).toBe(1);
  platform.nowMs += keptMs - 1;
  expect(await asked()).toBe(1);
  platform.nowMs += 1;
  expect(await asked()).toBe(2);
});

test("a clock that is set back prolongs neither a Region's rest nor a wait", async () => {
  const platform = new FakePlatform();
  const regions = new Regions(
    ENTRY,
    () => platform.nowMs,
    () => 0,
  );
  const [a, b] = ['a', 'b'].map((name) => ({ name, url: `https://${name}.api.example.com` }));
  regions.failed(a!);
  regions.hold(a!, 60_000);
  expect([regions.pick([a!, b!]), regions.heldForMs(a!)]).toEqual([b, 60_000]);
  platform.nowMs -= 86_400_000;
  expect([regions.pick([a!, b!]), regions.heldForMs(a!)]).toEqual([a, 0]);
});

test('a clock that is set back does not make a copy of discovery younger', async () => {
  const platform = new FakePlatform();
  const client = platform.client();
  await client.register(ada);
  platform.nowMs -= 86_400_000;
  await client.register(ada);
  expect(platform.log.filter((line) => line.includes('well-known'))).toHaveLength(2);
});

test.each<[string, number | undefined]>([
  ['9'.repeat(400), 86_400_000],
  ['99999999', 86_400_000],
  ['-5', undefined],
  ['1.5', undefined],
  ['1e3', undefined],
  ['2026-11-23T12:01:40Z', undefined],
  ['Mon, 23 Nov 2026 12:01:40 GMT', 100_000],
  ['Mon, 23 Nov 2026 11:00:00 GMT', 0],
  ['Wed, 23 Nov 2896 12:00:00 GMT', 86_400_000],
])('Retry-After: %s means %s ms', async (value, expected) => {
  const platform = new FakePlatform(['a']);
  platform.fault = ({ method, at }) =>
    method === 'POST' ? platform.problem('quota_exceeded', at, { 'Retry-After': value }) : undefined;
  const error = await platform
    .client({ maxRetries: 0 })
    .register(ada)
    .catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: 'quota_exceeded' });
  expect((error as { retryAfterMs?: number }).retryAfterMs).toBe(expected);
});

test.each([
  ['is longer than any', { nonce: 'x'.repeat(257) }],
  ['is a megabyte', { nonce: 'x'.repeat(1_000_000) }],
  ['ends the header', { nonce: 'x\r\nX: y' }],
  ['is empty', { nonce: '' }],
  ['is no text', { nonce: {} }],
  ['is in no list', { nonces: 'xxx' }],
  ['is none', JSON.parse('{"__proto__":{"nonce":"xxx"}}')],
])('a nonce that %s is not accepted', async (_, body) => {
  const platform = new FakePlatform(['a']);
  platform.fault = ({ path }) => (path === '/v1/nonce' ? Response.json(body) : undefined);
  await expect(platform.client().register(ada)).rejects.toThrow(UnexpectedAnswerError);
  expect(platform.log.at(-1)).toBe('GET a/v1/nonce');
});

test('a Replay-Nonce of another form is not used, and one with a read is not kept', async () => {
  const platform = new FakePlatform(['a']);
  const client = platform.client();
  platform.fault = ({ method, at }) => {
    if (method === 'POST')
      return platform.problem('registration_conflict', at, { 'Replay-Nonce': 'x'.repeat(300) });
    return method === 'GET' && at === 'a' ? undefined : undefined;
  };
  await client.register(ada).catch(() => {});
  platform.fault = ({ path, at }) =>
    path.startsWith('/v1/registrations')
      ? platform.problem('not_found', at, { 'Replay-Nonce': 'planted' })
      : undefined;
  await client.get('x'.repeat(43)).catch(() => {});
  platform.fault = () => undefined;
  await client.register(ada);
  expect(platform.log.filter((line) => line === 'GET a/v1/nonce')).toHaveLength(2);
});

test('nonces beyond the requested number are not kept', async () => {
  const platform = new FakePlatform(['a']);
  const client = platform.client();
  platform.fault = ({ path, at }) => {
    if (path !== '/v1/nonce') return undefined;
    platform.fault = () => undefined;
    return Response.json({
      nonces: [platform.nonce(at), ...Array.from({ length: 10_000 }, () => 'planted')],
    });
  };
  await client.register(ada);
  // One of the two has the nonce from the last answer, the other requests its own.
  await Promise.all([client.register({ user_id: '1' }), client.register({ user_id: '2' })]);
  expect(platform.log.filter((line) => line === 'POST a/v1/register')).toHaveLength(3);
});

test('a max_nonce_count beyond the wire form is not requested', async () => {
  const platform = new FakePlatform(['a']);
  platform.fault = (request) => (isDiscovery(request) ? discovery({ max_nonce_count: 1e9 }) : undefined);
  const users = Array.from({ length: 150 }, (_, i) => ({ user_id: `u${i}` }));
  for await (const { ok } of platform.client().registerBatch(users, { concurrency: 150 }))
    expect(ok).toBe(true);
  const counts = platform.seen.map(({ query }) => Number(query.get('count')));
  expect(Math.max(...counts)).toBe(100);
});

test("an error's text is safe for a terminal and a log, whatever the problem says", async () => {
  const hostile = '\u001b[2J\u0007line\r\nsecond \u202etxt\u2028\u200b\ud800';
  const platform = new FakePlatform(['a']);
  platform.fault = ({ method }) =>
    method === 'POST'
      ? Response.json(
          {
            type: hostile,
            title: hostile,
            detail: 'y '.repeat(200_000),
            instance: hostile,
            code: hostile,
            status: 'x',
            errors: [
              null,
              5,
              { pointer: 1, message: 2 },
              ...Array.from({ length: 2_000 }, () => ({ pointer: hostile, message: hostile })),
            ],
          },
          { status: 422, headers: { 'Countersign-Request-Id': 'a\u009bb' } },
        )
      : undefined;
  const error = (await platform
    .client()
    .register(ada)
    .catch((thrown: unknown) => thrown)) as {
    message: string;
    problem: { errors: object[] };
  };
  expect(error.problem.errors).toHaveLength(100);
  const { message } = error;
  expect(message.length).toBeLessThan(2_100);
  const texts = JSON.stringify({ ...error, message }).replace(
    /\\u(?!fffd)[0-9a-f]{4}|\\[bfnrt]/gi,
    'ESCAPED',
  );
  expect(texts).not.toMatch(/ESCAPED|[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
  expect(message).toContain('line');
});

test.each([
  'null',
  '5',
  '"text"',
  '[]',
  '{"code":5}',
  '{"code":["not_found"]}',
  '{"__proto__":{"code":"not_found"}}',
  '[['.repeat(100_000),
])('a refusal with the body %.40s is not a problem document', async (body) => {
  const platform = new FakePlatform(['a']);
  platform.fault = ({ method }) => (method === 'POST' ? new Response(body, { status: 403 }) : undefined);
  await expect(platform.client().register(ada)).rejects.toMatchObject({
    code: 'unexpected_answer',
    status: 403,
  });
});

test.each([
  ['client', { client_id: 'another' }],
  ['user', { user_id: 'another' }],
])('a 201 that names another %s is an error', async (_, change) => {
  const platform = new FakePlatform(['a']);
  const right = { id: 'i', client_id: 'test', user_id: ada.user_id, created_at: 't', data: {} };
  platform.fault = ({ method }) =>
    method === 'POST' ? Response.json({ ...right, ...change }, { status: 201 }) : undefined;
  await expect(platform.client().register(ada)).rejects.toMatchObject({
    code: 'unexpected_answer',
    status: 201,
  });
});

test('a read registration must be the requested one', async () => {
  const platform = new FakePlatform(['a']);
  const other = { id: 'i'.repeat(43), client_id: 'test', user_id: 'u', created_at: 't', data: {} };
  platform.fault = ({ path }) => (path.startsWith('/v1/registrations/') ? Response.json(other) : undefined);
  await expect(platform.client().get('x'.repeat(43))).rejects.toMatchObject({ code: 'unexpected_answer' });
});

test('a member __proto__ of an answer changes no prototype', async () => {
  const platform = new FakePlatform(['a']);
  const { user_id } = ada;
  const answer = JSON.stringify({ id: 'i', client_id: 'test', user_id, created_at: 't', data: {} });
  platform.fault = ({ method }) =>
    method === 'POST'
      ? new Response(`${answer.slice(0, -1)},"__proto__":{"replayed":true,"polluted":true}}`, { status: 201 })
      : undefined;
  const registration = await platform.client().register(ada);
  expect(registration.replayed).toBe(false);
  expect(Object.getPrototypeOf(registration)).toBe(Object.prototype);
  expect('polluted' in registration || 'polluted' in {}).toBe(false);
});
