/**
 * The Region's table of events. Every event is in two orders: its client's, and that of all clients. A number
 * is taken first and written afterwards, so an order has holes for a while; `readEvents` stops at them.
 */
import { eventTtlS, type PlatformEvent } from '../../protocol/event.ts';
import { cursorMs, type Heard } from '../../protocol/heard.ts';
import {
  type Dynamodb,
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
  UpdateItemCommand,
} from './aws/commands.ts';
import { call, Unavailable } from './call.ts';
import { CONDITION_FAILED, type Item, numberOf, textOf } from './dynamodb.ts';

/** Partition of the order over all clients. No client has this name. */
export const ALL_CLIENTS = '*';

/** What stands under a number. */
export interface Numbered {
  readonly seq: number;
  readonly writtenAtMs: number;
  /**
   * What a cursor here says of its time: when it was written, or earlier where changes of other Regions were
   * late.
   */
  readonly cursorMs: number;
  /** Undefined for a void: a hole that a reader closed. */
  readonly event: PlatformEvent | undefined;
}

/** The numbers that an order has given out. */
export interface Range {
  /** Numbers up to this one were given out more than a day before the next one, or never by this table. */
  readonly settled: number;
  readonly last: number;
}

/** Lambda ends every writer after 15 minutes: a number that was taken a day ago is not written any more. */
export const ABANDONED_MS = 24 * 3600 * 1000;

/** What the outbox keeps from one of its schedule's runs to the next. */
export interface Notes {
  /** How late other Regions are here. */
  readonly heard: Heard;
  /** The last look for keys that end soon. */
  readonly expiring: {
    readonly beganMs: number;
    /** Where the next run goes on; absent where it was finished. */
    readonly after?: Item | undefined;
  };
}

/** All methods throw Unavailable. */
export interface Events {
  /** Takes `count` numbers of an order. @returns the last of them */
  take(order: string, count: number, nowMs: number): Promise<number>;
  /** @returns whether the number was free, or held this event from an earlier try */
  put(order: string, seq: number, event: PlatformEvent, nowMs: number): Promise<boolean>;
  /**
   * Writes a void under a number, unless something stands there: no event takes the number any more.
   *
   * @param cursorMs that of the next number
   */
  close(order: string, seq: number, nowMs: number, cursorMs: number): Promise<void>;
  /** @returns what was noted last; undefined where nothing was */
  recall<N extends keyof Notes>(name: N): Promise<Notes[N] | undefined>;
  note<N extends keyof Notes>(name: N, value: Notes[N]): Promise<void>;
  /** Remembers that an event stands in its orders. */
  remember(id: string, nowMs: number): Promise<void>;
  /** @returns whether the event was remembered */
  has(id: string): Promise<boolean>;
  /** Strongly consistent. @returns what stands under the numbers after `after`, the lowest first */
  query(order: string, after: number, limit: number): Promise<readonly Numbered[]>;
  /** Strongly consistent. @returns undefined for an order that has no number yet */
  range(order: string): Promise<Range | undefined>;
}

/** The number of the item that counts an order, and of the one that remembers an event. */
const COUNTER = 0;

