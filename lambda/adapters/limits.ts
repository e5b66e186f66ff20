/** The Region's counters of leased signatures (design: 2-protocol "Quota", 8-wire "Table items"). */
import { type DynamoDBClient, UpdateItemCommand } from '@aws-sdk/client-dynamodb';
import { counterTtlS } from '../../protocol/quota.ts';
import { quotaKey } from '../contract/limits.ts';
import { CONDITION_FAILED, call } from './dynamodb.ts';

export interface Limits {
  /**
   * Leases `n` permits of a client's window, in one atomic conditional write. One that lands although its answer is
   * lost leaves permits unused: the limit is exact as an upper bound.
   *
   * @returns what all instances have leased with it; undefined where `leased + n` would exceed the limit
   * @throws Unavailable where the table gives no clear answer
   */
  lease(clientId: string, window: number, n: number, limit: number): Promise<number | undefined>;
}

export function createLimits(dynamodb: DynamoDBClient, table: string): Limits {
  return {
    async lease(clientId, window, n, limit) {
      // A condition holds for a counter that is not there, too: so a block beyond the limit is not asked for.
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
      return 'answer' in result ? Number(result.answer.Attributes!.leased!.N) : undefined;
    },
  };
}
