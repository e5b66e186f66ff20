/** Outcome of a check of preflight. */
import { NOT_AWS } from '../aws-error.ts';

/**
 * `warn`: the deployment works, but causes trouble later. `fail`: it does not deploy, or does not serve.
 * `unknown`: the check could not run.
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

/**
 * Turns a failed check into `unknown`, so that the other checks still count. AWS may refuse or fail to
 * answer.
 */
export const orUnknown = (outcomes: Promise<Outcome[]>): Promise<Outcome[]> =>
  outcomes.catch(({ name, message, code }: NodeJS.ErrnoException) => [
    {
      verdict: 'unknown',
      detail: `could not be checked: ${message} (${name})`,
      fix: fixOf(name, code),
    },
  ]);

const FIXES: readonly (readonly [kind: RegExp, fix: string])[] = [
  [/AccessDenied|Unauthorized|NotAuthorized|Forbidden/, 'allow it: docs/iam.md lists what preflight reads'],
  [
    /ExpiredToken|RequestExpired|Credentials|InvalidClientTokenId|AuthFailure/,
    'log in again, and run it again',
  ],
  [/Throttl|TooManyRequests|RequestLimitExceeded|SlowDown/, 'AWS limits the calls: run it again in a minute'],
  [/Timeout|^E[A-Z_]+$/, 'check that this machine can reach AWS, then run it again'],
  [/SyntaxError|TypeError/, NOT_AWS],
];

const fixOf = (name: string, code = ''): string =>
  FIXES.find(([kind]) => kind.test(name) || kind.test(code))?.[1] ??
  'run it again; if it fails again, see the AWS Health Dashboard for that service';

/** @returns the date in UTC, `YYYY-MM-DD` */
export const day = (ms: number): string => new Date(ms).toISOString().slice(0, 10);
