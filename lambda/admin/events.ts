/** The operators' actions on events. */
import * as z from 'zod';
import { OTHER_REGION_MS } from '../../protocol/event.ts';
import { KEPT_MS } from '../callbacks/read-events.ts';
import { REBUILD_BEGINS, type RebuildOptions, type RebuildPlace, rebuild } from '../callbacks/rebuild.ts';
import { TABLES, tableKinds } from '../contract/names.ts';
import { type Actions, AdminError } from './actions.ts';
import { action } from './params.ts';

const Rebuild = z.strictObject({
  since: z.iso.datetime({ error: 'must be an RFC 3339 time in UTC, e.g. "2026-11-23T12:00:00Z"' }),
  recent: z.literal(true).optional(),
  cursor: z.string().max(2_000).optional(),
});

export const eventWriteActions = (options: RebuildOptions): Actions => ({
  'events.rebuild': action(
    Rebuild,
    ({ since }) => since,
    async ({ since, recent, cursor }) => {
      const now = options.nowMs();
      const times = { sinceMs: Date.parse(since), untilMs: recent ? now : now - OUTBOX_MS };
      if (cursor === undefined) requireTimes(times, now);
      const place = cursor === undefined ? REBUILD_BEGINS : placeOf(cursor);
      const { next, ...step } = await rebuild(options, times, place);
      return { ...step, ...(next && { cursor: textOf(next) }) };
    },
  ),
});

/** The outbox may still have a change for so long: a stream keeps it for 24 hours. */
const OUTBOX_MS = OTHER_REGION_MS;

function requireTimes({ sinceMs, untilMs }: { sinceMs: number; untilMs: number }, nowMs: number): void {
  const refuse = (why: string) => new AdminError(400, 'malformed_request', `params.since: ${why}`);
  if (sinceMs < nowMs - KEPT_MS)
    throw refuse('events are kept for 30 days: earlier ones would all be sent again');
  if (sinceMs > nowMs) throw refuse('must not be in the future');
  if (sinceMs > untilMs)
    throw refuse('the outbox may still have changes of the last 25 hours: they are left out without recent');
}

const textOf = (place: RebuildPlace): string => Buffer.from(JSON.stringify(place)).toString('base64url');

const Key = z.record(z.string(), z.strictObject({ S: z.string().min(1) }));
const Place = z.strictObject({ table: z.enum(tableKinds('global')), after: Key.optional() });

function placeOf(cursor: string): RebuildPlace {
  try {
    const place = Place.parse(JSON.parse(Buffer.from(cursor, 'base64url').toString()));
    const names = Object.keys(place.after ?? {}).sort();
    if (!place.after || names.join() === [...TABLES[place.table].keys].sort().join()) return place;
  } catch {
    // Refused below.
  }
  throw new AdminError(400, 'malformed_request', 'params.cursor: must be the cursor of an earlier answer');
}
