/** Invites (RFC 7591 §3): one key, once, in whichever Region the client lands. */
import { describe, expect, it } from 'vitest';
import { makeKey, type TestKey } from '../../support/dpop.ts';
import { call, fetchToken, registerUser, SETTINGS } from '../../support/oauth.ts';
import { ISSUER, regionsForFile } from '../../support/regions.ts';
import { type Asked, askRegistration, forged, prepareRegistration } from '../../support/registration.ts';

const { platform, a, b } = await regionsForFile(SETTINGS);
let names = 0;
const invite = async (params: object = {}) => {
  const client_id = `invited-${++names}`;
  const { initial_access_token, expires_at } = await platform.operate('clients.invite', {
    client_id,
    ...params,
  });
  return { client_id, token: initial_access_token, expires_at };
};
const ask = (asked: Asked, region = a) => askRegistration(platform, region, asked);
const show = (client_id: string) => platform.operate('clients.show', { client_id });
const used = async () => (await platform.items('ledger')).length;

describe.each(['ES256', 'Ed25519'] as const)('a client with %s', (alg) => {
  it('registers, gets a token, and registers a user', async () => {
    const { client_id, token } = await invite({ scopes: ['registrations:write'], limit: 50 });
    const key = await makeKey(alg);
    const registered = await ask({ token, key });
    expect(registered.status).toBe(201);
    expect(registered.json).toEqual({
      client_id,
      client_id_issued_at: Math.floor(platform.clock.nowMs / 1000),
      token_endpoint_auth_method: 'private_key_jwt',
      grant_types: ['client_credentials'],
      response_types: [],
      scope: 'registrations:write',
      dpop_bound_access_tokens: true,
      jwks: {
        keys: [{ ...key.jwk, alg, kid: key.thumbprint, use: 'sig', exp: expect.any(Number) }],
      },
      registration_access_token: expect.stringMatching(`^csr_${client_id}_1_`),
      registration_client_uri: `${ISSUER}/v1/oauth/register/${client_id}`,
    });
    const client = { clientId: client_id, key };
    const access = await fetchToken(platform, b, client);
    expect((await call(platform, b, client, access, registerUser({ user_id: 'ada' }))).status).toBe(201);
    expect(await show(client_id)).toMatchObject({
      origin: 'invite',
      limit: 50,
      scopes: ['registrations:write'],
      keys: [{ kid: key.thumbprint, issued_by: null, revoked: false }],
    });
  });
});

it('leaves an audit line', async () => {
  const { client_id, token } = await invite();
  const key = await makeKey();
  platform.log.length = 0;
  await ask({ token, key });
  expect(platform.log).toContainEqual(
    expect.objectContaining({
      message: 'audit',
      action: 'clients.redeem',
      target: `${client_id}#${key.thumbprint}`,
    }),
  );
  expect(JSON.stringify(platform.log)).not.toContain('csi_');
});

