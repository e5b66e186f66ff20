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
  readonly fix?: string;
}

export const ok = (detail: string): Outcome => ({ verdict: 'ok', detail });
export const warn = (detail: string, fix: string): Outcome => ({ verdict: 'warn', detail, fix });
export const fail = (detail: string, fix: string): Outcome => ({ verdict: 'fail', detail, fix });

/** A check that AWS refused, or did not answer, spoils none of the others. */
export const orUnknown = (outcomes: Promise<Outcome[]>): Promise<Outcome[]> =>
  outcomes.catch(({ name, message }: Error) => [
    {
      verdict: 'unknown',
      detail: `could not be checked: ${message} (${name})`,
      fix: 'allow it: docs/iam.md lists what preflight reads',
    },
  ]);

/** UTC. */
export const day = (ms: number): string => new Date(ms).toISOString().slice(0, 10);
