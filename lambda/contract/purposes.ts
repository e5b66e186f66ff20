/**
 * What the platform has keys for, a line each. A keyset, and so a secret, per purpose: a function reads only what it
 * needs. Secrets, rotation functions, schedules, and what stands in Vault follow from these lines.
 */
import type { KeyAlgorithm } from '../../protocol/key-material.ts';

/** Of Vault's Transit engine: `hmac` where other keys are derived from it, else what signs. */
export type TransitKeyType = 'hmac' | 'ecdsa-p256' | 'ed25519';

interface KeysetKind {
  readonly keyType: TransitKeyType;
  /** From one rotation to the next, unless the config says otherwise. */
  readonly rotationDays: number;
  /** Longest life of what is signed with a key or derived from it: a setting of the config, or milliseconds. */
  readonly life: 'clientKeyLife' | number;
}

/** Also the longest that a nonce of a proof may live. */
const LONGEST_TOKEN_LIFE_MS = 3_600_000;

export const KEYSETS = {
  // A nonce for DPoP lives a minute longer than a token, so that who has a token has a nonce for it.
  nonce: { keyType: 'hmac', rotationDays: 30, life: LONGEST_TOKEN_LIFE_MS + 60_000 },
  'client-root': { keyType: 'hmac', rotationDays: 180, life: 'clientKeyLife' },
  token: { keyType: 'ecdsa-p256', rotationDays: 30, life: LONGEST_TOKEN_LIFE_MS },
} as const satisfies Record<string, KeysetKind>;

export type Purpose = keyof typeof KEYSETS;
export const PURPOSES = Object.keys(KEYSETS) as Purpose[];

const ALGORITHMS = {
  hmac: 'HKDF-SHA-256',
  'ecdsa-p256': 'ES256',
  ed25519: 'Ed25519',
} as const satisfies Record<TransitKeyType, KeyAlgorithm>;

/** @returns what every key of the purpose is */
export const algorithmOf = (purpose: Purpose): KeyAlgorithm => ALGORITHMS[KEYSETS[purpose].keyType];

/** @returns the longest life of what the purpose's keys sign, in milliseconds */
export function longestLifeMs(purpose: Purpose, clientKeyLifeMs: number): number {
  const { life } = KEYSETS[purpose];
  return typeof life === 'number' ? life : clientKeyLifeMs;
}
