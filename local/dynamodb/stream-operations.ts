/** The operations of DynamoDB Streams on one Region's streams, in the shapes of that API. */
import { createHash } from 'node:crypto';
import { DynamodbException, validation } from './exception.ts';
import { type Item, keyOf } from './item.ts';
import type { Numbered, Shard, Stream } from './stream.ts';

const OPERATIONS = ['ListStreams', 'DescribeStream', 'GetShardIterator', 'GetRecords'] as const;
export type StreamOperation = (typeof OPERATIONS)[number];

export interface NamedStream {
  readonly StreamArn: string;
  readonly StreamLabel: string;
  readonly TableName: string;
  readonly KeySchema: readonly { readonly AttributeName: string }[];
  readonly region: string;
  readonly stream: Stream;
}

/** A record as GetRecords returns it. */
export interface WireRecord {
  readonly eventID: string;
  readonly eventName: 'INSERT' | 'MODIFY' | 'REMOVE';
  readonly eventVersion: string;
  readonly eventSource: 'aws:dynamodb';
  readonly awsRegion: string;
  readonly dynamodb: {
    /** Epoch seconds. */
    readonly ApproximateCreationDateTime: number;
    readonly Keys: Item;
    readonly NewImage?: Item;
    readonly OldImage?: Item;
    readonly SequenceNumber: string;
    readonly SizeBytes: number;
    readonly StreamViewType: 'NEW_AND_OLD_IMAGES';
  };
  readonly userIdentity?: { readonly Type: string; readonly PrincipalId: string };
}

type Input = Readonly<Record<string, unknown>>;

/** What a shard iterator holds. */
interface Position {
  readonly arn: string;
  readonly shard: string;
  /** Number of the first record to read. */
  readonly from: number;
  readonly madeMs: number;
}

const ITERATOR_LIFE_MS = 15 * 60 * 1000;
const MAX_RECORDS = 1000;
const MAX_PAGE_BYTES = 1024 * 1024;

export const isStreamOperation = (operation: string): operation is StreamOperation =>
  (OPERATIONS as readonly string[]).includes(operation);

/** @returns the time of the stream's creation, as the last part of its ARN has it */
export const streamLabel = ({ createdMs }: Stream): string =>
  new Date(createdMs).toISOString().replace('Z', '');

/** @throws DynamodbException */
export function askStream(
  operation: StreamOperation,
  input: Input,
  streams: readonly NamedStream[],
  nowMs: number,
): object {
  if (operation === 'ListStreams') return list(input, streams);
  if (operation === 'DescribeStream') return describe(input, streamOf(streams, input.StreamArn));
  if (operation === 'GetShardIterator')
    return { ShardIterator: iteratorFor(input, streamOf(streams, input.StreamArn), nowMs) };
  const position = positionOf(input.ShardIterator);
  return records(input, streamOf(streams, position.arn), position, nowMs);
}

function list(input: Input, streams: readonly NamedStream[]): object {
  const { TableName: table, ExclusiveStartStreamArn: after } = input;
  const rest = streams
    .filter(
      ({ TableName, StreamArn }) => (table ?? TableName) === TableName && StreamArn > String(after ?? ''),
    )
    .sort((a, b) => (a.StreamArn < b.StreamArn ? -1 : 1));
  const shown = rest.slice(0, limitOf(input, 100));
  return {
    Streams: shown.map(({ StreamArn, TableName, StreamLabel }) => ({ StreamArn, TableName, StreamLabel })),
    ...(shown.length < rest.length && { LastEvaluatedStreamArn: shown.at(-1)!.StreamArn }),
  };
}

function describe(input: Input, { stream, region: _, ...named }: NamedStream): object {
  if (input.ShardFilter !== undefined) throw validation('There is no ShardFilter here');
  const rest = stream.shards().filter(({ id }) => id > String(input.ExclusiveStartShardId ?? ''));
  const shown = rest.slice(0, limitOf(input, 100));
  return {
    StreamDescription: {
      ...named,
      StreamStatus: 'ENABLED',
      StreamViewType: 'NEW_AND_OLD_IMAGES',
      CreationRequestDateTime: stream.createdMs / 1000,
      Shards: shown.map(({ id, parent, start, end }) => ({
        ShardId: id,
        ...(parent !== undefined && { ParentShardId: parent }),
        SequenceNumberRange: {
          StartingSequenceNumber: sequenceNumber(start),
          ...(end !== undefined && { EndingSequenceNumber: sequenceNumber(end) }),
        },
      })),
      ...(shown.length < rest.length && { LastEvaluatedShardId: shown.at(-1)!.id }),
    },
  };
}

function iteratorFor(input: Input, { StreamArn, stream }: NamedStream, nowMs: number): string {
  const shard = shardOf(stream, input.ShardId);
  return iterator({ arn: StreamArn, shard: shard.id, from: fromOf(input, stream, shard), madeMs: nowMs });
}

