/**
 * The keys that verify a client's signatures: an API key derived from the client root, or the public key it
 * brought.
 */
import { createPublicKey, createSecretKey, type JsonWebKey, type KeyObject, randomBytes } from 'node:crypto';
import { type DeriveApiKey, deriveApiKey } from '../../protocol/api-key.ts';
import type { ClientKey, ClientRecord } from '../../protocol/client.ts';
import { type Keyset, keyBytes, verificationKey } from '../../protocol/keyset.ts';
import type { ProofAlgorithm } from '../../protocol/proof/form.ts';
import { DUMMY_KEYS } from '../../protocol/proof/signature.ts';
import type { MadeKey, VerificationKeys } from '../../protocol/proof/verify.ts';
import type { KeysetCache } from './keyset-cache.ts';

export class ClientKeys {
  readonly #roots: KeysetCache;
  readonly #nowMs: () => number;
  // By the key object of a cached record: both are dropped together.
  readonly #held = new WeakMap<ClientKey, KeyObject>();

  constructor(roots: KeysetCache, nowMs: () => number) {
    this.#roots = roots;
    this.#nowMs = nowMs;
  }

  /**
   * Reads the client root for HS256, the algorithm of API keys, whether or not the client has one: the calls
   * of stores depend on the proof alone.
   *
   * @param fresh whether the copy in memory failed to verify @throws Unavailable
   */
  async forAlgorithm(alg: ProofAlgorithm, fresh: boolean): Promise<VerificationKeys> {
    if (alg !== 'HS256')
      return {
        of: (_, key) => (key.jwk ? this.#keep(key, () => imported(key.jwk as JsonWebKey)) : undefined),
        pretend: PRETEND[alg],
      };
    const roots = await (fresh ? this.#roots.refreshed() : this.#roots.current());
    return { of: (client, key) => this.#apiKey(roots, client, key), pretend: PRETEND[alg] };
  }

  #apiKey(roots: Keyset, { clientId, salt, profile }: ClientRecord, key: ClientKey): MadeKey | undefined {
    // Looked up each time: a revoked root ends its keys at once, also those that are in memory.
    const root = key.rootKid === null ? undefined : verificationKey(roots, key.rootKid, this.#nowMs());
    if (!root) return undefined;
    const generation = Number(key.kid);
    return this.#keep(key, () => derived({ root: keyBytes(root), salt, clientId, generation, profile }));
  }

  #keep(key: ClientKey, make: () => KeyObject): MadeKey {
    const held = this.#held.get(key);
    if (held) return { material: held, made: false };
    const material = make();
    this.#held.set(key, material);
    return { material, made: true };
  }
}

const derived = (parts: DeriveApiKey): KeyObject => createSecretKey(deriveApiKey(parts), 'utf8');
const imported = (key: JsonWebKey): KeyObject => createPublicKey({ key, format: 'jwk' });

const NOBODY = {
  root: randomBytes(32),
  salt: randomBytes(16),
  clientId: 'nobody',
  generation: 1,
  profile: 'strict',
} as const;
const jwkOf = (alg: 'ES256' | 'Ed25519'): JsonWebKey => DUMMY_KEYS[alg].export({ format: 'jwk' });
const EC = jwkOf('ES256');
const OKP = jwkOf('Ed25519');

/** Makes a key that nobody holds, at the cost of a real one. */
const PRETEND: Readonly<Record<ProofAlgorithm, () => KeyObject>> = {
  HS256: () => derived(NOBODY),
  ES256: () => imported(EC),
  Ed25519: () => imported(OKP),
  EdDSA: () => imported(OKP),
};
