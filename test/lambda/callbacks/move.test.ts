/**
 * Endpoints that move between Regions, and operators' changes, over the replicated store. Each Region numbers
 * events on its own, and `a` is three seconds, so three million numbers, ahead of `b`.
 */
import { describe, expect, it } from 'vitest';
import { createEndpoints, type Endpoint } from '../../../lambda/adapters/endpoints.ts';
import { createEvents } from '../../../lambda/adapters/events.ts';
import { adminHandler } from '../../../lambda/admin/actions.ts';
import { webhookWriteActions } from '../../../lambda/admin/webhooks.ts';
import { createDeliver } from '../../../lambda/callbacks/deliver.ts';
import { PUBLIC_ONLY } from '../../../lambda/callbacks/guard.ts';
import { append } from '../../../lambda/callbacks/outbox.ts';
import { createReadEvents } from '../../../lambda/callbacks/read-events.ts';
import type { Callback, Sent } from '../../../lambda/callbacks/send.ts';
import { LEASE_MS } from '../../../lambda/callbacks/turn.ts';
import type { AdminAction, AdminActions } from '../../../lambda/contract/admin.ts';
import { TABLES, tableName } from '../../../lambda/contract/names.ts';
import { dynamodbClientOn } from '../../../local/dynamodb/client.ts';
import { Dynamodb } from '../../../local/dynamodb/dynamodb.ts';
import { replicate } from '../../../local/dynamodb/replication.ts';
import { newEndpoint } from '../../support/delivery.ts';

const T0 = Date.UTC(2026, 10, 28);
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const ID = 'ep_0123456789abcdef';
const CLIENT = 'one';
const NAMES = ['a', 'b', 'c'] as const;
type Name = (typeof NAMES)[number];
const BOTH = ['a', 'b'] as const;
const CLIENTS = tableName('test', 'clients');

function stage(mode: 'strong' | 'eventual') {
  let now = T0;
  const nowMs = () => now;
  const store = new Dynamodb({
    ...{ regions: NAMES, nowMs },
    modeOf: (table) => (table === CLIENTS ? mode : 'regional'),
  });
  const create = (region: Name, kind: 'clients' | 'events') =>
    store.ask(region, 'CreateTable', {
      TableName: tableName('test', kind),
      KeySchema: TABLES[kind].keys.map((AttributeName) => ({ AttributeName })),
    } as never);
  create('a', 'clients');
  for (const name of NAMES) create(name, 'events');
  const sent: string[] = [];
  let answer: (callback: Callback) => Sent | Promise<Sent> = () => ({ status: 204, retryAfter: undefined });

  const regionOf = (region: Name) => {
    const dynamodb = dynamodbClientOn(store, region);
    const endpoints = createEndpoints(dynamodb, CLIENTS, async () => {});
    const events = createEvents(dynamodb, tableName('test', 'events'));
    let between: (() => Promise<unknown>) | undefined;
    /** What happens once, at that place, in the next turn or action. */
    const happens = async () => {
      const run = between;
      between = undefined;
      await run?.();
    };
    const deliver = createDeliver({
      ...{ endpoints, events, region, regions: NAMES, nowMs, readEvents: createReadEvents(events) },
      registry: { read: async () => undefined },
      sign: async () => ({ header: 'v1a,', bySecret: true }),
      async send(callback) {
        sent.push(`${region} ${callback.headers['webhook-id']} ${new URL(callback.url).hostname}`);
        return answer(callback);
      },
      wake: async () => {},
      async isStopped() {
        await happens();
        return false;
      },
      random: () => 0.5,
      log: () => {},
    });
    const handler = adminHandler(
      { function: 'admin-write', region, errorDocsUrl: 'https://example.com', log: () => {} },
      webhookWriteActions({
        ...{ endpoints, events, region, nowMs, guard: PUBLIC_ONLY },
        async resolve() {
          await happens();
          return [{ address: '93.184.216.34', family: 4 }];
        },
        roots: {
          signingKey: async () => ({
            kid: 'NEW',
            jwk: { kty: 'oct', k: Buffer.alloc(32).toString('base64url') },
          }),
        },
        refusedRoots: async () => [],
        publicRoots: { read: async () => undefined },
        isStopped: async () => false,
        wake: async () => {},
      } as never),
    );
    return {
      ...{ endpoints, events, deliver },
      /** The next turn or action is interrupted by this. */
      interrupt(run: () => Promise<unknown>) {
        between = run;
      },
      emit: (...ids: number[]) =>
        append(
          events,
          ids.map((n) => ({
            ...{ id: `evt_${n}`, type: 'registration.created', timestamp: new Date(now).toISOString() },
            data: { client_id: CLIENT, id: `user-${n}`, version: `a.${now}.${n}` },
          })) as never,
          nowMs,
        ),
      async ask<A extends AdminAction>(action: A, params: AdminActions[A]['params']) {
        const given = await handler({ action, params }, { awsRequestId: 'r' });
        return given.ok ? 'done' : given.problem.code;
      },
      /** The schedule and its turns. */
      async work(turns = 3) {
        for (let i = 0; i < turns; i++) {
          now += LEASE_MS + 1;
          await deliver.turn(ID);
        }
      },
      endpoint: async () => (await endpoints.get(ID))!,
    };
  };
  const regions = Object.fromEntries(NAMES.map((each) => [each, regionOf(each)])) as Record<
    Name,
    ReturnType<typeof regionOf>
  >;
  return {
    ...regions,
    ...{ store, nowMs },
    answers: (by: typeof answer) => {
      answer = by;
    },
    advance: (ms: number) => {
      now += ms;
    },
    arrive: () => replicate(store),
    /** An event that both Regions' outboxes see. */
    async emit(...ids: number[]) {
      for (const each of BOTH) await regions[each].emit(...ids);
    },
    /** Ids that were sent since the last call, by a Region. */
    sent: (region: Name, host?: string) => {
      const ids = sent.flatMap((line) => {
        const [by, id, to] = line.split(' ');
        return by === region && (host === undefined || to === host) ? [id!] : [];
      });
      sent.splice(0, sent.length, ...sent.filter((line) => !line.startsWith(`${region} `)));
      return ids;
    },
  };
}

