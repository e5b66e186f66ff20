/** A rebuild writes the events that are absent, and only those; and the notices of keys that end. */
import { expect, it } from 'vitest';
import { PutItemCommand } from '../../../lambda/adapters/aws/commands.ts';
import { createClientScan, createClients } from '../../../lambda/adapters/clients.ts';
import { createEvents } from '../../../lambda/adapters/events.ts';
import { createRegistry } from '../../../lambda/adapters/registry.ts';
import { writeExpiring } from '../../../lambda/callbacks/expiring.ts';
import { outboxHandler } from '../../../lambda/callbacks/outbox.ts';
import { createReadEvents } from '../../../lambda/callbacks/read-events.ts';
import { REBUILD_BEGINS, type RebuildPlace, rebuild } from '../../../lambda/callbacks/rebuild.ts';
import { TABLES, type TableKind, tableName } from '../../../lambda/contract/names.ts';
import { dynamodbClientOn } from '../../../local/dynamodb/client.ts';
import { Dynamodb } from '../../../local/dynamodb/dynamodb.ts';

const T0 = 1_795_430_000_000;
const DAY_MS = 24 * 3600 * 1000;

function parts() {
  let now = T0;
  const nowMs = () => now;
  const store = new Dynamodb({ regions: ['a'], modeOf: () => 'regional', nowMs });
  for (const kind of ['registry', 'clients', 'events'] as const)
    store.ask('a', 'CreateTable', {
      TableName: tableName('test', kind),
      KeySchema: TABLES[kind].keys.map((AttributeName) => ({ AttributeName })),
      StreamSpecification: { StreamEnabled: true, StreamViewType: 'NEW_AND_OLD_IMAGES' },
    } as never);
  const dynamodb = dynamodbClientOn(store, 'a');
  const name = (kind: TableKind) => tableName('test', kind);
  const tables = { registry: name('registry'), clients: name('clients') };
  const events = createEvents(dynamodb, name('events'));
  const registry = createRegistry(dynamodb, tables.registry, {
    ...{ region: 'a', consistency: 'strong', clockErrorMs: 0 },
  });
  const read = createReadEvents(events);
  const unreadable: string[] = [];
  return {
    ...{ events, registry, nowMs, unreadable, dynamodb, tables },
    clients: createClients(dynamodb, tables.clients),
    scan: createClientScan(dynamodb, tables.clients),
    advance: (ms: number) => {
      now += ms;
    },
    register: (id: string) =>
      registry.register({ id, clientId: 'one', userId: id, createdAtMs: now, data: { user_id: id } }, now),
    /** Runs the outbox over what the streams hold, from the record of that number on. */
    async outbox(from = 0) {
      const handler = outboxHandler({
        ...{ events, tables, region: 'a', nowMs, log: () => {} },
        copiedMs: async () => undefined,
        announce: undefined,
        wake: async () => {},
      });
      for (const table of Object.values(tables)) {
        const records = store.table('a', table).stream('a')!.records().slice(from);
        const Records = records.map((record, i) => ({
          eventSourceARN: `arn:aws:dynamodb:a:0:table/${table}/stream/1`,
          dynamodb: {
            SequenceNumber: String(i),
            ...(record.old && { OldImage: record.old }),
            ...(record.new && { NewImage: record.new }),
          },
        }));
        await handler({ Records });
      }
    },
    /** @returns how many events were written */
    async rebuild(sinceMs: number, untilMs = now) {
      let written = 0;
      for (let place: RebuildPlace | undefined = REBUILD_BEGINS; place; ) {
        const times = { sinceMs, untilMs };
        const step = await rebuild({ dynamodb, tables, events, nowMs }, times, place);
        unreadable.push(...step.unreadable);
        written += step.written;
        place = step.next;
      }
      return written;
    },
    async listed(client = 'one') {
      const page = await read({ client, after: 0, limit: 1_000, nowMs: now });
      return page.events;
    },
  };
}

