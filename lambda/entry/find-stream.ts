import { DescribeTableCommand, DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { findStreamHandler } from '../callbacks/find-stream.ts';
import { aws, runtime } from './process.ts';

const dynamodb = new DynamoDBClient(aws);

export const handler = findStreamHandler({
  async streamOf(TableName) {
    const { Table } = await dynamodb.send(new DescribeTableCommand({ TableName }));
    return Table?.LatestStreamArn;
  },
  async answer(url, body) {
    // The URL is signed for a request without a content type.
    const { ok, status } = await fetch(url, { method: 'PUT', body, headers: { 'content-type': '' } });
    if (!ok) throw new Error(`CloudFormation's URL answered ${status}`);
  },
  region: aws.region,
  log: runtime.log,
});