describe('an invite', () => {
  it('is redeemed by one key: no other key gets anything, in any Region', async () => {
    const { client_id, token } = await invite();
    const [first, second] = [await makeKey(), await makeKey()];
    expect((await ask({ token, key: first })).status).toBe(201);
    const before = await used();
    for (const region of [a, b])
      expect(await ask({ token, key: second }, region)).toMatchObject({
        status: 401,
        json: { error: 'invalid_token' },
      });
    expect(await used()).toBe(before);
    expect((await show(client_id)).keys.map(({ kid }) => kid)).toEqual([first.thumbprint]);
  });

  it('is answered again for the same key: its first answer may have been lost', async () => {
    const { token } = await invite();
    const key = await makeKey();
    const first = await ask({ token, key });
    platform.clock.nowMs += 24 * 3600_000;
    const again = await ask({ token, key }, b);
    expect([again.status, again.json]).toEqual([201, first.json]);
  });

  it('of 25 keys at once lets one in', async () => {
    const { client_id, token } = await invite();
    const keys = await Promise.all(Array.from({ length: 25 }, () => makeKey()));
    const asks = await Promise.all(
      keys.map((key, i) => prepareRegistration(platform, i % 2 ? a : b, { token, key })),
    );
    const answers = await Promise.all(asks.map((each, i) => (i % 2 ? a : b).send(each)));
    const winners = keys.filter((_, i) => answers[i]!.status === 201);
    expect(winners).toHaveLength(1);
    expect(answers.filter(({ status }) => status === 401)).toHaveLength(24);
    const { keys: stored } = await show(client_id);
    expect(stored.filter(({ revoked }) => !revoked).map(({ kid }) => kid)).toEqual([winners[0]!.thumbprint]);
  });

  it('ends', async () => {
    const { token, expires_at } = await invite({ expires_s: 60 });
    expect(Date.parse(expires_at)).toBe(Math.floor(platform.clock.nowMs / 1000) * 1000 + 60_000);
    platform.clock.nowMs = Date.parse(expires_at);
    expect(await ask({ token, key: await makeKey() })).toMatchObject({ status: 401 });
  });

  it('for one key is of no use to another', async () => {
    const [right, wrong] = [await makeKey(), await makeKey()];
    const { token } = await invite({ thumbprint: right.thumbprint });
    expect((await ask({ token, key: wrong })).status).toBe(401);
    expect((await ask({ token, key: right })).status).toBe(201);
  });

  it('is replaced by the next one, and the text before stops working', async () => {
    const { client_id, token } = await invite();
    const { initial_access_token } = await platform.operate('clients.invite', {
      client_id,
      limit: 7,
      scopes: ['orders:read'],
    });
    expect((await ask({ token, key: await makeKey() })).status).toBe(401);
    const registered = await ask({ token: initial_access_token, key: await makeKey() });
    expect([registered.status, registered.json.scope]).toEqual([201, 'orders:read']);
    expect(await show(client_id)).toMatchObject({ limit: 7 });
  });

  it.each<[string, (id: string) => Promise<unknown>, string]>([
    ['that has redeemed one', async () => {}, 'client_exists'],
    [
      'that an operator created',
      (client_id) => platform.operate('clients.create', { client_id, profile: 'strict' }),
      'client_exists',
    ],
    [
      'that is disabled',
      async (client_id) => {
        await platform.operate('clients.invite', { client_id });
        await platform.operate('clients.disable', { client_id });
      },
      'client_disabled',
    ],
  ])('is not made for a client %s', async (what, make, code) => {
    const client_id = `other-${++names}`;
    await make(client_id);
    if (what.includes('redeemed')) {
      const { initial_access_token } = await platform.operate('clients.invite', { client_id });
      await ask({ token: initial_access_token, key: await makeKey() });
    }
    expect(await platform.admin('clients.invite', { client_id })).toMatchObject({
      ok: false,
      problem: { status: 409, code },
    });
  });

  it('is of no use for a disabled client', async () => {
    const { client_id, token } = await invite();
    await platform.operate('clients.disable', { client_id });
    expect(await ask({ token, key: await makeKey() })).toMatchObject({
      status: 403,
      json: { error: 'access_denied' },
    });
  });

  it('dies with its client: the next client of that name has other texts', async () => {
    const { client_id, token } = await invite();
    await platform.operate('clients.delete', { client_id });
    expect((await ask({ token, key: await makeKey() })).status).toBe(401);
    await platform.operate('clients.invite', { client_id });
    expect((await ask({ token, key: await makeKey() })).status).toBe(401);
  });

  it('lets no key in that was another client’s of that name', async () => {
    const { client_id, token } = await invite();
    const key = await makeKey();
    await ask({ token, key });
    await platform.operate('clients.delete', { client_id });
    const { initial_access_token } = await platform.operate('clients.invite', { client_id });
    expect((await ask({ token: initial_access_token, key })).status).toBe(401);
    expect((await ask({ token: initial_access_token, key: await makeKey() })).status).toBe(201);
  });

  it('lives no longer than its root is kept', async () => {
    const answer = await platform.admin('clients.invite', {
      client_id: 'too-long',
      expires_s: 91 * 24 * 3600,
    });
    expect(answer).toMatchObject({ ok: false, problem: { status: 400 } });
    expect(await platform.admin('clients.show', { client_id: 'too-long' })).toMatchObject({ ok: false });
  });

  it('stops working with its root', async () => {
    const { token } = await invite();
    const { keyset } = platform.secrets['client-root'];
    const [root] = keyset.keys;
    await a.send({ method: 'GET', path: '/.well-known/countersign' });
    platform.secrets['client-root'].keyset = { ...keyset, seq: keyset.seq + 1, revoked: [root!.kid] };
    platform.clock.nowMs += 120_000;
    const fresh = a.instance();
    expect((await ask({ token, key: await makeKey() }, fresh)).status).toBe(401);
    platform.secrets['client-root'].keyset = { ...keyset, seq: keyset.seq + 2 };
    platform.clock.nowMs += 120_000;
    expect((await ask({ token, key: await makeKey() }, a.instance())).status).toBe(201);
  });
});

