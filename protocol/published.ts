/**
 * The Regions' memory of a purpose's published keysets, outside the secret. If somebody empties the secret,
 * or moves its label back by hand, readers still hold the keyset that was current before. Pure; times are
 * epoch milliseconds.
 */
import type { KeyLags } from './key-windows.ts';
import { FORMAT_VERSION, type Keyset, type KeysetKey, publicHalf } from './keyset.ts';

export interface Published {
  /** The highest `seq` of any keyset; 0 if there was none. A reader that holds it accepts no lower one. */
  readonly seq: number;
  /** By kid, the time until which a reader may still hold the key; null while the newest keyset has it. */
  readonly kids: Readonly<Record<string, number | null>>;
  /** Absent until a promotion. */
  readonly home?: KeyHome;
  /** The public halves of those of the kids that sign; a purpose whose keys derive others has none. */
  readonly keys?: readonly KeysetKey[];
}

/** The one Region that makes keys since the last promotion. */
export interface KeyHome {
  /** Counts promotions, so that the newest one decides whichever Region remembers it. */
  readonly term: number;
  readonly region: string;
  /**
   * Kids of the keyset that it took over: a key of the former key home that is none of them was made there
   * alone.
   */
  readonly kids: readonly string[];
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
  const kids = Object.fromEntries(kept);
  const keys = [
    ...publicKeys(keyset),
    // Another writer may have published these, and a reader may hold them.
    ...(before.keys ?? []).filter(({ kid }) => kid in kids && !keyset.keys.some((key) => key.kid === kid)),
  ];
  const { keys: _, ...rest } = before;
  return { ...rest, seq: Math.max(before.seq, keyset.seq), kids, ...(keys.length > 0 && { keys }) };
}

/**
 * @returns the memory with the public halves that it lacks, as that of a release which published none, or of
 * a Region that could not be reached; the same where it lacks none
 */
export function withPublicKeys(before: Published, keyset: Keyset): Published {
  const { keys = [] } = before;
  const lacking = publicKeys(keyset).filter(({ kid }) => !keys.some((key) => key.kid === kid));
  return lacking.length === 0 ? before : { ...before, keys: [...keys, ...lacking] };
}

/** A key that others are derived from has no public half. */
const publicKeys = (keyset: Keyset): readonly KeysetKey[] =>
  publicHalf(keyset).keys.filter(({ alg }) => alg !== 'HKDF-SHA-256');

/** @returns what a Region remembers, as a keyset that verifies and cannot sign */
export const publicKeyset = ({ seq, keys = [] }: Published): Keyset => ({
  ...{ version: FORMAT_VERSION, seq, based_on: null, revoked: [], fingerprints: [] },
  keys,
});

/** @returns everything that any of them remembers, each kid for the longest time that one of them has */
export function mergePublished(all: readonly Published[]): Published {
  const kids: Record<string, number | null> = {};
  for (const [kid, until] of all.flatMap((each) => Object.entries(each.kids))) {
    const other = kids[kid];
    kids[kid] = until === null || other === null ? null : Math.max(until, other ?? until);
  }
  const home = newestKeyHome(all.flatMap((each) => each.home ?? []));
  return { seq: Math.max(0, ...all.map(({ seq }) => seq)), kids, ...(home && { home }) };
}

/** @returns the home once a Region has taken over with these kids; the same, if it had already */
export const nextKeyHome = ({ home }: Published, region: string, kids: readonly string[]): KeyHome =>
  home?.region === region ? home : { term: (home?.term ?? 0) + 1, region, kids };

/** Of two promotions at the same time everybody takes the same one. */
const newestKeyHome = (homes: readonly KeyHome[]): KeyHome | undefined =>
  homes.toSorted((a, b) => b.term - a.term || (a.region < b.region ? -1 : 1))[0];

/** @returns the kids of keys that a reader may still hold */
export const publishedKids = ({ kids }: Published, nowMs: number): string[] =>
  Object.keys(kids).filter((kid) => !isPast(kids[kid]!, nowMs));

/**
 * @returns the kids of the newest keyset that was, or was about to be, published as far as any of them
 * remembers
 */
export function newestKids(all: readonly Published[]): string[] {
  const newest = Math.max(0, ...all.map(({ seq }) => seq));
  const remembered = all.filter(({ seq }) => seq === newest).flatMap(({ kids }) => Object.entries(kids));
  return [...new Set(remembered.flatMap(([kid, until]) => (until === null ? [kid] : [])))];
}

const isPast = (until: number | null, nowMs: number): boolean => until !== null && until <= nowMs;
