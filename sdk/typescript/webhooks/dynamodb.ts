/** Remembers events in a DynamoDB table, for a receiver of several processes. */
import {
  ConditionalCheckFailedException,
  DeleteItemCommand,
  type DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
  UpdateItemCommand,
} from '@aws-sdk/client-dynamodb';
import { InvalidArgumentError } from '../errors.ts';
import type { WebhookStore } from './store.ts';

export interface DynamodbStoreOptions {
  readonly client: DynamoDBClient;
  /**
   * A table of your own, with the partition key `id` (a string). Turn on its Time to Live for the attribute
   * `ttl`, so that DynamoDB deletes what is forgotten.
   */
  readonly table: string;
}

/** What a crashed run left is of no use for longer. */
const LEFTOVER_S = 7 * 24 * 3600;

/**
 * Its leases compare the clocks of the receiver's machines, which may differ by half a minute.
 *
 * @throws InvalidArgumentError where an option is missing
 */
export function dynamodbStore({ client, table }: DynamodbStoreOptions): WebhookStore {
  if (typeof client?.send !== 'function') throw new InvalidArgumentError('client must be a DynamoDBClient');
  if (typeof table !== 'string' || table === '') throw new InvalidArgumentError('table is missing');
  const at = (id: string) => ({ TableName: table, Key: { id: { S: id } } });
  const put = (id: string, attributes: object) => ({
    TableName: table,
    Item: { id: { S: id }, ...attributes },
  });
  return {
    async begin(id, run, leaseMs) {
      const nowMs = Date.now();
      const begun = await unlessRefused(
        client.send(
          new PutItemCommand({
            ...put(id, { run: { S: run }, lease_until: ms(nowMs + leaseMs), ttl: ttl(nowMs, LEFTOVER_S) }),
            // An event that is done has no lease. `run = :run`: the first answer was lost, and the AWS SDK
            // sends the put again.
            ConditionExpression: 'attribute_not_exists(id) OR lease_until <= :now OR run = :run',
            ExpressionAttributeValues: { ':now': ms(nowMs), ':run': { S: run } },
          }),
        ),
      );
      if (begun) return 'begun';
      const { Item } = await client.send(new GetItemCommand({ ...at(id), ConsistentRead: true }));
      if (Item && !Item.lease_until) return 'done';
      return { heldForMs: Math.max(0, Number(Item?.lease_until?.N ?? nowMs) - nowMs) };
    },
    renew: (id, run, leaseMs) =>
      unlessRefused(
        client.send(
          new UpdateItemCommand({
            ...at(id),
            UpdateExpression: 'SET lease_until = :until',
            ConditionExpression: 'run = :run',
            ExpressionAttributeValues: { ':run': { S: run }, ':until': ms(Date.now() + leaseMs) },
          }),
        ),
      ),
    async done(id, _run, rememberMs) {
      await client.send(new PutItemCommand(put(id, { ttl: ttl(Date.now(), rememberMs / 1000) })));
    },
    async release(id, run) {
      await unlessRefused(
        client.send(
          new DeleteItemCommand({
            ...at(id),
            ConditionExpression: 'run = :run',
            ExpressionAttributeValues: { ':run': { S: run } },
          }),
        ),
      );
    },
  };
}

const ms = (value: number) => ({ N: String(value) });
const ttl = (nowMs: number, afterS: number) => ({ N: String(Math.ceil(nowMs / 1000 + afterS)) });

/** @returns false where the condition did not hold */
async function unlessRefused(sent: Promise<unknown>): Promise<boolean> {
  try {
    await sent;
    return true;
  } catch (error) {
    if (error instanceof ConditionalCheckFailedException) return false;
    throw error;
  }
}
