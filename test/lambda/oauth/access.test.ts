/** Registering, reading and deleting with an access token and a DPoP proof: RFC 9449 §7. */
import { randomUUID } from 'node:crypto';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { describe, expect, it } from 'vitest';
import { dpopProof, jws, makeKey, sha256 } from '../../support/dpop.ts';
import { FAPI_CASES } from '../../support/fapi-dpop.ts';
import {
  type CallChange,
  call,
  dpopNonce,
  fetchToken,
  makeOAuthClient,
  prepareCall,
  registerUser,
  SETTINGS,
} from '../../support/oauth.ts';
import { type HttpAnswer, ISSUER, regionsForFile } from '../../support/regions.ts';
import { makeClient, prepare, read, register, remove } from '../../support/signer.ts';

const { platform, a, b } = await regionsForFile(SETTINGS);
const client = await makeOAuthClient(platform);
const token = await fetchToken(platform, a, client);
const thief = await makeKey();
const newUser = () => registerUser({ user_id: randomUUID() });
const send = (change?: CallChange, asked = newUser()) => call(platform, a, client, token, asked, change);
const stored = async () => ({
  ledger: (await platform.items('ledger')).length,
  registry: (await platform.items('registry')).length,
});
/** Code, error of the challenge, and whether there is a nonce. */
const shown = ({ code, headers }: HttpAnswer) => [
  code,
  /error="(\w+)"/.exec(headers['www-authenticate'] ?? '')?.[1],
  headers['dpop-nonce'] !== undefined,
];

describe.each(['ES256', 'Ed25519'] as const)('a client with %s', (alg) => {
  it('registers, reads and deletes with one token and one nonce', async () => {
    const own = await makeOAuthClient(platform, alg);
    const its = await fetchToken(platform, a, own);
    const nonce = await dpopNonce(a);
    const user = registerUser({ user_id: 'standard', email: 'standard@example.com' });
    const made = await call(platform, a, own, its, user, { nonce });
    expect(made.status).toBe(201);
    const path = `/v1/registrations/${made.json.id}`;
    const found = await call(platform, a, own, its, { method: 'GET', path }, { nonce });
    expect([found.status, found.json.data]).toEqual([200, JSON.parse(user.body)]);
    const etag = { 'If-None-Match': found.headers.etag! };
    const same = await call(platform, a, own, its, { method: 'GET', path }, { nonce, headers: etag });
    expect(same.status).toBe(304);
    const deleted = await call(platform, a, own, its, { method: 'DELETE', path }, { nonce });
    expect(deleted.status).toBe(204);
    for (const { headers } of [made, found, same, deleted])
      expect([headers['dpop-nonce'], headers['cache-control']]).toEqual([expect.any(String), 'no-store']);
  });
});

it("sees the same registrations as the client's own proofs, and none of another client", async () => {
  const other = await makeOAuthClient(platform);
  const made = await send();
  const path = `/v1/registrations/${made.json.id}`;
  const its = await fetchToken(platform, a, other);
  expect((await call(platform, a, other, its, { method: 'GET', path })).code).toBe('not_found');
});

describe('the list of the FAPI 2 conformance suite, at a resource', () => {
  it.each(FAPI_CASES)('$name: $succeeds', async ({ succeeds, headers }) => {
    const asked = newUser();
    const request = { method: 'POST', url: `${a.url}/v1/register`, nonce: await dpopNonce(a) };
    const made = headers(client.key, { ...request, token, nowS: platform.clock.nowMs / 1000 });
    const before = await stored();
    const answer = await a.send({
      ...asked,
      headers: { 'Content-Type': 'application/json', Authorization: `DPoP ${token}`, ...made },
    });
    if (succeeds) return expect(answer.status).toBe(201);
    expect([400, 401]).toContain(answer.status);
    expect(answer.headers['dpop-nonce']).toBeDefined();
    return expect(await stored()).toEqual(before);
  });
});

