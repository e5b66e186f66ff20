/** The local endpoint's DynamoDB Streams pass the same suite as DynamoDB Local, on each kind of table. */
import { afterAll, beforeAll } from 'vitest';
import { dynamodbService } from '../../../local/aws/dynamodb.ts';
import { createAwsEndpoint } from '../../../local/aws/endpoint.ts';
import { Dynamodb } from '../../../local/dynamodb/dynamodb.ts';
import { type LocalServer, startServer } from '../../../local/server.ts';
import { streamsContract } from '../../contract/streams.ts';
import { dynamodbCall } from '../../support/dynamodb-call.ts';

for (const mode of ['regional', 'strong'] as const) {
  let server: LocalServer;
  beforeAll(async () => {
    server = await startServer(0, new Set());
    const store = new Dynamodb({
      ...{ regions: ['local-a', 'local-b'], witness: 'witness', modeOf: () => mode, nowMs: Date.now },
    });
    const services = { dynamodb: dynamodbService(store, 'local-a', 0) };
    server.serve(createAwsEndpoint(new Map([['local-a', services as never]])));
  });
  afterAll(() => server.stop());

  streamsContract(`the local endpoint, ${mode} tables`, () => dynamodbCall(server.url, 'local-a'));
}
