/** The token endpoint: RFC 6749 §4.4 with RFC 7523 and RFC 9449. */
import { randomUUID } from 'node:crypto';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { beforeEach, describe, expect, it } from 'vitest';
import { assertion, dpopProof, makeKey } from '../../support/dpop.ts';
import {
  dpopNonce,
  fetchToken,
  form,
  makeOAuthClient,
  prepareToken,
  SETTINGS,
  type TokenChange,
} from '../../support/oauth.ts';
import { ISSUER, regionsForFile } from '../../support/regions.ts';
import { makeBasicClient, makeClient } from '../../support/signer.ts';

const { platform, a, b } = await regionsForFile(SETTINGS);
const client = await makeOAuthClient(platform);
const stranger = await makeKey();
const ask = (change?: TokenChange) => prepareToken(platform, a, client, change);
const askFor = async (change?: TokenChange) => a.send(await ask(change));
const used = async () => (await platform.items('ledger')).length;

describe.each(['ES256', 'Ed25519'] as const)('a client with %s', (alg) => {
  it('gets a token that is bound to its key, and lives ten minutes', async () => {
    const own = await makeOAuthClient(platform, alg);
    const answer = await a.send(await prepareToken(platform, a, own));
    expect(answer.status).toBe(200);
    const { access_token, ...rest } = answer.json;
    expect(rest).toEqual({
      token_type: 'DPoP',
      expires_in: 600,
      scope: 'registrations:write registrations:read',
    });
    const iat = Math.floor(platform.clock.nowMs / 1000);
    expect(decodeProtectedHeader(access_token)).toEqual({
      ...{ alg: 'ES256', typ: 'at+jwt', kid: platform.secrets.token.keyset.keys[0]!.kid },
    });
    expect(decodeJwt(access_token)).toEqual({
      ...{ iss: ISSUER, sub: own.clientId, client_id: own.clientId, aud: ISSUER },
      ...{ scope: rest.scope, jti: expect.any(String), iat, exp: iat + 600 },
      cnf: { jkt: own.key.thumbprint },
    });
    expect(answer.headers['dpop-nonce']).toBeDefined();
  });
});

describe('what a token is for', () => {
  it('one of the resources of the config, and the scopes that were asked for', async () => {
    const token = await fetchToken(platform, a, client, {
      form: { resource: 'https://orders.example.com', scope: 'registrations:read' },
    });
    expect(decodeJwt(token)).toMatchObject({
      aud: 'https://orders.example.com',
      scope: 'registrations:read',
    });
  });

  it('never lives beyond the key of its client', async () => {
    const short = await makeOAuthClient(platform, 'ES256', platform.clock.nowMs + 90_000);
    const { json } = await a.send(await prepareToken(platform, a, short));
    expect(json.expires_in).toBeLessThanOrEqual(90);
    expect(json.expires_in).toBeGreaterThan(80);
  });
});

