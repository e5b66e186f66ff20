/** Deploys stacks one after the other, and looks at each Region before it goes to the next one. */
import { setTimeout as delay } from 'node:timers/promises';
import type { ShownTables } from '../../lambda/contract/admin.ts';
import type { PlannedStack } from '../../lambda/contract/deploy-plan.ts';
import { EVACUATED_SECTION } from '../../lambda/contract/evacuation.ts';
import { CliError, EXIT, type ExitCode, interrupted } from '../io.ts';
import type { CopyMark } from '../registry/mark.ts';
import { durationText } from '../time.ts';
import { type DeployStep, describeStep } from './steps.ts';

/**
 * What a Region's `/v1/health` says. `out`: no check fails, and the Region is out of service nevertheless, as
 * one that is evacuated. `silent`: it gives no such answer.
 */
export type RegionHealth =
  | { readonly is: 'healthy' | 'out' | 'silent' }
  | { readonly is: 'failing'; readonly checks: readonly string[] };

/** The parts of the CDK and of AWS that a run uses; a test replaces them. */
export interface DeployParts {
  /** Deploys exactly this stack. @throws CliError where that fails: the CDK has then said why */
  deploy(stack: PlannedStack): Promise<void>;
  /** Destroys exactly this stack; one that does not exist is no error. @throws CliError */
  destroy(stack: PlannedStack): Promise<void>;
  /** Deletes a stack that the project has no longer; one that does not exist is no error. @throws CliError */
  remove(stack: PlannedStack): Promise<void>;
  /**
   * Ends the deletion protection of the stage's replicas in a Region that is removed, and waits until their
   * tables take another change. @throws CliError
   */
  unprotect(region: string): Promise<void>;
  /** Makes the Region's replicas of the keysets, and waits until it has them. @throws CliError */
  replicate(from: string, region: string): Promise<void>;
  /** Removes the Region's replicas of the keysets; what is not there is no error. @throws CliError */
  unreplicate(from: string, region: string): Promise<void>;
  /** @returns whether the stack exists */
  exists(stack: PlannedStack): Promise<boolean>;
  health(stack: PlannedStack): Promise<RegionHealth>;
  /** @returns names of the stage's alarms in the stack's Region that are in ALARM */
  alarms(stack: PlannedStack): Promise<readonly string[]>;
  /** @returns names of the stage's alarms in the stack's Region, in any state */
  allAlarms(stack: PlannedStack): Promise<readonly string[]>;
  /**
   * @returns whether the Region's evacuation flag stands in the table of its keeper, which decides
   * @throws CliError where that table cannot be read
   */
  isEvacuated(region: string, keeper: string): Promise<boolean>;
  /**
   * Moves what the Region, which is gone, holds to another. @returns ids of the endpoints @throws CliError
   */
  moveEndpoints(region: string, keeper: string): Promise<readonly string[]>;
  /** Removes the flag of a Region that is gone; what is not there is no error. @throws CliError */
  clearFlag(region: string, keeper: string): Promise<void>;
  /** @returns the other Regions with a replica of a table; none if there is no table. @throws CliError */
  replicasOf(region: string, table: string): Promise<readonly string[]>;
  /** @returns the registry of the Region's functions, undefined where there are none. @throws CliError */
  registryIn(region: string): Promise<string | undefined>;
  /** @returns the tables that the Region's functions use. @throws CliError where nothing says it */
  tables(region: string): Promise<ShownTables>;
  /** @returns the mark of the copy that filled a registry, if one was complete. @throws CliError */
  copied(region: string, table: string): Promise<CopyMark | undefined>;
  /** @returns when a Region last left its mark in a registry; null if that has none. @throws CliError */
  markedAt(at: string, table: string, region: string): Promise<string | null>;
  /** Takes a line of progress. */
  report(text: string): void;
  readonly signal: AbortSignal;
  readonly nowMs: () => number;
  readonly pollMs: number;
}

export interface Watching {
  /** The options that name the stage, as they continue an operator's command. */
  readonly args: string;
  /** Whether a Region may lack keys that did not exist before: a new stage has none. */
  readonly mayLackKeys: boolean;
  /** How long the alarms of a Region are watched before the next stack. */
  readonly alarmsMs: number;
  /** How long a Region may take to be healthy. */
  readonly healthMs: number;
  /** Called before each Region's deployment. @throws CliError where the run must stop there */
  before?(): Promise<void>;
}

