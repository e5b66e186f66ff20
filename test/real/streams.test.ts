/**
 * DynamoDB Local's streams. MiniStack's are left out: its shards have no sequence numbers, and it refuses
 * nothing.
 */
import { afterAll, beforeAll } from 'vitest';
import { streamsContract } from '../contract/streams.ts';
import { dynamodbCall } from '../support/dynamodb-call.ts';
import { type DynamodbLocal, startDynamodbLocal } from './dynamodb-local.ts';

let engine: DynamodbLocal;
beforeAll(async () => {
  engine = await startDynamodbLocal();
});
afterAll(() => engine?.stop());

streamsContract('DynamoDB Local', () => dynamodbCall(engine.endpoint));
