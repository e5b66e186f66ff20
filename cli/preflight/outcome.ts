/** What a check says. */
import { NOT_AWS } from '../aws-error.ts';

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
  outcomes.catch(({ name, message, code }: NodeJS.ErrnoException) => [
    {
      verdict: 'unknown',
      detail: `could not be checked: ${message} (${name})`,
      mend: mendOf(name, code),
    },
  ]);

const MENDS: readonly (readonly [kind: RegExp, mend: string])[] = [
  [/AccessDenied|Unauthorized|NotAuthorized|Forbidden/, 'allow it: docs/iam.md lists what preflight reads'],
  [
    /ExpiredToken|RequestExpired|Credentials|InvalidClientTokenId|AuthFailure/,
    'log in again, and run it again',
  ],
  [/Throttl|TooManyRequests|RequestLimitExceeded|SlowDown/, 'AWS asks to wait: run it again in a minute'],
  [/Timeout|^E[A-Z_]+$/, 'open the way to AWS from here, then run it again'],
  [/SyntaxError|TypeError/, NOT_AWS],
];

const mendOf = (name: string, code = ''): string =>
  MENDS.find(([kind]) => kind.test(name) || kind.test(code))?.[1] ??
  'run it again; if it stays, look at AWS’s health page for that service';

/** UTC. */
export const day = (ms: number): string => new Date(ms).toISOString().slice(0, 10);
