/**
 * The functions' own client beside the AWS SDK's: the same commands at a server that fails in every way that
 * AWS and networks fail. Outcome, attempts and requests must be the same.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { Sha256 } from '@smithy/core/checksum';
import { SignatureV4 } from '@smithy/signature-v4';
import fc from 'fast-check';
import { afterAll, beforeEach, expect, it, vi } from 'vitest';
import {
  type AwsCommand,
  DeleteItemCommand,
  GetItemCommand,
  GetSecretValueCommand,
  PutItemCommand,
  QueryCommand,
  ScanCommand,
  UpdateItemCommand,
} from '../../../lambda/adapters/aws/commands.ts';
import type { AwsFailure } from '../../../lambda/adapters/aws/failure.ts';
import { RetryBudget } from '../../../lambda/adapters/aws/retry.ts';
import { dynamodbClient, secretsClient } from '../../../lambda/adapters/aws.ts';
import { forDynamodb, forSecrets } from '../../../lambda/adapters/aws-sdk.ts';

/** Answers a request in some way, or breaks its connection. */
type Answer = (response: ServerResponse, request: IncomingMessage) => void;
interface Asked {
  readonly headers: IncomingMessage['headers'];
  readonly url: string;
  readonly body: string;
}

const SKEW_MS = 600_000;
const CREDENTIALS = {
  accessKeyId: 'AKIDEXAMPLE',
  secretAccessKey: 'secret/+',
  sessionToken: 'IQoJb3JpZ2luX2VjE/+==',
};

let script: Answer[] = [];
let asked: Asked[] = [];
const server = createServer(async (request, response) => {
  let body = '';
  for await (const chunk of request.setEncoding('utf8')) body += chunk;
  asked.push({ headers: request.headers, url: request.url!, body });
  (script.shift() ?? ok({}))(response, request);
});
await once(server.listen(0, '127.0.0.1'), 'listening');
const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

const sendJson =
  (status: number, text: string, headers: Record<string, string> = {}): Answer =>
  (response) => {
    const type = { 'Content-Type': 'application/x-amz-json-1.0', 'x-amzn-RequestId': 'REQUEST' };
    response.writeHead(status, { ...type, 'Content-Length': Buffer.byteLength(text), ...headers }).end(text);
  };
const ok = (value: object, headers?: Record<string, string>) => sendJson(200, JSON.stringify(value), headers);
const refused = (status: number, name: string, more: object = {}, headers?: Record<string, string>) =>
  sendJson(
    status,
    JSON.stringify({ __type: `com.amazonaws.dynamodb.v20120810#${name}`, message: `it is ${name}`, ...more }),
    headers,
  );
const late = (name: string, message = name) =>
  refused(403, name, { message }, { Date: new Date(Date.now() + SKEW_MS).toUTCString() });
const cut: Answer = (_, { socket }) => socket.destroy();
const cutInside: Answer = (response, { socket }) => {
  response.writeHead(200, { 'Content-Length': 100 });
  response.write('{"Item":', () => socket.destroy());
};
const silent: Answer = () => {};

const ITEM = {
  s: { S: 'ü€\ud83d\ude00 "\\\n' },
  n: { N: '12345678901234567890.5' },
  b: { B: 'AAEC/w==' },
  bs: { BS: ['AQ==', 'Ag=='] },
  ss: { SS: ['x', 'y'] },
  ns: { NS: ['1', '2e10'] },
  l: { L: [{ B: 'Aw==' }, { S: '' }, { M: { deep: { B: 'BA==' } } }] },
  m: { M: { B: { S: 'a member that is called B' }, list: { L: [] } } },
  no: { BOOL: false },
  nil: { NULL: true },
};

