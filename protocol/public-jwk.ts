/** Public keys that clients bring (RFC 7517; RFC 7518 §6.2, RFC 8037 §2): each has one spelling, and so one thumbprint. */
import { createPublicKey, type JsonWebKey } from 'node:crypto';

/**
 * Node takes padding, white space, spare bits and leading noughts in a coordinate: a key that was revoked would come back
 * under another thumbprint.
 *
 * @returns the JWK as Node writes it, or undefined where this is no public key, or is spelled in another way
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
