/**
 * The `clients` table: a record, its state, each key and each revocation are items of their own. Where two
 * Regions write one item of an eventual table, the later write replaces the item. So a revocation shares its
 * item with nothing else: no roll-over and no other command can undo it.
 */
import { randomUUID } from 'node:crypto';
import type { AttributeValue, UpdateItemCommandInput } from '@aws-sdk/client-dynamodb';
import type { Profile } from '../../protocol/api-key.ts';
import type { ClientKey, ClientOrigin, ClientRecord } from '../../protocol/client.ts';
import type { Invite } from '../../protocol/oauth/invite.ts';
import { DELETED, KEY, NEXT, RECORD, REVOKED, STATE } from '../contract/items.ts';
import {
  DeleteItemCommand,
  type Dynamodb,
  PutItemCommand,
  QueryCommand,
  ScanCommand,
  UpdateItemCommand,
} from './aws/commands.ts';
import { call } from './call.ts';
import {
  invitedKeyItem,
  inviteItem,
  isOf,
  isRecord,
  keyItem,
  type Named,
  recordItem,
  toRecord,
} from './client-items.ts';
import { type Item, randomPause, textOf, writeGlobal } from './dynamodb.ts';

/** All that the request path needs of the table. */
export interface ClientReader {
  /**
   * Strongly consistent: the age of a cached copy bounds how long a disabled client passes. @throws
   * Unavailable
   */
  load(clientId: string): Promise<ClientRecord | undefined>;
}

/** All methods throw Unavailable. */
export interface Clients extends ClientReader {
  /**
   * @returns `created`; else whether the name is taken, or a key of it was an earlier client's of that name
   */
  create(
    client: Omit<ClientRecord, 'disabled' | 'revoked'>,
  ): Promise<'created' | 'client_exists' | 'key_exists'>;
  /**
   * Makes the record of a client whose instances enrol. What an operator said of its name stays: it is
   * disabled if it was.
   *
   * @returns whether this call made it
   */
  enrol(client: Omit<ClientRecord, 'disabled' | 'revoked' | 'keys'>): Promise<boolean>;
  /** @returns whether there is or was such a client */
  known(clientId: string): Promise<boolean>;
  /** @returns whether there is such a client, and still the same */
  setDisabled(clientId: string, disabled: boolean, nowMs: number): Promise<boolean>;
  /** @param limit null for the platform's default @returns whether there is such a client */
  setLimit(clientId: string, limit: number | null): Promise<boolean>;
  /** @returns whether there is such a client */
  setScopes(client: Named, scopes: readonly string[]): Promise<boolean>;
  /** @returns whether there is such a client */
  setProfile(client: Named, profile: Profile): Promise<boolean>;
  /** @returns whether the client had no such key yet */
  addKey(client: Named, key: ClientKey): Promise<boolean>;
  /**
   * Of two public keys that one key asks for at the same moment, one gets its place. A repeated call of the
   * same kid has it already; another kid gets it where the key that had it is dead.
   *
   * @returns whether it is `kid`'s
   */
  claimNext(
    clientId: string,
    askingKid: string,
    kid: string,
    options: { readonly dead: readonly string[]; readonly nowMs: number },
  ): Promise<boolean>;
  /** Ends a key at `expiresAtS` where it would live longer. It never moves an end to a later time. */
  endKey(client: Named, kid: string, expiresAtS: number): Promise<void>;
  /** @returns whether the client has such a key */
  revokeKey(clientId: string, kid: string, nowMs: number): Promise<boolean>;
  /**
   * Gives a client an invite, in place of one that nobody has redeemed yet.
   *
   * @param replaced the client's invite as it was read
   * @returns whether it has this one now
   */
  putInvite(client: Named, invite: Invite, replaced: Invite | undefined, nowMs: number): Promise<boolean>;
  /**
   * Redeems an invite for one key, which is then the client's first. It can be repeated for the same key.
   *
   * @returns whether the invite names this key now
   */
  redeemInvite(client: Named, invite: Invite, key: ClientKey, nowMs: number): Promise<boolean>;
  /**
   * Its name stays known, and every public key that it brought stays revoked.
   *
   * @param by a client that deletes itself, or that enrols again, stays disabled where it is. @default
   * operator
   * @returns whether there was such a client
   */
  remove(clientId: string, nowMs: number, by?: 'operator' | 'client'): Promise<boolean>;
  /** @returns one page of names, in no order, and where the next one begins */
  list(limit: number, after?: Place): Promise<{ clientIds: string[]; next?: Place }>;
}

