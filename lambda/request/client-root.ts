/** The client root that new API keys are derived from. */
import type { KeysetKey } from '../../protocol/keyset.ts';
import type { KeysetCache } from './keyset-cache.ts';

/** Reads the kids of the client roots that the Region refuses now. @throws Unavailable */
export type RefusedRoots = () => Promise<readonly string[]>;

export type SigningRoot =
  | { readonly kind: 'found'; readonly root: KeysetKey }
  /** The keyset has no key yet. */
  | { readonly kind: 'none' }
  /**
   * The keyset may be 10 seconds old, and its root was revoked since then: an API key of it would never work.
   */
  | { readonly kind: 'revoked'; readonly kid: string };

/** @throws Unavailable */
export async function signingRoot(
  roots: KeysetCache,
  refusedRoots: RefusedRoots,
  nowMs: number,
): Promise<SigningRoot> {
  const root = await roots.signingKey(nowMs);
  if (!root) return { kind: 'none' };
  return (await refusedRoots()).includes(root.kid)
    ? { kind: 'revoked', kid: root.kid }
    : { kind: 'found', root };
}

/** @returns the longest life of an API key in seconds: its root is kept for as long */
export const longestKeyLifeS = (root: KeysetKey, clientKeyLifeS: number): number =>
  Math.floor(Math.min(clientKeyLifeS, root.max_life / 1000));

/**
 * A root that signs is kept for as long as its keys live. Only an old copy of the keyset can have one that
 * ends earlier.
 */
export const isOutlivedBy = ({ retires_at }: KeysetKey, expiresAtS: number): boolean =>
  retires_at !== null && expiresAtS * 1000 > retires_at;
