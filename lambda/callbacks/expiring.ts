/**
 * Events of time: a client's last key ends soon. Every Region looks at the same keys, and an event's id
 * follows from what it says, so each Region writes the same events.
 */
import { type ClientRecord, isRevoked } from '../../protocol/client.ts';
import { eventId, type PlatformEvent, versionByTime } from '../../protocol/event.ts';
import type { createClientScan } from '../adapters/clients.ts';
import type { Events } from '../adapters/events.ts';
import { KEY } from '../contract/items.ts';
import { append } from './outbox.ts';

const DAY_MS = 24 * 3600 * 1000;
/** Days ahead, the last notice first. */
const NOTICES = [1, 7, 14];

/** @returns the notice that is due for the key that ends last; a client with another key has no need of it */
export function expiringEvent(client: ClientRecord, nowMs: number): PlatformEvent | undefined {
  const live = client.keys.filter((key) => key.expiresAtS * 1000 > nowMs && !isRevoked(client, key));
  const last = live.toSorted((a, b) => b.expiresAtS - a.expiresAtS)[0];
  if (!last || client.disabled) return undefined;
  const endMs = last.expiresAtS * 1000;
  const days = NOTICES.find((each) => endMs - nowMs <= each * DAY_MS);
  if (days === undefined) return undefined;
  const { clientId } = client;
  const version = versionByTime(endMs, 'created');
  return {
    id: eventId([clientId, KEY + last.kid, String(days)], version),
    type: 'client.key_expiring',
    timestamp: new Date(endMs - days * DAY_MS).toISOString(),
    data: { client_id: clientId, version, kid: last.kid, expires_at: new Date(endMs).toISOString() },
  };
}

export interface ExpiringOptions {
  readonly events: Events;
  readonly clients: ReturnType<typeof createClientScan>;
  readonly nowMs: () => number;
}

/** A look begins so long after the one before; the schedule is more frequent. */
const EVERY_MS = 3_600_000;
/** Of one run, well inside the function's minute. */
const RUN_MS = 30_000;

/**
 * Writes the notices that are due and not written yet. One run goes through as many clients as it has time
 * for, and the next one goes on there.
 *
 * @throws Unavailable; then the next run begins where this one did
 */
export async function writeExpiring({ events, clients, nowMs }: ExpiringOptions): Promise<void> {
  const startMs = nowMs();
  const before = await events.recall('expiring');
  if (before && !before.after && startMs < before.beganMs + EVERY_MS) return;
  const beganMs = before?.after ? before.beganMs : startMs;
  for await (const { client, last } of clients.all(before?.after)) {
    const event = expiringEvent(client, nowMs());
    if (event && !(await events.has(event.id))) await append(events, [event], nowMs);
    if (nowMs() >= startMs + RUN_MS) return events.note('expiring', { beganMs, after: last });
  }
  await events.note('expiring', { beganMs });
}
