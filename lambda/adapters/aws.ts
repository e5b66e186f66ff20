/**
 * AWS clients for the request path: short timeouts, few retries, and no AWS SDK
 * (docs/decisions/0034-store-client.md).
 */
import { AwsClient, type AwsClientOptions } from './aws/client.ts';
import { type Dynamodb, GetSecretValueCommand, type Secrets } from './aws/commands.ts';
import { endpointOf } from './aws/endpoint.ts';
import type { Credentials } from './aws/signature.ts';

export interface AwsOptions {
  readonly region: string;
  readonly credentials: Credentials;
  /** @default what `AWS_ENDPOINT_URL` and its like say, else AWS's own */
  readonly endpoint?: string;
}

/** What a platform on one machine sets otherwise. */
type Limits = Partial<Pick<AwsClientOptions, keyof typeof REQUEST_PATH>>;

// A write is repeated where its answer is late. Every write of this code is safe to repeat.
export const REQUEST_PATH = {
  maxAttempts: 3,
  connectionTimeoutMs: 1_000,
  requestTimeoutMs: 2_000,
  maxSockets: 50,
};

interface Closable {
  /** Closes the connections. */
  destroy(): void;
}

export const dynamodbClient = (options: AwsOptions, limits: Limits = {}): Dynamodb & Closable =>
  new AwsClient({
    endpoint: endpointOf('dynamodb', options.region, process.env),
    ...options,
    ...REQUEST_PATH,
    ...limits,
    service: 'dynamodb',
    target: 'DynamoDB_20120810',
    jsonVersion: '1.0',
    baseDelayMs: 25,
  });

export const secretsClient = (options: AwsOptions, limits: Limits = {}): Secrets & Closable =>
  new AwsClient({
    endpoint: endpointOf('secretsmanager', options.region, process.env),
    ...options,
    ...REQUEST_PATH,
    ...limits,
    service: 'secretsmanager',
    target: 'secretsmanager',
    jsonVersion: '1.1',
    baseDelayMs: 50,
  });

/** @returns the text of a secret's AWSCURRENT version */
export async function readSecret(secrets: Secrets, name: string): Promise<string> {
  const { SecretString } = await secrets.send(new GetSecretValueCommand({ SecretId: name }));
  return SecretString ?? '';
}
