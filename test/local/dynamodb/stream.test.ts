/** Shards and records, and when they end by the clock that is passed in (docs/aws-truths.md, "Streams"). */
import { beforeEach, describe, expect, it } from 'vitest';
import { Dynamodb } from '../../../local/dynamodb/dynamodb.ts';
import { EventualTable } from '../../../local/dynamodb/eventual-table.ts';
import type { Stream } from '../../../local/dynamodb/stream.ts';
import type { StreamOperation, WireRecord } from '../../../local/dynamodb/stream-operations.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
let nowMs: number;
let db: Dynamodb;
let stream: Stream;
let StreamArn: string;

beforeEach(() => {
  nowMs = 1_795_430_000_000;
  db = new Dynamodb({ regions: ['a', 'b'], modeOf: () => 'eventual', nowMs: () => nowMs });
  const KeySchema = [{ AttributeName: 'pk', KeyType: 'HASH' }];
  db.ask('a', 'CreateTable', { TableName: 't', KeySchema } as never);
  stream = db.table('a', 't').stream('a')!;
  StreamArn = (ask('ListStreams', {}) as { Streams: { StreamArn: string }[] }).Streams[0]!.StreamArn;
});

const ask = (operation: StreamOperation, input: object) => db.ask('a', operation, input as never);
const put = (pk: string, v: string) =>
  db.ask('a', 'PutItem', { TableName: 't', Item: { pk: { S: pk }, v: { S: v } } } as never);
interface Listed {
  readonly ShardId: string;
  readonly ParentShardId?: string;
  readonly SequenceNumberRange: { StartingSequenceNumber: string; EndingSequenceNumber?: string };
}
const shards = (): Listed[] =>
  (ask('DescribeStream', { StreamArn }) as { StreamDescription: { Shards: Listed[] } }).StreamDescription
    .Shards;
const iterator = (ShardId: string, position: object = { ShardIteratorType: 'TRIM_HORIZON' }): string =>
  (ask('GetShardIterator', { StreamArn, ShardId, ...position }) as { ShardIterator: string }).ShardIterator;
const page = (ShardIterator: string, Limit?: number) =>
  ask('GetRecords', { ShardIterator, ...(Limit && { Limit }) }) as {
    Records: WireRecord[];
    NextShardIterator?: string;
  };
const values = (records: readonly WireRecord[]) => records.map(({ dynamodb }) => dynamodb.NewImage?.v?.S);
const named = (name: string) => expect.objectContaining({ name }) as never;

describe('a shard', () => {
  it('that splits is closed, has an end, and its items go on in its children, each item in one', () => {
    const keys = Array.from({ length: 30 }, (_, i) => `k${i}`);
    for (const key of keys) put(key, '1');
    const [parent] = shards();
    stream.split(parent!.ShardId, 3);
    for (const v of ['2', '3']) for (const key of keys) put(key, v);
    const children = shards().filter(({ ParentShardId }) => ParentShardId === parent!.ShardId);
    expect(children).toHaveLength(3);
    const closed = shards().find(({ ShardId }) => ShardId === parent!.ShardId)!;
    expect(closed.SequenceNumberRange.EndingSequenceNumber).toMatch(/^\d{21}$/);
    expect(page(iterator(parent!.ShardId))).toEqual({ Records: expect.any(Array) });
    expect(values(page(iterator(parent!.ShardId)).Records)).toEqual(keys.map(() => '1'));
    const found = children.map(({ ShardId }) => page(iterator(ShardId)).Records);
    for (const records of found) expect(records.length).toBeGreaterThan(0);
    for (const key of keys) {
      const its = found.map((records) => records.filter(({ dynamodb }) => dynamodb.Keys.pk!.S === key));
      expect(its.filter(({ length }) => length > 0).map(values)).toEqual([['2', '3']]);
    }
    expect(() => stream.split(parent!.ShardId, 1)).toThrow('is closed');
  });

  it('is closed after four hours, with one child', () => {
    put('x', '1');
    const [first] = shards();
    nowMs += 4 * HOUR - 1;
    expect(shards()).toHaveLength(1);
    nowMs += 1;
    put('x', '2');
    const second = shards().find(({ ParentShardId }) => ParentShardId === first!.ShardId)!;
    expect(shards()).toHaveLength(2);
    expect(values(page(iterator(second.ShardId)).Records)).toEqual(['2']);
  });

  it('is gone with its last record, and its child still names it', () => {
    const [first] = shards();
    put('x', '1');
    stream.split(first!.ShardId, 1);
    nowMs += 24 * HOUR;
    expect(shards().some(({ ShardId }) => ShardId === first!.ShardId)).toBe(false);
    expect(shards().some(({ ParentShardId }) => ParentShardId === first!.ShardId)).toBe(true);
    expect(() => iterator(first!.ShardId)).toThrow(named('ResourceNotFoundException'));
  });
});

