/**
 * The `clients` table (design: 8-wire "Table items"): a record, its state, each key and each revocation are items of their
 * own. An eventual table merges two Regions' writes by item, and the later one stands whole: so what an operator takes
 * away shares its item with nothing else, and neither a roll-over nor another operator's command can give it back.
 */
import {
  type AttributeValue,
  DeleteItemCommand,
  type DynamoDBClient,
  PutItemCommand,
  QueryCommand,
  type QueryCommandOutput,
  ScanCommand,
  UpdateItemCommand,
  type UpdateItemCommandInput,
} from '@aws-sdk/client-dynamodb';
import type { Profile } from '../../protocol/api-key.ts';
import type { ClientKey, ClientRecord } from '../../protocol/client.ts';
import { CONDITION_FAILED, call } from './dynamodb.ts';

/** All methods throw Unavailable. */
export interface Clients {
  /** Strongly consistent: the age of a cached copy then bounds for how long a disabled client still passes. */
  load(clientId: string): Promise<ClientRecord | undefined>;
  /** @returns whether the name was free */
  create(client: Omit<ClientRecord, 'disabled' | 'revoked'>): Promise<boolean>;
  /** @returns whether there is such a client */
  setDisabled(clientId: string, disabled: boolean, nowMs: number): Promise<boolean>;
  /** @param limit null for the platform's default @returns whether there is such a client */
  setLimit(clientId: string, limit: number | null): Promise<boolean>;
  /** @returns whether there is such a client */
  setProfile(clientId: string, profile: Profile): Promise<boolean>;
  /** @returns whether the client had no such key yet */
  addKey(clientId: string, key: ClientKey): Promise<boolean>;
  /** Ends a key at `expiresAtS` where it would live longer: an end only ever comes nearer. */
  endKey(clientId: string, kid: string, expiresAtS: number): Promise<void>;
  /** @returns whether the client has such a key */
  revokeKey(clientId: string, kid: string, nowMs: number): Promise<boolean>;
  /** @returns whether there was such a client */
  remove(clientId: string): Promise<boolean>;
  /** @returns one page of names, in no order, and where the next one begins */
  list(limit: number, after?: Place): Promise<{ clientIds: string[]; next?: Place }>;
}

/** Of an item of the table. */
export interface Place {
  readonly pk: string;
  readonly sk: string;
}

type Item = Record<string, AttributeValue>;

const REVOKED = 'revoked#';

/** Who issued a generation, where no other generation did; no kid is spelled so. */
const OPERATOR = 'operator';

