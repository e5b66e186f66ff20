/** What to do after a failed attempt. A retry never sends a proof twice: each attempt signs anew. */
import { type ApiError, ConnectionError, type CountersignError, TimeoutError } from './errors.ts';

/** The next attempt: when, with which nonce, and where. */
export interface Next {
  readonly waitMs: number;
  /** `fresh`: the one that came with the answer, or another; `new`: one that is fetched after the wait. */
  readonly nonce: 'fresh' | 'new';
  /** `best`: the first that has not failed lately. */
  readonly region: 'same' | 'best';
}

type Remedy = 'sign-again' | 'wait-for-deletion' | 'correct-clock' | 'fail-over';

/** What this call has tried already: each remedy is taken once, backing off `maxRetries` times. */
export interface Tried {
  readonly remedies: Set<Remedy>;
  retries: number;
  /** How often it waited for its client's quota. */
  quotaWaits: number;
}

export interface RetryLimits {
  readonly maxRetries: number;
  /** Whether another Region is there that has not failed lately. */
  readonly otherRegion: boolean;
  /** Takes a permit from the budget that all calls share. */
  readonly permit: () => boolean;
  /** In [0, 1). */
  readonly random: () => number;
}

const BASE_MS = 200;
const CAP_MS = 10_000;
/** A call that is told to wait longer fails instead, and says how long. */
const LONGEST_RETRY_AFTER_MS = 60_000;
/** Windows that one call waits for: others may be faster at each. */
const QUOTA_WAITS = 10;
const TRANSIENT = [429, 500, 502, 503, 504];

/** @returns undefined where the failure is final */
export function nextAttempt(failure: CountersignError, tried: Tried, limits: RetryLimits): Next | undefined {
  const { code, status, retryAfterMs = 0 } = failure as Partial<ApiError>;
  const once = (remedy: Remedy, next: Next) => {
    if (tried.remedies.has(remedy)) return undefined;
    tried.remedies.add(remedy);
    return next;
  };
  // Told to wait for longer than a call may take: the caller decides.
  if (retryAfterMs > LONGEST_RETRY_AFTER_MS) return undefined;
  // The nonce is older than a deletion, and one of now would be too: wait as told, then fetch one.
  if (code === 'use_nonce' && retryAfterMs > 0)
    return once('wait-for-deletion', { waitMs: retryAfterMs, nonce: 'new', region: 'same' });
  // Expired, used, or from elsewhere: sign again with the one that came along.
  if (code === 'use_nonce') return once('sign-again', { waitMs: 0, nonce: 'fresh', region: 'same' });
  // The clock has been set by the answer's Date: sign again, after a wait where no nonce could be had.
  if (code === 'clock_skew')
    return once('correct-clock', { waitMs: retryAfterMs, nonce: 'fresh', region: 'same' });
  // Over the quota: wait as told, at nobody's expense, since the platform asked for it.
  if (status === 429 && retryAfterMs > 0) {
    if (tried.quotaWaits >= QUOTA_WAITS) return undefined;
    const waitMs = retryAfterMs + backoffMs(tried.quotaWaits++, limits.random);
    return { waitMs, nonce: 'fresh', region: 'same' };
  }
  const unreachable = isUnreachable(failure);
  // Any other answer would be the same again.
  if (!unreachable && !TRANSIENT.includes(status ?? 0)) return undefined;
  // This Region is out: ask one that is not, with a nonce of its own. At once and free of charge, but once.
  if (unreachable && limits.otherRegion && !tried.remedies.has('fail-over'))
    return once('fail-over', { waitMs: 0, nonce: 'fresh', region: 'best' });
  // Everything else backs off, within the budget. The nonce may be spent, so the next attempt takes another.
  if (tried.retries >= limits.maxRetries || !limits.permit()) return undefined;
  const waitMs = retryAfterMs + backoffMs(tried.retries++, limits.random);
  return { waitMs, nonce: 'fresh', region: unreachable ? 'best' : 'same' };
}

/** @returns whether the Region cannot serve just now, so that another may be asked */
export const isUnreachable = (failure: CountersignError): boolean =>
  failure instanceof ConnectionError ||
  failure instanceof TimeoutError ||
  (failure as Partial<ApiError>).status === 503;

/** Full jitter: anything from zero to a cap that doubles, in milliseconds. */
const backoffMs = (retries: number, random: () => number): number =>
  random() * Math.min(CAP_MS, BASE_MS * 2 ** retries);

const BUDGET = 50;
const PERMITS_PER_SUCCESS = 0.1;

/**
 * How many retries all calls of a client may make together: when a platform is in trouble, a tenth more requests
 * and no storm.
 */
export class RetryBudget {
  #permits = BUDGET;

  take(): boolean {
    if (this.#permits < 1) return false;
    this.#permits -= 1;
    return true;
  }

  succeeded(): void {
    this.#permits = Math.min(BUDGET, this.#permits + PERMITS_PER_SUCCESS);
  }
}
