/**
 * Why a purpose's last rotation failed, in the Region's `limits` table (keys-item.ts): AWS keeps no such
 * record.
 */
import type { RotationFailure } from '../contract/keys.ts';
import type { Purpose } from '../contract/purposes.ts';
import { type Dynamodb, GetItemCommand, UpdateItemCommand } from './aws/commands.ts';
import { call } from './call.ts';
import { CONDITION_FAILED } from './dynamodb.ts';
import { keysItem, keysItemTtlS } from './keys-item.ts';

/** All methods throw Unavailable. */
export interface RotationRecord {
  /** @returns null where the last rotation did not fail */
  read(): Promise<RotationFailure | null>;
  failed(failure: RotationFailure): Promise<void>;
  succeeded(): Promise<void>;
}

export function createRotationRecord(dynamodb: Dynamodb, table: string, purpose: Purpose): RotationRecord {
  const item = keysItem(table, purpose);
  return {
    async read() {
      const get = new GetItemCommand({ ...item, ConsistentRead: true });
      const { answer } = await call('limits', () => dynamodb.send(get));
      const { at, action, reason } = answer.Item?.failure?.M ?? {};
      return at?.S && action?.S && reason?.S ? { at: at.S, action: action.S, reason: reason.S } : null;
    },

    async failed({ at, action, reason }) {
      const update = new UpdateItemCommand({
        ...item,
        UpdateExpression: 'SET failure = :failure, #ttl = :ttl',
        ExpressionAttributeNames: { '#ttl': 'ttl' },
        ExpressionAttributeValues: {
          ':failure': { M: { at: { S: at }, action: { S: action }, reason: { S: reason } } },
          ':ttl': { N: keysItemTtlS(Date.parse(at)) },
        },
      });
      await call('limits', () => dynamodb.send(update));
    },

    async succeeded() {
      const update = new UpdateItemCommand({
        ...item,
        UpdateExpression: 'REMOVE failure',
        // Without the condition an update would make an item.
        ConditionExpression: 'attribute_exists(failure)',
      });
      await call('limits', () => dynamodb.send(update), [CONDITION_FAILED]);
    },
  };
}
