import { inspect } from 'node:util';
import { calculateJwkThumbprint, decodeJwt, decodeProtectedHeader, exportJWK, generateKeyPair } from 'jose';
import { expect, test, vi } from 'vitest';
import { type ClientOptions, CountersignClient, InvalidArgumentError } from '../../sdk/typescript/index.ts';
import { ENTRY, FakePlatform } from './fake-platform.ts';
import { API_KEY, BASIC_API_KEY } from './keys.ts';

/** The proof that a client makes for a registration, whatever its outcome. */
async function proofOf(options: object): Promise<{ header: object; claims: Record<string, unknown> }> {
  const platform = new FakePlatform();
  let proof = '';
  platform.fault = ({ method, headers, at }) => {
    if (method !== 'POST') return undefined;
    proof = headers.get('Authorization')!.replace(/^JWT /, '');
    return platform.problem('invalid_proof', at);
  };
  const client = new CountersignClient({ url: ENTRY, fetch: platform.fetch, ...options } as ClientOptions);
  await client.register({ user_id: 'ada' }).catch(() => {});
  return { header: decodeProtectedHeader(proof), claims: decodeJwt(proof) };
}

test('a strict API key names its client, and its generation is the kid', async () => {
  const { header, claims } = await proofOf({ apiKey: API_KEY });
  expect(header).toEqual({ alg: 'HS256', typ: 'countersign-proof+jwt', kid: '7' });
  expect(claims).toMatchObject({
    iss: 'test',
    aud: ENTRY,
    htm: 'POST',
    htu: 'https://a.api.example.com/v1/register',
    nonce: expect.any(String),
    fingerprint: expect.any(String),
  });
  expect(claims.exp! as number).toBe((claims.iat as number) + 300);
});

test('a basic API key signs the basic profile', async () => {
  const { header, claims } = await proofOf({ apiKey: BASIC_API_KEY });
  expect(header).toEqual({ alg: 'HS256', typ: 'JWT' });
  expect(Object.keys(claims).sort()).toEqual(['exp', 'iat', 'iss', 'nonce']);
  expect(claims.iss).toBe('test-basic');
});

test.each(['ES256', 'Ed25519', 'EdDSA'])(
  'a private JWK signs with %s, and its thumbprint is the kid',
  async (alg) => {
    const { privateKey } = await generateKeyPair(alg, { extractable: true });
    const jwk = await exportJWK(privateKey);
    const kid = await calculateJwkThumbprint(jwk);
    const { header } = await proofOf({ clientId: 'pair', privateKey: { ...jwk, alg } });
    expect(header).toEqual({ alg, typ: 'countersign-proof+jwt', kid });
  },
);

test('a WebCrypto key signs, and one that cannot be exported needs its kid', async () => {
  const open = await generateKeyPair('Ed25519', { extractable: true });
  const kid = await calculateJwkThumbprint(await exportJWK(open.publicKey));
  const { header } = await proofOf({ clientId: 'pair', privateKey: open.privateKey, alg: 'EdDSA' });
  expect(header).toMatchObject({ alg: 'EdDSA', kid });

  const { privateKey } = await generateKeyPair('ES256');
  expect((await proofOf({ clientId: 'pair', privateKey, kid: 'given' })).header).toMatchObject({
    alg: 'ES256',
    kid: 'given',
  });
  const client = new CountersignClient({
    url: ENTRY,
    fetch: new FakePlatform().fetch,
    clientId: 'pair',
    privateKey,
  });
  await expect(client.register({ user_id: 'ada' })).rejects.toThrow(InvalidArgumentError);
});

test.each<[string, object]>([
  ['no credential', {}],
  ['an empty key', { apiKey: '' }],
  ['a key cut short', { apiKey: API_KEY.slice(0, -1) }],
  ['a mistyped key', { apiKey: API_KEY.replace('_7_', '_8_') }],
  ['a private key without clientId', { privateKey: { kty: 'OKP', crv: 'Ed25519', x: 'x', d: 'd' } }],
  ['a public key', { clientId: 'pair', privateKey: { kty: 'OKP', crv: 'Ed25519', x: 'x' } }],
  ['a key of another kind', { clientId: 'pair', privateKey: { kty: 'RSA', n: 'n', e: 'AQAB', d: 'd' } }],
  [
    'an alg that the key does not have',
    { clientId: 'pair', privateKey: { kty: 'OKP', crv: 'Ed25519', x: 'x', d: 'd' }, alg: 'ES256' },
  ],
])('%s is refused when the client is created, and the message quotes no key', (_, options) => {
  const make = () => new CountersignClient({ url: ENTRY, ...options } as ClientOptions);
  expect(make).toThrow(InvalidArgumentError);
  expect(make).toThrow(expect.not.objectContaining({ message: expect.stringMatching(/cs[kb]_/) }));
});

