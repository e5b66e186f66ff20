/**
 * Delivers events to endpoints. What is due follows from the endpoint's item, its retries and the order of
 * events alone; a wake-up only says where to look. One worker at a time has an endpoint, by a lease, and
 * works for a short turn: an endpoint that is slow or dead costs itself alone
 * (docs/decisions/0041-delivery.md).
 */
import { randomUUID } from 'node:crypto';
import type { Endpoint } from '../adapters/endpoints.ts';
import { describeError } from '../log.ts';
import { dueAtMs, HORIZON_MS } from './schedule.ts';
import { takeOver } from './take-over.ts';
import { LEASE_MS, LeaseLost, Turn, type TurnOptions } from './turn.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** A dead letter is kept for as long as an event, though no table deletes it by itself. */
const DEAD_KEPT_MS = 30 * DAY_MS;
/** Dead letters of an endpoint that one look may remove. */
const LETTERS = 100;

export interface DeliverOptions extends TurnOptions {
  readonly wake: Wake;
  /** Names of the stage's Regions. */
  readonly regions: readonly string[];
}

/** Sends a wake-up for each endpoint. @param delayMs at most 15 minutes */
export type Wake = (ids: readonly string[], delayMs: number) => Promise<void>;

export interface Deliver {
  /** One turn of an endpoint. */
  turn(id: string): Promise<void>;
  /** Wakes every endpoint of this Region that has something due. */
  sweep(): Promise<void>;
}
export function createDeliver(options: DeliverOptions): Deliver {
  const { endpoints, events, region, regions, nowMs, wake, isStopped, log } = options;
  let prunedMs = Number.NEGATIVE_INFINITY;

  /** Once an hour, the oldest of each endpoint: more than become too old in an hour. */
  async function prune(held: readonly Endpoint[]): Promise<void> {
    const now = nowMs();
    if (now < prunedMs + HOUR_MS) return;
    for (const { id } of held) {
      const { letters } = await endpoints.dead(id, undefined, LETTERS);
      for (const letter of letters)
        if (letter.deadAtMs < now - DEAD_KEPT_MS) await endpoints.dropDead(id, letter);
    }
    prunedMs = now;
  }

  return {
    async turn(id) {
      try {
        const seen = await endpoints.get(id);
        const now = nowMs();
        // A look is cheap; a lease is a write.
        if (!seen || seen.holder !== region || seen.leaseUntilMs >= now) return;
        if (await isStopped()) return;
        const lease = randomUUID();
        if (seen.takesOver) await takeOver(options, seen);
        const endpoint = await endpoints.take(seen, lease, now, now + LEASE_MS);
        if (!endpoint) return;
        const turn = new Turn(options, endpoint, lease);
        await turn.run();
        const delayMs = await turn.nextMs();
        if (delayMs !== undefined) await wake([id], delayMs);
      } catch (error) {
        if (error instanceof LeaseLost) return;
        // The lease ends by itself, and the schedule tries again.
        const failure = describeError(error);
        log({ level: 'ERROR', message: 'callback', region, target: id, reason: 'turn', ...failure });
      }
    },

    async sweep() {
      if (await isStopped()) return;
      const { endpoints: all, retries } = await endpoints.list();
      const now = nowMs();
      const lasts = new Map<string, Promise<number>>();
      const last = (client: string): Promise<number> => {
        const known = lasts.get(client) ?? events.range(client).then((range) => range?.last ?? 0);
        lasts.set(client, known);
        return known;
      };
      const due = await Promise.all(
        all.map(async (endpoint) => {
          if (endpoint.holder !== region || endpoint.leaseUntilMs >= now) return [];
          if (endpoint.takesOver) return [endpoint.id];
          const at = dueAtMs(endpoint, retries.get(endpoint.id) ?? [], now);
          if (at !== undefined && at <= now) return [endpoint.id];
          const reads = endpoint.state === 'active' && endpoint.openSinceMs === null;
          return reads && (await last(endpoint.client)) > endpoint.cursor ? [endpoint.id] : [];
        }),
      );
      await wake(due.flat(), 0);
      const left = all.filter(({ holder }) => !regions.includes(holder));
      if (left.length > 0) {
        const target = left.map(({ id }) => id).join(' ');
        log({ level: 'ERROR', message: 'callback', region, target, reason: 'no_holder' });
      }
      const known = new Set(all.map(({ id }) => id));
      // A worker was under way when its endpoint was deleted. An endpoint may also arrive after its retries.
      for (const [id, left] of retries)
        for (const { event, firstAtMs } of known.has(id) ? [] : left)
          if (firstAtMs < now - HORIZON_MS - DAY_MS) await endpoints.dropRetry(id, event);
      await prune(all.filter(({ holder }) => holder === region));
    },
  };
}
