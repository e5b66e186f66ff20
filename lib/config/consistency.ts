/** Which mode the global tables can have, by where the Regions are (docs/deploy-config.md, "Consistency"). */
import type { Consistency } from '../../lambda/contract/serving-environment.ts';
import type { ConfigFault } from './fault.ts';
import type { ConfigSettings } from './schema.ts';

/** DynamoDB keeps strongly consistent tables within one of these. */
export const REGION_SETS = {
  US: ['us-east-1', 'us-east-2', 'us-west-2'],
  EU: ['eu-west-1', 'eu-west-2', 'eu-west-3', 'eu-central-1'],
  AP: ['ap-northeast-1', 'ap-northeast-2', 'ap-northeast-3'],
} as const satisfies Record<string, readonly string[]>;

/** Where tables are, and what is said of their mode. */
type Placed = Pick<ConfigSettings, 'consistency' | 'witnessRegion'> & {
  readonly regions: readonly { readonly name: string }[];
};

/** @returns the mode that the tables have; sound once {@link checkConsistency} finds no fault */
export function consistencyOf(settings: Placed): Consistency {
  if (settings.regions.length === 1) return 'single';
  return settings.consistency ?? (strongSet(settings) ? 'strong' : 'eventual');
}

export function checkConsistency(settings: Placed): ConfigFault[] {
  const { regions, consistency, witnessRegion } = settings;
  const names = regions.map(({ name }) => name);
  const fault = (setting: 'consistency' | 'witnessRegion', message: string): ConfigFault[] => [
    { path: [setting], message, example: false },
  ];
  if (names.length === 1)
    return [
      ...(consistency ? fault('consistency', 'has no meaning with one Region: leave it out') : []),
      ...(witnessRegion
        ? fault('witnessRegion', 'has no meaning with one Region: name two in regions, or leave it out')
        : []),
    ];
  if (witnessRegion && names.includes(witnessRegion))
    return fault('witnessRegion', `must be a Region that does not serve, and ${witnessRegion} does`);
  if (consistency === 'eventual')
    return witnessRegion
      ? fault('witnessRegion', 'has no meaning with consistency: "eventual": leave it out')
      : [];
  if ((consistency === 'strong' || witnessRegion) && !strongSet(settings))
    return fault(
      consistency ? 'consistency' : 'witnessRegion',
      `strong tables take exactly three Regions of one set, three that serve or two and a witnessRegion, got ` +
        `${names.length}${witnessRegion ? ' + 1' : ''} (${[...names, ...(witnessRegion ? [`${witnessRegion} as witness`] : [])].join(', ')}); ` +
        `the sets are ${Object.entries(REGION_SETS)
          .map(([set, members]) => `${set} (${members.join(', ')})`)
          .join(', ')}`,
    );
  return [];
}

/** @returns whether the Regions are those of one strongly consistent table */
function strongSet({ regions, witnessRegion }: Placed): boolean {
  const all = [...regions.map(({ name }) => name), ...(witnessRegion ? [witnessRegion] : [])];
  const sets: readonly (readonly string[])[] = Object.values(REGION_SETS);
  return all.length === 3 && sets.some((set) => all.every((name) => set.includes(name)));
}
