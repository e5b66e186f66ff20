/**
 * Several outboxes and several readers of one Region's events, under a scheduler. It decides when each call
 * of the table arrives, commits and answers, which are lost or late, which outbox ends in the middle, and how
 * the time goes on. One seed is one history.
 */
import type { Scheduler } from 'fast-check';
import { ALL_CLIENTS, createEvents, type Events } from '../../lambda/adapters/events.ts';
import { outboxHandler, type StreamEvent } from '../../lambda/callbacks/outbox.ts';
import { createReadEvents, type ReadEvents } from '../../lambda/callbacks/read-events.ts';
import { TABLES, tableName } from '../../lambda/contract/names.ts';
import { type Carry, dynamodbClientOn } from '../../local/dynamodb/client.ts';
import { Dynamodb } from '../../local/dynamodb/dynamodb.ts';
import { type Fate, scheduledCalls } from './calls.ts';

export const CLIENTS = ['one', 'two'] as const;

export interface Plan {
  /** Of each shard, the records' users. A user of a shard is in no other: an item's records share a shard. */
  readonly shards: readonly (readonly {
    readonly client: (typeof CLIENTS)[number];
    readonly user: number;
  }[])[];
  /** Invocations of each shard's outbox that end before they answer. The same records are sent again. */
  readonly crashes: number;
  readonly readers: readonly { readonly order: string; readonly polls: number; readonly limit: number }[];
  /** Steps of the clock, in milliseconds. */
  readonly waits: readonly number[];
  readonly fates: () => Fate;
}

/** The parts that a naive variant replaces. */
export interface Variant {
  readonly events?: (events: Events) => Events;
  readonly reader?: (events: Events) => ReadEvents;
}

export interface History {
  /** By order, what stands in it at the end. */
  readonly written: ReadonlyMap<string, readonly Seen[]>;
  /** Ids of all changes. */
  readonly made: ReadonlyMap<string, ReadonlySet<string>>;
  readonly readers: readonly { readonly order: string; readonly seen: readonly Seen[] }[];
  readonly operations: number;
  readonly trace: readonly string[];
}

interface Seen {
  readonly seq: number;
  readonly id: string;
  /** The record that changed, and how often it had changed. */
  readonly record: string;
  readonly turn: number;
}

const T0 = 1_795_430_000_000;
const TABLE = tableName('model', 'events');

