/** When a callback is tried again (docs/protocol.md, "Callbacks"). Times are epoch milliseconds. */
import type { Endpoint, Retry } from '../adapters/endpoints.ts';

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;

/** After the first, second, … failed attempt; the last one again and again. */
const STEPS_MS = [
  5 * SECOND_MS,
  5 * MINUTE_MS,
  30 * MINUTE_MS,
  2 * HOUR_MS,
  5 * HOUR_MS,
  10 * HOUR_MS,
  12 * HOUR_MS,
];

/** An event that was not taken for so long is a dead letter. */
export const HORIZON_MS = 72 * HOUR_MS;

export interface Failed {
  /** How many attempts were made, at least 1. */
  readonly attempts: number;
  readonly firstAtMs: number;
  readonly nowMs: number;
  /** The answer's `Retry-After`. */
  readonly retryAfter?: string | undefined;
}

/**
 * @param random 0 to 1: endpoints that failed together are not all tried again together
 * @returns when to try again; undefined where it was the last attempt
 */
export function nextAttemptMs(failed: Failed, random: number): number | undefined {
  const { attempts, firstAtMs, nowMs } = failed;
  const endMs = firstAtMs + HORIZON_MS;
  if (nowMs >= endMs) return undefined;
  const step = STEPS_MS[Math.min(attempts, STEPS_MS.length) - 1]!;
  const waitMs = Math.max(step * (0.9 + 0.2 * random), retryAfterMs(failed.retryAfter, nowMs));
  // The last attempt is at the end of the three days, not half a day before.
  return Math.min(nowMs + Math.round(waitMs), endMs);
}

/** @returns until when a `Retry-After` asks for time, at most for three days; 0 where it does not */
export function pausedUntilMs(retryAfter: string | undefined, nowMs: number): number {
  const ms = retryAfterMs(retryAfter, nowMs);
  return ms > 0 ? nowMs + Math.min(ms, HORIZON_MS) : 0;
}

/** @returns how long a `Retry-After` asks to wait (RFC 9110 §10.2.3); 0 where it has no meaning */
function retryAfterMs(value: string | undefined, nowMs: number): number {
  if (value === undefined) return 0;
  const ms = /^\d{1,9}$/.test(value) ? Number(value) * SECOND_MS : Date.parse(value) - nowMs;
  return Number.isFinite(ms) && ms > 0 ? ms : 0;
}

/** @returns when a ping, a probe or a retry is due; undefined where none is asked for */
export function dueAtMs(endpoint: Endpoint, retries: readonly Retry[], now: number): number | undefined {
  const { state, ping, openSinceMs, probeAtMs, failingSinceMs } = endpoint;
  const times = ping && (state === 'pending' || state === 'active') ? [ping.nextAtMs] : [];
  const ends = retries.map(({ firstAtMs }) => firstAtMs + HORIZON_MS);
  if (state === 'active') {
    if (failingSinceMs !== null) times.push(failingSinceMs + HORIZON_MS);
    if (openSinceMs !== null) times.push(probeAtMs, ...ends);
    else times.push(...retries.map(({ nextAtMs }) => nextAtMs));
  } else if (state === 'disabled') times.push(...ends);
  else if (state === 'gone' && retries.length > 0) times.push(now);
  return times.length > 0 ? Math.min(...times) : undefined;
}
