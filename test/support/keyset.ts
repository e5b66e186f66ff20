/** A keyset of one key that signs at once. */
import type { JWK } from 'jose';
import type { KeyAlgorithm } from '../../protocol/key-material.ts';
import { freshKid, type Keyset } from '../../protocol/keyset.ts';

export interface InitialKey {
  readonly alg: KeyAlgorithm;
  readonly jwk: JWK;
  readonly maxLifeMs: number;
}

export function initialKeyset({ alg, jwk, maxLifeMs }: InitialKey, nowMs: number): Keyset {
  const kid = freshKid({ keys: [], revoked: [] });
  const key = { kid, alg, jwk, activates_at: nowMs, retires_at: null, max_life: maxLifeMs, vault: null };
  return { version: 1, seq: 1, based_on: null, revoked: [], fingerprints: [], keys: [key] };
}
