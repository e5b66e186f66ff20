/**
 * A store that accepts a request and never answers counts as unavailable. The wait ends before Lambda ends
 * the function.
 */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it } from 'vitest';
import { dynamodbClient, readSecret, secretsClient } from '../../../lambda/adapters/aws.ts';
import { Unavailable } from '../../../lambda/adapters/call.ts';
import { createLedger } from '../../../lambda/adapters/ledger.ts';

it('is tried three times, then reported as an outage', async () => {
  const asked: string[] = [];
  const silent = createServer(({ headers }) => asked.push(String(headers['x-amz-target'])));
  await once(silent.listen(0, '127.0.0.1'), 'listening');
  const { port } = silent.address() as AddressInfo;
  const options = {
    region: 'eu-west-1',
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
    endpoint: `http://127.0.0.1:${port}`,
  };
  const dynamodb = dynamodbClient(options);
  const secrets = secretsClient(options);
  try {
    const failures = Promise.allSettled([
      createLedger(dynamodb, 'ledger').probe(0),
      readSecret(secrets, 'nonce'),
    ]);
    const [ledger, secret] = (await failures) as PromiseRejectedResult[];
    expect(ledger!.reason).toBeInstanceOf(Unavailable);
    expect(ledger!.reason).toMatchObject({
      message: 'ledger unavailable',
      cause: { name: 'TimeoutError' },
    });
    expect(secret!.reason).toMatchObject({ name: 'TimeoutError' });
    expect(asked.toSorted()).toEqual([
      ...Array(3).fill('DynamoDB_20120810.PutItem'),
      ...Array(3).fill('secretsmanager.GetSecretValue'),
    ]);
  } finally {
    dynamodb.destroy();
    secrets.destroy();
    silent.closeAllConnections();
    silent.close();
  }
});
