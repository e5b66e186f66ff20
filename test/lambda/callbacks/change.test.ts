/** Which changes of items are events, of what type, and with what id. */
import { describe, expect, it } from 'vitest';
import type { Item } from '../../../lambda/adapters/dynamodb.ts';
import { conflictOf, eventOf } from '../../../lambda/callbacks/change.ts';
import { eventId, versionByTime } from '../../../protocol/event.ts';

const T0 = 1_795_430_000_000;
const ID = 'i'.repeat(43);
const pk = `shop#${ID}`;
const v = (region: string, n: number) => `${region}.${T0 + n}.abc`;
const live = (version: string | undefined, mark = 'x'): Item => ({
  pk: { S: pk },
  user_id: { S: 'ada' },
  created_at: { N: String(T0) },
  data: { S: JSON.stringify({ user_id: 'ada', mark }) },
  ...(version && { v: { S: version } }),
});
const gone = (version: string | undefined): Item => ({
  pk: { S: pk },
  deleted_at: { N: String(T0 + 9) },
  w: { S: 'w' },
  ...(version && { v: { S: version } }),
});
const registry = (old: Item | undefined, now: Item | undefined) =>
  eventOf({ table: 'registry', old, new: now });
const clients = (old: Item | undefined, now: Item | undefined) =>
  eventOf({ table: 'clients', old, new: now });

describe('registrations', () => {
  it('absent or tombstone to live is created, live to tombstone is deleted', () => {
    const created = {
      id: eventId([pk], v('a', 1)),
      type: 'registration.created',
      timestamp: new Date(T0 + 1).toISOString(),
      data: { id: ID, client_id: 'shop', version: v('a', 1) },
    };
    expect(registry(undefined, live(v('a', 1)))).toMatchObject(created);
    expect(registry(gone(v('a', 0)), live(v('a', 1)))).toMatchObject(created);
    expect(registry(live(v('a', 1)), gone(v('b', 2)))).toMatchObject({
      id: eventId([pk], v('b', 2)),
      type: 'registration.deleted',
      data: { id: ID, client_id: 'shop', version: v('b', 2) },
    });
  });

  it('an event holds ids and times, and nothing of the registration', () => {
    const all = [
      registry(undefined, live(v('a', 1), 'personal')),
      registry(live(v('a', 1), 'personal'), gone(v('a', 2))),
      registry(live(v('a', 1), 'personal'), live(v('b', 2), 'other')),
    ];
    for (const { record: _, changedMs: __, ...event } of all.map((each) => each!))
      expect(JSON.stringify(event)).not.toMatch(/ada|personal|other|user_id/);
  });

  it('a re-deletion, a deletion of nothing and a removal are no event', () => {
    expect(registry(gone(v('a', 1)), gone(v('a', 2)))).toBeUndefined();
    expect(registry(undefined, gone(v('a', 2)))).toBeUndefined();
    expect(registry(gone(v('a', 2)), undefined)).toBeUndefined();
    expect(registry(live(v('a', 2)), undefined)).toBeUndefined();
  });

  it("probes and marks are the table's own", () => {
    const probe = { pk: { S: '#probe#a' }, probed_at: { N: '1' } };
    expect(registry(undefined, probe)).toBeUndefined();
    expect(registry(undefined, { ...live(v('a', 1)), pk: { S: '#copied' } })).toBeUndefined();
  });

  it("another Region's data that replaces a registration is a creation, and a conflict to tell every Region of", () => {
    const change = { table: 'registry', old: live(v('a', 1)), new: live(v('b', 2), 'other') } as const;
    expect(eventOf(change)).toEqual(registry(undefined, live(v('b', 2), 'other')));
    expect(conflictOf(change)).toEqual({ of: pk, version: v('b', 2), lost: v('a', 1) });
  });

  it('the same data from another Region, a deletion, and a change of one Region are no conflict', () => {
    const conflict = (old: Item | undefined, now: Item | undefined) =>
      conflictOf({ table: 'registry', old, new: now });
    expect(registry(live(v('a', 1)), live(v('b', 2)))).toBeUndefined();
    expect(conflict(live(v('a', 1)), live(v('b', 2)))).toBeUndefined();
    expect(conflict(live(v('a', 1)), live(v('a', 2), 'other'))).toBeUndefined();
    expect(conflict(gone(v('a', 1)), live(v('b', 2), 'other'))).toBeUndefined();
    expect(conflict(live(v('a', 1)), gone(v('b', 2)))).toBeUndefined();
    expect(conflict(undefined, live(v('b', 2)))).toBeUndefined();
    expect(conflict(live(v('a', 1)), undefined)).toBeUndefined();
    expect(conflict({ ...live(v('a', 1)), pk: { S: '#copied' } }, { pk: { S: '#copied' } })).toBeUndefined();
  });

  it('the notice of a conflict is its event, once, with an id of its own', () => {
    const notice: Item = {
      pk: { S: '#conflict#evt_x' },
      of: { S: pk },
      v: { S: v('b', 2) },
      lost: { S: v('a', 1) },
      found_at: { N: String(T0 + 99) },
    };
    const found = registry(undefined, notice)!;
    expect(found).toMatchObject({
      id: eventId([pk, v('a', 1)], v('b', 2)),
      type: 'registration.conflict',
      timestamp: new Date(T0 + 2).toISOString(),
      data: { id: ID, client_id: 'shop', version: v('b', 2), lost_version: v('a', 1) },
      changedMs: T0 + 99,
    });
    expect(found.id).not.toBe(registry(undefined, live(v('b', 2)))?.id);
    expect(registry(notice, { ...notice, found_at: { N: '1' } })).toBeUndefined();
    expect(registry(notice, undefined)).toBeUndefined();
  });

  it('a deletion and a new registration that replication shows as one change are a creation', () => {
    const seen = registry(live(v('a', 1)), live(v('a', 5), 'other'));
    expect(seen).toEqual(registry(gone(v('a', 3)), live(v('a', 5), 'other')));
  });

  it('items of the version before, without v, have ids by their times', () => {
    expect(registry(undefined, live(undefined))?.id).toBe(eventId([pk], versionByTime(T0, 'created')));
    expect(registry(live(undefined), gone(undefined))).toMatchObject({
      id: eventId([pk], versionByTime(T0 + 9, 'deleted')),
      timestamp: new Date(T0 + 9).toISOString(),
    });
    expect(conflictOf({ table: 'registry', old: live(undefined), new: live(v('b', 2), 'other') })?.lost).toBe(
      versionByTime(T0, 'created'),
    );
  });

  it('an item of another form is an error', () => {
    expect(() => registry(undefined, { pk: { S: pk }, v: { S: 'mine' } })).toThrow('another form');
  });
});

