/** Outcome of a check of preflight. */

/**
 * `warn`: the deployment works, but causes trouble later. `fail`: it does not deploy, or does not serve. `unknown`: the
 * check could not run.
 */
export type Verdict = 'ok' | 'warn' | 'fail' | 'unknown';

export interface Outcome {
  readonly verdict: Verdict;
  readonly detail: string;
  readonly fix?: string;
}

export const ok = (detail: string): Outcome => ({ verdict: 'ok', detail });
export const warn = (detail: string, fix: string): Outcome => ({ verdict: 'warn', detail, fix });
export const fail = (detail: string, fix: string): Outcome => ({ verdict: 'fail', detail, fix });

/** Turns a failed check into `unknown`, so that the other checks still count. AWS may refuse or fail to answer. */
export const orUnknown = (outcomes: Promise<Outcome[]>): Promise<Outcome[]> =>
  outcomes.catch(({ name, message }: Error) => [
    {
      verdict: 'unknown',
      detail: `could not be checked: ${message} (${name})`,
      fix: 'allow it: docs/iam.md lists what preflight reads',
    },
  ]);

/** @returns the date in UTC, `YYYY-MM-DD` */
export const day = (ms: number): string => new Date(ms).toISOString().slice(0, 10);