export async function run(s: Scheduler, plan: Plan, variant: Variant = {}): Promise<History> {
  let elapsedMs = 0;
  let operations = 0;
  let scheduled = true;
  const nowMs = () => T0 + elapsedMs;
  const store = new Dynamodb({ regions: ['a'], modeOf: () => 'regional', nowMs });
  store.ask('a', 'CreateTable', {
    TableName: TABLE,
    KeySchema: TABLES.events.keys.map((AttributeName) => ({ AttributeName })),
  } as never);
  const trace: string[] = [];
  const point = async (label: string) => {
    if (!scheduled) return;
    await s.schedule(Promise.resolve(), label);
    trace.push(label);
  };
  const fates = () => (scheduled ? plan.fates() : 'answered');
  const carry: Carry = scheduledCalls({ point, fates, onCall: () => operations++ });
  const plain = createEvents(dynamodbClientOn(store, 'a', carry), TABLE);
  const events = variant.events?.(plain) ?? plain;
  const readEvents = (variant.reader ?? createReadEvents)(events);

  const turns = new Map<string, number>();
  const batches = plan.shards.map((shard, i) =>
    shard.map(({ client, user }, j) => {
      const record = `${client}#${i}.${user}`;
      const turn = turns.get(record) ?? 0;
      turns.set(record, turn + 1);
      return change(record, turn, j);
    }),
  );
  const invoke = (Records: StreamEvent['Records']) =>
    outboxHandler({
      events,
      tables: { registry: 'registry', clients: 'clients' },
      ...{ region: 'a', nowMs, log: () => {}, copiedMs: async () => undefined, wake: async () => {} },
      announce: undefined,
    })({ Records });
  /** Sends the records until they are handled. An invocation that does not end is left alone, and goes on. */
  const shard = async (batch: StreamEvent['Records'], crashes: number) => {
    let left = batch;
    for (let crash = 0; left.length > 0; ) {
      const ends =
        crash < crashes
          ? point('an outbox is taken for ended').then(() => undefined)
          : new Promise<never>(() => {});
      const answer = await Promise.race([invoke(left), scheduled ? ends : new Promise<never>(() => {})]);
      if (answer === undefined) crash += 1;
      else {
        const [failed] = answer.batchItemFailures;
        left = failed
          ? left.slice(left.findIndex(({ dynamodb }) => dynamodb.SequenceNumber === failed.itemIdentifier))
          : [];
      }
    }
  };

  const readers = plan.readers.map(({ order, limit }) => ({ order, limit, after: 0, seen: [] as Seen[] }));
  const poll = async (reader: (typeof readers)[number]) => {
    const page = await readEvents({
      client: reader.order,
      after: reader.after,
      limit: reader.limit,
      nowMs: nowMs(),
    });
    reader.after = page.next;
    reader.seen.push(...page.events.map((event) => seenOf(event.seq, event)));
    return page;
  };
  const polls = async (reader: (typeof readers)[number], count: number) => {
    for (let i = 0; i < count; i++) {
      await point(`a poll of ${reader.order}`);
      // A read that fails leaves it to the next one; one that never ends leaves the reader where it is.
      await poll(reader).catch(() => {});
    }
  };

  const isDone = batches.map(() => false);
  for (const [i, batch] of batches.entries())
    void shard(batch, plan.crashes).then(() => {
      isDone[i] = true;
    });
  for (const [i, { polls: count }] of plan.readers.entries()) void polls(readers[i]!, count);
  for (const ms of plan.waits)
    void point(`${ms} ms go by`).then(() => {
      elapsedMs += ms;
    });
  await s.waitIdle();

  scheduled = false;
  for (const [i, batch] of batches.entries()) if (!isDone[i]) await shard(batch, 0);
  elapsedMs += 10_000;
  for (const reader of readers) {
    // A restarted reader goes on from its cursor.
    for (let before = -1; before !== reader.after; ) {
      before = reader.after;
      await poll(reader);
    }
  }
  const orders = [ALL_CLIENTS, ...CLIENTS];
  const written = new Map<string, Seen[]>();
  for (const order of orders) {
    const items = await plain.query(order, 0, 100_000);
    written.set(
      order,
      items.flatMap(({ seq, event }) => (event ? [seenOf(seq, event)] : [])),
    );
  }
  const made = new Map(
    orders.map((order) => {
      const its = batches.flat().filter(({ of }) => order === ALL_CLIENTS || of.startsWith(`${order}#`));
      return [order, new Set(its.map(({ version }) => version))];
    }),
  );
  return { written, made, readers, operations, trace };
}

const seenOf = (
  seq: number,
  { data }: { readonly data: { readonly version: string; readonly client_id: string; readonly id?: string } },
): Seen => ({
  seq,
  id: data.version,
  record: `${data.client_id}#${data.id}`,
  turn: Number(data.version.split('.')[1]) - T0,
});

/** A record is made, deleted, made again, and so on. */
function change(record: string, turn: number, n: number) {
  const item = (at: number) => ({
    pk: { S: record },
    v: { S: `a.${T0 + at}.${record.replace(/\W/g, '-')}` },
    ...(at % 2 === 0 ? { created_at: { N: '1' }, data: { S: '{}' } } : { deleted_at: { N: '1' } }),
  });
  return {
    eventSourceARN: 'arn:aws:dynamodb:a:0:table/registry/stream/1',
    dynamodb: {
      SequenceNumber: String(n),
      NewImage: item(turn),
      ...(turn > 0 && { OldImage: item(turn - 1) }),
    },
    of: record,
    version: item(turn).v.S,
  };
}

/** @returns what is wrong with a history, or undefined */
export function violationOf({ written, made, readers }: History): string | undefined {
  for (const [order, versions] of made) {
    const there = new Set(written.get(order)!.map(({ id }) => id));
    for (const version of versions) if (!there.has(version)) return `${order} lacks the event ${version}`;
    const first = new Map<string, number>();
    for (const { record, turn } of written.get(order)!) {
      const known = first.get(record) ?? -1;
      if (turn > known + 1) return `${order} has change ${turn} of ${record} before an earlier one`;
      first.set(record, Math.max(known, turn));
    }
  }
  for (const [i, { order, seen }] of readers.entries()) {
    const numbers = new Set(seen.map(({ seq }) => seq));
    for (const { seq, id } of written.get(order)!)
      if (!numbers.has(seq)) return `reader ${i} of ${order} missed number ${seq}, ${id}`;
    for (const [j, { seq }] of seen.entries())
      if (j > 0 && seq <= seen[j - 1]!.seq) return `reader ${i} of ${order} went back to ${seq}`;
  }
  return undefined;
}
