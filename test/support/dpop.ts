/** A client of OAuth for tests: it signs any DPoP proof and any assertion, valid or not. */
import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import { calculateJwkThumbprint, type JWK } from 'jose';
import { b64 } from './signer.ts';

export interface TestKey {
  readonly alg: 'ES256' | 'Ed25519';
  readonly privateKey: KeyObject;
  /** The public half. */
  readonly jwk: JWK;
  readonly thumbprint: string;
}

export async function makeKey(alg: TestKey['alg'] = 'ES256'): Promise<TestKey> {
  const { privateKey, publicKey } =
    alg === 'ES256' ? generateKeyPairSync('ec', { namedCurve: 'P-256' }) : generateKeyPairSync('ed25519');
  const jwk = publicKey.export({ format: 'jwk' }) as JWK;
  return { alg, privateKey, jwk, thumbprint: await calculateJwkThumbprint(jwk) };
}

/** Compact JWS with the key, whatever `alg` the header names. */
export function jws({ alg, privateKey }: TestKey, header: object, claims: object): string {
  const input = Buffer.from(`${b64(header)}.${b64(claims)}`);
  const key = { key: privateKey, dsaEncoding: 'ieee-p1363' as const };
  return `${input}.${sign(alg === 'ES256' ? 'sha256' : null, input, key).toString('base64url')}`;
}

export interface DpopRequest {
  readonly method: string;
  readonly url: string;
  /** The nonce, where there is one yet. */
  readonly nonce?: string | undefined;
  readonly token?: string | undefined;
  readonly nowS: number;
}

/** Members that are undefined are left out. */
export interface JwsChange {
  readonly header?: object;
  readonly claims?: object;
  /** Signs in place of the client's key. */
  readonly signer?: TestKey;
}

/** A DPoP proof for a request, with the test's changes. */
export function dpopProof(
  key: TestKey,
  { method, url, nonce, token, nowS }: DpopRequest,
  { header = {}, claims = {}, signer = key }: JwsChange = {},
): string {
  return jws(
    signer,
    { typ: 'dpop+jwt', alg: key.alg, jwk: key.jwk, ...header },
    {
      jti: randomBytes(16).toString('base64url'),
      htm: method,
      htu: url,
      iat: Math.floor(nowS),
      ...(nonce !== undefined && { nonce }),
      ...(token !== undefined && { ath: sha256(token) }),
      ...claims,
    },
  );
}

/** A client assertion, with the test's changes. */
export function assertion(
  key: TestKey,
  { clientId, issuer, nowS }: { clientId: string; issuer: string; nowS: number },
  { header = {}, claims = {}, signer = key }: JwsChange = {},
): string {
  const iat = Math.floor(nowS);
  return jws(
    signer,
    { alg: key.alg, ...header },
    {
      ...{ iss: clientId, sub: clientId, aud: issuer, jti: randomBytes(16).toString('base64url') },
      ...{ iat, nbf: iat, exp: iat + 60 },
      ...claims,
    },
  );
}

export const sha256 = (data: string | Uint8Array): string =>
  createHash('sha256').update(data).digest('base64url');
