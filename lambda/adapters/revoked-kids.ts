/**
 * Kids of the platform's keys that an operator revoked, in the Region's `limits` table. A verifier refuses them even where
 * its copy of the keyset is stale or the primary Region is lost (docs/key-life-cycle.md, "A key that leaked").
 */
import { type DynamoDBClient, GetItemCommand, UpdateItemCommand } from '@aws-sdk/client-dynamodb';
import { revokedKey } from '../contract/limits.ts';
import type { Purpose } from '../contract/purposes.ts';
import { call } from './call.ts';

/** All methods throw Unavailable. */
export interface RevokedKids {
  /** Strongly consistent. */
  read(purpose: Purpose): Promise<readonly string[]>;
  /** Adds kids to the revoked ones. @throws RangeError for an empty list, which confirms nothing */
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
      const { answer } = await call('limits', () => dynamodb.send(get));
      return answer.Item?.kids?.SS ?? [];
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