export function createClients(dynamodb: DynamoDBClient, table: string): Clients {
  async function items(clientId: string): Promise<Item[]> {
    const found: Item[] = [];
    let from: Item | undefined;
    do {
      const query = new QueryCommand({
        TableName: table,
        ConsistentRead: true,
        KeyConditionExpression: 'pk = :pk',
        ExpressionAttributeValues: { ':pk': { S: clientId } },
        ExclusiveStartKey: from,
      });
      const page = (await call('clients', () => dynamodb.send(query))) as { answer: QueryCommandOutput };
      found.push(...(page.answer.Items ?? []));
      from = page.answer.LastEvaluatedKey;
    } while (from);
    return found;
  }

  /** @returns whether the condition held */
  async function put(item: Item, condition?: string): Promise<boolean> {
    const command = new PutItemCommand({ TableName: table, Item: item, ConditionExpression: condition });
    return 'answer' in (await call('clients', () => dynamodb.send(command), [CONDITION_FAILED]));
  }

  /** @returns whether the condition held */
  async function update(
    clientId: string,
    sk: string,
    change: Omit<UpdateItemCommandInput, 'TableName' | 'Key'>,
  ): Promise<boolean> {
    const Key = { pk: { S: clientId }, sk: { S: sk } };
    const command = new UpdateItemCommand({ TableName: table, Key, ...change });
    return 'answer' in (await call('clients', () => dynamodb.send(command), [CONDITION_FAILED]));
  }

  async function has(clientId: string, sk: string): Promise<boolean> {
    return (await items(clientId)).some((item) => item.sk!.S === sk);
  }

  async function drop({ pk, sk }: Item): Promise<void> {
    const command = new DeleteItemCommand({ TableName: table, Key: { pk: pk!, sk: sk! } });
    await call('clients', () => dynamodb.send(command));
  }

  return {
    load: async (clientId) => toRecord(clientId, await items(clientId)),

    async create(client) {
      const leftover = await items(client.clientId);
      if (leftover.some((item) => item.sk!.S === 'client')) return false;
      // A deletion cut short: a key that it left behind must not come alive under the new record.
      for (const item of leftover) await drop(item);
      const made = await put(
        {
          pk: { S: client.clientId },
          sk: { S: 'client' },
          profile: { S: client.profile },
          salt: { B: client.salt },
          created_at: { N: String(client.createdAtMs) },
          ...(client.limit !== null && { limit: { N: String(client.limit) } }),
        },
        'attribute_not_exists(pk)',
      );
      if (made) for (const key of client.keys) await put(keyItem(client.clientId, key));
      return made;
    },

    async setDisabled(clientId, disabled, nowMs) {
      if (!(await has(clientId, 'client'))) return false;
      return update(clientId, 'state', {
        UpdateExpression: 'SET disabled = :disabled, changed_at = :now',
        ExpressionAttributeValues: { ':disabled': { BOOL: disabled }, ':now': { N: String(nowMs) } },
      });
    },

    async setLimit(clientId, limit) {
      return update(clientId, 'client', {
        UpdateExpression: limit === null ? 'REMOVE #limit' : 'SET #limit = :limit',
        ConditionExpression: 'attribute_exists(pk)',
        ExpressionAttributeNames: { '#limit': 'limit' },
        ...(limit !== null && { ExpressionAttributeValues: { ':limit': { N: String(limit) } } }),
      });
    },

    async setProfile(clientId, profile) {
      return update(clientId, 'client', {
        UpdateExpression: 'SET profile = :profile',
        ConditionExpression: 'attribute_exists(pk)',
        ExpressionAttributeValues: { ':profile': { S: profile } },
      });
    },

    addKey: (clientId, key) => put(keyItem(clientId, key), 'attribute_not_exists(pk)'),

    async endKey(clientId, kid, expiresAtS) {
      await update(clientId, `key#${kid}`, {
        UpdateExpression: 'SET expires_at = :end',
        ConditionExpression: 'expires_at > :end',
        ExpressionAttributeValues: { ':end': { N: String(expiresAtS) } },
      });
    },

    async revokeKey(clientId, kid, nowMs) {
      if (!(await has(clientId, `key#${kid}`))) return false;
      return put({ pk: { S: clientId }, sk: { S: REVOKED + kid }, revoked_at: { N: String(nowMs) } });
    },

    async remove(clientId) {
      const found = await items(clientId);
      const record = found.find((item) => item.sk!.S === 'client');
      // The record goes last, so that a deletion cut short leaves a client without keys, not keys without one.
      for (const item of found) if (item !== record) await drop(item);
      if (record) await drop(record);
      return record !== undefined;
    },

    async list(limit, after) {
      const scan = new ScanCommand({
        TableName: table,
        FilterExpression: 'sk = :client',
        ExpressionAttributeValues: { ':client': { S: 'client' } },
        Limit: limit,
        ...(after && { ExclusiveStartKey: { pk: { S: after.pk }, sk: { S: after.sk } } }),
      });
      const page = await call('clients', () => dynamodb.send(scan));
      if (!('answer' in page)) return { clientIds: [] };
      const { Items = [], LastEvaluatedKey } = page.answer;
      return {
        clientIds: Items.map((item) => item.pk!.S!),
        ...(LastEvaluatedKey && { next: { pk: LastEvaluatedKey.pk!.S!, sk: LastEvaluatedKey.sk!.S! } }),
      };
    },
  };
}

function keyItem(clientId: string, key: ClientKey): Item {
  return {
    pk: { S: clientId },
    sk: { S: `key#${key.kid}` },
    alg: { S: key.alg },
    usable_at: { N: String(key.usableAtS) },
    expires_at: { N: String(key.expiresAtS) },
    issued_by: { S: key.issuedBy ?? OPERATOR },
    ...(key.rootKid !== null && { root_kid: { S: key.rootKid } }),
    ...(key.jwk !== null && { jwk: { S: JSON.stringify(key.jwk) } }),
  };
}

function toRecord(clientId: string, items: readonly Item[]): ClientRecord | undefined {
  const record = items.find((item) => item.sk!.S === 'client');
  if (!record) return undefined;
  const state = items.find((item) => item.sk!.S === 'state');
  return {
    clientId,
    profile: record.profile!.S as Profile,
    salt: record.salt!.B!,
    disabled: state?.disabled?.BOOL ?? false,
    limit: record.limit?.N === undefined ? null : Number(record.limit.N),
    createdAtMs: Number(record.created_at!.N),
    keys: items.filter((item) => item.sk!.S!.startsWith('key#')).map(toKey),
    revoked: new Set(
      items.flatMap(({ sk }) => (sk!.S!.startsWith(REVOKED) ? [sk!.S!.slice(REVOKED.length)] : [])),
    ),
  };
}

function toKey(item: Item): ClientKey {
  return {
    kid: item.sk!.S!.slice('key#'.length),
    alg: item.alg!.S!,
    usableAtS: Number(item.usable_at!.N),
    expiresAtS: Number(item.expires_at!.N),
    issuedBy: item.issued_by!.S === OPERATOR ? null : item.issued_by!.S!,
    rootKid: item.root_kid?.S ?? null,
    jwk: item.jwk?.S === undefined ? null : JSON.parse(item.jwk.S),
  };
}
