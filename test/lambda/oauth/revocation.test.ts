/** Revocation (RFC 7009), introspection (RFC 7662) and the operator's revocation of a token. */
import { randomUUID } from 'node:crypto';
import { decodeJwt } from 'jose';
import { describe, expect, it } from 'vitest';
import { assertion, type JwsChange, makeKey } from '../../support/dpop.ts';
import {
  call,
  fetchToken,
  form,
  makeOAuthClient,
  type OAuthClient,
  registerUser,
  SETTINGS,
} from '../../support/oauth.ts';
import { ISSUER, type Region, regionsForFile } from '../../support/regions.ts';

const { platform, a, b } = await regionsForFile(SETTINGS);
const client = await makeOAuthClient(platform);
const other = await makeOAuthClient(platform, 'Ed25519');

/** The API of the config, with the scope to ask. */
const api = await (async (): Promise<OAuthClient> => {
  const key = await makeKey();
  const jwk = { ...key.jwk, alg: 'ES256' };
  const scopes = ['tokens:introspect'];
  await platform.operate('clients.create', { client_id: 'orders-api', profile: 'strict', jwk, scopes });
  return { clientId: 'orders-api', key };
})();

const about = (
  path: 'revoke' | 'introspect',
  { clientId, key }: OAuthClient,
  token: string | undefined,
  change: JwsChange = {},
) => ({
  method: 'POST',
  path: `/v1/oauth/${path}`,
  headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
  body: form({
    token,
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion: assertion(key, { clientId, issuer: ISSUER, nowS: platform.clock.nowMs / 1000 }, change),
  }),
});
const newUser = () => registerUser({ user_id: randomUUID() });
const use = (region: Region, token: string, by = client) => call(platform, region, by, token, newUser());

