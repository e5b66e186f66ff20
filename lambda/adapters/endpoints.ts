/**
 * Callback endpoints in the `clients` table. An endpoint's items hold all that decides what is delivered
 * next, so every Region has it, and no message that is lost loses an event. Each failed event has an item of
 * its own until it is delivered or dead.
 *
 * Regions that write one item at a time overwrite each other, where the table is eventually consistent. So
 * what operators decide, which Region delivers, and how far each holder is, are items of their own
 * (docs/decisions/0055-one-writer-an-item.md).
 */
import { DEAD, ENDPOINT, ENDPOINTS, HOLDER, PROGRESS, RETRY, WRITES } from '../contract/items.ts';
import {
  DeleteItemCommand,
  type Dynamodb,
  PutItemCommand,
  QueryCommand,
  UpdateItemCommand,
} from './aws/commands.ts';
import { call } from './call.ts';
import { type Item, numberOf, type Pause, randomPause, textOf, writeGlobal } from './dynamodb.ts';
import {
  byEndpoint,
  type Changes,
  fromRetry,
  number,
  type Parts,
  split,
  termMs,
  termOf,
  text,
  toEndpoint,
  toRetry,
} from './endpoint-items.ts';

export type EndpointState = 'pending' | 'active' | 'disabled' | 'gone';

/** What the endpoint's owner and operators decide. */
export interface EndpointSettings {
  readonly url: string;
  /** Since when it is this URL. */
  readonly urlSinceMs: number;
  /** When its client was created; 0 for all clients. Earlier events are of another owner of the name. */
  readonly clientSinceMs: number;
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
  /** The URL that answered a ping last; null if none has. Another one has to answer first. */
  readonly verified: string | null;
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
  /** Names the time for which it does. */
  readonly term: string;
  /**
   * Where the holder has not begun: its progress is that of the Region before, in whose order `cursor` is a
   * number. `sinceMs`: an operator's, from when on it delivers.
   */
  readonly takesOver: { readonly sinceMs: number | null } | null;
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
  create(endpoint: Omit<Endpoint, 'term' | 'takesOver'>): Promise<void>;
  /** In any Region. @returns whether there was such an endpoint */
  remove(id: string): Promise<boolean>;
  /** In any Region. @returns whether the endpoint was still in its term */
  move(endpoint: Term & Pick<Endpoint, 'takesOver'>, to: Move): Promise<boolean>;
  /** In the holder: its term begins, unless it has. The progress of the Region before goes. */
  begin(endpoint: Term, progress: EndpointProgress): Promise<void>;
  /** In the holder. @returns the endpoint, if nobody else holds a lease on it, and the Region still does */
  take(endpoint: Term, lease: string, nowMs: number, untilMs: number): Promise<Endpoint | undefined>;
  /** In the holder. @returns whether the lease was still held; without it nothing is written */
  save(endpoint: Term, lease: string, changes: Partial<EndpointProgress>, then: Lease): Promise<boolean>;
  /**
   * For operators, in the holder: a worker that is under way loses its lease, so it overwrites nothing.
   * @returns whether there is such an endpoint, and it was in its term all the time
   */
  change(endpoint: Term, changes: Partial<EndpointSettings & EndpointProgress>): Promise<boolean>;
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

/** An endpoint in the term of one holder. */
export type Term = Pick<Endpoint, 'id' | 'term'>;

export interface Move {
  readonly holder: string;
  readonly atMs: number;
  /** From when on it delivers. @default from where the Region before was, as far as the two may differ */
  readonly sinceMs?: number | undefined;
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
  const key = (sort: string) => ({ pk: { S: ENDPOINTS }, sk: { S: ENDPOINT + sort } });
  const progressKey = ({ id, term }: Term) => key(id + PROGRESS + term);
  const retryKey = (id: string, event: string) => ({
    pk: { S: ENDPOINTS },
    sk: { S: retryPrefix(id) + event },
  });
  const write = (command: PutItemCommand | DeleteItemCommand | UpdateItemCommand) =>
    writeGlobal('clients', () => dynamodb.send(command as never), pause);

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