/** @param hears whether changes of other Regions may be late here, as in eventual mode */
export function createEvents(dynamodb: Dynamodb, table: string, hears = false): Events {
  const key = (pk: string, seq: number) => ({ pk: { S: pk }, seq: { N: String(seq) } });
  const written = (nowMs: number, cursorMs = nowMs) => ({
    written_at: { N: String(nowMs) },
    ttl: { N: String(eventTtlS(nowMs)) },
    ...(cursorMs < nowMs && { cursor_at: { N: String(cursorMs) } }),
  });
  let held: { readonly atMs: number; readonly heard: Heard | undefined } | undefined;

  async function get(pk: string): Promise<Item | undefined> {
    const command = new GetItemCommand({ TableName: table, Key: key(pk, COUNTER), ConsistentRead: true });
    return (await call('events', () => dynamodb.send(command))).answer.Item;
  }

  /** Changes an order's counter. @returns what was changed; undefined where the condition did not hold */
  async function update(order: string, change: string, condition: string, values: Item) {
    const command = new UpdateItemCommand({
      TableName: table,
      Key: key(order, COUNTER),
      UpdateExpression: change,
      ConditionExpression: condition,
      ExpressionAttributeNames: { '#last': 'last' },
      ExpressionAttributeValues: values,
      ReturnValues: 'UPDATED_NEW',
    });
    const result = await call('events', () => dynamodb.send(command), [CONDITION_FAILED]);
    return 'answer' in result ? (result.answer.Attributes ?? {}) : undefined;
  }

  /** @returns whether the condition held */
  async function put(item: Item, condition?: string, values?: Item): Promise<boolean> {
    const command = new PutItemCommand({
      TableName: table,
      Item: item,
      ConditionExpression: condition,
      ExpressionAttributeValues: values,
    });
    return 'answer' in (await call('events', () => dynamodb.send(command), [CONDITION_FAILED]));
  }

  const events: Events = {
    async take(order, count, nowMs) {
      const taken = { N: String(nowMs) };
      const abandoned = { N: String(nowMs - ABANDONED_MS) };
      for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
        const after = await update(
          order,
          'SET #last = #last + :count, taken_at = :now',
          'taken_at > :abandoned',
          { ':count': { N: String(count) }, ':now': taken, ':abandoned': abandoned },
        );
        if (after) return numberOf(after, 'last');
        const range = await events.range(order);
        // A table that was lost and made again goes on with higher numbers, so no cursor is ahead of it.
        const settled = { N: String(range?.last ?? nowMs * NUMBERS_A_MS) };
        // Another writer may have begun the order meanwhile: what it took is not settled.
        await update(
          order,
          'SET settled = :settled, #last = :settled, taken_at = :now',
          range ? '#last = :settled AND taken_at <= :abandoned' : 'attribute_not_exists(#last)',
          { ':settled': settled, ':now': taken, ...(range && { ':abandoned': abandoned }) },
        );
      }
      throw new Unavailable('events');
    },

    async put(order, seq, { id, type, timestamp, data }, nowMs) {
      if (hears && (!held || nowMs - held.atMs > HELD_MS))
        held = { atMs: nowMs, heard: await events.recall('heard') };
      return put(
        {
          ...key(order, seq),
          id: { S: id },
          type: { S: type },
          timestamp: { S: timestamp },
          data: { S: JSON.stringify(data) },
          ...written(nowMs, cursorMs(held?.heard, nowMs)),
        },
        'attribute_not_exists(pk) OR id = :id',
        { ':id': { S: id } },
      );
    },

    async close(order, seq, nowMs, cursorMs) {
      const item = { ...key(order, seq), void: { BOOL: true }, ...written(nowMs, cursorMs) };
      await put(item, 'attribute_not_exists(pk)');
    },

    async recall(name) {
      const text = (await get(`#${name}`))?.value?.S;
      return text === undefined ? undefined : JSON.parse(text);
    },

    async note(name, value) {
      // No client has a name that begins so.
      await put({ ...key(`#${name}`, COUNTER), value: { S: JSON.stringify(value) } });
    },

    async remember(id, nowMs) {
      await put({ ...key(id, COUNTER), ...written(nowMs) });
    },

    has: async (id) => (await get(id)) !== undefined,

    async query(order, after, limit) {
      const command = new QueryCommand({
        TableName: table,
        ConsistentRead: true,
        KeyConditionExpression: 'pk = :order AND seq > :after',
        ExpressionAttributeValues: { ':order': { S: order }, ':after': { N: String(after) } },
        Limit: limit,
      });
      const { answer } = await call('events', () => dynamodb.send(command));
      return (answer.Items ?? []).map(numbered);
    },

    async range(order) {
      const counter = await get(order);
      return counter && { settled: numberOf(counter, 'settled'), last: numberOf(counter, 'last') };
    },
  };
  return events;
}

const ATTEMPTS = 5;

/** An older record only makes cursors go back further. */
const HELD_MS = 60_000;

/** More than an order can take, and few enough that its numbers stay exact. */
const NUMBERS_A_MS = 1_000;

const numbered = (item: Item): Numbered => ({
  seq: numberOf(item, 'seq'),
  writtenAtMs: numberOf(item, 'written_at'),
  cursorMs: numberOf(item, item.cursor_at ? 'cursor_at' : 'written_at'),
  event: item.void?.BOOL
    ? undefined
    : ({
        id: textOf(item, 'id'),
        type: textOf(item, 'type'),
        timestamp: textOf(item, 'timestamp'),
        data: JSON.parse(textOf(item, 'data')),
      } as PlatformEvent),
});
