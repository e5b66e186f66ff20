import { CloudWatchClient, DescribeAlarmsCommand, PutMetricDataCommand } from '@aws-sdk/client-cloudwatch';
import {
  BatchWriteItemCommand,
  CreateTableCommand,
  DescribeTableCommand,
  DynamoDBClient,
  GetItemCommand,
  ListTablesCommand,
  PutItemCommand,
} from '@aws-sdk/client-dynamodb';
import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda';
import {
  CreateSecretCommand,
  DescribeSecretCommand,
  GetSecretValueCommand,
  ListSecretsCommand,
  PutSecretValueCommand,
  SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { CloudWatch, cloudwatchService } from '../../../local/aws/cloudwatch.ts';
import { dynamodbService } from '../../../local/aws/dynamodb.ts';
import { createAwsEndpoint } from '../../../local/aws/endpoint.ts';
import { type LambdaHandler, lambdaService } from '../../../local/aws/lambda.ts';
import { SecretRegions } from '../../../local/aws/secret-regions.ts';
import { secretsManagerService } from '../../../local/aws/secrets-manager.ts';
import { Dynamodb } from '../../../local/dynamodb/dynamodb.ts';
import { type LocalServer, startServer } from '../../../local/server.ts';
import { send } from '../http.ts';

const REGIONS = ['local-a', 'local-b'] as const;
const NOW_MS = Date.UTC(2026, 10, 23, 12);
const ALARM = {
  name: 'evacuated',
  namespace: 'ours',
  metric: 'Evacuated',
  dimension: { Name: 'Region', Value: 'local-b' },
};
let server: LocalServer;
const clients: { destroy(): void }[] = [];

function aws(region: string) {
  const options = {
    endpoint: server.url,
    region,
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
    maxAttempts: 1,
  };
  const made = {
    dynamodb: new DynamoDBClient(options),
    secrets: new SecretsManagerClient(options),
    lambda: new LambdaClient(options),
    cloudwatch: new CloudWatchClient(options),
  };
  clients.push(...Object.values(made));
  return made;
}
let a: ReturnType<typeof aws>;
let b: ReturnType<typeof aws>;

beforeAll(async () => {
  server = await startServer(0, new Set());
  const tables = new Dynamodb({
    regions: REGIONS,
    witness: 'witness',
    modeOf: (table) => (table.startsWith('global') ? 'strong' : 'regional'),
    nowMs: () => NOW_MS,
  });
  const store = new SecretRegions(REGIONS, () => NOW_MS);
  const handler =
    (region: string): LambdaHandler =>
    async (event, { awsRequestId, invokedFunctionArn }) => {
      if (event.fail) throw new TypeError('broken');
      return { region, event, awsRequestId, invokedFunctionArn };
    };
  const services = (region: string) => ({
    dynamodb: dynamodbService(tables, region, 0),
    secretsmanager: secretsManagerService(store, region),
    lambda: lambdaService(new Map([['echo', handler(region)]]), region),
    monitoring: cloudwatchService(new CloudWatch([ALARM], 60_000, () => NOW_MS)),
  });
  server.serve(createAwsEndpoint(new Map(REGIONS.map((region) => [region, services(region)]))));
  a = aws('local-a');
  b = aws('local-b');
  for (const [client, table] of [
    [a, 'own-table'],
    [b, 'own-table'],
    [a, 'global-table'],
  ] as const)
    await client.dynamodb.send(
      new CreateTableCommand({
        TableName: table,
        BillingMode: 'PAY_PER_REQUEST',
        AttributeDefinitions: [{ AttributeName: 'pk', AttributeType: 'S' }],
        KeySchema: [{ AttributeName: 'pk', KeyType: 'HASH' }],
      }),
    );
});
afterAll(async () => {
  for (const client of clients) client.destroy();
  await server.stop();
});

const put = (client: typeof a, TableName: string, pk: string, w: string) =>
  client.dynamodb.send(
    new PutItemCommand({
      TableName,
      Item: { pk: { S: pk }, w: { S: w } },
      ConditionExpression: 'attribute_not_exists(pk) OR w = :w',
      ExpressionAttributeValues: { ':w': { S: w } },
    }),
  );
const get = async (client: typeof a, TableName: string, pk: string) =>
  (
    await client.dynamodb.send(
      new GetItemCommand({ TableName, Key: { pk: { S: pk } }, ConsistentRead: true }),
    )
  ).Item;

test("a Region's own table is visible in that Region only", async () => {
  await put(a, 'own-table', 'x', '1');
  expect(await get(a, 'own-table', 'x')).toBeDefined();
  expect(await get(b, 'own-table', 'x')).toBeUndefined();
});

test('a global table is one table for all Regions', async () => {
  await put(a, 'global-table', 'y', '1');
  expect(await get(b, 'global-table', 'y')).toEqual({ pk: { S: 'y' }, w: { S: '1' } });
});

test('a conditional write accepts its own repetition, and no other writer', async () => {
  await put(a, 'own-table', 'z', 'mine');
  await put(a, 'own-table', 'z', 'mine');
  await expect(put(a, 'own-table', 'z', 'other')).rejects.toThrow(
    expect.objectContaining({ name: 'ConditionalCheckFailedException' }),
  );
});

test('of many concurrent conditional writes one wins', async () => {
  const writes = Array.from({ length: 50 }, (_, i) => put(a, 'own-table', 'race', String(i)));
  const settled = await Promise.allSettled(writes);
  expect(settled.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
});

test('a batch goes to the Region of its table', async () => {
  const items = [{ PutRequest: { Item: { pk: { S: 'batched' } } } }];
  await b.dynamodb.send(new BatchWriteItemCommand({ RequestItems: { 'global-table': items } }));
  expect(await get(a, 'global-table', 'batched')).toBeDefined();
});

test('a Region lists its own and the global tables together, page by page', async () => {
  expect((await b.dynamodb.send(new ListTablesCommand({}))).TableNames).toEqual([
    'global-table',
    'own-table',
  ]);
  const first = await b.dynamodb.send(new ListTablesCommand({ Limit: 1 }));
  expect(first).toMatchObject({ TableNames: ['global-table'], LastEvaluatedTableName: 'global-table' });
  const rest = new ListTablesCommand({ ExclusiveStartTableName: first.LastEvaluatedTableName });
  expect((await b.dynamodb.send(rest)).TableNames).toEqual(['own-table']);
});

test("a missing table is reported in AWS's words", async () => {
  await expect(a.dynamodb.send(new DescribeTableCommand({ TableName: 'none' }))).rejects.toThrow(
    expect.objectContaining({ name: 'ResourceNotFoundException' }),
  );
});

const AddReplicaRegions = [{ Region: 'local-b' }];

test('a secret is read in every Region, by name and by ARN', async () => {
  const created = await a.secrets.send(
    new CreateSecretCommand({ Name: 'app/keys', SecretString: 'one', AddReplicaRegions }),
  );
  const there = await b.secrets.send(new GetSecretValueCommand({ SecretId: 'app/keys' }));
  expect(there).toMatchObject({
    SecretString: 'one',
    VersionStages: ['AWSCURRENT'],
    VersionId: created.VersionId,
  });
  expect(there.CreatedDate).toEqual(new Date(NOW_MS));
  expect(there.ARN).toMatch(/^arn:aws:secretsmanager:local-b:\d{12}:secret:app\/keys-/);
  const byArn = await b.secrets.send(new GetSecretValueCommand({ SecretId: there.ARN }));
  expect(byArn.SecretString).toBe('one');
});

test('a new version is current, the version before is previous, and the one before that has no label', async () => {
  const Name = 'versions';
  await a.secrets.send(new CreateSecretCommand({ Name, SecretString: 'one', AddReplicaRegions }));
  await a.secrets.send(new PutSecretValueCommand({ SecretId: Name, SecretString: 'two' }));
  await a.secrets.send(new PutSecretValueCommand({ SecretId: Name, SecretString: 'three' }));
  const read = async (VersionStage: string) =>
    (await b.secrets.send(new GetSecretValueCommand({ SecretId: Name, VersionStage }))).SecretString;
  expect(await read('AWSCURRENT')).toBe('three');
  expect(await read('AWSPREVIOUS')).toBe('two');
  const { ReplicationStatus } = await a.secrets.send(new DescribeSecretCommand({ SecretId: Name }));
  const { VersionIdsToStages } = await b.secrets.send(new DescribeSecretCommand({ SecretId: Name }));
  expect(Object.values(VersionIdsToStages!).flat().sort()).toEqual(['AWSCURRENT', 'AWSPREVIOUS']);
  expect(ReplicationStatus).toEqual([{ Region: 'local-b', Status: 'InSync' }]);
});

test('a pending version does not change the current one', async () => {
  const Name = 'pending';
  await a.secrets.send(new CreateSecretCommand({ Name, SecretString: 'live' }));
  const SecretString = 'next';
  await a.secrets.send(
    new PutSecretValueCommand({ SecretId: Name, SecretString, VersionStages: ['AWSPENDING'] }),
  );
  const read = (VersionStage?: string) =>
    a.secrets.send(new GetSecretValueCommand({ SecretId: Name, ...(VersionStage && { VersionStage }) }));
  expect((await read()).SecretString).toBe('live');
  expect((await read('AWSPENDING')).SecretString).toBe('next');
  await expect(read('AWSPREVIOUS')).rejects.toThrow(
    expect.objectContaining({ name: 'ResourceNotFoundException' }),
  );
});

test('a repeated put is one version; the same token with another value is refused', async () => {
  const Name = 'repeated';
  await a.secrets.send(new CreateSecretCommand({ Name, SecretString: 'one' }));
  const token = '00000000-0000-4000-8000-000000000001';
  const putValue = (SecretString: string) =>
    a.secrets.send(new PutSecretValueCommand({ SecretId: Name, SecretString, ClientRequestToken: token }));
  await putValue('two');
  await putValue('two');
  const { VersionIdsToStages } = await a.secrets.send(new DescribeSecretCommand({ SecretId: Name }));
  expect(VersionIdsToStages?.[token]).toEqual(['AWSCURRENT']);
  await expect(putValue('three')).rejects.toThrow(
    expect.objectContaining({ name: 'ResourceExistsException' }),
  );
});

test('a secret cannot be created twice, found where it is missing, or written in a replica', async () => {
  const Name = 'once';
  await a.secrets.send(new CreateSecretCommand({ Name, SecretString: 'one', AddReplicaRegions }));
  const named = (name: string) => expect.objectContaining({ name });
  await expect(b.secrets.send(new CreateSecretCommand({ Name, SecretString: 'two' }))).rejects.toThrow(
    named('ResourceExistsException'),
  );
  await expect(
    b.secrets.send(new PutSecretValueCommand({ SecretId: Name, SecretString: 'two' })),
  ).rejects.toThrow(named('InvalidRequestException'));
  await expect(a.secrets.send(new GetSecretValueCommand({ SecretId: 'none' }))).rejects.toThrow(
    named('ResourceNotFoundException'),
  );
});

test('secrets are listed without their values', async () => {
  await a.secrets.send(
    new CreateSecretCommand({ Name: 'listed', SecretString: 'hidden-value', AddReplicaRegions }),
  );
  const { SecretList } = await b.secrets.send(new ListSecretsCommand({}));
  expect(SecretList?.map(({ Name }) => Name)).toContain('listed');
  expect(JSON.stringify(SecretList)).not.toContain('hidden-value');
});

test('a function is invoked in the requested Region, with its event', async () => {
  const { Payload, StatusCode, FunctionError } = await b.lambda.send(
    new InvokeCommand({ FunctionName: 'echo', Payload: JSON.stringify({ name: 'Zoë' }) }),
  );
  expect({ StatusCode, FunctionError }).toEqual({ StatusCode: 200, FunctionError: undefined });
  expect(JSON.parse(Payload!.transformToString())).toEqual({
    region: 'local-b',
    event: { name: 'Zoë' },
    awsRequestId: expect.stringMatching(/^[0-9a-f-]{36}$/),
    invokedFunctionArn: 'arn:aws:lambda:local-b:000000000000:function:echo',
  });
});

test('a function sees the alias it was called by, in whatever form it was named', async () => {
  const arn = 'arn:aws:lambda:local-a:000000000000:function:echo';
  for (const named of [
    { FunctionName: 'echo:watch' },
    { FunctionName: `${arn}:watch` },
    { FunctionName: 'echo', Qualifier: 'watch' },
  ]) {
    const { Payload } = await a.lambda.send(new InvokeCommand({ ...named, Payload: '{}' }));
    expect(JSON.parse(Payload!.transformToString()).invokedFunctionArn).toBe(`${arn}:watch`);
  }
});

test('a function that throws is a function error, not a failed call', async () => {
  const FunctionName = 'arn:aws:lambda:local-a:000000000000:function:echo';
  const answer = await a.lambda.send(new InvokeCommand({ FunctionName, Payload: '{"fail":true}' }));
  expect(answer.FunctionError).toBe('Unhandled');
  expect(JSON.parse(answer.Payload!.transformToString())).toEqual({
    errorType: 'TypeError',
    errorMessage: 'broken',
  });
});

test('an unknown function, an invalid JSON payload and an asynchronous call are refused, each by name', async () => {
  const named = (name: string) => expect.objectContaining({ name });
  await expect(a.lambda.send(new InvokeCommand({ FunctionName: 'none' }))).rejects.toThrow(
    named('ResourceNotFoundException'),
  );
  await expect(a.lambda.send(new InvokeCommand({ FunctionName: 'echo', Payload: '{' }))).rejects.toThrow(
    named('InvalidRequestContentException'),
  );
  const later = new InvokeCommand({ FunctionName: 'echo', InvocationType: 'Event' });
  await expect(a.lambda.send(later)).rejects.toThrow(named('InvalidParameterValueException'));
});

test('an unknown Region, and a request without credentials, are refused', async () => {
  await expect(aws('local-z').dynamodb.send(new ListTablesCommand({}))).rejects.toThrow(/local-a, local-b/);
  const bare = await send(server.url, { method: 'POST', body: '{}' });
  expect(bare.status).toBe(403);
  expect(JSON.parse(bare.text).__type).toBe('MissingAuthenticationTokenException');
});

test('CloudWatch: an alarm shows what its metric says, in its own Region and namespace', async () => {
  const stateIn = async ({ cloudwatch }: typeof a) =>
    (await cloudwatch.send(new DescribeAlarmsCommand({ AlarmNames: ['evacuated'] }))).MetricAlarms![0]!
      .StateValue;
  const put = (Namespace: string, MetricName: string, Region: string, Value: number) =>
    a.cloudwatch.send(
      new PutMetricDataCommand({
        Namespace,
        MetricData: [{ MetricName, Value, Dimensions: [{ Name: 'Region', Value: Region }] }],
      }),
    );
  await put('theirs', 'Evacuated', 'local-b', 1);
  await put('ours', 'Other', 'local-b', 1);
  await put('ours', 'Evacuated', 'local-a', 1);
  expect(await stateIn(a)).toBe('INSUFFICIENT_DATA');
  await put('ours', 'Evacuated', 'local-b', 1);
  expect([await stateIn(a), await stateIn(b)]).toEqual(['ALARM', 'INSUFFICIENT_DATA']);
  const { MetricAlarms } = await a.cloudwatch.send(new DescribeAlarmsCommand({ AlarmNames: ['none'] }));
  expect(MetricAlarms).toEqual([]);
});