describe('each rule refuses, and uses nothing up', () => {
  let before = 0;
  beforeEach(async () => {
    before = await used();
  });
  it.each<[string, string, TokenChange]>([
    ['invalid_request', 'no grant_type', { form: { grant_type: undefined } }],
    ['unsupported_grant_type', 'another grant', { form: { grant_type: 'authorization_code' } }],
    ['invalid_client', 'no assertion', { form: { client_assertion: undefined } }],
    ['invalid_client', 'another type of assertion', { form: { client_assertion_type: 'saml' } }],
    ['invalid_client', 'a client secret', { form: { client_secret: 'secret' } }],
    ['invalid_client', 'Basic', { headers: { Authorization: 'Basic b3JkZXJzOnNlY3JldA==' } }],
    ['invalid_client', 'another client_id', { form: { client_id: 'billing' } }],
    ['invalid_client', "an assertion for the token endpoint's URL", { assertion: { claims: { aud: 'x' } } }],
    ['invalid_client', 'an assertion by another key', { assertion: { signer: stranger } }],
    [
      'invalid_client',
      'an assertion of an unknown client',
      { assertion: { claims: { iss: 'nobody', sub: 'nobody' } } },
    ],
    ['invalid_client', 'a stolen assertion with a proof by another key', { dpopKey: stranger }],
    [
      'invalid_client',
      'both by a key that the client has not',
      { dpopKey: stranger, assertion: { signer: stranger } },
    ],
    [
      'invalid_target',
      'a resource that is not in the config',
      { form: { resource: 'https://evil.example' } },
    ],
    ['invalid_scope', 'a scope that the client lacks', { form: { scope: 'tokens:introspect' } }],
    ['invalid_scope', 'what is no scope', { form: { scope: 'a  b' } }],
    [
      'invalid_dpop_proof',
      'a proof for another route',
      { dpop: { claims: { htu: `${a.url}/v1/register` } } },
    ],
    ['use_dpop_nonce', 'no nonce', { dpop: { claims: { nonce: undefined } } }],
  ])('%s: %s', async (error, _, change) => {
    const answer = await askFor(change);
    expect([answer.status, answer.json.error]).toEqual([400, error]);
    expect(answer.headers['dpop-nonce']).toBeDefined();
    expect(await used()).toBe(before);
  });

  it.each(['without a DPoP header', 'with two'])('invalid_dpop_proof: %s', async (which) => {
    const { headers, ...rest } = await ask();
    const { DPoP, ...others } = headers!;
    const sent = which === 'with two' ? { ...others, DPoP: [DPoP as string, DPoP as string] } : others;
    expect((await a.send({ ...rest, headers: sent })).json.error).toBe('invalid_dpop_proof');
    expect(await used()).toBe(before);
  });

  it('invalid_request: another media type, a query, a parameter that comes twice', async () => {
    const request = await ask();
    for (const wrong of [
      { ...request, headers: { ...request.headers, 'Content-Type': 'application/json' } },
      { ...request, path: '/v1/oauth/token?scope=registrations%3Aread' },
      { ...request, body: `${request.body}&grant_type=client_credentials` },
    ])
      expect((await a.send(wrong)).json.error).toBe('invalid_request');
    expect(await used()).toBe(before);
  });

  it("a nonce of the client's own proofs, or of the other Region: use_dpop_nonce with one that works", async () => {
    const { json } = await a.send({ method: 'GET', path: `/v1/nonce?client_id=${client.clientId}` });
    for (const nonce of [json.nonce, await dpopNonce(b)]) {
      const answer = await askFor({ nonce });
      expect(answer.json.error).toBe('use_dpop_nonce');
      expect((await askFor({ nonce: answer.headers['dpop-nonce']! })).status).toBe(200);
    }
  });

  it('nobody gets a nonce for DPoP as a client of that name', async () => {
    const answer = await a.send({ method: 'GET', path: '/v1/nonce?client_id=%40dpop' });
    expect(answer.code).toBe('malformed_request');
  });

  it('clients with an API key have no key pair, and so no token', async () => {
    for (const { clientId } of [await makeClient(platform), await makeBasicClient(platform)]) {
      const request = await prepareToken(platform, a, { clientId, key: stranger });
      expect((await a.send(request)).json.error).toBe('invalid_client');
    }
  });

  it('a disabled client, and a key that is revoked or past its end', async () => {
    const disabled = await makeOAuthClient(platform);
    await platform.operate('clients.disable', { client_id: disabled.clientId });
    const revoked = await makeOAuthClient(platform);
    await platform.operate('clients.revoke-key', {
      client_id: revoked.clientId,
      kid: revoked.key.thumbprint,
    });
    const ended = await makeOAuthClient(platform, 'ES256', platform.clock.nowMs + 60_000);
    platform.clock.nowMs += 60_001;
    const fresh = a.instance();
    for (const each of [disabled, revoked, ended])
      expect((await fresh.send(await prepareToken(platform, a, each))).json.error).toBe('invalid_client');
  });
});

