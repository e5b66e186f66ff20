/** Lambda's event source mapping on a stream, step by step. Its search is test/model/streams.test.ts. */
import { beforeEach, describe, expect, it } from 'vitest';
import {
  type Discarded,
  EventSourceMapping,
  type StreamEvent,
} from '../../../local/aws/event-source-mapping.ts';
import { Dynamodb } from '../../../local/dynamodb/dynamodb.ts';
import type { EventualTable } from '../../../local/dynamodb/eventual-table.ts';
import type { Stream } from '../../../local/dynamodb/stream.ts';

const HOUR = 3_600_000;
let nowMs: number;
let db: Dynamodb;
let stream: Stream;
let mapping: EventSourceMapping;
/** The values of each batch that the function got. */
let batches: string[][];
let discarded: Discarded[];
let answer: (event: StreamEvent) => unknown;
/** What happens after each page of the list of shards. */
let onPage: () => void;

beforeEach(() => {
  nowMs = 1_795_430_000_000;
  db = new Dynamodb({ regions: ['a', 'b'], modeOf: () => 'eventual', nowMs: () => nowMs });
  db.ask('a', 'CreateTable', { TableName: 't', KeySchema: [{ AttributeName: 'pk' }] } as never);
  stream = db.table('a', 't').stream('a')!;
  batches = [];
  discarded = [];
  answer = () => ({});
  onPage = () => {};
  mapping = newMapping(23 * HOUR);
});

function newMapping(maxAgeMs: number): EventSourceMapping {
  const { Streams } = db.ask('a', 'ListStreams', {}) as { Streams: { StreamArn: string }[] };
  return new EventSourceMapping({
    ...{ streamArn: Streams[0]!.StreamArn, batchSize: 4, maxAgeMs, nowMs: () => nowMs },
    ask: async (operation, input) => {
      if (operation !== 'DescribeStream') return db.ask('a', operation, input as never);
      const page = db.ask('a', operation, { ...input, Limit: 1 } as never);
      onPage();
      return page;
    },
    invoke: async (event) => {
      batches.push(valuesOf(event));
      return answer(event);
    },
    onFailure: (each) => discarded.push(each),
  });
}

const valuesOf = ({ Records }: StreamEvent): string[] =>
  Records.map(({ dynamodb }) => dynamodb.NewImage?.v?.S ?? 'removed');
const put = (...values: string[]) => {
  for (const v of values)
    db.ask('a', 'PutItem', { TableName: 't', Item: { pk: { S: 'x' }, v: { S: v } } } as never);
};
const step = async (times = 1) => {
  for (let i = 0; i < times; i++) for (const shard of await mapping.readable()) await mapping.step(shard);
};
const openShard = () => stream.shards().find(({ end }) => end === undefined)!.id;
const failing = (value: string) => (event: StreamEvent) => {
  const at = valuesOf(event).indexOf(value);
  const failed = at === -1 ? [] : [{ itemIdentifier: event.Records[at]!.dynamodb.SequenceNumber }];
  return { batchItemFailures: failed };
};