describe('each refusal says what is wrong, and stores nothing', () => {
  it.each<[string, string, string, CallChange]>([
    ['use_nonce', 'use_dpop_nonce', 'no nonce', { dpop: { claims: { nonce: undefined } } }],
    [
      'invalid_proof',
      'invalid_dpop_proof',
      'a proof for another method',
      { dpop: { claims: { htm: 'GET' } } },
    ],
    [
      'invalid_proof',
      'invalid_dpop_proof',
      'a proof for another token',
      { dpop: { claims: { ath: sha256('x') } } },
    ],
    [
      'invalid_proof',
      'invalid_dpop_proof',
      'another body',
      { dpop: { claims: { fingerprint: sha256('x') } } },
    ],
    ['invalid_proof', 'invalid_token', 'a stolen token under another key', { dpopKey: thief }],
  ])('%s, %s: %s', async (code, error, _, change) => {
    const before = await stored();
    expect(shown(await send(change))).toEqual([code, error, true]);
    expect(await stored()).toEqual(before);
  });

  const forged = async (header: object, claims: object) => {
    const [head, body] = [decodeProtectedHeader(token), decodeJwt(token)];
    return jws(await makeKey(), { ...head, ...header }, { ...body, ...claims });
  };
  it.each<[string, () => Promise<string> | string]>([
    ['signed by somebody else', () => forged({}, {})],
    ['with an unknown kid', () => forged({ kid: 'AAAAAA' }, {})],
    ['that is a proof', () => forged({ typ: 'dpop+jwt' }, {})],
    ['that is no JWT', () => 'opaque'],
    [
      'for another resource',
      () => fetchToken(platform, a, client, { form: { resource: 'https://orders.example.com' } }),
    ],
  ])('invalid_proof, invalid_token: a token %s', async (_, make) => {
    const answer = await call(platform, a, client, await make(), newUser());
    expect(shown(answer)).toEqual(['invalid_proof', 'invalid_token', true]);
  });

  it('token_revoked: a token past its end, although the nonce still lives', async () => {
    const nonce = await dpopNonce(a);
    platform.clock.nowMs += 600_000;
    const answer = await send({ nonce });
    platform.clock.nowMs -= 600_000;
    expect(shown(answer)).toEqual(['token_revoked', 'invalid_token', true]);
  });

  it('not_allowed, insufficient_scope: a token that is for reading', async () => {
    const reading = await fetchToken(platform, a, client, { form: { scope: 'registrations:read' } });
    const answer = await call(platform, a, client, reading, newUser());
    expect([answer.status, ...shown(answer)]).toEqual([403, 'not_allowed', 'insufficient_scope', true]);
    const path = `/v1/registrations/${'A'.repeat(43)}`;
    expect((await call(platform, a, client, reading, { method: 'GET', path })).code).toBe('not_found');
    expect((await call(platform, a, client, reading, { method: 'DELETE', path })).code).toBe('not_allowed');
    const writing = await fetchToken(platform, a, client, { form: { scope: 'registrations:write' } });
    expect((await call(platform, a, client, writing, { method: 'GET', path })).code).toBe('not_allowed');
  });

  it('a client that is disabled or deleted, and a key that is revoked, within ten seconds', async () => {
    for (const [change, code] of [
      [(id: string) => platform.operate('clients.disable', { client_id: id }), 'client_disabled'],
      [(id: string) => platform.operate('clients.delete', { client_id: id }), 'token_revoked'],
    ] as const) {
      const own = await makeOAuthClient(platform);
      const its = await fetchToken(platform, a, own);
      expect((await call(platform, a, own, its, newUser())).status).toBe(201);
      await change(own.clientId);
      platform.clock.nowMs += 10_000;
      expect((await call(platform, a, own, its, newUser())).code).toBe(code);
    }
    const own = await makeOAuthClient(platform);
    const its = await fetchToken(platform, a, own);
    await platform.operate('clients.revoke-key', { client_id: own.clientId, kid: own.key.thumbprint });
    platform.clock.nowMs += 10_000;
    expect(shown(await call(platform, a, own, its, newUser()))).toEqual([
      'key_expired',
      'invalid_token',
      true,
    ]);
  });
});

