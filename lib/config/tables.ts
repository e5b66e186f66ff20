/**
 * Generations of `registry` and `clients`: which tables a stage has, and which of them it uses. The mode of a
 * table and a strong table's Regions never change, and a backup is restored to a new table. So there the data
 * goes to tables of another generation (docs/upgrade.md, "Other tables").
 */
import type { Consistency } from '../../lambda/contract/serving-environment.ts';
import { checkConsistency, consistencyOf } from './consistency.ts';
import type { ConfigFault } from './fault.ts';
import type { ConfigSettings } from './schema.ts';

/** One generation's `registry` and `clients`. */
export interface TableSet {
  readonly generation: number;
  readonly consistency: Consistency;
  /** Names of the Regions with a replica. */
  readonly regions: readonly string[];
  readonly witnessRegion?: string;
}

type Settings = Pick<ConfigSettings, 'tables' | 'regions' | 'witnessRegion'> & {
  readonly consistency?: ConfigSettings['consistency'] | Consistency;
};

/** @returns the tables that the stage uses, and the other ones that it has */
export function tableSets(settings: Settings): { readonly inUse: TableSet; readonly other?: TableSet } {
  const { tables, regions, witnessRegion } = settings;
  const names = regions.map(({ name }) => name);
  const set = (generation: number, of: Mode): TableSet => ({
    generation,
    consistency: of.regions.length === 1 ? 'single' : consistencyOf(of),
    regions: of.regions.map(({ name }) => name),
    ...(of.witnessRegion !== undefined && { witnessRegion: of.witnessRegion }),
  });
  const mode = settings.consistency === 'single' ? undefined : settings.consistency;
  const inUse = set(tables.generation, {
    regions: names.map((name) => ({ name })),
    ...(mode && { consistency: mode }),
    ...(witnessRegion !== undefined && { witnessRegion }),
  });
  if (!tables.other) return { inUse };
  return { inUse, other: set(tables.other.generation, modeOf(tables.other, inUse)) };
}

type Mode = Pick<ConfigSettings, 'consistency' | 'witnessRegion'> & {
  readonly regions: readonly { readonly name: string }[];
};
type Other = NonNullable<ConfigSettings['tables']['other']>;

/** Without further settings the other tables are like those in use. */
function modeOf({ consistency, regions, witnessRegion }: Other, inUse: TableSet): Mode {
  const isSaid = (consistency ?? regions ?? witnessRegion) !== undefined;
  const like = isSaid ? undefined : inUse;
  const mode = consistency ?? (like?.consistency === 'single' ? undefined : like?.consistency);
  const witness = witnessRegion ?? like?.witnessRegion;
  return {
    regions: (regions ?? inUse.regions).map((name) => ({ name })),
    ...(mode && { consistency: mode }),
    ...(witness !== undefined && { witnessRegion: witness }),
  };
}

export function checkTables(settings: ConfigSettings): ConfigFault[] {
  const { tables, stage, regions, homeRegion = regions[0]!.name } = settings;
  const { other } = tables;
  if (!other) return [];
  const fault = (setting: string, message: string): ConfigFault => ({
    path: ['tables', 'other', setting],
    message,
    example: false,
  });
  const named = other.regions ?? regions.map(({ name }) => name);
  return [
    ...(other.generation === tables.generation
      ? [fault('generation', `is ${other.generation}, which tables.generation is as well`)]
      : []),
    ...(named.includes(homeRegion)
      ? []
      : [fault('regions', `lacks the home Region, ${homeRegion}, whose stack makes the tables`)]),
    ...(stage.kind === 'dev' && named.length > 1
      ? [fault('regions', 'more than one needs stage.kind: "prod"')]
      : []),
    ...named.flatMap((name, i) =>
      named.indexOf(name) < i ? [fault('regions', `${name} is named twice`)] : [],
    ),
    ...checkConsistency(modeOf(other, tableSets(settings).inUse)).map((each) => ({
      ...each,
      path: ['tables', 'other', ...each.path],
    })),
  ];
}
