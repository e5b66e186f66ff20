import { afterAll, beforeAll, describe } from 'vitest';
import { startMinistack } from '../../local/real/ministack.ts';
import { streamsContract } from '../contract/streams.ts';
import { dynamodbCall } from '../support/dynamodb-call.ts';
import { startDynamodbLocal } from './dynamodb-local.ts';

const ENGINES = { 'DynamoDB Local': startDynamodbLocal, MiniStack: startMinistack };

for (const [name, start] of Object.entries(ENGINES))
  describe(name, () => {
    let engine: { endpoint: string; stop: () => Promise<void> };
    beforeAll(async () => {
      engine = await start();
    });
    afterAll(() => engine?.stop());

    streamsContract(name, () => dynamodbCall(engine.endpoint));
  });
