/**
 * Which stacks a command deploys or destroys, and in which order. No stack waits for one of another Region by
 * itself.
 */
import type { DeployPlan, PlannedStack } from '../../lambda/contract/deploy-plan.ts';
import { stackName } from '../../lambda/contract/names.ts';
import { usage } from '../io.ts';

/** One step of a run. */
export type DeployStep =
  | { readonly kind: 'deploy'; readonly stack: PlannedStack }
  /** For a stack that the project no longer has. */
  | { readonly kind: 'delete'; readonly stack: PlannedStack }
  /** Makes the Region's replicas of the keysets where AWS did not, or no stack has them after a promotion. */
  | { readonly kind: 'replicate'; readonly region: string; readonly from: string }
  /** Removes those replicas. */
  | { readonly kind: 'unreplicate'; readonly region: string; readonly from: string }
  /** Lets CloudFormation remove the Region's replicas of the tables. */
  | { readonly kind: 'unprotect'; readonly region: string }
  /** Endpoints of callbacks that a Region which is gone still holds go to another Region. */
  | { readonly kind: 'move-endpoints'; readonly region: string; readonly keeper: string }
  /** Removes the evacuation flag of a Region that is gone: a Region that is added later is not evacuated. */
  | { readonly kind: 'clear-flag'; readonly region: string; readonly keeper: string };

/** @returns a name of the step, for a person; for a deployment the stack's own */
export function describeStep(step: DeployStep): string {
  if (step.kind === 'deploy') return step.stack.name;
  if (step.kind === 'clear-flag') return `removal of the flag of ${step.region} in ${step.keeper}`;
  if (step.kind === 'move-endpoints')
    return `move of the endpoints of callbacks from ${step.region} to ${step.keeper}`;
  if (step.kind === 'replicate') return `replicas in ${step.region} of the keysets of ${step.from}`;
  if (step.kind === 'unreplicate')
    return `removal of the replicas in ${step.region} of the keysets of ${step.from}`;
  return step.kind === 'delete'
    ? `deletion of ${step.stack.name}`
    : `end of the deletion protection of the replicas in ${step.region}`;
}

/** A Region's stack, whether or not the project still has it. */
export const stackIn = (stage: string, part: 'base' | 'region', region: string): PlannedStack => ({
  name: stackName(stage, part, region),
  region,
  part,
});

export interface Choice {
  /** Only the stacks that belong to these Regions alone. Undefined: all. */
  readonly region?: readonly string[] | undefined;
  /** No stack that lies in these Regions, which are lost. */
  readonly without?: readonly string[] | undefined;
}

export interface Steps {
  readonly stacks: readonly PlannedStack[];
  /** Stacks of the stage that stay as they are. */
  readonly left: readonly PlannedStack[];
}

/** @throws CliError where a Region is not one of the stage's */
export function deploySteps(plan: DeployPlan, choice: Choice): Steps {
  return split(plan, choice, (stack) => isChosen(plan, stack, choice));
}

/**
 * In reverse order of deployment. A stage of kind prod keeps the stacks that hold data. The account's stack
 * stays, because other stages use its role.
 */
export function destroySteps(plan: DeployPlan, choice: Choice): Steps {
  const goes = (stack: PlannedStack) =>
    stack.part !== 'account' && (plan.kind === 'dev' || !keepsData(stack)) && isChosen(plan, stack, choice);
  const { stacks, left } = split(plan, choice, goes);
  return { stacks: stacks.toReversed(), left };
}

export const keepsData = ({ part }: PlannedStack): boolean => part === 'home' || part === 'base';

function split(plan: DeployPlan, choice: Choice, takes: (stack: PlannedStack) => boolean): Steps {
  const known = new Set(plan.stacks.map(({ region }) => region));
  for (const [option, names = []] of [
    ['--region', choice.region],
    ['--without', choice.without],
  ] as const)
    for (const name of names)
      if (!known.has(name))
        throw usage(
          `${option}: stage ${plan.stage} has no stack in ${name}; it has ${[...known].join(', ')}`,
        );
  return { stacks: plan.stacks.filter(takes), left: plan.stacks.filter((stack) => !takes(stack)) };
}

function isChosen(plan: DeployPlan, { part, region }: PlannedStack, choice: Choice): boolean {
  if (choice.without?.includes(region)) return false;
  if (!choice.region) return true;
  // Stacks that all Regions share belong to no Region, except in a stage of kind dev, which has only one.
  const isOwn = part === 'account' || part === 'base' || part === 'region' || plan.kind === 'dev';
  return isOwn && choice.region.includes(region);
}
