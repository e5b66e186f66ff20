/** The events of a platform in memory, in one order for all Regions. */
import { randomBytes } from 'node:crypto';
import {
  BEGINNING,
  changeVersion,
  cursorText,
  type EventData,
  type EventType,
  eventId,
  type PlatformEvent,
  readCursor,
} from '../../../protocol/event.ts';

/** Events of one answer. */
const LIMIT = 100;

export class EventLog {
  readonly #byClient = new Map<string, PlatformEvent[]>();

  add(region: string, type: EventType, data: Omit<EventData, 'version'>, atMs: number): void {
    const version = changeVersion(region, Math.floor(atMs), randomBytes(9).toString('base64url'));
    const id = eventId([data.client_id, data.id ?? data.kid ?? ''], version);
    const timestamp = new Date(atMs).toISOString();
    const events = this.#byClient.get(data.client_id) ?? [];
    events.push({ id, type, timestamp, data: { ...data, version } });
    this.#byClient.set(data.client_id, events);
  }

  /** @returns the events behind a cursor; undefined for a text that is no cursor */
  page(clientId: string, after: string, region: string): object | undefined {
    const seq = after === BEGINNING ? 0 : readCursor(after)?.seq;
    if (seq === undefined) return undefined;
    const events = (this.#byClient.get(clientId) ?? []).slice(seq, seq + LIMIT);
    const last = events.at(-1);
    const next = last
      ? cursorText({ region, seq: seq + events.length, atMs: Date.parse(last.timestamp) })
      : after;
    return { events, next };
  }
}
