/** Evacuation flags in a Region's `limits` table: its own, and that of the Region whose flag it keeps. */
import { type EvacuationFlag, returnedTtlS } from '../../protocol/evacuation.ts';
import { evacuatedKey } from '../contract/limits.ts';
import { type Dynamodb, GetItemCommand, UpdateItemCommand } from './aws/commands.ts';
import { call } from './call.ts';
import { CONDITION_FAILED, type Item } from './dynamodb.ts';

/** All methods throw Unavailable. */
export interface Evacuations {
  /** Strongly consistent. @returns undefined for a Region that was never evacuated */
  read(region: string): Promise<EvacuationFlag | undefined>;
  /** A flag that is already set keeps its time. */
  evacuate(region: string, nowMs: number): Promise<EvacuationFlag>;
  /** Records the return again, even if no flag is set: Route 53 may have missed it. */
  return(region: string, nowMs: number): Promise<EvacuationFlag>;
}

export function createEvacuations(dynamodb: Dynamodb, table: string): Evacuations {
  const item = (region: string) => ({ TableName: table, Key: { pk: { S: evacuatedKey(region) } } });
  const evacuations: Evacuations = {
    async read(region) {
      const get = new GetItemCommand({ ...item(region), ConsistentRead: true });
      const { answer } = await call('limits', () => dynamodb.send(get));
      return evacuationFlag(answer.Item);
    },

    async evacuate(region, nowMs) {
      const update = new UpdateItemCommand({
        ...item(region),
        // Without a TTL: no flag ends by itself.
        UpdateExpression: 'SET since = :now REMOVE returned_at, #ttl',
        ConditionExpression: 'attribute_not_exists(since)',
        ExpressionAttributeNames: { '#ttl': 'ttl' },
        ExpressionAttributeValues: { ':now': { N: String(nowMs) } },
      });
      const result = await call('limits', () => dynamodb.send(update), [CONDITION_FAILED]);
      const flag = 'answer' in result ? undefined : await evacuations.read(region);
      return flag ?? { stands: true, sinceMs: nowMs };
    },

    async return(region, nowMs) {
      const update = new UpdateItemCommand({
        ...item(region),
        UpdateExpression: 'SET returned_at = :now, #ttl = :ttl REMOVE since',
        ExpressionAttributeNames: { '#ttl': 'ttl' },
        ExpressionAttributeValues: {
          ':now': { N: String(nowMs) },
          ':ttl': { N: String(returnedTtlS(nowMs)) },
        },
      });
      await call('limits', () => dynamodb.send(update));
      return { stands: false, returnedMs: nowMs };
    },
  };
  return evacuations;
}

/** @returns the flag that an item holds */
export function evacuationFlag(item: Item | undefined): EvacuationFlag | undefined {
  const { since, returned_at } = item ?? {};
  if (since?.N !== undefined) return { stands: true, sinceMs: Number(since.N) };
  return returned_at?.N === undefined ? undefined : { stands: false, returnedMs: Number(returned_at.N) };
}
