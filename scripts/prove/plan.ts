/** The form of a proof's steps, and the choice of those that a run takes. It is pure: tests need no AWS. */
import type { Lacks, Need, Tools } from './tools.ts';

export interface Check<Found> {
  /** The observation, if it holds. It goes into the log, and beside the date of its rows. */
  readonly what: string;
  holds(found: Found): boolean;
  /** Whether there is anything to look at. Absent: always. */
  when?(found: Found): boolean;
  /** Assumptions of docs/aws-truths.md that were seen if it holds on AWS, in that page's own words. */
  readonly rows?: readonly string[];
}

export interface Step<Found = unknown> {
  readonly name: string;
  readonly does: string;
  /** Steps that must have passed. */
  readonly after: readonly string[];
  readonly needs: readonly Need[];
  /** Runs only if no step failed: whoever looks into a failure needs the stage. */
  readonly last?: true;
  /** The state that a failure may leave behind, and how to end it. */
  readonly ifFailed?: string;
  run(tools: Tools): Promise<Found>;
  readonly checks: readonly Check<Found>[];
}

/** Makes the compiler check a step's checks against the type of its findings. */
export const step = <Found>(each: Step<Found>): Step => each as Step;

export interface Choice {
  readonly only?: string;
  readonly from?: string;
}

export interface Planned {
  readonly step: Step;
  /** Why the step does not run. */
  readonly skip?: string;
  /** Whether it passed in an earlier run. */
  readonly passed?: true;
}

export class UnknownStep extends Error {}

/**
 * Chooses the steps of a run. A step that is named runs again; one that passed before and is not named does
 * not. Steps that a chosen step comes after run first, unless they passed.
 *
 * @param passed by step, the day on which an earlier run passed it
 * @throws UnknownStep
 */
export function planRun(
  steps: readonly Step[],
  lacks: Lacks,
  passed: ReadonlyMap<string, string>,
  { only, from }: Choice,
): Planned[] {
  const named = new Set(only === undefined ? fromOn(steps, from) : [find(steps, only).name]);
  const chosen = new Set<string>();
  const choose = (name: string) => {
    chosen.add(name);
    for (const before of find(steps, name).after) if (!passed.has(before)) choose(before);
  };
  const all = only === undefined && from === undefined;
  for (const name of all ? steps.map((step) => step.name) : named) choose(name);

  const plan: Planned[] = [];
  for (const step of steps.filter(({ name }) => chosen.has(name))) {
    const day = named.has(step.name) ? undefined : passed.get(step.name);
    const lacking = step.needs.find((need) => lacks[need] !== undefined);
    const before = plan.find((each) => step.after.includes(each.step.name) && each.skip && !each.passed);
    if (day !== undefined) plan.push({ step, skip: `it passed on ${day}`, passed: true });
    else if (lacking !== undefined) plan.push({ step, skip: lacks[lacking]! });
    else if (before) plan.push({ step, skip: `it comes after ${before.step.name}, which does not run` });
    else plan.push({ step });
  }
  return plan;
}

function fromOn(steps: readonly Step[], from: string | undefined): string[] {
  if (from === undefined) return [];
  return steps.slice(steps.indexOf(find(steps, from))).map(({ name }) => name);
}

function find(steps: readonly Step[], name: string): Step {
  const step = steps.find((each) => each.name === name);
  if (step) return step;
  throw new UnknownStep(
    `there is no step ${name}; the steps are ${steps.map((each) => each.name).join(', ')}`,
  );
}
