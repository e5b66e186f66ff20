/**
 * Decides the next step after a failed attempt. A retry never sends a proof twice: each attempt signs a new
 * one.
 */
import { type ApiError, ConnectionError, type CountersignError, TimeoutError } from './errors.ts';

/** The next attempt: when, with which nonce, and where. */
export interface Next {
  readonly waitMs: number;
  /**
   * `fresh`: a nonce from the pool, which may be the one that the answer brought. `new`: one that is fetched
   * after the wait.
   */
  readonly nonce: 'fresh' | 'new';
  /** `best`: the first Region that has not failed lately. */
  readonly region: 'same' | 'best';
}

type Remedy = 'sign-again' | 'other-key' | 'wait-for-deletion' | 'correct-clock' | 'fail-over';

/**
 * The steps that this call has taken. Each remedy is taken once; a call backs off at most `maxRetries` times.
 */
export interface Tried {
  readonly remedies: Set<Remedy>;
  retries: number;
  /** How often the call waited for its client's quota. */
  quotaWaits: number;
}

export interface RetryLimits {
  readonly maxRetries: number;
  /** Whether there is another Region that has not failed lately. */
  readonly otherRegion: boolean;
  /** Changes to another key of the client. @returns whether there is one */
  readonly otherKey: () => boolean;
  /** Takes a permit from the budget that all calls share. @returns false where none is left */
  readonly permit: () => boolean;
  /** A number in [0, 1). */
  readonly random: () => number;
}

const BASE_MS = 200;
const CAP_MS = 10_000;
/** A call that would have to wait longer fails instead; its error has `retryAfterMs`. */
const LONGEST_WAIT_MS = 60_000;
/** How many quota windows one call waits for. Other calls may use up each window first. */
const QUOTA_WAITS = 10;
/** A fault of the Region's function, or of what lies before it. */
const REGION_FAILURES = [500, 502, 503, 504];

/** @returns the next attempt; undefined where the failure is final */
export function nextAttempt(failure: CountersignError, tried: Tried, limits: RetryLimits): Next | undefined {
  const { code, status, retryAfterMs = 0 } = failure as Partial<ApiError>;
  const once = (remedy: Remedy, next: Next) => {
    if (tried.remedies.has(remedy)) return undefined;
    tried.remedies.add(remedy);
    return next;
  };
  const isOfRegion = isRegionFailure(failure);
  // This Region cannot serve, however long it asks to wait: try another at once, with a nonce from there.
  // This costs no retry, but happens only once.
  if (isOfRegion && limits.otherRegion && !tried.remedies.has('fail-over'))
    return once('fail-over', { waitMs: 0, nonce: 'fresh', region: 'best' });
  // The wait would be longer than a call may wait: let the caller decide.
  if (retryAfterMs > LONGEST_WAIT_MS) return undefined;
  // The nonce is older than a deletion, and so would be a nonce issued now: wait for Retry-After, then fetch
  // one.
  if (code === 'use_nonce' && retryAfterMs > 0)
    return once('wait-for-deletion', { waitMs: retryAfterMs, nonce: 'new', region: 'same' });
  // The nonce is expired, used, or from another Region: sign again with the one that the answer brought.
  if (code === 'use_nonce') return once('sign-again', { waitMs: 0, nonce: 'fresh', region: 'same' });
  // The platform does not know the client's next key yet: sign with the one before.
  if (
    (code === 'invalid_proof' || code === 'key_expired') &&
    !tried.remedies.has('other-key') &&
    limits.otherKey()
  )
    return once('other-key', { waitMs: 0, nonce: 'fresh', region: 'same' });
  // The caller has followed the answer's Date: sign again. Retry-After is set only if the answer brought no
  // nonce.
  if (code === 'clock_skew')
    return once('correct-clock', { waitMs: retryAfterMs, nonce: 'fresh', region: 'same' });
  // The quota is spent: wait for Retry-After. This costs no retry, since the platform asked for it.
  if (status === 429 && retryAfterMs > 0) {
    if (tried.quotaWaits >= QUOTA_WAITS) return undefined;
    const waitMs = retryAfterMs + backoffMs(tried.quotaWaits++, limits.random);
    return { waitMs, nonce: 'fresh', region: 'same' };
  }
  // Any other failure would repeat.
  if (!isOfRegion && status !== 429) return undefined;
  // Everything else backs off, within the budget. The nonce may be used up, so the next attempt takes
  // another.
  if (tried.retries >= limits.maxRetries || !limits.permit()) return undefined;
  const waitMs = retryAfterMs + backoffMs(tried.retries++, limits.random);
  return { waitMs, nonce: 'fresh', region: isOfRegion ? 'best' : 'same' };
}

/**
 * @returns whether the Region cannot serve now, so that another may be tried. The request may have taken
 * effect nevertheless: registering and deleting are idempotent in all Regions together.
 */
export const isRegionFailure = (failure: CountersignError): boolean =>
  failure instanceof ConnectionError ||
  failure instanceof TimeoutError ||
  REGION_FAILURES.includes((failure as Partial<ApiError>).status ?? 0);

/**
 * @returns a random wait in milliseconds, from zero to a limit that doubles with each retry ("full jitter")
 */
const backoffMs = (retries: number, random: () => number): number =>
  random() * Math.min(CAP_MS, BASE_MS * 2 ** retries);

const PERMITS_PER_SUCCESS = 0.1;

/**
 * Limits the retries of all calls of a client together. When a platform is in trouble, retries that fail then
 * add at most a tenth to the requests. A retry that succeeds gives its permit back: where a network loses
 * requests here and there, retries help.
 */
export class RetryBudget {
  readonly #most: number;
  #permits: number;

  /** @param most retries that are left at first, and at most */
  constructor(most: number) {
    this.#most = most;
    this.#permits = most;
  }

  take(): boolean {
    if (this.#permits < 1) return false;
    this.#permits -= 1;
    return true;
  }

  /** @param byRetry whether the call took a permit for its last attempt */
  succeeded(byRetry: boolean): void {
    this.#permits = Math.min(this.#most, this.#permits + (byRetry ? 1 : PERMITS_PER_SUCCESS));
  }
}