const ENROLLED: ClientOrigin = 'enrolment';

/** Of an item of the table. */
export interface Place {
  readonly pk: string;
  readonly sk: string;
}

/** Attributes of which each write of an item that a deletion drops gives it a new value. */
const WRITE_MARKS = ['salt', 'changed_at', 'revoked_at', 'deleted_at', 'asked_at'] as const;

export const createClientReader = (dynamodb: Dynamodb, table: string): ClientReader => ({
  load: async (clientId) => toRecord(clientId, await itemsOf(dynamodb, table, clientId)),
});

/** All clients, for a schedule: eventually consistent, one page of the table after another. */
export const createClientScan = (dynamodb: Dynamodb, table: string) => ({
  /** @param after `last` of an earlier client. @returns each client, and the key of its last item */
  async *all(after?: Item): AsyncGenerator<{ readonly client: ClientRecord; readonly last: Item }> {
    // The items of a client follow each other, and may go on in the next page.
    let held: Item[] = [];
    const whole = () => {
      const client = held[0] && toRecord(placeOf(held[0]).pk, held);
      const { pk, sk } = held.at(-1) ?? {};
      return client ? [{ client, last: { pk: pk!, sk: sk! } }] : [];
    };
    let from = after;
    do {
      const scan = new ScanCommand({ TableName: table, ExclusiveStartKey: from });
      const { answer } = await call('clients', () => dynamodb.send(scan));
      for (const item of answer.Items ?? []) {
        if (held[0] && placeOf(held[0]).pk !== placeOf(item).pk) {
          yield* whole();
          held = [];
        }
        held.push(item);
      }
      from = answer.LastEvaluatedKey;
    } while (from);
    yield* whole();
  },
});

