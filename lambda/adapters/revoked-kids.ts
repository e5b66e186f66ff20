/**
 * Kids of the platform's keys that an operator revoked, in the Region's `limits` table: so that neither a stale copy of a
 * keyset nor a lost primary Region keeps a stolen key alive (design: 3-keys "Revoke").
 */
import { type DynamoDBClient, GetItemCommand, UpdateItemCommand } from '@aws-sdk/client-dynamodb';
import { revokedKey } from '../contract/limits.ts';
import type { Purpose } from '../contract/purposes.ts';
import { call } from './dynamodb.ts';

/** All methods throw Unavailable. */
export interface RevokedKids {
  /** Strongly consistent. */
  read(purpose: Purpose): Promise<readonly string[]>;
  /** Adds to those that stand there. */
  add(purpose: Purpose, kids: readonly string[], nowMs: number): Promise<void>;
}

/** Outlives every keyset that could still hold one of them. */
const KEPT_S = 5 * 365 * 24 * 3600;

export function createRevokedKids(dynamodb: DynamoDBClient, table: string): RevokedKids {
  const key = (purpose: Purpose) => ({ pk: { S: revokedKey(purpose) } });
  return {
    async read(purpose) {
      const get = new GetItemCommand({ TableName: table, Key: key(purpose), ConsistentRead: true });
      const result = await call('limits', () => dynamodb.send(get));
      return ('answer' in result && result.answer.Item?.kids?.SS) || [];
    },

    async add(purpose, kids, nowMs) {
      if (kids.length === 0) return;
      const update = new UpdateItemCommand({
        TableName: table,
        Key: key(purpose),
        UpdateExpression: 'ADD kids :kids SET #ttl = :ttl',
        ExpressionAttributeNames: { '#ttl': 'ttl' },
        ExpressionAttributeValues: {
          ':kids': { SS: [...kids] },
          ':ttl': { N: String(Math.ceil(nowMs / 1000) + KEPT_S) },
        },
      });
      await call('limits', () => dynamodb.send(update));
    },
  };
}
