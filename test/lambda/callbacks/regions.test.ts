/** Events of Regions in eventual mode, over the replicated store: conflicts, and changes that come late. */
import { beforeEach, expect, it } from 'vitest';
import { createEndpoints } from '../../../lambda/adapters/endpoints.ts';
import { createEvents } from '../../../lambda/adapters/events.ts';
import { createRegistry } from '../../../lambda/adapters/registry.ts';
import { adminHandler } from '../../../lambda/admin/actions.ts';
import { webhookWriteActions } from '../../../lambda/admin/webhooks.ts';
import type { StreamEvent } from '../../../lambda/callbacks/outbox.ts';
import { createReadEvents, seqBefore } from '../../../lambda/callbacks/read-events.ts';
import { REBUILD_BEGINS, type RebuildPlace, rebuild } from '../../../lambda/callbacks/rebuild.ts';
import { takeOver } from '../../../lambda/callbacks/take-over.ts';
import { TABLES, type TableKind, tableKinds, tableName } from '../../../lambda/contract/names.ts';
import { type Consistency, servingEnvironment } from '../../../lambda/contract/serving-environment.ts';
import { outbox } from '../../../lambda/entry/compose/callbacks.ts';
import { dynamodbClientOn } from '../../../local/dynamodb/client.ts';
import { Dynamodb } from '../../../local/dynamodb/dynamodb.ts';
import { replicate } from '../../../local/dynamodb/replication.ts';
import { OTHER_REGION_MS } from '../../../protocol/event.ts';
import { newEndpoint } from '../../support/delivery.ts';

const T0 = 1_795_430_000_000;
const HOUR_MS = 3_600_000;
const STAGE = 'regions';
const NAMES = ['a', 'b', 'c'] as const;
type Name = (typeof NAMES)[number];
const CLIENT = 'shop';

function stage(consistency: Consistency = 'eventual') {
  let now = T0;
  const nowMs = () => now;
  const name = (kind: TableKind) => tableName(STAGE, kind);
  const store = new Dynamodb({
    ...{ regions: NAMES, nowMs },
    modeOf: (table) => (tableKinds('global').some((kind) => table === name(kind)) ? 'eventual' : 'regional'),
  });
  for (const region of NAMES)
    for (const kind of region === 'a' ? (['registry', 'clients', 'events'] as const) : (['events'] as const))
      store.ask(region, 'CreateTable', {
        TableName: name(kind),
        KeySchema: TABLES[kind].keys.map((AttributeName) => ({ AttributeName })),
        ...(kind !== 'events' && {
          StreamSpecification: { StreamEnabled: true, StreamViewType: 'NEW_AND_OLD_IMAGES' },
        }),
      } as never);

  const regionOf = (region: Name) => {
    const dynamodb = dynamodbClientOn(store, region);
    const url = 'https://api.example.com';
    const env = servingEnvironment({
      ...{ stage: STAGE, region, baseUrl: url, entryUrl: url, consistency },
      regions: NAMES.map((each) => ({ name: each, url })),
    });
    const handler = outbox({ env, dynamodb, nowMs, log: () => {} }, async () => {});
    const events = createEvents(dynamodb, name('events'), true);
    const read = createReadEvents(events);
    const registry = createRegistry(dynamodb, name('registry'), {
      ...{ region, consistency, clockErrorMs: 0 },
      pause: async () => {},
    });
    let handled = 0;
    return {
      ...{ dynamodb, events, registry },
      register: (id: string, mark = id) =>
        registry.register(
          { id, clientId: CLIENT, userId: id, createdAtMs: now, data: { user_id: id, mark } },
          now,
        ),
      remove: (id: string) => registry.remove(CLIENT, id, now, `w-${id}-${now}`),
      /** What the stream holds since the last call becomes events. */
      async outbox(again = false) {
        const records = store.table(region, name('registry')).stream(region)!.records();
        const Records: StreamEvent['Records'] = records.slice(again ? 0 : handled).map((record, i) => ({
          eventSourceARN: `arn:aws:dynamodb:${region}:0:table/${name('registry')}/stream/1`,
          dynamodb: {
            SequenceNumber: String(i),
            ...(record.old && { OldImage: record.old }),
            ...(record.new && { NewImage: record.new }),
          },
        }));
        handled = records.length;
        if (Records.length > 0) expect(await handler({ Records })).toEqual({ batchItemFailures: [] });
      },
      schedule: () => handler({}),
      async page(after = 0) {
        return read({ client: CLIENT, after, limit: 1_000, nowMs: now });
      },
      async rebuild(sinceMs = 0) {
        const tables = { registry: name('registry'), clients: name('clients') };
        let written = 0;
        for (let place: RebuildPlace | undefined = REBUILD_BEGINS; place; ) {
          const step = await rebuild({ dynamodb, tables, events, nowMs }, { sinceMs, untilMs: now }, place);
          written += step.written;
          place = step.next;
        }
        return written;
      },
      async move(from: Name) {
        const endpoints = createEndpoints(dynamodb, name('clients'));
        const wake = async () => {};
        const actions = webhookWriteActions({ endpoints, events, region, nowMs, wake } as never);
        const context = { function: 'admin-write', region, errorDocsUrl: '', log: () => {} } as const;
        const call = adminHandler(context, { 'webhooks.move': actions['webhooks.move']! });
        const event = { action: 'webhooks.move', params: { from, to: region } };
        expect(await call(event, { awsRequestId: 'r' })).toMatchObject({ ok: true });
        const find = async () => (await endpoints.list()).endpoints[0]!;
        await takeOver({ endpoints, events }, await find());
        return find();
      },
    };
  };
  const regions = Object.fromEntries(NAMES.map((each) => [each, regionOf(each)])) as Record<
    Name,
    ReturnType<typeof regionOf>
  >;
  return {
    ...regions,
    store,
    nowMs,
    clients: name('clients'),
    advance: (ms: number) => {
      now += ms;
    },
    /** Time passes in steps of the schedule; what the network lets through arrives. */
    async pass(hours: number) {
      for (let i = 0; i < hours * 6; i++) {
        now += HOUR_MS / 6;
        for (const each of NAMES) await regions[each].schedule();
        replicate(store);
        for (const each of NAMES) await regions[each].outbox();
      }
    },
    /** Replicates, and lets every outbox read, until nothing new comes. */
    async settle() {
      for (let i = 0; i < 3; i++) {
        replicate(store);
        for (const each of NAMES) await regions[each].outbox();
      }
    },
  };
}