  /** @returns whether there was such an item, and the condition held */
  async function update(
    Key: ReturnType<typeof key>,
    changes: Changes,
    condition = '',
    values: Item = {},
  ): Promise<boolean> {
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
        Key,
        UpdateExpression: expression.join(' ').trim(),
        ConditionExpression: `attribute_exists(pk)${condition}`,
        ...(Object.keys(names).length > 0 && { ExpressionAttributeNames: names }),
        ExpressionAttributeValues: values,
      }),
    );
    return 'answer' in result;
  }

  /** @returns whether nothing stood there */
  async function put(Key: ReturnType<typeof key>, changes: Changes): Promise<boolean> {
    const attributes = Object.entries(changes).filter(([, value]) => value !== null);
    const result = await write(
      new PutItemCommand({
        TableName: table,
        Item: { ...Key, ...(Object.fromEntries(attributes) as Item), [WRITES]: { N: '1' } },
        ConditionExpression: 'attribute_not_exists(pk)',
      }),
    );
    return 'answer' in result;
  }

  /** @returns whether there was such an item */
  async function drop(sort: string): Promise<boolean> {
    const result = await write(
      new DeleteItemCommand({
        TableName: table,
        Key: key(sort),
        ConditionExpression: 'attribute_exists(pk)',
      }),
    );
    return 'answer' in result;
  }

  const partsOf = async (id: string): Promise<Parts> => {
    const { items } = await query(ENDPOINTS, ENDPOINT + id);
    return byEndpoint(items).get(id) ?? new Map();
  };

  const get = async (id: string): Promise<Endpoint | undefined> => toEndpoint(id, await partsOf(id));

  return {
    get,

    async list() {
      const { items } = await query(ENDPOINTS, undefined);
      const retries = new Map<string, Retry[]>();
      for (const item of items) {
        const sk = textOf(item, 'sk');
        if (!sk.startsWith(RETRY)) continue;
        const id = sk.slice(RETRY.length, sk.indexOf('#', RETRY.length));
        retries.set(id, [...(retries.get(id) ?? []), toRetry(item)]);
      }
      const endpoints = [...byEndpoint(items)].flatMap(([id, parts]) => toEndpoint(id, parts) ?? []);
      return { endpoints, retries };
    },

    retries: async (id) => (await query(ENDPOINTS, retryPrefix(id))).items.map(toRetry),

    async create({ id, client, createdAtMs, holder, lease: _, leaseUntilMs: __, ...rest }) {
      const { settings, progress } = split(rest);
      const term = termOf({ holder, atMs: createdAtMs });
      await put(progressKey({ id, term }), { ...progress, lease_until: number(0) });
      await put(key(id), { ...settings, client: text(client), created_at: number(createdAtMs) });
      await put(key(id + HOLDER), { holder: text(holder), term: text(term) });
    },

    async remove(id) {
      for (const part of (await partsOf(id)).keys()) if (part !== '') await drop(id + part);
      const existed = await drop(id);
      for (const { event } of await this.retries(id)) await this.dropRetry(id, event);
      for (let next: string | undefined = ''; next !== undefined; ) {
        const page: Awaited<ReturnType<Endpoints['dead']>> = await this.dead(id, undefined, 100);
        for (const letter of page.letters) await this.dropDead(id, letter);
        next = page.next;
      }
      return existed;
    },

    async move({ id, term, takesOver }, { holder, atMs, sinceMs = takesOver?.sinceMs ?? undefined }) {
      const next = termOf({ holder, atMs: Math.max(atMs, termMs(term) + 1) });
      const changes = { holder: text(holder), term: text(next), since: number(sinceMs ?? null) };
      return update(key(id + HOLDER), changes, ' AND term = :before', { ':before': { S: term } });
    },

    async begin(endpoint, progress) {
      await put(progressKey(endpoint), { ...split(progress).progress, lease_until: number(0) });
      for (const part of (await partsOf(endpoint.id)).keys())
        if (part.startsWith(PROGRESS) && part < PROGRESS + endpoint.term) await drop(endpoint.id + part);
    },

    async take(endpoint, lease, nowMs, untilMs) {
      const leased = { lease: text(lease), lease_until: number(untilMs) };
      const values = { ':now': { N: String(nowMs) } };
      if (!(await update(progressKey(endpoint), leased, ' AND lease_until < :now', values))) return undefined;
      // Whoever changes or moves it from now on takes the lease away, or is seen here.
      const held = await get(endpoint.id);
      return held?.term === endpoint.term ? held : undefined;
    },

    async save(endpoint, lease, changes, then) {
      const leased =
        then === 'release'
          ? { lease: null, lease_until: number(0) }
          : { lease_until: number(then.keepUntilMs) };
      const saved = { ...split(changes).progress, ...leased };
      return update(progressKey(endpoint), saved, ' AND lease = :lease', { ':lease': { S: lease } });
    },

    async change(endpoint, changes) {
      const { id, term } = endpoint;
      const { settings, progress } = split(changes);
      if (Object.keys(settings).length > 0 && !(await update(key(id), settings))) return false;
      const free = { lease: null, lease_until: number(0) };
      const changed = await update(progressKey(endpoint), { ...progress, ...free });
      // A move takes settings along. It reads progress after it has written the holder, so this look sees it,
      // or it has seen this change.
      return Object.keys(progress).length === 0 || (changed && (await get(id))?.term === term);
    },

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
