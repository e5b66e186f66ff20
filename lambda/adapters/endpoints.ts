/**
 * Callback endpoints in the `clients` table. An endpoint's item holds all that decides what is delivered
 * next, so every Region has it, and no message that is lost loses an event. Each failed event has an item of
 * its own until it is delivered or dead.
 */
import type { AttributeValue } from '@aws-sdk/client-dynamodb';
import { DEAD, ENDPOINT, ENDPOINTS, RETRY, WRITES } from '../contract/items.ts';
import {
  DeleteItemCommand,
  type Dynamodb,
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
  UpdateItemCommand,
} from './aws/commands.ts';
import { call } from './call.ts';
import { type Item, numberOf, type Pause, present, randomPause, textOf, writeGlobal } from './dynamodb.ts';

export type EndpointState = 'pending' | 'active' | 'disabled' | 'gone';

/** What the endpoint's owner and operators decide. */
export interface EndpointSettings {
  readonly url: string;
  /** Types that are sent; null for all. */
  readonly events: readonly string[] | null;
  readonly payload: 'thin' | 'full';
  /** The key of `webhook-root` that the secret is derived from. */
  readonly rootKid: string;
  readonly salt: Uint8Array;
  /** The secrets before, each of which signs until then, too; the oldest first. */
  readonly previous: readonly PreviousSecret[];
}

export interface PreviousSecret {
  readonly rootKid: string;
  readonly salt: Uint8Array;
  readonly untilMs: number;
}

/** What delivery decides. */
export interface EndpointProgress {
  readonly state: EndpointState;
  /** Number of the last event of the holder's order that is delivered, left out, or has a retry. */
  readonly cursor: number;
  /** When that event was written, or earlier where changes of other Regions were late. */
  readonly cursorAtMs: number;
  /** Since when the circuit is open: too many events wait for a retry, so no new one is tried. */
  readonly openSinceMs: number | null;
  /** Failed probes of an open circuit. */
  readonly probes: number;
  readonly probeAtMs: number;
  /** Since when nothing was delivered. */
  readonly failingSinceMs: number | null;
  /** A ping that is asked for. */
  readonly ping: { readonly askedAtMs: number; readonly attempts: number; readonly nextAtMs: number } | null;
  readonly pinged: {
    readonly atMs: number;
    readonly status: number | null;
    readonly error: string | null;
  } | null;
}

export interface Endpoint extends EndpointSettings, EndpointProgress {
  readonly id: string;
  /** A client, or `*` for all of them. */
  readonly client: string;
  /** The Region that delivers. */
  readonly holder: string;
  readonly createdAtMs: number;
  readonly lease: string | null;
  readonly leaseUntilMs: number;
}

export interface Retry {
  readonly event: string;
  readonly type: string;
  readonly timestamp: string;
  /** JSON text. */
  readonly data: string;
  readonly attempts: number;
  readonly firstAtMs: number;
  readonly nextAtMs: number;
  readonly lastStatus: number | null;
  readonly lastError: string | null;
}

export interface DeadLetter extends Omit<Retry, 'nextAtMs'> {
  readonly deadAtMs: number;
}

/** All methods throw Unavailable. Reads are strongly consistent. */
export interface Endpoints {
  get(id: string): Promise<Endpoint | undefined>;
  /** @returns every endpoint, and by its id the retries of each */
  list(): Promise<{ endpoints: Endpoint[]; retries: Map<string, Retry[]> }>;
  retries(id: string): Promise<Retry[]>;
  create(endpoint: Endpoint): Promise<void>;
  /** @returns whether there was such an endpoint */
  remove(id: string): Promise<boolean>;
  /** @returns the endpoint, if nobody else holds a lease on it */
  take(id: string, lease: string, nowMs: number, untilMs: number): Promise<Endpoint | undefined>;
  /** @returns whether the lease was still held; without it nothing is written */
  save(id: string, lease: string, changes: Partial<EndpointProgress>, then: Lease): Promise<boolean>;
  /**
   * For operators: a worker that is under way loses its lease, so it overwrites nothing. @returns whether
   * there is such an endpoint
   */
  change(
    id: string,
    changes: Partial<EndpointSettings & EndpointProgress & { holder: string }>,
  ): Promise<boolean>;
  putRetry(id: string, retry: Retry): Promise<void>;
  /** Lets an event that waits for a retry wait until then at most. */
  hasten(id: string, event: string, untilMs: number): Promise<void>;
  dropRetry(id: string, event: string): Promise<void>;
  putDead(id: string, letter: DeadLetter): Promise<void>;
  dropDead(id: string, letter: Pick<DeadLetter, 'event' | 'deadAtMs'>): Promise<void>;
  /** @returns the oldest dead letters first, at most `limit` */
  dead(
    id: string,
    after: string | undefined,
    limit: number,
  ): Promise<{ letters: DeadLetter[]; next?: string }>;
}

