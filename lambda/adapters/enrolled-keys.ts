/**
 * The keys of instances that enrolled, in the `clients` table. They have partitions of their own, so that the
 * request path reads one key of a client, and not those of all its instances.
 */
import type { ClientKey } from '../../protocol/client.ts';
import { ENROLLED, KEY } from '../contract/items.ts';
import {
  DeleteItemCommand,
  type Dynamodb,
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
} from './aws/commands.ts';
import { call } from './call.ts';
import { isSame, keyItem, type Named, toKey } from './client-items.ts';
import { type Item, numberOf, present, randomPause, textOf, writeGlobal } from './dynamodb.ts';

export interface EnrolledKey {
  readonly key: ClientKey;
  /** `policyId` of the policy that let it in. */
  readonly policy: string;
  /** Of the client that it was enrolled for. */
  readonly salt: Uint8Array;
}

/** All methods throw Unavailable. */
export interface EnrolledKeys {
  /** Strongly consistent. */
  load(clientId: string, kid: string): Promise<EnrolledKey | undefined>;
  /** Stores a key, or its new end. */
  put(client: Named, key: ClientKey, policy: string): Promise<void>;
  /** @returns how many live keys a client's instances have */
  countLive(clientId: string, nowS: number): Promise<number>;
  /** Deletes the keys of a client that ended before `endedS`. @returns how many */
  sweep(clientId: string, endedS: number): Promise<number>;
}

export function createEnrolledKeys(dynamodb: Dynamodb, table: string, pause = randomPause): EnrolledKeys {
  const placeOf = (clientId: string, kid: string): Item => ({
    pk: { S: ENROLLED + clientId },
    sk: { S: KEY + kid },
  });

  async function* all(clientId: string): AsyncGenerator<Item> {
    let from: Item | undefined;
    do {
      const query = new QueryCommand({
        TableName: table,
        KeyConditionExpression: 'pk = :pk',
        ExpressionAttributeValues: { ':pk': { S: ENROLLED + clientId } },
        ExclusiveStartKey: from,
      });
      const { answer } = await call('clients', () => dynamodb.send(query));
      yield* answer.Items ?? [];
      from = answer.LastEvaluatedKey;
    } while (from);
  }

  return {
    async load(clientId, kid) {
      const get = new GetItemCommand({ TableName: table, Key: placeOf(clientId, kid), ConsistentRead: true });
      const { answer } = await call('clients', () => dynamodb.send(get));
      const item = answer.Item;
      return (
        item && {
          key: toKey(kid, item),
          policy: textOf(item, 'policy'),
          salt: present(item.salt?.B, 'salt'),
        }
      );
    },

    async put(client, key, policy) {
      const item = {
        ...keyItem(client, key),
        ...placeOf(client.clientId, key.kid),
        policy: { S: policy },
      };
      const command = new PutItemCommand({ TableName: table, Item: item });
      await writeGlobal('clients', () => dynamodb.send(command), pause);
    },

    async countLive(clientId, nowS) {
      let live = 0;
      for await (const item of all(clientId)) if (numberOf(item, 'expires_at') > nowS) live += 1;
      return live;
    },

    async sweep(clientId, endedS) {
      let swept = 0;
      for await (const item of all(clientId)) {
        const end = numberOf(item, 'expires_at');
        if (end > endedS) continue;
        const command = new DeleteItemCommand({
          TableName: table,
          Key: { pk: item.pk!, sk: item.sk! },
          // Its instance may have renewed it since.
          ConditionExpression: 'expires_at = :end',
          ExpressionAttributeValues: { ':end': { N: String(end) } },
        });
        if ('answer' in (await writeGlobal('clients', () => dynamodb.send(command), pause))) swept += 1;
      }
      return swept;
    },
  };
}

/** Whether a key counts for this client now. An earlier client of the name had another salt. */
export const isEnrolledFor = (
  { salt, policy }: EnrolledKey,
  client: Named,
  policies: readonly string[],
): boolean => policies.includes(policy) && isSame(salt, client.salt);
