/**
 * The purposes of the platform's keys, one line each. Each purpose has a keyset in a secret of its own, so a
 * function reads only what it needs. Secrets, rotation functions, schedules and the names in Vault follow
 * from these lines.
 */
import type { KeyAlgorithm } from '../../protocol/key-material.ts';
import { LONGEST_DPOP_NONCE_LIFE_MS, LONGEST_NONCE_LIFE_MS } from '../../protocol/nonce.ts';

/** A key type of Vault's Transit engine: other keys are derived from `hmac`; the others sign. */
export type TransitKeyType = 'hmac' | 'ecdsa-p256' | 'ed25519';

interface KeysetKind {
  readonly keyType: TransitKeyType;
  /** From one rotation to the next; the config may change it. */
  readonly rotationDays: number;
  /**
   * Longest life of what is signed with a key or derived from it: a setting of the config, or milliseconds.
   */
  readonly life: 'clientKeyLife' | number;
}

const LONGEST_TOKEN_LIFE_MS = LONGEST_NONCE_LIFE_MS;
const DAY_MS = 24 * 3_600_000;

export const KEYSETS = {
  nonce: { keyType: 'hmac', rotationDays: 30, life: LONGEST_DPOP_NONCE_LIFE_MS },
  'client-root': { keyType: 'hmac', rotationDays: 180, life: 'clientKeyLife' },
  token: { keyType: 'ecdsa-p256', rotationDays: 30, life: LONGEST_TOKEN_LIFE_MS },
  // A consumer may keep a callback unverified for as long as its retries go on, and its copy of the JWKS for
  // five minutes.
  webhook: { keyType: 'ed25519', rotationDays: 30, life: 3 * DAY_MS + 300_000 },
  // An endpoint's secret lives at least this long.
  'webhook-root': { keyType: 'hmac', rotationDays: 180, life: 90 * DAY_MS },
} as const satisfies Record<string, KeysetKind>;

export type Purpose = keyof typeof KEYSETS;
export const PURPOSES = Object.keys(KEYSETS) as Purpose[];

const ALGORITHMS = {
  hmac: 'HKDF-SHA-256',
  'ecdsa-p256': 'ES256',
  ed25519: 'Ed25519',
} as const satisfies Record<TransitKeyType, KeyAlgorithm>;

/** @returns the algorithm of every key of the purpose */
export const algorithmOf = (purpose: Purpose): KeyAlgorithm => ALGORITHMS[KEYSETS[purpose].keyType];

/** @returns the longest life of what the purpose's keys sign, in milliseconds */
export function longestLifeMs(purpose: Purpose, clientKeyLifeMs: number): number {
  const { life } = KEYSETS[purpose];
  return typeof life === 'number' ? life : clientKeyLifeMs;
}
