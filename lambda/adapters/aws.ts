/** AWS clients for the request path: short timeouts, few retries. */
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';

export interface AwsOptions {
  readonly region: string;
  readonly credentials: { accessKeyId: string; secretAccessKey: string; sessionToken?: string };
  /** Default: AWS's own endpoints. */
  readonly endpoint?: string;
}

export const dynamodbClient = (options: AwsOptions): DynamoDBClient =>
  new DynamoDBClient({ ...options, ...REQUEST_PATH });

export const secretsClient = (options: AwsOptions): SecretsManagerClient =>
  new SecretsManagerClient({ ...options, ...REQUEST_PATH });

// A write is repeated where its answer is late. Every write of this code is safe to repeat.
const REQUEST_PATH = {
  maxAttempts: 3,
  requestHandler: { connectionTimeout: 1_000, requestTimeout: 2_000, throwOnRequestTimeout: true },
};

/** @returns the text of a secret's AWSCURRENT version */
export async function readSecret(secrets: SecretsManagerClient, name: string): Promise<string> {
  const { SecretString } = await secrets.send(new GetSecretValueCommand({ SecretId: name }));
  return SecretString ?? '';
}
