/**
 * Shows a standard client: an OAuth library that knows nothing of Countersign gets a token, registers a user
 * with it, and is refused when it sends the same request again.
 */
import { exportJWK } from 'jose';
import * as oauth from 'oauth4webapi';
import { invokeAdmin } from '../cli/admin.ts';
import { localTarget } from '../cli/target.ts';
import { verdict } from './demo.ts';
import type { PlatformInfo } from './platform.ts';
import { bold, dim } from './terminal.ts';

const CLIENT_ID = 'dev-oauth';
const USER = { user_id: 'grace', email: 'grace@example.com', display_name: 'Grace Hopper' };
/** The local platform has no certificate. */
const INSECURE = { [oauth.allowInsecureRequests]: true } as const;

/** @throws Error where the platform refuses the client, or accepts the replay */
export async function showStandardClient(info: PlatformInfo, print: (line: string) => void): Promise<void> {
  const { entry } = info;
  const step = (n: number, what: string, outcome: string) => print(`  ${n}  ${what.padEnd(44)}${outcome}`);
  print(`\n${bold('A standard client')}, ${CLIENT_ID}: an OAuth library, without our SDK\n`);

  const keys = (await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, false, [
    'sign',
    'verify',
  ])) as CryptoKeyPair;
  const { kty, crv, x, y } = await exportJWK(keys.publicKey);
  const names = info.regions.map(({ name }) => name);
  const jwk = { kty, crv, x, y, alg: 'ES256' };
  const params = { client_id: CLIENT_ID, profile: 'strict', jwk } as const;
  await invokeAdmin(localTarget(info.awsEndpoint, names), names[0]!, 'clients.create', params);

  const issuer = new URL(entry);
  const found = await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...INSECURE });
  const server = await oauth.processDiscoveryResponse(issuer, found);
  step(1, 'GET /.well-known/oauth-authorization-server', verdict(found));

  const client: oauth.Client = { client_id: CLIENT_ID };
  const DPoP = oauth.DPoP(client, keys);
  const { access_token, answer } = await getToken(server, client, keys, DPoP);
  step(2, 'POST /v1/oauth/token', `${verdict(answer)}  ${dim('bound to its key, for ten minutes')}`);

  let sent: [string, RequestInit] | undefined;
  const remember = (url: string, init: object) => {
    sent = [url, init];
    return fetch(url, init);
  };
  const registered = await oauth.protectedResourceRequest(
    access_token,
    'POST',
    new URL(`${entry}/v1/register`),
    new Headers({ 'Content-Type': 'application/json' }),
    JSON.stringify(USER),
    { DPoP, ...INSECURE, [oauth.customFetch]: remember },
  );
  if (registered.status !== 201) throw new Error(`a standard client was answered ${registered.status}`);
  const { id } = (await registered.json()) as { id: string };
  step(3, 'POST /v1/register with it', `${verdict(registered)}  ${dim(id)}`);

  const replayed = await fetch(...sent!);
  const { code } = (await replayed.json()) as { code?: string };
  if (code !== 'invalid_proof') throw new Error(`a replay was answered ${replayed.status}`);
  step(4, 'the same request again', `${verdict(replayed)}  ${dim(`${code}: a DPoP proof works only once`)}`);
}

/** The first answer only brings a nonce: the client signs again, as standard clients do. */
async function getToken(
  server: oauth.AuthorizationServer,
  client: oauth.Client,
  keys: CryptoKeyPair,
  DPoP: oauth.DPoPHandle,
): Promise<{ access_token: string; answer: Response }> {
  const authentication = oauth.PrivateKeyJwt(keys.privateKey);
  for (let attempt = 1; ; attempt++) {
    const options = { DPoP, ...INSECURE };
    const asked = new URLSearchParams({ scope: 'registrations:write' });
    const answer = await oauth.clientCredentialsGrantRequest(server, client, authentication, asked, options);
    try {
      const { access_token } = await oauth.processClientCredentialsResponse(server, client, answer.clone());
      return { access_token, answer };
    } catch (error) {
      if (attempt > 1 || !oauth.isDPoPNonceError(error)) throw error;
    }
  }
}
