/**
 * How late other Regions' changes are in a Region, by the times that those Regions write and replication
 * carries. A cursor that left them out must go back further in another Region. Pure; times are epoch
 * milliseconds.
 */

export interface Heard {
  /** The last time that each other Region said: the earliest of them. */
  readonly heardMs: number;
  /** After a gap: what came before it may still be on its way, behind what is newer. */
  readonly gap?: { readonly fromMs: number; readonly untilMs: number };
}

/** So late a change may be for an ordinary reason: a heartbeat's turn, a slow replication, clocks. */
export const LATE_MS = 3_600_000;
/** Replication that catches up keeps the order of an item alone. */
const CATCH_UP_MS = 24 * 3_600_000;

/** @returns the record once `heardMs` was read at `nowMs` */
export function afterHeard(before: Heard | undefined, heardMs: number, nowMs: number): Heard {
  const held = before?.gap && before.gap.untilMs > nowMs ? before.gap : undefined;
  if (!before || heardMs - before.heardMs <= LATE_MS) return { heardMs, ...(held && { gap: held }) };
  const fromMs = Math.min(before.heardMs, held?.fromMs ?? before.heardMs);
  return { heardMs, gap: { fromMs, untilMs: nowMs + CATCH_UP_MS } };
}

/**
 * @returns the time that a cursor holds at an event that is written at `nowMs`: that time, or one that all
 * changes of other Regions that are missing came after
 */
export function cursorMs(heard: Heard | undefined, nowMs: number): number {
  if (!heard) return nowMs;
  const { heardMs, gap } = heard;
  const known = gap && gap.untilMs > nowMs ? Math.min(gap.fromMs, heardMs) : heardMs;
  return Math.min(nowMs, known + LATE_MS);
}
