/**
 * A Region's evacuation flag, and the metric that says so (docs/regions.md, "Evacuation"). The flag has no
 * end of its own. Times are epoch milliseconds.
 */

export type EvacuationFlag =
  | { readonly stands: true; readonly sinceMs: number }
  | { readonly stands: false; readonly returnedMs: number };

/** Missing data does not end an evacuation, so its end is published for this long. */
const SAID_FOR_MS = 10 * 60_000;
/** Operators see a return for this long. TTL may delete it later, never earlier. */
const SHOWN_FOR_MS = 30 * 24 * 3_600_000;

/** @returns the value of the metric; undefined if there is nothing to publish */
export function evacuationMetric(flag: EvacuationFlag | undefined, nowMs: number): 0 | 1 | undefined {
  if (!flag) return undefined;
  if (flag.stands) return 1;
  return Math.abs(nowMs - flag.returnedMs) < SAID_FOR_MS ? 0 : undefined;
}

/** @returns when the item of the flag of a Region that returned may go, in epoch seconds */
export const returnedTtlS = (returnedMs: number): number => Math.ceil((returnedMs + SHOWN_FOR_MS) / 1000);
