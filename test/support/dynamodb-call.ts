/**
 * Calls DynamoDB and DynamoDB Streams by their JSON protocol, signed as the SDK signs: the SDK's client for
 * streams would be one more dependency.
 */
import { Hash } from '@smithy/core/serde';
import { SignatureV4 } from '@smithy/signature-v4';

const VERSION = '20120810';
// biome-ignore lint/suspicious/noExplicitAny: the answers are what the tests look at
type Json = any;

/** @throws Error with the name that the service gives it */
export type DynamodbCall = (
  service: 'DynamoDB' | 'DynamoDBStreams',
  operation: string,
  input: object,
) => Promise<Json>;

export function dynamodbCall(endpoint: string, region = 'eu-west-1'): DynamodbCall {
  const { hostname, host } = new URL(endpoint);
  const signer = new SignatureV4({
    ...{ service: 'dynamodb', region, sha256: Hash.bind(null, 'sha256') },
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
  });
  return async (service, operation, input) => {
    const body = JSON.stringify(input);
    const { headers } = await signer.sign({
      ...{ method: 'POST', protocol: 'http:', hostname, path: '/', body },
      headers: {
        host,
        'content-type': 'application/x-amz-json-1.0',
        'x-amz-target': `${service}_${VERSION}.${operation}`,
      },
    });
    const answer = await fetch(endpoint, { method: 'POST', headers, body });
    const json = (await answer.json()) as Json;
    if (answer.ok) return json;
    const name = String(json.__type).split('#').at(-1)!;
    throw Object.assign(new Error(json.message ?? json.Message), { name });
  };
}
