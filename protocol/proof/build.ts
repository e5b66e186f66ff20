/**
 * Builds a strict proof (docs/protocol.md, "Strict proof"). It uses only jose and WebCrypto, so it also runs
 * in a browser.
 */
import { base64url, type CryptoKey, type JWK, type KeyObject, SignJWT } from 'jose';

export interface BuildProof {
  /** An API key's UTF-8 bytes (HS256), or a private key. */
  readonly key: Uint8Array | CryptoKey | KeyObject | JWK;
  readonly alg: 'HS256' | 'ES256' | 'Ed25519' | 'EdDSA';
  /** The generation as decimal text, or the public key's RFC 7638 thumbprint. */
  readonly kid: string;
  readonly clientId: string;
  readonly issuer: string;
  readonly method: 'POST' | 'GET' | 'DELETE';
  /** A Region's or the entry's base URL, and the route below it. */
  readonly url: string;
  /** Exactly the bytes that are sent; empty where there is no body. */
  readonly body: Uint8Array;
  /** Absent for a read. */
  readonly nonce?: string;
  /** Epoch seconds, by the server's clock. */
  readonly nowS: number;
  /** At most 300, for a read 60. */
  readonly lifeS: number;
}

/** @returns a compact JWS (RFC 7515 §3.1) for this one request */
export async function buildProof(proof: BuildProof): Promise<string> {
  const { key, alg, kid, clientId, issuer, method, url, body, nonce, nowS, lifeS } = proof;
  const iat = Math.floor(nowS);
  const digest = await crypto.subtle.digest('SHA-256', body as BufferSource);
  return new SignJWT({
    iss: clientId,
    aud: issuer,
    jti: base64url.encode(crypto.getRandomValues(new Uint8Array(16))),
    iat,
    exp: iat + lifeS,
    htm: method,
    htu: url,
    fingerprint: base64url.encode(new Uint8Array(digest)),
    ...(nonce !== undefined && { nonce }),
  })
    .setProtectedHeader({ alg, typ: 'countersign-proof+jwt', kid })
    .sign(key);
}
