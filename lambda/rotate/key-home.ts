/** The one Region that makes keys: by the stack's config, or since a promotion (docs/decisions/0029). */
import { mergePublished, type Published } from '../../protocol/published.ts';
import { Unavailable } from '../adapters/call.ts';
import { Deadline, TIMES, type Times } from './deadline.ts';
import type { KeyRegion } from './regions.ts';
import { RotationError } from './rotation-error.ts';

/** Where a function runs, and who makes the keys by its stack's config. */
export interface Here {
  /** This function's own. */
  readonly region: string;
  /** The Region that makes keys, as this Region's stack was deployed. */
  readonly keysManagedBy: string;
  /** All of them, the home Region first. */
  readonly regions: readonly KeyRegion[];
  readonly times?: Times;
}

/**
 * Two Regions that both make keys would make keys that the other does not know.
 *
 * @throws RotationError where another Region makes the keys, by this stack's config or since a promotion
 */
export function requireKeyHome({ region, keysManagedBy }: Here, { home }: Published): void {
  if (home !== undefined && home.region !== region)
    throw new RotationError(
      `the keys were promoted to ${home.region}, which alone makes new ones: deploy ${region} with keys.managedBy, and run countersign keys promote --to ${home.region} again`,
    );
  if (keysManagedBy !== region)
    throw new RotationError(
      `${keysManagedBy} alone makes keys, as ${region} is deployed: after countersign keys promote --to ${region}, deploy ${region} with keys.managedBy`,
    );
}

/**
 * Another Region may have answered late, and a promotion may have come between. This Region's own table
 * confirms every promotion, and a promotion waits for the one call that follows.
 *
 * @param forgotten whether other Regions' tables may say it where this Region's own cannot be read
 * @throws RotationError where no table says it
 */
export async function requireStillKeyHome(here: Here, forgotten: boolean): Promise<void> {
  const { regions, region, times = TIMES } = here;
  const read = async ({ published }: KeyRegion): Promise<Published[]> =>
    new Deadline().by(times.eachMs, published.read()).then(
      (known) => [known],
      () => [],
    );
  const others = forgotten ? regions.filter((each) => each.region !== region) : [];
  const elsewhere = Promise.all(others.map(read));
  const own = await read(regions.find((each) => each.region === region)!);
  if (own.length === 0 && !forgotten) throw new Unavailable('limits');
  const known = own.length > 0 ? own : (await elsewhere).flat();
  // A single Region cannot have promoted another.
  if (known.length === 0 && others.length > 0)
    throw new RotationError(
      `no Region's table limits can be read, so it is not known whether ${region} still makes the keys`,
    );
  requireKeyHome(here, mergePublished(known));
}