/** Each is what the server does with the attempts of one call. */
const FAULTS: Readonly<Record<string, readonly Answer[]>> = {
  'an answer': [ok({ ConsumedCapacity: { TableName: 't', CapacityUnits: 1 } })],
  'an empty body': [sendJson(200, '')],
  'a wrong checksum': [ok({}, { 'x-amz-crc32': '1' })],
  'a condition that failed, with the item': [refused(400, 'ConditionalCheckFailedException', { Item: ITEM })],
  'one throttled attempt': [refused(400, 'ThrottlingException')],
  'throttled attempts': Array(3).fill(refused(400, 'ThrottlingException')),
  'one attempt over the throughput': [refused(400, 'ProvisionedThroughputExceededException')],
  'attempts over the throughput': Array(3).fill(refused(400, 'ProvisionedThroughputExceededException')),
  'attempts over the account’s limit': Array(3).fill(refused(400, 'RequestLimitExceeded')),
  'a status that means throttled': [refused(429, 'SomeException')],
  'one conflict with another Region': [refused(400, 'ReplicatedWriteConflictException')],
  'conflicts with another Region': Array(3).fill(refused(400, 'ReplicatedWriteConflictException')),
  'one internal error': [refused(500, 'InternalServerError')],
  'internal errors': Array(3).fill(refused(500, 'InternalServerError')),
  'unavailable, in HTML': Array(3).fill(sendJson(503, '<html>503</html>')),
  'a bad gateway, without a body': Array(3).fill(sendJson(502, '')),
  'another server error': [refused(501, 'NotImplemented')],
  'a refusal in HTML': [sendJson(400, '<html>400</html>')],
  'a refusal without a body': [sendJson(400, '')],
  'a redirect': [sendJson(301, '', { Location: '/elsewhere' })],
  'a name in the header only': [sendJson(400, '{"Message":"m"}', { 'x-amzn-ErrorType': 'Named:http://x/' })],
  'a name as `code`': [sendJson(400, '{"code":"aws#Named","message":"m"}')],
  'no such table': [refused(400, 'ResourceNotFoundException')],
  'an invalid request': [refused(400, 'ValidationException')],
  'no access': [refused(400, 'AccessDeniedException')],
  'expired credentials': [refused(400, 'ExpiredTokenException')],
  'an unknown exception with a member': [refused(400, 'NewException', { Because: 'of this' })],
  'a wrong clock': [late('InvalidSignatureException', 'Signature expired: 1 is now earlier than 2')],
  'a wrong clock, without the words': [late('InvalidSignatureException')],
  'a wrong clock, by another name': [late('RequestExpired')],
  'a wrong clock, by a third name': [late('RequestTimeTooSkewed')],
  'a wrong signature': [refused(403, 'InvalidSignatureException')],
  'an expired signature by a right clock': Array(3).fill(
    refused(403, 'InvalidSignatureException', { message: 'Signature expired' }),
  ),
  'one cut connection': [cut],
  'cut connections': [cut, cut, cut],
  'one answer cut inside': [cutInside],
  'answers cut inside': [cutInside, cutInside, cutInside],
  'an answer whose JSON ends early': [sendJson(200, '{"Item":{')],
  'one silent attempt': [silent],
  'silent attempts': [silent, silent, silent],
  'a hint to wait, then an answer': [
    refused(503, 'InternalServerError', {}, { 'x-amz-retry-after': '40' }),
    refused(503, 'InternalServerError', {}, { 'Retry-After': '0.04' }),
  ],
};

const options = { endpoint, region: 'eu-west-1', credentials: CREDENTIALS };
/** On a busy machine an answer is slow, not lost: only a call that gets none has a short limit. */
const clients = (fault = '') => {
  const requestTimeoutMs = fault.includes('silent') ? 400 : 30_000;
  const limits = { requestTimeoutMs, connectionTimeoutMs: 30_000 };
  const sdk = {
    ...options,
    maxAttempts: 3,
    requestHandler: {
      requestTimeout: requestTimeoutMs,
      connectionTimeout: 30_000,
      throwOnRequestTimeout: true,
    },
  };
  return {
    dynamodb: { sdk: forDynamodb(new DynamoDBClient(sdk)), own: dynamodbClient(options, limits) },
    secrets: { sdk: forSecrets(new SecretsManagerClient(sdk)), own: secretsClient(options, limits) },
  };
};

interface Client {
  send(command: AwsCommand<unknown>): Promise<unknown>;
}

