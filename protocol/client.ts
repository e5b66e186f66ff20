/** What the platform knows of a client, and which of its keys a proof may have been signed with. */
import type { JWK } from 'jose';
import type { Profile } from './api-key.ts';

/** One generation of a client's credential. Times are epoch seconds. */
export interface ClientKey {
  /** The generation as decimal text, or the JWK's RFC 7638 thumbprint. */
  readonly kid: string;
  /** Exactly one algorithm per key. */
  readonly alg: string;
  readonly usableAtS: number;
  readonly expiresAtS: number;
  /** Kid of the `client-root` key that an API key is derived from; null where the client holds the key pair. */
  readonly rootKid: string | null;
  readonly jwk: JWK | null;
}

export interface ClientRecord {
  readonly clientId: string;
  readonly profile: Profile;
  /** 16 bytes. */
  readonly salt: Uint8Array;
  readonly disabled: boolean;
  /** Signatures a minute; null = the platform's default. */
  readonly limit: number | null;
  readonly createdAtMs: number;
  readonly keys: readonly ClientKey[];
}

/** How many generations a basic proof is tried against: it names none. */
export const BASIC_CANDIDATES = 2;

export const isUsable = (key: ClientKey, nowMs: number): boolean =>
  key.usableAtS * 1000 <= nowMs && nowMs < key.expiresAtS * 1000;

/**
 * The keys of a client that a proof with this profile, `alg` and `kid` names: at most one for strict, at most
 * two for basic, the usable ones first and then the newest.
 */
export function candidateKeys(
  client: ClientRecord | undefined,
  proof: { readonly profile: Profile; readonly alg: string; readonly kid?: string },
  nowMs: number,
): ClientKey[] {
  if (client?.profile !== proof.profile) return [];
  const keys = client.keys.filter((key) => key.alg === proof.alg);
  if (proof.profile === 'strict') return keys.filter((key) => key.kid === proof.kid).slice(0, 1);
  return keys
    .sort(
      (a, b) =>
        Number(isUsable(b, nowMs)) - Number(isUsable(a, nowMs)) ||
        b.usableAtS - a.usableAtS ||
        Number(b.kid) - Number(a.kid),
    )
    .slice(0, BASIC_CANDIDATES);
}
