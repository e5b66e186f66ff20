/** One Region: the real functions with their real clients, and the gateway in front of them. */
import { randomUUID } from 'node:crypto';
import { Agent } from 'node:http';
import { CloudWatchClient } from '@aws-sdk/client-cloudwatch';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { LambdaClient } from '@aws-sdk/client-lambda';
import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import type { Dynamodb, Secrets } from '../lambda/adapters/aws/commands.ts';
import { dynamodbClient, secretsClient } from '../lambda/adapters/aws.ts';
import { forDynamodb, forSecrets, type SdkDynamodb, type SdkSecrets } from '../lambda/adapters/aws-sdk.ts';
import { type FunctionName, functionName, functionsOf } from '../lambda/contract/names.ts';
import { type Route, routesOf } from '../lambda/contract/routes.ts';
import type { TableConsistency } from '../lambda/contract/serving-environment.ts';
import { servingEnvironment } from '../lambda/contract/serving-environment.ts';
import { createFunctions } from '../lambda/entry/compose/serving.ts';
import type { Log } from '../lambda/log.ts';
import { compileSchema } from '../lambda/schema/compile.ts';
import defaultSchema from '../lambda/schema/default.json' with { type: 'json' };
import type { LambdaHandler } from './aws/lambda.ts';
import { createGateway } from './gateway/gateway.ts';
import { LOOPBACK_TOO, resolveLoopback } from './loopback.ts';
import type { HttpListener } from './server.ts';
import { STAGE } from './stage.ts';

/** Settings of a Region, which can be sent to another process. */
export interface LocalRegionSettings {
  readonly entryUrl: string;
  readonly awsEndpoint: string;
  readonly regions: readonly { readonly name: string; readonly url: string }[];
  readonly consistency: TableConsistency;
  readonly nonceLifeMs: number;
  readonly holdDownMs: number;
  /** Hard limit on the age of a copy of a keyset, in milliseconds. */
  readonly keysetMaxAgeMs: number;
  /** Of `registry` and `clients`. */
  readonly tableGeneration: number;
  /** How far the Region's clock is ahead, in milliseconds. */
  readonly clockErrorMs: number;
  /** The path of the health checkers. */
  readonly checkers: Route;
}

export interface RegionRuntime {
  /** The Region's clock, in epoch milliseconds. */
  readonly nowMs: () => number;
  readonly log: Log;
}

export interface Region {
  readonly gateway: HttpListener;
  /** The Region's functions by full name. */
  readonly functions: ReadonlyMap<string, LambdaHandler>;
  readonly aws: AwsClients;
}

export interface AwsClients {
  readonly dynamodb: SdkDynamodb;
  readonly secrets: SdkSecrets;
  readonly lambda: LambdaClient;
  readonly cloudwatch: CloudWatchClient;
  /** What the serving functions use, as on AWS. */
  readonly functions: {
    readonly dynamodb: Dynamodb;
    readonly secrets: Secrets;
    /** For the tables of another Region. */
    readonly dynamodbIn: (region: string) => Dynamodb;
  };
  /** Closes their connections. */
  destroy(): void;
}

export function createRegion(
  name: string,
  url: string,
  settings: LocalRegionSettings,
  { nowMs, log }: RegionRuntime,
): Region {
  // The functions of a Region do not know how far its clock is ahead.
  const { awsEndpoint, checkers, clockErrorMs: _, ...served } = settings;
  const aws = awsClients(awsEndpoint, name);
  const env = servingEnvironment({ stage: STAGE, region: name, baseUrl: url, oauth: OAUTH, ...served });
  const { dynamodb, secrets } = aws.functions;
  const handlers = createFunctions(
    { env, nowMs, log, dynamodb, secrets },
    compileSchema(defaultSchema),
    {
      ...{ guard: LOOPBACK_TOO, resolve: resolveLoopback },
      // Timers of the platform take the place of the queue.
      wake: async () => {},
    },
    undefined,
    aws.functions.dynamodbIn,
  );
  const invoke = (each: FunctionName, event: unknown) =>
    (handlers[each] as LambdaHandler)(event, { awsRequestId: randomUUID() });
  return {
    gateway: createGateway({
      invoke,
      errorDocsUrl: env.COUNTERSIGN_ERROR_DOCS_URL,
      routes: [...routesOf(true), checkers],
      nowMs,
    }),
    functions: new Map(
      functionsOf(true).map((each) => [functionName(STAGE, each), handlers[each] as LambdaHandler]),
    ),
    aws,
  };
}

/** The config's defaults. */
const OAUTH = { tokenLifeMs: 600_000, bodyBinding: false, scopes: [], resources: [] };

/** More sockets and longer timeouts than on AWS: all Regions share this machine. */
const LIMITS = { maxSockets: 256, connectionTimeoutMs: 5_000, requestTimeoutMs: 10_000 };

/** Real clients: the SDK's, and those of the functions. */
export function awsClients(endpoint: string, region: string): AwsClients {
  const httpAgent = new Agent({ keepAlive: true, maxSockets: LIMITS.maxSockets });
  const credentials = { accessKeyId: 'local', secretAccessKey: 'local' };
  const target = { region, endpoint, credentials };
  const options = {
    ...target,
    maxAttempts: 3,
    requestHandler: {
      httpAgent,
      connectionTimeout: LIMITS.connectionTimeoutMs,
      requestTimeout: LIMITS.requestTimeoutMs,
      throwOnRequestTimeout: true,
    },
  };
  const others = new Map<string, ReturnType<typeof dynamodbClient>>();
  const dynamodbIn = (other: string) => {
    const client = others.get(other) ?? dynamodbClient({ ...target, region: other }, LIMITS);
    others.set(other, client);
    return client;
  };
  const functions = { dynamodb: dynamodbIn(region), secrets: secretsClient(target, LIMITS), dynamodbIn };
  return {
    dynamodb: forDynamodb(new DynamoDBClient(options)),
    secrets: forSecrets(new SecretsManagerClient(options)),
    lambda: new LambdaClient(options),
    cloudwatch: new CloudWatchClient(options),
    functions,
    destroy() {
      httpAgent.destroy();
      for (const client of others.values()) client.destroy();
      functions.secrets.destroy();
    },
  };
}