describe('clients', () => {
  const state = (disabled: boolean, at = T0): Item => ({
    pk: { S: 'shop' },
    sk: { S: 'state' },
    disabled: { BOOL: disabled },
    changed_at: { N: String(at) },
  });
  const key = (w?: string): Item => ({
    pk: { S: 'shop' },
    sk: { S: 'key#2' },
    usable_at: { N: '1795430000' },
    expires_at: { N: '1795440000' },
    ...(w && { w: { S: w } }),
  });

  it('a client that is disabled is an event; one that is enabled, or disabled again, is none', () => {
    expect(clients(undefined, state(true))).toMatchObject({
      type: 'client.disabled',
      timestamp: new Date(T0).toISOString(),
      data: { client_id: 'shop' },
    });
    expect(clients(state(false), state(true, T0 + 5))?.type).toBe('client.disabled');
    expect(clients(state(true), state(true, T0 + 5))).toBeUndefined();
    expect(clients(state(true), state(false))).toBeUndefined();
  });

  it('a key that was added is a rotation; the first keys and the end of one are none', () => {
    expect(clients(undefined, key('w'))).toMatchObject({
      type: 'client.key_rotated',
      data: { client_id: 'shop', kid: '2', expires_at: '2026-11-23T13:20:00.000Z' },
    });
    expect(clients(undefined, key())).toBeUndefined();
    expect(clients(key('w'), { ...key('w'), expires_at: { N: '1795430001' } })).toBeUndefined();
  });

  it('records, deletions and endpoints are no event', () => {
    for (const sk of ['client', 'deleted', 'revoked#2', 'endpoint#ep_1', 'retry#ep_1#1'])
      expect(clients(undefined, { pk: { S: '@endpoints' }, sk: { S: sk } })).toBeUndefined();
  });
});