/** What becomes of the lease: kept until then, or given back. */
export type Lease = { readonly keepUntilMs: number } | 'release';

/** Partition of an endpoint's dead letters. */
const deadKey = (id: string): string => DEAD + id;
const retryPrefix = (id: string): string => `${RETRY}${id}#`;
/** Padded, so that the order of texts is that of times. */
const deadSort = ({ deadAtMs, event }: Pick<DeadLetter, 'event' | 'deadAtMs'>): string =>
  `${String(deadAtMs).padStart(15, '0')}#${event}`;

export function createEndpoints(dynamodb: Dynamodb, table: string, pause: Pause = randomPause): Endpoints {
  const key = (id: string) => ({ pk: { S: ENDPOINTS }, sk: { S: ENDPOINT + id } });
  const retryKey = (id: string, event: string) => ({
    pk: { S: ENDPOINTS },
    sk: { S: retryPrefix(id) + event },
  });
  const write = (command: PutItemCommand | DeleteItemCommand | UpdateItemCommand) =>
    writeGlobal('clients', () => dynamodb.send<{ Attributes?: Item }>(command as never), pause);

  async function query(
    pk: string,
    prefix: string | undefined,
    limits: { limit?: number; after?: string } = {},
  ) {
    const items: Item[] = [];
    let from: Item | undefined =
      limits.after === undefined ? undefined : { pk: { S: pk }, sk: { S: limits.after } };
    do {
      const command = new QueryCommand({
        TableName: table,
        ConsistentRead: true,
        KeyConditionExpression: prefix === undefined ? 'pk = :pk' : 'pk = :pk AND begins_with(sk, :prefix)',
        ExpressionAttributeValues: {
          ':pk': { S: pk },
          ...(prefix !== undefined && { ':prefix': { S: prefix } }),
        },
        ExclusiveStartKey: from,
        Limit: limits.limit,
      });
      const { answer } = await call('clients', () => dynamodb.send(command));
      items.push(...(answer.Items ?? []));
      from = answer.LastEvaluatedKey;
    } while (from && limits.limit === undefined);
    return { items, next: from };
  }

  async function update(
    id: string,
    changes: Changes,
    condition: string,
    values: Item,
  ): Promise<Item | undefined> {
    const names: Record<string, string> = {};
    const set: string[] = [];
    const remove: string[] = [];
    for (const [i, [name, value]] of Object.entries(changes).entries()) {
      names[`#n${i}`] = name;
      if (value === null) remove.push(`#n${i}`);
      else {
        set.push(`#n${i} = :n${i}`);
        values[`:n${i}`] = value;
      }
    }
    const expression = [
      set.length > 0 ? `SET ${set.join(', ')}` : '',
      remove.length > 0 ? `REMOVE ${remove.join(', ')}` : '',
      // A copy of the table tells the newer of two forms by it.
      `ADD ${WRITES} :one`,
    ];
    values[':one'] = { N: '1' };
    const result = await write(
      new UpdateItemCommand({
        TableName: table,
        Key: key(id),
        UpdateExpression: expression.join(' ').trim(),
        ConditionExpression: `attribute_exists(pk)${condition}`,
        ...(Object.keys(names).length > 0 && { ExpressionAttributeNames: names }),
        ExpressionAttributeValues: values,
        ReturnValues: 'ALL_NEW',
      }),
    );
    return 'answer' in result ? (result.answer.Attributes ?? {}) : undefined;
  }

  return {
    async get(id) {
      const command = new GetItemCommand({ TableName: table, Key: key(id), ConsistentRead: true });
      const { Item } = (await call('clients', () => dynamodb.send(command))).answer;
      return Item && toEndpoint(Item);
    },

    async list() {
      const { items } = await query(ENDPOINTS, undefined);
      const retries = new Map<string, Retry[]>();
      const endpoints: Endpoint[] = [];
      for (const item of items) {
        const sk = textOf(item, 'sk');
        if (sk.startsWith(ENDPOINT)) endpoints.push(toEndpoint(item));
        else {
          const id = sk.slice(RETRY.length, sk.indexOf('#', RETRY.length));
          retries.set(id, [...(retries.get(id) ?? []), toRetry(item)]);
        }
      }
      return { endpoints, retries };
    },

    retries: async (id) => (await query(ENDPOINTS, retryPrefix(id))).items.map(toRetry),

    async create(endpoint) {
      const { id, lease: _, leaseUntilMs: __, ...rest } = endpoint;
      const attributes = Object.entries(attributesOf(rest)).filter(([, value]) => value !== null);
      await write(
        new PutItemCommand({
          TableName: table,
          Item: {
            ...key(id),
            ...(Object.fromEntries(attributes) as Item),
            lease_until: { N: '0' },
            [WRITES]: { N: '1' },
          },
        }),
      );
    },

    async remove(id) {
      const result = await write(
        new DeleteItemCommand({
          TableName: table,
          Key: key(id),
          ConditionExpression: 'attribute_exists(pk)',
        }),
      );
      for (const { event } of await this.retries(id)) await this.dropRetry(id, event);
      for (let next: string | undefined = ''; next !== undefined; ) {
        const page: Awaited<ReturnType<Endpoints['dead']>> = await this.dead(id, undefined, 100);
        for (const letter of page.letters) await this.dropDead(id, letter);
        next = page.next;
      }
      return 'answer' in result;
    },

    async take(id, lease, nowMs, untilMs) {
      const item = await update(
        id,
        { lease: { S: lease }, lease_until: { N: String(untilMs) } },
        ' AND lease_until < :now',
        { ':now': { N: String(nowMs) } },
      );
      return item && toEndpoint(item);
    },

    async save(id, lease, changes, then) {
      const leased: Changes =
        then === 'release'
          ? { lease: null, lease_until: { N: '0' } }
          : { lease_until: { N: String(then.keepUntilMs) } };
      const held = await update(id, { ...attributesOf(changes), ...leased }, ' AND lease = :lease', {
        ':lease': { S: lease },
      });
      return held !== undefined;
    },

    change: async (id, changes) =>
      (await update(id, { ...attributesOf(changes), lease: null, lease_until: { N: '0' } }, '', {})) !==
      undefined,

    async putRetry(id, retry) {
      await write(
        new PutItemCommand({
          TableName: table,
          Item: { ...retryKey(id, retry.event), ...fromRetry(retry) },
        }),
      );
    },

    async hasten(id, event, untilMs) {
      await write(
        new UpdateItemCommand({
          TableName: table,
          Key: retryKey(id, event),
          UpdateExpression: 'SET next_at = :until',
          // One that was delivered meanwhile does not come back.
          ConditionExpression: 'next_at > :until',
          ExpressionAttributeValues: { ':until': { N: String(untilMs) } },
        }),
      );
    },

    async dropRetry(id, event) {
      await write(new DeleteItemCommand({ TableName: table, Key: retryKey(id, event) }));
    },

    async putDead(id, letter) {
      await write(
        new PutItemCommand({
          TableName: table,
          Item: {
            pk: { S: deadKey(id) },
            sk: { S: deadSort(letter) },
            ...fromRetry({ ...letter, nextAtMs: 0 }),
            dead_at: { N: String(letter.deadAtMs) },
          },
        }),
      );
    },

    async dropDead(id, letter) {
      const Key = { pk: { S: deadKey(id) }, sk: { S: deadSort(letter) } };
      await write(new DeleteItemCommand({ TableName: table, Key }));
    },

    async dead(id, after, limit) {
      const { items, next } = await query(deadKey(id), undefined, {
        limit,
        ...(after !== undefined && { after }),
      });
      const letters = items.map((item) => {
        const { nextAtMs: _, ...letter } = toRetry(item);
        return { ...letter, deadAtMs: numberOf(item, 'dead_at') };
      });
      return { letters, ...(next && { next: textOf(next, 'sk') }) };
    },
  };
}

