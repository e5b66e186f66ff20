/** The outbox over a store: what is written, in what order, and what a failure leaves to be sent again. */
import { expect, it } from 'vitest';
import { createEvents, type Events } from '../../../lambda/adapters/events.ts';
import { outboxHandler, type StreamEvent } from '../../../lambda/callbacks/outbox.ts';
import { createReadEvents, seqBefore } from '../../../lambda/callbacks/read-events.ts';
import { TABLES, tableName } from '../../../lambda/contract/names.ts';
import { dynamodbClientOn } from '../../../local/dynamodb/client.ts';
import { Dynamodb } from '../../../local/dynamodb/dynamodb.ts';

const T0 = 1_795_430_000_000;
const TABLE = tableName('test', 'events');
const DAY_MS = 24 * 3600 * 1000;

function parts(copiedMs?: number, generation = '') {
  let now = T0;
  const store = new Dynamodb({ regions: ['a'], modeOf: () => 'regional', nowMs: () => now });
  const KeySchema = TABLES.events.keys.map((AttributeName) => ({ AttributeName }));
  store.ask('a', 'CreateTable', { TableName: TABLE, KeySchema } as never);
  const events = createEvents(dynamodbClientOn(store, 'a'), TABLE);
  const lines: string[] = [];
  const woken: string[] = [];
  let wakeFails = false;
  const outbox = (its: Events = events) =>
    outboxHandler({
      events: its,
      tables: { registry: `registry${generation}`, clients: `clients${generation}` },
      copiedMs: async () => copiedMs,
      announce: undefined,
      wake: async (clients) => {
        woken.push(...clients);
        if (wakeFails) throw new Error('the queue is down');
      },
      region: 'a',
      nowMs: () => now,
      log: ({ reason }) => lines.push(reason ?? ''),
    });
  const read = createReadEvents(events);
  const ids = async (client: string, after = 0, limit = 100) => {
    const page = await read({ client, after, limit, nowMs: now });
    return { ...page, ids: page.events.map(({ data }) => data.version) };
  };
  const advance = (ms: number) => {
    now += ms;
  };
  const failWakes = () => {
    wakeFails = true;
  };
  return { store, events, outbox, ids, lines, woken, failWakes, advance, nowMs: () => now };
}

const created = (client: string, id: string, version: string, n: number) => ({
  eventSourceARN: 'arn:aws:dynamodb:a:0:table/registry/stream/1',
  dynamodb: {
    SequenceNumber: String(n),
    NewImage: {
      pk: { S: `${client}#${id}` },
      created_at: { N: '1' },
      data: { S: '{}' },
      v: { S: `a.${n}.${version}` },
    },
  },
});
const deleted = (client: string, id: string, version: string, n: number) => ({
  eventSourceARN: 'arn:aws:dynamodb:a:0:table/registry/stream/1',
  dynamodb: {
    SequenceNumber: String(n),
    OldImage: created(client, id, 'old', n).dynamodb.NewImage,
    NewImage: { pk: { S: `${client}#${id}` }, deleted_at: { N: '1' }, v: { S: `a.${n}.${version}` } },
  },
});
const batch = (...Records: StreamEvent['Records'][number][]): StreamEvent => ({ Records });

it("every event is in its client's order and in that of all clients, and is remembered", async () => {
  const { outbox, ids, events } = parts();
  await outbox()(
    batch(created('one', 'x', 'A', 1), created('two', 'y', 'B', 2), deleted('one', 'x', 'C', 3)),
  );
  expect((await ids('one')).ids).toEqual(['a.1.A', 'a.3.C']);
  expect((await ids('two')).ids).toEqual(['a.2.B']);
  const all = await ids('*');
  expect(all.ids).toEqual(['a.1.A', 'a.2.B', 'a.3.C']);
  for (const { id } of all.events) expect(await events.has(id)).toBe(true);
  expect(all.next).toBe(all.events.at(-1)!.seq);
  expect(await ids('*', all.next)).toMatchObject({ events: [], next: all.next, nextMs: undefined });
});

it('events of one record keep their order, also where a reader closed a number', async () => {
  const { outbox, ids, events } = parts();
  const first = (await events.take('one', 1, T0)) + 1;
  await events.close('one', first, T0, T0);
  await events.close('one', first + 1, T0, T0);
  await outbox()(batch(created('one', 'x', 'A', 1), deleted('one', 'x', 'B', 2)));
  const { range } = { range: await events.query('one', first, 10) };
  expect(range.flatMap(({ event }) => event?.data.version ?? [])).toEqual(['a.1.A', 'a.2.B']);
  expect((await ids('one', first)).ids).toEqual(['a.1.A', 'a.2.B']);
});

