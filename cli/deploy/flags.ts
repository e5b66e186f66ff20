/**
 * A change of the Regions gives the evacuation flag of another Region a new keeper (docs/regions.md, "Adding
 * or removing a Region").
 */
import type { DeployPlan, PlannedStack } from '../../lambda/contract/deploy-plan.ts';
import { evacuationAlarmName, keeperOf } from '../../lambda/contract/evacuation.ts';
import { CliError, EXIT } from '../io.ts';
import { ifAnswered } from '../keys/ask.ts';
import { stageArguments } from '../target.ts';
import type { DeployParts } from './run.ts';
import { stackIn } from './steps.ts';

/**
 * If a Region that stays is evacuated, its new keeper must have the flag before DNS reads that keeper's
 * alarm: without data the Region could come back.
 *
 * @param before the Regions until now
 * @param changed the stacks that the change deploys or deletes
 * @throws CliError where a flag would be left behind
 */
export async function mustKeepFlag(
  plan: DeployPlan,
  before: readonly string[],
  changed: readonly PlannedStack[],
  parts: DeployParts,
): Promise<void> {
  const { stage } = plan;
  const after = plan.regions.map(({ name }) => name);
  const args = stageArguments(plan);
  // Where only the new keeper is deployed, the alarm that DNS reads stays, so the flag can be written there.
  const ends = (keeper: string) =>
    changed.some(({ part, region }) => part === 'watch' || (part === 'region' && region === keeper));
  for (const other of after.filter((each) => before.includes(each))) {
    const [from, to] = [keeperOf(other, before), keeperOf(other, after)];
    const isInAlarm = async (keeper: string | undefined) =>
      keeper !== undefined &&
      (await ifAnswered(parts.alarms(stackIn(stage, 'region', keeper))))?.includes(
        evacuationAlarmName(stage, other),
      ) === true;
    // The old keeper's alarm has no data while its schedule is silent, so the flag decides. Where its table
    // is lost, or gone with its stack, the alarm and the Region's own copy are what is left.
    const isOut = async (keeper: string) =>
      (await ifAnswered(parts.isEvacuated(other, keeper))) ??
      ((await isInAlarm(keeper)) || (await parts.isEvacuated(other, other)));
    if (from === undefined || from === to || !ends(from)) continue;
    if ((await isInAlarm(to)) || !(await isOut(from))) continue;
    const remedy =
      to !== undefined && !after.includes(from)
        ? `Run countersign deploy --stage ${stage} --region ${after.join(',')}, then countersign evacuate ${other}${args}, and this again`
        : `Return it first (countersign return ${other}${args}), and run this again`;
    const where = to === undefined ? `end with ${from}` : `go from ${from} to ${to}`;
    throw new CliError(EXIT.failed, `${other} is evacuated, and its flag would ${where}. ${remedy}`);
  }
}

/**
 * A Region that is not deployed yet knows the Regions until now; the lock file may have been written early.
 *
 * @param locked the Regions that the lock file names, for a stage of which no Region answers
 * @param lost Regions that are not asked
 * @returns the Regions until now
 */
export async function regionsBefore(
  { regions }: DeployPlan,
  locked: readonly string[],
  lost: readonly string[],
  parts: DeployParts,
): Promise<readonly string[]> {
  const names = regions.map(({ name }) => name);
  const asked = names.filter((name) => !lost.includes(name));
  const shown = await Promise.all(asked.map((name) => ifAnswered(parts.tables(name))));
  const known = shown.flatMap((each) => (each ? [each.regions] : []));
  const isOther = (each: readonly string[]) => [...each].sort().join() !== [...names].sort().join();
  return known.find(isOther) ?? known[0] ?? locked;
}
