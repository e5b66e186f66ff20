/**
 * What a reader asks of DynamoDB Streams, as one suite: the local store and the real engines must pass it
 * alike.
 */
import { describe, expect, it } from 'vitest';
import type { DynamodbCall } from '../support/dynamodb-call.ts';

const StreamSpecification = { StreamEnabled: true, StreamViewType: 'NEW_AND_OLD_IMAGES' };
let unique = 0;

export function streamsContract(engine: string, connect: () => DynamodbCall): void {
  describe(`the streams of ${engine}`, () => {
    const db = (operation: string, input: object) => connect()('DynamoDB', operation, input);
    const streams = (operation: string, input: object) => connect()('DynamoDBStreams', operation, input);

    async function createTable(): Promise<{ TableName: string; StreamArn: string }> {
      const TableName = `streams-${++unique}`;
      const { TableDescription } = await db('CreateTable', {
        ...{ TableName, BillingMode: 'PAY_PER_REQUEST', StreamSpecification },
        AttributeDefinitions: [{ AttributeName: 'pk', AttributeType: 'S' }],
        KeySchema: [{ AttributeName: 'pk', KeyType: 'HASH' }],
      });
      return { TableName, StreamArn: TableDescription.LatestStreamArn };
    }
    const put = (TableName: string, pk: string, v: string) =>
      db('PutItem', { TableName, Item: { pk: { S: pk }, v: { S: v } } });
    const openShard = async (StreamArn: string): Promise<string> =>
      (await streams('DescribeStream', { StreamArn })).StreamDescription.Shards[0].ShardId;
    const iterator = async (StreamArn: string, position: object): Promise<string> =>
      (await streams('GetShardIterator', { StreamArn, ShardId: await openShard(StreamArn), ...position }))
        .ShardIterator;
    const read = async (StreamArn: string, position: object) =>
      (await streams('GetRecords', { ShardIterator: await iterator(StreamArn, position) })).Records;
    const TRIM_HORIZON = { ShardIteratorType: 'TRIM_HORIZON' };
    // biome-ignore lint/suspicious/noExplicitAny: records off the wire
    const values = (records: any[]) => records.map(({ dynamodb }) => dynamodb.NewImage?.v.S);
    // biome-ignore lint/suspicious/noExplicitAny: records off the wire
    const numbers = (records: any[]) => records.map(({ dynamodb }) => dynamodb.SequenceNumber as string);
    const named = (name: string) => expect.objectContaining({ name });

    it('a table says which stream it has, and the stream which table', async () => {
      const { TableName, StreamArn } = await createTable();
      const { Table } = await db('DescribeTable', { TableName });
      expect(Table).toMatchObject({ StreamSpecification, LatestStreamArn: StreamArn });
      expect(StreamArn).toMatch(new RegExp(`:table/${TableName}/stream/${Table.LatestStreamLabel}$`));
      const { Streams } = await streams('ListStreams', { TableName });
      expect(Streams).toEqual([{ StreamArn, TableName, StreamLabel: Table.LatestStreamLabel }]);
      const { StreamDescription } = await streams('DescribeStream', { StreamArn });
      expect(StreamDescription).toMatchObject({
        ...{ StreamArn, TableName, StreamStatus: 'ENABLED', StreamViewType: 'NEW_AND_OLD_IMAGES' },
        KeySchema: [{ AttributeName: 'pk', KeyType: 'HASH' }],
        Shards: [{ SequenceNumberRange: { StartingSequenceNumber: expect.stringMatching(/^\d+$/) } }],
      });
      expect(StreamDescription.Shards[0].SequenceNumberRange).not.toHaveProperty('EndingSequenceNumber');
    });

    it('has one record for each change, with both images, and none for a write that changes nothing', async () => {
      const { TableName, StreamArn } = await createTable();
      await put(TableName, 'x', '1');
      await put(TableName, 'x', '1');
      await put(TableName, 'x', '2');
      await db('DeleteItem', { TableName, Key: { pk: { S: 'x' } } });
      const records = await read(StreamArn, TRIM_HORIZON);
      const image = (v: string) => ({ pk: { S: 'x' }, v: { S: v } });
      expect(records).toMatchObject([
        { eventName: 'INSERT', dynamodb: { NewImage: image('1') } },
        { eventName: 'MODIFY', dynamodb: { OldImage: image('1'), NewImage: image('2') } },
        { eventName: 'REMOVE', dynamodb: { OldImage: image('2') } },
      ]);
      for (const { eventSource, eventID, dynamodb } of records) {
        expect(eventSource).toBe('aws:dynamodb');
        expect(dynamodb).toMatchObject({ Keys: { pk: { S: 'x' } }, StreamViewType: 'NEW_AND_OLD_IMAGES' });
        expect(dynamodb.ApproximateCreationDateTime).toEqual(expect.any(Number));
        expect(dynamodb.SizeBytes).toEqual(expect.any(Number));
        expect(eventID).toMatch(/./);
      }
      expect(records[0].dynamodb).not.toHaveProperty('OldImage');
      expect(records[2].dynamodb).not.toHaveProperty('NewImage');
      const sorted = numbers(records).toSorted((a, b) => (BigInt(a) < BigInt(b) ? -1 : 1));
      expect(numbers(records)).toEqual(sorted);
      expect(new Set(sorted).size).toBe(3);
    });

    it('is read page by page, and an open shard goes on after its last record', async () => {
      const { TableName, StreamArn } = await createTable();
      for (const v of ['1', '2', '3']) await put(TableName, 'x', v);
      let ShardIterator = await iterator(StreamArn, TRIM_HORIZON);
      const seen: string[] = [];
      for (let page = 0; page < 4; page++) {
        const answer = await streams('GetRecords', { ShardIterator, Limit: 1 });
        expect(answer.Records.length).toBe(page < 3 ? 1 : 0);
        seen.push(...values(answer.Records));
        ShardIterator = answer.NextShardIterator;
      }
      expect(seen).toEqual(['1', '2', '3']);
      await put(TableName, 'x', '4');
      expect(values((await streams('GetRecords', { ShardIterator })).Records)).toEqual(['4']);
    });

    it('is read at a sequence number, or after it', async () => {
      const { TableName, StreamArn } = await createTable();
      for (const v of ['1', '2', '3']) await put(TableName, 'x', v);
      const [, SequenceNumber] = numbers(await read(StreamArn, TRIM_HORIZON));
      const from = (ShardIteratorType: string) => read(StreamArn, { ShardIteratorType, SequenceNumber });
      expect(values(await from('AT_SEQUENCE_NUMBER'))).toEqual(['2', '3']);
      expect(values(await from('AFTER_SEQUENCE_NUMBER'))).toEqual(['3']);
    });

    it('from LATEST has only what is written later', async () => {
      const { TableName, StreamArn } = await createTable();
      await put(TableName, 'x', 'before');
      const ShardIterator = await iterator(StreamArn, { ShardIteratorType: 'LATEST' });
      await put(TableName, 'x', 'after');
      expect(values((await streams('GetRecords', { ShardIterator })).Records)).toEqual(['after']);
    });

    it("refuses what does not exist, by the service's names", async () => {
      const { StreamArn } = await createTable();
      const missing = StreamArn.replace(/table\/[^/]+/, 'table/none');
      const notFound = named('ResourceNotFoundException');
      await expect(streams('DescribeStream', { StreamArn: missing })).rejects.toEqual(notFound);
      const ShardId = 'shardId-00000000000000000000-00000000';
      const asked = { StreamArn, ShardId, ...TRIM_HORIZON };
      await expect(streams('GetShardIterator', asked)).rejects.toEqual(notFound);
      await expect(streams('GetShardIterator', { ...asked, StreamArn: missing })).rejects.toEqual(notFound);
    });

    it('refuses an iterator, a position and a limit that mean nothing', async () => {
      const { StreamArn } = await createTable();
      const invalid = named('ValidationException');
      await expect(streams('GetRecords', { ShardIterator: 'nonsense' })).rejects.toEqual(invalid);
      await expect(iterator(StreamArn, { ShardIteratorType: 'AT_SEQUENCE_NUMBER' })).rejects.toEqual(invalid);
      const ShardIterator = await iterator(StreamArn, TRIM_HORIZON);
      await expect(streams('GetRecords', { ShardIterator, Limit: 1001 })).rejects.toEqual(invalid);
    });

    it('are listed page by page', async () => {
      const made = [await createTable(), await createTable()].map(({ StreamArn }) => StreamArn);
      const seen: string[] = [];
      let page: { Streams: { StreamArn: string }[]; LastEvaluatedStreamArn?: string };
      let more = {};
      do {
        page = await streams('ListStreams', { Limit: 1, ...more });
        seen.push(...page.Streams.map(({ StreamArn }) => StreamArn));
        more = { ExclusiveStartStreamArn: page.LastEvaluatedStreamArn };
      } while (page.LastEvaluatedStreamArn !== undefined);
      expect(new Set(seen).size).toBe(seen.length);
      expect(seen).toEqual(expect.arrayContaining(made));
    });

    it('a table without a stream names none', async () => {
      const TableName = `streams-${++unique}`;
      await db('CreateTable', {
        ...{ TableName, BillingMode: 'PAY_PER_REQUEST' },
        AttributeDefinitions: [{ AttributeName: 'pk', AttributeType: 'S' }],
        KeySchema: [{ AttributeName: 'pk', KeyType: 'HASH' }],
      });
      expect((await db('DescribeTable', { TableName })).Table).not.toHaveProperty('LatestStreamArn');
      expect((await streams('ListStreams', { TableName })).Streams).toEqual([]);
    });
  });
}
