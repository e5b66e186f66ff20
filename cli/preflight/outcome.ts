/** What a check says. */

/** `warn`: it deploys, and will be regretted. `fail`: it does not deploy, or does not serve. */
export type Verdict = 'ok' | 'warn' | 'fail';

export interface Outcome {
  readonly verdict: Verdict;
  readonly detail: string;
  /** What to do about it. */
  readonly mend?: string;
}

export const ok = (detail: string): Outcome => ({ verdict: 'ok', detail });
export const warn = (detail: string, mend: string): Outcome => ({ verdict: 'warn', detail, mend });
export const fail = (detail: string, mend: string): Outcome => ({ verdict: 'fail', detail, mend });

/** UTC. */
export const day = (ms: number): string => new Date(ms).toISOString().slice(0, 10);
