/**
 * A purpose's keys in each Region: its copy of the secret, the kids that its `limits` table refuses, and what
 * it remembers of published keysets.
 */
import { fingerprint } from '../../protocol/key-material.ts';
import { type Keyset, parseKeyset } from '../../protocol/keyset.ts';
import {
  mergePublished,
  NOTHING_PUBLISHED,
  newestKids,
  type Published,
  publishedKids,
} from '../../protocol/published.ts';
import type { Recalled } from '../../protocol/rotation.ts';
import type { SecretVersions, StagingLabel } from '../adapters/secret-versions.ts';
import type { RegionConfirmation, RegionKeys } from '../contract/keys.ts';
import { describeError } from '../log.ts';
import { Deadline } from './deadline.ts';

export interface KeyRegion {
  readonly region: string;
  readonly secret: Pick<SecretVersions, 'read'>;
  /** In its `limits` table. */
  readonly revokedKids: {
    read(): Promise<readonly string[]>;
    /** Rejects for an empty list. */
    add(kids: readonly string[]): Promise<void>;
  };
  /** In its `limits` table. */
  readonly published: {
    read(): Promise<Published>;
    change(change: (before: Published) => Published): Promise<void>;
  };
}

export interface Looked {
  readonly regions: readonly RegionKeys[];
  /** Every labelled version in any Region. */
  readonly keysets: readonly Keyset[];
  /** The kids of their keys, each once. */
  readonly held: readonly string[];
  /** Kids that are revoked by any of those versions, or by any table. */
  readonly revoked: readonly string[];
  /** Kids that any Region remembers, and those of the versions that were current. */
  readonly published: Published;
  /** The kids of the newest keyset that any Region remembers. */
  readonly newest: readonly string[];
  readonly unreadable: readonly Unreadable[];
}

const LABELS = ['AWSCURRENT', 'AWSPENDING', 'AWSPREVIOUS'] as const satisfies readonly StagingLabel[];

/** A part of a Region that could not be read. */
export interface Unreadable {
  /** A version of the secret, or an item of the `limits` table. */
  readonly part: (typeof LABELS)[number] | 'revoked kids' | 'published keys';
  readonly region: string;
  readonly reason: string | undefined;
}

/** Reads every Region, each for at most `eachMs`. Never throws: `unreadable` names what could not be read. */
export async function lookAtRegions(regions: readonly KeyRegion[], eachMs: number): Promise<Looked> {
  const unreadable: Unreadable[] = [];
  const readable = <T>(part: Unreadable['part'], region: string, reading: Promise<T>): Promise<T | null> =>
    new Deadline().by(eachMs, reading).catch((error: unknown) => {
      // A SyntaxError's message is our own and quotes no value.
      const reason = error instanceof SyntaxError ? error.message : describeError(error).error;
      unreadable.push({ part, region, reason });
      return null;
    });
  const looked = await Promise.all(
    regions.map(async ({ region, secret, revokedKids, published }) => {
      const versions = LABELS.map((label) => readable(label, region, keysetOf(secret, label)));
      const table = readable('revoked kids', region, revokedKids.read());
      const memory = readable('published keys', region, published.read());
      const [current, pending, previous] = await Promise.all(versions);
      const was = [current, previous].flatMap((each) => each ?? []);
      const revoked = await table;
      return {
        region,
        current,
        revoked,
        memory: await memory,
        was,
        keysets: pending ? [...was, pending] : was,
      };
    }),
  );
  const keysets = looked.flatMap((each) => each.keysets);
  const revoked = unique([
    ...keysets.flatMap((keyset) => keyset.revoked),
    ...looked.flatMap((each) => each.revoked ?? []),
  ]);
  return {
    regions: looked.map(({ region, current, revoked }) => ({
      region,
      kids: current?.keys.map(({ kid }) => kid) ?? null,
      revoked,
    })),
    keysets,
    held: unique(keysets.flatMap(({ keys }) => keys.map(({ kid }) => kid))),
    revoked,
    published: mergePublished([
      ...looked.map(({ memory }) => memory ?? NOTHING_PUBLISHED),
      ...looked.flatMap(({ was }) => was.map(({ seq }) => ({ seq, kids: {} }))),
    ]),
    newest: newestKids(looked.flatMap(({ memory }) => memory ?? [])),
    unreadable,
  };
}

/**
 * The lists that the keyset after `current` takes over from other versions and Regions. A version with a
 * lower `seq` existed when `current` was made. If `current` lacks entries of its lists, somebody dropped them
 * on purpose, to make room. So only lists with a higher `seq` count, and the revoked ones of the keys that a
 * version holds or a reader may hold.
 */
export function recallable(
  { keysets, held, revoked, published }: Pick<Looked, 'keysets' | 'held' | 'revoked' | 'published'>,
  current: Keyset,
  nowMs: number,
): Recalled {
  const higher = keysets.filter(({ seq }) => seq > current.seq);
  const readable = new Set([...held, ...publishedKids(published, nowMs)]);
  const ended = keysets.flatMap(({ keys }) => keys.filter(({ kid }) => revoked.includes(kid)));
  return {
    seq: published.seq,
    revoked: unique([
      ...higher.flatMap((keyset) => keyset.revoked),
      ...revoked.filter((kid) => readable.has(kid)),
    ]),
    fingerprints: unique([
      ...higher.flatMap(({ fingerprints }) => fingerprints),
      ...ended.map(({ jwk }) => fingerprint(jwk)),
    ]),
  };
}

async function keysetOf(secret: KeyRegion['secret'], label: StagingLabel): Promise<Keyset | undefined> {
  const version = await secret.read({ label });
  return version && parseKeyset(version.text);
}

/**
 * Adds the kids to every Region's table. A Region that does not answer within `eachMs` counts as not
 * confirmed.
 */
export const refuseEverywhere = (
  regions: readonly KeyRegion[],
  kids: readonly string[],
  eachMs: number,
): Promise<RegionConfirmation[]> =>
  Promise.all(
    regions.map(async ({ region, revokedKids }) => {
      const confirmed = await new Deadline().by(eachMs, revokedKids.add(kids)).then(
        () => true,
        () => false,
      );
      return { region, confirmed };
    }),
  );

/**
 * Changes what every Region remembers. @returns the Regions where that failed, or took longer than `eachMs`
 */
export async function rememberEverywhere(
  regions: readonly KeyRegion[],
  change: (before: Published) => Published,
  eachMs: number,
): Promise<string[]> {
  const failed = await Promise.all(
    regions.map(({ region, published }) =>
      new Deadline().by(eachMs, published.change(change)).then(
        () => [],
        () => [region],
      ),
    ),
  );
  return failed.flat();
}

export const unique = (kids: readonly string[]): string[] => [...new Set(kids)];