/** Null removes an attribute. */
type Changes = Record<string, AttributeValue | null>;

const text = (value: string | null): AttributeValue | null => (value === null ? null : { S: value });
const number = (value: number | null): AttributeValue | null =>
  value === null ? null : { N: String(value) };
const json = (value: object | null): AttributeValue | null => text(value && JSON.stringify(value));

/** The attribute of each member, and how its value is written. */
const ATTRIBUTES = {
  client: ['client', text],
  url: ['url', text],
  events: ['events', json],
  payload: ['payload', text],
  rootKid: ['root_kid', text],
  salt: ['salt', (value: Uint8Array) => ({ B: value })],
  previous: [
    'previous_secrets',
    (value: EndpointSettings['previous']) =>
      json(value.map((each) => ({ ...each, salt: Buffer.from(each.salt).toString('base64url') }))),
  ],
  state: ['state', text],
  holder: ['holder', text],
  cursor: ['cursor', number],
  cursorAtMs: ['cursor_at', number],
  openSinceMs: ['open_since', number],
  probes: ['probes', number],
  probeAtMs: ['probe_at', number],
  failingSinceMs: ['failing_since', number],
  ping: ['ping', json],
  pinged: ['pinged', json],
  createdAtMs: ['created_at', number],
} as const satisfies Record<string, readonly [string, (value: never) => AttributeValue | null]>;

