/**
 * The local platform with its own limits taken out: a write takes no time, and no health check interrupts.
 * It counts what its AWS endpoint receives.
 */
import { BatchWriteItemCommand } from '@aws-sdk/client-dynamodb';
import { sdkDynamodb } from '../../lambda/adapters/aws-sdk.ts';
import { tableName } from '../../lambda/contract/names.ts';
import { startPlatform } from '../../local/platform.ts';
import { STAGE } from '../../local/stage.ts';
import { watchAws } from '../aws-calls.ts';
import { answerAsks } from './ask.ts';
import { gauges } from './gauges.ts';

/** Items of one request: more than DynamoDB takes, which the local store does not limit. */
const BATCH = 1_000;
const NEVER_MS = 3_600_000;

const watch = watchAws();
const platform = await startPlatform({ port: 0, strongWriteMs: 0, checkEveryMs: NEVER_MS });
const { awsEndpoint, regions } = platform.info;

const client = sdkDynamodb({
  endpoint: awsEndpoint,
  region: regions[0]!.name,
  credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
});
const TABLE = tableName(STAGE, 'registry', 1);
let filled = 0;

answerAsks({
  ...gauges(),
  info: () => platform.info,
  received: watch.take,
  settle: watch.settle,
  /** Adds registrations of other clients until the registry holds `items` of them. */
  async fillTo(items: number) {
    while (filled < items) {
      const requests = Array.from({ length: Math.min(BATCH, items - filled) }, () => {
        const id = String(filled++);
        const Item = {
          pk: { S: `bench#${id.padStart(43, '0')}` },
          user_id: { S: `user-${id}` },
          created_at: { N: '1795430000000' },
          data: { S: 'd'.repeat(200) },
        };
        return { PutRequest: { Item } };
      });
      await client.send(new BatchWriteItemCommand({ RequestItems: { [TABLE]: requests } }));
    }
  },
});
