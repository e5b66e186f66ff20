/**
 * What holds for the fake platform of `@countersign/sdk/testing` as for the real one: one suite, run against
 * both.
 */
import { randomUUID } from 'node:crypto';
import { exportJWK, generateKeyPair, type JWK } from 'jose';
import { expect, test, vi } from 'vitest';
import {
  type ApiError,
  type ClientOptions,
  CountersignClient,
  type CountersignError,
  type RotatedKey,
  type User,
} from '../../../sdk/typescript/index.ts';
import { DEFAULT_SCHEMA } from '../../../sdk/typescript/testing/default-schema.ts';
import { createSigner } from '../../../sdk/typescript/testing/index.ts';

/** One of the two platforms. */
export interface Subject {
  readonly url: string;
  /** Of a strict client, of a basic one, and of a strict one whose key ends within two weeks. */
  readonly apiKey: string;
  readonly basicApiKey: string;
  readonly endingApiKey: string;
  readonly fetch: typeof fetch;
  addKeyPair(clientId: string, jwk: JWK & { readonly alg: string }): Promise<void>;
  /** Makes a client that may sign so often a minute. @returns its API key */
  addLimited(limit: number): Promise<string>;
}

/** However busy the machine is. */
const until = (check: () => void | Promise<void>) => vi.waitFor(check, { timeout: 30_000 });

/** A proof that nothing is wrong with, and the request that it is for. */
interface Prepared {
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
}

