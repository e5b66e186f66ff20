/** What a check says. */

/**
 * `warn`: it deploys, and will be regretted. `fail`: it does not deploy, or does not serve. `unknown`: nobody could
 * look, so nobody can say.
 */
export type Verdict = 'ok' | 'warn' | 'fail' | 'unknown';

export interface Outcome {
  readonly verdict: Verdict;
  readonly detail: string;
  /** What to do about it. */
  readonly mend?: string;
}

export const ok = (detail: string): Outcome => ({ verdict: 'ok', detail });
export const warn = (detail: string, mend: string): Outcome => ({ verdict: 'warn', detail, mend });
export const fail = (detail: string, mend: string): Outcome => ({ verdict: 'fail', detail, mend });

/** A check that AWS refused, or did not answer, spoils none of the others. */
export const orUnknown = (outcomes: Promise<Outcome[]>): Promise<Outcome[]> =>
  outcomes.catch(({ name, message }: Error) => [
    {
      verdict: 'unknown',
      detail: `could not be checked: ${message} (${name})`,
      mend: 'allow it: docs/iam.md lists what preflight reads',
    },
  ]);

/** UTC. */
export const day = (ms: number): string => new Date(ms).toISOString().slice(0, 10);