function attributesOf(changes: Partial<Endpoint>): Changes {
  return Object.fromEntries(
    Object.entries(changes).map(([member, value]) => {
      const [name, write] = ATTRIBUTES[member as keyof typeof ATTRIBUTES];
      return [name, (write as (value: unknown) => AttributeValue | null)(value)];
    }),
  );
}

const jsonOf = (item: Item, name: string) => (item[name]?.S === undefined ? null : JSON.parse(item[name].S));
const numberOrNull = (item: Item, name: string): number | null => (item[name] ? numberOf(item, name) : null);

function toEndpoint(item: Item): Endpoint {
  const previous: { readonly salt: string }[] = jsonOf(item, 'previous_secrets') ?? [];
  return {
    id: textOf(item, 'sk').slice(ENDPOINT.length),
    client: textOf(item, 'client'),
    url: textOf(item, 'url'),
    events: jsonOf(item, 'events'),
    payload: textOf(item, 'payload') as Endpoint['payload'],
    rootKid: textOf(item, 'root_kid'),
    salt: present(item.salt?.B, 'salt'),
    previous: previous.map((each) => ({
      ...(each as unknown as PreviousSecret),
      salt: Buffer.from(each.salt, 'base64url'),
    })),
    state: textOf(item, 'state') as EndpointState,
    holder: textOf(item, 'holder'),
    cursor: numberOf(item, 'cursor'),
    cursorAtMs: numberOf(item, 'cursor_at'),
    openSinceMs: numberOrNull(item, 'open_since'),
    probes: numberOf(item, 'probes'),
    probeAtMs: numberOf(item, 'probe_at'),
    failingSinceMs: numberOrNull(item, 'failing_since'),
    ping: jsonOf(item, 'ping'),
    pinged: jsonOf(item, 'pinged'),
    createdAtMs: numberOf(item, 'created_at'),
    lease: item.lease?.S ?? null,
    leaseUntilMs: numberOf(item, 'lease_until'),
  };
}

const fromRetry = (retry: Retry): Item => ({
  event: { S: retry.event },
  type: { S: retry.type },
  timestamp: { S: retry.timestamp },
  data: { S: retry.data },
  attempts: { N: String(retry.attempts) },
  first_at: { N: String(retry.firstAtMs) },
  next_at: { N: String(retry.nextAtMs) },
  ...(retry.lastStatus !== null && { last_status: { N: String(retry.lastStatus) } }),
  ...(retry.lastError !== null && { last_error: { S: retry.lastError } }),
});

const toRetry = (item: Item): Retry => ({
  event: textOf(item, 'event'),
  type: textOf(item, 'type'),
  timestamp: textOf(item, 'timestamp'),
  data: textOf(item, 'data'),
  attempts: numberOf(item, 'attempts'),
  firstAtMs: numberOf(item, 'first_at'),
  nextAtMs: numberOf(item, 'next_at'),
  lastStatus: numberOrNull(item, 'last_status'),
  lastError: item.last_error?.S ?? null,
});