/** @returns what the caller sees of a call, and what the server sees */
async function run(client: Client, command: AwsCommand<unknown>, answers: readonly Answer[]) {
  script = [...answers];
  asked = [];
  let outcome: unknown;
  try {
    const { $metadata, ...output } = (await client.send(command)) as { $metadata: { attempts: number } };
    outcome = { output: plain(output), attempts: $metadata.attempts };
  } catch (error) {
    const { name, $fault, $metadata, code, Item, Because, message } = error as Record<string, never>;
    const { httpStatusCode, requestId, attempts } = ($metadata ?? {}) as Record<string, unknown>;
    outcome = {
      ...{ name, $fault, code, Item: plain(Item), Because, attempts },
      // The words for a broken connection are Node's or ours, those for broken JSON are V8's.
      ...($fault !== undefined && { message, httpStatusCode, requestId }),
    };
  }
  const requests = asked.map(({ headers, url, body }) => ({
    url,
    target: headers['x-amz-target'],
    type: headers['content-type'],
    body: JSON.parse(body),
    // AWS accepts a signature within five minutes.
    ahead: Math.round((signedMs(headers) - Date.now()) / SKEW_MS) || 0,
  }));
  return { outcome, requests };
}

/** The SDK's bytes are a Buffer or not, as it likes. */
const plain = (value: unknown): unknown =>
  value instanceof Uint8Array
    ? [...value]
    : Array.isArray(value)
      ? value.map(plain)
      : typeof value === 'object' && value !== null
        ? Object.fromEntries(Object.entries(value).map(([name, each]) => [name, plain(each)]))
        : value;

function signedMs(headers: IncomingMessage['headers']): number {
  const [, y, m, d, h, min, s] = /^(\d{4})(..)(..)T(..)(..)(..)Z$/.exec(String(headers['x-amz-date']))!;
  return Date.parse(`${y}-${m}-${d}T${h}:${min}:${s}Z`);
}

// Retries then wait for nothing but hints.
beforeEach(() => {
  vi.spyOn(Math, 'random').mockReturnValue(0);
});
afterAll(() => {
  vi.restoreAllMocks();
  server.closeAllConnections();
  server.close();
});

const TABLE = { TableName: 't', Key: { pk: { S: 'k' } } };
const BYTES = { B: new Uint8Array([0, 1, 255]) };
const COMMANDS: Readonly<Record<string, AwsCommand<unknown>>> = {
  GetItem: new GetItemCommand({ ...TABLE, ConsistentRead: true }),
  PutItem: new PutItemCommand({
    TableName: 't',
    Item: {
      pk: { S: 'ü€ "\\' },
      bytes: BYTES,
      buffer: { B: Buffer.from('bytes') },
      set: { BS: [new Uint8Array([1]), Buffer.from([2])] },
      list: { L: [BYTES, { M: { of: BYTES } }] },
      number: { N: '0012.50' },
      no: { BOOL: false },
      nil: { NULL: true },
      names: { SS: ['a', 'b'] },
    },
    ConditionExpression: undefined,
    ExpressionAttributeValues: { ':w': BYTES },
    ReturnValues: 'ALL_OLD',
  }),
  UpdateItem: new UpdateItemCommand({ ...TABLE, UpdateExpression: 'SET a = :a' }),
  DeleteItem: new DeleteItemCommand({ ...TABLE, ConditionExpression: 'a = :a' }),
  Query: new QueryCommand({ TableName: 't', KeyConditionExpression: 'pk = :pk' }),
  Scan: new ScanCommand({ TableName: 't', ExclusiveStartKey: { pk: { S: 'k' } }, Limit: 3 }),
};

it.each(Object.keys(FAULTS))('after %s the outcome of a write is the SDK’s', async (fault) => {
  const { sdk, own } = clients(fault).dynamodb;
  const expected = await run(sdk, COMMANDS.PutItem!, FAULTS[fault]!);
  expect(await run(own, COMMANDS.PutItem!, FAULTS[fault]!)).toEqual(expected);
});

/** Without DynamoDB's own. */
const OF_SECRETS = Object.keys(FAULTS).filter((name) => !/condition|conflict/.test(name));

it.each(OF_SECRETS)('after %s the outcome of reading a secret is the SDK’s', async (fault) => {
  const { sdk, own } = clients(fault).secrets;
  const command = new GetSecretValueCommand({ SecretId: 'countersign/x/nonce' });
  const secret = [...FAULTS[fault]!, ok({ SecretString: '{"keys":[]}', VersionId: 'v' })];
  const answers = fault === 'an answer' ? secret.slice(1) : secret;
  const expected = await run(sdk as Client, command, answers);
  expect(await run(own as Client, command, answers)).toEqual(expected);
});