function fromOf({ ShardIteratorType: type, SequenceNumber }: Input, stream: Stream, shard: Shard): number {
  if (type === 'TRIM_HORIZON') return stream.horizon(shard.id);
  if (type === 'LATEST') return stream.next;
  if (type !== 'AT_SEQUENCE_NUMBER' && type !== 'AFTER_SEQUENCE_NUMBER')
    throw validation(`There is no ShardIteratorType ${type}`);
  const text = String(SequenceNumber ?? '');
  const number = Number(text.slice(1));
  if (text !== sequenceNumber(number) || number < shard.start || number > (shard.end ?? stream.next))
    throw validation(`Invalid SequenceNumber: ${text}`);
  needUntrimmed(stream, shard, number);
  return type === 'AT_SEQUENCE_NUMBER' ? number : number + 1;
}

function records(
  input: Input,
  { region, KeySchema, stream }: NamedStream,
  position: Position,
  nowMs: number,
): object {
  if (nowMs >= position.madeMs + ITERATOR_LIFE_MS)
    throw new DynamodbException('ExpiredIteratorException', 'The shard iterator has expired');
  const limit = limitOf(input, MAX_RECORDS);
  const shard = shardOf(stream, position.shard);
  needUntrimmed(stream, shard, position.from);
  const keys = KeySchema.map(({ AttributeName }) => AttributeName);
  const page: WireRecord[] = [];
  let bytes = 0;
  let from = position.from;
  for (const numbered of stream.read(shard.id, position.from, limit)) {
    const record = wireRecord(numbered, keys, region);
    bytes += record.dynamodb.SizeBytes;
    if (page.length > 0 && bytes > MAX_PAGE_BYTES) break;
    page.push(record);
    from = numbered.number + 1;
  }
  // A closed shard has no iterator after its last record.
  const isRead = shard.end !== undefined && stream.read(shard.id, from, 1).length === 0;
  return {
    Records: page,
    ...(!isRead && { NextShardIterator: iterator({ ...position, from, madeMs: nowMs }) }),
  };
}

function wireRecord({ number, record }: Numbered, keys: readonly string[], awsRegion: string): WireRecord {
  const SequenceNumber = sequenceNumber(number);
  const { eventName, atMs, byTtl } = record;
  const images = {
    ...(record.new && { NewImage: record.new }),
    ...(record.old && { OldImage: record.old }),
  };
  return {
    eventID: createHash('sha256').update(`${awsRegion} ${SequenceNumber}`).digest('hex').slice(0, 32),
    ...{ eventName, eventVersion: '1.1', eventSource: 'aws:dynamodb', awsRegion },
    dynamodb: {
      ApproximateCreationDateTime: Math.floor(atMs / 1000),
      Keys: keyOf(keys, (record.new ?? record.old)!),
      ...images,
      SequenceNumber,
      SizeBytes: Buffer.byteLength(JSON.stringify(images)),
      StreamViewType: 'NEW_AND_OLD_IMAGES',
    },
    ...(byTtl && { userIdentity: { Type: 'Service', PrincipalId: 'dynamodb.amazonaws.com' } }),
  };
}

/** @returns 21 digits, which as texts are in the order of the numbers */
const sequenceNumber = (number: number): string => `1${String(number).padStart(20, '0')}`;

const iterator = (position: Position): string => Buffer.from(JSON.stringify(position)).toString('base64url');

function positionOf(text: unknown): Position {
  try {
    const position = JSON.parse(Buffer.from(String(text), 'base64url').toString());
    if (typeof position?.arn === 'string') return position;
  } catch {
    // Not JSON: refused below.
  }
  throw validation('Invalid ShardIterator');
}

function streamOf(streams: readonly NamedStream[], arn: unknown): NamedStream {
  const found = streams.find(({ StreamArn }) => StreamArn === arn);
  if (found) return found;
  throw new DynamodbException(
    'ResourceNotFoundException',
    `Requested resource not found: Stream: ${arn} not found`,
  );
}

function shardOf(stream: Stream, id: unknown): Shard {
  const found = stream.shard(String(id));
  if (found) return found;
  throw new DynamodbException(
    'ResourceNotFoundException',
    `Requested resource not found: Shard: ${id} not found`,
  );
}

function needUntrimmed(stream: Stream, { id }: Shard, number: number): void {
  if (number >= stream.horizon(id)) return;
  const message = 'The requested sequence number is older than the oldest record of the shard';
  throw new DynamodbException('TrimmedDataAccessException', message);
}

function limitOf({ Limit = undefined }: Input, most: number): number {
  if (Limit === undefined) return most;
  if (typeof Limit === 'number' && Limit >= 1 && Limit <= most) return Limit;
  throw validation(`Limit must be from 1 to ${most}`);
}