export interface DeployOutcome {
  readonly done: readonly string[];
  /** The step at which the run stopped, and why. */
  readonly stopped: { readonly step: string; readonly why: string } | null;
  readonly not_tried: readonly string[];
  /** The remaining work for the operator. */
  readonly notes: readonly string[];
  readonly exit: ExitCode;
}

export function deployStacks(
  stacks: readonly PlannedStack[],
  watching: Watching,
  parts: DeployParts,
): Promise<DeployOutcome> {
  const steps = stacks.map((stack): DeployStep => ({ kind: 'deploy', stack }));
  return runSteps(steps, watching, parts);
}

/** Runs the steps in their order, each only after the one before it. */
export function runSteps(
  steps: readonly DeployStep[],
  watching: Watching,
  parts: DeployParts,
): Promise<DeployOutcome> {
  const notes: string[] = [];
  const regions = steps.filter(
    (step): step is StackStep => step.kind === 'deploy' && step.stack.part === 'region',
  );
  return inTurn(steps, describeStep, parts, notes, async (step) => {
    if (step.kind === 'delete') return parts.remove(step.stack);
    if (step.kind === 'unprotect') return parts.unprotect(step.region);
    if (step.kind === 'replicate') return parts.replicate(step.from, step.region);
    if (step.kind === 'move-endpoints') {
      const moved = await parts.moveEndpoints(step.region, step.keeper);
      if (moved.length > 0)
        notes.push(`${step.keeper} delivers callbacks to ${moved.join(', ')} from now on`);
      return;
    }
    if (step.kind === 'clear-flag') return parts.clearFlag(step.region, step.keeper);
    if (step.kind === 'unreplicate') return parts.unreplicate(step.from, step.region);
    const { stack } = step;
    if (stack.part !== 'region') return parts.deploy(stack);
    const pending = regions.slice(regions.indexOf(step) + 1).map((each) => each.stack);
    const before = await lookBefore(stack, watching.alarmsMs === 0 ? [] : pending, parts);
    await watching.before?.();
    await parts.deploy(stack);
    notes.push(...(await waitForHealth(stack, before, watching, parts)));
    // The alarms of a new Region are not watched: it served nobody before.
    if (before.health) await watchAlarms(stack, before, watching.alarmsMs, parts);
  });
}

export const destroyStacks = (stacks: readonly PlannedStack[], parts: DeployParts): Promise<DeployOutcome> =>
  inTurn(
    stacks,
    ({ name }) => name,
    parts,
    [],
    (stack) => parts.destroy(stack),
  );

async function inTurn<S>(
  steps: readonly S[],
  describe: (step: S) => string,
  { report, signal }: DeployParts,
  notes: readonly string[],
  work: (step: S) => Promise<void>,
): Promise<DeployOutcome> {
  const done: string[] = [];
  for (const [i, step] of steps.entries()) {
    const not_tried = steps.slice(i + 1).map(describe);
    try {
      if (signal.aborted) throw interrupted();
      report(`${i + 1}/${steps.length} ${describe(step)}`);
      await work(step);
      done.push(describe(step));
    } catch (error) {
      if (!(error instanceof CliError)) throw error;
      const exit = signal.aborted ? EXIT.interrupted : error.exitCode;
      return { done, stopped: { step: describe(step), why: error.message }, not_tried, notes, exit };
    }
  }
  return { done, stopped: null, not_tried: [], notes, exit: EXIT.done };
}

type StackStep = Extract<DeployStep, { kind: 'deploy' }>;

interface Before {
  /** Its `checks` are those that may fail after the deployment, too. Undefined: the stack is new. */
  readonly health: RegionHealth | undefined;
  /** Alarms that were in ALARM before. */
  readonly alarms: readonly string[];
  /** Those of them that may stay in ALARM. */
  readonly excused: readonly string[];
  /** Alarms that there were. */
  readonly known: readonly string[];
}

/**
 * A fault that was there before the deployment is excused afterwards only if a Region that is not deployed
 * yet has it, too: an earlier run may have brought the faulty version to this Region. An evacuation is always
 * excused, since no version causes it.
 *
 * @param pending stacks of the Regions that come later; none: everything is excused
 */
