/**
 * The public half of a purpose's keyset, in the Region's `limits` table: a function that reads the private
 * keys writes it, for those that must not read them.
 */
import type { Keyset } from '../../protocol/keyset.ts';
import { publicKeysKey } from '../contract/limits.ts';
import type { Purpose } from '../contract/purposes.ts';
import { type Dynamodb, GetItemCommand, PutItemCommand } from './aws/commands.ts';
import { call } from './call.ts';
import { numberOf, textOf } from './dynamodb.ts';

/** All methods throw Unavailable. */
export interface PublicKeys {
  /** Strongly consistent. @returns undefined before the first copy */
  read(): Promise<{ readonly keyset: Keyset; readonly atMs: number } | undefined>;
  /** @param half without anything private */
  write(half: Keyset, nowMs: number): Promise<void>;
}

export function createPublicKeys(dynamodb: Dynamodb, table: string, purpose: Purpose): PublicKeys {
  const Key = { pk: { S: publicKeysKey(purpose) } };
  return {
    async read() {
      const get = new GetItemCommand({ TableName: table, Key, ConsistentRead: true });
      const { Item } = (await call('limits', () => dynamodb.send(get))).answer;
      return Item && { keyset: JSON.parse(textOf(Item, 'keyset')), atMs: numberOf(Item, 'written_at') };
    },

    async write(half, nowMs) {
      const Item = { ...Key, keyset: { S: JSON.stringify(half) }, written_at: { N: String(nowMs) } };
      await call('limits', () => dynamodb.send(new PutItemCommand({ TableName: table, Item })));
    },
  };
}