describe('each rule refuses, and uses nothing up', () => {
  const refused: [string, number, string, (key: TestKey) => Promise<Partial<Asked>>][] = [
    ['no scheme DPoP', 401, 'invalid_token', async () => ({ headers: { Authorization: 'Bearer x' } })],
    ['two tokens', 401, 'invalid_token', async () => ({ headers: { Authorization: ['DPoP a', 'DPoP b'] } })],
    ['no proof', 400, 'invalid_dpop_proof', async () => ({ headers: { DPoP: [] } })],
    ['no nonce', 400, 'use_dpop_nonce', async () => ({ dpop: { claims: { nonce: undefined } } })],
    [
      'a proof for another token',
      400,
      'invalid_dpop_proof',
      async () => ({ dpop: { claims: { ath: 'x' } } }),
    ],
    [
      'a proof without a token',
      400,
      'invalid_dpop_proof',
      async () => ({ dpop: { claims: { ath: undefined } } }),
    ],
    [
      'a proof for another route',
      400,
      'invalid_dpop_proof',
      async () => ({ dpop: { claims: { htu: `${a.url}/v1/register` } } }),
    ],
    ['another secret', 401, 'invalid_token', async () => ({ token: (await invite()).token })],
    ['a token that is none', 401, 'invalid_token', async () => ({ token: 'secret' })],
    [
      'a secret in the metadata',
      400,
      'invalid_client_metadata',
      async ({ jwk }) => ({
        body: { jwks: { keys: [jwk] }, token_endpoint_auth_method: 'client_secret_basic' },
      }),
    ],
    [
      "another key than the proof's",
      400,
      'invalid_client_metadata',
      async () => ({ body: { jwks: { keys: [(await makeKey()).jwk] } } }),
    ],
    [
      'two keys',
      400,
      'invalid_client_metadata',
      async ({ jwk }) => ({ body: { jwks: { keys: [jwk, (await makeKey()).jwk] } } }),
    ],
    [
      'a body that is not JSON',
      400,
      'invalid_request',
      async () => ({ headers: { 'Content-Type': 'text/plain' } }),
    ],
    ['a query', 400, 'invalid_request', async () => ({ path: '/v1/oauth/register?a=b' })],
  ];
  it.each(refused)('%s', async (what, status, error, change) => {
    const { token } = await invite();
    const key = await makeKey();
    const changed = await change(key);
    const other = what === 'another secret' ? changed.token! : token;
    const before = await used();
    // Another client's text with this client's name has the wrong secret.
    const text = what === 'another secret' ? forged(token, other) : (changed.token ?? token);
    const answer = await ask({ key, ...changed, token: text });
    expect([answer.status, answer.json.error]).toEqual([status, error]);
    expect(await used()).toBe(before);
    expect((await ask({ token, key })).status).toBe(201);
  });

  it('a proof is used once', async () => {
    const { token } = await invite();
    const asked = await prepareRegistration(platform, a, { token, key: await makeKey() });
    expect((await a.send(asked)).status).toBe(201);
    expect(await a.send(asked)).toMatchObject({ status: 400, json: { error: 'invalid_dpop_proof' } });
  });

  it('a Region that takes no writes lets nobody in, and uses nothing up', async () => {
    const { token } = await invite();
    const asked = await prepareRegistration(platform, a, { token, key: await makeKey() });
    await platform.operate('tables.stop', {});
    platform.clock.nowMs += 10_001;
    expect(await a.send(asked)).toMatchObject({ status: 503, json: { error: 'temporarily_unavailable' } });
    await platform.operate('tables.resume', {});
    platform.clock.nowMs += 10_001;
    expect((await a.send(asked)).status).toBe(201);
  });
});
