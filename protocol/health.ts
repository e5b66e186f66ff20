/**
 * How long a Region has been good, and whether that is long enough (docs/regions.md, "Health"). The record is
 * of good times only: a table that is down cannot record a bad time, but the gap in its record shows
 * afterwards. Times are epoch milliseconds.
 */

export interface Goodness {
  /** The Region has been good since then. May lie a little in the future: until then it is bad. */
  readonly goodSinceMs: number;
  /** When an instance last noted that the Region is good; undefined before the first. */
  readonly lastGoodMs: number | undefined;
}

/**
 * After a longer time without a note the hold-down begins again.
 */
const GAP_MS = 60_000;
/** A note is renewed after this long: many instances cause few writes. */
const NOTED_FOR_MS = 15_000;

/**
 * The state after a good result.
 *
 * @param held undefined for a Region that was never asked. It has not been unhealthy, so nothing holds it
 * down: a first deployment serves at once
 * @param badMs when the Region was bad, if that could not be noted
 */
export function afterGood(
  held: Goodness | undefined,
  nowMs: number,
  holdDownMs: number,
  badMs?: number,
): Goodness {
  const { goodSinceMs, lastGoodMs = goodSinceMs } = held ?? {
    goodSinceMs: nowMs - holdDownMs,
    lastGoodMs: nowMs,
  };
  const silent = Math.abs(nowMs - Math.max(goodSinceMs, lastGoodMs)) > GAP_MS;
  const bad = badMs !== undefined && badMs >= goodSinceMs;
  return { goodSinceMs: silent || bad ? nowMs : goodSinceMs, lastGoodMs: nowMs };
}

/** @returns whether `next` differs enough from the held record that it must be written */
export const isNews = (held: Goodness | undefined, next: Goodness): boolean =>
  held?.lastGoodMs === undefined ||
  held.goodSinceMs !== next.goodSinceMs ||
  Math.abs(next.lastGoodMs! - held.lastGoodMs) >= NOTED_FOR_MS;

/**
 * @returns the earliest time from which a Region that is bad now may count as good; until then the note stays
 * valid
 */
export const goodAfterBadMs = (nowMs: number): number => nowMs + NOTED_FOR_MS;

/** @returns whether the Region has been good for long enough */
export const isPastHoldDown = ({ goodSinceMs }: Goodness, nowMs: number, holdDownMs: number): boolean =>
  nowMs - goodSinceMs >= holdDownMs;

/** @returns whether the last note is recent, and the Region was healthy then */
export const wasHealthy = (held: Goodness | undefined, nowMs: number, holdDownMs: number): boolean =>
  held?.lastGoodMs !== undefined &&
  Math.abs(nowMs - held.lastGoodMs) <= GAP_MS &&
  isPastHoldDown(held, nowMs, holdDownMs);
