/**
 * The limit on a client's signatures, per Region and minute (docs/protocol.md, "Limits"). Instances lease
 * blocks of permits from the window's counter and spend them in memory: neither the leases nor the accepted
 * requests exceed the limit. Times are epoch milliseconds.
 */

export const WINDOW_MS = 60_000;

/** @returns the number of the fixed window that an instant lies in */
export const windowAt = (nowMs: number): number => Math.floor(nowMs / WINDOW_MS);

/** @returns whole seconds until a window ends, at least 1 */
export const secondsLeft = (window: number, nowMs: number): number =>
  Math.max(1, Math.ceil(((window + 1) * WINDOW_MS - nowMs) / 1000));

/**
 * RateLimit header fields for HTTP (draft-ietf-httpapi-ratelimit-headers), as structured fields (RFC 9651);
 * of whole numbers alone.
 */
export const rateLimitFields = (policy: string, limit: number, remaining: number, seconds: number) => ({
  'RateLimit-Policy': `"${policy}";q=${limit};w=${WINDOW_MS / 1000}`,
  RateLimit: `"${policy}";r=${remaining};t=${seconds}`,
});

/** Counters outlive their window by this much. TTL may delete later, never earlier. */
const COUNTER_MARGIN_MS = 15 * 60_000;

/** @returns when a window's counter may go, in epoch seconds */
export const counterTtlS = (window: number): number =>
  Math.ceil(((window + 1) * WINDOW_MS + COUNTER_MARGIN_MS) / 1000);

/** Whether the counter of a window grants `n` more permits: the condition of the adapter's one update. */
export const grants = (leased: number, n: number, limit: number): boolean => leased + n <= limit;

/** One instance's part of one client's window. */
export interface Share {
  readonly window: number;
  /** Permits in hand. */
  readonly left: number;
  /** A lower bound of what all instances have leased: the counter only grows. */
  readonly leased: number;
  /** The last block leased, and its time: they show how fast this instance is. */
  readonly block: number;
  readonly leasedAtMs: number;
}

/** The share at `nowMs`: permits end with their window, the instance's pace carries over. */
export function shareAt(share: Share | undefined, nowMs: number): Share {
  const window = windowAt(nowMs);
  if (share?.window === window) return share;
  const { block, leasedAtMs } = share ?? { block: 0, leasedAtMs: Number.NEGATIVE_INFINITY };
  return { window, left: 0, leased: 0, block, leasedAtMs };
}

export const spend = (share: Share): Share => ({ ...share, left: share.left - 1 });

export function granted(share: Share, n: number, leased: number, nowMs: number): Share {
  return { ...share, left: share.left + n, leased, block: n, leasedAtMs: nowMs };
}

/** A refused lease of `n` gives a lower bound of what is leased. */
export const refused = (share: Share, n: number, limit: number): Share => ({
  ...share,
  leased: Math.max(share.leased, limit - n + 1),
});

/** Whether this instance knows that the window is spent: it has no permit and can lease none. */
export const isSpent = (share: Share, limit: number): boolean => share.left <= 0 && share.leased >= limit;

/** A block lasts an instance this long at most. A larger one would be lost if the instance's traffic ends. */
const BLOCK_SPAN_MS = 5_000;
/** A block takes at most this part of the remaining permits: blocks shrink to 1 towards the limit. */
const LARGEST_PART = 1 / 8;

/**
 * @param waiting requests that need a permit now
 * @returns the number of permits to lease: as many as this instance will soon use at its own pace, and at
 * least 1
 */
export function blockSize(share: Share, limit: number, waiting: number, nowMs: number): number {
  const spanMs = Math.min(BLOCK_SPAN_MS, (share.window + 1) * WINDOW_MS - nowMs);
  const elapsedMs = Math.max(0, nowMs - share.leasedAtMs);
  const paced = elapsedMs === 0 ? Number.POSITIVE_INFINITY : (share.block / elapsedMs) * spanMs;
  const wanted = Math.max(waiting, Math.min(2 * share.block, paced));
  const most = Math.max(1, (limit - share.leased) * LARGEST_PART);
  return Math.max(1, Math.floor(Math.min(wanted, most)));
}