it('what the outbox wrote is not written again, and what it missed is written under the same id', async () => {
  const [withOutbox, without] = [parts(), parts()];
  for (const each of [withOutbox, without]) {
    await each.register('x');
    each.advance(1);
    await each.register('y');
  }
  await withOutbox.outbox();
  expect(await withOutbox.rebuild(0)).toBe(0);
  expect(await withOutbox.listed()).toHaveLength(2);
  expect(await without.rebuild(0)).toBe(2);
  expect((await without.listed()).map(({ data }) => data.id)).toEqual(['x', 'y']);
  // The outbox catches up after the rebuild: the same ids again.
  await without.outbox();
  const ids = (await without.listed()).map(({ id }) => id);
  expect(ids).toHaveLength(4);
  expect(new Set(ids).size).toBe(2);
});

it('changes before a time are left out, and a creation and a deletion are the deletion alone', async () => {
  const { register, registry, rebuild, listed, advance, nowMs } = parts();
  await register('old');
  advance(DAY_MS);
  await register('gone');
  advance(1);
  await registry.remove('one', 'gone', nowMs(), 'w');
  expect(await rebuild(T0 + DAY_MS)).toBe(1);
  expect((await listed()).map(({ type, data }) => [type, data.id])).toEqual([
    ['registration.deleted', 'gone'],
  ]);
});

it('goes through tables of more than one page, and through clients', async () => {
  const { register, rebuild, clients, listed } = parts();
  for (let i = 0; i < 450; i++) await register(`u${i}`);
  await clients.create(client([key('1', 90)]));
  await clients.addKey(client([]), key('2', 90));
  await clients.setDisabled('one', true, T0);
  expect(await rebuild(0)).toBe(452);
  expect(await rebuild(0)).toBe(0);
  const types = (await listed()).map(({ type }) => type);
  expect(types).toHaveLength(452);
  expect(types.filter((type) => type !== 'registration.created').sort()).toEqual([
    'client.disabled',
    'client.key_rotated',
  ]);
});

const key = (kid: string, days: number) => ({
  ...{ kid, alg: 'HS256', usableAtS: T0 / 1000, expiresAtS: T0 / 1000 + days * 86_400 },
  ...{ issuedBy: null, rootKid: 'root', jwk: null },
});
const client = (keys: ReturnType<typeof key>[]) => ({
  ...({
    clientId: 'one',
    profile: 'strict',
    salt: new Uint8Array(16),
    limit: null,
    createdAtMs: T0,
  } as const),
  keys,
});

it('a key that ends is an event 14, 7 and 1 days ahead, once each, by each Region alike', async () => {
  const regions = [parts(), parts()];
  for (const { clients } of regions) await clients.create(client([key('1', 90)]));
  const notices = [];
  for (let hour = 70 * 24; hour < 91 * 24; hour += 6) {
    for (const each of regions) {
      each.advance(T0 + hour * 3_600_000 - each.nowMs());
      await writeExpiring({ events: each.events, clients: each.scan, nowMs: each.nowMs });
    }
    const page = await regions[0]!.listed();
    if (page.length > notices.length) notices.push([hour / 24, page.at(-1)!.data.kid]);
  }
  expect(notices).toEqual([
    [76, '1'],
    [83, '1'],
    [89, '1'],
  ]);
  const ids = await Promise.all(regions.map(async (each) => (await each.listed()).map(({ id }) => id)));
  expect(new Set(ids[0]).size).toBe(3);
  expect(ids[1]).toEqual(ids[0]);
});

it('no notice of a key that another one outlives, that was revoked, or whose client is disabled', async () => {
  const { clients, scan, events, nowMs, listed, advance } = parts();
  const notify = () => {
    advance(3_600_000);
    return writeExpiring({ events, clients: scan, nowMs });
  };
  await clients.create(client([key('1', 10), key('2', 30)]));
  await notify();
  expect(await listed()).toEqual([]);
  advance(17 * DAY_MS);
  await clients.setDisabled('one', true, nowMs());
  await notify();
  await clients.setDisabled('one', false, nowMs());
  await clients.revokeKey('one', '2', nowMs());
  await notify();
  expect(await listed()).toEqual([]);
});