it('after a failure the stream sends again what was not written, and the rest once more', async () => {
  const { outbox, ids, events, lines } = parts();
  const failing: Events = {
    ...events,
    put: (order, seq, event, nowMs) =>
      event.data.version === 'a.2.B' && order === 'two'
        ? Promise.reject(new Error('throttled'))
        : events.put(order, seq, event, nowMs),
  };
  const sent = batch(created('one', 'x', 'A', 1), created('two', 'y', 'B', 2));
  const answer = await outbox(failing)(sent);
  expect(answer.batchItemFailures).toEqual([{ itemIdentifier: '1' }]);
  expect(lines).toEqual(['events']);
  expect((await outbox()(sent)).batchItemFailures).toEqual([]);
  expect(new Set((await ids('*')).ids)).toEqual(new Set(['a.1.A', 'a.2.B']));
});

it('records before a failed round are done with', async () => {
  const { outbox, events } = parts();
  const failing: Events = {
    ...events,
    put: (order, seq, event, nowMs) =>
      event.type === 'registration.deleted'
        ? Promise.reject(new Error('throttled'))
        : events.put(order, seq, event, nowMs),
  };
  const sent = batch(created('one', 'x', 'A', 1), deleted('one', 'x', 'B', 2));
  expect(await outbox(failing)(sent)).toEqual({ batchItemFailures: [{ itemIdentifier: '2' }] });
});

it('a record that cannot be read is reported, and holds up no other', async () => {
  const { outbox, ids, lines } = parts();
  const odd = created('one', 'x', 'no version', 2);
  expect(await outbox()(batch(odd, created('one', 'y', 'B', 3)))).toEqual({ batchItemFailures: [] });
  expect(lines).toEqual(['record']);
  expect((await ids('one')).ids).toEqual(['a.3.B']);
});

it('a reader stops at a hole, closes it after 5 s, and the late writer takes another number', async () => {
  const { events, outbox, ids, advance, nowMs } = parts();
  await outbox()(batch(created('one', 'x', 'A', 1)));
  const hole = await events.take('one', 1, nowMs());
  await outbox()(batch(created('one', 'y', 'B', 2)));
  const page = await ids('one');
  expect(page.ids).toEqual(['a.1.A']);
  advance(4_999);
  expect((await ids('one', page.next)).next).toBe(page.next);
  advance(1);
  expect(await ids('one', page.next)).toMatchObject({ ids: ['a.2.B'], next: hole + 1 });
  const event = (await ids('one')).events[0]!;
  expect(await events.put('one', hole, event, nowMs())).toBe(false);
});

it('a reader finds an event that was written while it closed the hole', async () => {
  const { events, outbox, advance, nowMs } = parts();
  await outbox()(batch(created('one', 'x', 'A', 1)));
  const hole = await events.take('one', 1, nowMs());
  await outbox()(batch(created('one', 'y', 'B', 2)));
  const [first] = await events.query('one', 0, 1);
  advance(6_000);
  const racing: Events = {
    ...events,
    async close(order, seq, ms, cursorMs) {
      await events.put(order, seq, { ...first!.event!, id: 'evt_late' }, ms);
      return events.close(order, seq, ms, cursorMs);
    },
  };
  const page = await createReadEvents(racing)({ client: 'one', after: hole - 1, limit: 10, nowMs: nowMs() });
  expect(page.events.map(({ seq }) => seq)).toEqual([hole, hole + 1]);
});

it('what TTL deleted is no hole: before an old event, and before the first one after a quiet day', async () => {
  const { events, outbox, ids, advance, nowMs } = parts();
  const first = (await events.take('one', 500, T0)) - 499;
  await outbox()(batch(created('one', 'x', 'A', 1)));
  advance(29 * DAY_MS);
  expect(await ids('one')).toMatchObject({ ids: ['a.1.A'], passed: true });
  await events.take('one', 700, nowMs());
  advance(31 * DAY_MS);
  await outbox()(batch(created('one', 'y', 'B', 2)));
  expect(await ids('one', first + 600)).toMatchObject({ ids: ['a.2.B'], passed: true });
  expect((await events.query('one', first + 600, 1000)).filter(({ event }) => !event)).toEqual([]);
  const { next } = await ids('one', first + 600);
  expect(await ids('one', next)).toMatchObject({ ids: [], passed: false });
});

it('many holes are closed in steps, and nothing behind them is missed', async () => {
  const { events, outbox, ids, advance, nowMs } = parts();
  await outbox()(batch(created('one', 'x', 'A', 1)));
  await events.take('one', 350, nowMs());
  await outbox()(batch(created('one', 'y', 'B', 2)));
  advance(6_000);
  let after = 0;
  const seen: string[] = [];
  for (let i = 0; i < 10; i++) {
    const page = await ids('one', after, 10);
    seen.push(...page.ids);
    after = page.next;
  }
  for (let i = 0; i < 40; i++) {
    const page = await ids('one', after, 10);
    seen.push(...page.ids);
    after = page.next;
  }
  expect(seen).toEqual(['a.1.A', 'a.2.B']);
});