describe('once', () => {
  it('100 copies of one registration at once: one succeeds', async () => {
    const request = await prepareCall(platform, a, client, token, newUser());
    const others = [a, a.instance(), a.instance()];
    const answers = await Promise.all(Array.from({ length: 100 }, (_, i) => others[i % 3]!.send(request)));
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
    const refused = answers.filter(({ status }) => status !== 201);
    for (const answer of refused)
      expect(shown(answer)).toEqual(['invalid_proof', 'invalid_dpop_proof', true]);
  });

  it('100 copies of one read at once: one succeeds', async () => {
    const { json } = await send();
    const asked = { method: 'GET', path: `/v1/registrations/${json.id}` };
    const request = await prepareCall(platform, a, client, token, asked);
    const answers = await Promise.all(Array.from({ length: 100 }, () => a.send(request)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
  });

  it('a token works in every Region, a proof in the one whose nonce it has', async () => {
    const nowS = platform.clock.nowMs / 1000;
    const target = { method: 'POST', url: `${ISSUER}/v1/register`, token, nowS };
    const asked = newUser();
    const proof = dpopProof(client.key, { ...target, nonce: await dpopNonce(a) });
    const headers = { 'Content-Type': 'application/json', Authorization: `DPoP ${token}`, DPoP: proof };
    expect(shown(await b.send({ ...asked, headers }))).toEqual(['use_nonce', 'use_dpop_nonce', true]);
    expect((await a.send({ ...asked, headers })).status).toBe(201);
    expect((await call(platform, b, client, token, newUser())).status).toBe(201);
  });
});

describe('over a tombstone', () => {
  it('answers 503 with Retry-After: a standard client would repeat a nonce error at once', async () => {
    const user = registerUser({ user_id: 'deleted-a-moment-ago' });
    const made = await call(platform, a, client, token, user);
    const path = `/v1/registrations/${made.json.id}`;
    const nonce = await dpopNonce(a);
    expect((await call(platform, a, client, token, { method: 'DELETE', path }, { nonce })).status).toBe(204);
    const refused = await call(platform, a, client, token, user, { nonce });
    expect([refused.status, refused.code]).toEqual([503, 'unavailable']);
    expect(refused.headers['www-authenticate']).toBeUndefined();
    platform.clock.nowMs += 1000 * Number(refused.headers['retry-after']);
    // The old nonce revives nothing, however long the client waits.
    expect((await call(platform, a, client, token, user, { nonce })).status).toBe(503);
    expect((await call(platform, a, client, token, user)).status).toBe(201);
  });
});

describe('beside proofs', () => {
  it('a stage with OAuth takes proofs as before, and answers them without a nonce for DPoP', async () => {
    const signer = await makeClient(platform);
    const made = await register(platform, a, signer, { user_id: 'by-proof' });
    expect(made.status).toBe(201);
    expect((await read(platform, a, signer, made.json.id)).status).toBe(200);
    const deleted = await remove(platform, a, signer, made.json.id);
    for (const { headers } of [made, deleted]) {
      expect(headers['dpop-nonce']).toBeUndefined();
      expect(headers['replay-nonce']).toBeDefined();
    }
  });

  it('a proof and a token together are none', async () => {
    const signer = await makeClient(platform);
    const { proof } = await prepare(platform, a, signer, { user_id: 'both' });
    const request = await prepareCall(platform, a, client, token, newUser());
    const Authorization = [`DPoP ${token}`, `JWT ${proof}`];
    const answer = await a.send({ ...request, headers: { ...request.headers, Authorization } });
    expect(answer.code).toBe('malformed_request');
  });

  it('a failure carries a nonce as well', async () => {
    platform.secrets['client-root'].fail = true;
    const request = await prepareCall(platform, a, client, token, {
      method: 'GET',
      path: '/v1/registrations/short',
    });
    const answer = await a.send(request);
    platform.secrets['client-root'].fail = false;
    expect([answer.status, answer.headers['dpop-nonce']]).toEqual([404, expect.any(String)]);
  });
});

it('where every proof must name the body, one that does not is refused', async () => {
  const COUNTERSIGN_OAUTH = JSON.stringify({ ...SETTINGS, bodyBinding: true });
  const strict = a.instance({ COUNTERSIGN_OAUTH });
  const asked = newUser();
  expect((await call(platform, strict, client, token, asked)).code).toBe('invalid_proof');
  const dpop = { claims: { fingerprint: sha256(asked.body) } };
  expect((await call(platform, strict, client, token, asked, { dpop })).status).toBe(201);
});

it('counts against the quota of the client', async () => {
  const key = await makeKey();
  const clientId = `o-${randomUUID().slice(0, 8)}`;
  const jwk = { ...key.jwk, alg: 'ES256' };
  await platform.operate('clients.create', { client_id: clientId, profile: 'strict', jwk, limit: 2 });
  const limited = { clientId, key };
  const its = await fetchToken(platform, a, limited);
  expect((await call(platform, a, limited, its, newUser())).status).toBe(201);
  const over = await call(platform, a, limited, its, newUser());
  expect([over.status, over.headers['replay-nonce']]).toEqual([429, undefined]);
});

it('the log names the client once its token is verified, and holds nothing of token or proof', async () => {
  platform.log.length = 0;
  await send();
  expect(platform.log.at(-1)).toMatchObject({ status: 201, client_id: client.clientId });
  expect(JSON.stringify(platform.log)).not.toContain('eyJ');
});
