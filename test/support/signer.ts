/** A client for tests: it signs any claims, valid or not. */
import { createHash, createHmac, randomBytes, randomUUID } from 'node:crypto';
import type { HttpAnswer, HttpAsk, Platform, Region } from './regions.ts';
import { ISSUER } from './regions.ts';

export interface Signer {
  readonly clientId: string;
  readonly apiKey: string;
  readonly kid: string;
}

export async function makeClient(
  platform: Platform,
  clientId = `c-${randomUUID().slice(0, 8)}`,
  limit?: number,
): Promise<Signer> {
  const { api_key, kid } = await platform.operate('clients.create', {
    client_id: clientId,
    profile: 'strict',
    ...(limit !== undefined && { limit }),
  });
  return { clientId, apiKey: api_key!, kid };
}

export async function makeBasicClient(platform: Platform): Promise<Signer> {
  const client_id = `b-${randomUUID().slice(0, 8)}`;
  const expires_at = new Date(platform.clock.nowMs + 30 * 24 * 3600 * 1000).toISOString();
  const made = await platform.operate('clients.create', { client_id, profile: 'basic', expires_at });
  return { clientId: client_id, apiKey: made.api_key!, kid: made.kid };
}

export const b64 = (value: unknown): string =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

/** Compact JWS with HS256. */
export function hs256(key: string, header: unknown, claims: unknown): string {
  const input = `${b64(header)}.${b64(claims)}`;
  return `${input}.${createHmac('sha256', key).update(input).digest('base64url')}`;
}

export interface ProofChange {
  readonly header?: Record<string, unknown>;
  readonly claims?: Record<string, unknown>;
  readonly key?: string;
}

/** A strict proof for a request, with the test's changes. */
export function proofFor(
  signer: Signer,
  nowMs: number,
  request: { method: string; url: string; body?: string | Uint8Array; nonce?: string },
  { header = {}, claims = {}, key = signer.apiKey }: ProofChange = {},
): string {
  const iat = Math.floor(nowMs / 1000);
  return hs256(
    key,
    { alg: 'HS256', typ: 'countersign-proof+jwt', kid: signer.kid, ...header },
    {
      iss: signer.clientId,
      aud: ISSUER,
      jti: randomBytes(16).toString('base64url'),
      iat,
      exp: iat + (request.nonce === undefined ? 60 : 120),
      htm: request.method,
      htu: request.url,
      fingerprint: createHash('sha256')
        .update(request.body ?? '')
        .digest('base64url'),
      ...(request.nonce !== undefined && { nonce: request.nonce }),
      ...claims,
    },
  );
}

export async function fetchNonce(region: Region, clientId: string): Promise<string> {
  const { json } = await region.send({ method: 'GET', path: `/v1/nonce?client_id=${clientId}` });
  return json.nonce;
}

export const registerAsk = (proof: string, body: string | Uint8Array): HttpAsk => ({
  method: 'POST',
  path: '/v1/register',
  headers: { Authorization: `JWT ${proof}`, 'Content-Type': 'application/json' },
  body,
});

/** All parts of a registration request, so that a test can change, keep and repeat each of them. */
export async function prepare(
  platform: Platform,
  region: Region,
  signer: Signer,
  user: unknown,
  change: ProofChange & { nonce?: string } = {},
): Promise<HttpAsk & { nonce: string; proof: string }> {
  const body = typeof user === 'string' || user instanceof Uint8Array ? user : JSON.stringify(user);
  const nonce = change.nonce ?? (await fetchNonce(region, signer.clientId));
  const request = { method: 'POST', url: `${region.url}/v1/register`, body, nonce };
  const proof = proofFor(signer, platform.clock.nowMs, request, change);
  return { ...registerAsk(proof, body), nonce, proof };
}

export async function register(
  platform: Platform,
  region: Region,
  signer: Signer,
  user: unknown,
): Promise<HttpAnswer> {
  return region.send(await prepare(platform, region, signer, user));
}

export function read(
  platform: Platform,
  region: Region,
  signer: Signer,
  id: string,
  headers: Record<string, string> = {},
): Promise<HttpAnswer> {
  return get(platform, region, signer, `/v1/registrations/${id}`, headers);
}

/** @param after a cursor, or `0` */
export const readEvents = (
  platform: Platform,
  region: Region,
  signer: Signer,
  after: string,
): Promise<HttpAnswer> => get(platform, region, signer, `/v1/events/${after}`);

function get(
  platform: Platform,
  region: Region,
  signer: Signer,
  path: string,
  headers: Record<string, string> = {},
): Promise<HttpAnswer> {
  const proof = proofFor(signer, platform.clock.nowMs, { method: 'GET', url: region.url + path });
  return region.send({ method: 'GET', path, headers: { Authorization: `JWT ${proof}`, ...headers } });
}

export async function remove(
  platform: Platform,
  region: Region,
  signer: Signer,
  id: string,
): Promise<HttpAnswer> {
  const path = `/v1/registrations/${id}`;
  const nonce = await fetchNonce(region, signer.clientId);
  const proof = proofFor(signer, platform.clock.nowMs, { method: 'DELETE', url: region.url + path, nonce });
  return region.send({ method: 'DELETE', path, headers: { Authorization: `JWT ${proof}` } });
}
