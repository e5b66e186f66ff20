/**
 * What the platform has keys for, a line each. A keyset, and so a secret, per purpose: a function reads only what it
 * needs. Secrets, rotation functions, schedules, and what stands in Vault follow from these lines.
 */

/** Of Vault's Transit engine: `hmac` where other keys are derived from it, else what signs. */
export type TransitKeyType = 'hmac' | 'ecdsa-p256' | 'ed25519';

interface KeysetKind {
  readonly keyType: TransitKeyType;
  /** From one rotation to the next, unless the config says otherwise. */
  readonly rotationDays: number;
  /** Longest life of what is signed with a key or derived from it: a setting of the config, or milliseconds. */
  readonly life: 'nonceTtl' | 'clientKeyLife' | number;
}

export const KEYSETS = {
  nonce: { keyType: 'hmac', rotationDays: 30, life: 'nonceTtl' },
  'client-root': { keyType: 'hmac', rotationDays: 180, life: 'clientKeyLife' },
  token: { keyType: 'ecdsa-p256', rotationDays: 30, life: 3_600_000 },
} as const satisfies Record<string, KeysetKind>;

export type Purpose = keyof typeof KEYSETS;
export const PURPOSES = Object.keys(KEYSETS) as Purpose[];
