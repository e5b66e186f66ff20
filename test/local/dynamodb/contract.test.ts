/** The store in memory passes the same suite as dynalite and DynamoDB, in each of its modes. */
import { dynamodbClientOn } from '../../../local/dynamodb/client.ts';
import { Dynamodb } from '../../../local/dynamodb/dynamodb.ts';
import { storesContract } from '../../contract/stores.ts';

for (const mode of ['regional', 'eventual', 'strong'] as const)
  storesContract(`the store in memory, ${mode} tables`, () =>
    dynamodbClientOn(
      new Dynamodb({ regions: ['a', 'b'], witness: 'w', modeOf: () => mode, nowMs: Date.now }),
      'a',
    ),
  );
