import { setTimeout as sleep } from 'node:timers/promises';
import { DescribeTableCommand, DynamoDBClient, UpdateTableCommand } from '@aws-sdk/client-dynamodb';
import { findStreamHandler } from '../callbacks/find-stream.ts';
import { STREAM_VIEW, streamOf } from '../callbacks/table-stream.ts';
import { aws, runtime } from './process.ts';

const dynamodb = new DynamoDBClient(aws);

export const handler = findStreamHandler({
  streamOf: (table) =>
    streamOf(table, {
      async describe(TableName) {
        const { Table } = await dynamodb.send(new DescribeTableCommand({ TableName }));
        return Table ?? {};
      },
      async turnOn(TableName) {
        const StreamSpecification = { StreamEnabled: true, StreamViewType: STREAM_VIEW } as const;
        await dynamodb.send(new UpdateTableCommand({ TableName, StreamSpecification }));
      },
      nowMs: runtime.nowMs,
      sleep,
    }),
  async answer(url, body) {
    // The URL is signed for a request without a content type.
    const { ok, status } = await fetch(url, { method: 'PUT', body, headers: { 'content-type': '' } });
    if (!ok) throw new Error(`CloudFormation's URL answered ${status}`);
  },
  region: aws.region,
  log: runtime.log,
});
