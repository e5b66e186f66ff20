/** The operators' actions on a Region: take it out of service, and return it. */
import * as z from 'zod';
import type { EvacuationFlag } from '../../protocol/evacuation.ts';
import type { Evacuations } from '../adapters/evacuations.ts';
import type { ShownRegion } from '../contract/admin.ts';
import { keeperOf } from '../contract/evacuation.ts';
import { type Actions, AdminError } from './actions.ts';
import { action } from './params.ts';

export interface RegionOptions {
  readonly evacuations: Evacuations;
  /** This Region. */
  readonly region: string;
  /** All Regions of the stage. */
  readonly regions: ShownRegion['regions'];
  readonly nowMs: () => number;
}

const Named = z.strictObject({
  region: z
    .string()
    .regex(/^[a-z][a-z0-9-]{0,14}$/, { error: 'must be the name of a Region, e.g. "eu-west-1"' }),
});
type Params = z.infer<typeof Named>;
const byName = ({ region }: Params): string => region;

export const regionReadActions = (options: Omit<RegionOptions, 'nowMs'>): Actions => ({
  'regions.show': action(Named, byName, async ({ region }) => {
    const keeper = keeperIn(options, region);
    return shown(options, region, keeper, await options.evacuations.read(region));
  }),
});

export const regionWriteActions = (options: RegionOptions): Actions => ({
  'regions.evacuate': action(Named, byName, async ({ region }) => {
    const keeper = requireFlagHere(options, region);
    const nowMs = options.nowMs();
    const flag = await options.evacuations.evacuate(region, nowMs);
    // A flag that is already set keeps its time.
    const stood_before = flag.stands && flag.sinceMs !== nowMs;
    return { ...shown(options, region, keeper, flag), stood_before };
  }),
  'regions.return': action(Named, byName, async ({ region }) => {
    const keeper = requireFlagHere(options, region);
    return shown(options, region, keeper, await options.evacuations.return(region, options.nowMs()));
  }),
});

/** @throws AdminError where the stage has no such Region, or no other */
function keeperIn({ regions }: Pick<RegionOptions, 'regions'>, region: string): string {
  const names = regions.map(({ name }) => name);
  if (!names.includes(region))
    throw new AdminError(404, 'not_found', `the stage has no such Region; it has ${names.join(', ')}`);
  const keeper = keeperOf(region, names);
  if (keeper !== undefined) return keeper;
  throw new AdminError(409, 'only_region', `${region} is the stage's only Region: no other can serve`);
}

/** A flag anywhere else would have no effect. */
function requireFlagHere(options: RegionOptions, region: string): string {
  const keeper = keeperIn(options, region);
  if (options.region === region || options.region === keeper) return keeper;
  throw new AdminError(
    400,
    'malformed_request',
    `params.region: the flag of ${region} lies in ${region} and in ${keeper}; call the function there`,
  );
}

const shown = (
  { regions }: Pick<RegionOptions, 'regions'>,
  region: string,
  keeper: string,
  flag: EvacuationFlag | undefined,
): ShownRegion => ({
  region,
  keeper,
  regions,
  evacuated_at: flag?.stands ? new Date(flag.sinceMs).toISOString() : null,
  returned_at: flag && !flag.stands ? new Date(flag.returnedMs).toISOString() : null,
});
