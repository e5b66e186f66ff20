/**
 * Kids of the platform's keys that an operator revoked, in the Region's `limits` table. A verifier refuses
 * them even where its copy of the keyset is stale or the primary Region is lost (docs/key-life-cycle.md, "A
 * key that leaked").
 */
import type { Purpose } from '../contract/purposes.ts';
import { type Dynamodb, GetItemCommand, UpdateItemCommand } from './aws/commands.ts';
import { call } from './call.ts';
import { keysItem, keysItemTtlS } from './keys-item.ts';

/** All methods throw Unavailable. */
export interface RevokedKids {
  /** Strongly consistent. */
  read(purpose: Purpose): Promise<readonly string[]>;
  /** Adds kids to the revoked ones. @throws RangeError for an empty list, which confirms nothing */
  add(purpose: Purpose, kids: readonly string[], nowMs: number): Promise<void>;
}

export function createRevokedKids(dynamodb: Dynamodb, table: string): RevokedKids {
  return {
    async read(purpose) {
      const get = new GetItemCommand({ ...keysItem(table, purpose), ConsistentRead: true });
      const { answer } = await call('limits', () => dynamodb.send(get));
      return answer.Item?.kids?.SS ?? [];
    },

    async add(purpose, kids, nowMs) {
      if (kids.length === 0) throw new RangeError('no kids to revoke');
      const update = new UpdateItemCommand({
        ...keysItem(table, purpose),
        UpdateExpression: 'ADD kids :kids SET #ttl = :ttl',
        ExpressionAttributeNames: { '#ttl': 'ttl' },
        ExpressionAttributeValues: {
          ':kids': { SS: [...kids] },
          ':ttl': { N: keysItemTtlS(nowMs) },
        },
      });
      await call('limits', () => dynamodb.send(update));
    },
  };
}
