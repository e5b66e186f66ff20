/** Unmodified standard clients, against the local platform over HTTP: openid-client and oauth4webapi. */
import { randomUUID } from 'node:crypto';
import { exportJWK, type JWK } from 'jose';
import * as oauth from 'oauth4webapi';
import * as openid from 'openid-client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { invokeAdmin } from '../../cli/admin.ts';
import { localTarget } from '../../cli/target.ts';
import { type Platform, startPlatform } from '../../local/platform.ts';
import { checkedFetch } from '../support/checked-fetch.ts';

let platform: Platform;
const http = checkedFetch();
beforeAll(async () => {
  platform = await startPlatform({ port: 0, consistency: 'strong' });
});
afterAll(() => platform.stop());

const ALGORITHMS = { ES256: { name: 'ECDSA', namedCurve: 'P-256' }, Ed25519: { name: 'Ed25519' } } as const;
type Algorithm = keyof typeof ALGORITHMS;

/** A client with a key pair whose private half nobody can read. */
async function makeClient(alg: Algorithm): Promise<{ clientId: string; keys: CryptoKeyPair }> {
  const keys = (await crypto.subtle.generateKey(ALGORITHMS[alg], false, ['sign', 'verify'])) as CryptoKeyPair;
  const { kty, crv, x, y }: JWK = await exportJWK(keys.publicKey);
  const clientId = `s-${randomUUID().slice(0, 8)}`;
  const { awsEndpoint, regions } = platform.info;
  const names = regions.map(({ name }) => name);
  await invokeAdmin(localTarget(awsEndpoint, names), names[0]!, 'clients.create', {
    client_id: clientId,
    profile: 'strict',
    jwk: { kty, crv, x, ...(y !== undefined && { y }), alg },
  });
  return { clientId, keys };
}

const JSON_TYPE = new Headers({ 'Content-Type': 'application/json' });

describe.each(['ES256', 'Ed25519'] as const)('openid-client with %s', (alg) => {
  it('discovers, gets a token, registers a user and gives the token back', async () => {
    const { clientId, keys } = await makeClient(alg);
    const { entry } = platform.info;
    const config = await openid.discovery(
      new URL(entry),
      clientId,
      undefined,
      openid.PrivateKeyJwt(keys.privateKey),
      {
        algorithm: 'oauth2',
        execute: [openid.allowInsecureRequests],
        [openid.customFetch]: http as openid.CustomFetch,
      },
    );
    const DPoP = openid.getDPoPHandle(config, keys);
    const tokens = await openid.clientCredentialsGrant(config, { scope: 'registrations:write' }, { DPoP });
    expect(tokens).toMatchObject({ token_type: 'dpop', expires_in: 600, scope: 'registrations:write' });

    const body = JSON.stringify({ user_id: 'standard' });
    const register = () =>
      openid.fetchProtectedResource(
        config,
        tokens.access_token,
        new URL(`${entry}/v1/register`),
        'POST',
        body,
        JSON_TYPE,
        { DPoP },
      );
    const made = await register();
    expect([made.status, await made.json()]).toMatchObject([
      201,
      { client_id: clientId, user_id: 'standard' },
    ]);
    // The same user again: the nonce of the token's answer serves all calls.
    const again = await register();
    expect([again.status, again.headers.get('idempotency-replayed')]).toEqual([201, 'true']);

    await openid.tokenRevocation(config, tokens.access_token);
    const refused = await register();
    expect([refused.status, await refused.json()]).toMatchObject([401, { code: 'token_revoked' }]);
  });
});

describe.each(['ES256', 'Ed25519'] as const)('oauth4webapi with %s', (alg) => {
  it('discovers, gets a token, registers, reads and deletes; what it sent is refused again', async () => {
    const { clientId, keys } = await makeClient(alg);
    const { entry } = platform.info;
    const insecure = { [oauth.allowInsecureRequests]: true } as const;
    const issuer = new URL(entry);
    const discovered = await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...insecure });
    const as = await oauth.processDiscoveryResponse(issuer, discovered);
    const client: oauth.Client = { client_id: clientId };
    const DPoP = oauth.DPoP(client, keys);
    const grant = () =>
      oauth
        .clientCredentialsGrantRequest(
          as,
          client,
          oauth.PrivateKeyJwt(keys.privateKey),
          new URLSearchParams(),
          {
            DPoP,
            ...insecure,
          },
        )
        .then((response) => oauth.processClientCredentialsResponse(as, client, response));
    // Without a nonce yet: the error has one, and the client signs again.
    const nonceError = await grant().catch((error: unknown) => error);
    expect(oauth.isDPoPNonceError(nonceError)).toBe(true);
    const { access_token } = await grant();

    const sent: [string, RequestInit][] = [];
    const recording = (url: string, init: object) => {
      sent.push([url, init]);
      return http(url, init);
    };
    const call = (method: string, path: string, body?: string) =>
      oauth.protectedResourceRequest(
        access_token,
        method,
        new URL(entry + path),
        body === undefined ? undefined : JSON_TYPE,
        body,
        { DPoP, ...insecure, [oauth.customFetch]: recording },
      );
    const made = await call('POST', '/v1/register', JSON.stringify({ user_id: 'low-level' }));
    expect(made.status).toBe(201);
    const { id } = (await made.json()) as { id: string };
    expect((await call('GET', `/v1/registrations/${id}`)).status).toBe(200);
    expect((await call('DELETE', `/v1/registrations/${id}`)).status).toBe(204);
    for (const request of sent) {
      const refused = await fetch(...request);
      expect([refused.status, await refused.json()]).toMatchObject([401, { code: 'invalid_proof' }]);
    }
  });
});