describe('a batch', () => {
  it('has at most the given number of records, each as Lambda passes it', async () => {
    put('1', '2', '3', '4', '5');
    let seen: StreamEvent | undefined;
    answer = (event) => {
      seen ??= event;
    };
    await step(3);
    expect(batches).toEqual([['1', '2', '3', '4'], ['5']]);
    expect(seen!.Records[0]).toMatchObject({
      ...{ eventName: 'INSERT', eventSource: 'aws:dynamodb', awsRegion: 'a' },
      eventSourceARN: expect.stringMatching(/^arn:aws:dynamodb:a:\d{12}:table\/t\/stream\//),
      dynamodb: { Keys: { pk: { S: 'x' } }, NewImage: { v: { S: '1' } } },
    });
  });

  it('with a failed record is sent again from that record on, whatever is named after it', async () => {
    put('1', '2', '3', '4');
    answer = (event) => ({
      batchItemFailures: [...failing('3')(event).batchItemFailures, ...failing('2')(event).batchItemFailures],
    });
    await step();
    answer = () => undefined;
    await step(2);
    expect(batches).toEqual([
      ['1', '2', '3', '4'],
      ['2', '3', '4'],
    ]);
  });

  it('is halved and sent again where the function throws, until one record is left', async () => {
    put('1', '2', '3', '4');
    answer = (event) => {
      if (valuesOf(event).includes('3')) throw new Error('poison');
    };
    await step(5);
    expect(batches).toEqual([['1', '2', '3', '4'], ['1', '2'], ['3', '4'], ['3'], ['3']]);
    answer = () => undefined;
    await step(2);
    expect(batches.slice(5)).toEqual([['3'], ['4']]);
  });

  it.each(['', 'none', undefined])('fails as a whole if its answer names no record of it: %j', async (id) => {
    put('1', '2');
    answer = () => ({ batchItemFailures: [{ itemIdentifier: id }] });
    await step(2);
    expect(batches).toEqual([['1', '2'], ['1']]);
  });
});

describe('after a restart', () => {
  it('a batch whose outcome nobody learnt is sent again as a whole', async () => {
    put('1', '2');
    answer = () => mapping.restart();
    await step();
    answer = () => undefined;
    await step(2);
    expect(batches).toEqual([
      ['1', '2'],
      ['1', '2'],
    ]);
  });

  it('what was handled is not sent again, and nothing behind it is left out', async () => {
    put('1', '2', '3');
    answer = failing('2');
    await step();
    mapping.restart();
    put('4');
    answer = () => undefined;
    await step(2);
    expect(batches).toEqual([
      ['1', '2', '3'],
      ['2', '3', '4'],
    ]);
  });
});

describe('a child shard', () => {
  it('waits until its parent is handled to the end', async () => {
    put('1', '2', '3', '4', '5');
    stream.split(openShard(), 1);
    put('6');
    answer = () => {
      throw new Error('down');
    };
    await step(3);
    expect(batches.flat()).not.toContain('6');
    answer = () => undefined;
    await step(12);
    const firsts = [...new Set(batches.flat())];
    expect(firsts).toEqual(['1', '2', '3', '4', '5', '6']);
    expect(await mapping.readable()).toEqual([openShard()]);
  });

  it('waits for a parent that its list lacks only because it was opened after the page', async () => {
    const values = Array.from({ length: 40 }, (_, i) => `${i}`);
    const left = [...values];
    const next = () => {
      if (left.length === 0) return;
      put(left.shift()!);
      stream.split(openShard(), 1);
    };
    for (let i = 0; i < 5; i++) next();
    // Two new shards for each page of the list: some lie behind it, and some before.
    onPage = () => {
      next();
      next();
    };
    await step(80);
    expect(batches.flat()).toEqual(values);
  });

  it('starts where its parent has expired', async () => {
    put('lost');
    stream.split(openShard(), 1);
    nowMs += 23 * HOUR;
    put('kept');
    nowMs += HOUR;
    await step(12);
    expect(batches).toEqual([['kept']]);
  });
});

describe('a record that is too old', () => {
  const failThenWait = async (ms: number) => {
    put('old');
    answer = () => {
      throw new Error('down');
    };
    await step();
    nowMs += 3 * HOUR;
    put('young');
    nowMs += ms;
    answer = () => undefined;
    await step(12);
    expect(batches).toEqual([['old'], ['young']]);
  };

  it('while it is tried again is given up, and the destination is told which it was', async () => {
    await failThenWait(20 * HOUR + 1_000);
    expect(discarded).toEqual([
      {
        shardId: expect.stringMatching(/^shardId-/),
        startSequenceNumber: expect.stringMatching(/^\d{21}$/),
        endSequenceNumber: discarded[0]!.startSequenceNumber,
        batchSize: 1,
      },
    ]);
  });

  it('and that its stream has forgotten is given up, and nobody is told: a longest age must be shorter', async () => {
    mapping = newMapping(Number.POSITIVE_INFINITY);
    await failThenWait(21 * HOUR + 1_000);
    expect(discarded).toEqual([]);
  });

  it('before it is read is skipped: the rest of its shard is read', async () => {
    put('handled');
    await step();
    mapping.restart();
    nowMs += 3 * HOUR;
    put('kept');
    nowMs += 21 * HOUR;
    await step(12);
    expect(batches).toEqual([['handled'], ['kept']]);
    expect(discarded).toEqual([]);
  });
});

it('an iterator that expired is replaced, and nothing is repeated', async () => {
  put('1');
  await step();
  nowMs += 16 * 60_000;
  put('2');
  await step(2);
  expect(batches).toEqual([['1'], ['2']]);
});

it('a removal by TTL names its user as Lambda does', async () => {
  const Item = { pk: { S: 'x' }, ttl: { N: String(nowMs / 1000 - 1) } };
  db.ask('a', 'PutItem', { TableName: 't', Item } as never);
  (db.table('a', 't') as EventualTable).sweep('a', 'ttl');
  let last: unknown;
  answer = ({ Records }) => {
    last = Records.at(-1);
  };
  await step();
  expect(last).toMatchObject({
    ...{ eventName: 'REMOVE', userIdentity: { type: 'Service', principalId: 'dynamodb.amazonaws.com' } },
  });
});

it('an outage of the stream is thrown, and the next step goes on', async () => {
  put('1');
  const [shard] = await mapping.readable();
  db.network.lose('a');
  await expect(mapping.step(shard!)).rejects.toThrow('is lost');
  db.network.bringBack('a');
  await mapping.step(shard!);
  expect(batches).toEqual([['1']]);
});