describe('once', () => {
  it('100 copies of one request: one gets a token', async () => {
    const own = await makeOAuthClient(platform);
    const request = await prepareToken(platform, a, own);
    const others = [a, a.instance(), a.instance()];
    const answers = await Promise.all(Array.from({ length: 100 }, (_, i) => others[i % 3]!.send(request)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(new Set(answers.flatMap(({ json }) => json.error ?? []))).toEqual(new Set(['invalid_client']));
  });

  it('an assertion, whatever proof comes with it', async () => {
    const jti = randomUUID();
    expect((await askFor({ assertion: { claims: { jti } } })).status).toBe(200);
    expect((await askFor({ assertion: { claims: { jti } } })).json.error).toBe('invalid_client');
  });

  it('a proof, whatever assertion comes with it', async () => {
    const jti = randomUUID();
    expect((await askFor({ dpop: { claims: { jti } } })).status).toBe(200);
    expect((await askFor({ dpop: { claims: { jti } } })).json.error).toBe('invalid_dpop_proof');
  });

  it('a nonce may be used again, in proofs of any client, while it lives: a minute longer than a token', async () => {
    const nonce = await dpopNonce(a);
    const other = await makeOAuthClient(platform, 'Ed25519');
    expect((await askFor({ nonce })).status).toBe(200);
    expect((await a.send(await prepareToken(platform, a, other, { nonce }))).status).toBe(200);
    platform.clock.nowMs += 660_000;
    expect((await askFor({ nonce })).status).toBe(200);
    platform.clock.nowMs += 1;
    expect((await askFor({ nonce })).json.error).toBe('use_dpop_nonce');
  });

  it('rows of the ledger live 15 minutes longer than what they remember', async () => {
    const known = new Set((await platform.items('ledger')).map(({ pk }) => JSON.stringify(pk)));
    await askFor();
    const rows = (await platform.items('ledger')).filter(({ pk }) => !known.has(JSON.stringify(pk)));
    const nowS = platform.clock.nowMs / 1000;
    const ttls = rows.map(({ ttl }) => Number((ttl as { N: string }).N)).sort();
    // The assertion: 60 s and as much leeway. The nonce: 660 s.
    expect(ttls).toEqual([Math.ceil(Math.floor(nowS) + 120 + 900), Math.ceil(nowS + 660 + 900)]);
  });
});

it('a client without signatures left: 429', async () => {
  const key = await makeKey();
  const clientId = `o-${randomUUID().slice(0, 8)}`;
  const jwk = { ...key.jwk, alg: 'ES256' };
  await platform.operate('clients.create', { client_id: clientId, profile: 'strict', jwk, limit: 1 });
  const send = async () => a.send(await prepareToken(platform, a, { clientId, key }));
  expect((await send()).status).toBe(200);
  const refused = await send();
  expect([refused.status, refused.json.error]).toEqual([429, 'temporarily_unavailable']);
  expect(refused.headers['retry-after']).toBeDefined();
});

it('no key that signs tokens: 503 with a nonce, and nothing is used up', async () => {
  const before = await used();
  platform.secrets.token.fail = true;
  const answer = await a.instance().send(await ask());
  platform.secrets.token.fail = false;
  expect([answer.status, answer.json.error]).toEqual([503, 'temporarily_unavailable']);
  expect(answer.headers).toMatchObject({ 'dpop-nonce': expect.any(String), 'retry-after': '1' });
  expect(await used()).toBe(before);
});

it('an assertion stolen with its proof is of no use in the other Region', async () => {
  const request = await ask();
  const answer = await b.send(request);
  expect(answer.json.error).toMatch(/^(invalid_dpop_proof|use_dpop_nonce)$/);
  // Also for the entry's URL, which both Regions take.
  const nowS = platform.clock.nowMs / 1000;
  const nonce = await dpopNonce(a);
  const proof = dpopProof(client.key, { method: 'POST', url: `${ISSUER}/v1/oauth/token`, nonce, nowS });
  const body = form({
    grant_type: 'client_credentials',
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion: assertion(client.key, { clientId: client.clientId, issuer: ISSUER, nowS }),
  });
  const anywhere = { ...request, headers: { ...request.headers, DPoP: proof }, body };
  expect((await b.send(anywhere)).json.error).toBe('use_dpop_nonce');
  expect((await a.send(anywhere)).status).toBe(200);
});

it('the log names the client once its assertion is verified, and holds nothing of the request', async () => {
  platform.log.length = 0;
  const request = await ask();
  await a.send(request);
  const [line] = platform.log.filter(({ route }) => route === '/v1/oauth/token');
  expect(line).toMatchObject({ status: 400 });
  const last = platform.log.at(-1)!;
  expect(last).toMatchObject({ status: 200, client_id: client.clientId });
  expect(JSON.stringify(platform.log)).not.toContain('eyJ');
});

it('the documents: RFC 8414 and RFC 9728, without a nonce', async () => {
  const server = await a.send({ method: 'GET', path: '/.well-known/oauth-authorization-server' });
  expect(server.json).toMatchObject({
    issuer: ISSUER,
    token_endpoint: `${ISSUER}/v1/oauth/token`,
    scopes_supported: ['registrations:write', 'registrations:read', 'tokens:introspect', 'orders:read'],
  });
  const resource = await a.send({ method: 'GET', path: '/.well-known/oauth-protected-resource' });
  expect(resource.json).toMatchObject({ resource: ISSUER, authorization_servers: [ISSUER] });
  for (const { headers } of [server, resource]) expect(headers['dpop-nonce']).toBeUndefined();
});