test.each<[string, unknown, string]>([
  ['no options', undefined, 'url is missing: pass it, or set COUNTERSIGN_URL'],
  ['null', null, 'options must be an object'],
  ['a URL alone', ENTRY, 'options must be an object'],
  ['an empty URL', { url: '', apiKey: API_KEY }, 'url is missing: pass it, or set COUNTERSIGN_URL'],
  ['no URL', { apiKey: API_KEY }, 'url is missing: pass it, or set COUNTERSIGN_URL'],
  ['no key', { url: ENTRY }, 'apiKey is missing: pass it, or set COUNTERSIGN_API_KEY'],
  ['half a key pair', { url: ENTRY, clientId: 'pair' }, 'privateKey is missing'],
  [
    'a log level that is none',
    { url: ENTRY, apiKey: API_KEY, logLevel: 'loud' },
    'logLevel must be one of debug, info, warn, off',
  ],
  [
    'a logger that is none',
    { url: ENTRY, apiKey: API_KEY, logger: {} },
    'logger must have the functions debug, info, warn',
  ],
  ['a hook that is none', { url: ENTRY, apiKey: API_KEY, onRetry: 1 }, 'onRetry must be a function'],
  ['an empty key', { url: ENTRY, apiKey: '' }, 'apiKey is empty'],
  ['a misspelt option', { url: ENTRY, apiKey: API_KEY, timeoutMS: 1 }, 'there is no option "timeoutMS"'],
  ['a fetch that is none', { url: ENTRY, apiKey: API_KEY, fetch: 'x' }, 'fetch must be a function'],
  [
    'a callback that is none',
    { url: ENTRY, apiKey: API_KEY, onQuotaWait: 1 },
    'onQuotaWait must be a function',
  ],
  [
    'two credentials',
    { url: ENTRY, apiKey: API_KEY, clientId: 'pair', privateKey: {} },
    'apiKey and privateKey cannot be combined',
  ],
])('%s is refused, and the message says what is wrong', (_, options, message) => {
  const make = () => new CountersignClient(options as ClientOptions);
  expect(make).toThrow(InvalidArgumentError);
  expect(make).toThrow(expect.objectContaining({ message }));
});

test('URL and key default to the environment; options come first', async () => {
  vi.stubEnv('COUNTERSIGN_URL', ENTRY);
  vi.stubEnv('COUNTERSIGN_API_KEY', API_KEY);
  try {
    expect(new CountersignClient().clientId).toBe('test');
    expect(new CountersignClient({ url: undefined, apiKey: undefined }).clientId).toBe('test');
    expect(new CountersignClient({ apiKey: BASIC_API_KEY }).clientId).toBe('test-basic');
    // Not the key of the environment: half a credential is a mistake.
    const half = () => new CountersignClient({ clientId: 'pair' } as ClientOptions);
    expect(half).toThrow('privateKey is missing');
    vi.stubEnv('COUNTERSIGN_URL', 'http://api.example.com');
    expect(() => new CountersignClient()).toThrow('url must be a base URL');
    vi.stubEnv('COUNTERSIGN_API_KEY', '');
    expect(() => new CountersignClient({ url: ENTRY })).toThrow(
      'apiKey is missing: pass it, or set COUNTERSIGN_API_KEY',
    );
  } finally {
    vi.unstubAllEnvs();
  }
});

test.each([
  '',
  'api.example.com',
  'http://api.example.com',
  'https://api.example.com?x',
  'ftp://localhost',
  undefined,
])('the url %j is refused', (url) => {
  expect(() => new CountersignClient({ url, apiKey: API_KEY } as ClientOptions)).toThrow(
    InvalidArgumentError,
  );
});

test('a Region without https is not used', async () => {
  const platform = new FakePlatform();
  const document = {
    issuer: ENTRY,
    regions: [{ name: 'a', url: 'http://a.example.com' }],
    proof_max_life: 300,
  };
  platform.fault = () => Response.json(document);
  await expect(platform.client().register({ user_id: 'ada' })).rejects.toMatchObject({
    code: 'unexpected_answer',
  });
  expect(platform.seen).toHaveLength(1);
});

test('neither a client nor an error shows a key, a proof or a nonce, even if the server repeats them', async () => {
  const platform = new FakePlatform();
  const secrets = [API_KEY];
  platform.fault = ({ method, headers, at }) => {
    if (method !== 'POST') return undefined;
    const proof = headers.get('Authorization')!;
    const { nonce } = decodeJwt(proof.slice(4)) as { nonce: string };
    secrets.push(proof.slice(4), nonce);
    const detail = `no: ${proof} with ${API_KEY} and ${nonce}`;
    return platform.problem(
      'invalid_proof',
      at,
      {},
      { detail, title: detail, instance: detail, echo: detail },
    );
  };
  const client = platform.client();
  const errors: unknown[] = [await client.register({ user_id: 'ada' }).catch((error: unknown) => error)];
  platform.fault = ({ method }) => (method === 'POST' ? 'lose' : undefined);
  errors.push(await client.register({ user_id: 'ada' }).catch((error: unknown) => error));

  expect(secrets).toHaveLength(3);
  for (const shown of [client, ...errors]) {
    const text = `${inspect(shown, { depth: 9, showHidden: true })}${JSON.stringify(shown)}${String(shown)}`;
    for (const secret of secrets) expect(text).not.toContain(secret);
    expect(text).not.toContain(API_KEY.slice(10, 40));
  }
});