/** @param pause between two attempts of a write */
export function createClients(dynamodb: Dynamodb, table: string, pause = randomPause): Clients {
  const items = (clientId: string): Promise<Item[]> => itemsOf(dynamodb, table, clientId);

  /** @returns whether the condition held */
  async function put(item: Item, condition?: string, values?: Item): Promise<boolean> {
    const command = new PutItemCommand({
      TableName: table,
      Item: item,
      ConditionExpression: condition,
      ExpressionAttributeValues: values,
    });
    return 'answer' in (await writeGlobal('clients', () => dynamodb.send(command), pause));
  }

  /** @returns whether the condition held */
  async function update(
    clientId: string,
    sk: string,
    change: Omit<UpdateItemCommandInput, 'TableName' | 'Key'>,
  ): Promise<boolean> {
    const Key = { pk: { S: clientId }, sk: { S: sk } };
    const command = new UpdateItemCommand({ TableName: table, Key, ...change });
    return 'answer' in (await writeGlobal('clients', () => dynamodb.send(command), pause));
  }

  /**
   * Writes an item that is not there yet. A repeated try whose first answer was lost knows its own item by
   * `w`.
   *
   * @returns whether this call wrote it
   */
  const putOnce = (item: Item): Promise<boolean> => {
    const w = { S: randomUUID() };
    return put({ ...item, w }, 'attribute_not_exists(pk) OR w = :w', { ':w': w });
  };

  /** Changes the record of this client, and not that of a later one of its name. */
  const setRecord = ({ clientId, salt }: Named, name: 'profile' | 'scopes', value: string) =>
    update(clientId, RECORD, {
      UpdateExpression: `SET ${name} = :value`,
      ConditionExpression: 'salt = :salt',
      ExpressionAttributeValues: { ':value': { S: value }, ':salt': { B: salt } },
    });

  /**
   * Writes an item of the client that was read, unless a later client of that name has written it since.
   *
   * @param found the items as they were read
   * @returns whether it did
   */
  async function putOf(
    salt: AttributeValue,
    found: readonly Item[],
    sk: string,
    item: Item,
  ): Promise<boolean> {
    const leftover = found.find((each) => textOf(each, 'sk') === sk)?.salt;
    return put(
      { pk: found[0]!.pk!, sk: { S: sk }, salt, ...item },
      `attribute_not_exists(salt) OR salt = :salt${leftover ? ' OR salt = :leftover' : ''}`,
      { ':salt': salt, ...(leftover && { ':leftover': leftover }) },
    );
  }

  async function revoke(clientId: string, kid: string, nowMs: number): Promise<void> {
    await put({ pk: { S: clientId }, sk: { S: REVOKED + kid }, ...revokedAt(nowMs) });
  }

  /**
   * Drops everything but the record. A public key that the client brought is revoked: a later client may
   * bring it again.
   */
  async function clear(
    clientId: string,
    found: readonly Item[],
    nowMs: number,
    keepsState = false,
  ): Promise<void> {
    for (const item of found) {
      const sk = textOf(item, 'sk');
      if (sk.startsWith(KEY) && item.jwk) await revoke(clientId, sk.slice(KEY.length), nowMs);
      if (keepsState && sk === STATE) continue;
      if (!isRecord(item) && !isBroughtKeysRevocation(sk)) await drop(item);
    }
  }

  /** Deletes the item as it was read. One that another command has written since then stays. */
  async function drop(item: Item): Promise<void> {
    const { pk, sk } = placeOf(item);
    const there = WRITE_MARKS.filter((name) => item[name]);
    const command = new DeleteItemCommand({
      TableName: table,
      Key: { pk: { S: pk }, sk: { S: sk } },
      ConditionExpression: WRITE_MARKS.map((name) =>
        item[name] ? `${name} = :${name}` : `attribute_not_exists(${name})`,
      ).join(' AND '),
      ...(there.length > 0 && {
        ExpressionAttributeValues: Object.fromEntries(there.map((name) => [`:${name}`, item[name]!])),
      }),
    });
    await writeGlobal('clients', () => dynamodb.send(command), pause);
  }

  return {
    ...createClientReader(dynamodb, table),

    async create(client) {
      const leftover = await items(client.clientId);
      if (leftover.some(isRecord)) return 'client_exists';
      // A deletion that was interrupted left keys behind: none may come alive under the new record.
      await clear(client.clientId, leftover, client.createdAtMs);
      const used = leftover.map((item) => textOf(item, 'sk'));
      if (
        client.keys.some(({ kid, jwk }) => jwk && (used.includes(REVOKED + kid) || used.includes(KEY + kid)))
      )
        return 'key_exists';
      const made = await putOnce(recordItem(client));
      if (!made) return 'client_exists';
      const own = { ':salt': { B: client.salt } };
      for (const key of client.keys)
        if (!(await put(keyItem(client, key), 'attribute_not_exists(pk) OR salt = :salt', own)))
          // The client was deleted and created again meanwhile: this key must not take the place of its key.
          return 'client_exists';
      return 'created';
    },

    enrol: (client) => putOnce(recordItem({ ...client, keys: [] })),

    known: async (clientId) => (await items(clientId)).length > 0,

    async setDisabled(clientId, disabled, nowMs) {
      const found = await items(clientId);
      const record = found.find(isRecord);
      if (!record?.salt) return false;
      const state = { disabled: { BOOL: disabled }, changed_at: { N: String(nowMs) } };
      // Of a client that enrols it is said of the name, whichever record that has.
      if (record.origin?.S === ENROLLED) return put({ pk: record.pk!, sk: { S: STATE }, ...state });
      return putOf(record.salt, found, STATE, state);
    },

    async setLimit(clientId, limit) {
      return update(clientId, RECORD, {
        UpdateExpression: limit === null ? 'REMOVE #limit' : 'SET #limit = :limit',
        ConditionExpression: 'attribute_exists(pk)',
        ExpressionAttributeNames: { '#limit': 'limit' },
        ...(limit !== null && { ExpressionAttributeValues: { ':limit': { N: String(limit) } } }),
      });
    },

    setScopes: (client, scopes) => setRecord(client, 'scopes', scopes.join(' ')),

    setProfile: (client, profile) => setRecord(client, 'profile', profile),

    // The token that it writes tells a key that was added from a client's first ones: `ADDED_BY`.
    addKey: (client, key) => putOnce(keyItem(client, key)),

    claimNext(clientId, askingKid, kid, { dead, nowMs }) {
      // An item of its own: an operator's change of the asking key must not be lost by it.
      const item = { pk: { S: clientId }, sk: { S: NEXT + askingKid }, kid: { S: kid } };
      const mine = [kid, ...dead].map((each, i) => [`:k${i}`, { S: each }] as const);
      return put(
        { ...item, asked_at: { N: String(nowMs) } },
        `attribute_not_exists(pk) OR ${mine.map(([name]) => `kid = ${name}`).join(' OR ')}`,
        Object.fromEntries(mine),
      );
    },

    async endKey({ clientId, salt }, kid, expiresAtS) {
      await update(clientId, KEY + kid, {
        UpdateExpression: 'SET expires_at = :end',
        ConditionExpression:
          'expires_at > :end AND salt = :salt OR expires_at > :end AND attribute_not_exists(salt)',
        ExpressionAttributeValues: { ':end': { N: String(expiresAtS) }, ':salt': { B: salt } },
      });
    },

    async revokeKey(clientId, kid, nowMs) {
      const found = await items(clientId);
      const key = found.find((item) => textOf(item, 'sk') === KEY + kid);
      if (!key) return false;
      const revoked = found.find((item) => textOf(item, 'sk') === REVOKED + kid);
      // A revocation that another Region wrote is as good: nothing takes it back.
      if (revoked && isOf(key, revoked)) return true;
      // A public key is revoked whoever brings it. A generation's name has another key for the next client.
      if (!key.jwk && key.salt) return putOf(key.salt, found, REVOKED + kid, revokedAt(nowMs));
      await revoke(clientId, kid, nowMs);
      return true;
    },

    async putInvite(client, invite, replaced, nowMs) {
      const w = { S: randomUUID() };
      const item = { ...inviteItem(client, invite, nowMs), w };
      const free = 'attribute_not_exists(pk) OR w = :w';
      if (!replaced) return put(item, free, { ':w': w });
      const unused = `${free} OR serial = :serial AND attribute_not_exists(kid)`;
      return put(item, unused, { ':w': w, ':serial': { N: String(replaced.serial) } });
    },

    async redeemInvite(client, invite, key, nowMs) {
      const redeemed = inviteItem(client, { ...invite, redeemedBy: key.kid }, nowMs);
      const same = 'serial = :serial AND salt = :salt';
      const named = await put(redeemed, `${same} AND attribute_not_exists(kid) OR ${same} AND kid = :kid`, {
        ':serial': { N: String(invite.serial) },
        ':salt': { B: client.salt },
        ':kid': { S: key.kid },
      });
      // Where this call ends in between, the client asks again with the same key. Its end does not move.
      if (named) await put(invitedKeyItem(client, key), 'attribute_not_exists(pk)');
      return named;
    },

    async remove(clientId, nowMs, by = 'operator') {
      const found = await items(clientId);
      const record = found.find(isRecord);
      if (!record) return false;
      await clear(clientId, found, nowMs, by === 'client' || record.origin?.S === ENROLLED);
      await put({ pk: { S: clientId }, sk: { S: DELETED }, deleted_at: { N: String(nowMs) } });
      // The record goes last: an interrupted deletion leaves a client without keys, not keys without a
      // client.
      await drop(record);
      return true;
    },

    async list(limit, after) {
      const scan = new ScanCommand({
        TableName: table,
        FilterExpression: 'sk = :client',
        ExpressionAttributeValues: { ':client': { S: RECORD } },
        Limit: limit,
        ...(after && { ExclusiveStartKey: { pk: { S: after.pk }, sk: { S: after.sk } } }),
      });
      const { answer } = await call('clients', () => dynamodb.send(scan));
      const { Items = [], LastEvaluatedKey } = answer;
      return {
        clientIds: Items.map((item) => placeOf(item).pk),
        ...(LastEvaluatedKey && { next: placeOf(LastEvaluatedKey) }),
      };
    },
  };
}

/** @returns every item of a client, by strongly consistent reads */
async function itemsOf(dynamodb: Dynamodb, table: string, clientId: string): Promise<Item[]> {
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
    const { answer } = await call('clients', () => dynamodb.send(query));
    found.push(...(answer.Items ?? []));
    from = answer.LastEvaluatedKey;
  } while (from);
  return found;
}

const placeOf = (item: Item): Place => ({ pk: textOf(item, 'pk'), sk: textOf(item, 'sk') });

/**
 * The kid of an API key is its generation, which the next client of that name has again, with another key.
 */
const isBroughtKeysRevocation = (sk: string): boolean => sk.startsWith(REVOKED) && !/#\d+$/.test(sk);

const revokedAt = (nowMs: number): Item => ({ revoked_at: { N: String(nowMs) } });
