/** Check 4: the signature. An unknown client, kid, alg or profile costs the same work and gives the same answer. */
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

/**
 * Verifies a proof against each candidate; the missing ones are made up with dummy keys of the claimed alg, so
 * that their number shows in no timing.
 *
 * @returns the key that verifies, or undefined
 */
export function verifySignature(proof: Proof, candidates: readonly Candidate[]): ClientKey | undefined {
  const tries = proof.profile === 'basic' ? BASIC_CANDIDATES : 1;
  let signer: ClientKey | undefined;
  for (let i = 0; i < tries; i++) {
    const candidate = candidates[i];
    const verified = verifies(proof, candidate ? candidate.material : dummyKey(proof.alg));
    if (verified && candidate) signer ??= candidate.key;
  }
  return signer;
}

/** RFC 7515 §5.2 with RFC 7518 §3 and RFC 8037 §3.1. On this thread: handing it to another costs more than an HMAC. */
function verifies({ token, alg }: Proof, key: KeyObject): boolean {
  const end = token.lastIndexOf('.');
  const input = Buffer.from(token.slice(0, end), 'latin1');
  const signature = Buffer.from(token.slice(end + 1), 'base64url');
  if (alg === 'HS256') {
    const mac = createHmac('sha256', key).update(input).digest();
    return mac.length === signature.length && timingSafeEqual(mac, signature);
  }
  if (alg === 'ES256') return verify('sha256', input, { key, dsaEncoding: 'ieee-p1363' }, signature);
  return verify(null, input, key, signature);
}

const dummies = new Map<string, KeyObject>();

/** A key that nobody holds the other half of. */
function dummyKey(alg: ProofAlgorithm): KeyObject {
  let key = dummies.get(alg);
  if (!key) {
    if (alg === 'HS256') key = createSecretKey(randomBytes(64));
    else if (alg === 'ES256') key = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey;
    else key = generateKeyPairSync('ed25519').publicKey;
    dummies.set(alg, key);
  }
  return key;
}
