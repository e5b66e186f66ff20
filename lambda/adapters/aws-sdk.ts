/** AWS SDK clients, for functions off the request path. They take the adapters' commands and the SDK's. */
import {
  DeleteItemCommand,
  DescribeTableCommand,
  DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
  ScanCommand,
  UpdateItemCommand,
} from '@aws-sdk/client-dynamodb';
import { GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import type { Dynamodb, Secrets } from './aws/commands.ts';
import { type AwsOptions, REQUEST_PATH } from './aws.ts';

export type SdkDynamodb = DynamoDBClient & Dynamodb;
export type SdkSecrets = SecretsManagerClient & Secrets;

const SHORT = {
  maxAttempts: REQUEST_PATH.maxAttempts,
  requestHandler: {
    connectionTimeout: REQUEST_PATH.connectionTimeoutMs,
    requestTimeout: REQUEST_PATH.requestTimeoutMs,
    throwOnRequestTimeout: true,
  },
};

export const sdkDynamodb = (options: AwsOptions): SdkDynamodb =>
  forDynamodb(new DynamoDBClient({ ...options, ...SHORT }));

export const sdkSecrets = (options: AwsOptions): SdkSecrets =>
  forSecrets(new SecretsManagerClient({ ...options, ...SHORT }));

export const forDynamodb = (client: DynamoDBClient): SdkDynamodb =>
  translating<DynamoDBClient, Dynamodb>(client, {
    DeleteItem: DeleteItemCommand,
    DescribeTable: DescribeTableCommand,
    GetItem: GetItemCommand,
    PutItem: PutItemCommand,
    Query: QueryCommand,
    Scan: ScanCommand,
    UpdateItem: UpdateItemCommand,
  });

export const forSecrets = (client: SecretsManagerClient): SdkSecrets =>
  translating<SecretsManagerClient, Secrets>(client, { GetSecretValue: GetSecretValueCommand });

/** Gives a client a `send` that makes the SDK's command from an adapter's. */
function translating<C extends { send: unknown }, T>(
  client: C,
  // biome-ignore lint/suspicious/noExplicitAny: an operation's input fits its own command only
  commands: Readonly<Record<string, new (input: any) => unknown>>,
): C & T {
  const send = (client.send as (...args: unknown[]) => unknown).bind(client);
  const translated = (
    command: { readonly operation?: string; readonly input: unknown },
    ...rest: unknown[]
  ) => send(command.operation ? new commands[command.operation]!(command.input) : command, ...rest);
  return Object.assign(client, { send: translated }) as unknown as C & T;
}
