/** The one Region that makes keys: by the stack's config, or since a promotion (docs/decisions/0029). */
import type { Published } from '../../protocol/published.ts';
import { Unavailable } from '../adapters/call.ts';
import { Deadline, TIMES, type Times } from './deadline.ts';
import type { KeyRegion } from './regions.ts';
import { RotationError } from './rotation-error.ts';

/** Where a function runs, and who makes the keys by its stack's config. */
export interface Here {
  /** This function's own. */
  readonly region: string;
  /** The Region that makes keys, as this Region's stack was deployed. */
  readonly keysRegion: string;
  /** All of them, the home Region first. */
  readonly regions: readonly KeyRegion[];
  readonly times?: Times;
}

/**
 * Two Regions that both make keys would make keys that the other does not know.
 *
 * @throws RotationError where another Region makes the keys, by this stack's config or since a promotion
 */
export function requireKeyHome({ region, keysRegion }: Here, { home }: Published): void {
  if (home !== undefined && home.region !== region)
    throw new RotationError(
      `the keys were promoted to ${home.region}, which alone makes new ones: deploy ${region} with keys.managedBy, and run countersign keys promote --to ${home.region} again`,
    );
  if (keysRegion !== region)
    throw new RotationError(
      `${keysRegion} alone makes keys, as ${region} is deployed: after countersign keys promote --to ${region}, deploy ${region} with keys.managedBy`,
    );
}

/**
 * Another Region may have answered late, and a promotion may have come between. This Region's own table
 * confirms every promotion, and a promotion waits for the one call that follows.
 */
export async function requireStillKeyHome(here: Here, forgotten: boolean): Promise<void> {
  const { regions, region, times = TIMES } = here;
  const own = regions.find((each) => each.region === region)!;
  const published = await new Deadline().by(times.eachMs, own.published.read()).catch(() => undefined);
  if (published) requireKeyHome(here, published);
  else if (!forgotten) throw new Unavailable('limits');
}