/** Both Regions have five events; `a` holds the endpoint, and has delivered them. */
async function delivered(mode: 'strong' | 'eventual', changes: Partial<Endpoint> = {}) {
  const made = stage(mode);
  await made.b.emit(1, 2, 3, 4, 5);
  made.advance(3_000);
  await made.a.emit(1, 2, 3, 4, 5);
  const [created, pending] = [made.nowMs(), changes.state === 'pending'];
  await made.a.endpoints.create(
    newEndpoint(ID, {
      ...{ client: CLIENT, holder: 'a', url: 'https://old.example/', payload: 'full', createdAtMs: created },
      ...{ urlSinceMs: created, ...(pending && { verified: null }), ...changes },
    }),
  );
  made.arrive();
  if (!pending) {
    await made.a.deliver.turn(ID);
    expect(made.sent('a')).toHaveLength(5);
  }
  made.arrive();
  made.advance(1_000);
  return made;
}

const move = { from: 'a', to: 'b' };

describe.each(['strong', 'eventual'] as const)('in %s mode', (mode) => {
  it('a move between the look and the lease of a worker loses no event', async () => {
    const made = await delivered(mode);
    await made.emit(6);
    made.a.interrupt(() => made.b.ask('webhooks.move', move));
    await made.a.deliver.turn(ID);
    // In eventual mode it has not heard of the move.
    expect(made.sent('a')).toEqual(mode === 'strong' ? [] : ['evt_6']);
    made.advance(1_000);
    made.arrive();
    await made.emit(7, 8);
    await made.b.work();
    made.arrive();
    expect(made.sent('b')).toEqual(expect.arrayContaining(['evt_6', 'evt_7', 'evt_8']));
    for (const name of BOTH)
      expect(await made[name].endpoint()).toMatchObject({ holder: 'b', takesOver: null });
    const { cursor } = await made.b.endpoint();
    expect(cursor).toBe((await made.b.events.range(CLIENT))!.last);
    await made.a.work();
    expect(made.sent('a')).toEqual([]);
    for (const name of BOTH) {
      const items = JSON.stringify(made.store.table(name, CLIENTS).items(name, true));
      expect(items.match(/#progress#/g)).toHaveLength(1);
    }
  });

  it('a move while a worker sends ends its writes, and what it writes late changes nothing', async () => {
    const made = await delivered(mode);
    await made.emit(6, 7);
    made.answers(async () => {
      made.answers(() => ({ status: 204, retryAfter: undefined }));
      expect(await made.b.ask('webhooks.move', move)).toBe('done');
      await made.b.deliver.turn(ID);
      made.advance(200);
      return { status: 500, retryAfter: undefined };
    });
    await made.a.deliver.turn(ID);
    made.advance(1_000);
    made.arrive();
    await made.emit(8);
    await made.b.work();
    made.arrive();
    expect(made.sent('b')).toEqual(expect.arrayContaining(['evt_6', 'evt_7', 'evt_8']));
    for (const name of BOTH)
      expect(await made[name].endpoint()).toMatchObject({ holder: 'b', takesOver: null });
  });

  it.each([
    ['has begun', true],
    ['has not begun', false],
  ])(
    'a replay that a move overtakes is refused, and moves no cursor of the new holder, which %s',
    async (_, begins) => {
      const made = await delivered(mode);
      const { query } = made.a.events;
      let isMoved = false;
      made.a.events.query = async (...asked) => {
        const found = await query(...asked);
        if (!isMoved) {
          isMoved = true;
          expect(await made.b.ask('webhooks.move', move)).toBe('done');
          made.arrive();
          if (begins) await made.b.deliver.turn(ID);
          made.arrive();
        }
        return found;
      };
      const since = new Date(T0).toISOString();
      expect(await made.a.ask('webhooks.replay', { id: ID, since })).toBe('other_region');
      made.arrive();
      await made.emit(9);
      await made.b.work();
      expect(made.sent('b')).toContain('evt_9');
      expect((await made.b.endpoint()).cursor).toBe((await made.b.events.range(CLIENT))!.last);
    },
  );

  it('what an operator asks of another Region than the holder is refused, and changes nothing', async () => {
    const made = await delivered(mode);
    const before = await made.a.endpoint();
    const asked = [
      await made.b.ask('webhooks.update', { id: ID, enabled: false }),
      await made.b.ask('webhooks.test', { id: ID }),
      await made.b.ask('webhooks.replay', { id: ID, since: new Date(T0).toISOString() }),
      await made.a.ask('webhooks.move', move),
    ];
    expect(asked).toEqual(Array(4).fill('other_region'));
    made.arrive();
    expect(await made.a.endpoint()).toEqual(before);
  });
});

describe('a Region that takes over', () => {
  it('begins a day and an hour before the one before it was, and repeats what came since', async () => {
    const made = stage('strong');
    for (const [n, hours] of [40, 26, 24, 1].entries()) {
      made.advance(T0 + 40 * HOUR_MS - hours * HOUR_MS - made.nowMs());
      await made.emit(n);
    }
    await made.a.endpoints.create(newEndpoint(ID, { client: CLIENT, holder: 'a' }));
    await made.a.deliver.turn(ID);
    await made.b.ask('webhooks.move', move);
    await made.b.work();
    expect(made.sent('b')).toEqual(['evt_1', 'evt_2', 'evt_3']);
    expect(await made.b.endpoint()).toMatchObject({ holder: 'b', takesOver: null });
  });

  it('begins where an operator says, also after another move before it began', async () => {
    const made = stage('strong');
    for (let n = 0; n < 4; n++) {
      for (const each of NAMES) await made[each].emit(n);
      made.advance(HOUR_MS);
    }
    await made.a.endpoints.create(newEndpoint(ID, { client: CLIENT, holder: 'a' }));
    await made.a.deliver.turn(ID);
    const since = new Date(made.nowMs() - 1.5 * HOUR_MS).toISOString();
    await made.b.ask('webhooks.move', { ...move, since });
    expect(await made.b.endpoint()).toMatchObject({ holder: 'b', takesOver: { sinceMs: Date.parse(since) } });
    await made.c.ask('webhooks.move', { from: 'b', to: 'c' });
    await made.c.work();
    expect(made.sent('c')).toEqual(['evt_3']);
  });

  it('tries what failed elsewhere: no open circuit and no time of failing come along', async () => {
    const made = await delivered('strong');
    made.answers(() => ({ status: 503, retryAfter: '86400' }));
    await made.emit(6);
    await made.a.work(1);
    expect(await made.a.endpoint()).toMatchObject({
      openSinceMs: expect.any(Number),
      failingSinceMs: expect.any(Number),
    });
    made.sent('a');
    made.advance(73 * HOUR_MS);
    made.answers(() => ({ status: 204, retryAfter: undefined }));
    await made.emit(7);
    await made.b.ask('webhooks.move', move);
    await made.b.work(1);
    expect(made.sent('b')).toEqual(expect.arrayContaining(['evt_6', 'evt_7']));
    expect(await made.b.endpoint()).toMatchObject({
      state: 'active',
      openSinceMs: null,
      failingSinceMs: null,
    });
    expect(await made.b.endpoints.retries(ID)).toEqual([]);
    expect((await made.b.endpoints.dead(ID, undefined, 10)).letters).toEqual([]);
  });

  it('goes on with a replay that the lost Region had not finished', async () => {
    const made = stage('strong');
    for (let n = 1; n <= 5; n++) {
      made.advance(DAY_MS);
      await made.emit(n);
    }
    await made.a.endpoints.create(newEndpoint(ID, { client: CLIENT, holder: 'a' }));
    await made.a.work();
    expect(made.sent('a')).toHaveLength(5);
    const since = new Date(T0 + 1.5 * DAY_MS).toISOString();
    expect(await made.a.ask('webhooks.replay', { id: ID, since })).toBe('done');
    made.store.network.lose('a');
    await made.b.ask('webhooks.move', move);
    await made.b.work();
    expect(made.sent('b')).toEqual(expect.arrayContaining(['evt_2', 'evt_3', 'evt_4', 'evt_5']));
  });

  it('a replay never moves the cursor forward', async () => {
    const made = await delivered('strong');
    await made.a.endpoints.change(await made.a.endpoint(), { cursor: 0 });
    made.advance(HOUR_MS);
    expect(await made.a.ask('webhooks.replay', { id: ID, since: new Date(made.nowMs()).toISOString() })).toBe(
      'done',
    );
    await made.a.work();
    expect(made.sent('a')).toHaveLength(5);
  });
});

describe('in eventual mode', () => {
  /** A worker of `a` sends; `act` happens meanwhile, and the worker writes 200 ms later. */
  async function whileBusy(act: (made: Awaited<ReturnType<typeof delivered>>) => Promise<unknown>) {
    const made = await delivered('eventual');
    await made.emit(6);
    made.answers(async () => {
      made.advance(100);
      expect(await act(made)).toBe('done');
      made.advance(200);
      return { status: 204, retryAfter: undefined };
    });
    await made.a.deliver.turn(ID);
    made.answers(() => ({ status: 204, retryAfter: undefined }));
    made.advance(1_000);
    made.arrive();
    made.sent('a');
    return made;
  }
  const seen = async (made: Awaited<ReturnType<typeof delivered>>) =>
    Promise.all(BOTH.map((name) => made[name].endpoints.get(ID)));

  it.each<[string, Omit<AdminActions['webhooks.update']['params'], 'id'>, Partial<Endpoint>]>([
    ['--disable', { enabled: false }, { state: 'disabled' }],
    ['--url', { url: 'https://new.example/' }, { url: 'https://new.example/', state: 'pending' }],
    ['--payload', { payload: 'thin' }, { payload: 'thin' }],
    ['--events', { events: ['client.disabled'] }, { events: ['client.disabled'] }],
    ['--new-secret', { new_secret: true }, { rootKid: 'NEW' }],
  ])('an update %s at the holder stays, while its worker is busy', async (_, changes, expected) => {
    const made = await whileBusy(({ a }) => a.ask('webhooks.update', { id: ID, ...changes }));
    for (const each of await seen(made)) expect(each).toMatchObject(expected);
  });

  it.each(BOTH)('a deletion at %s stays, while the worker is busy', async (region) => {
    const made = await whileBusy((each) => each[region].ask('webhooks.delete', { id: ID }));
    expect(await seen(made)).toEqual([undefined, undefined]);
    await made.emit(7);
    for (const name of BOTH) await made[name].work();
    expect([made.sent('a'), made.sent('b')]).toEqual([[], []]);
  });

  it('a move stays, while the worker of the Region before is busy', async () => {
    const made = await whileBusy(({ b }) => b.ask('webhooks.move', move));
    for (const each of await seen(made)) expect(each).toMatchObject({ holder: 'b' });
    await made.emit(7);
    await made.b.work();
    made.arrive();
    await made.a.work();
    expect(made.sent('b')).toEqual(expect.arrayContaining(['evt_6', 'evt_7']));
    expect(made.sent('a')).toEqual([]);
  });

  it('an update that a move overtakes stays', async () => {
    const made = await delivered('eventual');
    expect(await made.b.ask('webhooks.move', move)).toBe('done');
    expect(await made.a.ask('webhooks.update', { id: ID, enabled: true, payload: 'thin' })).toBe('done');
    made.arrive();
    for (const each of await seen(made)) expect(each).toMatchObject({ holder: 'b', payload: 'thin' });
  });

  it('a Region that was cut off and went on delivering takes nothing back when it is heard again', async () => {
    const made = await delivered('eventual');
    made.store.network.partition([['a'], ['b', 'c']]);
    await made.emit(6);
    made.advance(1_000);
    expect(await made.b.ask('webhooks.move', move)).toBe('done');
    expect(await made.b.ask('webhooks.update', { id: ID, url: 'https://new.example/' })).toBe('done');
    await made.b.work();
    made.advance(MINUTE_MS);
    // It writes last, and has an event that nobody else knows.
    await made.a.emit(60);
    await made.a.work();
    expect(made.sent('a')).toEqual(['evt_6', 'evt_60']);
    made.store.network.heal();
    made.arrive();
    await made.b.emit(60);
    await made.emit(7);
    for (const name of BOTH) await made[name].work();
    made.arrive();
    for (const each of await seen(made))
      expect(each).toMatchObject({ holder: 'b', url: 'https://new.example/', state: 'active' });
    expect(made.sent('b', 'new.example')).toEqual(expect.arrayContaining(['evt_6', 'evt_60', 'evt_7']));
    expect(made.sent('a')).toEqual([]);
  });

  it('an endpoint that was deleted while its Region was cut off gets nothing once that is heard again', async () => {
    const made = await delivered('eventual');
    made.store.network.partition([['a'], ['b', 'c']]);
    expect(await made.b.ask('webhooks.delete', { id: ID })).toBe('done');
    made.advance(MINUTE_MS);
    await made.emit(6);
    await made.a.work();
    made.store.network.heal();
    made.arrive();
    made.sent('a');
    await made.emit(7);
    for (const name of BOTH) await made[name].work();
    expect([await seen(made), made.sent('a'), made.sent('b')]).toEqual([[undefined, undefined], [], []]);
  });
});

describe('another URL', () => {
  it.each(['http://new.example/', 'https://10.0.0.1/'])(
    '%s, which is never called, is refused',
    async (url) => {
      const made = await delivered('strong');
      expect(await made.a.ask('webhooks.update', { id: ID, url })).toBe('malformed_request');
      expect(await made.a.endpoint()).toMatchObject({ state: 'active', url: 'https://old.example/' });
    },
  );

  it('has to answer itself, whatever the one before answers while it is looked up', async () => {
    const made = await delivered('strong', {
      state: 'pending',
      ping: { askedAtMs: T0, attempts: 0, nextAtMs: T0 },
    });
    made.answers(({ url }) => ({ status: url.includes('old') ? 204 : 500, retryAfter: undefined }));
    made.a.interrupt(() => made.a.deliver.turn(ID));
    expect(await made.a.ask('webhooks.update', { id: ID, url: 'https://wrong.example/' })).toBe('done');
    await made.emit(6);
    await made.a.work();
    expect(await made.a.endpoint()).toMatchObject({ state: 'pending', url: 'https://wrong.example/' });
    const pings = made.sent('a', 'wrong.example');
    expect(pings.length).toBeGreaterThan(0);
    expect(pings.filter((id) => !id.startsWith('evt_ping_'))).toEqual([]);
  });

  it('is asked at once, and not on the schedule of the one before, whose last ping is not shown', async () => {
    const made = await delivered('strong', {
      state: 'pending',
      ping: { askedAtMs: T0, attempts: 0, nextAtMs: T0 },
    });
    made.answers(({ url }) => ({ status: url.includes('old') ? 500 : 204, retryAfter: undefined }));
    for (let i = 0; i < 4; i++) {
      await made.a.work(1);
      made.advance(HOUR_MS);
    }
    made.sent('a');
    expect(await made.a.ask('webhooks.update', { id: ID, url: 'https://new.example/' })).toBe('done');
    expect(await made.a.endpoint()).toMatchObject({ state: 'pending', pinged: null });
    await made.a.deliver.turn(ID);
    expect(made.sent('a', 'new.example')[0]).toMatch(/^evt_ping_/);
    expect(await made.a.endpoint()).toMatchObject({ state: 'active', pinged: { status: 204 } });
  });
});
