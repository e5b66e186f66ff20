/** A client of the stage's OAuth routes, at the handlers of a test's Regions. */
import { randomUUID } from 'node:crypto';
import type { OAuthSettings } from '../../lambda/contract/serving-environment.ts';
import { assertion, dpopProof, type JwsChange, makeKey, type TestKey } from './dpop.ts';
import { type HttpAnswer, type HttpAsk, ISSUER, type Platform, type Region } from './regions.ts';

export const SETTINGS: OAuthSettings = {
  tokenLifeMs: 600_000,
  bodyBinding: false,
  scopes: ['orders:read'],
  resources: [{ url: 'https://orders.example.com', client: 'orders-api' }],
};

export interface OAuthClient {
  readonly clientId: string;
  readonly key: TestKey;
}

/** @param expiresAtMs end of its key; absent: the longest */
export async function makeOAuthClient(
  platform: Platform,
  alg: TestKey['alg'] = 'ES256',
  expiresAtMs?: number,
): Promise<OAuthClient> {
  const key = await makeKey(alg);
  const clientId = `o-${randomUUID().slice(0, 8)}`;
  await platform.operate('clients.create', {
    client_id: clientId,
    profile: 'strict',
    jwk: { ...key.jwk, alg },
    ...(expiresAtMs !== undefined && { expires_at: new Date(expiresAtMs).toISOString() }),
  });
  return { clientId, key };
}

export const form = (members: Readonly<Record<string, string | undefined>>): string =>
  new URLSearchParams(
    Object.entries(members).filter((each): each is [string, string] => each[1] !== undefined),
  ).toString();

export interface TokenChange {
  /** Undefined members are left out. */
  readonly form?: Readonly<Record<string, string | undefined>>;
  readonly assertion?: JwsChange;
  readonly dpop?: JwsChange;
  /** Signs the DPoP proof. */
  readonly dpopKey?: TestKey;
  readonly nonce?: string;
  readonly headers?: HttpAsk['headers'];
}

/** All parts of a request for a token, so that a test can change, keep and repeat each of them. */
export async function prepareToken(
  platform: Platform,
  region: Region,
  { clientId, key }: OAuthClient,
  change: TokenChange = {},
): Promise<HttpAsk> {
  const nowS = platform.clock.nowMs / 1000;
  const request = { method: 'POST', url: `${region.url}/v1/oauth/token`, nowS };
  const nonce = change.nonce ?? (await dpopNonce(region));
  return {
    method: 'POST',
    path: '/v1/oauth/token',
    headers: {
      'Content-Type': 'application/x-www-form-urlencoded',
      DPoP: dpopProof(change.dpopKey ?? key, { ...request, nonce }, change.dpop),
      ...change.headers,
    },
    body: form({
      grant_type: 'client_credentials',
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: assertion(key, { clientId, issuer: ISSUER, nowS }, change.assertion),
      ...change.form,
    }),
  };
}

/** A nonce for DPoP, from the answer to a request without one. */
export async function dpopNonce(region: Region): Promise<string> {
  const answer = await region.send({ method: 'POST', path: '/v1/oauth/token' });
  return answer.headers['dpop-nonce']!;
}

export async function fetchToken(
  platform: Platform,
  region: Region,
  client: OAuthClient,
  change?: TokenChange,
): Promise<string> {
  const { status, json } = await region.send(await prepareToken(platform, region, client, change));
  if (status !== 200) throw new Error(`no token: ${JSON.stringify(json)}`);
  return json.access_token;
}

export interface CallChange {
  readonly dpop?: JwsChange;
  readonly dpopKey?: TestKey;
  readonly nonce?: string;
  readonly headers?: HttpAsk['headers'];
}

/** A call with a token. */
export async function prepareCall(
  platform: Platform,
  region: Region,
  { key }: OAuthClient,
  token: string,
  { method, path, body }: Pick<HttpAsk, 'method' | 'path' | 'body'>,
  change: CallChange = {},
): Promise<HttpAsk> {
  const nonce = change.nonce ?? (await dpopNonce(region));
  const request = { method, url: region.url + path, nonce, token, nowS: platform.clock.nowMs / 1000 };
  return {
    ...{ method, path },
    headers: {
      Authorization: `DPoP ${token}`,
      DPoP: dpopProof(change.dpopKey ?? key, request, change.dpop),
      ...(body !== undefined && { 'Content-Type': 'application/json' }),
      ...change.headers,
    },
    ...(body !== undefined && { body }),
  };
}

/** Registers, reads or deletes with a token. */
export async function call(
  platform: Platform,
  region: Region,
  client: OAuthClient,
  token: string,
  asked: Pick<HttpAsk, 'method' | 'path' | 'body'>,
  change?: CallChange,
): Promise<HttpAnswer> {
  return region.send(await prepareCall(platform, region, client, token, asked, change));
}

export const registerUser = (user: object) => ({
  method: 'POST',
  path: '/v1/register',
  body: JSON.stringify(user),
});