it('a look at many clients goes on where the last run ended, and begins anew after an hour', async () => {
  const { clients, scan, events, nowMs, listed, advance } = parts();
  const names = Array.from({ length: 9 }, (_, i) => `client-${i}`);
  for (const clientId of names) await clients.create({ ...client([key('1', 10)]), clientId });
  let looked = 0;
  const slow: typeof scan = {
    async *all(after) {
      for await (const each of scan.all(after)) {
        looked += 1;
        advance(10_000);
        yield each;
      }
    },
  };
  const run = () => writeExpiring({ events, clients: slow, nowMs });
  const lasts: number[] = [];
  for (let i = 0; i < 4; i++) {
    await run();
    lasts.push(looked);
  }
  expect(lasts).toEqual([3, 6, 9, 9]);
  const told = async () => (await Promise.all(names.map((name) => listed(name)))).map((list) => list.length);
  expect(await told()).toEqual(names.map(() => 1));
  advance(3_600_000 - 90_001);
  await run();
  expect(looked).toBe(9);
  advance(1);
  await run();
  expect(looked).toBe(12);
  expect(await told()).toEqual(names.map(() => 1));
});

/** A consumer that handles each id once: what it last learnt of each registration. */
const learnt = (events: Awaited<ReturnType<ReturnType<typeof parts>['listed']>>) => {
  const seen = new Map(events.toReversed().map((event) => [event.id, event]));
  return Object.fromEntries([...seen.values()].reverse().map(({ type, data }) => [data.id, type]));
};

it('leaves to the outbox what it may still have, so that the events of a record keep their order', async () => {
  const { register, registry, outbox, rebuild, listed, advance, nowMs } = parts();
  await register('alice');
  advance(3_600_000);
  await registry.remove('one', 'alice', nowMs(), 'w');
  advance(3_600_000);
  expect(await rebuild(T0, nowMs() - 25 * 3_600_000)).toBe(0);
  await outbox();
  expect(learnt(await listed())).toEqual({ alice: 'registration.deleted' });
});

it('writes what is absent in the order of the changes', async () => {
  const { register, rebuild, listed, advance } = parts();
  for (let i = 9; i >= 0; i--) {
    await register(`u${i}`);
    advance(1);
  }
  await rebuild(0);
  const ids = (await listed()).map(({ data }) => data.id);
  expect(ids).toEqual(Array.from({ length: 10 }, (_, i) => `u${9 - i}`));
});

it('a second deletion, one of nothing, and a second disabling are no events, nor for a rebuild', async () => {
  const { register, registry, clients, outbox, rebuild, listed, advance, nowMs } = parts();
  await register('alice');
  await clients.create(client([key('1', 90)]));
  for (let i = 0; i < 3; i++) {
    advance(1_000);
    await registry.remove('one', 'alice', nowMs(), `w${i}`);
    await registry.remove('one', 'never', nowMs(), `n${i}`);
    await clients.setDisabled('one', true, nowMs());
  }
  await outbox();
  const before = await listed();
  expect(before.map(({ type }) => type).sort()).toEqual([
    'client.disabled',
    'registration.created',
    'registration.deleted',
  ]);
  expect(await rebuild(0)).toBe(0);
  expect(await listed()).toEqual(before);
});

it('a second deletion hides no first one that the outbox missed', async () => {
  const { register, registry, outbox, rebuild, listed, advance, nowMs } = parts();
  await register('alice');
  await registry.remove('one', 'alice', nowMs(), 'w');
  advance(1_000);
  await registry.remove('one', 'alice', nowMs(), 'again');
  // The stream forgot the first two records.
  await outbox(2);
  expect(await listed()).toEqual([]);
  expect(await rebuild(0)).toBe(1);
  expect(learnt(await listed())).toEqual({ alice: 'registration.deleted' });
});

it('an item of another form is named, and holds up no other', async () => {
  const { register, rebuild, listed, dynamodb, tables, unreadable } = parts();
  await register('alice');
  for (const [pk, item] of Object.entries({ 'dev#foreign': {}, 'dev#odd': { created_at: { S: 'x' } } }))
    await dynamodb.send(new PutItemCommand({ TableName: tables.registry, Item: { pk: { S: pk }, ...item } }));
  expect(await rebuild(0)).toBe(1);
  expect((await listed()).map(({ data }) => data.id)).toEqual(['alice']);
  expect(unreadable.sort()).toEqual(['dev#foreign', 'dev#odd']);
});
