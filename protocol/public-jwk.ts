/**
 * Public keys that clients bring (RFC 7517; RFC 7518 §6.2, RFC 8037 §2): each has one spelling, so one
 * thumbprint.
 */
import { createPublicKey, hash, type JsonWebKey } from 'node:crypto';

/**
 * Node accepts padding, white space, spare bits and leading zeros in a coordinate: with them a revoked key
 * could come back under another thumbprint.
 *
 * @returns the JWK as Node writes it, or undefined where this is not a public key or has another spelling
 */
export function canonicalJwk(jwk: JsonWebKey): JsonWebKey | undefined {
  let written: JsonWebKey;
  try {
    written = createPublicKey({ key: jwk, format: 'jwk' }).export({ format: 'jwk' });
  } catch {
    return undefined;
  }
  return written.x === jwk.x && written.y === jwk.y ? written : undefined;
}

/** RFC 7518 §6.2.2, §6.3.2 and §6.4, RFC 8037 §2. */
const SECRET = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'];

/** Whether a JWK has a member of a private or a symmetric key. */
export const holdsSecret = (jwk: object): boolean => SECRET.some((name) => name in jwk);

/**
 * RFC 7638 with SHA-256: the members that a public key of its type needs, by name, without white space.
 *
 * @param jwk in its one spelling
 */
export const thumbprintOf = ({ kty, crv, x, y }: JsonWebKey): string =>
  hash('sha256', JSON.stringify({ crv, kty, x, ...(y !== undefined && { y }) }), 'base64url');
