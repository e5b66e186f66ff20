/** An embedded DynamoDB with this platform's tables. */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { CreateTableCommand, DynamoDBClient } from '@aws-sdk/client-dynamodb';
import dynalite from 'dynalite';
import type { Dynamodb } from '../../lambda/adapters/aws/commands.ts';
import { dynamodbClient } from '../../lambda/adapters/aws.ts';
import { forDynamodb, type SdkDynamodb } from '../../lambda/adapters/aws-sdk.ts';
import { keyType, TABLES, type TableKind, tableName } from '../../lambda/contract/names.ts';

export const STAGE = 'test';

export async function startDynalite(): Promise<{ endpoint: string; stop(): Promise<void> }> {
  const server = dynalite({ createTableMs: 0, deleteTableMs: 0 });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const stop = () => new Promise<void>((resolve) => server.close(() => resolve()));
  return { endpoint: `http://127.0.0.1:${port}`, stop };
}

export const dynamodb = (endpoint: string, region = 'eu-west-1'): SdkDynamodb =>
  forDynamodb(
    new DynamoDBClient({
      endpoint,
      region,
      credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
      maxAttempts: 3,
      // A thousand requests at once on a busy machine are slow, not lost.
      requestHandler: { requestTimeout: 30_000, throwOnRequestTimeout: true },
    }),
  );

/** The client that functions on the request path have. */
export const functionClient = (endpoint: string, region = 'eu-west-1'): Dynamodb =>
  dynamodbClient(
    { endpoint, region, credentials: { accessKeyId: 'test', secretAccessKey: 'test' } },
    { requestTimeoutMs: 30_000 },
  );

export async function createTables(client: DynamoDBClient, kinds: readonly TableKind[], generation = 1) {
  for (const kind of kinds) {
    const { keys } = TABLES[kind];
    await client.send(
      new CreateTableCommand({
        TableName: tableName(STAGE, kind, generation),
        BillingMode: 'PAY_PER_REQUEST',
        AttributeDefinitions: keys.map((name) => ({ AttributeName: name, AttributeType: keyType(name) })),
        KeySchema: keys.map((name, i) => ({ AttributeName: name, KeyType: i === 0 ? 'HASH' : 'RANGE' })),
      }),
    );
  }
}

/** @returns a client of the same store that sends everything twice: the first answer is lost */
export const losingAnswers = (client: Dynamodb): Dynamodb => ({
  async send(command) {
    await client.send(command).catch(() => {});
    return client.send(command);
  },
});
