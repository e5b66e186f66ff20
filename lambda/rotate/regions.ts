/** A purpose's keys in each Region: its copy of the secret, and the kids that its `limits` table refuses. */
import { type Keyset, type KeysetKey, parseKeyset } from '../../protocol/keyset.ts';
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
}

export interface Looked {
  readonly regions: readonly RegionKeys[];
  /** Keys of every labelled version in any Region. */
  readonly keys: readonly KeysetKey[];
  /** Their kids, each once. */
  readonly held: readonly string[];
  /** Kids that are revoked by any of those versions, or by any table. */
  readonly revoked: readonly string[];
  /** What could not be read, and why. */
  readonly unreadable: readonly string[];
}

const LABELS = ['AWSCURRENT', 'AWSPENDING', 'AWSPREVIOUS'] as const satisfies readonly StagingLabel[];

/** Reads every Region, each for at most `eachMs`. Never throws: `unreadable` names what could not be read. */
export async function lookAtRegions(regions: readonly KeyRegion[], eachMs: number): Promise<Looked> {
  const unreadable: string[] = [];
  const readable = <T>(what: string, reading: Promise<T>): Promise<T | null> =>
    new Deadline().by(eachMs, reading).catch((error: unknown) => {
      // A SyntaxError's message is our own and quotes no value.
      const reason = error instanceof SyntaxError ? error.message : describeError(error).error;
      unreadable.push(`${what} (${reason})`);
      return null;
    });
  const looked = await Promise.all(
    regions.map(async ({ region, secret, revokedKids }) => {
      const versions = LABELS.map((label) => readable(`${label} in ${region}`, keysetOf(secret, label)));
      const table = readable(`revoked kids in ${region}`, revokedKids.read());
      const [current, ...others] = await Promise.all(versions);
      const revoked = await table;
      return { region, current, revoked, keysets: [current, ...others].flatMap((each) => each ?? []) };
    }),
  );
  const keysets = looked.flatMap((each) => each.keysets);
  const keys = keysets.flatMap((keyset) => keyset.keys);
  return {
    regions: looked.map(({ region, current, revoked }) => ({
      region,
      kids: current?.keys.map(({ kid }) => kid) ?? null,
      revoked,
    })),
    keys,
    held: unique(keys.map(({ kid }) => kid)),
    revoked: unique([
      ...keysets.flatMap((keyset) => keyset.revoked),
      ...looked.flatMap(({ revoked }) => revoked ?? []),
    ]),
    unreadable: unreadable.sort(),
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

export const unique = (kids: readonly string[]): string[] => [...new Set(kids)];
