/**
 * The Regions' memory of a purpose's published keysets, outside the secret. If somebody empties the secret,
 * or moves its label back by hand, readers still hold the keyset that was current before. Pure; times are
 * epoch milliseconds.
 */
import type { KeyLags } from './key-windows.ts';
import type { Keyset } from './keyset.ts';

export interface Published {
  /** The highest `seq` of any keyset; 0 if there was none. A reader that holds it accepts no lower one. */
  readonly seq: number;
  /** By kid, the time until which a reader may still hold the key; null while the newest keyset has it. */
  readonly kids: Readonly<Record<string, number | null>>;
}

export const NOTHING_PUBLISHED: Published = { seq: 0, kids: {} };

/** Four times the capacity of one keyset. */
export const MAX_PUBLISHED = 128;

/**
 * @returns the Regions' memory once `keyset` may be the current one. A key that the keyset lacks is
 * remembered for as long as a reader may hold an older copy
 */
export function withPublished(before: Published, keyset: Keyset, lags: KeyLags, nowMs: number): Published {
  const { replicationMs, verifierAgeMs, signerAgeMs, clockErrorMs } = lags;
  const forgottenAt = nowMs + replicationMs + Math.max(verifierAgeMs, signerAgeMs) + 2 * clockErrorMs;
  const held = keyset.keys.map(({ kid }) => [kid, null] as const);
  const left = Object.entries(before.kids)
    .filter(([kid, until]) => !keyset.keys.some((key) => key.kid === kid) && !isPast(until, nowMs))
    .map(([kid, until]) => [kid, until ?? forgottenAt] as const)
    .sort(([, a], [, b]) => b - a);
  const kept = [...held, ...left].slice(0, MAX_PUBLISHED);
  return { seq: Math.max(before.seq, keyset.seq), kids: Object.fromEntries(kept) };
}

/** @returns everything that any of them remembers, each kid for the longest time that one of them has */
export function mergePublished(all: readonly Published[]): Published {
  const kids: Record<string, number | null> = {};
  for (const [kid, until] of all.flatMap((each) => Object.entries(each.kids))) {
    const other = kids[kid];
    kids[kid] = until === null || other === null ? null : Math.max(until, other ?? until);
  }
  return { seq: Math.max(0, ...all.map(({ seq }) => seq)), kids };
}

/** @returns the kids of keys that a reader may still hold */
export const publishedKids = ({ kids }: Published, nowMs: number): string[] =>
  Object.keys(kids).filter((kid) => !isPast(kids[kid]!, nowMs));

const isPast = (until: number | null, nowMs: number): boolean => until !== null && until <= nowMs;
