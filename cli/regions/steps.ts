/**
 * The steps that add a Region to a stage or remove it, from the stage's present state. No step gets stuck.
 */
import type { DeployPlan, PlannedStack } from '../../lambda/contract/deploy-plan.ts';
import { keeperOf } from '../../lambda/contract/evacuation.ts';
import { type DeployStep, stackIn } from '../deploy/steps.ts';
import { CliError, EXIT } from '../io.ts';
import { stageArguments } from '../target.ts';
import { otherTables } from './other-tables.ts';

const ofPart = ({ stacks }: DeployPlan, part: PlannedStack['part']) =>
  stacks.filter((stack) => stack.part === part);
const deploy = (stacks: readonly PlannedStack[]): DeployStep[] =>
  stacks.map((stack) => ({ kind: 'deploy', stack }));

/** @returns the step on the Region's replicas of the keysets that another Region makes */
const keysets = (
  kind: 'replicate' | 'unreplicate',
  region: string,
  from: string | undefined,
): DeployStep[] => (from === undefined || from === region ? [] : [{ kind, region, from }]);

/**
 * First come the stacks and keysets that the new Region needs, then its own stack, then the other Regions'
 * stacks, which learn of it. The entry leads there last.
 *
 * @throws CliError that says what must happen first
 */
export function addSteps(plan: DeployPlan, region: string): DeployStep[] {
  if (!plan.regions.some(({ name }) => name === region))
    throw new CliError(
      EXIT.failed,
      plan.consistency === 'strong'
        ? otherTables(plan, `${region} cannot be added`)
        : `the config does not name ${region}: add { name: '${region}' } to regions, and run this again`,
    );
  const own = plan.stacks.filter(
    (stack) => stack.region === region && ['account', 'base'].includes(stack.part),
  );
  const regions = ofPart(plan, 'region');
  return [
    ...deploy([...own, ...ofPart(plan, 'home')]),
    // Also those that the home stack has: a replica that AWS cannot make does not fail its deployment.
    ...keysets('replicate', region, plan.keysManagedBy ?? plan.homeRegion),
    ...deploy([
      ...regions.filter((stack) => stack.region === region),
      ...regions.filter((stack) => stack.region !== region),
      ...ofPart(plan, 'watch'),
    ]),
  ];
}

/** The endpoints that it holds go to the keeper of its flag. */
const endpointSteps = (keepers: readonly string[], region: string): DeployStep[] => {
  const keeper = keeperOf(region, [...keepers, region]);
  return keeper === undefined ? [] : [{ kind: 'move-endpoints', region, keeper }];
};

/** A Region that left by other tables has its flag with its keeper of before, so none keeps one. */
const flagSteps = (keepers: readonly string[], region: string): DeployStep[] =>
  keepers.map((keeper) => ({ kind: 'clear-flag', region, keeper }));

/** @returns the steps for what a Region that is gone leaves in the others */
export function goneSteps({ regions }: DeployPlan, region: string): DeployStep[] {
  const stay = regions.map(({ name }) => name);
  return [...endpointSteps(stay, region), ...flagSteps(stay, region)];
}

/**
 * First the other Regions take over the flag that it keeps, and DNS stops leading to it. Then its stack and
 * its replicas are removed, the endpoints that it holds go to the keeper of its flag, and its base stack is
 * removed; the customer key stays.
 *
 * @throws CliError if the Region must stay, or if something else must happen first
 */
export function removeSteps(plan: DeployPlan, region: string): DeployStep[] {
  if (region === plan.homeRegion)
    throw new CliError(
      EXIT.failed,
      `${region} is the home Region: tables and secrets are replicated from it, and it cannot be removed`,
    );
  if (plan.regions.some(({ name }) => name === region))
    throw new CliError(
      EXIT.failed,
      plan.consistency === 'strong'
        ? otherTables(plan, `${region} cannot be removed`)
        : `the config still names ${region}: evacuate it (countersign evacuate ${region}${stageArguments(plan)}), take it out of regions, and run this again`,
    );
  if (plan.otherTables?.regions.includes(region))
    throw new CliError(
      EXIT.failed,
      `${region} has tables of generation ${plan.otherTables.generation}: remove tables.other from the config ` +
        '(docs/upgrade.md, "Other tables"), deploy, and run this again',
    );
  const stay = plan.regions.map(({ name }) => name);
  const gone = (part: 'region' | 'base'): DeployStep => ({
    kind: 'delete',
    stack: stackIn(plan.stage, part, region),
  });
  return [
    // A rotation writes every replica. The next steps take its rights on that Region's key away.
    ...keysets('unreplicate', region, plan.keysManagedBy),
    ...deploy([...ofPart(plan, 'region'), ...ofPart(plan, 'watch')]),
    gone('region'),
    { kind: 'unprotect', region },
    ...deploy(ofPart(plan, 'home')),
    // An evacuation may have failed to, and an operator may have made one there since. Without the Region's
    // functions and replica no other can come.
    ...endpointSteps(stay, region),
    gone('base'),
    // Last: an interrupted run finds the flag, and goes on.
    ...flagSteps(stay, region),
  ];
}
