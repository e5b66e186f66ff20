/**
 * Another Region makes the keys from now on. Only what the Regions remember changes here. The operator's own
 * rights move the secret, and the config moves the schedule (docs/decisions/0029).
 */
import { type KeyHome, mergePublished, NOTHING_PUBLISHED, nextKeyHome } from '../../protocol/published.ts';
import { AdminError } from '../admin/actions.ts';
import type { PromotedKeys } from '../contract/keys.ts';
import { type KeyRegion, lookAtRegions, refuseEverywhere, rememberEverywhere } from './regions.ts';
import { RotationError } from './rotation-error.ts';

/** @param known the promotion as another Region has confirmed it; undefined where none has */
export async function promote(
  regions: readonly KeyRegion[],
  to: string,
  known: KeyHome | undefined,
  eachMs: number,
): Promise<Omit<PromotedKeys, 'keyset'>> {
  if (!regions.some((each) => each.region === to))
    throw new AdminError(400, 'malformed_request', `to must be a Region of the stage, got ${to}`);
  const { published, revoked, regions: looked } = await lookAtRegions(regions, eachMs);
  const held = looked.find((each) => each.region === to)!.kids ?? [];
  const home = known ?? nextKeyHome(published, to, held);
  const failed = await rememberEverywhere(
    regions,
    (before) => {
      const after = mergePublished([before, { ...NOTHING_PUBLISHED, home }]);
      // Of two promotions at the same time one wins, and only that one is confirmed.
      if (after.home?.term !== home.term || after.home.region !== home.region)
        throw new RotationError(`the keys were promoted to ${after.home?.region}`);
      return after;
    },
    eachMs,
  );
  // A Region that was away while keys were revoked must not accept them when it is back.
  const refused = revoked.length > 0 ? await refuseEverywhere(regions, revoked, eachMs) : [];
  const unconfirmed = [...failed, ...refused.flatMap((each) => (each.confirmed ? [] : [each.region]))];
  return {
    home,
    regions: regions.map(({ region }) => ({ region, confirmed: !unconfirmed.includes(region) })),
  };
}