export function contract(subject: () => Subject): void {
  const connect = (options: Partial<ClientOptions> & object = {}) => {
    const { url, apiKey, fetch } = subject();
    const credential = 'privateKey' in options ? {} : { apiKey };
    return new CountersignClient({ url, fetch, logLevel: 'off', ...credential, ...options } as ClientOptions);
  };
  const user = (): User => ({ user_id: randomUUID() });
  const failure = (call: Promise<unknown>) =>
    call.then(
      () => expect.unreachable('it succeeds'),
      (error: CountersignError) => error,
    );

  test('a user is registered, read, and registered again with the same result', async () => {
    const client = connect();
    const names = { email: 'ada@example.com', display_name: '🙂'.repeat(256) };
    const ada = { ...user(), ...names, attributes: { born: 1815, e: 1e21, text: 'Zoë 🙂' } };
    const first = await client.register(ada).withResponse();
    expect(first).toMatchObject({ status: 201, attempts: 1, data: { replayed: false, data: ada } });
    const { replayed: _, ...stored } = first.data;
    expect(await client.get(stored.id).withResponse()).toMatchObject({ status: 200, data: stored });
    expect(await client.get(stored.id).withResponse()).toMatchObject({ status: 304, data: stored });
    expect(await client.register(ada)).toEqual({ ...stored, replayed: true });
    const other = await failure(client.register({ ...ada, email: 'a@example.com' }));
    expect(other).toMatchObject({ code: 'registration_conflict', status: 409 });
    expect(stored.etag).toMatch(/^"[\w-]{43}"$/);
  });

  test('a deleted user is gone, another client sees no user of this one, and deleting again says so', async () => {
    const client = connect();
    const { id } = await client.register(user());
    const basic = connect({ apiKey: subject().basicApiKey });
    expect(await failure(basic.get(id))).toMatchObject({ code: 'not_found' });
    expect((await client.delete(id).withResponse()).status).toBe(204);
    expect(await failure(client.get(id))).toMatchObject({ code: 'not_found' });
    expect(await failure(client.delete(id))).toMatchObject({ code: 'not_found' });
  });

  test('registering soon after a deletion is refused with Retry-After and without a nonce', async () => {
    const client = connect();
    const gone = user();
    const { id } = await client.register(gone);
    await client.delete(id);
    const answer = await send(await prepare('POST', '/v1/register', encoded(gone)));
    expect(answer.status).toBe(401);
    expect(await answer.json()).toMatchObject({ code: 'use_nonce' });
    expect(Number(answer.headers.get('Retry-After'))).toBeGreaterThan(0);
    expect(answer.headers.get('Replay-Nonce')).toBeNull();
  });

  test.each<[string, unknown, readonly string[]]>([
    ['no user_id', {}, ['/user_id is missing']],
    ['an empty user_id', { user_id: '' }, ['/user_id must NOT have fewer than 1 characters']],
    ['a user_id of another type', { user_id: 7 }, ['/user_id must be string']],
    ['a long user_id', { user_id: 'x'.repeat(257) }, ['/user_id must NOT have more than 256 characters']],
    [
      'one of long characters',
      { user_id: '🙂'.repeat(257) },
      ['/user_id must NOT have more than 256 characters'],
    ],
    ['no address', { user_id: 'a', email: 'ada' }, ['/email must match format "email"']],
    [
      'a long address that is none',
      { user_id: 'a', email: 'x'.repeat(321) },
      ['/email must NOT have more than 320 characters', '/email must match format "email"'],
    ],
    ['a list of attributes', { user_id: 'a', attributes: [] }, ['/attributes must be object']],
    [
      'unknown members',
      { user_id: 'a', emial: 'a@example.com', 'a/b~': 1 },
      ['/a~1b~0 is not a known member', '/emial is not a known member'],
    ],
    [
      'everything at once',
      { email: 1, display_name: null, attributes: 'x', more: {} },
      [
        '/attributes must be object',
        '/display_name must be string',
        '/email must be string',
        '/more is not a known member',
        '/user_id is missing',
      ],
    ],
    ['no object', ['a'], [' must be object']],
  ])('%s: every bad field is named', async (_, value, expected) => {
    const error = (await failure(connect().register(value as User))) as ApiError;
    expect(error).toMatchObject({ code: 'invalid_registration', status: 422, attempts: 1 });
    const named = error.problem.errors!.map(({ pointer, message }) => `${pointer} ${message}`);
    expect(named.sort()).toEqual(expected);
  });

  test('a basic key registers and reads, and cannot delete or get its next key', async () => {
    const basic = connect({ apiKey: subject().basicApiKey });
    const { id } = await basic.register(user());
    expect((await basic.get(id)).id).toBe(id);
    expect(await failure(basic.delete(id))).toMatchObject({ code: 'not_allowed', status: 403 });
  });

  test.each(['ES256', 'Ed25519', 'EdDSA'] as const)('a client with a key pair signs with %s', async (alg) => {
    const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
    const clientId = `pair-${randomUUID().slice(0, 8)}`;
    await subject().addKeyPair(clientId, { ...(await exportJWK(publicKey)), alg });
    const client = connect({ clientId, privateKey: { ...(await exportJWK(privateKey)), alg } });
    expect(await client.register(user())).toMatchObject({ client_id: clientId });
  });

  test('a key that ends gets the next one, which signs', async () => {
    const kept: RotatedKey[] = [];
    const apiKey = subject().endingApiKey;
    const client = connect({ apiKey, onKeyRotated: (key) => void kept.push(key) });
    const { headers } = await client.register(user()).withResponse();
    expect(headers['countersign-key-expires']).toMatch(/GMT$/);
    await until(() => expect(kept).toHaveLength(1));
    expect(kept[0]).toMatchObject({ kid: '2', credential: { apiKey: expect.stringMatching(/^csk_/) } });
    // A repeated request gets the same key.
    await connect({ apiKey, onKeyRotated: (key) => void kept.push(key) }).register(user());
    await until(() => expect(kept).toHaveLength(2));
    expect(kept[1]).toEqual(kept[0]);
  });

  test('a client is held to its limit of signatures', async () => {
    const apiKey = await subject().addLimited(3);
    const nonces = await noncesOf(apiKey, 5);
    const statuses: number[] = [];
    let refused: Response | undefined;
    for (const nonce of nonces) {
      const answer = await send(await prepare('POST', '/v1/register', encoded(user()), { apiKey, nonce }));
      statuses.push(answer.status);
      if (answer.status === 429) refused = answer;
    }
    expect(statuses.filter((status) => status === 201).length).toBeLessThanOrEqual(6);
    expect(statuses.at(-1)).toBe(429);
    expect(Number(refused!.headers.get('Retry-After'))).toBeGreaterThan(0);
    expect(refused!.headers.get('RateLimit-Policy')).toBe('"signatures";q=3;w=60');
    expect(refused!.headers.get('RateLimit')).toMatch(/^"signatures";r=0;t=\d+$/);
  });

  test('events are read in their order, and a reader resumes', async () => {
    const apiKey = await subject().addLimited(100);
    const client = connect({ apiKey });
    const { id } = await client.register(user());
    await client.register(user());
    await client.delete(id);
    await until(async () => expect(await eventsOf(client)).toHaveLength(3));
    const events = await eventsOf(client);
    expect(events.filter((event) => event.data.client_id === client.clientId)).toHaveLength(3);
    expect(events.map(({ type }) => type).sort()).toEqual([
      'registration.created',
      'registration.created',
      'registration.deleted',
    ]);
    expect(await eventsOf(client, events.at(-1)!.cursor)).toEqual([]);
    expect(await failure(eventsOf(client, 'no-cursor'))).toMatchObject({ code: 'malformed_request' });
  });

  type Spoil = (request: Prepared) => Partial<Prepared>;
  const withProof = ({ headers }: Prepared, change: (proof: string) => string): Partial<Prepared> => ({
    headers: { ...headers, Authorization: change(headers.Authorization!) },
  });
  test.each<[string, string, Spoil]>([
    ['no proof', 'malformed_request', () => ({ headers: { 'Content-Type': 'application/json' } })],
    ['a proof of no form', 'malformed_proof', (request) => withProof(request, () => 'JWT a.b')],
    ['padding in the proof', 'malformed_proof', (request) => withProof(request, (proof) => `${proof}=`)],
    ['another body', 'invalid_proof', () => ({ body: encoded({ user_id: 'eve' }) })],
    [
      'a signature of another key',
      'invalid_proof',
      (request) =>
        withProof(request, (proof) => {
          const [header, claims, signature] = proof.split('.') as [string, string, string];
          return [header, claims, `${signature[0] === 'A' ? 'B' : 'A'}${signature.slice(1)}`].join('.');
        }),
    ],
    [
      'another media type',
      'unsupported_media_type',
      ({ headers }) => ({ headers: { ...headers, 'Content-Type': 'text/plain' } }),
    ],
    ['a query', 'malformed_request', ({ url }) => ({ url: `${url}?a=b` })],
    ['too long a body', 'body_too_large', () => ({ body: new Uint8Array(16_385).fill(32) })],
  ])('%s is refused, and nothing is registered', async (_, code, spoil) => {
    const ada = user();
    const request = await prepare('POST', '/v1/register', encoded(ada));
    const answer = await send({ ...request, ...spoil(request) });
    expect(await answer.json()).toMatchObject({ code });
    expect(await connect().register(ada)).toMatchObject({ replayed: false });
  });

  test('a nonce is used once, by its client, in its Region', async () => {
    const codes: unknown[] = [];
    const first = await prepare('POST', '/v1/register', encoded(user()));
    for (const request of [
      first,
      first,
      await prepare('POST', '/v1/register', encoded(user()), {
        nonce: (await noncesOf(subject().basicApiKey, 1))[0]!,
      }),
      await prepare('POST', '/v1/register', encoded(user()), {
        nonce: (await noncesOf(subject().apiKey, 1, 1))[0]!,
      }),
      await prepare('POST', '/v1/register', encoded(user()), { nonce: undefined }),
    ]) {
      const answer = await send(request);
      codes.push(((await answer.json()) as { code?: string }).code ?? answer.status);
      expect(answer.headers.get('Replay-Nonce')).toMatch(/^[\w-]+$/);
    }
    expect(codes).toEqual([201, 'use_nonce', 'use_nonce', 'use_nonce', 'use_nonce']);
  });

  test.each([
    ['that lives too long', { lifeS: 301 }, 'invalid_proof'],
    ['of an hour ago', { skewS: -3_600 }, 'clock_skew'],
    ['of the next hour', { skewS: 3_600 }, 'clock_skew'],
    ['for another platform', { issuer: 'https://other.example.com' }, 'invalid_proof'],
    ['for another method', { as: 'DELETE' as const }, 'invalid_proof'],
  ])('a proof %s is refused', async (_, how, code) => {
    const answer = await send(await prepare('POST', '/v1/register', encoded(user()), how));
    expect(await answer.json()).toMatchObject({ code });
  });

  test.each([
    ['{"user_id":"a","user_id":"b"}', 'malformed_request'],
    ['{"user_id":"a"', 'malformed_request'],
    ['\ufeff{"user_id":"a"}', 'malformed_request'],
    ['{"user_id":"a","attributes":{"__proto__":1}}', 'malformed_request'],
    [`{"user_id":"a","attributes":${'{"a":'.repeat(32)}1${'}'.repeat(32)}}`, 'malformed_request'],
    ['{"user_id":"a","attributes":{"a":1e400}}', 'malformed_request'],
  ])('the body %s is refused', async (text, code) => {
    const answer = await send(await prepare('POST', '/v1/register', new TextEncoder().encode(text)));
    expect(await answer.json()).toMatchObject({ code });
  });

  test.each([
    ['/v1/nonce', 400, 'malformed_request'],
    ['/v1/nonce?client_id=X', 400, 'malformed_request'],
    ['/v1/nonce?client_id=test&count=0', 400, 'malformed_request'],
    ['/v1/nonce?client_id=test&count=101', 400, 'malformed_request'],
    ['/v1/nothing', 404, 'not_found'],
  ])('GET %s is %i', async (path, status, code) => {
    const { url } = (await regions())[0]!;
    const answer = await send({ method: 'GET', url: url + path, headers: {} });
    expect(answer.status).toBe(status);
    expect(await answer.json()).toMatchObject({ code });
  });

  test('nonces come alone or in a list, for any client', async () => {
    const { url } = (await regions())[0]!;
    const ask = async (query: string) => {
      const answer = await send({
        method: 'GET',
        url: `${url}/v1/nonce?client_id=nobody${query}`,
        headers: {},
      });
      return (await answer.json()) as object;
    };
    expect(await ask('')).toEqual({ nonce: expect.any(String), expires_in: 300 });
    const text = expect.any(String);
    expect(await ask('&count=3')).toEqual({ nonces: [text, text, text], expires_in: 300 });
  });

  test('discovery says what a client needs', async () => {
    const { url } = subject();
    expect(await discovery()).toEqual({
      issuer: expect.stringMatching(/^https?:/),
      regions: [0, 1].map(() => ({ name: expect.any(String), url: expect.stringMatching(/^https?:/) })),
      proof_algorithms: ['HS256', 'ES256', 'Ed25519', 'EdDSA'],
      ...{ proof_max_life: 300, nonce_life: 300, max_body_bytes: 16_384, max_nonce_count: 100 },
      jwks_uri: `${url}/.well-known/jwks.json`,
      registration_schema: DEFAULT_SCHEMA,
    });
  });

  const encoded = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
  const send = ({ method, url, headers, body }: Prepared) =>
    subject().fetch(url, { method, headers, ...(body && { body: body as BufferSource }) });

  async function discovery(): Promise<Record<string, unknown>> {
    const answer = await send({
      method: 'GET',
      url: `${subject().url}/.well-known/countersign`,
      headers: {},
    });
    return (await answer.json()) as Record<string, unknown>;
  }
  const regions = async () => (await discovery()).regions as { readonly url: string }[];

  async function noncesOf(apiKey: string, count: number, region = 0): Promise<string[]> {
    const { url } = (await regions())[region]!;
    const { clientId } = createSigner({ apiKey });
    const query = `client_id=${clientId}&count=${count}`;
    const answer = await send({ method: 'GET', url: `${url}/v1/nonce?${query}`, headers: {} });
    return ((await answer.json()) as { nonces: string[] }).nonces;
  }

  async function prepare(
    method: 'POST' | 'DELETE',
    path: string,
    body: Uint8Array,
    how: {
      readonly apiKey?: string;
      readonly nonce?: string | undefined;
      readonly lifeS?: number;
      readonly skewS?: number;
      readonly issuer?: string;
      readonly as?: 'DELETE';
    } = {},
  ): Promise<Prepared> {
    const apiKey = how.apiKey ?? subject().apiKey;
    const url = (await regions())[0]!.url + path;
    const nonce = 'nonce' in how ? how.nonce : (await noncesOf(apiKey, 1))[0];
    const proof = await createSigner({ apiKey }).sign({
      ...{
        url,
        body,
        method: how.as ?? method,
        issuer: how.issuer ?? ((await discovery()).issuer as string),
      },
      nowS: Date.now() / 1000 + (how.skewS ?? 0),
      lifeS: how.lifeS ?? 300,
      ...(nonce !== undefined && { nonce }),
    });
    const headers = { Authorization: `JWT ${proof}`, 'Content-Type': 'application/json' };
    return { method, url, headers, body };
  }
}

async function eventsOf(client: CountersignClient, after = '0') {
  const events = [];
  for await (const event of client.events({ after })) events.push(event);
  return events;
}