describe('a client revokes its token', () => {
  it('and every Region refuses it at once, whoever has read what before', async () => {
    const token = await fetchToken(platform, a, client);
    const kept = await fetchToken(platform, a, client);
    for (const region of [a, b]) expect((await use(region, token)).status).toBe(201);
    const answer = await a.send(about('revoke', client, token));
    expect([answer.status, answer.text]).toEqual([200, '']);
    for (const region of [a, b]) {
      const refused = await use(region, token);
      expect([refused.code, refused.headers['www-authenticate']]).toEqual([
        'token_revoked',
        expect.stringContaining('invalid_token'),
      ]);
      expect((await use(region, kept)).status).toBe(201);
    }
  });

  it('until it would have ended: the row lives 15 minutes longer', async () => {
    const token = await fetchToken(platform, a, client);
    await b.send(about('revoke', client, token));
    const { jti, exp } = decodeJwt(token);
    for (const region of [a, b]) {
      const rows = await platform.items('limits', region);
      const row = rows.find(({ pk }) => (pk as { S: string }).S === `deny#${jti}`);
      expect(row).toMatchObject({ ttl: { N: String(exp! + 900) } });
    }
  });

  it('503 unless every Region confirmed, and again is safe', async () => {
    const token = await fetchToken(platform, a, client);
    const broken = a.instance(
      {},
      {
        seen({ input }) {
          const { Item, TableName } = input as { Item?: { pk: { S: string } }; TableName?: string };
          if (TableName?.includes('limits') && Item?.pk.S.startsWith('deny#')) {
            writes += 1;
            if (writes === 2) throw Object.assign(new Error(), { name: 'InternalServerError' });
          }
        },
      },
    );
    let writes = 0;
    const refused = await broken.send(about('revoke', client, token));
    expect([refused.status, refused.json.error]).toEqual([503, 'temporarily_unavailable']);
    expect(refused.headers['retry-after']).toBe('1');
    expect((await broken.send(about('revoke', client, token))).status).toBe(200);
    for (const region of [a, b]) expect((await use(region, token)).code).toBe('token_revoked');
  });

  it("not another client's, and a token that is not valid is answered like one that was revoked", async () => {
    const token = await fetchToken(platform, a, client);
    expect((await a.send(about('revoke', other, token))).json.error).toBe('unauthorized_client');
    expect((await use(a, token)).status).toBe(201);
    expect((await a.send(about('revoke', client, 'opaque'))).status).toBe(200);
    expect((await a.send(about('revoke', client, undefined))).json.error).toBe('invalid_request');
  });

  it('by an assertion of its own, which is used once', async () => {
    const token = await fetchToken(platform, a, client);
    const thief = { ...client, key: await makeKey() };
    expect((await a.send(about('revoke', thief, token))).json.error).toBe('invalid_client');
    const request = about('revoke', client, token);
    const answers = await Promise.all(Array.from({ length: 20 }, () => a.send(request)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    const unknown = { clientId: 'nobody-here', key: client.key };
    expect((await a.send(about('revoke', unknown, token))).json.error).toBe('invalid_client');
    await platform.operate('clients.disable', { client_id: other.clientId });
    platform.clock.nowMs += 10_000;
    expect((await a.send(about('revoke', other, token))).json.error).toBe('invalid_client');
    await platform.operate('clients.enable', { client_id: other.clientId });
    platform.clock.nowMs += 10_000;
  });
});

describe('an API asks about a token', () => {
  const forOrders = { form: { resource: 'https://orders.example.com' } };
  const ask = async (token: string, by = api) => (await a.send(about('introspect', by, token))).json;

  it('and learns what it says, while it is active', async () => {
    const token = await fetchToken(platform, a, client, forOrders);
    const { cnf, jti, iat, exp } = decodeJwt(token);
    expect(await ask(token)).toEqual({
      ...{ active: true, token_type: 'DPoP', iss: ISSUER, sub: client.clientId, client_id: client.clientId },
      ...{ aud: 'https://orders.example.com', scope: 'registrations:write registrations:read' },
      ...{ cnf, jti, iat, exp },
    });
  });

  it('is told no more than that it is not active: past its end, revoked, for others, or none', async () => {
    const inactive = { active: false };
    expect(await ask('opaque')).toEqual(inactive);
    expect(await ask(await fetchToken(platform, a, client))).toEqual(inactive);
    const token = await fetchToken(platform, a, client, forOrders);
    await b.send(about('revoke', client, token));
    expect(await ask(token)).toEqual(inactive);
    const old = await fetchToken(platform, a, client, forOrders);
    platform.clock.nowMs += 600_000;
    expect(await ask(old)).toEqual(inactive);
  });

  it('nor of a client that is disabled, or whose key is revoked', async () => {
    for (const change of [
      ({ clientId }: OAuthClient) => platform.operate('clients.disable', { client_id: clientId }),
      ({ clientId, key }: OAuthClient) =>
        platform.operate('clients.revoke-key', { client_id: clientId, kid: key.thumbprint }),
    ]) {
      const own = await makeOAuthClient(platform);
      const token = await fetchToken(platform, a, own, forOrders);
      expect(await ask(token)).toMatchObject({ active: true });
      await change(own);
      platform.clock.nowMs += 10_000;
      expect(await ask(token)).toEqual({ active: false });
    }
  });

  it('with the scope for it', async () => {
    const token = await fetchToken(platform, a, client, forOrders);
    expect((await ask(token, client)).error).toBe('unauthorized_client');
    const key = await makeKey();
    await platform.operate('clients.create', {
      client_id: 'billing-api',
      profile: 'strict',
      jwk: { ...key.jwk, alg: 'ES256' },
      scopes: ['tokens:introspect'],
    });
    // It may ask, but the config names another client with this API.
    expect(await ask(token, { clientId: 'billing-api', key })).toEqual({ active: false });
  });
});

it('an operator revokes a token by its jti, in the Region that is asked', async () => {
  const token = await fetchToken(platform, a, client);
  const jti = decodeJwt(token).jti!;
  expect(await platform.operate('tokens.revoke', { jti })).toEqual({ jti });
  expect((await use(a, token)).code).toBe('token_revoked');
  expect((await use(b, token)).status).toBe(201);
  await expect(platform.operate('tokens.revoke', { jti: token })).rejects.toThrow('22 characters');
});

it('where the deny list cannot be read, no token is taken', async () => {
  const token = await fetchToken(platform, a, client);
  const blind = a.instance(
    {},
    {
      seen({ input }) {
        if (input.Key?.pk?.S?.startsWith('deny#'))
          throw Object.assign(new Error(), { name: 'InternalServerError' });
      },
    },
  );
  const answer = await call(platform, blind, client, token, newUser());
  expect([answer.status, answer.headers['dpop-nonce']]).toEqual([503, expect.any(String)]);
});
