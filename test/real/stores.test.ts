import { afterAll, beforeAll, describe } from 'vitest';
import { storesContract } from '../contract/stores.ts';
import { dynamodb } from '../support/dynalite.ts';
import { startDynamodbLocal } from './dynamodb-local.ts';
import { startMinistack } from './ministack.ts';

const ENGINES = { 'DynamoDB Local': startDynamodbLocal, MiniStack: startMinistack };

for (const [name, start] of Object.entries(ENGINES))
  describe(name, () => {
    let engine: { endpoint: string; stop: () => Promise<void> };
    beforeAll(async () => {
      engine = await start();
    });
    afterAll(() => engine?.stop());

    storesContract(name, () => dynamodb(engine.endpoint));
  });
