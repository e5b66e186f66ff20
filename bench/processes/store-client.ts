/** Calls a store in each way that is compared. */
import { Agent, request as httpRequest } from 'node:http';
import { Pool } from 'undici';
import { toJson } from '../../lambda/adapters/aws/attribute-values.ts';
import { PutItemCommand } from '../../lambda/adapters/aws/commands.ts';
import { dynamodbClient } from '../../lambda/adapters/aws.ts';
import { sdkDynamodb } from '../../lambda/adapters/aws-sdk.ts';
import { answerAsks } from './ask.ts';
import { gauges } from './gauges.ts';

export type Way = 'undici' | 'node:http' | 'own' | 'sdk';

export interface Calls {
  readonly url: string;
  readonly way: Way;
  readonly calls: number;
}

/** As a Lambda function: a few at most. */
const AT_ONCE = 2;

/** A row of the ledger. */
const COMMAND = new PutItemCommand({
  TableName: 'countersign-live-ledger-1',
  Item: {
    pk: { S: 'n'.repeat(79) },
    w: { S: 'w'.repeat(36) },
    jti: { S: 'j'.repeat(22) },
    ttl: { N: '1795430000' },
  },
  ConditionExpression: 'attribute_not_exists(pk) OR w = :w',
  ExpressionAttributeValues: { ':w': { S: 'w'.repeat(36) } },
});
const HEADERS = {
  'Content-Type': 'application/x-amz-json-1.0',
  'X-Amz-Target': 'DynamoDB_20120810.PutItem',
};

/** Kept from round to round, with their connections. */
let ways: Record<Way, () => Promise<unknown>> | undefined;

function waysTo(url: string): Record<Way, () => Promise<unknown>> {
  const pool = new Pool(url, { connections: AT_ONCE });
  const agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE });
  const credentials = {
    accessKeyId: 'ASIAEXAMPLEEXAMPLE12',
    secretAccessKey: 's'.repeat(40),
    // As long as a role's.
    sessionToken: 't'.repeat(800),
  };
  const options = { endpoint: url, region: 'eu-west-1', credentials };
  const own = dynamodbClient(options);
  const sdk = sdkDynamodb(options);
  return {
    async undici() {
      const { body } = await pool.request({
        method: 'POST',
        path: '/',
        headers: HEADERS,
        body: toJson(COMMAND.input),
      });
      return body.json();
    },
    'node:http': () =>
      new Promise((resolve, reject) => {
        const request = httpRequest(url, { method: 'POST', agent, headers: HEADERS }, (answer) => {
          let text = '';
          answer.setEncoding('utf8');
          answer.on('data', (chunk: string) => {
            text += chunk;
          });
          answer.on('end', () => resolve(JSON.parse(text)));
          answer.on('error', reject);
        });
        request.on('error', reject);
        request.end(toJson(COMMAND.input));
      }),
    own: () => own.send(COMMAND),
    sdk: () => sdk.send(COMMAND),
  };
}

answerAsks({
  ...gauges(),
  async call({ url, way, calls }: Calls) {
    ways ??= waysTo(url);
    const call = ways[way];
    let left = calls;
    const worker = async () => {
      while (left-- > 0) await call();
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
  },
});
