/** The material of a platform key: its kind, its secret bytes, and a fingerprint that recognises it. */
import { createHash } from 'node:crypto';
import type { JWK } from 'jose';
import { decodeBase64url } from './bytes.ts';

/** `HKDF-SHA-256` where other keys are derived from it, else the JWS algorithm. */
export type KeyAlgorithm = 'HKDF-SHA-256' | 'ES256' | 'Ed25519';

/** The length of a private key, and of a key that others are derived from. */
const SECRET_BYTES = 32;
/** 128 bits, so that a keyset has room for a thousand. */
const FINGERPRINT_BYTES = 16;

/**
 * @returns whether the JWK is a whole private key of the algorithm; a key to derive from may have more than
 * 32 bytes
 */
export function isOfKind({ kty, crv, k, d, x, y }: JWK, alg: KeyAlgorithm): boolean {
  if (alg === 'HKDF-SHA-256') return kty === 'oct' && lengthOf(k) >= SECRET_BYTES;
  if (alg === 'ES256') return kty === 'EC' && crv === 'P-256' && [d, x, y].every(is32Bytes);
  return kty === 'OKP' && crv === 'Ed25519' && [d, x].every(is32Bytes);
}

/** @returns the fault that forbids a new key of this material, or undefined; it holds no part of the key */
export function materialFault(jwk: JWK, alg: KeyAlgorithm): string | undefined {
  if (!isOfKind(jwk, alg)) return `is no ${alg} key`;
  const secret = secretBytes(jwk);
  if (secret.length !== SECRET_BYTES) return `has ${secret.length} bytes, not ${SECRET_BYTES}`;
  return secret.every((byte) => byte === secret[0]) ? 'is one byte repeated' : undefined;
}

/** @returns a hash that differs for each material and does not reveal it */
export const fingerprint = (jwk: JWK): string =>
  createHash('sha256')
    .update('countersign/key/')
    .update(secretBytes(jwk))
    .digest()
    .subarray(0, FINGERPRINT_BYTES)
    .toString('base64url');

const secretBytes = ({ k, d }: JWK): Buffer => Buffer.from(k ?? d ?? '', 'base64url');

const lengthOf = (text: unknown): number =>
  typeof text === 'string' ? (decodeBase64url(text)?.length ?? 0) : 0;

const is32Bytes = (text: unknown): boolean => lengthOf(text) === SECRET_BYTES;
