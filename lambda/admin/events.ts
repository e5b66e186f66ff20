/** The operators' actions on events. */
import * as z from 'zod';
import { REBUILD_BEGINS, type RebuildOptions, type RebuildPlace, rebuild } from '../callbacks/rebuild.ts';
import { TABLES, tableKinds } from '../contract/names.ts';
import { type Actions, AdminError } from './actions.ts';
import { action } from './params.ts';

const Rebuild = z.strictObject({
  since: z.iso.datetime({ error: 'must be an RFC 3339 time in UTC, e.g. "2026-11-23T12:00:00Z"' }),
  cursor: z.string().max(2_000).optional(),
});

export const eventWriteActions = (options: RebuildOptions): Actions => ({
  'events.rebuild': action(
    Rebuild,
    ({ since }) => since,
    async ({ since, cursor }) => {
      const place = cursor === undefined ? REBUILD_BEGINS : placeOf(cursor);
      const { next, ...step } = await rebuild(options, Date.parse(since), place);
      return { ...step, ...(next && { cursor: textOf(next) }) };
    },
  ),
});

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
