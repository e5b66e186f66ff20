/**
 * Tables of another generation come into use only while writes are stopped, and only if a copy during this
 * stop was complete (docs/upgrade.md, "Other tables"). Otherwise they may lack what a Region acknowledged.
 */
import type { ShownTables } from '../../lambda/contract/admin.ts';
import type { DeployPlan, PlannedStack } from '../../lambda/contract/deploy-plan.ts';
import { tableName } from '../../lambda/contract/names.ts';
import { CliError, EXIT } from '../io.ts';
import { ifAnswered } from '../keys/ask.ts';
import { isThere } from '../registry/lost.ts';
import type { CopyMark } from '../registry/mark.ts';
import { stageArguments } from '../target.ts';
import type { DeployOutcome, DeployParts } from './run.ts';
import { stackIn } from './steps.ts';

/**
 * @param chosen the stacks to deploy
 * @param lost Regions that are left out: they serve nobody
 * @returns the Regions that the copy left out
 * @throws CliError where a Region would change to tables that may lack something
 */
export async function mustBeCopied(
  plan: DeployPlan,
  chosen: readonly PlannedStack[],
  lost: readonly string[],
  parts: DeployParts,
): Promise<LeftOut> {
  // The lock file lets no stage change its generation without the tables before.
  if (!plan.otherTables) return NONE;
  const wanted = tableName(plan.stage, 'registry', plan.tableGeneration);
  if (!(await changesTables(chosen, wanted, parts))) return NONE;
  const shown = await tablesInUse(plan, wanted, lost, parts);
  const changing = [...shown].filter(([, { registry }]) => registry !== wanted);
  if (changing.length === 0) return NONE;
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
  const isOfThisStop = (mark: CopyMark | undefined, from: string): mark is CopyMark =>
    mark?.from === from && changing.every(([region, { stopped_at }]) => mark.stops[region] === stopped_at);
  const marks: CopyMark[] = [];
  for (const registry of new Set(changing.map(([, each]) => each.registry))) {
    const mark = await parts.copied(asked, wanted);
    if (isOfThisStop(mark, registry)) {
      marks.push(mark);
      continue;
    }
    // Back to the tables before, since nothing was written in between.
    if (isOfThisStop(await parts.copied(asked, registry), wanted)) continue;
    throw refusal(
      `and no copy of ${registry} to ${wanted} was complete during this stop of the writes; run ` +
        `countersign registry copy --to-generation ${plan.tableGeneration}${stageArguments(plan)} until it ends with 0`,
    );
  }
  const left: LeftOut = {
    isBegun: changing.length < shown.size,
    whoIsBack: () => whoIsBack(marks, asked, parts),
  };
  const back = left.isBegun ? undefined : await left.whoIsBack();
  if (back !== undefined) throw refusal(`and ${back}; copy again`);
  return left;
}

/** The Regions that a copy left out, as lost: one that is back registers in the tables to leave. */
export interface LeftOut {
  /** Whether a Region uses the new tables. From then on another copy cannot fill them. */
  readonly isBegun: boolean;
  /** @returns what shows that one was back after the copy; undefined if nothing does. @throws CliError */
  whoIsBack(): Promise<string | undefined>;
}

const NONE: LeftOut = { isBegun: true, whoIsBack: async () => undefined };

async function whoIsBack(
  marks: readonly CopyMark[],
  asked: string,
  parts: DeployParts,
): Promise<string | undefined> {
  for (const { from, without } of marks)
    for (const [region, before] of Object.entries(without)) {
      const now = await parts.markedAt(asked, from, region);
      if (now !== before)
        return `${region}, which the copy left out, was back: it left its mark in ${from} at ${now}, and may have registered there since the copy`;
    }
  return undefined;
}

/**
 * A run lasts for many minutes, in which a Region that was left out may come back. Until the first Region
 * changes its tables, the run stops. Afterwards it goes on, and its end names what has to be looked for.
 *
 * @param run deploys, and calls its argument before each Region
 */
export async function watchLeftOut(
  left: LeftOut,
  run: (before: () => Promise<void>) => Promise<DeployOutcome>,
): Promise<DeployOutcome> {
  let { isBegun } = left;
  const outcome = await run(async () => {
    const back = isBegun ? undefined : await left.whoIsBack();
    if (back !== undefined)
      throw new CliError(EXIT.failed, `${back}; no Region uses the new tables yet: copy again`);
    isBegun = true;
  });
  if (!isBegun) return outcome;
  const back = await left.whoIsBack().catch((error: unknown) => {
    if (error instanceof CliError)
      return `whether a Region that the copy left out was back is not known (${error.message})`;
    throw error;
  });
  if (back === undefined) return outcome;
  const note = `${back}. Before writes go on, look there for what was registered: docs/runbook.md, region-lost-for-good, step 5`;
  const exit = outcome.exit === EXIT.done ? EXIT.failed : outcome.exit;
  return { ...outcome, notes: [...outcome.notes, note], exit };
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
      if (!(error instanceof CliError) || error.exitCode === EXIT.interrupted) throw error;
      if (!isThere(error)) return undefined;
      throw new CliError(
        EXIT.failed,
        `--without: ${region} is there, and refuses or fails, so it may still register (${error.message}); nothing was done`,
      );
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
