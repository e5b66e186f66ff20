/** Check 4: the signature. An unknown client, kid, alg or profile costs the same work and gives the same answer. */
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { type CryptoKey, compactVerify, errors, type JWK, type KeyObject } from 'jose';
import { BASIC_CANDIDATES, type ClientKey } from '../client.ts';
import type { Proof, ProofAlgorithm } from './form.ts';

export type KeyMaterial = CryptoKey | KeyObject | Uint8Array | JWK;

/** A client's key together with what verifies its signatures. */
export interface Candidate {
  readonly key: ClientKey;
  readonly material: KeyMaterial;
}

/**
 * Verifies a proof against each candidate; the missing ones are made up with dummy keys of the claimed alg, so
 * that their number shows in no timing.
 *
 * @returns the key that verifies, or undefined
 */
export async function verifySignature(
  proof: Proof,
  candidates: readonly Candidate[],
): Promise<ClientKey | undefined> {
  const tries = proof.profile === 'basic' ? BASIC_CANDIDATES : 1;
  let signer: ClientKey | undefined;
  for (let i = 0; i < tries; i++) {
    const candidate = candidates[i];
    const verified = await verifies(proof, candidate ? candidate.material : dummyKey(proof.alg));
    if (verified && candidate) signer ??= candidate.key;
  }
  return signer;
}

async function verifies(proof: Proof, material: KeyMaterial): Promise<boolean> {
  try {
    await compactVerify(proof.token, material, { algorithms: [proof.alg] });
    return true;
  } catch (error) {
    if (error instanceof errors.JOSEError) return false;
    throw error;
  }
}

const dummies = new Map<string, KeyMaterial>();

/** A key that nobody holds the other half of. */
function dummyKey(alg: ProofAlgorithm): KeyMaterial {
  let key = dummies.get(alg);
  if (!key) {
    if (alg === 'HS256') key = randomBytes(64);
    else if (alg === 'ES256') key = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey;
    else key = generateKeyPairSync('ed25519').publicKey;
    dummies.set(alg, key);
  }
  return key;
}
