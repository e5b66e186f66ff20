/** The tables of a stage's Regions, for a command that must reach all of them or do nothing. */
import type { ShownTables } from '../../lambda/contract/admin.ts';
import { CliError, EXIT, usage } from '../io.ts';

/**
 * @param regions to ask
 * @param lost Regions of the stage that cannot be asked
 * @param shown asks a Region for its tables
 * @throws CliError where the stage has another Region, or its Regions do not use the same tables
 */
export async function tablesOfStage(
  regions: readonly string[],
  lost: readonly string[],
  shown: (region: string) => Promise<ShownTables>,
): Promise<Map<string, ShownTables>> {
  const found = new Map<string, ShownTables>();
  for (const region of regions) found.set(region, await shown(region));
  requireStage([...regions, ...lost], found);
  return found;
}

/**
 * @param named as `--region` names them
 * @param found the tables of those that answered
 * @throws CliError where the stage has another Region, or its Regions do not use the same tables
 */
export function requireStage(named: readonly string[], found: ReadonlyMap<string, ShownTables>): void {
  const all = new Set([...found.values()].flatMap((each) => each.regions));
  const missing = [...all].filter((region) => !named.includes(region));
  if (missing.length > 0)
    throw usage(
      `--region: the stage also has ${missing.join(', ')}, which may use other tables or still register; name every Region. ` +
        '`registry copy` leaves out one that is lost for good: --without',
    );
  const names = new Set([...found.values()].map(({ registry, clients }) => `${registry}, ${clients}`));
  if (names.size > 1)
    throw new CliError(
      EXIT.failed,
      `the Regions do not use the same tables (${[...names].join('; ')}), so what one registers the other would not have: ` +
        'deploy them all first',
    );
}
