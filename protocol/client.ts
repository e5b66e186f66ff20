/** A client as the platform knows it, and the keys that may have signed a proof. */
import type { JWK } from 'jose';
import type { Profile } from './api-key.ts';
import type { Invite } from './oauth/invite.ts';

/** One generation of a client's credential: an API key or a key pair's public half. */
export type ClientKey = DerivedKey | BroughtKey;

/** The members that both have. Times are epoch seconds. */
interface BaseKey {
  /** The generation as decimal text, or the JWK's RFC 7638 thumbprint. */
  readonly kid: string;
  /** Exactly one algorithm per key. */
  readonly alg: string;
  readonly usableAtS: number;
  readonly expiresAtS: number;
  /** Kid of the generation that issued it; null where an operator issued it. */
  readonly issuedBy: string | null;
}

/** An API key. */
interface DerivedKey extends BaseKey {
  /** Kid of the `client-root` key that it is derived from. */
  readonly rootKid: string;
  readonly jwk: null;
}

/** A public key that the client brought: the platform holds nothing that signs. */
interface BroughtKey extends BaseKey {
  readonly rootKid: null;
  readonly jwk: JWK;
}

/** How a client came to be, if no operator created it. */
export type ClientOrigin = 'invite' | 'enrolment';

export interface ClientRecord {
  readonly clientId: string;
  readonly profile: Profile;
  /** 16 bytes. */
  readonly salt: Uint8Array;
  readonly disabled: boolean;
  /** Signatures a minute; null = the platform's default. */
  readonly limit: number | null;
  /** What its access tokens may be for. Absent: `DEFAULT_SCOPES`. */
  readonly scopes?: readonly string[];
  /** Absent: an operator created it. */
  readonly origin?: ClientOrigin;
  /** Its one invite, redeemed or not. */
  readonly invite?: Invite;
  readonly createdAtMs: number;
  readonly keys: readonly ClientKey[];
  /** Kids of the generations that an operator revoked. */
  readonly revoked: ReadonlySet<string>;
}

/** Clocks of two Regions differ by less. */
const CLOCKS_MS = 10_000;

/**
 * Whether what happened then, under the name of a client, is this client's: once a client is deleted, another
 * one may get its name.
 */
export const isOwn = (createdAtMs: number, happenedMs: number): boolean =>
  happenedMs >= createdAtMs - CLOCKS_MS;

/**
 * Whether a key is revoked, or descends from a revoked one. A stolen generation takes with it all that it
 * issued, also what it issued after the revocation in a Region that did not know of it yet. A missing issuer
 * counts as revoked.
 */
export function isRevoked(
  { keys, revoked }: Pick<ClientRecord, 'keys' | 'revoked'>,
  key: ClientKey,
): boolean {
  const seen = new Set<string>();
  for (let at: ClientKey | undefined = key; at && !revoked.has(at.kid) && !seen.has(at.kid); ) {
    const { issuedBy }: ClientKey = at;
    if (issuedBy === null) return false;
    seen.add(at.kid);
    at = keys.find(({ kid }) => kid === issuedBy);
  }
  return true;
}

/** A basic proof names no generation, so it is tried against this many. */
export const BASIC_CANDIDATES = 2;

export const isUsable = (client: ClientRecord, key: ClientKey, nowMs: number): boolean =>
  key.usableAtS * 1000 <= nowMs && nowMs < key.expiresAtS * 1000 && !isRevoked(client, key);

const EXPIRY_NOTICE_MS = 14 * 24 * 3600 * 1000;

/** @returns whether answers name the key's expiry (`Countersign-Key-Expires`): in its last 14 days */
export const isExpiryNear = (client: ClientRecord, key: ClientKey, nowMs: number): boolean =>
  isUsable(client, key, nowMs) && key.expiresAtS * 1000 - nowMs <= EXPIRY_NOTICE_MS;

/** @returns one more than the highest generation there ever was: a generation's key is never derived twice */
export function nextGeneration({ keys }: ClientRecord): number {
  const generations = keys.filter(({ jwk }) => jwk === null).map(({ kid }) => Number(kid));
  return Math.max(0, ...generations) + 1;
}

/**
 * When a client's live keys end, once it gets a new one of `profile`: a client has one profile, so a change
 * ends them at once.
 *
 * @returns each key's kid and its end in epoch seconds, the newest key first
 */
export function endsOfOlderKeys(
  client: ClientRecord,
  profile: Profile,
  overlapS: number,
  nowS: number,
): { readonly kid: string; readonly expiresAtS: number }[] {
  return (
    client.keys
      // Also a key that is not usable yet: another Region's clock may be ahead.
      .filter((each) => each.expiresAtS > nowS && !isRevoked(client, each))
      .sort((a, b) => b.usableAtS - a.usableAtS || Number(b.kid) - Number(a.kid))
      .map(({ kid, expiresAtS }, i) => {
        // A basic proof names no generation and is tried against two: the new one and the one before it.
        const atOnce = profile !== client.profile || (profile === 'basic' && i > 0);
        return { kid, expiresAtS: Math.min(expiresAtS, atOnce ? nowS : nowS + overlapS) };
      })
  );
}

/**
 * The keys of a client that a proof with this profile, `alg` and `kid` names: at most one for strict, at most
 * two for basic, the usable ones first and then the newest.
 */
export function candidateKeys(
  client: ClientRecord,
  proof: { readonly profile: Profile; readonly alg: string; readonly kid?: string },
  nowMs: number,
): ClientKey[] {
  if (client.profile !== proof.profile) return [];
  const keys = client.keys.filter((key) => key.alg === proof.alg);
  if (proof.profile === 'strict') return keys.filter((key) => key.kid === proof.kid).slice(0, 1);
  return keys
    .sort(
      (a, b) =>
        Number(isUsable(client, b, nowMs)) - Number(isUsable(client, a, nowMs)) ||
        b.usableAtS - a.usableAtS ||
        Number(b.kid) - Number(a.kid),
    )
    .slice(0, BASIC_CANDIDATES);
}
