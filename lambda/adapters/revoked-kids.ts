/**
 * Kids of the platform's keys that an operator revoked, in the Region's `limits` table: so that neither a stale copy of a
 * keyset nor a lost primary Region keeps a stolen key alive (docs/key-life-cycle.md, "A key that leaked").
 */
import { type DynamoDBClient, GetItemCommand, UpdateItemCommand } from '@aws-sdk/client-dynamodb';
import { revokedKey } from '../contract/limits.ts';
import type { Purpose } from '../contract/purposes.ts';
import { call } from './dynamodb.ts';

/** All methods throw Unavailable. */
export interface RevokedKids {
  /** Strongly consistent. */
  read(purpose: Purpose): Promise<readonly string[]>;
  /** Adds to those that stand there. @throws RangeError for an empty list: to take nothing is to confirm nothing */
  add(purpose: Purpose, kids: readonly string[], nowMs: number): Promise<void>;
}

/** Outlives every keyset that could still hold one of them. */
const KEPT_S = 5 * 365 * 24 * 3600;

export const revokedKidsKey = (purpose: Purpose) => ({ pk: { S: revokedKey(purpose) } });
export const revokedKidsTtlS = (nowMs: number): string => String(Math.ceil(nowMs / 1000) + KEPT_S);

export function createRevokedKids(dynamodb: DynamoDBClient, table: string): RevokedKids {
  return {
    async read(purpose) {
      const Key = revokedKidsKey(purpose);
      const get = new GetItemCommand({ TableName: table, Key, ConsistentRead: true });
      const result = await call('limits', () => dynamodb.send(get));
      return ('answer' in result && result.answer.Item?.kids?.SS) || [];
    },

    async add(purpose, kids, nowMs) {
      if (kids.length === 0) throw new RangeError('no kids to revoke');
      const update = new UpdateItemCommand({
        TableName: table,
        Key: revokedKidsKey(purpose),
        UpdateExpression: 'ADD kids :kids SET #ttl = :ttl',
        ExpressionAttributeNames: { '#ttl': 'ttl' },
        ExpressionAttributeValues: {
          ':kids': { SS: [...kids] },
          ':ttl': { N: revokedKidsTtlS(nowMs) },
        },
      });
      await call('limits', () => dynamodb.send(update));
    },
  };
}
