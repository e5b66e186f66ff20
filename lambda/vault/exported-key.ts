/** Turns the keys that Transit exports into private JWKs. Errors never quote a key. */
import { createECDH, createPrivateKey, createPublicKey } from 'node:crypto';
import type { JWK } from 'jose';
import type { TransitKeyType } from '../contract/purposes.ts';
import { VaultError } from './vault-error.ts';

/**
 * @throws VaultError if it is not a key of the type, or its public half does not belong to the private one
 */
export function toJwk(type: TransitKeyType, exported: string): JWK {
  let jwk: JWK | undefined;
  try {
    jwk = FORMS[type](exported);
  } catch {
    // Errors of OpenSSL and Node may quote the key.
  }
  if (jwk) return jwk;
  throw new VaultError('unexpected', `Vault exported a key that is no whole ${type} key`);
}

/** @param reported the public half of that version as Vault shows it: PEM, or base64 for Ed25519 */
export function isPublicHalf(type: TransitKeyType, { x, y }: JWK, reported: unknown): boolean {
  if (type === 'hmac') return true;
  if (typeof reported !== 'string') return false;
  try {
    if (type === 'ed25519') return Buffer.from(reported, 'base64').toString('base64url') === x;
    const half = createPublicKey(reported).export({ format: 'jwk' });
    return half.crv === 'P-256' && half.x === x && half.y === y;
  } catch {
    return false;
  }
}

const FORMS: Readonly<Record<TransitKeyType, (exported: string) => JWK | undefined>> = {
  /** 32 bytes or more. */
  hmac(base64) {
    const bytes = Buffer.from(base64, 'base64');
    return bytes.length >= 32
      ? { kty: 'oct', k: bytes.toString('base64url'), alg: 'HKDF-SHA-256' }
      : undefined;
  },

  /** SEC 1, as PEM. OpenSSL does not check the public half in it, so it is computed again. */
  'ecdsa-p256'(pem) {
    const { crv, d = '', x = '', y = '' } = createPrivateKey(pem).export({ format: 'jwk' });
    if (crv !== 'P-256') return undefined;
    const curve = createECDH('prime256v1');
    curve.setPrivateKey(d, 'base64url');
    const point = Buffer.concat([Buffer.of(4), Buffer.from(x, 'base64url'), Buffer.from(y, 'base64url')]);
    return curve.getPublicKey().equals(point) ? { kty: 'EC', crv, x, y, d, alg: 'ES256' } : undefined;
  },

  /** The seed and the public half (RFC 8032), 32 bytes each. */
  ed25519(base64) {
    const bytes = Buffer.from(base64, 'base64');
    if (bytes.length !== 64) return undefined;
    const [d, x] = [bytes.subarray(0, 32), bytes.subarray(32)].map((half) => half.toString('base64url'));
    const der = Buffer.concat([PKCS8_ED25519, bytes.subarray(0, 32)]);
    const derived = createPublicKey(createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }));
    if (derived.export({ format: 'jwk' }).x !== x) return undefined;
    return { kty: 'OKP', crv: 'Ed25519', x: x!, d: d!, alg: 'Ed25519' };
  },
};

/** Beginning of an Ed25519 key in PKCS #8, before the seed (RFC 8410, section 7). */
const PKCS8_ED25519 = Buffer.from('302e020100300506032b657004220420', 'hex');
