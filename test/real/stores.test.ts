import { afterAll, beforeAll, describe } from 'vitest';
import { startMinistack } from '../../local/real/ministack.ts';
import { storesContract } from '../contract/stores.ts';
import { dynamodb, functionClient } from '../support/dynalite.ts';
import { startDynamodbLocal } from './dynamodb-local.ts';

const ENGINES = { 'DynamoDB Local': startDynamodbLocal, MiniStack: startMinistack };

for (const [name, start] of Object.entries(ENGINES))
  describe(name, () => {
    for (const [client, adapted] of Object.entries({
      'the SDK': dynamodb,
      "the functions' own client": functionClient,
    }))
      describe(`by ${client}`, () => {
        let engine: { endpoint: string; stop: () => Promise<void> };
        beforeAll(async () => {
          engine = await start();
        });
        afterAll(() => engine?.stop());

        storesContract(
          name,
          () => dynamodb(engine.endpoint),
          () => adapted(engine.endpoint),
        );
      });
  });
