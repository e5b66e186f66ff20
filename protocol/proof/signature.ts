/**
 * Check 4 (signature). An unknown client, kid, alg or profile costs the same work and gives the same answer.
 */
import {
  createHmac,
  createSecretKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  timingSafeEqual,
  verify,
} from 'node:crypto';
import { BASIC_CANDIDATES, type ClientKey } from '../client.ts';
import type { Proof, ProofAlgorithm } from './form.ts';

/** A client's key together with what verifies its signatures. */
export interface Candidate {
  readonly key: ClientKey;
  readonly material: KeyObject;
}

/** How many keys a proof is tried against, known or not. */
export const triesFor = ({ profile }: Pick<Proof, 'profile'>): number =>
  profile === 'basic' ? BASIC_CANDIDATES : 1;

/**
 * Verifies a proof against each candidate, and against a dummy key of the claimed alg for each missing one:
 * the timing does not show how many there are.
 *
 * @returns the key that verifies, or undefined
 */
export function verifySignature(proof: Proof, candidates: readonly Candidate[]): ClientKey | undefined {
  let signer: ClientKey | undefined;
  for (let i = 0; i < triesFor(proof); i++) {
    const candidate = candidates[i];
    const verified = isSignedBy(proof, candidate ? candidate.material : DUMMY_KEYS[proof.alg]);
    if (verified && candidate) signer ??= candidate.key;
  }
  return signer;
}

/**
 * Whether the key has signed the token, a compact JWS of one spelling: RFC 7515 §5.2 with RFC 7518 §3 and RFC
 * 8037 §3.1. On this thread: handing it to another costs more than an HMAC.
 */
export function isSignedBy({ token, alg }: Pick<Proof, 'token' | 'alg'>, key: KeyObject): boolean {
  const end = token.lastIndexOf('.');
  const text = token.slice(0, end);
  const signature = Buffer.from(token.slice(end + 1), 'base64url');
  if (alg === 'HS256') {
    const mac = createHmac('sha256', key).update(text, 'latin1').digest();
    return mac.length === signature.length && timingSafeEqual(mac, signature);
  }
  const input = Buffer.from(text, 'latin1');
  if (alg !== 'ES256') return verify(null, input, key, signature);
  const der = signature.length === 2 * P256_BYTES && ecdsaSignature(signature);
  return der && verify('sha256', input, key, der);
}

const P256_BYTES = 32;

/**
 * From r ‖ s (RFC 7518 §3.4) to the DER that OpenSSL verifies (RFC 3279 §2.2.3). Node converts as well, at a
 * quarter of the price of a verification.
 */
function ecdsaSignature(signature: Buffer): Buffer {
  const r = derInteger(signature.subarray(0, P256_BYTES));
  const s = derInteger(signature.subarray(P256_BYTES));
  return Buffer.concat([Buffer.from([0x30, r.length + s.length]), r, s]);
}

/** Shortest form, and positive: a leading zero only before a byte that would otherwise be the sign. */
function derInteger(bytes: Buffer): Buffer {
  let start = 0;
  while (start < bytes.length - 1 && bytes[start] === 0) start += 1;
  const digits = bytes.subarray(start);
  const sign = digits.readUInt8() >= 0x80 ? [0] : [];
  return Buffer.from([0x02, sign.length + digits.length, ...sign, ...digits]);
}

const edwards = generateKeyPairSync('ed25519').publicKey;

/**
 * Keys that no client holds. They are made at the start, so that the first unknown client costs no more than
 * later ones.
 */
export const DUMMY_KEYS: Readonly<Record<ProofAlgorithm, KeyObject>> = {
  HS256: createSecretKey(randomBytes(64)),
  ES256: generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey,
  Ed25519: edwards,
  EdDSA: edwards,
};