it('seqBefore leaves out nothing that was written since a time, whatever the order of writers', async () => {
  const { events, outbox, ids, advance, nowMs } = parts();
  expect(await seqBefore(events, 'one', T0)).toBe(0);
  const times: number[] = [];
  for (let i = 0; i < 40; i++) {
    await outbox()(batch(created('one', `x${i}`, 'A', i + 1)));
    times.push(nowMs());
    advance(30 * 60_000);
  }
  for (const [i, atMs] of times.entries()) {
    const after = await seqBefore(events, 'one', atMs);
    const { ids: versions } = await ids('one', after);
    expect(versions).toContain(`a.${i + 1}.A`);
    expect(versions.length - (40 - i)).toBeLessThanOrEqual(1);
  }
});

it('seqBefore leaves a number before the lowest event to a writer that has not written it yet', async () => {
  const { events, outbox, ids, nowMs } = parts();
  const taken = await events.take('one', 1, nowMs());
  await outbox()(batch(created('one', 'y', 'B', 2)));
  const after = await seqBefore(events, 'one', nowMs() - DAY_MS);
  const late = (await ids('*')).events[0]!;
  await events.put('one', taken, { ...late, id: 'evt_late' }, nowMs());
  expect((await ids('one', after)).events.map(({ seq }) => seq)).toEqual([taken, taken + 1]);
});

it('what a copy put into new tables is not announced again, and what changes there is', async () => {
  const { outbox, ids } = parts(10);
  const copied = created('one', 'x', 'A', 10);
  await outbox()(batch(copied, created('one', 'y', 'B', 11), deleted('one', 'x', 'C', 5)));
  expect((await ids('one')).ids).toEqual(['a.11.B', 'a.5.C']);
});

it('numbers that another writer takes while an order begins are not settled', async () => {
  const { store, events, nowMs } = parts();
  const client = dynamodbClientOn(store, 'a');
  let first: number | undefined;
  const slow = createEvents(
    {
      async send(command) {
        // Between the failed write and the read, the other writer begins the order.
        if (command.constructor.name === 'GetItemCommand')
          first ??= (await events.take('one', 3, nowMs())) - 2;
        return client.send(command);
      },
    },
    TABLE,
  );
  expect(await slow.take('one', 2, nowMs())).toBe(first! + 4);
  expect((await events.range('one'))?.settled).toBe(first! - 1);
});

it('wakes the endpoints of the clients that something happened to; a wake-up that fails fails no batch', async () => {
  const { outbox, woken, failWakes, lines, ids } = parts();
  const Records = [created('acme', 'r1', 'x', 1), created('other', 'r2', 'y', 2)];
  await outbox()({ Records });
  expect(woken).toEqual(['acme', 'other']);
  failWakes();
  expect(await outbox()({ Records: [created('acme', 'r3', 'z', 3)] })).toEqual({ batchItemFailures: [] });
  expect([lines, (await ids('acme')).ids.length]).toEqual([['wake'], 2]);
  await outbox()({ Records: [] });
  expect(woken).toHaveLength(3);
});

const from = (table: string, made: string, record: StreamEvent['Records'][number]) => ({
  ...record,
  eventSourceARN: `arn:aws:dynamodb:a:0:table/${table}/stream/${made}`,
});

it('what the tables before still had becomes events, while the next ones are in use', async () => {
  const { outbox, ids, lines } = parts(T0, '-2');
  const changes = [created('one', 'x', 'A', 1), deleted('one', 'x', 'B', 2)];
  await outbox()(batch(...changes.map((each) => from('registry-1', '1', each))));
  // As the copy wrote it to the next ones.
  await outbox()(batch(from('registry-2', '1', created('one', 'x', 'A', 1))));
  expect((await ids('one')).ids).toEqual(['a.1.A', 'a.2.B']);
  expect(lines).toEqual([]);
});

it.each(['registry-3', 'others-1', 'registry', 'registry-x'])(
  'a change of the table %s waits: nothing of it is an event, and nothing is left out',
  async (table) => {
    const { outbox, ids, lines } = parts(undefined, '-2');
    const records = [created('one', 'x', 'A', 7), created('one', 'y', 'B', 8)];
    expect(await outbox()(batch(...records.map((each) => from(table, '1', each))))).toEqual({
      batchItemFailures: [{ itemIdentifier: '7' }],
    });
    expect([(await ids('one')).ids, lines]).toEqual([[], ['other_table']]);
  },
);

it('what a new replica is filled with was announced elsewhere; what is changed later is announced', async () => {
  const { outbox, ids } = parts();
  const label = new Date(T0).toISOString().replace('Z', '');
  const at = (ms: number, version: string) => created('one', version, version, T0 + ms);
  const changes = [at(-DAY_MS, 'old'), at(-50_000, 'slow'), at(1, 'new')];
  const deletion = deleted('one', 'z', 'deleted', T0 - DAY_MS);
  await outbox()(batch(...[...changes, deletion].map((each) => from('registry', label, each))));
  expect((await ids('one')).ids).toEqual([
    `a.${T0 - 50_000}.slow`,
    `a.${T0 + 1}.new`,
    `a.${T0 - DAY_MS}.deleted`,
  ]);
});
