/**
 * Events of time: a client's last key ends soon. Every Region looks at the same keys, and an event's id
 * follows from what it says, so each Region writes the same events.
 */
import { type ClientRecord, isRevoked } from '../../protocol/client.ts';
import { eventId, type PlatformEvent, versionByTime } from '../../protocol/event.ts';
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
  readonly clients: { all(): AsyncIterable<ClientRecord> };
  readonly nowMs: () => number;
}

/** Writes the notices that are due and not written yet. @throws Unavailable; the next hour is early enough */
export async function writeExpiring({ events, clients, nowMs }: ExpiringOptions): Promise<void> {
  for await (const client of clients.all()) {
    const event = expiringEvent(client, nowMs());
    if (event && !(await events.has(event.id))) await append(events, [event], nowMs);
  }
}