const typesOf = (events: readonly { type: string; data: { version: string } }[]) =>
  events.map(({ type, data }) => `${type.replace('registration.', '')} ${data.version.split('.')[0]}`);

let s: ReturnType<typeof stage>;
beforeEach(() => {
  s = stage();
});

it('a conflict is an event of every Region, with one id, also where only the loser’s Region saw it', async () => {
  s.store.network.partition([['a'], ['b', 'c']]);
  await s.a.register('ada', 'lost');
  s.advance(5);
  await s.b.register('ada', 'kept');
  await s.settle();
  s.store.network.heal();
  await s.settle();
  const pages = await Promise.all([s.a.page(), s.b.page(), s.c.page()]);
  expect(pages.map(({ events }) => typesOf(events))).toEqual([
    ['created a', 'created b', 'conflict b'],
    ['created b', 'conflict b'],
    ['created b', 'conflict b'],
  ]);
  const conflicts = pages.map(({ events }) => events.at(-1)!);
  for (const { id, data } of conflicts) {
    expect(id).toBe(conflicts[0]!.id);
    expect(data).toMatchObject({ id: 'ada', client_id: CLIENT });
    expect(data.lost_version).toMatch(/^a\./);
  }
});

it('of three Regions each loser is told of, and a record that is sent again tells nothing new', async () => {
  s.store.network.partition([['a'], ['b'], ['c']]);
  for (const region of NAMES) {
    await s[region].register('ada', region);
    s.advance(5);
  }
  s.store.network.heal();
  await s.settle();
  const conflicts = async (region: Name) => {
    const { events } = await s[region].page();
    return new Set(events.flatMap(({ id, type }) => (type === 'registration.conflict' ? [id] : [])));
  };
  const seen = await conflicts('a');
  expect(seen.size).toBeGreaterThanOrEqual(2);
  for (const region of NAMES) {
    await s[region].outbox(true);
    expect(await conflicts(region)).toEqual(seen);
  }
  await s.settle();
  for (const region of NAMES) expect(await conflicts(region)).toEqual(seen);
});

