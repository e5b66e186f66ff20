/**
 * Reads an order of events as far as it is known to have no hole. Numbers are taken before their events are
 * written, by several writers at once. So a hole may be an event that is still on its way, or a writer that
 * ended; the reader waits a little, then closes the hole, and a late writer takes another number
 * (docs/decisions/0039-order-of-events.md).
 */
import type { PlatformEvent } from '../../protocol/event.ts';
import type { Events, Numbered } from '../adapters/events.ts';

export interface StoredEvent extends Omit<PlatformEvent, 'data'> {
  readonly seq: number;
  readonly clientId: string;
  readonly data: PlatformEvent['data'];
  /** What a cursor at this event says of its time, in epoch milliseconds by the clock of the outbox. */
  readonly cursorMs: number;
}

export interface ReadInput {
  /** A client, or `*` for all of them. */
  readonly client: string;
  /** Number of the last event that was read; 0 for the beginning. */
  readonly after: number;
  /** At least 1. */
  readonly limit: number;
  readonly nowMs: number;
}

export interface EventPage {
  readonly events: readonly StoredEvent[];
  /** Where to read on: `after` where nothing follows yet. */
  readonly next: number;
  /** What a cursor at `next` says of its time; undefined where nothing follows yet. */
  readonly nextMs: number | undefined;
  /** Whether numbers were passed over whose events TTL may have deleted. */
  readonly passed: boolean;
}

export type ReadEvents = (input: ReadInput) => Promise<EventPage>;

/** TTL deletes no event that was written less than 30 days ago; a day is for clocks. */
export const KEPT_MS = 29 * 24 * 3600 * 1000;
/** A hole under a number that was written this long ago is closed. */
const PATIENCE_MS = 5_000;
/** Numbers that one call closes at most. */
const MOST_CLOSED = 100;
const ROUNDS = 3;

/** @returns a reader @throws Unavailable */
export const createReadEvents =
  (events: Events): ReadEvents =>
  async ({ client, after, limit, nowMs }) => {
    let from = after;
    let passed = false;
    for (let round = 1; ; round++) {
      const items = await events.query(client, from, limit);
      const { read, hole, old } = upToHole(items, from, nowMs);
      passed ||= old;
      if (read.length > 0 || !hole || round === ROUNDS) return pageOf(read, after, passed);
      const { settled } = (await events.range(client)) ?? { settled: 0 };
      if (settled >= hole.from) {
        from = Math.min(settled, hole.to);
        passed = true;
        continue;
      }
      if (hole.sinceMs > nowMs - PATIENCE_MS) return pageOf([], after, passed);
      const end = Math.min(hole.to, hole.from + MOST_CLOSED - 1);
      const numbers = Array.from({ length: end - hole.from + 1 }, (_, i) => hole.from + i);
      await Promise.all(numbers.map((seq) => events.close(client, seq, nowMs, hole.cursorMs)));
    }
  };

interface Hole {
  readonly from: number;
  readonly to: number;
  /** When the next number was written, and what a cursor there says. */
  readonly sinceMs: number;
  readonly cursorMs: number;
}

/** Before an event that is old enough, a missing one was deleted by TTL, and is no hole. */
function upToHole(
  items: readonly Numbered[],
  after: number,
  nowMs: number,
): { readonly read: readonly Numbered[]; readonly hole?: Hole; readonly old: boolean } {
  let expected = after + 1;
  let old = false;
  for (const [i, { seq, writtenAtMs, cursorMs }] of items.entries()) {
    const isMissing = seq !== expected;
    if (isMissing && writtenAtMs > nowMs - KEPT_MS) {
      const hole = { from: expected, to: seq - 1, sinceMs: writtenAtMs, cursorMs };
      return { read: items.slice(0, i), hole, old };
    }
    old ||= isMissing;
    expected = seq + 1;
  }
  return { read: items, old };
}

function pageOf(read: readonly Numbered[], after: number, passed: boolean): EventPage {
  const last = read.at(-1);
  return {
    events: read.flatMap(({ seq, cursorMs, event }): StoredEvent[] =>
      event ? [{ seq, cursorMs, ...event, clientId: event.data.client_id }] : [],
    ),
    next: last?.seq ?? after,
    nextMs: last?.cursorMs,
    passed,
  };
}

/** Writers run side by side for at most this long, so numbers and times may disagree by as much. */
const DISORDER_MS = 10 * 60 * 1000;

/**
 * @returns a number of an order after which all events lie that were written at this time or later. Some
 * earlier ones may lie there too
 * @throws Unavailable
 */
export async function seqBefore(
  events: Pick<Events, 'query' | 'range'>,
  client: string,
  atMs: number,
): Promise<number> {
  const [lowest] = await events.query(client, 0, 1);
  const range = await events.range(client);
  // Before the lowest there may be numbers that are not written yet.
  if (!range || !lowest || lowest.writtenAtMs >= atMs - DISORDER_MS) return 0;
  let [low, high] = [lowest.seq, range.last];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const [next] = await events.query(client, middle, 1);
    if (next && next.writtenAtMs < atMs - DISORDER_MS) low = next.seq;
    else high = middle;
  }
  return low;
}