async function lookBefore(
  stack: PlannedStack,
  pending: readonly PlannedStack[],
  parts: DeployParts,
): Promise<Before> {
  const look = async (each: PlannedStack) => {
    if (!(await parts.exists(each))) return undefined;
    const [health, alarms] = await Promise.all([parts.health(each), parts.alarms(each)]);
    return { health, alarms };
  };
  const own = await look(stack);
  if (!own) return { health: undefined, alarms: [], excused: [], known: [] };
  const { health, alarms } = own;
  const isGood = health.is === 'healthy' && alarms.length === 0;
  const later = isGood ? [] : (await Promise.all(pending.map(look))).filter((each) => each !== undefined);
  const isCommon = (has: (each: (typeof later)[number]) => boolean) => later.length === 0 || later.some(has);
  const excused = alarms.filter(
    (name) => name.includes(`-${EVACUATED_SECTION}-`) || isCommon((each) => each.alarms.includes(name)),
  );
  for (const name of alarms)
    parts.report(
      excused.includes(name)
        ? `${name} is in ALARM already: it does not stop this deployment`
        : `${name} is in ALARM already, and in no Region that comes later: it must end while the alarms are watched`,
    );
  const mayFail = (check: string) =>
    isCommon(
      (each) =>
        each.health.is === 'silent' || (each.health.is === 'failing' && each.health.checks.includes(check)),
    );
  return {
    health: health.is === 'failing' ? { ...health, checks: health.checks.filter(mayFail) } : health,
    alarms,
    excused,
    known: await parts.allAlarms(stack),
  };
}

/**
 * A check that failed before the deployment, here and in a later Region, may also fail after it: an operator
 * may deploy a fix while another part is down. A Region of a new stage has no keys yet.
 *
 * @returns notes
 */
async function waitForHealth(
  stack: PlannedStack,
  { health: before }: Before,
  { healthMs, mayLackKeys, args }: Watching,
  parts: DeployParts,
): Promise<string[]> {
  const endMs = parts.nowMs() + healthMs;
  const isNew = before === undefined || before.is === 'silent';
  const allowed = before?.is === 'failing' ? before.checks : isNew && mayLackKeys ? ['keys'] : [];
  const isExcused = (now: RegionHealth) =>
    now.is === 'out'
      ? before?.is === 'out'
      : now.is === 'failing' && now.checks.every((check) => allowed.includes(check));
  for (;;) {
    const now = await parts.health(stack);
    if (now.is === 'healthy') {
      parts.report(`${stack.region} is healthy`);
      return [];
    }
    if (isExcused(now)) {
      const keys = isNew ? `: make the first keys with countersign keys init${args}` : ', as before';
      return [`${stack.region} is not healthy yet (${whyUnhealthy(now)})${keys}`];
    }
    if (parts.signal.aborted) throw interrupted();
    if (parts.nowMs() >= endMs)
      throw new CliError(
        EXIT.failed,
        now.is === 'silent'
          ? `deployed, but /v1/health gives no answer after ${durationText(healthMs)}`
          : `deployed, but not healthy: ${whyUnhealthy(now)}`,
      );
    await pause(parts);
  }
}

const whyUnhealthy = (health: RegionHealth): string =>
  health.is === 'failing' ? health.checks.join(', ') : 'out of service, though no check fails';

async function watchAlarms(
  stack: PlannedStack,
  { alarms: before, excused, known }: Before,
  limitMs: number,
  parts: DeployParts,
): Promise<void> {
  if (limitMs === 0) return;
  const endMs = parts.nowMs() + limitMs;
  parts.report(`watching the alarms of ${stack.region} for ${durationText(limitMs)}`);
  for (;;) {
    const isOver = parts.nowMs() >= endMs;
    // An alarm that fired before has until the end. So has a new one: where silence fires it, it is in ALARM
    // until its metric begins.
    const counts = (name: string) =>
      isOver ? !excused.includes(name) : known.includes(name) && !before.includes(name);
    const fired = (await parts.alarms(stack)).filter(counts);
    if (fired.length > 0)
      throw new CliError(
        EXIT.failed,
        `deployed, but in ALARM${isOver ? '' : ' since'}: ${fired.join(', ')}; docs/runbook.md has a section for each`,
      );
    if (parts.signal.aborted) throw interrupted();
    if (isOver) return;
    await pause(parts);
  }
}

const pause = ({ pollMs, signal }: DeployParts): Promise<void> =>
  delay(pollMs, undefined, { signal }).catch(() => {});
