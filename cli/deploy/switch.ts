/**
 * Tables of another generation come into use only while writes are stopped, and only if a copy during this
 * stop was complete (docs/upgrade.md, "Other tables"). Otherwise they may lack what a Region acknowledged.
 */
import type { ShownTables } from '../../lambda/contract/admin.ts';
import type { DeployPlan, PlannedStack } from '../../lambda/contract/deploy-plan.ts';
import { tableName } from '../../lambda/contract/names.ts';
import { CliError, EXIT } from '../io.ts';
import { ifAnswered } from '../keys/ask.ts';
import type { CopyMark } from '../registry/mark.ts';
import { stageArguments } from '../target.ts';
import type { DeployParts } from './run.ts';
import { stackIn } from './steps.ts';

/**
 * @param chosen the stacks to deploy
 * @param lost Regions that are left out: they serve nobody
 * @throws CliError where a Region would change to tables that may lack something
 */
export async function mustBeCopied(
  plan: DeployPlan,
  chosen: readonly PlannedStack[],
  lost: readonly string[],
  parts: DeployParts,
): Promise<void> {
  // The lock file lets no stage change its generation without the tables before.
  if (!plan.otherTables) return;
  const wanted = tableName(plan.stage, 'registry', plan.tableGeneration);
  if (!(await changesTables(chosen, wanted, parts))) return;
  const shown = await tablesInUse(plan, wanted, lost, parts);
  const changing = [...shown].filter(([, { registry }]) => registry !== wanted);
  if (changing.length === 0) return;
  const refusal = (why: string) =>
    new CliError(
      EXIT.failed,
      `this takes tables of generation ${plan.tableGeneration} into use, ${why}: docs/upgrade.md, "Other tables"; nothing was done`,
    );
  const open = changing.flatMap(([region, { stopped_at }]) => (stopped_at === null ? [region] : []));
  if (open.length > 0)
    throw refusal(
      `and writes go on in ${open.join(', ')}, so they would lack some; stop the writes and copy`,
    );
  await mustBeLost(lost, wanted, parts);
  const asked = lost.includes(plan.homeRegion) ? changing[0]![0] : plan.homeRegion;
  const isOfThisStop = (mark: CopyMark | undefined, from: string) =>
    mark?.from === from && changing.every(([region, { stopped_at }]) => mark.stops[region] === stopped_at);
  for (const registry of new Set(changing.map(([, each]) => each.registry))) {
    if (isOfThisStop(await parts.copied(asked, wanted), registry)) continue;
    // Back to the tables before, since nothing was written in between.
    if (isOfThisStop(await parts.copied(asked, registry), wanted)) continue;
    throw refusal(
      `and no copy of ${registry} to ${wanted} was complete during this stop of the writes; run ` +
        `countersign registry copy --to-generation ${plan.tableGeneration}${stageArguments(plan)} until it ends with 0`,
    );
  }
}

/**
 * A Region that uses the tables already stays with them, so a fix for it asks no other Region, and not the
 * function that it may be for.
 *
 * @returns whether a Region would begin to use these tables, as a new one does
 */
async function changesTables(
  chosen: readonly PlannedStack[],
  wanted: string,
  parts: DeployParts,
): Promise<boolean> {
  for (const stack of chosen) {
    if (stack.part === 'region' && (await parts.registryIn(stack.region)) !== wanted) return true;
  }
  return false;
}

/** @throws CliError where a Region that counts as lost answers, and registers in the tables to leave */
async function mustBeLost(lost: readonly string[], wanted: string, parts: DeployParts): Promise<void> {
  for (const region of lost) {
    const shown = await parts.tables(region).catch((error: unknown) => {
      if (error instanceof CliError && error.exitCode !== EXIT.interrupted) return undefined;
      throw error;
    });
    if (shown && shown.registry !== wanted && shown.stopped_at === null)
      throw new CliError(
        EXIT.failed,
        `--without: ${region} answers, and writes go on there, in tables that the others leave: stop them there; nothing was done`,
      );
  }
}

/** @returns the tables of each Region that serves, also of one that the config no longer names */
async function tablesInUse(
  { stage, regions }: DeployPlan,
  wanted: string,
  lost: readonly string[],
  parts: DeployParts,
): Promise<Map<string, ShownTables>> {
  const found = new Map<string, ShownTables>();
  const names = new Set(regions.map(({ name }) => name));
  for (const region of names) {
    if (lost.includes(region) || !(await parts.exists(stackIn(stage, 'region', region)))) continue;
    const changes = (await parts.registryIn(region)) !== wanted;
    const shown = await (changes ? tablesOf(region, parts) : ifAnswered(parts.tables(region)));
    if (!shown) continue;
    found.set(region, shown);
    for (const other of shown.regions) names.add(other);
  }
  return found;
}

const tablesOf = (region: string, parts: DeployParts): Promise<ShownTables> =>
  parts.tables(region).catch((error: unknown) => {
    if (!(error instanceof CliError) || error.exitCode === EXIT.interrupted) throw error;
    const why = error.message.includes(region) ? error.message : `${region}: ${error.message}`;
    throw new CliError(error.exitCode, `${why}; nothing was done`);
  });