it('the same data in two Regions, and a registration after a deletion elsewhere, are no conflict', async () => {
  s.store.network.partition([['a'], ['b', 'c']]);
  await s.a.register('same');
  s.advance(5);
  await s.b.register('same');
  s.store.network.heal();
  await s.settle();
  await s.a.register('again', 'first');
  await s.settle();
  s.advance(60_000);
  await s.b.remove('again');
  await s.settle();
  s.advance(60_000);
  await s.b.register('again', 'second');
  await s.settle();
  for (const region of NAMES) {
    const { events } = await s[region].page();
    expect(events.filter(({ type }) => type === 'registration.conflict')).toEqual([]);
  }
});

it('a rebuild writes a conflict that is absent, by when it was found; 30 days later the notice is gone', async () => {
  s.store.network.partition([['a'], ['b', 'c']]);
  await s.a.register('ada', 'lost');
  s.advance(5);
  await s.b.register('ada', 'kept');
  s.advance(5 * HOUR_MS);
  s.store.network.heal();
  replicate(s.store);
  await s.a.outbox();
  replicate(s.store);
  expect(await s.b.rebuild(T0 + HOUR_MS)).toBe(1);
  expect(typesOf((await s.b.page()).events)).toEqual(['conflict b']);
  expect(await s.b.rebuild()).toBe(1);
  const notices = () =>
    s.store
      .table('b', tableName(STAGE, 'registry'))
      .items('b', true)
      .filter(({ pk }) => pk!.S!.startsWith('#conflict#'));
  const foundMs = s.nowMs();
  s.advance(HOUR_MS);
  await s.a.outbox(true);
  replicate(s.store);
  expect(notices().map(({ found_at, ttl }) => [Number(found_at!.N), Number(ttl!.N)])).toEqual([
    [foundMs, Math.ceil((foundMs + 30 * 24 * HOUR_MS) / 1000)],
  ]);
});

it('tables that take a registration once have no conflict: another version is a creation', async () => {
  const one = stage('strong');
  one.store.network.partition([['a'], ['b', 'c']]);
  await one.a.register('ada', 'first');
  one.advance(5);
  await one.b.register('ada', 'second');
  one.store.network.heal();
  await one.settle();
  expect(typesOf((await one.a.page()).events)).toEqual(['created a', 'created b']);
});

/** @returns users whose events a reader gets in b that goes on there from a cursor at `atMs` */
async function usersAfter(atMs: number) {
  const from = await seqBefore(s.b.events, CLIENT, atMs - OTHER_REGION_MS);
  return (await s.b.page(from)).events.map(({ data }) => data.id);
}

it('a cursor of a Region that was cut off for three days goes back to what that Region missed', async () => {
  await s.pass(1);
  s.store.network.partition([['a'], ['b', 'c']]);
  await s.b.register('missed');
  await s.pass(72);
  await s.a.register('read');
  await s.a.outbox();
  const page = await s.a.page();
  expect(page.events.map(({ data }) => data.id)).toEqual(['read']);
  expect(await usersAfter(page.nextMs!)).toEqual(['missed']);

  // An endpoint that is moved goes back as far.
  const endpoint = newEndpoint('ep_1', { client: CLIENT, holder: 'a', cursorAtMs: page.nextMs! });
  await createEndpoints(s.b.dynamodb, s.clients).create(endpoint);
  const { cursor } = await s.b.move('a');
  expect((await s.b.page(cursor)).events.map(({ data }) => data.id)).toEqual(['missed']);
});

it('after a Region was cut off, its cursors go back further for a day: replication may still catch up', async () => {
  await s.pass(1);
  s.store.network.partition([['a'], ['b', 'c']]);
  await s.pass(72);
  s.store.network.heal();
  // The heartbeats are here at once. What else is on its way, nobody knows.
  for (const each of NAMES) await s[each].schedule();
  replicate(s.store);
  await s.a.schedule();
  s.advance(60_001);
  await s.a.register('own');
  await s.a.outbox();
  const { events, nextMs } = await s.a.page();
  expect(events.map(({ data }) => data.id)).toContain('own');
  expect(nextMs).toBeLessThan(T0 + 4 * HOUR_MS);
  await s.pass(25);
  await s.a.register('afterwards');
  await s.a.outbox();
  expect((await s.a.page()).nextMs).toBe(s.nowMs());
});

it('a Region that is not cut off holds its cursors at the time of writing, and goes back 25 hours', async () => {
  await s.b.register('old');
  await s.pass(2);
  await s.b.register('yesterday');
  await s.pass(24);
  await s.a.register('now');
  await s.settle();
  const { nextMs } = await s.a.page();
  expect(nextMs).toBe(s.nowMs());
  expect(await usersAfter(nextMs!)).toEqual(['yesterday', 'now']);
});
