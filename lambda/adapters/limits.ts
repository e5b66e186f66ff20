/**
 * The Region's counters of leased signatures (docs/protocol.md, "Limits";
 * docs/decisions/0007-quota-leases.md).
 */
import { counterTtlS } from '../../protocol/quota.ts';
import { quotaKey } from '../contract/limits.ts';
import { type Dynamodb, UpdateItemCommand } from './aws/commands.ts';
import { call } from './call.ts';
import { CONDITION_FAILED, numberOf } from './dynamodb.ts';

export interface Limits {
  /**
   * Leases `n` permits of a client's window, in one atomic conditional write. A lost answer leaves permits
   * unused: the limit is exact as an upper bound.
   *
   * @returns the permits that all instances have leased, these included; undefined where `leased + n` would
   * exceed the limit
   * @throws Unavailable where the table gives no clear answer
   */
  lease(clientId: string, window: number, n: number, limit: number): Promise<number | undefined>;
}

export function createLimits(dynamodb: Dynamodb, table: string): Limits {
  return {
    async lease(clientId, window, n, limit) {
      // The condition also holds for a counter that does not exist, for any `n`.
      if (n > limit) return undefined;
      const update = new UpdateItemCommand({
        TableName: table,
        Key: { pk: { S: quotaKey(clientId, window) } },
        UpdateExpression: 'ADD leased :n SET #ttl = :ttl',
        ConditionExpression: 'attribute_not_exists(leased) OR leased <= :most',
        ExpressionAttributeNames: { '#ttl': 'ttl' },
        ExpressionAttributeValues: {
          ':n': { N: String(n) },
          ':most': { N: String(limit - n) },
          ':ttl': { N: String(counterTtlS(window)) },
        },
        ReturnValues: 'UPDATED_NEW',
      });
      const result = await call('limits', () => dynamodb.send(update), [CONDITION_FAILED]);
      return 'answer' in result ? numberOf(result.answer.Attributes ?? {}, 'leased') : undefined;
    },
  };
}