it.each(Object.keys(COMMANDS))('%s has the SDK’s request and output', async (operation) => {
  const { sdk, own } = clients().dynamodb;
  const answers = [
    ok({ Items: [ITEM, ITEM], Count: 2, ScannedCount: 2, LastEvaluatedKey: { pk: { B: 'AA==' } } }),
    ok({ Item: ITEM }),
    ok({ Attributes: ITEM }),
  ];
  const scripted = /Query|Scan/.test(operation)
    ? answers[0]!
    : operation === 'GetItem'
      ? answers[1]!
      : answers[2]!;
  const expected = await run(sdk, COMMANDS[operation]!, [scripted]);
  expect(expected.outcome).toHaveProperty('output');
  expect(await run(own, COMMANDS[operation]!, [scripted])).toEqual(expected);
});

it('after any history of faults, the budget for retries is as the SDK’s', async () => {
  const quick = Object.keys(FAULTS).filter((name) => !/silent|hint|clock/.test(name));
  await fc.assert(
    fc.asyncProperty(
      // Long enough to spend the budget.
      fc.array(fc.constantFrom(...quick, 'internal errors', 'cut connections', 'throttled attempts'), {
        minLength: 30,
        maxLength: 60,
      }),
      async (history) => {
        const { sdk, own } = clients().dynamodb;
        const outcomes = async (client: Client) => {
          const found: unknown[] = [];
          for (const fault of history) found.push(await run(client, COMMANDS.GetItem!, FAULTS[fault]!));
          return found;
        };
        expect(await outcomes(own)).toEqual(await outcomes(sdk));
      },
    ),
    { numRuns: 10 },
  );
});

it('a hint to wait delays a retry by a second at most: a function has ten, the SDK waits for five', () => {
  const hint = Object.assign(new Error(), { name: 'InternalServerError', retryAfterMs: 60_000 });
  const error = { ...hint, $metadata: { httpStatusCode: 503 } } as AwsFailure;
  expect(new RetryBudget(3, 25).take(error, 1)).toMatchObject({ delayMs: 1_000 });
});

it('a store that only fails is asked once per call, when the budget is spent', async () => {
  const { own } = clients().dynamodb;
  for (let call = 0; call < 40; call++) await run(own, COMMANDS.GetItem!, FAULTS['internal errors']!);
  const { requests } = await run(own, COMMANDS.GetItem!, FAULTS['internal errors']!);
  expect(requests).toHaveLength(1);
});

it.each([CREDENTIALS, { accessKeyId: 'AKID', secretAccessKey: 'no token' }])(
  'requests have the signature that the Smithy signer makes',
  async (credentials) => {
    const own = dynamodbClient({ ...options, credentials });
    await run(own, COMMANDS.PutItem!, [ok({})]);
    const { headers, body } = asked[0]!;
    const [, names = '', signature] = /SignedHeaders=([^,]+), Signature=([0-9a-f]{64})$/.exec(
      String(headers.authorization),
    )!;
    const covered = names.split(';');
    expect(covered).toEqual(expect.arrayContaining(['content-type', 'host', 'x-amz-date', 'x-amz-target']));
    const signer = new SignatureV4({
      service: 'dynamodb',
      region: 'eu-west-1',
      credentials,
      sha256: Sha256,
      applyChecksum: false,
    });
    const signed = await signer.sign(
      {
        method: 'POST',
        protocol: 'http:',
        hostname: '127.0.0.1',
        path: '/',
        query: {},
        headers: Object.fromEntries(covered.map((name) => [name, String(headers[name])])),
        body,
      },
      { signingDate: new Date(signedMs(headers)) },
    );
    expect(signed.headers.authorization).toContain(`Signature=${signature}`);
  },
);

it('an answer that stalls inside its body ends at the limit too, where the SDK waits for minutes', async () => {
  const { own } = clients('silent').dynamodb;
  const stalled: Answer = (response) => {
    response.writeHead(200, { 'Content-Length': 100 });
    response.write('{');
  };
  const { outcome, requests } = await run(own, COMMANDS.GetItem!, [stalled, stalled, stalled]);
  expect(outcome).toMatchObject({ name: 'TimeoutError', attempts: 3 });
  expect(requests).toHaveLength(3);
});

it('connections are kept: calls in a row use one', async () => {
  const ports = new Set<number | undefined>();
  const noted: Answer = (response, request) => {
    ports.add(request.socket.remotePort);
    ok({})(response, request);
  };
  const { own } = clients().dynamodb;
  for (let call = 0; call < 5; call++) await run(own, COMMANDS.GetItem!, [noted]);
  expect(ports.size).toBe(1);
});
