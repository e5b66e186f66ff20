/** Runs planned steps, and says of each what it found. */
import type { Check, Planned } from './plan.ts';
import type { Tools } from './tools.ts';

export interface Seen {
  readonly assumption: string;
  /** The day, in UTC. */
  readonly date: string;
  readonly step: string;
  readonly what: string;
}

export interface Outcome {
  readonly passed: readonly string[];
  readonly failed: readonly string[];
  readonly skipped: readonly string[];
  readonly seen: readonly Seen[];
}

export interface Observer {
  readonly signal: AbortSignal;
  say(line: string): void;
  today(): string;
  /** A step passed: what a later run need not repeat. */
  passed(step: string, seen: readonly Seen[]): void;
}

export async function runPlan(plan: readonly Planned[], tools: Tools, observer: Observer): Promise<Outcome> {
  const passed: string[] = [];
  const failed: string[] = [];
  const skipped: string[] = [];
  const seen: Seen[] = [];
  const { say } = observer;
  for (const { step, skip, passed: before } of plan) {
    const missing = step.after.find((name) => failed.includes(name) || skipped.includes(name));
    const reason =
      skip ??
      (observer.signal.aborted ? 'interrupted' : undefined) ??
      (missing === undefined ? undefined : `it comes after ${missing}, which did not pass`) ??
      (step.last && failed.length > 0 ? 'a step failed: the stage stays until it passes' : undefined);
    if (reason !== undefined) {
      say(`SKIP ${step.name}: ${reason}`);
      if (!before) skipped.push(step.name);
      continue;
    }
    say(`RUN  ${step.name}: ${step.does}`);
    try {
      const found = await step.run(tools);
      const looks = step.checks.filter(({ when }) => when?.(found) ?? true);
      const wrong = looks.filter((check) => !look(check, found, say));
      if (wrong.length > 0) throw new Error(wrong.map(({ what }) => `not so: ${what}`).join('; '));
      const rows = looks.flatMap(({ rows = [], what }) =>
        rows.map((assumption) => ({ assumption, date: observer.today(), step: step.name, what })),
      );
      seen.push(...rows);
      passed.push(step.name);
      observer.passed(step.name, rows);
      say(`PASS ${step.name}`);
    } catch (error) {
      failed.push(step.name);
      say(`FAIL ${step.name}: ${(error as Error).message}`);
      if (step.ifFailed !== undefined) say(`     ${step.ifFailed}`);
    }
  }
  return { passed, failed, skipped, seen };
}

function look(check: Check<unknown>, found: unknown, say: (line: string) => void): boolean {
  const holds = check.holds(found);
  say(`     ${holds ? 'yes' : 'NO '} ${check.what}`);
  return holds;
}