describe('a record', () => {
  it('is gone after 24 hours: a position before it is refused, and TRIM_HORIZON is after it', () => {
    const shard = shards()[0]!.ShardId;
    nowMs += 3 * HOUR;
    put('x', 'old');
    const SequenceNumber = page(iterator(shard)).Records[0]!.dynamodb.SequenceNumber;
    nowMs += HOUR - 1;
    put('x', 'new');
    nowMs += 23 * HOUR - 5 * MINUTE;
    const held = iterator(shard);
    expect(values(page(held).Records)).toEqual(['old', 'new']);
    nowMs += 5 * MINUTE + 1;
    const trimmed = named('TrimmedDataAccessException');
    expect(() => page(held)).toThrow(trimmed);
    for (const ShardIteratorType of ['AT_SEQUENCE_NUMBER', 'AFTER_SEQUENCE_NUMBER'])
      expect(() => iterator(shard, { ShardIteratorType, SequenceNumber })).toThrow(trimmed);
    expect(values(page(iterator(shard)).Records)).toEqual(['new']);
  });

  it('comes back by no clock that is set back', () => {
    put('x', '1');
    nowMs += 24 * HOUR;
    put('x', '2');
    nowMs -= 24 * HOUR;
    put('x', '3');
    expect(stream.records().map(({ new: now }) => now?.v?.S)).toEqual(['2', '3']);
  });

  it('names TTL as its user only in the Region where the item expired', () => {
    const Item = { pk: { S: 'x' }, ttl: { N: String(nowMs / 1000 - 1) } };
    db.ask('a', 'PutItem', { TableName: 't', Item } as never);
    const table = db.table('a', 't') as EventualTable;
    expect(table).toBeInstanceOf(EventualTable);
    table.deliverAll();
    table.sweep('a', 'ttl');
    table.deliverAll();
    const last = page(iterator(shards()[0]!.ShardId)).Records.at(-1)!;
    expect(last).toMatchObject({
      eventName: 'REMOVE',
      userIdentity: { Type: 'Service', PrincipalId: 'dynamodb.amazonaws.com' },
    });
    const there = table.stream('b')!.records().at(-1)!;
    expect([there.eventName, there.byTtl]).toEqual(['REMOVE', false]);
  });

  it('is none where only the order of the attributes differs', () => {
    db.ask('a', 'PutItem', { TableName: 't', Item: { pk: { S: 'x' }, v: { S: '1' } } } as never);
    db.ask('a', 'PutItem', { TableName: 't', Item: { v: { S: '1' }, pk: { S: 'x' } } } as never);
    expect(stream.records()).toHaveLength(1);
  });
});

describe('an iterator', () => {
  it('expires after 15 minutes, and each page has a new one', () => {
    const first = iterator(shards()[0]!.ShardId);
    nowMs += 15 * MINUTE - 1;
    const { NextShardIterator } = page(first);
    nowMs += 1;
    expect(() => page(first)).toThrow(named('ExpiredIteratorException'));
    expect(page(NextShardIterator!).Records).toEqual([]);
  });

  it('from LATEST of a closed shard finds nothing, not the records of its children', () => {
    const shard = shards()[0]!.ShardId;
    put('x', '1');
    stream.split(shard, 1);
    put('x', '2');
    expect(page(iterator(shard, { ShardIteratorType: 'LATEST' }))).toEqual({ Records: [] });
  });

  it("of another Region's stream, and of a number that the shard never had, is refused", () => {
    const shard = shards()[0]!.ShardId;
    expect(() => db.ask('b', 'GetRecords', { ShardIterator: iterator(shard) } as never)).toThrow(
      named('ResourceNotFoundException'),
    );
    const position = { ShardIteratorType: 'AT_SEQUENCE_NUMBER', SequenceNumber: `1${'9'.repeat(20)}` };
    expect(() => iterator(shard, position)).toThrow(named('ValidationException'));
    expect(() => iterator(shard, { ShardIteratorType: 'FIRST' })).toThrow(named('ValidationException'));
  });

  it('ends at 1 MB of records, and goes on behind them', () => {
    const shard = shards()[0]!.ShardId;
    for (let i = 0; i < 4; i++) put(`x${i}`, 'v'.repeat(300_000));
    const { Records, NextShardIterator } = page(iterator(shard));
    expect(Records).toHaveLength(3);
    expect(page(NextShardIterator!).Records).toHaveLength(1);
  });
});

it('a lost Region answers for no stream', () => {
  db.network.lose('a');
  expect(() => shards()).toThrow(named('InternalServerError'));
});

it('a strong table has a stream only where one was turned on, and only with both images', () => {
  const strong = new Dynamodb({ regions: ['a', 'b', 'c'], modeOf: () => 'strong', nowMs: () => nowMs });
  const create = (TableName: string, more: object) =>
    strong.ask('a', 'CreateTable', { TableName, KeySchema: [{ AttributeName: 'pk' }], ...more } as never);
  create('without', {});
  create('with', { StreamSpecification: { StreamEnabled: true, StreamViewType: 'NEW_AND_OLD_IMAGES' } });
  const streamsIn = (region: string) =>
    (strong.ask(region, 'ListStreams', {}) as { Streams: { TableName: string }[] }).Streams.map(
      ({ TableName }) => TableName,
    );
  expect(['a', 'b', 'c'].map(streamsIn)).toEqual([['with'], [], []]);
  const StreamSpecification = { StreamEnabled: true, StreamViewType: 'NEW_AND_OLD_IMAGES' };
  const turnOn = () => strong.ask('b', 'UpdateTable', { TableName: 'with', StreamSpecification });
  turnOn();
  expect(['a', 'b', 'c'].map(streamsIn)).toEqual([['with'], ['with'], []]);
  expect(turnOn).toThrow('already has an enabled stream');
  expect(() =>
    create('keys', { StreamSpecification: { StreamEnabled: true, StreamViewType: 'KEYS_ONLY' } }),
  ).toThrow(named('ValidationException'));
});
