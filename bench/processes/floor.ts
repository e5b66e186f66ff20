/**
 * The floor of a process's first answer: `node:http` alone, one request to the store, 201. Built like a
 * function.
 */
import { createServer, request as httpRequest } from 'node:http';
import type { AddressInfo } from 'node:net';

const { AWS_ENDPOINT_URL = '', AWS_REGION, COUNTERSIGN_LEDGER_TABLE } = process.env;

const server = createServer((request, response) => {
  request.resume();
  request.on('end', () => {
    const item = { TableName: COUNTERSIGN_LEDGER_TABLE, Item: { pk: { S: `floor-${process.pid}` } } };
    const call = httpRequest(AWS_ENDPOINT_URL, { method: 'POST', headers: headers() }, (answer) => {
      answer.resume();
      answer.on('end', () => response.writeHead(answer.statusCode === 200 ? 201 : 500).end());
    });
    call.end(JSON.stringify(item));
  });
});
server.listen(0, '127.0.0.1', () => process.stdout.write(`${(server.address() as AddressInfo).port}\n`));

/** Enough for the local endpoint, which checks no signature. */
function headers(): Record<string, string> {
  return {
    'Content-Type': 'application/x-amz-json-1.0',
    'X-Amz-Target': 'DynamoDB_20120810.PutItem',
    Authorization: `AWS4-HMAC-SHA256 Credential=x/20261123/${AWS_REGION}/dynamodb/aws4_request, SignedHeaders=host, Signature=x`,
    'X-Amz-Date': '20261123T000000Z',
  };
}
