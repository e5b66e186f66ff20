/** What a change of `registry` or `clients` means to consumers: from a stream's record to its event. */
import {
  type EventData,
  type EventType,
  eventId,
  type PlatformEvent,
  readVersion,
  versionByTime,
} from '../../protocol/event.ts';
import { canonicalJson } from '../../protocol/json.ts';
import { type Item, numberOf, textOf } from '../adapters/dynamodb.ts';
import type { Conflict } from '../adapters/notices.ts';
import { ADDED_BY, KEY, LOST, OF, STATE, VERSION } from '../contract/items.ts';
import { CONFLICT_PREFIX, type GlobalTableKind } from '../contract/names.ts';

/** A change of an item, as the stream of its table has it. */
export interface Change {
  readonly table: GlobalTableKind;
  readonly old: Item | undefined;
  readonly new: Item | undefined;
}

export interface ChangeEvent extends PlatformEvent {
  /** The parts of the changed record's key. Events of one record keep their order. */
  readonly record: readonly string[];
  /** When the change was made, in epoch milliseconds. A conflict is made where it is found. */
  readonly changedMs: number;
}

/**
 * @returns the event of a change, if it has one. A removal has none: a stream names who wrote the item last,
 * not who removed it, and TTL and erasure remove only tombstones
 * @throws Error where an item has another form: another program wrote it
 */
export function eventOf(change: Change): ChangeEvent | undefined {
  const { table, old, new: now } = change;
  if (now === undefined) return undefined;
  if (table === 'registry') return registryEvent(old, now);
  const sk = textOf(now, 'sk');
  if (sk === STATE) return disabledEvent(old, now);
  if (sk.startsWith(KEY) && old === undefined) return rotatedEvent(now, sk.slice(KEY.length));
  return undefined;
}

/**
 * @returns the event that an item alone tells, for a rebuild. A tombstone counts as a deletion: whether it
 * replaced a registration is not known any more @throws Error as `eventOf`
 */
export function eventOfItem(table: GlobalTableKind, item: Item): ChangeEvent | undefined {
  const old = table === 'registry' && isDeleted(item) ? withoutDeletion(item) : undefined;
  return eventOf({ table, old, new: item });
}

const withoutDeletion = ({ deleted_at: _, ...rest }: Item): Item => rest;

/**
 * A change that is no event, though the item that it left tells one: a deletion of what was deleted or never
 * was, or a client that is disabled once more.
 */
export interface Silent {
  /** The event that the item told before, if any: while that is not written, the new one stands for it. */
  readonly after: string | undefined;
  readonly id: string;
  readonly changedMs: number;
}

/** @throws Error as `eventOf` */
export function silentOf(change: Change): Silent | undefined {
  const { table, old, new: now } = change;
  const told = now && eventOfItem(table, now);
  const before = old && eventOfItem(table, old);
  if (!told || told.id === before?.id || eventOf(change)?.id === told.id) return undefined;
  return { after: before?.id, id: told.id, changedMs: told.changedMs };
}

function registryEvent(old: Item | undefined, now: Item): ChangeEvent | undefined {
  const pk = textOf(now, 'pk');
  if (pk.startsWith(CONFLICT_PREFIX)) return old ? undefined : conflictEvent(now);
  // Probes, heartbeats and marks are the table's own.
  if (pk.startsWith('#')) return undefined;
  const version = versionOf(now);
  const of = (type: EventType): ChangeEvent => registrationEvent(type, [pk], version);
  if (isDeleted(now)) return old && !isDeleted(old) ? of('registration.deleted') : undefined;
  if (!old || isDeleted(old)) return of('registration.created');
  return isReplaced(old, now) ? of('registration.created') : undefined;
}

/**
 * @returns the conflict that a change of the registry shows: two Regions took a registration of one user with
 * other data, and replication kept one. Only a Region that had the other one sees it, so it tells the others
 */
export function conflictOf({ table, old, new: now }: Change): Conflict | undefined {
  if (table !== 'registry' || !old || !now || isDeleted(old) || isDeleted(now)) return undefined;
  const of = textOf(now, 'pk');
  if (of.startsWith('#') || !isReplaced(old, now)) return undefined;
  const [version, lost] = [versionOf(now), versionOf(old)];
  return isOfOneRegion(lost, version) ? undefined : { of, version, lost };
}

/** Whether one registration took the place of another. Two with the same data are one to consumers. */
function isReplaced(old: Item, now: Item): boolean {
  const [lost, version] = [versionOf(old), versionOf(now)];
  if (lost === version) return false;
  // It was deleted in between, and replication showed both changes as one.
  if (isOfOneRegion(lost, version)) return true;
  return canonicalJson(JSON.parse(textOf(old, 'data'))) !== canonicalJson(JSON.parse(textOf(now, 'data')));
}

/** One Region never replaces a registration. */
const isOfOneRegion = (a: string, b: string): boolean =>
  readVersion(a).region !== '' && readVersion(a).region === readVersion(b).region;

/** The creation of the version that stands has an id already, so the conflict has one of its own. */
function conflictEvent(notice: Item): ChangeEvent {
  const lost = textOf(notice, LOST);
  const record = [textOf(notice, OF), lost];
  const data = { lost_version: lost };
  const conflict = registrationEvent('registration.conflict', record, textOf(notice, VERSION), data);
  return { ...conflict, changedMs: numberOf(notice, 'found_at') };
}

function registrationEvent(
  type: EventType,
  record: readonly string[],
  version: string,
  data: Partial<EventData> = {},
): ChangeEvent {
  const [clientId, id] = record[0]!.split('#') as [string, string];
  const all = { id, client_id: clientId, version, ...data };
  return event(type, record, version, readVersion(version).atMs, all);
}

function disabledEvent(old: Item | undefined, now: Item): ChangeEvent | undefined {
  if (now.disabled?.BOOL !== true || old?.disabled?.BOOL === true) return undefined;
  const version = versionByTime(numberOf(now, 'changed_at'), 'created');
  return clientEvent('client.disabled', now, version, numberOf(now, 'changed_at'), {});
}

/** A client's first keys were not added to it, so they are no rotation. */
function rotatedEvent(now: Item, kid: string): ChangeEvent | undefined {
  const by = now[ADDED_BY]?.S;
  if (by === undefined) return undefined;
  const expires_at = timestamp(numberOf(now, 'expires_at') * 1000);
  const atMs = numberOf(now, 'usable_at') * 1000;
  return clientEvent('client.key_rotated', now, versionByTime(atMs, 'created'), atMs, { kid, expires_at });
}

function clientEvent(
  type: EventType,
  item: Item,
  version: string,
  atMs: number,
  data: Partial<EventData>,
): ChangeEvent {
  const record = [textOf(item, 'pk'), textOf(item, 'sk')];
  return event(type, record, version, atMs, { client_id: record[0]!, version, ...data });
}

const event = (
  type: EventType,
  record: readonly string[],
  version: string,
  atMs: number,
  data: EventData,
): ChangeEvent => ({
  ...{ id: eventId(record, version), type, timestamp: timestamp(atMs), data, record },
  changedMs: readVersion(version).atMs,
});

const isDeleted = (item: Item): boolean => item.deleted_at !== undefined;

/** Items of the version before had no `v`: their times take its place. */
const versionOf = (item: Item): string =>
  item.v?.S ??
  (isDeleted(item)
    ? versionByTime(numberOf(item, 'deleted_at'), 'deleted')
    : versionByTime(numberOf(item, 'created_at'), 'created'));

const timestamp = (atMs: number): string => new Date(atMs).toISOString();
